"""A review workbook that comes back: each course counts once, whatever the order of the files."""

import itertools
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest
from workbook_files import HEADER, PALEXPO, UNI_MAIL, course, write_csv, write_xlsx

from atmr_pipeline.domain.identity import address_key
from atmr_pipeline.domain.tables import QUARANTINED_COURSES, WORKBOOK_COURSES
from atmr_pipeline.sources.geocoding import Gazetteer, geocode_addresses
from atmr_pipeline.sources.workbooks import ParsedInbox, RowCounts, parse_inbox, parse_workbook, write_review_workbook

KEY = b"a company's secret"
NOTHING = pd.DataFrame({"address_text": [], "legs": [], "reason": []})
BAD_DATE = course("31.02.2025 9h15", "A", patient="Patient Fictif 1")
NO_RETURN = course("02.10.2025 9h15", "A/R", patient="Patient Fictif 2")
BACKWARDS = course("03.10.2025 16h00 9h15", "A/R", patient="Patient Fictif 3")
SKIPPED = course("30.03.2025 02:30", "A", patient="Patient Fictif 4")
GOOD = course("04.10.2025 9h15 16h", "A/R", patient="Patient Fictif 5")
SOURCE = [["Transports fictifs"], HEADER, BAD_DATE, NO_RETURN, GOOD, BACKWARDS, SKIPPED]


def read(*paths: Path) -> ParsedInbox:
    inbox = parse_inbox(list(paths), hash_key=KEY, driver_ids={"AB": 1})
    WORKBOOK_COURSES.validate(inbox.courses)
    QUARANTINED_COURSES.validate(inbox.quarantined)
    return inbox


def review_of(inbox: ParsedInbox, path: Path, day: int = 1, unresolved: pd.DataFrame = NOTHING) -> Path:
    rows = pd.concat([inbox.raw_quarantined, inbox.raw_set_aside])
    write_review_workbook(path, rows, unresolved, written_at=datetime(2025, 11, day, tzinfo=UTC))
    return path


def edit(path: Path, **cells: Any) -> Path:
    workbook = openpyxl.load_workbook(path)
    for name, value in cells.items():
        workbook["Courses"][name] = value
    workbook.save(path)
    return path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_xlsx(tmp_path / "transport.xlsx", {"Octobre": SOURCE})


def test_the_review_lists_what_waits(source: Path, tmp_path: Path) -> None:
    before = read(source)
    assert before.counts == RowCounts(read=7, accepted=4, quarantined=1, ignored=2)
    sheet = openpyxl.load_workbook(review_of(before, tmp_path / "review.xlsx"))["Courses"]
    rows = [[cell.value for cell in row] for row in sheet.iter_rows(min_row=2)]
    assert [(row[1], *row[8:11]) for row in rows] == [
        ("31.02.2025 9h15", "transport.xlsx", "Octobre", "3"),
        ("02.10.2025 9h15", "transport.xlsx", "Octobre", "4"),
        ("03.10.2025 16h00 9h15", "transport.xlsx", "Octobre", "6"),
        ("30.03.2025 02:30", "transport.xlsx", "Octobre", "7"),
    ]
    assert [row[6].split(" ")[0] for row in rows] == ["La", "L'heure", "L'heure", "Cette"]


def test_a_review_that_nobody_touched_changes_nothing(source: Path, tmp_path: Path) -> None:
    before = read(source)
    review = review_of(before, tmp_path / "review.xlsx")
    for paths in itertools.permutations((source, review)):
        after = read(*paths)
        assert after.counts == RowCounts(read=13, accepted=4, quarantined=1, duplicate=4, ignored=4)
        pd.testing.assert_frame_equal(after.courses, before.courses)
        pd.testing.assert_frame_equal(after.quarantined, before.quarantined)
        pd.testing.assert_frame_equal(after.raw_set_aside, before.raw_set_aside)


def test_corrections_take_the_place_of_their_rows(source: Path, tmp_path: Path) -> None:
    review = review_of(read(source), tmp_path / "renamed by the clerk.xlsx")
    edit(review, B2="28.02.2025 9h15", B3="02.10.2025 9h15 16h", B4="03.10.2025 9h15 16h", B5="30.03.2025 03:30")
    for paths in itertools.permutations((source, review)):
        after = read(*paths)
        assert after.counts == RowCounts(read=13, accepted=5, duplicate=4, ignored=4)
        assert after.courses["set_aside_reason"].isna().all()
        assert sorted(after.courses["scheduled_local"].dt.strftime("%d.%m %H:%M")) == [
            "02.10 09:15",
            "02.10 16:00",
            "03.10 09:15",
            "03.10 16:00",
            "04.10 09:15",
            "04.10 16:00",
            "28.02 09:15",
            "30.03 03:30",
        ]
        duplicates = {file.file_name: file.rows_duplicate for file in after.files}
        assert duplicates == {"transport.xlsx": 4, "renamed by the clerk.xlsx": 0}
        assert after.raw_quarantined.empty
        assert after.raw_set_aside.empty


