"""What Dagster is given: the graph in its groups, each asset described, owned and checked, the jobs and their clock."""

from collections import Counter
from pathlib import Path

import dagster as dg
import pytest
import yaml

from atmr_pipeline.definitions import defs
from atmr_pipeline.jobs.runner import prepare_dagster_home
from atmr_pipeline.settings import load_settings

GROUPS = {
    "extraction": {
        "operations_schema",
        "bookings",
        "assignments",
        "dispatch_runs",
        "drivers",
        "driver_shifts",
        "driver_absences",
        "companies",
    },
    "surroundings": {"weather_forecast", "weather_observed", "calendar_days", "travel_speed_profile"},
    "excel": {"workbook_courses", "quarantined_courses", "geocoded_courses", "address_review"},
    "features": {"historical_dispatches", "delay_training_set"},
    "delay_model": {"delay_candidates", "delay_model", "delay_evaluation"},
    "dispatch_policy": {"dispatch_days", "dispatch_policy", "dispatch_evaluation"},
    "monitoring": {
        "feature_drift",
        "label_drift",
        "residual_drift",
        "delay_performance",
        "data_quality",
        "delay_exploration",
    },
    "promotion": {"promoted_delay_model", "promoted_dispatch_policy"},
    "feedback": {
        "delay_predictions",
        "prediction_actuals",
        "dispatch_suggestions",
        "driver_suggestions",
        "delay_risk_alerts",
        "dispatch_kpis",
    },
}
NOT_TABLES = {"operations_schema", "travel_speed_profile"}
TABLES_WITH_COLUMNS = (
    GROUPS["extraction"] | GROUPS["surroundings"] | GROUPS["excel"] | {"historical_dispatches", "delay_predictions"}
) - NOT_TABLES
JOBS = {
    "daily_retraining",
    "weekly_full_training",
    "nightly_feedback",
    "drift_retraining",
    "excel_import",
    "promote_model",
    "rollback_model",
    "set_anchor",
}
CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def graph():
    return defs().resolve_asset_graph()


@pytest.fixture(scope="module")
def nodes(graph):
    return {key.path[-1]: graph.get(key) for key in graph.materializable_asset_keys}


def test_every_group_holds_its_assets_and_no_other(nodes) -> None:
    found: dict[str, set[str]] = {}
    for name, node in nodes.items():
        found.setdefault(node.group_name, set()).add(name)
    for group, names in GROUPS.items():
        assert names <= found.get(group, set()), group
    assert set(found) == set(GROUPS)


def test_every_asset_says_what_it_is_who_owns_it_and_how_it_is_kept(nodes) -> None:
    for name, node in nodes.items():
        assert len(node.description or "") > 20, name
        assert node.owners, name
        assert all(owner.startswith("team:") for owner in node.owners), name
        assert node.kinds, name


def test_every_asset_has_a_check(graph, nodes) -> None:
    checked = Counter(key.asset_key.path[-1] for key in graph.asset_check_keys)
    assert {name for name in nodes if not checked[name]} == set()


def test_the_tables_of_the_vocabulary_show_their_columns(nodes) -> None:
    for name in TABLES_WITH_COLUMNS:
        schema = nodes[name].metadata["dagster/column_schema"]
        columns = schema.value.columns if hasattr(schema, "value") else schema.columns
        assert columns, name
        assert all(column.description for column in columns), name


def test_no_table_that_leaves_the_source_has_a_column_for_names_addresses_or_notes(nodes) -> None:
    for name in TABLES_WITH_COLUMNS:
        schema = nodes[name].metadata["dagster/column_schema"]
        columns = schema.value.columns if hasattr(schema, "value") else schema.columns
        names = {column.name for column in columns}
        assert not names & {"customer_name", "patient", "pickup_location", "dropoff_location", "notes_medical"}, name


def test_the_gates_stop_what_depends_on_them(graph) -> None:
    gates = {key.name: key for key in graph.asset_check_keys if key.asset_key.path[-1].endswith("_evaluation")}
    blocking = {name for name, key in gates.items() if graph.get(key).blocking}
    assert {"not_worse_than_constant_median", "not_worse_than_spline_ridge", "not_inferior_to_champion"} <= blocking
    assert {"better_than_greedy", "better_than_least_loaded", "reload_identical"} <= blocking


def test_the_jobs_are_those_of_the_company() -> None:
    resolved = {job.name for job in defs().resolve_all_job_defs()} - {"__ASSET_JOB"}
    assert resolved == JOBS


@pytest.mark.parametrize(
    ("job", "holds", "spares"),
    [
        ("daily_retraining", {"bookings", "promoted_delay_model"}, {"dispatch_policy", "workbook_courses"}),
        ("weekly_full_training", {"bookings", "geocoded_courses", "promoted_dispatch_policy"}, {"delay_predictions"}),
        ("nightly_feedback", {"prediction_actuals", "delay_predictions", "residual_drift"}, {"delay_model"}),
        ("drift_retraining", {"delay_model", "promoted_delay_model"}, {"dispatch_policy", "bookings"}),
        ("excel_import", {"workbook_courses", "geocoded_courses", "historical_dispatches"}, {"delay_model"}),
    ],
)
def test_each_job_runs_what_it_is_for(job: str, holds: set[str], spares: set[str]) -> None:
    selected = {key.path[-1] for key in defs().resolve_job_def(job).asset_layer.selected_asset_keys}
    assert holds <= selected
    assert not spares & selected


def test_the_clock_is_that_of_geneva() -> None:
    schedules = {schedule.name: schedule for schedule in defs().schedules}
    assert {name: (one.cron_schedule, one.job_name) for name, one in schedules.items()} == {
        "nightly_feedback": ("0 2 * * *", "nightly_feedback"),
        "daily_retraining": ("0 3 * * *", "daily_retraining"),
        "weekly_full_training": ("30 3 * * 1", "weekly_full_training"),
    }
    assert {one.execution_timezone for one in schedules.values()} == {"Europe/Zurich"}
    assert {one.default_status for one in schedules.values()} == {dg.DefaultScheduleStatus.RUNNING}


def test_the_sensors_start_the_jobs_they_are_for() -> None:
    sensors = {sensor.name: sensor for sensor in defs().sensors}
    assert set(sensors) == {"new_workbook", "drift", "degradation", "notifications", "run_failure"}
    targets = {name: sensors[name].job_name for name in ("new_workbook", "drift", "degradation")}
    assert targets == {
        "new_workbook": "excel_import",
        "drift": "drift_retraining",
        "degradation": "drift_retraining",
    }
    assert {sensor.default_status for sensor in sensors.values()} == {dg.DefaultSensorStatus.RUNNING}


def test_dagster_accepts_the_instance_of_the_checkout(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATMR_HOME", str(tmp_path))
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    home = prepare_dagster_home(load_settings())
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    assert home == tmp_path / "dagster"
    assert (home / "dagster.yaml").read_bytes() == (CHECKOUT / "dagster.yaml").read_bytes()
    with dg.DagsterInstance.get() as instance:
        assert instance.run_monitoring_enabled
        assert not instance.telemetry_enabled
        assert instance.root_directory == str(home)


def test_the_workspace_of_the_checkout_names_the_definitions() -> None:
    workspace = yaml.safe_load((CHECKOUT / "workspace.yaml").read_text(encoding="utf-8"))
    assert workspace["load_from"][0]["python_module"]["module_name"] == "atmr_pipeline.definitions"
