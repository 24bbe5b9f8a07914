import itertools
import multiprocessing
from datetime import date, timedelta

import pandas as pd
import pytest
import sqlalchemy as sa
from alembic import command
from alert_workers import NOW, once_a_booking, risks, send_in_rounds
from sqlalchemy.exc import IntegrityError

from atmr_pipeline.domain.errors import TableContractError
from atmr_pipeline.monitoring.risk_alerts import decide_alerts
from atmr_pipeline.state.alerts import SENT_COLUMNS, read_alerts, read_suppressed, send_alerts
from atmr_pipeline.state.schema import risk_alert
from atmr_pipeline.state.store import migration_config

DAY = date(2026, 3, 2)


def send(store, assessed: pd.DataFrame, at=NOW) -> dict[str, int]:
    """With the policy that is in use."""
    decided = send_alerts(store, assessed, lambda sent: decide_alerts(assessed, sent, now=at), sent_at=at)
    return {str(outcome): int(count) for outcome, count in decided["outcome"].value_counts().items()}


def test_an_alert_is_kept_with_what_was_known_and_advised(store):
    assert send(store, risks([1])) == {"sent": 1}
    (row,) = read_alerts(store, DAY, DAY).to_dict("records")
    assert row == {
        "booking_id": 101, "alert_number": 1, "assignment_id": 1, "driver_id": 5,
        "service_day": pd.Timestamp(DAY), "level": "high", "p_late": 0.4, "expected_delay_min": 6.5, "threshold": 0.3,
        "threshold_source": "model", "advice": [{"code": "leave_earlier", "minutes": 4}], "model_version": "v1",
        "sent_at": pd.Timestamp(NOW),
    }  # fmt: skip
    assert read_alerts(store, DAY + timedelta(days=1), DAY + timedelta(days=2)).empty


def test_a_new_model_does_not_repeat_an_alert(store):
    send(store, risks([1, 2]))
    later = NOW + timedelta(days=1)
    assert send(store, risks([1, 2], model_version="v2"), at=later) == {"not_escalated": 2}
    assert send(store, risks([1, 2], model_version="v3", level=["critical", "high"]), at=later) == {
        "sent": 1,
        "not_escalated": 1,
    }
    alerts = read_alerts(store, DAY, DAY)
    assert list(zip(alerts["booking_id"], alerts["level"], alerts["alert_number"], strict=True)) == [
        (101, "high", 1),
        (102, "high", 1),
        (101, "critical", 2),
    ]


def test_what_is_not_told_is_counted_with_its_reason(store):
    quiet = risks([1, 2], p_late=[0.05, 0.4], level=[None, "high"])
    assert send(store, quiet) == {"sent": 1, "below_threshold": 1}
    later = NOW + timedelta(minutes=5)
    send(store, quiet, at=later)
    send(store, risks([1], p_late=0.2, model_version="v2"), at=later)
    kept = read_suppressed(store, DAY, DAY)
    assert list(zip(kept["assignment_id"], kept["reason"], kept["times"], strict=True)) == [
        (1, "below_threshold", 3),
        (2, "not_escalated", 1),
    ]
    first = kept.iloc[0]
    assert (first["p_late"], first["level"], first["model_version"]) == (0.2, "high", "v2")
    assert (first["first_at"], first["last_at"]) == (NOW, later)


def test_a_booking_moved_to_another_day_is_alerted_again(store):
    send(store, risks([1]))
    moved = risks([1], service_day=pd.Timestamp("2026-03-03"))
    assert send(store, moved, at=NOW + timedelta(minutes=14)) == {"debounced": 1}
    assert send(store, moved, at=NOW + timedelta(minutes=15)) == {"sent": 1}


def test_nothing_to_send_writes_nothing(store):
    assert send(store, risks([])) == {}
    assert read_alerts(store, DAY, DAY).empty
    assert read_suppressed(store, DAY, DAY).empty


def test_many_bookings_are_decided_at_once(store):
    many = risks(list(range(1, 1_203)))
    assert send(store, many) == {"sent": 1_202}
    assert send(store, many) == {"not_escalated": 1_202}


def test_two_processes_at_once_send_each_alert_once(store):
    rounds = [list(range(1 + 5 * n, 6 + 5 * n)) for n in range(10)]
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(2), context.Queue()
    url = store.url.render_as_string(hide_password=False)
    processes = [
        context.Process(target=send_in_rounds, args=(url, store.schema, f"v{n}", rounds, barrier, results))
        for n in range(2)
    ]
    for process in processes:
        process.start()
    sent = [results.get(timeout=120) for _ in processes]
    for process in processes:
        process.join(timeout=120)
    expected = [100 + one for one in itertools.chain(*rounds)]
    assert sorted(itertools.chain(*sent)) == expected
    assert sorted(read_alerts(store, DAY, DAY)["booking_id"]) == expected
    assert read_suppressed(store, DAY, DAY)["times"].sum() == len(expected)


