"""``atmr run`` from an empty home to a promoted model, and what later runs do and leave undone."""

import json
import re
import stat
import subprocess
import sys
from collections import Counter

import pandas as pd
import pytest
from pipeline_home import NEW_ROWS, Correction, Home, Killed, Snapshot
from pipeline_searching import contents, searched_files, spellings

from atmr_pipeline.definitions import defs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
RETRAIN = """
import dagster as dg, json
from atmr_pipeline.jobs.runner import prepare_dagster_home, run_job
from atmr_pipeline.settings import load_settings
prepare_dagster_home(load_settings())
with dg.DagsterInstance.get() as instance:
    report = run_job("drift_retraining", instance)
print(json.dumps({"succeeded": report.succeeded, "refused": report.refused_by, "failures": report.failures}))
"""


def test_a_killed_run_leaves_whole_files_only_and_the_next_one_completes(
    home: Home, killed: Killed, first: Snapshot
) -> None:
    assert killed.days >= 1
    assert not killed.has_policy
    assert set(killed.runs.values()) <= {"STARTED", "STARTING", "NOT_STARTED"}
    assert {first.runs[run] for run in killed.runs} == {"FAILURE"}
    assert first.code == 0
    for file in home.root.joinpath("tables").rglob("*.parquet"):
        assert not file.name.startswith(".")
        pd.read_parquet(file)


def test_a_run_ends_well_and_says_what_was_learned(first: Snapshot) -> None:
    assert (first.code, first.err) == (0, "")
    for said in ("extracted", "rows quarantined", "delay model", "spline_ridge", "dispatch policy", "local_search"):
        assert said in first.out
    for said in ("drift", "delay: champion", "policy: champion", "http://127.0.0.1:3000"):
        assert said in first.out
    assert len(re.findall(r"all \d+ gates passed", " ".join(first.out.split()))) == 2
    assert "nothing changed" not in first.out
    assert set(Counter(first.runs.values())) == {"SUCCESS", "FAILURE"}
    assert Counter(first.runs.values())["FAILURE"] == 1


def test_every_asset_of_the_graph_was_materialised(home: Home, first: Snapshot) -> None:
    graph = defs().resolve_asset_graph()
    with home.instance() as instance:
        missing = [
            key.path[-1]
            for key in graph.materializable_asset_keys
            if instance.get_latest_materialization_event(key) is None
        ]
    assert missing == []


def test_every_booking_of_the_source_is_extracted_once(home: Home, first: Snapshot) -> None:
    ids = [row[0] for row in home.operations("SELECT id FROM booking")]
    frame = home.tables.read("bookings")
    assert sorted(frame["booking_id"]) == sorted(ids)
    assert set(first.rows_by_day["bookings"]) == set(first.rows_by_day["assignments"])


def test_every_row_of_the_workbooks_became_what_the_answer_key_says(home: Home, second: Snapshot) -> None:
    keys = [
        json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(home.root.joinpath("demo", "answer_key").glob("*.json"))
    ]
    answers = {(key["file"], row["sheet"], row["row"]): row for key in keys for row in key["rows"]}
    counts = second.account["rows"]
    kinds = Counter(row["kind"] for row in answers.values())
    assert counts["duplicate"] == kinds["duplicate"] > 0
    assert counts["read"] == sum(count for name, count in counts.items() if name != "read")
    quarantined = _before_april(home.tables.read("quarantined_courses"))
    found = {(q.file_name, q.sheet, q.row): q.reason for q in quarantined.itertuples()}
    assert found == {key: row["quarantine"] for key, row in answers.items() if row["quarantine"]}
    expected = {
        (*key, leg["leg"]): leg for key, row in answers.items() if row["kind"] != "duplicate" for leg in row["legs"]
    }
    legs = _before_april(home.tables.read("geocoded_courses")).set_index(["file_name", "sheet", "row", "leg"])
    assert set(legs.index) == set(expected)
    assert legs.index.is_unique
    for key, leg in expected.items():
        row = legs.loc[key]
        assert (None if pd.isna(row["set_aside_reason"]) else row["set_aside_reason"]) == leg["set_aside"], key
        if leg["scheduled_local"]:
            assert row["scheduled_local"] == pd.Timestamp(leg["scheduled_local"]), key


def test_coordinates_of_the_workbooks_are_near_the_answer_key(home: Home, second: Snapshot) -> None:
    legs = _before_april(home.tables.read("geocoded_courses")).set_index(["file_name", "sheet", "row", "leg"])
    checked = 0
    for path in sorted(home.root.joinpath("demo", "answer_key").glob("*.json")):
        key = json.loads(path.read_text(encoding="utf-8"))
        for row in key["rows"]:
            for leg in row["legs"] if row["kind"] != "duplicate" else []:
                found = legs.loc[(key["file"], row["sheet"], row["row"], leg["leg"])]
                for end in ("pickup", "dropoff"):
                    if leg[end] is None:
                        assert pd.isna(found[f"{end}_lat"])
                    elif pd.notna(found[f"{end}_lat"]):
                        checked += 1
                        assert abs(found[f"{end}_lat"] - leg[end]["lat"]) < 0.02
                        assert abs(found[f"{end}_lon"] - leg[end]["lon"]) < 0.03
    assert checked > 1000


