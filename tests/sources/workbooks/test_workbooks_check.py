"""``check_workbook`` and the review workbook."""

import stat
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from workbook_files import HEADER, UNI_MAIL, course, write_csv, write_xlsx

from atmr_pipeline.sources.geocoding import Gazetteer
from atmr_pipeline.sources.workbooks import REASONS, check_workbook, parse_workbook, write_review_workbook
from atmr_pipeline.sources.workbooks.check import LEG_COLUMNS

KEY = b"a company's secret"
ROWS = [
    ["Transports fictifs"],
    HEADER,
    course(initials="A.B/C.D"),
    course(initials="A.B/C.D"),
    course("02.10.2025 9h15", "R", dropoff="Rue Inventée 99, 1205 Genève"),
    course("03.10.2025 9h15", initials=None),
    course("31.02.2025 9h15", "A"),
    course("04.10.2025 9h15", "A", pickup=""),
    course("04.10.2025 25h15", "A"),
    ["TOTAL 7"],
]


@pytest.fixture(scope="module")
def gazetteer() -> Gazetteer:
    return Gazetteer.load()


def test_report_adds_up(tmp_path: Path, gazetteer: Gazetteer) -> None:
    report, legs = check_workbook(write_xlsx(tmp_path / "a.xlsx", ROWS), gazetteer=gazetteer, hash_key=KEY)
    assert report == {
        "rows": {"read": 10, "accepted": 3, "quarantined": 3, "duplicate": 1, "ignored": 3},
        "legs": {"outbound": 2, "return": 1, "set_aside": 2},
        "reasons": {
            "address_unresolved": 1,
            "bad_date": 1,
            "bad_time": 1,
            "empty_address": 1,
            "return_time_missing": 1,
        },
        "drivers": {"AB": 2, "CD": 1},
        "unknown_drivers": {"": 2, "AB": 2, "CD": 1},
        "addresses": {"distinct": 3, "house": 0, "street": 2, "postcode": 0, "unresolved": 1},
    }
    assert len(legs) == sum(report["legs"].values())
    assert sum(report["reasons"].values()) == report["rows"]["quarantined"] + report["legs"]["set_aside"]


def test_legs(tmp_path: Path, gazetteer: Gazetteer) -> None:
    _, legs = check_workbook(
        write_xlsx(tmp_path / "a.xlsx", ROWS), gazetteer=gazetteer, hash_key=KEY, driver_ids={"AB": 1}
    )
    assert list(legs.columns) == list(LEG_COLUMNS)
    assert list(legs["row"]) == [3, 3, 5, 6, 6]
    assert list(legs["leg"]) == ["outbound", "return", "return", "outbound", "return"]
    assert list(legs["reason"].fillna("")) == ["", "", "address_unresolved", "", "return_time_missing"]
    unresolved = legs.loc[2]
    assert unresolved["dropoff_precision"] == "unresolved"
    assert unresolved[["dropoff_lat", "dropoff_lon"]].isna().all()
    out, back = legs.loc[0], legs.loc[1]
    assert (out["pickup_lat"], out["dropoff_lon"]) == (back["dropoff_lat"], back["pickup_lon"])
    text = legs.to_csv()
    assert "Fictif" not in text
    assert "Palexpo" not in text


def test_known_drivers_are_not_reported_unknown(tmp_path: Path, gazetteer: Gazetteer) -> None:
    path = write_xlsx(tmp_path / "a.xlsx", ROWS)
    report, _ = check_workbook(path, gazetteer=gazetteer, hash_key=KEY, driver_ids={"A.B": 1})
    assert report["unknown_drivers"] == {"": 2, "CD": 1}


rows_of_any_kind = st.lists(
    st.builds(
        course,
        st.sampled_from(
            [
                "01.10.2025 9h 16h",
                "02.10.2025 9h",
                "03.10.2025 16h 9h",
                "30.03.2025 2h30",
                "31.02.2025 9h",
                "4.10.2025",
                None,
            ]
        ),
        st.sampled_from(["A/R", "A", "R", None, "x"]),
        pickup=st.sampled_from(["Palexpo", "Rue Inventée 99", None]),
        dropoff=st.sampled_from([UNI_MAIL, "Chemin Imaginaire 7"]),
        initials=st.sampled_from(["A.B", "A.B/C.D", None]),
    )
    | st.sampled_from([["TOTAL 3"], HEADER, ["une remarque"]]),
    max_size=15,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows_of_any_kind)
