"""Files that must end in one clear line."""

import zipfile
from pathlib import Path

import openpyxl
import pytest
from openpyxl.styles import PatternFill
from workbook_files import HEADER, course, write_csv, write_ods, write_xlsb, write_xlsx

from atmr_pipeline.sources.workbooks import WorkbookError, WorkbookLimits, read_cells

SMALL = WorkbookLimits(max_file_mb=1, max_uncompressed_mb=2, max_rows=1000, max_columns=50, max_sheets=3)
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
    refused(path, "unreadable_file")


@pytest.mark.parametrize("name", ["b.csv", "b.xls", "b.ods", "b.xlsb"])
def test_workbook_under_a_wrong_name(tmp_path: Path, name: str) -> None:
    write_xlsx(tmp_path / "a.xlsx", [HEADER, course()]).rename(tmp_path / name)
    refused(tmp_path / name, "wrong_format")


def test_other_files(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF")
    refused(tmp_path / "a.pdf", "wrong_format")
    refused(tmp_path / "missing.xlsx", "unreadable_file")
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
    data = (Path(__file__).parent / "data" / "fictional.xls").read_bytes()
    path = tmp_path / "a.xls"
    path.write_bytes(data[:1200])
    refused(path, "unreadable_file")


def test_damaged_part(tmp_path: Path) -> None:
    path = write_xlsx(tmp_path / "a.xlsx", [HEADER, *[course(patient=f"Patient Fictif {n}") for n in range(200)]])
    data = bytearray(path.read_bytes())
    data[data.index(b"xl/worksheets/sheet1.xml") + 60] ^= 0xFF
    path.write_bytes(bytes(data))
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


@pytest.mark.parametrize("cell", ["A900000", "XFD2", "XFD1048576"])
def test_a_value_in_a_far_corner_is_refused_before_it_fills_the_memory(tmp_path: Path, cell: str) -> None:
    path = write_xlsx(tmp_path / "a.xlsx", [HEADER, course()])
    workbook = openpyxl.load_workbook(path)
    workbook["Feuil1"][cell] = "x"
    workbook.save(path)
    refused(path, "too_large")


def test_far_rows_of_other_formats(tmp_path: Path) -> None:
    refused(write_xlsb(tmp_path / "a.xlsb", [HEADER], first_row=900_000), "too_large")
    refused(write_ods(tmp_path / "a.ods", [HEADER, course()], repeat=900_000), "too_large")


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
    assert read_cells(path, SMALL)[0].rows == [(1, ("x",))]


@pytest.mark.parametrize("field", ["max_file_mb", "max_uncompressed_mb", "max_rows", "max_columns", "max_sheets"])
def test_limits_are_checked(field: str) -> None:
    with pytest.raises(ValueError, match=field):
        WorkbookLimits(**{field: 0})