def test_a_bad_correction_is_listed_once_at_its_original(source: Path, tmp_path: Path) -> None:
    review = edit(review_of(read(source), tmp_path / "review.xlsx"), B2="31.04.2025 9h15", B3="02.10.2025 9h15 25h")
    after = read(review, source)
    assert after.quarantined[["file_name", "sheet", "row", "reason"]].to_numpy().tolist() == [
        ["transport.xlsx", "Octobre", 3, "bad_date"],
        ["transport.xlsx", "Octobre", 4, "bad_time"],
    ]
    assert after.counts == RowCounts(read=13, accepted=3, quarantined=2, duplicate=4, ignored=4)
    second = edit(review_of(after, tmp_path / "second.xlsx", day=2), B2="30.04.2025 9h15")
    last = read(second, source, review)
    assert last.counts.accepted == 4
    assert list(last.quarantined["row"]) == [4]
    alone = read(source, second)
    # Without the first review nobody has touched that row: the original stands, its return still unknown.
    assert (alone.counts.accepted, alone.counts.quarantined, len(alone.raw_set_aside)) == (5, 0, 3)


def test_corrections_stand_when_their_file_has_gone(source: Path, tmp_path: Path) -> None:
    review = edit(review_of(read(source), tmp_path / "review.xlsx"), B2="28.02.2025 9h15", B5="30.03.2025 25:30")
    after = read(review)
    assert after.counts == RowCounts(read=6, accepted=3, quarantined=1, ignored=2)
    assert after.quarantined[["file_name", "row"]].to_numpy().tolist() == [["transport.xlsx", 7]]
    single = parse_workbook(review, hash_key=KEY, driver_ids={})
    assert single.counts == after.counts


@pytest.mark.parametrize(("first_name", "second_name"), [("a.xlsx", "b.xlsx"), ("b.xlsx", "a.xlsx")])
def test_the_review_written_later_wins(source: Path, tmp_path: Path, first_name: str, second_name: str) -> None:
    before = read(source)
    first = edit(review_of(before, tmp_path / first_name, day=1), B2="01.03.2025 9h15", B3="02.10.2025 9h15 17h")
    second = edit(review_of(before, tmp_path / second_name, day=2), B2="02.03.2025 9h15")
    for paths in itertools.permutations((source, first, second)):
        after = read(*paths)
        days = after.courses["scheduled_local"].dt.strftime("%d.%m %H")
        # The later review left the second row as it was: the earlier correction of that row holds.
        assert {"02.03 09", "02.10 17"} <= set(days)
        assert "01.03 09" not in set(days)
        assert after.counts.read == after.counts.accepted + after.counts.quarantined + after.counts.duplicate + 6


def test_rows_that_moved_are_found_and_rows_that_changed_are_not_doubled(source: Path, tmp_path: Path) -> None:
    review = edit(review_of(read(source), tmp_path / "review.xlsx"), B2="28.02.2025 9h15", B3="02.10.2025 9h15 16h")
    moved = [*SOURCE[:2], course("01.10.2025 8h 9h", patient="Patient Fictif 9"), *SOURCE[2:]]
    write_xlsx(source, {"Renommée": moved})
    after = read(source, review)
    assert after.counts == RowCounts(read=14, accepted=6, duplicate=4, ignored=4)
    assert "Patient Fictif 9" not in after.courses.to_csv()
    changed = [*SOURCE[:3], course("02.10.2025 9h15 17h", "A/R", patient="Patient Fictif 2"), *SOURCE[4:]]
    write_xlsx(source, {"Octobre": changed})
    conflict = read(source, review)
    assert conflict.quarantined[["file_name", "row", "reason"]].to_numpy().tolist() == [
        ["review.xlsx", 3, "original_changed"]
    ]
    assert list(conflict.courses["scheduled_local"].dt.strftime("%d.%m %H")).count("02.10 09") == 1


