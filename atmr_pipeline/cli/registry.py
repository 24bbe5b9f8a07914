"""The registry by hand: what is there, promotion, rollback, the anchor, and training a version again."""

import os
from typing import Annotated, Any

import typer
from rich.table import Table

from atmr_pipeline.cli.output import AsJson, out, print_json, say


def _kind(kind: str | None) -> str | None:
    if kind not in (None, "delay", "policy"):
        raise typer.BadParameter(f"{kind!r} is neither delay nor policy")
    return kind


Kind = Annotated[str, typer.Argument(help="delay or policy", callback=_kind, show_default=False)]
Version = Annotated[str, typer.Argument(help="registered version, see `atmr versions`", show_default=False)]
Reason = Annotated[str, typer.Option(help="why; kept in the audit log", show_default=False)]


def promote(kind: Kind, version: Version, reason: Reason) -> None:
    """Make a registered version the champion, whatever the gates say; the audit log keeps who and why."""
    from atmr_pipeline.promotion.by_hand import promote_by_hand
    from atmr_pipeline.resources.workspace import Workspace

    state = promote_by_hand(Workspace().registry, kind, version, actor=_actor(), reason=reason)
    out.print(f"champion of {kind}: {state.version_id}", highlight=False)


def rollback(kind: Kind, reason: Reason) -> None:
    """Serve the previous champion again."""
    from atmr_pipeline.promotion.by_hand import rollback_by_hand
    from atmr_pipeline.resources.workspace import Workspace

    state = rollback_by_hand(Workspace().registry, kind, actor=_actor(), reason=reason)
    out.print(f"champion of {kind}: {state.version_id}", highlight=False)


def anchor(kind: Kind, version: Version, reason: Reason) -> None:
    """Set the fixed version that every challenger is compared with, so that small steps down cannot add up."""
    from atmr_pipeline.promotion.by_hand import set_anchor_by_hand
    from atmr_pipeline.resources.workspace import Workspace

    state = set_anchor_by_hand(Workspace().registry, kind, version, actor=_actor(), reason=reason)
    out.print(f"anchor of {kind}: {state.version_id}", highlight=False)


def versions(
    kind: Annotated[str | None, typer.Argument(help="delay or policy; both if left out", callback=_kind)] = None,
    as_json: AsJson = False,
) -> None:
    """The registered versions, newest first: when trained, how good, under which alias, what happened last."""
    from atmr_pipeline.resources.model_versions import version_rows
    from atmr_pipeline.resources.workspace import Workspace

    workspace, kinds = Workspace(), [kind] if kind else ["delay", "policy"]
    rows = {name: version_rows(workspace, name) for name in kinds}
    if as_json:
        print_json(rows)
        return
    for name, found in rows.items():
        measure = "MAE, min" if name == "delay" else "cost a day"
        table = Table(title=f"{name} models")
        for heading in ("version", "trained (UTC)", "aliases", measure, "last event"):
            table.add_column(heading, no_wrap=heading == "version")
        for row in found:
            figure = row["held_out_mae_min"] if name == "delay" else row["held_out_cost"]
            shown = "unknown" if figure is None else f"{figure:.2f}"
            table.add_row(row["version"], _when(row["trained_at"]), ", ".join(row["aliases"]), shown, _event(row))
        out.print(table)


def history(kind: Kind, as_json: AsJson = False) -> None:
    """The audit log of a kind, oldest first: what happened to its versions, who did it and why."""
    from atmr_pipeline.resources.model_versions import event_rows
    from atmr_pipeline.resources.workspace import Workspace

    events = event_rows(Workspace(), kind)
    if as_json:
        print_json({"kind": kind, "events": events})
        return
    for event in events:
        moved = " -> ".join(version for version in (event["from_version"], event["to_version"]) if version)
        alias = f" {event['alias']}" if event["alias"] else ""
        line = f"{_when(event['at'])}  {event['action']}{alias}  {moved}  {event['actor']}: {event['reason']}"
        out.print(line, highlight=False, markup=False, soft_wrap=True)


def retrain(version: Version, as_json: AsJson = False) -> None:
    """Train a version again from what was kept of its training; exit code 1 if it is not the same to the last bit."""
    from atmr_pipeline.resources.retraining import retrain_version
    from atmr_pipeline.resources.workspace import Workspace

    result = retrain_version(Workspace(), version)
    if as_json:
        print_json(vars(result))
    else:
        said = "identical" if result.identical else "NOT identical"
        out.print(f"{said}: {result.content_hash_before} then, {result.content_hash_after} now", highlight=False)
        for difference in result.differences:
            say(difference, "yellow")
    if not result.identical:
        raise typer.Exit(1)


def _event(row: dict[str, Any]) -> str:
    event = row["last_event"]
    return "" if event is None else f"{event['action']} {_when(event['at'])}"


def _when(at: str) -> str:
    return at[:16].replace("T", " ")


def _actor() -> str:
    return f"cli:{os.environ.get('USER') or os.getuid()}"
