"""Files that must end in one clear line."""

import dataclasses
import os
import sys
import zipfile
from pathlib import Path

import openpyxl
import pytest
from openpyxl.styles import PatternFill
from workbook_files import HEADER, course, rewrite_part, write_csv, write_ods, write_xlsb, write_xlsx

from atmr_pipeline.domain.errors import SourceError
from atmr_pipeline.sources.workbooks import WorkbookError, WorkbookLimits, read_cells

SMALL = WorkbookLimits(max_file_mb=1, max_uncompressed_mb=2, max_rows=1000, max_columns=50, max_sheets=3)
SHEET = "xl/worksheets/sheet1.xml"
OLD_FORMAT = (Path(__file__).parent / "data" / "fictional.xls").read_bytes()
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def refused(path: Path, reason: str, limits: WorkbookLimits = SMALL) -> None:
    with pytest.raises(WorkbookError) as caught:
        read_cells(path, limits)
    assert caught.value.reason == reason
    line = str(caught.value)
    assert "\n" not in line
    assert path.name in line
    assert str(path.parent) not in line


@pytest.mark.parametrize("suffix", [".xlsx", ".xlsm", ".xlsb", ".ods", ".xls"])
@pytest.mark.parametrize("content", [b"\x00\x01garbage", b"Nom;Date\n1;2\n", b"<html>"])
def test_text_or_garbage_under_a_workbook_name(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    refused(path, "wrong_format")


@pytest.mark.parametrize("suffix", [".xlsx", ".csv", ".ods", ".xls"])
def test_empty_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.touch()
    refused(path, "empty_file")


@pytest.mark.parametrize("name", ["b.csv", "b.xls", "b.ods", "b.xlsb"])
def test_workbook_under_a_wrong_name(tmp_path: Path, name: str) -> None:
    write_xlsx(tmp_path / "a.xlsx", [HEADER, course()]).rename(tmp_path / name)
    refused(tmp_path / name, "wrong_format")


def test_other_files(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF")
    refused(tmp_path / "a.pdf", "wrong_format")
    refused(tmp_path / "missing.xlsx", "unreachable_file")
    (tmp_path / "a.csv").write_bytes(b"a;b\x00c")
    refused(tmp_path / "a.csv", "wrong_format")


@pytest.mark.parametrize("write", [write_xlsx, write_ods, write_xlsb])
@pytest.mark.parametrize("share", [0.3, 0.7, 0.95])
def test_truncated(tmp_path: Path, write: object, share: float) -> None:
    suffix = write.__name__.replace("write_", ".")  # type: ignore[attr-defined]
    path = write(tmp_path / f"a{suffix}", [HEADER, *[course() for _ in range(50)]])  # type: ignore[operator]
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    refused(path, "unreadable_file")


def test_truncated_old_format(tmp_path: Path) -> None:
    path = tmp_path / "a.xls"
    path.write_bytes(OLD_FORMAT[:1200])
    refused(path, "unreadable_file")


def test_an_old_workbook_that_would_end_the_process(tmp_path: Path) -> None:
    data = bytearray(OLD_FORMAT)
    # The record of the sheet's size says that it has three billion rows: the reader makes room for them.
    data[data.index(b"\x00\x02\x0e\x00") + 11] = 0xBD
    path = tmp_path / "a.xls"
    path.write_bytes(bytes(data))
    refused(path, "unreadable_file")


def test_damaged_part(tmp_path: Path) -> None:
    path = write_xlsx(tmp_path / "a.xlsx", [HEADER, *[course(patient=f"Patient Fictif {n}") for n in range(200)]])
    data = bytearray(path.read_bytes())
    data[data.index(b"xl/worksheets/sheet1.xml") + 60] ^= 0xFF
    path.write_bytes(bytes(data))
    refused(path, "unreadable_file")


def test_a_count_of_texts_that_would_end_the_process(tmp_path: Path) -> None:
    path = write_xlsx(tmp_path / "a.xlsx", [HEADER, course()])
    office = b"http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings"
    relation = b'<Relationship Id="rIdS" Type="%s" Target="sharedStrings.xml"/></Relationships>' % office
    rewrite_part(path, "xl/_rels/workbook.xml.rels", lambda part: part.replace(b"</Relationships>", relation))
    main = b"http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    rewrite_part(path, "xl/sharedStrings.xml", lambda _: b'<sst xmlns="%s" uniqueCount="99999999999"/>' % main)
    refused(path, "unreadable_file")


def test_an_installation_that_cannot_start_python_blames_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_xlsx(tmp_path / "a.xlsx", [HEADER, course()])
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(SourceError, match="trial reader did not start") as caught:
        read_cells(path, SMALL)
    assert not isinstance(caught.value, WorkbookError)


def test_two_parts_of_one_name(tmp_path: Path) -> None:
    path = write_xlsx(tmp_path / "a.xlsx", [HEADER, course()])
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("xl/worksheets/sheet1.xml", b"<worksheet/>")
    refused(path, "unreadable_file")


def test_zip_bomb(tmp_path: Path) -> None:
    path = write_xlsx(tmp_path / "a.xlsx", [HEADER, course()])
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/bomb.xml", b"0" * 3_000_000)
    assert path.stat().st_size < 20_000
    refused(path, "too_large")


def test_zip_bomb_that_lies_about_its_size(tmp_path: Path) -> None:
    path = write_xlsx(tmp_path / "a.xlsx", [HEADER, course()])
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/bomb.xml", b"0" * 3_000_000)
    honest, lie = (3_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(honest, lie))
    refused(path, "unreadable_file")


def test_large_file(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"a;b\n" * 300_000)
    refused(path, "too_large")


@pytest.mark.parametrize("cell", ["A900000", "XFD2", "XFD1048576", "AX1000"])
def test_a_value_in_a_far_corner_is_refused_before_it_fills_the_memory(tmp_path: Path, cell: str) -> None:
    path = write_xlsx(tmp_path / "a.xlsx", [HEADER, course()])
    workbook = openpyxl.load_workbook(path)
    workbook["Feuil1"][cell] = "x"
    workbook.save(path)
    refused(path, "too_large", dataclasses.replace(SMALL, max_cells=40_000))


VALUE = b'<c r="%s" t="inlineStr"><is><t>x</t></is></c>'


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (b'<row r="9">' + VALUE % b"ZZZZ99999999999" + b"</row>", "unreadable_file"),
        (b"<row r='9'>" + VALUE.replace(b'"', b"'") % b"XFD9" + b"</row>", "too_large"),
        (b'<row r="1048576"><c><v>1</v></c></row>', "too_large"),
        (b"<row><c><v>1</v></c></row>" * 2000, "too_large"),
        (
            b'<x:row xmlns:x="u" r="9">'
            + (VALUE % b"XFD9").replace(b"<c ", b"<x:c xmlns:x='u' ", 1)[:-4]
            + b"</x:c></x:row>",
            "too_large",
        ),
    ],
)
def test_a_far_cell_written_in_another_way(tmp_path: Path, row: bytes, reason: str) -> None:
    path = write_xlsx(tmp_path / "a.xlsx", [HEADER, course()])
    rewrite_part(path, SHEET, lambda part: part.replace(b"</sheetData>", row + b"</sheetData>"))
    refused(path, reason)


