"""The two instances: what differs is where runs are stored, and PostgreSQL takes what the file says."""

import shutil
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa
import yaml
from dagster_postgres import PostgresEventLogStorage, PostgresRunStorage, PostgresScheduleStorage

from atmr_pipeline.jobs.launcher import WatchedRunLauncher

CHECKOUT = Path(__file__).parents[2]
EMBEDDED, PRODUCTION = CHECKOUT / "dagster.yaml", CHECKOUT / "deploy" / "postgres" / "dagster.yaml"


def _read(path: Path) -> dict[str, object]:
    return dict(yaml.safe_load(path.read_text(encoding="utf-8")))


def test_the_instances_differ_in_their_storage_only() -> None:
    production = _read(PRODUCTION)
    assert set(production.pop("storage")) == {"postgres"}
    assert production == _read(EMBEDDED)


def test_no_credential_stands_in_the_file() -> None:
    database = _read(PRODUCTION)["storage"]["postgres"]["postgres_db"]
    assert database.pop("scheme") == "postgresql+psycopg2"
    assert {name: list(value) for name, value in database.items()} == {
        name: ["env"] for name in ("hostname", "port", "db_name", "username", "password")
    }


@pytest.mark.integration
def test_dagster_opens_the_production_instance_on_postgresql(
    postgresql_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = sa.make_url(postgresql_url)
    shutil.copyfile(PRODUCTION, tmp_path / "dagster.yaml")
    # The server listens on a socket only: libpq finds its folder in PGHOST where the host is empty.
    monkeypatch.setenv("PGHOST", str(url.query["host"]))
    variables = {"HOST": "", "PORT": "5432", "DB": url.database, "USER": url.username, "PASSWORD": ""}
    for name, value in variables.items():
        monkeypatch.setenv(f"DAGSTER_PG_{name}", str(value))
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert isinstance(instance.run_storage, PostgresRunStorage)
        assert isinstance(instance.event_log_storage, PostgresEventLogStorage)
        assert isinstance(instance.schedule_storage, PostgresScheduleStorage)
        assert isinstance(instance.run_launcher, WatchedRunLauncher)
        assert isinstance(instance.run_coordinator, dg.QueuedRunCoordinator)
        assert instance.get_concurrency_config().run_queue_config.max_concurrent_runs == 1
        assert instance.get_concurrency_config().run_queue_config.max_user_code_failure_retries == 10
        assert instance.get_concurrency_config().run_queue_config.user_code_failure_retry_delay == 15
        assert instance.get_concurrency_config().pool_config.default_pool_limit == 1
        assert instance.run_monitoring_enabled
        assert instance.run_monitoring_max_runtime_seconds == 14_400
        assert instance.run_retries_max_retries == 1
        assert not instance.run_retries_retry_on_asset_or_op_failure
        assert instance.get_runs() == []
