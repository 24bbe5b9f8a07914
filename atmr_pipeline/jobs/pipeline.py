"""One command, the whole pipeline: what is new, what must run for it, and what came of it."""

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from atmr_pipeline.domain.errors import SettingsError
from atmr_pipeline.domain.wallclock import ALL_DAYS
from atmr_pipeline.jobs.days import day_ranges, days_to_extract
from atmr_pipeline.jobs.definitions import DAILY_TABLES
from atmr_pipeline.jobs.runner import (
    JobReport,
    Progress,
    close_abandoned_runs,
    exclusive,
    prepare_dagster_home,
    refuse_beside_others,
    run_job,
)
from atmr_pipeline.resources.fingerprints import code_fingerprint, file_hash, fingerprint
from atmr_pipeline.settings import Settings

if TYPE_CHECKING:
    from atmr_pipeline.resources.workspace import Workspace

LAST_RUN = "last_run"
SOURCE = "source"
OUTCOME_SETTINGS = (
    "seed", "history_start", "late_window_days", "delay_holdout_days", "delay_holdout_rows", "delay_minimum_rows",
    "delay_minimum_days",     "policy_holdout_days", "policy_minimum_days", "policy_gradient_steps",
    "policy_generated_days", "policy_beam_width", "running_training_s", "company_gates", "promotion_mode", "ab_test",
    "ab_ratio", "shadow_max_days", "travel_detour",
    "online_geocoders", "nominatim_url", "geoadmin_url", "osrm_url", "workbook_max_file_mb",
    "workbook_max_uncompressed_mb", "workbook_max_rows", "workbook_max_columns", "workbook_max_sheets",
    "workbook_max_cells", "alert_high", "alert_critical", "alert_impossible", "alert_recall", "alert_debounce_min",
    "alert_max_per_hour", "reassign_max_changes", "optimizer_mode", "optimizer_max_swaps", "optimizer_min_confidence",
    "optimizer_timeout_s",
)  # fmt: skip

NEEDS_CHAMPION = {
    "delay": {
        "delay_predictions", "prediction_actuals", "delay_risk_alerts", "driver_suggestions", "delay_performance",
        "feature_drift", "label_drift", "residual_drift", "delay_challenger", "shadow_predictions",
        "challenger_comparison",
    },
    "policy": {"dispatch_suggestions"},
}  # fmt: skip
"""What cannot be made before a first model of a kind was promoted."""


@dataclass(frozen=True)
class PipelineOutcome:
    """What one `atmr run` did.

    Parameters
    ----------
    unchanged : bool
        Same inputs, code and settings as the last complete run: nothing was run.
    refused : dict
        Blocking check -> its verdict, in one line.
    failures : dict
        Step -> one clear line.
    days : int
        Service days that were extracted.
    """

    unchanged: bool
    refused: dict[str, str]
    failures: dict[str, str]
    days: int


def ensure_demo(settings: Settings, on_progress: Callable[..., None] | None = None) -> None:
    """Build the demo company of this home where the source is the demo and there is none yet.

    One that stands is kept as it is, whatever the ``ATMR_DEMO_*`` settings say now: it may have been built by
    ``atmr demo build`` or lived on since.
    """
    if not settings.is_demo:
        return
    from atmr_pipeline.simulation import DemoManifest, WorldConfig, build_demo

    standing = DemoManifest.read(settings.root)
    if standing is not None and standing.database_url:
        raise SettingsError(f"the demo company lives in {standing.database_url}: set ATMR_DATABASE_URL to read it")
    if standing is not None:
        return

    config = WorldConfig(
        months=settings.demo_months,
        bookings_per_day=settings.demo_bookings_per_day,
        drivers=settings.demo_drivers,
        seed=settings.seed,
        end=settings.demo_end,
    )
    build_demo(config, settings.root, on_progress=on_progress)


def run_pipeline(settings: Settings, on_progress: Progress | None = None) -> PipelineOutcome:
    """Bring the home up to date with its sources; do nothing where nothing changed.

    Raises
    ------
    AlreadyRunningError
        If another run works on this home.
    SourceError
        If the operations database cannot be read: before anything is written.
    """
    with exclusive(settings.root):
        prepare_dagster_home(settings)
        from atmr_pipeline.resources.workspace import Workspace
        from atmr_pipeline.state.pipeline_state import get_state, set_state

        workspace = Workspace()
        bind_to_source(settings, workspace)
        # Where the schema has changed only the look at it runs: its failed check names what, and nothing is written.
        reports = _run_schema_check(on_progress) if workspace.operations.inspect_schema() else []
        inputs, days = "", 0
        if not any(report.refused_by or report.failures for report in reports):
            inputs = input_fingerprint(settings, workspace)
            last = get_state(workspace.state, LAST_RUN) or {}
            if last.get("fingerprint") == inputs and not last.get("failures"):
                return PipelineOutcome(True, last.get("refused", {}), {}, 0)
            reports, days = _run_jobs(workspace, on_progress)
        refused = {name: text for report in reports for name, text in report.refused_by.items()}
        failures = {step: text for report in reports for step, text in report.failures.items()}
        outcome = PipelineOutcome(False, refused, failures, days)
        record = {**asdict(outcome), "fingerprint": inputs, "at": datetime.now(UTC).isoformat(timespec="seconds")}
        set_state(workspace.state, LAST_RUN, record)
        return outcome


