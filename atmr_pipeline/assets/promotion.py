"""Promotion: the gates, one check each, and the alias that moves only when all of them passed.

The checks judge and keep their verdicts; what moves the alias uses exactly these and judges nothing again.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg
import pandas as pd

from atmr_pipeline.assets.common import MACHINE_LEARNING, check_result, frame_markdown
from atmr_pipeline.assets.delay_judging import judge_delay
from atmr_pipeline.assets.policy_judging import judge_policy
from atmr_pipeline.resources.drift_answers import answer_of_run
from atmr_pipeline.resources.workspace import Workspace

if TYPE_CHECKING:
    from atmr_pipeline.promotion.gates import GateVerdict, Judgement

GROUP = "promotion"
CHALLENGER = {"delay": "delay_model", "policy": "dispatch_policy"}
EVALUATION = {"delay": "delay_evaluation", "policy": "dispatch_evaluation"}
VERDICTS = {"delay": "delay_verdicts", "policy": "policy_verdicts"}
BY_HAND = "by_hand"

DELAY_GATES = (
    "enough_rows", "enough_days", "better_than_constant_mean", "not_worse_than_constant_median",
    "not_worse_than_spline_ridge", "not_inferior_to_champion", "not_inferior_to_anchor",
    "brier_not_inferior_to_champion", "brier_not_worse_than_constant", "slices", "coverage", "bias",
    "reload_identical", "no_leak", "latency", "company_accuracy", "company_precision", "company_recall", "company_f1",
)  # fmt: skip
POLICY_GATES = (
    "enough_days", "better_than_greedy", "better_than_least_loaded", "better_than_local_search",
    "not_inferior_to_champion", "not_inferior_to_anchor", "not_worse_than_untrained", "better_than_untrained",
    "not_inferior_to_resolve", "completion", "max_delay", "invalid_actions", "guard_refusals", "load_gap_floor",
    "completion_floor", "on_time_floor", "latency", "reload_identical",
)  # fmt: skip
DECISIONS = ("promoted", "refused", "rolled_back")
Judge = Callable[[Workspace], "list[GateVerdict]"]


def judged(workspace: Workspace, kind: str, judge: Judge, run_id: str, run_tags: Mapping[str, str]) -> "Judgement":
    """Judge the challenger and keep the verdicts, with the version and the champion's number that they are about."""
    from atmr_pipeline.promotion.gates import Judgement
    from atmr_pipeline.state.drift_answers import REFUSED

    # Read before the gates judge, so that a champion that moves meanwhile is noticed.
    champion, anchor = (workspace.registry.alias(kind, name) for name in ("champion", "anchor"))
    version = workspace.tables.read_value(CHALLENGER[kind])["version_id"]
    judgement = Judgement(
        kind=kind,
        version_id=version,
        champion_seq=champion.seq if champion else 0,
        verdicts=tuple(judge(workspace)),
        champion=champion.version_id if champion else None,
        anchor=anchor.version_id if anchor else None,
        run_id=run_id,
    )
    workspace.tables.write_value(VERDICTS[kind], judgement.to_value())
    _record_refusal(workspace, judgement)
    if not judgement.decision().promote:
        answer_of_run(workspace.state, run_tags, f"{REFUSED} {version}")
    return judgement


def _gates(kind: str, names: tuple[str, ...], judge: Judge) -> dg.AssetChecksDefinition:
    evaluation = EVALUATION[kind]
    specs = [
        dg.AssetCheckSpec(name, asset=evaluation, blocking=True, description=f"Gate: {name.replace('_', ' ')}.")
        for name in names
    ]

    @dg.multi_asset_check(name=f"{evaluation}_gates", specs=specs)
    def gates(context: dg.AssetCheckExecutionContext, workspace: Workspace) -> Iterator[dg.AssetCheckResult]:
        verdicts = {
            one.name: one for one in judged(workspace, kind, judge, context.run.run_id, context.run.tags).verdicts
        }
        for name in names:
            yield _as_check(verdicts[name], evaluation)

    return gates


def _as_check(verdict: "GateVerdict", evaluation: str) -> dg.AssetCheckResult:
    table = {"table": frame_markdown(pd.DataFrame(list(verdict.table)))} if verdict.table else {}
    result = check_result(
        verdict.passed,
        verdict.detail,
        blocking=verdict.blocking,
        value=_known(verdict.value),
        threshold=_known(verdict.threshold),
        n=verdict.n,
        verdict=verdict.verdict,
        **table,
    )
    return result._replace(asset_key=dg.AssetKey(evaluation), check_name=verdict.name)


def _known(figure: float) -> float | str:
    return figure if figure == figure else "unknown"


def _record_refusal(workspace: Workspace, judgement: "Judgement") -> None:
    """Write a refusal to the audit log; judging the same challenger again to the same end adds no line."""
    decision, kind, version = judgement.decision(), judgement.kind, judgement.version_id
    if decision.promote:
        return
    decided = [event for event in workspace.registry.history(kind) if event.action in DECISIONS]
    same = ("refused", version, decision.reason)
    if same in [(event.action, event.to_version, event.reason) for event in decided[-1:]]:
        return
    actor = f"run:{judgement.run_id}"
    workspace.registry.refuse(kind, version, decision.reason, decision.as_evidence(), actor=actor)


delay_gate_checks = _gates("delay", DELAY_GATES, judge_delay)
policy_gate_checks = _gates("policy", POLICY_GATES, judge_policy)


