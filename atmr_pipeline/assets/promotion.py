"""Promotion: the gates, one check each, and the alias that moves only when all of them passed."""

from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg
import pandas as pd

from atmr_pipeline.assets.common import MACHINE_LEARNING, check_result
from atmr_pipeline.resources.workspace import Workspace

GROUP = "promotion"
CHALLENGER = {"delay": "delay_model", "policy": "dispatch_policy"}
EVALUATION = {"delay": "delay_evaluation", "policy": "dispatch_evaluation"}

DELAY_GATES = (
    "enough_rows", "enough_days", "better_than_constant_mean", "not_worse_than_constant_median",
    "not_worse_than_spline_ridge", "not_inferior_to_champion", "coverage", "bias", "brier_not_worse_than_constant",
    "reload_identical",
)  # fmt: skip
POLICY_GATES = (
    "enough_days", "better_than_greedy", "better_than_least_loaded", "not_inferior_to_champion", "completion",
    "max_delay", "reload_identical", "not_worse_than_untrained",
)  # fmt: skip


def delay_verdicts(workspace: Workspace) -> list[Any]:
    """Verdicts on the delay challenger, from the held-out predictions and the champion's on the same rows."""
    from atmr_pipeline.domain.errors import ModelIntegrityError
    from atmr_pipeline.promotion.gates import delay_gates
    from atmr_pipeline.resources.serving import champion, features_for, load_version

    holdout = workspace.tables.read("delay_evaluation")
    actual = holdout["delay_min"]
    inside = (actual >= holdout["low_min"]) & (actual <= holdout["high_min"])
    late = holdout["is_late"].astype(float)
    frame = pd.DataFrame(
        {
            "service_day": holdout["service_day"],
            "error_challenger_min": holdout["expected_delay_min"] - actual,
            "abs_error_constant_mean_min": (holdout["constant_mean_min"] - actual).abs(),
            "abs_error_constant_median_min": (holdout["constant_median_min"] - actual).abs(),
            "abs_error_spline_ridge_min": (holdout["spline_ridge_min"] - actual).abs(),
            "covered_challenger": inside,
            "brier_challenger": (holdout["p_late"] - late) ** 2,
            "brier_constant": (holdout["constant_p_late"] - late) ** 2,
        }
    )
    record = workspace.tables.read_value("delay_model")
    current = workspace.registry.alias("delay", "champion")
    if current is not None and current.version_id != record["version_id"]:
        try:
            served = champion(workspace, "delay")
            predicted = served.model.predict(features_for(served.model, holdout))["expected_delay_min"]
        except ModelIntegrityError as error:
            # Else a champion that cannot be read would refuse every successor for ever; the other gates still hold.
            dg.get_dagster_logger().warning(f"no comparison with the champion {current.version_id}: {error}")
        else:
            frame["abs_error_champion_min"] = (predicted.set_axis(holdout.index) - actual).abs()
    challenger = load_version(workspace, "delay", record["version_id"])
    again = challenger.predict(holdout[list(challenger.feature_names_)])["expected_delay_min"].to_numpy()
    belongs = bool((holdout["model_version"] == record["version_id"]).all())
    identical = belongs and bool((again == holdout["expected_delay_min"].to_numpy()).all())
    return delay_gates(frame, reload_identical=identical)


def policy_verdicts(workspace: Workspace) -> list[Any]:
    """Verdicts on the dispatch challenger, from its held-out days."""
    from atmr_pipeline.promotion.gates import policy_gates

    table = workspace.tables.read("dispatch_evaluation")
    wide = table.pivot(index=["company_id", "service_day"], columns="method", values="cost").reset_index()
    ours = table[table["method"] == "policy"].set_index(["company_id", "service_day"])
    keyed = ours.loc[list(zip(wide["company_id"], wide["service_day"], strict=True))]
    frame = pd.DataFrame(
        {
            "service_day": wide["service_day"],
            "cost_challenger": wide["policy"],
            "cost_greedy": wide["greedy"],
            "cost_least_loaded": wide["least_loaded"],
            "cost_local_search": wide["local_search"],
            "cost_untrained": wide["untrained"],
            "bookings": keyed["bookings"].to_numpy(),
            "completed": keyed["completed"].to_numpy(),
            "max_delay_min": keyed["max_delay_min"].to_numpy(),
        }
    )
    if "champion" in wide.columns:
        frame["cost_champion"] = wide["champion"]
    record = workspace.tables.read_value("dispatch_policy")
    # The evaluated policy was loaded from the registry, so its plans are the saved files' plans: what must hold is that
    # the figures belong to the version that would be promoted.
    belongs = bool((table["model_version"] == record["version_id"]).all())
    return policy_gates(frame, reload_identical=belongs)


