"""The only place where Dagster's objects are put together."""

import warnings

import dagster as dg

# Range runs of daily partitions need backfill_policy, which Dagster 1.13 still calls beta; only that message is muted.
warnings.filterwarnings("ignore", message="Parameter `backfill_policy`", category=dg.BetaWarning)

from atmr_pipeline import assets  # noqa: E402
from atmr_pipeline.jobs.definitions import JOBS  # noqa: E402
from atmr_pipeline.jobs.schedules import SCHEDULES  # noqa: E402
from atmr_pipeline.resources.io_manager import ParquetIOManager  # noqa: E402
from atmr_pipeline.resources.workspace import Workspace  # noqa: E402
from atmr_pipeline.sensors import SENSORS  # noqa: E402


@dg.definitions
def defs() -> dg.Definitions:
    """Assets, checks, jobs, schedules, sensors and resources of the pipeline."""
    workspace = Workspace()
    return dg.Definitions(
        assets=dg.load_assets_from_package_module(assets),
        asset_checks=dg.load_asset_checks_from_package_module(assets),
        jobs=JOBS,
        schedules=SCHEDULES,
        sensors=SENSORS,
        resources={"workspace": workspace, "io_manager": ParquetIOManager(workspace=workspace)},
        executor=dg.in_process_executor,
    )