def test_a_sheet_under_another_part_name(tmp_path: Path) -> None:
    path = write_xlsx(tmp_path / "a.xlsx", [HEADER, course()])
    with zipfile.ZipFile(path) as archive:
        sheet = archive.read(SHEET).replace(b'r="A2"', b'r="XFD1048576"')
    rewrite_part(path, "xl/elsewhere.xml", lambda _: sheet)
    rewrite_part(
        path, "xl/_rels/workbook.xml.rels", lambda part: part.replace(b"worksheets/sheet1.xml", b"elsewhere.xml")
    )
    refused(path, "too_large")


ENTITIES = b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>'


def test_entities(tmp_path: Path) -> None:
    path = write_xlsx(tmp_path / "a.xlsx", [HEADER, course()])
    rewrite_part(path, SHEET, lambda part: ENTITIES + part.replace(b"Palexpo", b"&b;"))
    refused(path, "unreadable_file")
    path = write_ods(tmp_path / "a.ods", [HEADER, course()])
    rewrite_part(path, "content.xml", lambda part: part.replace(b"?>", b"?>" + ENTITIES).replace(b"Palexpo", b"&b;"))
    refused(path, "unreadable_file")


def test_an_endless_token(tmp_path: Path) -> None:
    path = write_xlsx(tmp_path / "a.xlsx", [HEADER, course()])
    rewrite_part(
        path, SHEET, lambda part: part.replace(b"<sheetData>", b"<!--" + b" <" * 4_000_000 + b"--><sheetData>")
    )
    refused(path, "unreadable_file", dataclasses.replace(SMALL, max_uncompressed_mb=50))


