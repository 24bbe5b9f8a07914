import multiprocessing
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from state_workers import migrate_and_insert

from atmr_pipeline.domain.errors import SettingsError, SourceError
from atmr_pipeline.state import json_values
from atmr_pipeline.state.drift_events import list_drift_events
from atmr_pipeline.state.pipeline_state import get_state, set_state
from atmr_pipeline.state.schema import metadata, pipeline_state
from atmr_pipeline.state.store import StateStore, migration_config
from atmr_pipeline.state.watermarks import advance_watermark, get_watermark


def schema_differences(store: StateStore) -> list[object]:
    with store.read() as connection:
        options = {"compare_type": True, "compare_server_default": True}
        return compare_metadata(MigrationContext.configure(connection, opts=options), metadata)


def test_migrated_schema_is_the_metadata(store):
    assert schema_differences(store) == []


def test_a_missing_column_is_a_difference(store):
    with store.begin() as connection:
        connection.execute(sa.text("ALTER TABLE risk_alert DROP COLUMN p_late"))
    assert schema_differences(store) != []


def test_migrating_again_keeps_the_rows(store):
    set_state(store, "kept", {"n": 1})
    store.migrate()
    assert get_state(store, "kept") == {"n": 1}
    assert schema_differences(store) == []


def test_downgrade_leaves_no_table_behind(store):
    with store.begin() as connection:
        command.downgrade(migration_config(connection), "base")
    with store.read() as connection:
        assert set(sa.inspect(connection).get_table_names()) <= {"alembic_version"}


def test_four_processes_migrate_a_new_database_and_insert_one_event(empty_store):
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(4), context.Queue()
    url = empty_store.url.render_as_string(hide_password=False)
    arguments = (url, empty_store.schema, barrier, results)
    processes = [context.Process(target=migrate_and_insert, args=arguments) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=120)
    assert [process.exitcode for process in processes] == [0, 0, 0, 0]
    assert sorted(results.get(timeout=10) for _ in range(4)) == [False, False, False, True]
    assert [event.event_id for event in list_drift_events(empty_store)] == ["shared-event"]
    assert schema_differences(empty_store) == []


def test_a_failed_migration_leaves_nothing(empty_store, monkeypatch):
    def fail_halfway(connection, revision="head"):
        connection.execute(sa.text("CREATE TABLE half_written (id INTEGER)"))
        raise RuntimeError("stopped")

    monkeypatch.setattr("atmr_pipeline.state.store.upgrade", fail_halfway)
    with pytest.raises(RuntimeError, match="stopped"):
        empty_store.migrate()
    with empty_store.read() as connection:
        assert sa.inspect(connection).get_table_names() == []


def test_a_database_of_a_newer_version_is_refused(store):
    with store.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SourceError, match="newer version"):
        store.migrate()


def test_an_unmigrated_database_says_so(empty_store):
    with pytest.raises(SourceError, match="migrate it first"):
        get_state(empty_store, "anything")


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg"])
def test_unreachable_postgresql_is_one_line_without_the_password(scheme):
    store = StateStore(f"{scheme}://someone:s3cr3t-word@127.0.0.1:1/atmr")
    with pytest.raises(SourceError) as caught:
        store.migrate()
    message = str(caught.value)
    assert "127.0.0.1:1" in message
    assert "s3cr3t-word" not in message
    assert "\n" not in message
    assert caught.value.__suppress_context__
    assert "s3cr3t-word" not in repr(store)


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SourceError, match="cannot be created"):
        StateStore(f"sqlite:///{tmp_path / 'file' / 'state.db'}").migrate()


def test_a_file_that_is_no_database_is_one_line(tmp_path):
    (tmp_path / "state.db").write_text("not a database, but a text that is long enough " * 10)
    with pytest.raises(SourceError, match="file is not a database"):
        StateStore(f"sqlite:///{tmp_path / 'state.db'}").migrate()


@pytest.mark.parametrize("url", ["mysql://u:hunter2@h/d", "no url hunter2", "sqlite://", "sqlite:///:memory:"])
def test_other_urls_are_refused_without_repeating_them(url):
    with pytest.raises(SettingsError) as caught:
        StateStore(url)
    assert "hunter2" not in str(caught.value)


def test_a_schema_name_that_needs_quoting_is_refused():
    with pytest.raises(SettingsError):
        StateStore("postgresql://h/d", schema='x"; drop')


def test_a_failed_transaction_rolls_back(store):
    def write_and_fail():
        with store.begin() as connection:
            connection.execute(sa.insert(pipeline_state).values(key="k", value=1, updated_at=datetime.now(UTC)))
            raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        write_and_fail()
    assert get_state(store, "k") is None


def test_a_reader_does_not_wait_for_a_writer(store):
    set_state(store, "k", "before")
    with store.begin() as writer:
        writer.execute(sa.update(pipeline_state).values(value="after"))
        assert get_state(store, "k") == "before"
    assert get_state(store, "k") == "after"


def test_sqlite_is_in_wal_mode_with_foreign_keys(tmp_path):
    store = StateStore(f"sqlite:///{tmp_path / 'deep' / 'folder' / 'state.db'}")
    store.migrate()
    with store.read() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar_one() == 1
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one() >= 5_000


def test_instants_come_back_aware_in_utc(store):
    zurich_winter = timezone(timedelta(hours=1))
    instant = datetime(2026, 1, 5, 8, 30, 0, 123456, tzinfo=zurich_winter)
    assert advance_watermark(store, "bookings", instant)
    stored = get_watermark(store, "bookings")
    assert stored == instant
    assert stored.tzinfo is UTC


def test_a_naive_instant_is_refused(store):
    with pytest.raises(sa.exc.StatementError, match="time zone"):
        advance_watermark(store, "bookings", datetime(2026, 1, 5))


def test_json_values_accept_what_models_return():
    value = {
        "a": np.float64("nan"),
        "b": np.arange(2),
        "c": (np.int64(3), datetime(2026, 1, 1, tzinfo=UTC)),
        "d": {1.5},
    }
    assert json_values.to_json_value(value) == {
        "a": None,
        "b": [0, 1],
        "c": [3, "2026-01-01T00:00:00+00:00"],
        "d": [1.5],
    }
    with pytest.raises(TypeError):
        json_values.to_json_value(object())


def test_state_values_keep_their_json_and_the_last_writer_wins(store):
    assert get_state(store, "last_training") is None
    set_state(store, "last_training", {"day": "2026-03-01", "mae": float("nan")})
    set_state(store, "last_training", {"day": "2026-03-02", "mae": 2.5})
    assert get_state(store, "last_training") == {"day": "2026-03-02", "mae": 2.5}