def test_every_row_and_leg_is_told_once(tmp_path: Path, gazetteer: Gazetteer, rows: list[list[object]]) -> None:
    path = write_csv(tmp_path / "a.csv", [HEADER, *rows])
    report, legs = check_workbook(path, gazetteer=gazetteer, hash_key=KEY)
    counts, per_leg = report["rows"], report["legs"]
    assert counts["read"] == len(rows) + 1
    assert counts["read"] == counts["accepted"] + counts["quarantined"] + counts["duplicate"] + counts["ignored"]
    assert len(legs) == per_leg["outbound"] + per_leg["return"] + per_leg["set_aside"]
    assert sum(report["reasons"].values()) == counts["quarantined"] + per_leg["set_aside"]
    assert set(report["reasons"]) <= set(REASONS)
    assert sum(report["drivers"].values()) + report["unknown_drivers"].get("", 0) == len(legs)
    placed = legs[["pickup_lat", "pickup_lon", "dropoff_lat", "dropoff_lon"]].notna().all(axis=1)
    assert legs.loc[~placed, "reason"].notna().all()
    assert counts["accepted"] == legs["row"].nunique()


def test_a_sheet_name_is_no_formula_in_the_legs(tmp_path: Path, gazetteer: Gazetteer) -> None:
    path = write_xlsx(tmp_path / "a.xlsx", {"=1+1": [HEADER, course()]})
    _, legs = check_workbook(path, gazetteer=gazetteer, hash_key=KEY)
    assert set(legs["sheet"]) == {"'=1+1"}


def unresolved(text: str) -> pd.DataFrame:
    return pd.DataFrame({"address_key": ["k"], "address_text": [text], "legs": [2], "reason": ["not_found"]})


def test_review_workbook_can_be_corrected_and_read_again(tmp_path: Path) -> None:
    parsed = parse_workbook(write_xlsx(tmp_path / "a.xlsx", ROWS), hash_key=KEY, driver_ids={})
    review = tmp_path / "private" / "review.xlsx"
    write_review_workbook(review, parsed.raw_quarantined, unresolved("Rue Inventée 99"))
    assert stat.S_IMODE(review.stat().st_mode) == 0o600
    assert [file.name for file in review.parent.iterdir()] == ["review.xlsx"]
    again = parse_workbook(review, hash_key=KEY, driver_ids={})
    assert (
        list(again.quarantined["reason"])
        == list(parsed.quarantined["reason"])
        == ["bad_date", "empty_address", "bad_time"]
    )
    workbook = openpyxl.load_workbook(review)
    workbook["Courses"]["B2"] = "28.02.2025 9h15"
    workbook["Courses"]["D3"] = UNI_MAIL
    workbook["Courses"]["B4"] = "04.10.2025 15h15"
    workbook.save(review)
    corrected = parse_workbook(review, hash_key=KEY, driver_ids={})
    assert (corrected.counts.accepted, corrected.counts.quarantined) == (3, 0)


def test_nothing_becomes_a_formula(tmp_path: Path) -> None:
    evil = '=HYPERLINK("http://example.invalid","x")'
    rows = [HEADER, course("bad", patient=evil, pickup="+1", dropoff="@SUM(A1)", initials="-1")]
    parsed = parse_workbook(write_xlsx(tmp_path / "a.xlsx", rows), hash_key=KEY, driver_ids={})
    write_review_workbook(tmp_path / "review.xlsx", parsed.raw_quarantined, unresolved(evil + "\x07"))
    workbook = openpyxl.load_workbook(tmp_path / "review.xlsx")
    cells = [cell for sheet in workbook for row in sheet.iter_rows() for cell in row]
    assert {cell.data_type for cell in cells if cell.value} == {"s"}
    assert workbook["Courses"]["A2"].value == evil
    assert workbook["Adresses"]["A2"].value == evil + " "
    assert all(cell.quotePrefix for cell in cells)


def test_a_failed_review_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "review.xlsx"
    path.write_bytes(b"old")
    with pytest.raises(KeyError):
        write_review_workbook(path, pd.DataFrame({"reason": ["no such code"]}), unresolved("x"))
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_reasons_speak_two_languages() -> None:
    for code, reason in REASONS.items():
        assert reason.french.endswith("."), code
        assert reason.english.endswith("."), code
        assert reason.french != reason.english