def bind_to_source(settings: Settings, workspace: "Workspace") -> None:
    """Remember which source this home was built from, and refuse another one.

    Tables of two companies, or patients under two hash keys, must never meet in one home.

    Raises
    ------
    SettingsError
        If this home holds another source's data.
    """
    from atmr_pipeline.state.pipeline_state import get_state, set_state

    identity = source_identity(settings, workspace)
    known = get_state(workspace.state, SOURCE)
    if known is None:
        set_state(workspace.state, SOURCE, identity)
    elif known != identity:
        raise SettingsError(
            f"{settings.root} holds the data of another source, demo company or hash key: "
            "set ATMR_HOME to a new folder, or remove this one"
        )


def source_identity(settings: Settings, workspace: "Workspace") -> str:
    """Hash of the database (without its password), the hash key and, for the demo, the world that was asked for."""
    from atmr_pipeline.simulation import DemoManifest

    demo = DemoManifest.read(settings.root) if settings.is_demo else None
    # A demo company lives on, so its world is known by what was asked for and not by how far it has come.
    world = {name: value for name, value in demo.config.items() if name != "end"} if demo else None
    key = hashlib.sha256(settings.hash_key_bytes).hexdigest()
    database = "demo" if settings.is_demo else workspace.operations.name
    return fingerprint({"database": database, "hash_key": key, "world": world})


def input_fingerprint(settings: Settings, workspace: "Workspace") -> str:
    """Hash of everything an outcome depends on: sources, code and settings."""
    from atmr_pipeline.features.fingerprint import frame_fingerprint
    from atmr_pipeline.jobs.partitions import SERVICE_DAYS
    from atmr_pipeline.resources.inbox import content_key, drivers_fingerprint, workbooks_in

    operations, weather, heights = workspace.operations, settings.weather_path, settings.elevation_file
    parts = {
        "code": code_fingerprint(),
        "days": frame_fingerprint(operations.day_digests()),
        # Positions move every minute: they are read whenever something else changed, and start no run by themselves.
        "drivers": frame_fingerprint(operations.read_drivers().frame.drop(columns=["lat", "lon", "position_at"])),
        "shifts": frame_fingerprint(operations.read_driver_shifts(*ALL_DAYS).frame),
        "absences": frame_fingerprint(operations.read_driver_absences().frame),
        "companies": frame_fingerprint(operations.read_companies().frame),
        "initials": drivers_fingerprint(settings.drivers_path),
        "weather_online": str(date.today()) if settings.weather_online else None,
        "workbooks": sorted(content_key(path) for path in workbooks_in(settings.inbox_dir)),
        "weather": file_hash(weather) if weather and weather.exists() else None,
        "gazetteer": file_hash(settings.gazetteer) if settings.gazetteer else None,
        "heights": file_hash(heights) if heights and heights.exists() else None,
        "last_day": SERVICE_DAYS.get_partition_keys()[-1],
        "settings": {name: getattr(settings, name) for name in OUTCOME_SETTINGS},
    }
    return fingerprint(parts)


def _run_schema_check(on_progress: Progress | None) -> list[JobReport]:
    import dagster as dg

    with dg.DagsterInstance.get() as instance:
        close_abandoned_runs(instance)
        refuse_beside_others(instance)
        return [run_job("weekly_full_training", instance, assets=["operations_schema"], on_progress=on_progress)]


def _run_jobs(workspace: "Workspace", on_progress: Progress | None) -> tuple[list[JobReport], int]:
    import dagster as dg

    from atmr_pipeline.jobs.partitions import SERVICE_DAYS

    all_days = SERVICE_DAYS.get_partition_keys()
    ranges = day_ranges(days_to_extract(workspace, all_days), all_days) or [(all_days[-1], all_days[-1])]
    reports: list[JobReport] = []
    with dg.DagsterInstance.get() as instance:
        close_abandoned_runs(instance)
        refuse_beside_others(instance)
        for days in ranges[:-1]:
            reports.append(
                run_job("weekly_full_training", instance, days=days, assets=DAILY_TABLES, on_progress=on_progress)
            )
        reports.append(run_job("weekly_full_training", instance, days=ranges[-1], on_progress=on_progress))
        reports.append(
            run_job("nightly_feedback", instance, assets=feedback_assets(workspace), on_progress=on_progress)
        )
    return reports, sum(all_days.index(last) - all_days.index(first) + 1 for first, last in ranges)


def feedback_assets(workspace: "Workspace") -> list[str]:
    """Assets of the feedback and monitoring groups, less those that wait for a first champion.

    A young company whose first challenger was refused has nothing to serve with: that is said once, by the refusal.
    """
    from atmr_pipeline.definitions import defs

    graph = defs().resolve_asset_graph()
    names = {
        key.path[-1]
        for key in graph.materializable_asset_keys
        if graph.get(key).group_name in ("feedback", "monitoring")
    }
    for kind, needing in NEEDS_CHAMPION.items():
        if workspace.registry.alias(kind, "champion") is None:
            names -= needing
    return sorted(names)
