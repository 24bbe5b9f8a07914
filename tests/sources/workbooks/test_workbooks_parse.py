"""Whole workbooks: every row accounted for, whatever the format."""

from datetime import datetime
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from workbook_files import HEADER, PALEXPO, UNI_MAIL, course, write_csv, write_ods, write_xlsb, write_xlsx

from atmr_pipeline.domain.tables import QUARANTINED_COURSES, WORKBOOK_COURSES
from atmr_pipeline.sources.workbooks import ParsedWorkbook, RowCounts, WorkbookError, parse_inbox, parse_workbook

KEY = b"a company's secret"
FIXTURE = Path(__file__).parent / "data" / "fictional.xls"


def parse(path: Path, **changed: Any) -> ParsedWorkbook:
    return parse_workbook(path, hash_key=KEY, **{"driver_ids": {"A.B": 7}, **changed})


def test_a_round_trip_row_gives_two_linked_legs(tmp_path: Path) -> None:
    parsed = parse(write_xlsx(tmp_path / "a.xlsx", [["Titre"], [], HEADER, course(initials="A.B/C.D")]))
    out, back = parsed.courses.to_dict("records")
    assert (out["leg"], back["leg"]) == ("outbound", "return")
    assert back["parent_leg_key"] == out["leg_key"]
    assert pd.isna(out["parent_leg_key"])
    assert (out["row"], out["sheet"]) == (4, "Feuil1")
    assert (out["scheduled_local"], back["scheduled_local"]) == (
        datetime(2025, 10, 1, 9, 15),
        datetime(2025, 10, 1, 16),
    )
    assert out["scheduled_at"] == pd.Timestamp("2025-10-01 07:15", tz="UTC")
    assert (out["pickup_address_key"], out["dropoff_address_key"]) == (
        back["dropoff_address_key"],
        back["pickup_address_key"],
    )
    assert (out["driver_id"], back["driver_initials"]) == (7, "CD")
    assert pd.isna(back["driver_id"])
    assert parsed.unknown_initials == {"CD": 1}
    WORKBOOK_COURSES.validate(parsed.courses)


@pytest.mark.parametrize(
    ("suffix", "write"), [(".xlsm", write_xlsx), (".csv", write_csv), (".ods", write_ods), (".xlsb", write_xlsb)]
)
def test_formats_give_the_same_legs(tmp_path: Path, suffix: str, write: Any) -> None:
    rows = [["Titre"], HEADER, course(), course("02.10.2025 9h15", "R", initials="")]
    reference = parse(write_xlsx(tmp_path / "reference.xlsx", rows)).courses
    found = parse(write(tmp_path / f"other{suffix}", rows)).courses
    same = [name for name in reference.columns if name not in ("file_name", "sheet")]
    pd.testing.assert_frame_equal(reference[same], found[same])


def test_old_format(tmp_path: Path) -> None:
    parsed = parse(FIXTURE)
    assert parsed.counts == RowCounts(read=4, accepted=2, ignored=2)
    assert list(parsed.courses["row"]) == [3, 3, 4]
    assert list(parsed.courses["scheduled_local"].dt.hour) == [9, 16, 9]


@pytest.mark.parametrize(
    ("delimiter", "encoding"), [(";", "cp1252"), (",", "utf-8-sig"), ("\t", "utf-16"), ("|", "utf-8")]
)
def test_csv_dialects(tmp_path: Path, delimiter: str, encoding: str) -> None:
    rows = [HEADER, course(pickup="Palexpo\nRoute François-Peyrot 30"), course("02.10.2025 9h15", "R")]
    parsed = parse(write_csv(tmp_path / "a.csv", rows, delimiter=delimiter, encoding=encoding))
    assert parsed.counts == RowCounts(read=3, accepted=2, ignored=1)
    assert list(parsed.courses["row"]) == [2, 2, 3]