def test_rows_without_a_header_can_be_corrected(tmp_path: Path) -> None:
    sheets = {"Octobre": [HEADER, GOOD], "Novembre": [["Novembre"], BACKWARDS]}
    source = write_xlsx(tmp_path / "a.xlsx", sheets)
    before = read(source)
    assert before.quarantined[["sheet", "row", "reason"]].to_numpy().tolist() == [["Novembre", 2, "no_header"]]
    review = edit(review_of(before, tmp_path / "review.xlsx"), B2="03.11.2025 9h15 16h")
    after = read(review, source)
    assert after.counts == RowCounts(read=7, accepted=2, duplicate=1, ignored=4)


def test_times_and_drivers_in_columns_of_their_own_become_one_text(tmp_path: Path) -> None:
    header = ["Nom", "Date", "Heure aller", "Heure retour", "Départ", "Arrivée", "Chauffeur aller", "Chauffeur retour"]
    rows = [
        ["Patient Fictif 1", 45931, 0.6666667, 9.3, PALEXPO, UNI_MAIL, "A.B", "C.D"],
        ["Patient Fictif 2", datetime(2025, 10, 2), None, "16h", PALEXPO, None, "A.B", None],
        ["Patient Fictif 3", datetime(2025, 10, 3), "9h15", None, PALEXPO, None, "A.B", "C.D"],
    ]
    source = write_xlsx(tmp_path / "a.xlsx", [header, *rows])
    before = read(source)
    review = review_of(before, tmp_path / "review.xlsx")
    sheet = openpyxl.load_workbook(review)["Courses"]
    assert [[cell.value for cell in row[1:3]] + [row[5].value] for row in sheet.iter_rows(min_row=2)] == [
        ["02.10.2025  ?  16h", "R", "A.B/?"],
        ["03.10.2025  9h15", None, "A.B/C.D"],
        ["01.10.2025  16:00  9.30", "A/R", "A.B/C.D"],
    ]
    edit(review, E2=UNI_MAIL, E3=UNI_MAIL, B4="01.10.2025  9h15  16h")
    after = read(review, source)
    legs = after.courses[["row", "leg", "driver_initials"]].fillna("-").to_numpy().tolist()
    assert legs == [[2, "return", "-"], [3, "outbound", "AB"], [4, "outbound", "AB"], [4, "return", "CD"]]


def test_a_correction_that_is_no_course_is_not_dropped(source: Path, tmp_path: Path) -> None:
    review = edit(review_of(read(source), tmp_path / "review.xlsx"), B3=None, C3=None, D3=None, E3=None, F3=None)
    after = read(source, review)
    assert ("transport.xlsx", 4, "missing_date") in set(
        after.quarantined[["file_name", "row", "reason"]].itertuples(index=False, name=None)
    )


def test_a_row_with_merged_cells_can_be_corrected(tmp_path: Path) -> None:
    rows = [HEADER, GOOD, [None, None, None, "Route François-Peyrot 30"], course(None, "A", patient="Patient Fictif 7")]
    source = write_xlsx(tmp_path / "a.xlsx", rows)
    workbook = openpyxl.load_workbook(source)
    for block in ("A2:A3", "B2:B3", "E2:E3"):
        workbook["Feuil1"].merge_cells(block)
    workbook.save(source)
    before = read(source)
    assert list(before.quarantined["reason"]) == ["merged_row", "missing_date"]
    review = edit(review_of(before, tmp_path / "review.xlsx"), B2="06.10.2025 8h 9h", C2="A/R", B3="05.10.2025 9h15")
    assert read(source, review).counts == RowCounts(read=8, accepted=3, duplicate=2, ignored=3)


def test_a_copy_of_a_corrected_row_does_not_come_back(tmp_path: Path) -> None:
    one = write_xlsx(tmp_path / "b.xlsx", [HEADER, NO_RETURN])
    copy = write_csv(tmp_path / "a.csv", [HEADER, NO_RETURN])
    review = edit(review_of(read(one, copy), tmp_path / "review.xlsx"), B2="02.10.2025 9h15 16h")
    for paths in itertools.permutations((one, copy, review)):
        after = read(*paths)
        assert (len(after.courses), after.counts.accepted, after.counts.duplicate) == (2, 1, 2)


