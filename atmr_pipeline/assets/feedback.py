"""Feedback: score and plan the coming days with the champions, then fill in what really happened."""

from collections import Counter
from dataclasses import replace

import dagster as dg
import pandas as pd

from atmr_pipeline.assets.common import (
    MACHINE_LEARNING,
    OPERATIONS,
    check_result,
    counts_table,
    picture,
    rows,
    table_metadata,
)
from atmr_pipeline.assets.dispatch_policy import build_days
from atmr_pipeline.assets.dispatch_suggestion import SUGGESTION_COLUMNS, suggestion
from atmr_pipeline.assets.features import heights
from atmr_pipeline.assets.scoring import OpenCourses, open_assignments, open_courses, scored_by, unknown_drivers
from atmr_pipeline.domain.tables import DELAY_PREDICTIONS
from atmr_pipeline.domain.vocabulary import LATE_AFTER_MIN
from atmr_pipeline.domain.wallclock import ALL_DAYS
from atmr_pipeline.resources.serving import NoChampionError, Served, champion, planning_policy
from atmr_pipeline.resources.workspace import Workspace

GROUP = "feedback"


def measured_pickups(assignments: pd.DataFrame, bookings: pd.DataFrame) -> pd.DataFrame:
    """Assignments whose pickup happened, with the company and ``actual_delay_min`` against the scheduled instant."""
    joined = assignments.merge(bookings[["booking_id", "scheduled_at", "company_id"]], on="booking_id")
    happened = joined[joined["actual_pickup_at"].notna() & joined["scheduled_at"].notna()]
    delay = happened["actual_pickup_at"] - happened["scheduled_at"]
    return happened.assign(actual_delay_min=delay.dt.total_seconds() / 60.0)


@dg.asset(
    group_name=GROUP,
    owners=MACHINE_LEARNING,
    kinds={"parquet", "sql"},
    metadata=table_metadata("delay_predictions"),
    deps=["promoted_delay_model", "delay_challenger"],
    pool="state",
    description="Expected delay, 90 % interval and P(late) for each assignment that lies ahead: the champion's, and in "
    "an A/B test the challenger's for its share of bookings.",
)
def delay_predictions(
    workspace: Workspace,
    bookings: pd.DataFrame,
    assignments: pd.DataFrame,
    drivers: pd.DataFrame,
    dispatch_runs: pd.DataFrame,
    weather_forecast: pd.DataFrame,
    calendar_days: pd.DataFrame,
) -> dg.MaterializeResult:
    from atmr_pipeline.features.sources import FeatureSources
    from atmr_pipeline.state.predictions import SHADOW, record_predictions

    served = champion(workspace, "delay")
    courses = open_courses(
        FeatureSources(
            bookings, assignments, drivers, dispatch_runs, weather_forecast, calendar_days, heights(workspace)
        )
    )
    frame, unserved, test = _divided(workspace, served, courses)
    written = record_predictions(workspace.state, frame)
    record_predictions(workspace.state, unserved, role=SHADOW)
    table = frame[list(DELAY_PREDICTIONS.columns)]
    return dg.MaterializeResult(
        value=table,
        metadata=rows(
            table,
            model_version=served.version_id,
            served_by_fallback=served.is_fallback,
            served_by=counts_table("model version", dict(Counter(table["model_version"]))),
            ab_test=test,
            written=written,
            set_aside=counts_table("reason", {"driver_missing": courses.driver_missing}),
            mean_expected_delay_min=float(table["expected_delay_min"].mean()) if len(table) else None,
        ),
    )


def _divided(workspace: Workspace, served: Served, courses: OpenCourses) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    """What is served, what the champion would have said of the challenger's arm, and how the A/B test stands."""
    from atmr_pipeline.domain.errors import ModelIntegrityError, TableContractError
    from atmr_pipeline.promotion.arms import CHALLENGER_ARM, arms_of
    from atmr_pipeline.resources.challenger import EXPERIMENT, NO_TEST, acting_challenger

    frame = scored_by(served, courses).assign(arm=pd.Series(None, index=courses.keys.index, dtype=object))
    challenger, standing = acting_challenger(workspace, served)
    if challenger is None:
        return frame, frame.iloc[:0], NO_TEST[standing]
    try:
        theirs = scored_by(challenger, courses)
    except (ModelIntegrityError, TableContractError) as error:
        return frame, frame.iloc[:0], f"on, but the challenger cannot be asked: {error}"
    ratio, experiment = workspace.settings.ab_ratio, EXPERIMENT.format(version=challenger.version_id)
    frame["arm"] = arms_of(experiment, frame["booking_id"], ratio).astype(object)
    its_arm = frame["arm"] == CHALLENGER_ARM
    told = pd.concat([frame[~its_arm], theirs.assign(arm=frame["arm"])[its_arm]]).sort_index()
    text = f"on: version {challenger.version_id} serves {int(its_arm.sum())} of {len(frame)} (ratio {ratio:g})"
    return told, frame[its_arm], text


