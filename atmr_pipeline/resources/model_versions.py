"""The registered versions as a person wants to see them: how good, under which alias, and what happened last."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from atmr_pipeline.resources.workspace import Workspace

if TYPE_CHECKING:
    from atmr_pipeline.promotion.aliases import ModelEvent


def version_rows(workspace: Workspace, kind: str) -> list[dict[str, Any]]:
    """One row a version of a kind, newest first.

    Returns
    -------
    list of dict
        ``version, kind, trained_at`` (UTC), ``aliases``, ``held_out_mae_min`` (delay models, minutes) or
        ``held_out_cost`` (policies, cost units a day), None where it is not known, ``training_set`` (hash of what it
        was trained on, None where it was not kept) and ``last_event`` (action, time, actor).
    """
    registry = workspace.registry
    aliases: dict[str, list[str]] = {}
    for alias, state in registry.aliases(kind).items():
        aliases.setdefault(state.version_id, []).append(alias)
    costs = _held_out_costs(workspace) if kind == "policy" else {}
    events = registry.history(kind)
    return [
        {
            "version": version.version_id,
            "kind": kind,
            "trained_at": _utc(version.created_at),
            "aliases": aliases.get(version.version_id, []),
            **(
                {"held_out_mae_min": version.metrics.get("evaluation", {}).get("mae_min")}
                if kind == "delay"
                else {"held_out_cost": costs.get(version.version_id)}
            ),
            "training_set": version.metrics.get("training", {}).get("training_set"),
            "last_event": _last_event(events, version.version_id),
        }
        for version in reversed(registry.list_versions(kind))
    ]


def event_rows(workspace: Workspace, kind: str) -> list[dict[str, Any]]:
    """The audit log of a kind, oldest first, as JSON values."""
    return [{**vars(event), "at": _utc(event.at)} for event in workspace.registry.history(kind)]


def _last_event(events: "list[ModelEvent]", version_id: str) -> dict[str, Any] | None:
    for event in reversed(events):
        if version_id in (event.to_version, event.from_version):
            return {"action": event.action, "alias": event.alias, "at": _utc(event.at), "actor": event.actor}
    return None


def _held_out_costs(workspace: Workspace) -> dict[str, float]:
    """Mean cost a held-out day, of the last challenger and of the policies that it was compared with."""
    tables = workspace.tables
    if not (tables.has("dispatch_evaluation") and tables.has("dispatch_policy")):
        return {}
    table, record = tables.read("dispatch_evaluation"), tables.read_value("dispatch_policy")
    if set(table["model_version"]) != {record["version_id"]}:
        return {}
    compared = record.get("compared_with")
    # Evaluations of before there was an anchor name the champion only.
    others = compared if isinstance(compared, dict) else {"champion": compared}
    means = table.groupby("method")["cost"].mean()
    methods = {**others, "policy": record["version_id"]}
    return {version: float(means[method]) for method, version in methods.items() if version and method in means}


def _utc(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="seconds")