def test_a_broken_byte_does_not_spoil_the_other_accents(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", [HEADER, course(pickup="Hôpital \N{REPLACEMENT CHARACTER} fictif")])
    path.write_bytes(path.read_bytes().replace("\N{REPLACEMENT CHARACTER}".encode(), b"\xe9"))
    parsed = parse(path)
    assert parsed.counts.accepted == 1
    assert "Hôpital \N{REPLACEMENT CHARACTER} fictif" in set(parsed.addresses["address_text"])


def test_sheets_headers_totals_and_notes(tmp_path: Path) -> None:
    path = write_xlsx(
        tmp_path / "a.xlsx",
        {
            "Janvier": [["Transports janvier"], HEADER, course("01.01.2025 09:00", "A"), ["TOTAL 1"]],
            "Février": [[], [], HEADER, course("01.02.2025 09:00", "A"), [], HEADER, course("02.02.2025 09:00", "A")],
            "Liste": [["Clinique", "Téléphone"], ["Exemple", "000"]],
        },
    )
    parsed = parse(path)
    assert parsed.counts == RowCounts(read=10, accepted=3, ignored=7)
    assert list(zip(parsed.courses["sheet"], parsed.courses["row"], strict=True)) == [
        ("Janvier", 3),
        ("Février", 4),
        ("Février", 7),
    ]


def test_duplicates_within_and_across_files(tmp_path: Path) -> None:
    text, cell = (
        course("01.10.2025 09:15", "A"),
        course(datetime(2025, 10, 1, 9, 15), None, patient=" patient  fictif 12"),
    )
    first = write_xlsx(tmp_path / "first.xlsx", [HEADER, text, cell, course("01.10.2025 09:16", "A")])
    second = write_csv(
        tmp_path / "second.csv", [HEADER, course("01.10.2025 9h15", "Aller"), course("05.10.2025 9h", "A")]
    )
    inbox = parse_inbox([first, second], hash_key=KEY, driver_ids={})
    assert inbox.counts == RowCounts(read=7, accepted=3, duplicate=2, ignored=2)
    assert inbox.courses["leg_key"].is_unique
    assert [(file.file_name, file.rows_duplicate) for file in inbox.files] == [("first.xlsx", 1), ("second.csv", 1)]
    again = parse_inbox([first, second], hash_key=KEY, driver_ids={}, already_seen=set(inbox.row_hashes))
    assert (again.counts.accepted, again.counts.duplicate, len(again.courses)) == (0, 5, 0)


def test_leg_keys_depend_on_content_alone(tmp_path: Path) -> None:
    one = parse(write_xlsx(tmp_path / "one.xlsx", [HEADER, course()]))
    two = parse(write_csv(tmp_path / "two.csv", [["Titre"], HEADER, course()]))
    assert list(one.courses["leg_key"]) == list(two.courses["leg_key"])
    other_company = parse_workbook(tmp_path / "one.xlsx", hash_key=b"other", driver_ids={})
    assert not set(other_company.courses["leg_key"]) & set(one.courses["leg_key"])


def test_no_driver_by_default(tmp_path: Path) -> None:
    rows = [HEADER, course("01.10.2025 9h", "A", initials=None), course("02.10.2025 9h", "A", initials="Z.Z"), course()]
    parsed = parse(write_xlsx(tmp_path / "a.xlsx", rows))
    assert list(parsed.courses["driver_id"].fillna(0)) == [0, 0, 7, 7]
    assert parsed.initials == {"AB": 2, "ZZ": 1}
    assert parsed.unknown_initials == {"": 1, "ZZ": 1}


def test_times_set_aside(tmp_path: Path) -> None:
    rows = [
        HEADER,
        course("01.10.2025 09:15"),
        course("02.10.2025 16:00 09:15"),
        course("30.03.2025 02:30", "A"),
        course("26.10.2025 02:30", "A"),
    ]
    courses = parse(write_xlsx(tmp_path / "a.xlsx", rows)).courses
    assert list(courses["set_aside_reason"].fillna("")) == [
        "", "return_time_missing", "", "return_before_outbound", "nonexistent_time", "",
    ]  # fmt: skip
    assert list(courses["scheduled_status"]) == [
        "exact",
        "missing",
        "exact",
        "exact",
        "nonexistent",
        "ambiguous_earlier",
    ]
    assert pd.isna(courses["scheduled_local"][1])


def test_hidden_rows_are_read(tmp_path: Path) -> None:
    path = write_xlsx(
        tmp_path / "a.xlsx", {"Visible": [HEADER, course()], "Cachée": [HEADER, course("02.10.2025 9h", "A")]}
    )
    workbook = openpyxl.load_workbook(path)
    workbook["Visible"].row_dimensions[2].hidden = True
    workbook["Visible"].column_dimensions["D"].hidden = True
    workbook["Cachée"].sheet_state = "veryHidden"
    workbook.save(path)
    assert parse(path).counts == RowCounts(read=4, accepted=2, ignored=2)


def test_a_broken_workbook_is_quarantined_whole_and_the_others_proceed(tmp_path: Path) -> None:
    broken = tmp_path / "broken.xlsx"
    broken.write_bytes(b"PK\x03\x04 cut short")
    empty_header = write_xlsx(tmp_path / "no_header.xlsx", [["Liste"], ["x"]])
    good = write_xlsx(tmp_path / "good.xlsx", [HEADER, course(), course("bad")])
    inbox = parse_inbox([broken, empty_header, good], hash_key=KEY, driver_ids={})
    assert inbox.counts == RowCounts(read=3, accepted=1, quarantined=1, ignored=1)
    assert [
        tuple(row) for row in inbox.quarantined[["file_name", "sheet", "row", "reason"]].itertuples(index=False)
    ] == [
        ("good.xlsx", "Feuil1", 3, "bad_date"),
        ("broken.xlsx", "", 0, "unreadable_file"),
        ("no_header.xlsx", "", 0, "no_header"),
    ]
    assert inbox.refused == {"broken.xlsx": "unreadable_file", "no_header.xlsx": "no_header"}
    QUARANTINED_COURSES.validate(inbox.quarantined)


def test_an_empty_inbox() -> None:
    inbox = parse_inbox([], hash_key=KEY, driver_ids={})
    assert (inbox.counts, len(inbox.courses), len(inbox.addresses), len(inbox.raw_quarantined)) == (
        RowCounts(),
        0,
        0,
        0,
    )
    WORKBOOK_COURSES.validate(inbox.courses)


def test_private_texts_stay_private(tmp_path: Path) -> None:
    path = write_xlsx(tmp_path / "a.xlsx", [HEADER, course(), course("bad")])
    parsed = parse(path)
    public = parsed.courses.to_csv() + parsed.quarantined.to_csv() + repr(parsed.counts)
    assert "Fictif" not in public
    assert "Palexpo" not in public
    assert set(parsed.addresses["address_text"]) == {PALEXPO, UNI_MAIL}


def test_row_counts_refuse_what_does_not_add_up() -> None:
    with pytest.raises(ValueError, match="add up"):
        RowCounts(read=2, accepted=1)


cells = st.one_of(
    st.none(),
    st.sampled_from(
        ["A/R", "A", "R", "x", "TOTAL 3", "01.10.2025 09:15 16:00", "02.10.2025 9h", "31.02.2025", PALEXPO, *HEADER]
    ),
    st.text(alphabet="abc 12./:", max_size=8),
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(cells, max_size=8), max_size=12), st.lists(st.integers(0, 5), max_size=6))
def test_rows_always_add_up(tmp_path: Path, noise: list[list[Any]], days: list[int]) -> None:
    rows = [HEADER, *noise, *(course(f"0{day + 1}.10.2025 09:15 16:00") for day in days)]
    path = write_csv(tmp_path / "a.csv", rows)
    parsed = parse(path)
    written = sum(any(str(cell or "").strip() for cell in row) for row in rows)
    counts = parsed.counts
    assert counts.read == written == counts.accepted + counts.quarantined + counts.duplicate + counts.ignored
    assert len(parsed.quarantined) == counts.quarantined
    per_row = parsed.courses.groupby("row").size()
    assert len(per_row) == counts.accepted
    trips = parsed.courses.groupby("row")["is_round_trip"].first()
    assert (per_row == trips.map({True: 2, False: 1})).all()
    assert counts.accepted >= len(set(days))


