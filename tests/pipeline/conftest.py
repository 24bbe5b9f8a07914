"""One home and its story, told once for all tests: killed, run, run again, a workbook comes, a booking is corrected."""

from pathlib import Path

import openpyxl
import pytest
from pipeline_home import HEADER, NEW_ROWS, SMALL_DEMO, Correction, Home, Killed, Snapshot


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("pipeline") / "home", **SMALL_DEMO)


@pytest.fixture(scope="session")
def killed(home: Home) -> Killed:
    home.killed_when("tables/bookings/*.parquet")
    with home.instance() as instance:
        runs = {run.run_id: run.status.value for run in instance.get_runs()}
    return Killed(runs, len(home.days("bookings")), home.tables.has("dispatch_policy"))


@pytest.fixture(scope="session")
def first(home: Home, killed: Killed) -> Snapshot:
    return home.run()


@pytest.fixture(scope="session")
def second(home: Home, first: Snapshot) -> Snapshot:
    return home.run()


@pytest.fixture(scope="session")
def with_workbooks(home: Home, second: Snapshot) -> Snapshot:
    """Two workbooks have been dropped: one of a clerk, one that is no workbook."""
    _write(home.root / "inbox" / "avril.xlsx")
    (home.root / "inbox" / "broken.xlsx").write_bytes(b"\x00not a workbook\xff" * 50)
    return home.run("--json")


@pytest.fixture(scope="session")
def correction(home: Home, with_workbooks: Snapshot) -> Correction:
    days = [day.isoformat() for day in home.days("bookings")]
    ((booking, scheduled),) = home.operations(
        "SELECT b.id, b.scheduled_time FROM booking b JOIN assignment a ON a.booking_id = b.id "
        "WHERE a.actual_pickup_at IS NOT NULL ORDER BY b.scheduled_time DESC, b.id LIMIT 1"
    )
    left, reached = scheduled[:10], days[10]
    home.operations(
        "UPDATE booking SET scheduled_time = ?, "
        "updated_at = (SELECT REPLACE(DATETIME(MAX(updated_at), '+1 hour'), 'T', ' ') || '.000000' FROM booking) "
        "WHERE id = ?",
        reached + scheduled[10:],
        booking,
    )
    return Correction(booking, left, reached)


@pytest.fixture(scope="session")
def corrected(home: Home, correction: Correction) -> Snapshot:
    return home.run("--json")


def _write(path: Path) -> None:
    workbook = openpyxl.Workbook()
    for row in (HEADER, *NEW_ROWS):
        workbook.active.append(row)
    workbook.save(path)


@pytest.fixture(scope="session")
def secrets(home: Home, first: Snapshot) -> dict[str, set[str]]:
    """What must stay where it is, by kind."""
    notes = {row[0] for row in home.operations("SELECT DISTINCT notes_medical FROM booking") if row[0]}
    addresses = {
        row[0]
        for row in home.operations("SELECT pickup_location FROM booking UNION SELECT dropoff_location FROM booking")
        if row[0]
    }
    names = {row[0] for row in home.operations("SELECT DISTINCT customer_name FROM booking")}
    assert min(len(notes), len(addresses), len(names)) > 10
    assert all("Fictif" in name for name in names)
    # A name or a note is found by the word that all of them share, an address by its street and number.
    return {
        "patient": {"Patient Fictif", "Fictif "},
        "note": {"Note fictive"},
        "address": {address.rsplit(",", 1)[0] for address in addresses},
    }