def test_an_endless_cell(tmp_path: Path) -> None:
    refused(
        write_xlsx(tmp_path / "a.xlsx", [HEADER, course(pickup="x" * 32_767)]).rename(tmp_path / "b.xls"),
        "wrong_format",
    )
    path = write_xlsx(tmp_path / "a.xlsx", [HEADER, course()])
    rewrite_part(path, SHEET, lambda part: part.replace(b"Palexpo", b"x" * 40_000))
    refused(path, "too_large")
    refused(write_csv(tmp_path / "a.csv", [HEADER, course(pickup="x" * 40_000)]), "too_large")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "folder.xlsx").mkdir()
    refused(tmp_path / "pipe.csv", "unreachable_file")
    refused(tmp_path / "folder.xlsx", "unreachable_file")


def test_text_that_would_swallow_rows(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", [HEADER, *[course() for _ in range(5)]])
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], b'"' + lines[2], *lines[3:]]))
    refused(path, "unreadable_file")
    path.write_bytes(b"".join([*lines[:2], b'"' + lines[2], lines[3], b'"' + lines[4]]))
    refused(path, "unreadable_file")


def test_long_lines_wide_rows_and_endless_blanks_of_text(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b";" * 1_000_000)
    refused(path, "too_large")
    refused(write_csv(path, [HEADER, [None] * 50 + ["x"]]), "too_large")
    path.write_bytes(b"\n" * 1_048_577)
    refused(path, "too_large", dataclasses.replace(SMALL, max_file_mb=5))
    assert read_cells(write_csv(path, [HEADER, [None] * 60, course()]), SMALL)[0].rows[-1][0] == 3


def test_far_cells_of_other_formats(tmp_path: Path) -> None:
    refused(write_xlsb(tmp_path / "a.xlsb", [HEADER], first_row=900_000), "too_large")
    refused(write_ods(tmp_path / "a.ods", [HEADER, course()], repeat=900_000), "too_large")
    wide = '<table:table-cell office:value-type="string" table:number-columns-repeated="99999"/>'
    refused(write_ods(tmp_path / "b.ods", [HEADER, course()], cells={"A2": wide}), "too_large")
    endless = wide.replace("99999", "9" * 5000)
    refused(write_ods(tmp_path / "c.ods", [HEADER, course()], cells={"A2": endless}), "unreadable_file")
    dense = write_ods(tmp_path / "d.ods", [HEADER, course()], repeat=900)
    refused(dense, "too_large", dataclasses.replace(SMALL, max_cells=5_000))


def test_records_cut_short(tmp_path: Path) -> None:
    path = write_xlsb(tmp_path / "a.xlsb", [HEADER, course()])
    rewrite_part(path, "xl/worksheets/sheet1.bin", lambda part: part[:-40] + b"\x06\xff\xff\xff\x7f")
    refused(path, "unreadable_file")
    path = write_xlsb(tmp_path / "b.xlsb", [HEADER, course()])
    rewrite_part(path, "xl/workbook.bin", lambda part: part.replace(b"r\x00I\x00d\x00", b"\xff\xff\xff"))
    refused(path, "unreadable_file")


