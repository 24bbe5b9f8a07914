"""What the gates say of the dispatch challenger, from its held-out days."""

import math
from typing import Any

import pandas as pd

from atmr_pipeline.assets.dispatch_policy import COMPARED, PLAN_FIGURES
from atmr_pipeline.assets.running_day import HYBRID, RESOLVE
from atmr_pipeline.resources.workspace import Workspace

DAY = ["company_id", "service_day"]


def judge_policy(workspace: Workspace) -> list[Any]:
    """Every gate's verdict on the dispatch challenger."""
    from atmr_pipeline.promotion.gates import policy_gates

    table = workspace.tables.read("dispatch_evaluation")
    record = workspace.tables.read_value("dispatch_policy")
    version = record["version_id"]
    frame = _days(table, workspace.tables.read(PLAN_FIGURES))
    missing, outdated = _not_compared(workspace, record)
    for name in {*missing, *outdated}:
        frame = frame.drop(columns=f"cost_{name}", errors="ignore")
    running, why = _running_day(workspace)
    # The evaluated policy was loaded from the registry, so its plans are the saved files' plans: what must hold is that
    # the figures belong to the version that would be promoted.
    belongs = bool((table["model_version"] == version).all())
    verdicts = policy_gates(frame, reload_identical=belongs, running=running, missing={**missing, **why})
    return [_refused_as_outdated(verdict, outdated) for verdict in verdicts]


def _days(table: pd.DataFrame, plans: pd.DataFrame) -> pd.DataFrame:
    """One row a held-out day: costs by method, and the figures of the challenger's and of local search's plans."""
    costs = table.pivot(index=DAY, columns="method", values="cost")
    costs = costs.rename(columns={"policy": "challenger"}).add_prefix("cost_")
    kept = [name for name in costs.columns if name in _costs_judged()]
    figures = table.set_index([*DAY, "method"])[["bookings", "completed", "max_delay_min"]]
    told = figures.join(plans.set_index([*DAY, "method"])[[
        "load_gap", "late", "invalid_action_rate", "guards_broken", "decision_ms",
    ]])  # fmt: skip
    told = told.assign(guards_refused=told["guards_broken"] != "")
    ours, searched = (told.xs(method, level="method") for method in ("policy", "local_search"))
    beside = searched[["completed", "late", "load_gap", "guards_refused"]].add_suffix("_local_search")
    return costs[kept].join(ours.drop(columns="guards_broken")).join(beside).reset_index()


def _costs_judged() -> set[str]:
    from atmr_pipeline.promotion.policy_gates import COSTS, OPTIONAL

    return {*COSTS, *OPTIONAL}


def _not_compared(workspace: Workspace, record: dict[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """Why there is nothing to compare with, and where the comparison is with another version than the alias names."""
    stored = record.get("compared_with")
    evaluated = stored if isinstance(stored, dict) else {}
    missing = dict(record.get("not_compared", {}))
    outdated = {}
    for name in COMPARED:
        current = workspace.registry.alias("policy", name)
        if current is None:
            missing.pop(name, None)
        elif current.version_id == record["version_id"]:
            missing[name] = f"this version is the {name} itself"
        elif evaluated.get(name) != current.version_id:
            outdated[name] = f"the {name} is {current.version_id} now: materialise dispatch_policy again"
    return missing, outdated


def _refused_as_outdated(verdict: Any, outdated: dict[str, str]) -> Any:
    from atmr_pipeline.promotion.gates import GateVerdict

    for name, why in outdated.items():
        if verdict.name == f"not_inferior_to_{name}":
            return GateVerdict(verdict.name, False, math.nan, verdict.threshold, 0, why)
    return verdict


def _running_day(workspace: Workspace) -> tuple[pd.DataFrame | None, dict[str, str]]:
    """Mean cost of each day lived by the hybrid policy and by an exact plan made anew, or why there is none."""
    if not workspace.tables.has("running_day_evaluation"):
        return None, {}
    lived = workspace.tables.read("running_day_evaluation")
    costs = lived.groupby([*DAY, "method"])["cost"].mean().unstack("method")
    lacking = [name for name in (HYBRID, RESOLVE) if name not in costs.columns]
    if lacking:
        return None, {"running": f"no {' and '.join(lacking)} on the running day: its days are too large or too few"}
    both = costs[[HYBRID, RESOLVE]].dropna().reset_index()
    renamed = both.rename(columns={HYBRID: "cost_hybrid", RESOLVE: "cost_resolve"})
    return renamed, {"running": "no day was lived both by the hybrid policy and by an exact plan made anew"}