def test_the_key_refuses_what_a_process_that_takes_no_lock_would_repeat(store):
    send(store, risks([1]))
    twice = {**read_alerts(store, DAY, DAY).to_dict("records")[0], "service_day": DAY, "sent_at": NOW}
    with pytest.raises(IntegrityError), store.begin() as connection:
        connection.execute(sa.insert(risk_alert).values(twice))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"p_late": float("nan")}, "p_late in 1 rows"),
        ({"threshold_source": None}, "threshold_source in 1 rows"),
        ({"expected_delay_min": None}, "expected_delay_min in 1 rows"),
    ],
)
def test_an_assessment_with_unknown_values_is_refused(store, changes, message):
    with pytest.raises(TableContractError, match=message):
        send(store, risks([1], **changes))
    with pytest.raises(TableContractError, match="missing columns advice"):
        send(store, risks([1]).drop(columns="advice"))


def test_a_decision_that_loses_rows_or_levels_writes_nothing(store):
    both, one = risks([1, 2]), risks([1])
    with pytest.raises(TableContractError, match="2 assessed, but others"):
        send_alerts(store, both, once_a_booking(one), sent_at=NOW)
    unnamed = risks([1], level=None)
    with pytest.raises(TableContractError, match="level in 1 rows"):
        send_alerts(store, unnamed, once_a_booking(unnamed), sent_at=NOW)
    assert read_alerts(store, DAY, DAY).empty
    assert read_suppressed(store, DAY, DAY).empty


OLD_ROWS = """
    INSERT INTO risk_alert (assignment_id, booking_id, service_day, level, p_late, model_version, created_at)
    VALUES (:assignment, :booking, '2026-03-02', :level, 0.4, :model, :at)
"""


def migrate_from_the_old_table(store) -> None:
    """Alerts as the first version kept them: each level once a model, so the second model repeated the first."""
    rows = [(1, 101, "high", "v1"), (1, 101, "high", "v2"), (2, 102, "critical", "v2"), (1, 101, "critical", "v2")]
    with store.begin() as connection:
        command.downgrade(migration_config(connection), "0002")
        for assignment, booking, level, model in rows:
            values = {"assignment": assignment, "booking": booking, "level": level, "model": model}
            connection.execute(sa.text(OLD_ROWS), {**values, "at": "2026-03-02 03:00:00.000000"})
    store.migrate()


def test_alerts_of_the_old_table_are_kept_and_what_they_lacked_is_null(store):
    migrate_from_the_old_table(store)
    alerts = read_alerts(store, DAY, DAY)
    kept = alerts[["booking_id", "level", "model_version", "alert_number"]]
    assert list(kept.itertuples(index=False, name=None)) == [
        (101, "high", "v1", 1),
        (101, "high", "v2", 2),
        (102, "critical", "v2", 1),
        (101, "critical", "v2", 3),
    ]
    assert list(alerts.columns) == [column.name for column in SENT_COLUMNS]
    assert set(alerts["sent_at"]) == {pd.Timestamp(NOW)}
    for name in ("driver_id", "expected_delay_min", "threshold", "threshold_source", "advice"):
        assert alerts[name].isna().all(), name


def test_alerts_of_the_old_table_are_not_repeated(store):
    migrate_from_the_old_table(store)
    later = risks([1, 2], level=["high", "impossible"], model_version="v3")
    assert send(store, later, at=NOW + timedelta(hours=6)) == {"not_escalated": 1, "sent": 1}
    assert read_alerts(store, DAY, DAY)["alert_number"].tolist() == [1, 2, 1, 3, 2]


def test_the_migration_goes_back_with_the_alerts_that_the_old_key_allows(store):
    send(store, risks([1, 2]))
    send(store, risks([1], driver_id=6), at=NOW + timedelta(hours=1))
    assert len(read_alerts(store, DAY, DAY)) == 3
    with store.begin() as connection:
        command.downgrade(migration_config(connection), "0002")
    with store.read() as connection:
        query = "SELECT assignment_id, level, model_version FROM risk_alert ORDER BY id"
        assert connection.execute(sa.text(query)).all() == [(1, "high", "v1"), (2, "high", "v1")]
    store.migrate()
    assert read_alerts(store, DAY, DAY)["alert_number"].tolist() == [1, 1]