def _before_april(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows of the demo's own workbooks, whichever later workbook has come since."""
    return frame[~frame["file_name"].isin(["avril.xlsx", "broken.xlsx"])]


def test_status_gives_the_figures_as_json(home: Home, first: Snapshot) -> None:
    done = home.atmr("status", "--json")
    assert (done.code, done.err) == (0, "")
    status = done.summary()
    assert status["source"] == "demo company"
    assert min(status["extraction"].values()) > 0
    held_out = status["delay_model"]["held_out"]
    assert held_out["n"] > 100
    assert 0 < held_out["mae_min"] < held_out["rmse_min"] < 60
    assert {"constant_mean", "constant_median", "spline_ridge"} <= set(status["delay_model"]["baselines"])
    assert {"policy", "greedy", "least_loaded", "local_search"} <= set(status["dispatch_policy"]["methods"])
    assert status["drift"]["summary"]
    for state in status["promotion"].values():
        assert state["champion"]
        assert state["last_decision"]["action"] in ("promoted", "refused")
    assert status["feedback"]["scored_ahead"] > 0


def test_the_coming_day_is_scored_once_by_the_champion(home: Home, first: Snapshot) -> None:
    assert first.predictions
    assert len(set(first.predictions)) == len(first.predictions)
    assert {version for _, version in first.predictions} == {first.champions["delay"]}
    ((open_count,),) = home.operations(
        "SELECT COUNT(*) FROM assignment a JOIN booking b ON b.id = a.booking_id "
        "WHERE a.actual_pickup_at IS NULL AND a.status IN ('SCHEDULED', 'EN_ROUTE_PICKUP', 'ARRIVED_PICKUP') "
        "AND b.status <> 'CANCELED' AND b.scheduled_time >= '2026-11-20'"
    )
    assert len(first.predictions) == open_count


def test_a_second_run_does_nothing_and_says_so(first: Snapshot, second: Snapshot) -> None:
    assert (second.code, second.err) == (0, "")
    assert "nothing was run, nothing was retrained" in " ".join(second.out.split())
    assert second.runs == first.runs
    assert second.versions == first.versions
    assert second.champions == first.champions
    assert second.predictions == first.predictions
    assert second.times == first.times


def test_a_dropped_workbook_is_imported_and_nothing_is_retrained(second: Snapshot, with_workbooks: Snapshot) -> None:
    assert (with_workbooks.code, with_workbooks.err) == (0, "")
    before, after = second.account["rows"], with_workbooks.account["rows"]
    assert after["accepted"] == before["accepted"] + 1
    assert after["quarantined"] == before["quarantined"] + 1
    assert after["read"] == before["read"] + len(NEW_ROWS) + 1
    assert with_workbooks.versions == second.versions
    assert with_workbooks.champions == second.champions
    assert with_workbooks.predictions == second.predictions
    assert with_workbooks.rows_by_day == second.rows_by_day
    summary = with_workbooks.summary()
    assert {kind: state["moves"] for kind, state in summary["promotion"].items()} == {"delay": 1, "policy": 1}


def test_the_new_workbook_gives_its_legs(home: Home, with_workbooks: Snapshot) -> None:
    legs = home.tables.read("geocoded_courses").query("file_name == 'avril.xlsx'")
    assert sorted(legs["leg"]) == ["outbound", "return"]
    assert legs["driver_id"].isna().all()
    assert legs["distance_km"].notna().all()
    history = home.tables.read("historical_dispatches")
    assert (history["service_day"] == pd.Timestamp("2026-04-01")).sum() == 1


def test_a_broken_workbook_is_quarantined_whole(home: Home, with_workbooks: Snapshot) -> None:
    quarantined = home.tables.read("quarantined_courses").query("file_name == 'broken.xlsx'")
    assert len(quarantined) == 1
    assert quarantined["row"].tolist() == [0]
    assert quarantined["reason_fr"].notna().all()
    assert quarantined["reason_en"].notna().all()
    assert "broken.xlsx" not in set(home.tables.read("geocoded_courses")["file_name"])


def test_a_corrected_booking_changes_exactly_the_days_concerned(
    home: Home, with_workbooks: Snapshot, correction: Correction, corrected: Snapshot
) -> None:
    assert corrected.ended_honestly()
    for name in ("bookings", "assignments"):
        before, after = with_workbooks.rows_by_day[name], corrected.rows_by_day[name]
        changed = {day for day in before if after[day] != before[day]}
        assert changed == {correction.left, correction.reached}, name
    assert corrected.rows_by_day["dispatch_runs"] == with_workbooks.rows_by_day["dispatch_runs"]
    stored = home.tables.read("bookings").query(f"booking_id == {correction.booking_id}")
    assert [day.date().isoformat() for day in stored["service_day"]] == [correction.reached]


def test_days_outside_the_late_window_are_not_even_rewritten(
    with_workbooks: Snapshot, correction: Correction, corrected: Snapshot
) -> None:
    before, after = with_workbooks.times["bookings"], corrected.times["bookings"]
    untouched = {day for day in before if day < "2026-11-01"} - {correction.reached}
    assert len(untouched) > 30
    assert {day for day in untouched if after[day] != before[day]} == set()
    assert after[correction.reached] > before[correction.reached]


def test_corrected_data_gives_a_new_version_and_keeps_the_old_one(
    with_workbooks: Snapshot, corrected: Snapshot
) -> None:
    for kind in ("delay", "policy"):
        assert corrected.versions[kind] > with_workbooks.versions[kind]
    assert len(set(corrected.predictions)) == len(corrected.predictions)
    assert set(with_workbooks.predictions) <= set(corrected.predictions)


def test_a_pickup_weeks_away_from_its_corrected_date_is_no_label(
    home: Home, correction: Correction, corrected: Snapshot
) -> None:
    training = home.tables.read("delay_training_set")
    assert correction.booking_id not in set(training["booking_id"])
    assert training["delay_min"].abs().max() < 12 * 60
    assert corrected.summary()["delay_model"]["held_out"]["rmse_min"] < 60


def test_the_promoted_policy_plans_a_day_from_the_command_line(home: Home, first: Snapshot) -> None:
    day = {
        "drivers": [
            {"id": number, "shift_start_min": 420, "shift_end_min": 1080, "start_lat": 46.20, "start_lon": 6.14}
            for number in (1, 2)
        ],
        "bookings": [
            {
                "id": number,
                "scheduled_min": 480 + 60 * number,
                "leg": "outbound",
                "pickup_lat": 46.19,
                "pickup_lon": 6.10 + 0.01 * number,
                "dropoff_lat": 46.22,
                "dropoff_lon": 6.13,
            }
            for number in range(4)
        ],
        "service": {"pickup_min": 5, "dropoff_min": 5},
    }
    path = home.root.parent / "day.json"
    path.write_text(json.dumps(day), encoding="utf-8")
    done = home.atmr("dispatch", "plan", "--input", str(path), "--method", "policy_beam", "--json")
    assert (done.code, done.err) == (0, "")
    reply = done.summary()
    assert reply["method"] == "policy_beam"
    assert reply["model"]["source"] == "champion"
    assert len(reply["model"]["version"]) == 16
    assert set(reply["assignments"].values()) <= {"1", "2", None}


def test_nothing_that_a_run_writes_names_a_patient_an_address_or_a_note(
    home: Home, secrets: dict[str, set[str]], corrected: Snapshot
) -> None:
    needles = {needle: kind for kind, texts in secrets.items() for text in texts for needle in spellings(text)}
    searched, found = 0, set()
    for path in searched_files(home):
        content = contents(path)
        searched += 1
        found |= {
            (path.relative_to(home.root).as_posix(), kind) for needle, kind in needles.items() if needle in content
        }
    assert found == set()
    assert searched > 100


def test_the_search_would_find_them(home: Home, secrets: dict[str, set[str]], first: Snapshot) -> None:
    content = contents(home.root / "demo" / "operations.db")
    for kind, texts in secrets.items():
        assert any(needle in content for text in texts for needle in spellings(text)), kind
    addresses = contents(home.root / "private" / "workbook_addresses" / "table.parquet")
    assert sum(text.encode() in addresses for text in secrets["address"]) > 10


def test_nothing_that_a_run_prints_names_a_patient_an_address_or_a_note(
    secrets: dict[str, set[str]], first: Snapshot, second: Snapshot, with_workbooks: Snapshot, corrected: Snapshot
) -> None:
    printed = "\n".join(shot.out + shot.err for shot in (first, second, with_workbooks, corrected))
    assert {kind for kind, texts in secrets.items() if any(text in printed for text in texts)} == set()


def test_the_private_tables_are_readable_by_their_owner_only(home: Home, first: Snapshot) -> None:
    files = [path for path in (home.root / "private").rglob("*") if path.is_file()]
    assert files
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_too_few_rows_leave_the_champion_where_it_is(home: Home, corrected: Snapshot) -> None:
    done = subprocess.run(
        [sys.executable, "-c", RETRAIN],
        env={**home.environment, "ATMR_DELAY_MINIMUM_ROWS": "100000"},
        capture_output=True,
        text=True,
        timeout=200,
        check=True,
    )
    report = json.loads(done.stdout)
    assert not report["succeeded"]
    assert report["refused"].keys() == {"delay_training_set.delay_training_set_enough"}
    assert re.search(r"needs 100,000 rows .* has \d+ and \d+", "".join(report["refused"].values()))
    assert home.after(corrected).champions == corrected.champions