def test_an_error_names_no_content(tmp_path: Path) -> None:
    path = write_xlsx(tmp_path / "a.xlsx", [["Patient Fictif 12", "Palexpo"]])
    with pytest.raises(WorkbookError, match=r"^workbook a\.xlsx: No header row") as caught:
        parse(path)
    assert "Fictif" not in str(caught.value)


def test_a_sheet_without_a_header_loses_no_course_in_silence(tmp_path: Path) -> None:
    path = write_xlsx(tmp_path / "a.xlsx", [["Titre"], HEADER, course()])
    workbook = openpyxl.load_workbook(path)
    lost = workbook.create_sheet("NOVEMBRE")
    lost.append(["Novembre 2025"])
    for row in (course("03.11.2025 9h"), course("04.11.2025 9h")):
        lost.append(row)
    workbook.save(path)
    parsed = parse(path)
    assert parsed.quarantined[["sheet", "row", "reason"]].to_numpy().tolist() == [
        ["NOVEMBRE", 2, "no_header"],
        ["NOVEMBRE", 3, "no_header"],
    ]
    assert parsed.counts.quarantined == 2


def test_a_note_in_the_initials_column_goes_no_further(tmp_path: Path) -> None:
    rows = [HEADER, course(initials="Mme Fictive annule dialyse"), course("02.10.2025 9h", "A", initials="A.B")]
    parsed = parse(write_xlsx(tmp_path / "a.xlsx", rows))
    assert parsed.unknown_initials == {"?": 2}
    assert "FICTIVE" not in parsed.courses.to_csv().upper()
    assert parsed.courses["driver_id"].isna().sum() == 2