def test_a_row_cut_in_two_gives_both(tmp_path: Path) -> None:
    source = write_xlsx(tmp_path / "a.xlsx", [HEADER, course("01.10.2025 8h 9h 10h")])
    review = review_of(read(source), tmp_path / "review.xlsx")
    workbook = openpyxl.load_workbook(review)
    sheet = workbook["Courses"]
    sheet.append([cell.value for cell in sheet[2]])
    sheet["B2"], sheet["B3"], sheet["C3"] = "01.10.2025 8h 9h", "01.10.2025 10h", "R"
    workbook.save(review)
    after = read(source, review)
    assert (len(after.courses), after.counts.accepted, after.counts.duplicate) == (3, 2, 1)
    sheet["B2"], sheet["B3"] = "01.10.2025 8h 25h", "01.10.2025 25h"
    workbook.save(review)
    assert read(review, source).quarantined[["file_name", "row"]].to_numpy().tolist() == [
        ["a.xlsx", 2],
        ["review.xlsx", 3],
    ]


def test_rows_without_the_check_column_are_judged_by_their_original(source: Path, tmp_path: Path) -> None:
    review = edit(review_of(read(source), tmp_path / "review.xlsx"), B2="28.02.2025 9h15")
    workbook = openpyxl.load_workbook(review)
    workbook["Courses"].delete_cols(12)
    workbook.save(review)
    after = read(review, source)
    assert after.counts == RowCounts(read=13, accepted=5, duplicate=4, ignored=4)


def test_an_emptied_row_and_a_row_of_the_clerks_own(source: Path, tmp_path: Path) -> None:
    review = review_of(read(source), tmp_path / "review.xlsx")
    edit(review, A2=None, B2=None, C2=None, D2=None, E2=None, F2=None)
    workbook = openpyxl.load_workbook(review)
    workbook["Courses"].append(course("05.10.2025 9h15", "A"))
    workbook.save(review)
    after = read(source, review)
    assert after.counts == RowCounts(read=14, accepted=5, quarantined=1, duplicate=3, ignored=5)
    assert list(after.quarantined["row"]) == [3]


def test_a_review_saved_as_text_is_recognised(source: Path, tmp_path: Path) -> None:
    review = edit(review_of(read(source), tmp_path / "review.xlsx"), B2="28.02.2025 9h15")
    rows = [[cell.value for cell in row] for row in openpyxl.load_workbook(review)["Courses"].iter_rows()]
    after = read(write_csv(tmp_path / "review.csv", rows), source)
    assert after.counts == RowCounts(read=12, accepted=5, duplicate=4, ignored=3)


def waiting(inbox: ParsedInbox, text: str) -> pd.DataFrame:
    found = inbox.addresses[inbox.addresses["written_text"] == text]
    return found.assign(legs=1, reason="not_found")


def test_a_corrected_address_serves_every_leg_that_waits_for_it(tmp_path: Path) -> None:
    lost = "Rue Inventée 99 ,  1205 Genève"
    source = write_xlsx(
        tmp_path / "a.xlsx",
        [HEADER, course(dropoff=lost), course("02.10.2025 9h", "R", pickup="rue inventée 99, 1205 GENEVE")],
    )
    before = read(source)
    review = review_of(before, tmp_path / "review.xlsx", unresolved=waiting(before, lost))
    assert read(source, review).addresses.equals(before.addresses)
    workbook = openpyxl.load_workbook(review)
    assert [cell.value for cell in workbook["Adresses"][2]][:3] == [lost, None, "1"]
    workbook["Adresses"]["B2"] = UNI_MAIL
    workbook.save(review)
    gazetteer = Gazetteer.load()
    for paths in itertools.permutations((source, review)):
        after = read(*paths)
        assert set(after.addresses["address_key"]) == set(before.addresses["address_key"])
        by_key = after.addresses.set_index("address_key")
        assert by_key.loc[address_key(lost, KEY)].to_list() == [UNI_MAIL, lost]
        pd.testing.assert_frame_equal(after.courses, before.courses)
        answers = geocode_addresses(after.addresses, gazetteer).set_index("address_key")
        assert answers.loc[address_key(lost, KEY), "lat"] > 46
    still = review_of(after, tmp_path / "second.xlsx", day=2, unresolved=waiting(after, lost))
    assert openpyxl.load_workbook(still)["Adresses"]["A2"].value == lost
    second = openpyxl.load_workbook(still)
    second["Adresses"]["B2"] = PALEXPO
    second.save(still)
    last = read(still, review, source).addresses.set_index("address_key")
    assert last.loc[address_key(lost, KEY), "address_text"] == PALEXPO


def test_nothing_private_in_what_a_review_changes(source: Path, tmp_path: Path) -> None:
    review = edit(review_of(read(source), tmp_path / "review.xlsx"), B2="31.04.2025")
    after = read(source, review)
    public = after.courses.to_csv() + after.quarantined.to_csv() + repr(after)
    assert "Fictif" not in public
    assert "Palexpo" not in public