def promote(workspace: Workspace, kind: str, names: tuple[str, ...], run_id: str) -> dict[str, Any]:
    """Move the alias if the kept verdicts allow it, or say that a person has to.

    Raises
    ------
    PromotionRefusedError
        If a gate refused, or the verdicts are about another version or champion.
    """
    from atmr_pipeline.domain.errors import PromotionRefusedError

    registry, version = workspace.registry, workspace.tables.read_value(CHALLENGER[kind])["version_id"]
    current = registry.alias(kind, "champion")
    if current is not None and current.version_id == version:
        return {"champion": version, "moved": False, "reason": "this version is the champion already"}
    decision = _verdicts(workspace, kind, version, current.seq if current else 0, names).decision()
    if not decision.promote:
        raise PromotionRefusedError(f"{kind} {version}: {decision.reason}")
    if (why := _waits_because(workspace, kind, version)) is not None:
        waits = f"{decision.reason}; {why}: a person runs `atmr promote {kind} {version}`"
        registry.record_waiting(kind, version, why, actor=f"run:{run_id}")
        serving = current.version_id if current else None
        return {"champion": serving, "moved": False, "reason": waits, "waiting": version}
    registry.promote(
        kind,
        version,
        expected_seq=current.seq if current else 0,
        actor=f"run:{run_id}",
        reason=decision.reason,
        evidence=decision.as_evidence(),
    )
    return {"champion": version, "moved": True, "reason": decision.reason}


def _waits_because(workspace: Workspace, kind: str, version: str) -> str | None:
    """Why a person has to promote what passed its gates."""
    from atmr_pipeline.promotion.rollbacks import hold_until, rolled_back_because
    from atmr_pipeline.state.types import utc_now

    settings = workspace.settings
    if settings.promotion_mode == BY_HAND:
        return "ATMR_PROMOTION_MODE is by_hand"
    history = workspace.registry.history(kind)
    if rolled_back_because(history, version) is not None:
        return "this version was rolled back"
    until = hold_until(history, settings.rollback_hold_days)
    if until is not None and utc_now() < until:
        return f"a person rolled back, and nothing is promoted by itself until {until:%Y-%m-%d %H:%M} UTC"
    return None


def _verdicts(workspace: Workspace, kind: str, version: str, seq: int, names: tuple[str, ...]) -> "Judgement":
    from atmr_pipeline.domain.errors import PromotionRefusedError
    from atmr_pipeline.promotion.gates import Judgement

    if not workspace.tables.has(VERDICTS[kind]):
        raise PromotionRefusedError(f"{kind} {version}: never judged; materialise the checks of {EVALUATION[kind]}")
    judgement = Judgement.from_value(workspace.tables.read_value(VERDICTS[kind]))
    judgement.check_valid_for(version, seq, names)
    return judgement


@dg.asset(
    group_name=GROUP,
    owners=MACHINE_LEARNING,
    kinds={"sql"},
    deps=["delay_evaluation"],
    pool="promotion",
    description="The alias `champion` of the delay model, moved by compare-and-swap with an audit row.",
)
def promoted_delay_model(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
    outcome = promote(workspace, "delay", DELAY_GATES, context.run_id)
    _answer_alarms(workspace, outcome, context.run.tags)
    return dg.MaterializeResult(value=outcome, metadata=outcome)


def _answer_alarms(workspace: Workspace, outcome: dict[str, Any], run_tags: Mapping[str, str]) -> None:
    """Write on the alarms what came of them: on all that the new champion has learned of, or on the run's own."""
    from atmr_pipeline.promotion.answers import answer_alarms
    from atmr_pipeline.state.drift_answers import UNCHANGED, WAITS

    if "waiting" in outcome:
        answer_of_run(workspace.state, run_tags, f"{WAITS} {outcome['waiting']}")
        return
    # Also where this version was the champion already: a run may have died between the promotion and this.
    answer_alarms(workspace.registry, outcome["champion"])
    if not outcome["moved"]:
        answer_of_run(workspace.state, run_tags, f"{UNCHANGED} {outcome['champion']}")


@dg.asset(
    group_name=GROUP,
    owners=MACHINE_LEARNING,
    kinds={"sql"},
    deps=["dispatch_evaluation"],
    pool="promotion",
    description="The alias `champion` of the dispatch policy, moved by compare-and-swap with an audit row.",
)
def promoted_dispatch_policy(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
    outcome = promote(workspace, "policy", POLICY_GATES, context.run_id)
    return dg.MaterializeResult(value=outcome, metadata=outcome)


@dg.asset_check(asset=promoted_delay_model, description="The served delay model is intact.")
def promoted_delay_model_intact(workspace: Workspace) -> dg.AssetCheckResult:
    return _intact(workspace, "delay")


@dg.asset_check(asset=promoted_dispatch_policy, description="The served dispatch policy is intact.")
def promoted_dispatch_policy_intact(workspace: Workspace) -> dg.AssetCheckResult:
    return _intact(workspace, "policy")


def _intact(workspace: Workspace, kind: str) -> dg.AssetCheckResult:
    served = workspace.registry.champion_path(kind)
    if served is None and workspace.settings.promotion_mode == BY_HAND:
        return check_result(False, "nothing is served yet: the first champion waits for a person", blocking=False)
    if served is None:
        return check_result(False, "nothing is served: no champion")
    return check_result(not served.is_fallback, f"version {served.version_id} is served", version=served.version_id)
