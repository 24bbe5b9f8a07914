"""Merged cells: what a person sees in every row of the block holds for every row, and for no other."""

from datetime import datetime
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from workbook_files import HEADER, PALEXPO, UNI_MAIL, course, write_ods, write_xlsb, write_xlsx

from atmr_pipeline.sources.workbooks import ParsedWorkbook, RowCounts, parse_workbook
from atmr_pipeline.sources.workbooks.marks import Merge, spread

KEY = b"a company's secret"
DATA = Path(__file__).parent / "data"
WHEN = "01.10.2025  09:15"
ROWS = [HEADER, course(WHEN, "R"), [*course(None, None)[:5], None], course("02.10.2025 10:00", "A", initials="C.D")]
SPAN = (
    '<table:table-cell table:number-rows-spanned="2" office:value-type="string"><text:p>{}</text:p></table:table-cell>'
)


def parse(path: Path) -> ParsedWorkbook:
    return parse_workbook(path, hash_key=KEY, driver_ids={"AB": 1})


def merged_xlsx(path: Path, *blocks: str) -> Path:
    workbook = openpyxl.load_workbook(path)
    for block in blocks:
        workbook["Feuil1"].merge_cells(block)
    workbook.save(path)
    return path


def merged(tmp_path: Path, suffix: str) -> Path:
    rows = [list(row) for row in ROWS]
    rows[2][0] = "Patient Fictif 13"
    if suffix == "xlsx":
        return merged_xlsx(write_xlsx(tmp_path / "a.xlsx", rows), "B2:B3", "C2:C3", "F2:F3")
    if suffix == "xlsb":
        return write_xlsb(tmp_path / "a.xlsb", rows, merges=[(1, 2, 1, 1), (1, 2, 2, 2), (1, 2, 5, 5)])
    return write_ods(
        tmp_path / "a.ods",
        rows,
        cells={f"{column}2": SPAN.format(text) for column, text in (("B", WHEN), ("C", "R"), ("F", "A.B"))},
    )


def test_a_sheet_that_begins_in_another_corner(tmp_path: Path) -> None:
    rows: list[list[object]] = [[], [], *([None, None, *row] for row in ROWS)]
    rows[4][2] = "Patient Fictif 13"
    path = merged_xlsx(write_xlsx(tmp_path / "a.xlsx", rows), "D4:D5", "E4:E5", "H4:H5")
    workbook = openpyxl.load_workbook(path)
    workbook["Feuil1"]["E6"] = "#N/A"
    workbook["Feuil1"]["E6"].data_type = "e"
    workbook.save(path)
    parsed = parse(path)
    assert list(parsed.courses["row"]) == [4, 5]
    assert parsed.quarantined[["row", "reason"]].to_numpy().tolist() == [[6, "unknown_course"]]


@pytest.mark.parametrize("suffix", ["xlsx", "xlsb", "ods"])
def test_a_value_merged_over_rows_holds_for_each(tmp_path: Path, suffix: str) -> None:
    parsed = parse(merged(tmp_path, suffix))
    assert parsed.counts == RowCounts(read=4, accepted=3, ignored=1)
    assert list(parsed.courses["scheduled_local"]) == [datetime(2025, 10, 1, 9, 15)] * 2 + [datetime(2025, 10, 2, 10)]
    assert list(parsed.courses["leg"]) == ["return", "return", "outbound"]
    assert list(parsed.courses["driver_initials"]) == ["AB", "AB", "CD"]


def test_old_format() -> None:
    parsed = parse(DATA / "merged.xls")
    assert parsed.counts == RowCounts(read=5, accepted=2, ignored=3)
    assert list(parsed.courses["row"]) == [3, 4]
    assert list(parsed.courses["driver_id"]) == [1, 1]
    assert set(parsed.courses["scheduled_local"]) == {datetime(2025, 10, 1, 9, 15)}


def test_a_block_lends_nothing_to_notes_and_empty_rows(tmp_path: Path) -> None:
    rows = [
        ["Titre"],
        HEADER,
        course(WHEN, "A"),
        ["Pause"],
        [],
        course(None, "A", patient="Patient Fictif 13"),
        course(None),
    ]
    parsed = parse(merged_xlsx(write_xlsx(tmp_path / "a.xlsx", rows), "A1:F1", "B3:B6"))
    assert parsed.counts == RowCounts(read=6, accepted=2, quarantined=1, ignored=3)
    assert parsed.quarantined[["row", "reason"]].to_numpy().tolist() == [[7, "missing_date"]]


def test_a_row_that_is_nearly_all_lent_is_not_taken_for_a_course(tmp_path: Path) -> None:
    second = [None, None, None, "Route François-Peyrot 30", None, None]
    path = write_xlsx(tmp_path / "a.xlsx", [HEADER, course(WHEN, "A"), second])
    parsed = parse(merged_xlsx(path, "A2:A3", "B2:B3", "C2:C3", "E2:E3", "F2:F3"))
    assert parsed.quarantined[["row", "reason"]].to_numpy().tolist() == [[3, "merged_row"]]
    path = write_xlsx(tmp_path / "b.xlsx", [HEADER, course(WHEN, "A"), ["une remarque"]])
    assert parse(merged_xlsx(path, "B2:B3", "C2:C3")).counts == RowCounts(read=3, accepted=1, ignored=2)


def test_a_header_merged_over_columns_names_each(tmp_path: Path) -> None:
    header = ["Nom", "Date et heure", None, None, "Course", "Adresse de départ", None, "Adresse d'arrivée", "CFT"]
    row = [
        "P. Fictif",
        datetime(2025, 10, 1),
        "9h15",
        "16h",
        "A/R",
        "Boulevard du Pont-d'Arve 40",
        "1205 Genève",
        PALEXPO,
        "A.B",
    ]
    path = merged_xlsx(write_xlsx(tmp_path / "a.xlsx", [header, row]), "B1:D1", "F1:G1")
    parsed = parse(path)
    assert list(parsed.courses["scheduled_local"].dt.strftime("%H:%M")) == ["09:15", "16:00"]
    assert set(parsed.addresses["address_text"]) == {"Boulevard du Pont-d'Arve 40  1205 Genève", PALEXPO}


def test_a_header_over_two_rows(tmp_path: Path) -> None:
    rows = [
        ["Nom", "Date et heure", "Course", "Adresse", None, "CFT"],
        [None, None, None, "Départ", "Arrivée", None],
        course(WHEN, "A"),
    ]
    path = merged_xlsx(write_xlsx(tmp_path / "a.xlsx", rows), "A1:A2", "B1:B2", "C1:C2", "D1:E1", "F1:F2")
    parsed = parse(path)
    assert parsed.counts == RowCounts(read=3, accepted=1, ignored=2)
    assert parsed.initials == {"AB": 1}
    assert set(parsed.addresses["address_text"]) == {PALEXPO, UNI_MAIL}


blocks = st.builds(
    lambda top, left, height, width: Merge(top, left, top + height, left + width),
    st.integers(1, 12),
    st.integers(1, 4),
    st.integers(0, 6),
    st.integers(0, 3),
)


@given(st.lists(blocks, max_size=8), st.sets(st.integers(1, 15)))
def test_a_block_lends_its_first_row_to_rows_below_it(merges: list[Merge], numbers: set[int]) -> None:
    shown = spread(merges, [(number, ()) for number in sorted(numbers)])
    for row, columns in shown.items():
        assert row in numbers
        for column, source in columns.items():
            assert any(
                merge.first_column == column and merge.first_row == source < row <= merge.last_row for merge in merges
            )