def _gates(kind: str, names: tuple[str, ...], judge: Callable[[Workspace], list[Any]]) -> dg.AssetChecksDefinition:
    evaluation, challenger = EVALUATION[kind], CHALLENGER[kind]
    specs = [
        dg.AssetCheckSpec(name, asset=evaluation, blocking=True, description=f"Gate: {name.replace('_', ' ')}.")
        for name in names
    ]

    @dg.multi_asset_check(name=f"{evaluation}_gates", specs=specs)
    def gates(context: dg.AssetCheckExecutionContext, workspace: Workspace) -> Iterator[dg.AssetCheckResult]:
        judged = judge(workspace)
        version = workspace.tables.read_value(challenger)["version_id"]
        _record_refusal(workspace, kind, version, judged, context.run.run_id)
        verdicts = {verdict.name: verdict for verdict in judged}
        for name in names:
            yield _as_check(verdicts[name], evaluation)

    return gates


def _as_check(verdict: Any, evaluation: str) -> dg.AssetCheckResult:
    result = check_result(
        verdict.passed,
        verdict.detail,
        blocking=verdict.blocking,
        value=verdict.value if verdict.value == verdict.value else "unknown",
        threshold=verdict.threshold,
        n=verdict.n,
    )
    return result._replace(asset_key=dg.AssetKey(evaluation), check_name=verdict.name)


def _record_refusal(workspace: Workspace, kind: str, version: str, verdicts: list[Any], run_id: str) -> None:
    """Write a refusal to the audit log; judging the same challenger again to the same end adds no line."""
    from atmr_pipeline.promotion.decide import decide

    decision = decide(verdicts)
    if decision.promote:
        return
    last = workspace.registry.history(kind)[-1:]
    if last and (last[0].action, last[0].to_version, last[0].reason) == ("refused", version, decision.reason):
        return
    workspace.registry.refuse(kind, version, decision.reason, decision.as_evidence(), actor=f"run:{run_id}")


delay_gate_checks = _gates("delay", DELAY_GATES, delay_verdicts)
policy_gate_checks = _gates("policy", POLICY_GATES, policy_verdicts)


def _promote(workspace: Workspace, kind: str, version: str, verdicts: list[Any], run_id: str) -> dict[str, Any]:
    from atmr_pipeline.domain.errors import PromotionRefusedError
    from atmr_pipeline.promotion.decide import decide

    registry = workspace.registry
    current = registry.alias(kind, "champion")
    if current is not None and current.version_id == version:
        return {"champion": version, "moved": False, "reason": "this version is the champion already"}
    if (why := _rolled_back(workspace, kind, version)) is not None:
        raise PromotionRefusedError(
            f"{kind} {version} was rolled back ({why}): promote it by hand if it is wanted again"
        )
    decision = decide(verdicts)
    if not decision.promote:
        raise PromotionRefusedError(f"{kind} {version}: {decision.reason}")
    registry.promote(
        kind,
        version,
        expected_seq=current.seq if current else 0,
        actor=f"run:{run_id}",
        reason=decision.reason,
        evidence=decision.as_evidence(),
    )
    return {"champion": version, "moved": True, "reason": decision.reason}


def _rolled_back(workspace: Workspace, kind: str, version: str) -> str | None:
    """Why a person took this version out of service, if nobody has put it back since."""
    reason = None
    for event in workspace.registry.history(kind):
        if event.action == "rolled_back" and event.from_version == version:
            reason = event.reason
        elif event.action == "promoted" and event.to_version == version:
            reason = None
    return reason


@dg.asset(
    group_name=GROUP,
    owners=MACHINE_LEARNING,
    kinds={"sql"},
    deps=["delay_evaluation"],
    pool="promotion",
    description="The alias `champion` of the delay model, moved by compare-and-swap with an audit row.",
)
def promoted_delay_model(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
    version = workspace.tables.read_value("delay_model")["version_id"]
    outcome = _promote(workspace, "delay", version, delay_verdicts(workspace), context.run_id)
    return dg.MaterializeResult(value=outcome, metadata=outcome)


@dg.asset(
    group_name=GROUP,
    owners=MACHINE_LEARNING,
    kinds={"sql"},
    deps=["dispatch_evaluation"],
    pool="promotion",
    description="The alias `champion` of the dispatch policy, moved by compare-and-swap with an audit row.",
)
def promoted_dispatch_policy(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
    version = workspace.tables.read_value("dispatch_policy")["version_id"]
    outcome = _promote(workspace, "policy", version, policy_verdicts(workspace), context.run_id)
    return dg.MaterializeResult(value=outcome, metadata=outcome)


@dg.asset_check(asset=promoted_delay_model, description="The served delay model is intact.")
def promoted_delay_model_intact(workspace: Workspace) -> dg.AssetCheckResult:
    return _intact(workspace, "delay")


@dg.asset_check(asset=promoted_dispatch_policy, description="The served dispatch policy is intact.")
def promoted_dispatch_policy_intact(workspace: Workspace) -> dg.AssetCheckResult:
    return _intact(workspace, "policy")


def _intact(workspace: Workspace, kind: str) -> dg.AssetCheckResult:
    served = workspace.registry.champion_path(kind)
    if served is None:
        return check_result(False, "nothing is served: no champion")
    return check_result(not served.is_fallback, f"version {served.version_id} is served", version=served.version_id)
