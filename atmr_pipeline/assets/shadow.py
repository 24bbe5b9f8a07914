"""The challenger beside the champion on live days: what it would have said, and which of the two is better."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import dagster as dg
import pandas as pd

from atmr_pipeline.assets.common import MACHINE_LEARNING, check_result, counts_table, frame_markdown, picture, rows
from atmr_pipeline.assets.features import heights
from atmr_pipeline.assets.scoring import open_courses, scored_by
from atmr_pipeline.domain.wallclock import ALL_DAYS
from atmr_pipeline.resources.challenger import (
    NO_TEST,
    acting_challenger,
    load_challenger,
    read_challenges,
    write_challenges,
)
from atmr_pipeline.resources.serving import champion
from atmr_pipeline.resources.workspace import Workspace

if TYPE_CHECKING:
    from atmr_pipeline.promotion.challenge import Challenges
    from atmr_pipeline.promotion.pairs import Pairs
    from atmr_pipeline.promotion.sequential import Comparison

GROUP = "feedback"
ACCOUNT = "challenger_comparison_account"
SHOWN = (
    "verdict", "summary", "challenger", "champion", "compared_with", "days", "relative", "lower", "upper", "e_value",
    "days_needed", "ab_test",
)  # fmt: skip


@dg.asset(
    group_name=GROUP,
    owners=MACHINE_LEARNING,
    kinds={"sql"},
    deps=["delay_challenger", "delay_predictions"],
    pool="state",
    description="What the challenger says of the same assignments ahead, kept and acted on by nobody.",
)
def shadow_predictions(
    workspace: Workspace,
    bookings: pd.DataFrame,
    assignments: pd.DataFrame,
    drivers: pd.DataFrame,
    dispatch_runs: pd.DataFrame,
    weather_forecast: pd.DataFrame,
    calendar_days: pd.DataFrame,
    delay_predictions: pd.DataFrame,
) -> dg.MaterializeResult:
    from atmr_pipeline.domain.errors import ModelIntegrityError, TableContractError
    from atmr_pipeline.features.sources import FeatureSources

    loaded = load_challenger(workspace)
    if loaded.served is None:
        return _not_scored(NO_TEST[str(loaded.missing)].removeprefix("on, but "), loaded.detail)
    version = loaded.served.version_id
    courses = open_courses(
        FeatureSources(
            bookings, assignments, drivers, dispatch_runs, weather_forecast, calendar_days, heights(workspace)
        )
    )
    try:
        frame = scored_by(loaded.served, courses)
    except (ModelIntegrityError, TableContractError) as error:
        return _not_scored(f"the challenger {version} cannot be asked", str(error))
    return _kept(workspace, frame, delay_predictions, version, courses.driver_missing)


def _kept(
    workspace: Workspace, frame: pd.DataFrame, served: pd.DataFrame, version: str, driver_missing: int
) -> dg.MaterializeResult:
    """Record what the challenger says of what another model serves; its own arm of an A/B test is recorded already."""
    from atmr_pipeline.promotion.arms import CHAMPION_ARM
    from atmr_pipeline.state.predictions import SHADOW, record_predictions

    own = served.loc[served["model_version"] == version, "assignment_id"]
    frame = frame[frame["assignment_id"].isin(served["assignment_id"]) & ~frame["assignment_id"].isin(own)]
    written = record_predictions(workspace.state, frame.assign(arm=CHAMPION_ARM if len(own) else None), role=SHADOW)
    value: dict[str, Any] = {
        "challenger": version,
        "status": "scored",
        "scored": len(frame),
        "served_in_its_arm": len(own),
        "written": written,
    }
    return dg.MaterializeResult(
        value=value, metadata={**value, "set_aside": counts_table("reason", {"driver_missing": driver_missing})}
    )


def _not_scored(why: str, detail: str) -> dg.MaterializeResult:
    value: dict[str, Any] = {"challenger": None, "status": "no challenger", "why": why, "detail": detail, "scored": 0}
    return dg.MaterializeResult(value=value, metadata=value)


@dg.asset_check(asset=shadow_predictions, description="Every assignment that was served has the other model's word.")
def shadow_predictions_complete(workspace: Workspace) -> dg.AssetCheckResult:
    from atmr_pipeline.state.predictions import SHADOW, read_predictions

    value = workspace.tables.read_value("shadow_predictions")
    if value["challenger"] is None:
        return check_result(True, f"no challenger: {value['why']}", blocking=False)
    served = workspace.tables.read("delay_predictions")
    kept = read_predictions(workspace.state, *ALL_DAYS, role=SHADOW)
    missing = int((~served["assignment_id"].isin(kept["assignment_id"])).sum())
    said = f"{len(served)} served, {missing} without the other model's prediction"
    return check_result(missing == 0, said, blocking=False, missing=missing)


@dg.asset(
    group_name=GROUP,
    owners=MACHINE_LEARNING,
    kinds={"parquet"},
    deps=["prediction_actuals", "shadow_predictions"],
    pool="state",
    description="Challenger against what was served, on the courses that both scored before the pickup: one row a day, "
    "with an interval that may be looked at every day.",
)
def challenger_comparison(workspace: Workspace) -> dg.MaterializeResult:
    from atmr_pipeline.promotion.challenge_picture import comparison_picture
    from atmr_pipeline.promotion.pairs import arm_figures, days_of, pair_courses
    from atmr_pipeline.promotion.sequential import compare_sequentially
    from atmr_pipeline.state.predictions import read_predictions

    challenges = read_challenges(workspace)
    present = challenges.present
    version = present.version_id if present else ""
    scored = read_predictions(workspace.state, *ALL_DAYS, role=None)
    pairs = pair_courses(scored, version, since=present.since_day if present else None)
    comparison = compare_sequentially(days_of(pairs.courses))
    account = _account(workspace, challenges, comparison, pairs)
    workspace.tables.write_value(ACCOUNT, account)
    _keep_verdict(workspace, challenges, comparison)
    table = comparison.path.assign(challenger=version or None)
    shown = {name: str(account[name]) for name in SHOWN}
    return dg.MaterializeResult(
        value=table,
        metadata=rows(
            table,
            **shown,
            set_aside=counts_table("reason", pairs.set_aside),
            arms=frame_markdown(arm_figures(scored, pairs)),
            comparison=picture(comparison_picture(comparison), "challenger against what was served"),
        ),
    )


def _account(
    workspace: Workspace, challenges: "Challenges", comparison: "Comparison", pairs: "Pairs"
) -> dict[str, Any]:
    """The comparison in JSON values; a figure that nobody can give yet is null."""
    present, current = challenges.present, workspace.registry.alias("delay", "champion")
    standing = acting_challenger(workspace, champion(workspace, "delay"))[1] if workspace.settings.ab_test else "off"
    verdict, summary = str(comparison.verdict), comparison.summary()
    if present is None:
        verdict, summary = "no_challenger", "no challenger: nothing is compared"
    elif present.is_decided:
        # A verdict that has fallen stands, whatever is corrected in the records later.
        verdict, summary = present.verdict, present.summary
    figures = {name: float(getattr(comparison, name)) for name in ("relative", "lower", "upper", "e_value")}
    return {
        "challenger": present.version_id if present else None,
        "champion": current.version_id if current else None,
        "compared_with": sorted(set(pairs.courses["served_version"])),
        "verdict": verdict,
        "summary": summary,
        "days": comparison.days,
        "courses": comparison.courses,
        **{name: value if abs(value) < float("inf") else None for name, value in figures.items()},
        "decided_on": comparison.decided_on.date().isoformat() if comparison.decided_on is not None else None,
        "days_needed": comparison.days_needed,
        "set_aside": pairs.set_aside,
        "ab_test": NO_TEST.get(standing, standing),
    }


def _keep_verdict(workspace: Workspace, challenges: "Challenges", comparison: "Comparison") -> None:
    """For the next night's choice of a challenger."""
    present = challenges.present
    if present is None or present.is_decided:
        return
    judged = replace(present, verdict=str(comparison.verdict), summary=comparison.summary())
    write_challenges(workspace, replace(challenges, present=judged))


@dg.asset_check(asset=challenger_comparison, description="The challenger is not surely worse than what is served.")
def challenger_not_worse(workspace: Workspace) -> dg.AssetCheckResult:
    account = workspace.tables.read_value(ACCOUNT)
    return check_result(
        account["verdict"] != "challenger_worse",
        account["summary"],
        blocking=False,
        verdict=account["verdict"],
        days=account["days"],
    )
