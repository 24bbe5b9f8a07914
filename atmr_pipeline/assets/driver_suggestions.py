"""Another driver for a course that is likely to be late: suggested where the gain is large and sure, never applied."""

from typing import Any

import dagster as dg
import pandas as pd

from atmr_pipeline.assets.common import OPERATIONS, check_result, counts_table, frame_markdown, rows
from atmr_pipeline.assets.features import heights
from atmr_pipeline.assets.feedback import open_assignments
from atmr_pipeline.resources.providers import SPEED_PROFILE, travel_provider
from atmr_pipeline.resources.serving import champion
from atmr_pipeline.resources.workspace import Workspace

ACCOUNT = "driver_suggestions_account"
SHOWN = ("assignment_id", "from_driver_id", "to_driver_id", "gain_min", "gain_low_min", "p_late_before", "p_late_after")


@dg.asset(
    group_name="feedback",
    owners=OPERATIONS,
    kinds={"parquet"},
    deps=["promoted_delay_model", SPEED_PROFILE],
    description="Courses ahead that another driver would reach with less delay, by how much, and who was not offered.",
)
def driver_suggestions(
    workspace: Workspace,
    bookings: pd.DataFrame,
    assignments: pd.DataFrame,
    drivers: pd.DataFrame,
    dispatch_runs: pd.DataFrame,
    driver_shifts: pd.DataFrame,
    driver_absences: pd.DataFrame,
    weather_forecast: pd.DataFrame,
    calendar_days: pd.DataFrame,
    delay_training_set: pd.DataFrame,
) -> dg.MaterializeResult:
    from atmr_pipeline.features.sources import FeatureSources
    from atmr_pipeline.models.delay.reassignment import DutyTables, ReassignmentParams, reassign_days_ahead

    served = champion(workspace, "delay")
    sources = FeatureSources(
        bookings, assignments, drivers, dispatch_runs, weather_forecast, calendar_days, heights(workspace)
    )
    decided_at = _as_of(sources)
    found = reassign_days_ahead(
        served.model,
        delay_training_set,
        DutyTables(sources=sources, shifts=driver_shifts, absences=driver_absences),
        travel=travel_provider(workspace),
        decided_at=decided_at,
        params=ReassignmentParams(max_changes=workspace.settings.reassign_max_changes),
    )
    account = {
        "model_version": served.version_id,
        "as_of": decided_at.isoformat(),
        "days": found.days,
        "scored": found.scored,
        "risky": found.risky,
        "suggested": len(found.suggestions),
        "not_offered": found.refused_by_reason(),
        "fallbacks": [list(one) for one in found.fallbacks],
        "reliability": None if found.reliability is None else found.reliability.to_dict(),
    }
    workspace.tables.write_value(ACCOUNT, account)
    return dg.MaterializeResult(value=found.suggestions, metadata=_metadata(found.suggestions, account))


def _as_of(sources: Any) -> pd.Timestamp:
    """When the last course that lies ahead was decided.

    The model learned from what is known when a plan is complete. Asked an hour before a pickup about a course planned
    the evening before, it would answer for a kind of decision that it has hardly seen, and does so worse.
    """
    from atmr_pipeline.features.delay import decisions_of

    ahead = open_assignments(sources.assignments, sources.bookings)
    decisions = decisions_of(sources)
    planned = decisions.loc[decisions["assignment_id"].isin(ahead["assignment_id"]), "decided_at"]
    return planned.max() if len(planned) else pd.Timestamp.now(tz="UTC").floor("us")


def _metadata(suggestions: pd.DataFrame, account: dict[str, Any]) -> dict[str, Any]:
    return {
        **rows(suggestions),
        "as_of": account["as_of"],
        "model_version": account["model_version"],
        "courses": counts_table("courses", {name: account[name] for name in ("scored", "risky", "suggested")}),
        "not_offered": counts_table("reason", account["not_offered"]),
        "fallbacks": dg.MetadataValue.json(account["fallbacks"]),
        "reliability": dg.MetadataValue.json(account["reliability"]),
        "suggestions": frame_markdown(suggestions[list(SHOWN)]),
    }


@dg.asset_check(asset=driver_suggestions, description="Every suggestion changes the driver, gains, and none failed.")
def driver_suggestions_sound(workspace: Workspace, driver_suggestions: pd.DataFrame) -> dg.AssetCheckResult:
    account = workspace.tables.read_value(ACCOUNT)
    same = int((driver_suggestions["from_driver_id"] == driver_suggestions["to_driver_id"]).sum())
    without_gain = int((driver_suggestions["gain_low_min"] <= 0).sum())
    failed = len(account["fallbacks"])
    return check_result(
        same == without_gain == failed == 0,
        f"{len(driver_suggestions)} suggestions for {account['risky']} risky courses; {same} without another driver, "
        f"{without_gain} without a sure gain; {failed} days left as they are because something failed",
        blocking=False,
        fallbacks=failed,
    )
