"""The command line: exit codes, one clear line for each refusal, and the JSON that other programs read."""

import csv
import json
import sys
from collections import Counter
from datetime import date
from pathlib import Path

import pytest

from atmr_pipeline.cli import main
from atmr_pipeline.resources.tables import Tables
from atmr_pipeline.simulation import WorldConfig, build_demo
from atmr_pipeline.sources.operations import OperationsDatabase

METHODS = ("nearest", "least_loaded", "greedy", "insertion", "local_search")
LEG_COLUMNS = [
    "sheet", "row", "leg", "scheduled_local", "driver_initials", "pickup_lat", "pickup_lon", "pickup_precision",
    "dropoff_lat", "dropoff_lon", "dropoff_precision", "reason",
]  # fmt: skip


class Atmr:
    """Runs ``atmr`` in this process, as its entry point does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.monkeypatch, self.capsys = monkeypatch, capsys

    def __call__(self, *arguments: str | Path) -> tuple[int, str, str]:
        self.monkeypatch.setattr(sys, "argv", ["atmr", *map(str, arguments)])
        self.capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        shown = self.capsys.readouterr()
        return int(ended.value.code or 0), shown.out, shown.err

    def refuses(self, *arguments: str | Path) -> str:
        """The one line of a refusal with exit code 1."""
        code, out, err = self(*arguments)
        assert code == 1
        assert out == ""
        (line,) = err.splitlines()
        return line


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ATMR_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def atmr(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Atmr:
    return Atmr(monkeypatch, capsys)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo-company")
    build_demo(WorldConfig(months=1, bookings_per_day=8, drivers=4, seed=3, end=date(2026, 11, 20)), folder)
    return folder


@pytest.fixture
def workbook(demo: Path) -> Path:
    return demo / "inbox" / "transport_2026.xlsx"


def _answers(demo: Path, workbook: Path) -> list[dict]:
    path = demo / "demo" / "answer_key" / f"{workbook.stem}.json"
    return json.loads(path.read_text(encoding="utf-8"))["rows"]


def test_excel_check_accounts_for_every_row_leg_and_address(atmr: Atmr, demo: Path, workbook: Path) -> None:
    code, out, err = atmr("excel", "check", workbook, "--json")
    assert (code, err) == (0, "")
    (line,) = out.splitlines()
    report = json.loads(line)
    assert list(report) == ["rows", "legs", "reasons", "drivers", "unknown_drivers", "addresses"]
    assert set(report["rows"]) == {"read", "accepted", "quarantined", "duplicate", "ignored"}
    assert set(report["legs"]) == {"outbound", "return", "set_aside"}
    assert set(report["addresses"]) == {"distinct", "house", "street", "postcode", "unresolved"}
    rows, legs, addresses = report["rows"], report["legs"], report["addresses"]
    assert rows["read"] == sum(count for name, count in rows.items() if name != "read")
    assert addresses["distinct"] == sum(count for name, count in addresses.items() if name != "distinct")
    blank = report["unknown_drivers"].get("", 0)
    assert sum(report["drivers"].values()) + blank == sum(legs.values())
    answers = _answers(demo, workbook)
    kinds = Counter(answer["kind"] for answer in answers)
    assert rows["quarantined"] == sum(answer["quarantine"] is not None for answer in answers)
    assert rows["duplicate"] == kinds["duplicate"]
    known = [leg for answer in answers if answer["kind"] != "duplicate" for leg in answer["legs"]]
    assert sum(legs.values()) == len(known)
    assert legs["set_aside"] == sum(leg["set_aside"] is not None for leg in known)
    reasons = Counter(answer["quarantine"] for answer in answers if answer["quarantine"])
    assert report["reasons"] == reasons + Counter(leg["set_aside"] for leg in known if leg["set_aside"])


def test_excel_check_knows_the_drivers_of_a_home_that_has_extracted_them(
    atmr: Atmr, home: Path, demo: Path, workbook: Path
) -> None:
    before = json.loads(atmr("excel", "check", workbook, "--json")[1])
    assert before["unknown_drivers"].items() >= before["drivers"].items()
    source = OperationsDatabase(f"sqlite:///{demo / 'demo' / 'operations.db'}", hash_key=b"a-key-of-the-tests-only")
    Tables(home / "tables").write("drivers", source.read_drivers().frame)
    after = json.loads(atmr("excel", "check", workbook, "--json")[1])
    assert set(after["unknown_drivers"]) <= {"", "ZZ"}
    assert after["drivers"] == before["drivers"]


def test_excel_check_writes_the_legs_with_empty_coordinates_where_nothing_was_found(
    atmr: Atmr, demo: Path, workbook: Path, tmp_path: Path
) -> None:
    target = tmp_path / "legs.csv"
    code, out, _ = atmr("excel", "check", workbook, "--legs", target, "--json")
    assert code == 0
    with target.open(newline="", encoding="utf-8") as handle:
        reader = csv.DictReader(handle)
        legs = list(reader)
    assert reader.fieldnames == LEG_COLUMNS
    counted = json.loads(out)["legs"]
    assert len(legs) == sum(counted.values())
    assert sum(bool(leg["reason"]) for leg in legs) == counted["set_aside"]
    for leg in legs:
        for end in ("pickup", "dropoff"):
            placed = leg[f"{end}_precision"] != "unresolved"
            assert placed == bool(leg[f"{end}_lat"]) == bool(leg[f"{end}_lon"])
    expected = {
        (answer["sheet"], answer["row"], leg["leg"]): (leg["scheduled_local"], leg["set_aside"] or "")
        for answer in _answers(demo, workbook)
        if answer["kind"] != "duplicate"
        for leg in answer["legs"]
    }
    found = {
        (leg["sheet"], int(leg["row"]), leg["leg"]): (leg["scheduled_local"].replace(" ", "T")[:16], leg["reason"])
        for leg in legs
    }
    assert found.keys() == expected.keys()
    assert {key: reason for key, (_, reason) in found.items()} == {key: why for key, (_, why) in expected.items()}
    timed = [key for key, (when, _) in expected.items() if when]
    assert {key: found[key][0] for key in timed} == {key: expected[key][0] for key in timed}


def test_excel_check_changes_nothing_and_shows_no_patient(atmr: Atmr, home: Path, workbook: Path) -> None:
    shown = [atmr("excel", "check", workbook), atmr("excel", "check", workbook, "--json")]
    assert not home.exists()
    for code, out, err in shown:
        assert code == 0
        assert "Fictif" not in out + err
        assert "Rue " not in out + err


@pytest.mark.parametrize("content", [None, b"", b"not a workbook at all"])
def test_a_workbook_that_cannot_be_read_is_one_line_and_exit_1(
    atmr: Atmr, tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "march.xlsx"
    if content is not None:
        path.write_bytes(content)
    line = atmr.refuses("excel", "check", path, "--json")
    assert "march.xlsx" in line


def _day(shift: int = 0, *, coordinates: bool = False) -> dict:
    """Three bookings along a road, two drivers, 1 km a minute."""
    pickups, dropoffs = [10.0, 0.0, 20.0], [20.0, 10.0, 30.0]
    gaps = [[abs(end - start) for start in pickups] for end in dropoffs]
    day = {
        "drivers": [
            {"id": 7, "shift_start_min": 480, "shift_end_min": 600 + shift},
            {"id": 8, "shift_start_min": 480, "shift_end_min": 600 + shift},
        ],
        "bookings": [
            {"id": 1 + shift, "scheduled_min": 490, "leg": "outbound"},
            {"id": 2 + shift, "scheduled_min": 500, "leg": "return"},
            {"id": 3 + shift, "scheduled_min": 530, "leg": "outbound", "urgent": True},
        ],
        "service": {"pickup_min": 2, "dropoff_min": 3},
    }
    if coordinates:
        for place, row in enumerate(day["drivers"]):
            row |= {"start_lat": 46.20 + 0.01 * place, "start_lon": 6.14}
        for place, row in enumerate(day["bookings"]):
            row |= {"pickup_lat": 46.19, "pickup_lon": 6.10 + 0.01 * place, "dropoff_lat": 46.22, "dropoff_lon": 6.13}
        return day
    return day | {
        "travel": {
            "start_min": [pickups, pickups],
            "start_km": [pickups, pickups],
            "deadhead_min": gaps,
            "deadhead_km": gaps,
            "ride_min": [10, 10, 10],
            "ride_km": [10, 10, 10],
        }
    }


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("coordinates", [False, True], ids=["matrices", "coordinates"])
def test_dispatch_plan_answers_with_every_booking_and_its_cost(
    atmr: Atmr, tmp_path: Path, method: str, coordinates: bool
) -> None:
    path = tmp_path / "day.json"
    path.write_text(json.dumps(_day(coordinates=coordinates), indent=1), encoding="utf-8")
    code, out, err = atmr("dispatch", "plan", "--input", path, "--method", method, "--json")
    assert (code, err) == (0, "")
    (line,) = out.splitlines()
    reply = json.loads(line)
    assert reply["method"] == method
    assert list(reply["assignments"]) == ["1", "2", "3"]
    assert set(reply["assignments"].values()) <= {"7", "8", None}
    assert reply["cost"]["lost"] == list(reply["assignments"].values()).count(None)
    assert reply["runtime_ms"] >= 0


def test_dispatch_plan_gives_the_same_plan_with_and_without_json(atmr: Atmr, tmp_path: Path) -> None:
    path = tmp_path / "day.json"
    path.write_text(json.dumps(_day()), encoding="utf-8")
    shown = [
        json.loads(atmr("dispatch", "plan", "--input", path, "--method", "greedy", *extra)[1])
        for extra in ((), ("--json",))
    ]
    assert shown[0]["assignments"] == shown[1]["assignments"]
    assert shown[0]["cost"] == shown[1]["cost"]


def test_dispatch_plan_answers_json_lines_in_their_order(atmr: Atmr, tmp_path: Path) -> None:
    path = tmp_path / "days.jsonl"
    path.write_text("\n".join(json.dumps(_day(shift)) for shift in (30, 0, 10)) + "\n", encoding="utf-8")
    code, out, _ = atmr("dispatch", "plan", "--input", path, "--method", "greedy", "--json")
    assert code == 0
    firsts = [next(iter(json.loads(line)["assignments"])) for line in out.splitlines()]
    assert firsts == ["31", "1", "11"]


def test_an_unknown_method_is_wrong_use_and_names_the_known_ones(atmr: Atmr, tmp_path: Path) -> None:
    path = tmp_path / "day.json"
    path.write_text(json.dumps(_day()), encoding="utf-8")
    code, out, err = atmr("dispatch", "plan", "--input", path, "--method", "magic", "--json")
    assert (code, out) == (2, "")
    assert all(method in err for method in (*METHODS, "policy"))


@pytest.mark.parametrize("text", ["{", '{"drivers": []}', "[1]", '{"drivers": 3, "bookings": []}'])
def test_a_malformed_day_is_one_line_and_exit_1(atmr: Atmr, tmp_path: Path, text: str) -> None:
    path = tmp_path / "day.json"
    path.write_text(text, encoding="utf-8")
    assert atmr.refuses("dispatch", "plan", "--input", path, "--method", "greedy", "--json").startswith("error: ")


def test_a_day_that_is_not_there_or_not_text_is_one_line_and_exit_1(atmr: Atmr, tmp_path: Path) -> None:
    binary = tmp_path / "day.json"
    binary.write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "nowhere.json", binary, tmp_path):
        line = atmr.refuses("dispatch", "plan", "--input", path, "--method", "greedy")
        assert "cannot be read" in line


@pytest.mark.parametrize("method", ["policy", "policy_beam"])
def test_without_a_champion_the_shipped_policy_plans_and_is_named(
    atmr: Atmr, home: Path, tmp_path: Path, method: str
) -> None:
    path = tmp_path / "day.json"
    path.write_text(json.dumps(_day()), encoding="utf-8")
    code, out, err = atmr("dispatch", "plan", "--input", path, "--method", method, "--json")
    reply = json.loads(out)
    assert (code, err) == (0, "")
    assert reply["model"]["source"] == "shipped default"
    assert set(reply["assignments"].values()) <= {"7", "8", None}
    assert not home.exists()


def test_only_the_exact_planner_takes_a_time_limit(atmr: Atmr, tmp_path: Path) -> None:
    path = tmp_path / "day.json"
    path.write_text(json.dumps(_day()), encoding="utf-8")
    options = ("dispatch", "plan", "--input", path, "--json", "--time-limit-s", "5", "--method")
    reply = json.loads(atmr(*options, "exact")[1])
    assert reply["optimal"] is True
    assert reply["bound"] == pytest.approx(reply["cost"]["total"])
    assert atmr(*options, "greedy")[0] == 2


@pytest.mark.parametrize(("language", "word"), [("fr", "Course 2"), ("en", "Booking 2")])
def test_an_explanation_is_a_text_in_the_dispatcher_s_language(
    atmr: Atmr, tmp_path: Path, language: str, word: str
) -> None:
    path = tmp_path / "day.json"
    path.write_text(json.dumps(_day()), encoding="utf-8")
    options = ("dispatch", "explain", "--input", path, "--booking", "2", "--language", language)
    code, out, _ = atmr(*options)
    assert code == 0
    assert word in out
    told = json.loads(atmr(*options, "--json")[1])
    assert told["booking_id"] == "2"
    assert {one["driver_id"] for one in told["alternatives"]} | {told["driver_id"]} == {"7", "8", None}


def test_an_explanation_of_a_booking_that_is_not_there_is_one_line(atmr: Atmr, tmp_path: Path) -> None:
    path = tmp_path / "day.json"
    path.write_text(json.dumps(_day()), encoding="utf-8")
    assert "no booking" in atmr.refuses("dispatch", "explain", "--input", path, "--booking", "99")


def test_promote_and_rollback_with_nothing_there_are_one_line_and_exit_1(atmr: Atmr) -> None:
    for arguments in (
        ("promote", "delay", "0123456789abcdef", "--reason", "a test"),
        ("rollback", "delay", "--reason", "a test"),
        ("rollback", "policy", "--reason", "a test"),
    ):
        assert atmr.refuses(*arguments).startswith("error: ")


def test_wrong_use_is_exit_2(atmr: Atmr) -> None:
    assert atmr("promote", "horses", "0123456789abcdef", "--reason", "a test")[0] == 2
    assert atmr("rollback", "delay")[0] == 2
    assert atmr("dance")[0] == 2
    assert atmr("demo", "build", "--months", "0")[0] == 2
    assert atmr("demo", "build", "--scenario", "roadworks")[0] == 2
    assert atmr("demo", "build", "--end", "tomorrow")[0] == 2


def test_a_wrong_setting_is_exit_2_and_named(atmr: Atmr, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATMR_DELAY_HOLDOUT_DAYS", "3")
    for command in (("run",), ("status",), ("demo", "build")):
        code, out, err = atmr(*command)
        assert (code, out) == (2, "")
        (line,) = err.splitlines()
        assert line.startswith("settings: ATMR_DELAY_HOLDOUT_DAYS: ")
        assert "7" in line
    assert not home.exists()


def test_status_of_a_home_where_nothing_ran_knows_nothing_and_says_so(atmr: Atmr) -> None:
    code, out, _ = atmr("status", "--json")
    assert code == 0
    status = json.loads(out)
    assert status["delay_model"] is status["dispatch_policy"] is status["drift"] is status["excel"] is None
    assert set(status["extraction"].values()) == {None}
    assert {kind: state["champion"] for kind, state in status["promotion"].items()} == {"delay": None, "policy": None}
    code, out, _ = atmr("status")
    assert code == 0
    assert "never trained" in out


def test_demo_build_prints_what_was_built(atmr: Atmr, home: Path) -> None:
    options = ("--months", "1", "--bookings-per-day", "3", "--drivers", "2", "--seed", "5", "--end", "2026-11-20")
    code, out, _ = atmr("demo", "build", *options)
    assert code == 0
    built = json.loads(out)
    assert built["last_day"] < "2026-11-20" <= built["coming_day"]
    assert (home / "demo" / "operations.db").exists()
    assert atmr("demo", "build", *options)[0] == 0
    code, _, err = atmr("demo", "build", *options[:-2], "--end", "2026-10-20")
    assert code == 2
    assert "replace" in err