@dg.asset(
    group_name=GROUP,
    owners=MACHINE_LEARNING,
    kinds={"sql"},
    deps=["delay_predictions"],
    pool="state",
    description="What really happened to each scored assignment, filled in once its pickup is known.",
)
def prediction_actuals(workspace: Workspace, bookings: pd.DataFrame, assignments: pd.DataFrame) -> dg.MaterializeResult:
    from atmr_pipeline.state.predictions import record_actuals

    happened = measured_pickups(assignments, bookings)
    known_at = happened["actual_dropoff_at"].fillna(happened["actual_pickup_at"])
    actuals = happened[["assignment_id", "actual_delay_min"]].assign(known_at=known_at)
    filled = record_actuals(workspace.state, actuals)
    return dg.MaterializeResult(
        value={"measured_pickups": len(actuals), "filled": filled},
        metadata={"measured_pickups": len(actuals), "filled": filled},
    )


def approach_level_min(workspace: Workspace) -> float:
    """Minutes that every approach takes longer than travel times say, as the delay champion has learned since an alarm.

    0 where no change of level is known, or no delay model serves.
    """
    try:
        return float(champion(workspace, "delay").model.levels_.latest_min)
    except NoChampionError:
        return 0.0


@dg.asset(
    group_name=GROUP,
    owners=OPERATIONS,
    kinds={"parquet"},
    deps=["promoted_dispatch_policy", "promoted_delay_model"],
    description="A plan for each coming day: the cheapest of the champion policy's and the planners' that passes the "
    "guards, by the name of its maker; and the few changes that would pay in the plan that exists.",
)
def dispatch_suggestions(
    workspace: Workspace,
    bookings: pd.DataFrame,
    assignments: pd.DataFrame,
    drivers: pd.DataFrame,
    driver_shifts: pd.DataFrame,
    driver_absences: pd.DataFrame,
    companies: pd.DataFrame,
) -> dg.MaterializeResult:
    from atmr_pipeline.dispatch.problem import with_approach_level
    from atmr_pipeline.models.policy.optimizer import RLDispatchOptimizer
    from atmr_pipeline.models.policy.served import SERVED_BY, serve_day

    settings = workspace.settings
    served = planning_policy(workspace)
    ahead = open_assignments(assignments, bookings)
    coming = bookings[bookings["booking_id"].isin(ahead["booking_id"])]
    duty = (drivers, driver_shifts, driver_absences, companies)
    days, set_aside = build_days(workspace, coming, assignments, *duty)
    optimizer = RLDispatchOptimizer(
        served.model,
        mode=settings.optimizer_mode,
        max_swaps=settings.optimizer_max_swaps,
        min_confidence=settings.optimizer_min_confidence,
        timeout_s=settings.optimizer_timeout_s,
        seed=settings.seed,
        model_version=served.version_id,
    )
    parts, served_by, fell_back = [], dict.fromkeys(SERVED_BY, 0), Counter[str]()
    level_min = approach_level_min(workspace)
    days = [replace(day, problem=with_approach_level(day.problem, level_min)) for day in days]
    for day in days:
        planned = serve_day(served.model, day.problem, beam_width=settings.policy_beam_width)
        changed = optimizer.optimize(day.problem, day.actual_assignment)
        served_by[planned.method] += 1
        fell_back.update([changed.fell_back] if changed.fell_back else [])
        parts.append(suggestion(day, planned, changed, served.version_id))
    frame = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(SUGGESTION_COLUMNS))
    return dg.MaterializeResult(
        value=frame,
        metadata=rows(
            frame,
            model_version=served.version_id,
            served_by_fallback=served.is_fallback,
            days_served_by=counts_table("method", served_by),
            approach_level_min=level_min,
            optimizer_mode=settings.optimizer_mode,
            optimizer_fell_back=counts_table("reason", fell_back),
            set_aside=counts_table("reason", set_aside),
        ),
    )


