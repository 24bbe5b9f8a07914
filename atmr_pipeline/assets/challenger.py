"""Who is scored beside the champion: the alias `challenger` of the delay model, and how its challenge stands."""

from dataclasses import replace
from typing import TYPE_CHECKING

import dagster as dg
import pandas as pd

from atmr_pipeline.assets.common import MACHINE_LEARNING, check_result
from atmr_pipeline.resources.challenger import ALIAS, load_challenger, read_challenges, write_challenges
from atmr_pipeline.resources.workspace import Workspace

if TYPE_CHECKING:
    from atmr_pipeline.promotion.challenge import Challenges, Choice

GROUP = "feedback"
VERDICTS = "delay_verdicts"
"""Where the gates' judgement of the newest version is kept."""


@dg.asset(
    group_name=GROUP,
    owners=MACHINE_LEARNING,
    kinds={"sql"},
    deps=["delay_model", "promoted_delay_model"],
    pool="state",
    description="The alias `challenger` of the delay model: the newest evaluated version, until its comparison with "
    "what is served is decided or takes too long.",
)
def delay_challenger(
    context: dg.AssetExecutionContext, workspace: Workspace, assignments: pd.DataFrame
) -> dg.MaterializeResult:
    from atmr_pipeline.domain.errors import PromotionRefusedError
    from atmr_pipeline.promotion.challenge import REASONS, choose

    driven = _driven_days(assignments)
    challenges = _brought_up_to_date(workspace, driven)
    present = challenges.present
    since = pd.Timestamp(present.since) if present and present.since else pd.Timestamp.min
    current = workspace.registry.alias("delay", "champion")
    choice = choose(
        challenges,
        newest=_newest_intact(workspace),
        champion=current.version_id if current else None,
        age_days=sum(day > since for day in driven),
        max_days=workspace.settings.shadow_max_days,
        is_intact=present is not None and load_challenger(workspace).served is not None,
    )
    said = REASONS[choice.reason]
    try:
        challenges = _taken(workspace, challenges, choice, driven, f"run:{context.run.run_id}")
    except PromotionRefusedError as error:
        # A person moved the alias in this very moment: what they chose stands, and the next night goes on from it.
        said = f"left as it is: {error}"
    write_challenges(workspace, challenges)
    chosen = challenges.present
    value = {
        "version_id": chosen.version_id if chosen else None,
        "champion": current.version_id if current else None,
        "reason": choice.reason,
        "since": chosen.since if chosen else None,
        "passed_gates": chosen.passed_gates if chosen else None,
        "verdict": chosen.verdict if chosen else None,
    }
    return dg.MaterializeResult(value=value, metadata={**{name: str(one) for name, one in value.items()}, "why": said})


def _driven_days(assignments: pd.DataFrame) -> list[pd.Timestamp]:
    """Service days with a measured pickup, in order."""
    return sorted(set(assignments.loc[assignments["actual_pickup_at"].notna(), "service_day"]))


def _brought_up_to_date(workspace: Workspace, driven: list[pd.Timestamp]) -> "Challenges":
    """The challenges as kept, less one that a promotion or a person ended, and with what the gates have said since."""
    from atmr_pipeline.promotion.challenge import Challenge, Challenges

    challenges = read_challenges(workspace)
    alias = workspace.registry.alias("delay", ALIAS)
    current = workspace.registry.alias("delay", "champion")
    present = challenges.present
    if present is not None and (alias is None or alias.version_id != present.version_id):
        is_champion = current is not None and current.version_id == present.version_id
        challenges = challenges.end("promoted" if is_champion else "withdrawn")
    if alias is None:
        return challenges
    present = challenges.present or Challenge(alias.version_id, _since(driven))
    passed = _passed_gates(workspace, present.version_id)
    if passed is not None:
        present = replace(present, passed_gates=passed)
    return Challenges(present, challenges.ended)


def _since(driven: list[pd.Timestamp]) -> str | None:
    return driven[-1].date().isoformat() if driven else None


def _passed_gates(workspace: Workspace, version: str) -> bool | None:
    if not workspace.tables.has(VERDICTS):
        return None
    judged = workspace.tables.read_value(VERDICTS)
    return bool(judged["promote"]) if judged["version_id"] == version else None


def _newest_intact(workspace: Workspace) -> str | None:
    """The version evaluated last; None if there is none or its files cannot be used."""
    from atmr_pipeline.domain.errors import ModelIntegrityError

    if not workspace.tables.has("delay_model"):
        return None
    version = str(workspace.tables.read_value("delay_model")["version_id"])
    try:
        workspace.registry.path(version)
    except ModelIntegrityError as error:
        dg.get_dagster_logger().warning(f"the newest version cannot be a challenger: {error}")
        return None
    return version


def _taken(
    workspace: Workspace, challenges: "Challenges", choice: "Choice", driven: list[pd.Timestamp], actor: str
) -> "Challenges":
    """Move the alias as chosen; the audit log says how the challenge before it ended."""
    from atmr_pipeline.promotion.challenge import REASONS, Challenge, Challenges

    present, registry = challenges.present, workspace.registry
    if present is not None and choice.version_id == present.version_id:
        return challenges
    alias = registry.alias("delay", ALIAS)
    seq = alias.seq if alias else 0
    before = f" ({present.version_id}: {present.summary})" if present else ""
    reason = REASONS[choice.reason] + before
    if present is not None:
        challenges = challenges.end(present.verdict if present.is_decided else choice.reason)
    if choice.version_id is None:
        registry.unpoint("delay", ALIAS, actor=actor, reason=reason, expected_seq=seq)
        return challenges
    registry.point("delay", ALIAS, choice.version_id, actor=actor, reason=reason, expected_seq=seq)
    passed = _passed_gates(workspace, choice.version_id)
    return Challenges(Challenge(choice.version_id, _since(driven), passed), challenges.ended)


@dg.asset_check(asset=delay_challenger, description="The challenger's files are intact, and it is not the champion.")
def delay_challenger_usable(workspace: Workspace) -> dg.AssetCheckResult:
    loaded = load_challenger(workspace)
    current = workspace.registry.alias("delay", "champion")
    if loaded.missing == "damaged":
        return check_result(False, f"the challenger cannot be used: {loaded.detail}", blocking=False)
    if loaded.served is None:
        return check_result(True, "no challenger", blocking=False)
    itself = current is not None and current.version_id == loaded.served.version_id
    said = f"version {loaded.served.version_id} is the challenger" + (" and the champion too" if itself else "")
    return check_result(not itself, said, blocking=False, version=loaded.served.version_id)