def test_a_million_empty_rows_are_nothing(tmp_path: Path) -> None:
    path = write_xlsx(tmp_path / "a.xlsx", [HEADER, course()])
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    sheet = parts["xl/worksheets/sheet1.xml"]
    empty = b"".join(b'<row r="%d"><c r="A%d" s="0"/></row>' % (n, n) for n in range(3, 1_000_000, 50))
    parts["xl/worksheets/sheet1.xml"] = sheet.replace(b"</sheetData>", empty + b"</sheetData>")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    (sheet_read,) = read_cells(path, SMALL)
    assert [number for number, _ in sheet_read.rows] == [1, 2]


def test_colour_in_a_far_corner_is_nothing(tmp_path: Path) -> None:
    path = write_xlsx(tmp_path / "a.xlsx", [[], HEADER, course()])
    workbook = openpyxl.load_workbook(path)
    workbook["Feuil1"]["XFD1048576"].fill = PatternFill("solid", fgColor="FF0000")
    workbook.save(path)
    assert [number for number, _ in read_cells(path, SMALL)[0].rows] == [2, 3]


def test_too_many_rows_and_sheets(tmp_path: Path) -> None:
    refused(write_csv(tmp_path / "a.csv", [[1, 2]] * 1001), "too_large")
    refused(write_xlsx(tmp_path / "a.xlsx", [[1, 2]] * 1001), "too_large")
    refused(write_xlsx(tmp_path / "b.xlsx", {f"S{n}": [HEADER] for n in range(4)}), "too_large")


@pytest.mark.parametrize("suffix", [".xlsx", ".xls"])
def test_password(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(OLE + b"\x00" * 600 + "EncryptedPackage".encode("utf-16-le") + b"\x00" * 600)
    refused(path, "password_protected")


def test_password_inside_an_old_workbook(tmp_path: Path) -> None:
    data = bytearray(OLD_FORMAT)
    # The first record after the beginning becomes FilePass, which says that the rest is encrypted.
    after = data.index(b"\x09\x08\x10\x00\x00\x06\x05\x00") + 20
    data[after : after + 2] = b"\x2f\x00"
    path = tmp_path / "a.xls"
    path.write_bytes(bytes(data))
    refused(path, "password_protected")


def test_password_of_an_open_document(tmp_path: Path) -> None:
    path = write_ods(tmp_path / "a.ods", [HEADER])
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["META-INF/manifest.xml"] = b"<manifest:encryption-data/>"
    with zipfile.ZipFile(path, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    refused(path, "password_protected")


def test_a_formula_is_never_computed(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    workbook = openpyxl.Workbook()
    workbook.active.append(['=HYPERLINK("http://example.invalid","y")', "='[other.xlsx]Feuil1'!A1", "x"])
    workbook.save(path)
    assert read_cells(path, SMALL)[0].rows == [(1, (None, None, "x"))]


@pytest.mark.parametrize(
    ("limit", "value", "words"),
    [
        ("max_file_mb", 1, "larger than 1 MiB"),
        ("max_uncompressed_mb", 1, "unpacks to more than 1 MiB"),
        ("max_rows", 5, "beyond row 5 or column 200"),
        ("max_columns", 5, "beyond row 200,000 or column 5"),
        ("max_cells", 30, "more than 30 cells"),
        ("max_sheets", 1, "more than 1 sheets"),
    ],
)
def test_every_limit_says_what_it_is(tmp_path: Path, limit: str, value: int, words: str) -> None:
    rows = [HEADER, *[course() for _ in range(5)]]
    path = write_xlsx(tmp_path / "a.xlsx", {"Un": rows, "Deux": rows})
    if limit in ("max_file_mb", "max_uncompressed_mb"):
        # Noise does not pack; zeros do.
        filling = os.urandom(2_000_000) if limit == "max_file_mb" else b"0" * 2_000_000
        rewrite_part(path, "xl/media/image.bin", lambda _: filling)
    with pytest.raises(WorkbookError, match=words) as caught:
        read_cells(path, dataclasses.replace(WorkbookLimits(), **{limit: value}))
    assert caught.value.reason == "too_large"
    assert len(read_cells(path, WorkbookLimits())) == 2


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(WorkbookLimits)])
def test_limits_are_checked(field: str) -> None:
    with pytest.raises(ValueError, match=field):
        WorkbookLimits(**{field: 0})