@dg.asset(
    group_name=GROUP,
    owners=OPERATIONS,
    kinds={"parquet"},
    description="The company's KPIs of each past day, as driven: load gap, on-time rate, completion, distance.",
)
def dispatch_kpis(
    bookings: pd.DataFrame, assignments: pd.DataFrame, historical_dispatches: pd.DataFrame
) -> dg.MaterializeResult:
    happened = measured_pickups(assignments, bookings)
    on_time = (
        happened.assign(on_time=happened["actual_delay_min"] <= LATE_AFTER_MIN)
        .groupby(["company_id", "service_day"])["on_time"]
        .mean()
        .rename("on_time_rate")
    )
    active = bookings[bookings["status"] != "CANCELED"].groupby(["company_id", "service_day"]).size()
    measured = happened.groupby(["company_id", "service_day"]).size()
    completion = (measured / active).rename("completion_rate")
    past = historical_dispatches[historical_dispatches["source"] == "database"]
    frame = past[["company_id", "service_day", "bookings", "load_gap", "distance_km", "late", "quality_score"]]
    frame = frame.merge(on_time.reset_index(), how="inner").merge(completion.reset_index(), how="left")
    from atmr_pipeline.dispatch.pictures import kpi_series

    known_gaps = frame["load_gap"].dropna().astype("float64")
    means = {
        "load_gap_at_most_1": float((known_gaps <= 1).mean()),
        "mean_load_gap": float(known_gaps.mean()),
        "on_time_rate": float(frame["on_time_rate"].mean()),
        "completion_rate": float(frame["completion_rate"].mean()),
    }
    shown = {key: round(value, 3) for key, value in means.items()}
    return dg.MaterializeResult(
        value=frame,
        metadata=rows(frame, means=counts_table("KPI", shown), series=picture(kpi_series(frame), "KPIs by week")),
    )


@dg.asset_check(asset=delay_predictions, blocking=True, description="Every assignment ahead is scored, once.")
def delay_predictions_complete(workspace: Workspace, delay_predictions: pd.DataFrame) -> dg.AssetCheckResult:
    ahead = open_assignments(workspace.tables.read("assignments"), workspace.tables.read("bookings"))
    unknown = ahead["driver_id"].isin(unknown_drivers(ahead, workspace.tables.read("drivers")))
    unscored = int((~unknown & ~ahead["assignment_id"].isin(delay_predictions["assignment_id"])).sum())
    inside = delay_predictions["p_late"].between(0, 1) & (delay_predictions["low_min"] <= delay_predictions["high_min"])
    return check_result(
        unscored == 0 and bool(inside.all()),
        f"{len(delay_predictions)} scored, {unscored} not scored, {int(unknown.sum())} set aside because their driver "
        f"is not in the fleet, {int((~inside).sum())} outside their range",
        unscored=unscored,
        driver_missing=int(unknown.sum()),
    )


@dg.asset_check(asset=prediction_actuals, description="Every scored assignment whose pickup is known has its actual.")
def prediction_actuals_complete(workspace: Workspace) -> dg.AssetCheckResult:
    from atmr_pipeline.state.predictions import read_predictions

    scored = read_predictions(workspace.state, *ALL_DAYS, role=None)
    assignments = workspace.tables.read("assignments")
    known = assignments.loc[assignments["actual_pickup_at"].notna(), "assignment_id"]
    open_rows = int((scored["assignment_id"].isin(known) & scored["actual_delay_min"].isna()).sum())
    return check_result(open_rows == 0, f"{len(scored)} scored, {open_rows} lack an actual that is known")


@dg.asset_check(asset=dispatch_suggestions, description="How often the guards refused the policy's own plan.")
def dispatch_suggestions_served(dispatch_suggestions: pd.DataFrame) -> dg.AssetCheckResult:
    days = dispatch_suggestions.drop_duplicates(["company_id", "service_day"])
    refused = int(days["policy_refused"].sum())
    unsafe = int(days["all_refused"].sum())
    return check_result(
        refused <= 0.10 * max(len(days), 1) and unsafe == 0,
        f"the guards refused the policy's plan on {refused} of {len(days)} days (limit 10 %), every plan on {unsafe}",
        blocking=False,
        refused=refused,
        unsafe=unsafe,
    )


@dg.asset_check(asset=dispatch_kpis, description="Rates are rates, and every past day is there.")
def dispatch_kpis_in_range(dispatch_kpis: pd.DataFrame) -> dg.AssetCheckResult:
    rates = dispatch_kpis[["on_time_rate", "completion_rate"]]
    outside = int(((rates < 0) | (rates > 1)).any(axis=1).sum())
    return check_result(outside == 0 and len(dispatch_kpis) > 0, f"{len(dispatch_kpis)} days, {outside} out of range")
