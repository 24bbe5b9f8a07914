"""What a workbook file really is, and how much it unpacks to, before anything reads its cells.

A name is not evidence: the first bytes and the parts of the archive are. A zipped workbook is unpacked once here
in pieces, so that one whose directory lies about its size, or is cut short, is refused with a clear line.
"""

import io
import stat
import struct
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path

from atmr_pipeline.sources.workbooks.limits import MEBIBYTE, WorkbookLimits
from atmr_pipeline.sources.workbooks.marks import SheetMarks
from atmr_pipeline.sources.workbooks.ooxml import pieces_of, scan_xlsx_sheet, xlsx_sheet_parts
from atmr_pipeline.sources.workbooks.open_document import CONTENT, scan_ods, with_breaks_kept
from atmr_pipeline.sources.workbooks.reasons import WorkbookError
from atmr_pipeline.sources.workbooks.trial import try_reading
from atmr_pipeline.sources.workbooks.xlsb import scan_xlsb_sheet, xlsb_sheet_parts

ZIP_SIGNATURE = b"PK\x03\x04"
OLE_SIGNATURE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
ENCRYPTED_PACKAGE = "EncryptedPackage".encode("utf-16-le")
MAIN_PART = {".xlsx": "xl/workbook.xml", ".xlsm": "xl/workbook.xml", ".xlsb": "xl/workbook.bin", ".ods": CONTENT}
WORKBOOK_SUFFIXES = (*MAIN_PART, ".xls", ".csv")
MAX_PARTS = 5_000


@dataclass(frozen=True)
class Container:
    """A file that is safe to read: what to open, and the marks of its sheets by name (none for .xls and .csv)."""

    source: Path | io.BytesIO
    marks: dict[str, SheetMarks] = field(default_factory=dict)


def check_container(path: Path, limits: WorkbookLimits) -> Container:
    """Refuse a file that is not the workbook its name says, or that unpacks beyond the limits.

    Raises
    ------
    WorkbookError
        With the reason ``wrong_format``, ``unreadable_file``, ``password_protected`` or ``too_large``.
    """
    suffix = path.suffix.lower()
    if suffix not in WORKBOOK_SUFFIXES:
        raise WorkbookError(path.name, "wrong_format", f"reads {', '.join(WORKBOOK_SUFFIXES)}")
    start = _start_of(path, limits)
    if start.startswith(OLE_SIGNATURE):
        _check_ole(path, suffix)
        container = Container(path)
    elif start.startswith(ZIP_SIGNATURE):
        if suffix not in MAIN_PART:
            raise WorkbookError(path.name, "wrong_format", "it is a zipped workbook")
        container = _check_zip(path, suffix, limits)
    elif suffix == ".csv":
        return Container(path)
    else:
        raise WorkbookError(path.name, "wrong_format", f"it is not a {suffix} workbook")
    try_reading(path, limits)
    return container


def _start_of(path: Path, limits: WorkbookLimits) -> bytes:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            # Opening a pipe would wait for ever.
            raise WorkbookError(path.name, "unreachable_file", "it is not a file")
        with path.open("rb") as handle:
            start = handle.read(8)
    except OSError as error:
        raise WorkbookError(path.name, "unreachable_file", error.strerror or "cannot be opened") from None
    if status.st_size > limits.max_file_mb * MEBIBYTE:
        raise WorkbookError(path.name, "too_large", f"larger than {limits.max_file_mb} MiB")
    if status.st_size == 0:
        raise WorkbookError(path.name, "empty_file")
    return start


def _check_ole(path: Path, suffix: str) -> None:
    if ENCRYPTED_PACKAGE in path.read_bytes():
        raise WorkbookError(path.name, "password_protected")
    if suffix != ".xls":
        raise WorkbookError(path.name, "wrong_format", "it is an old .xls workbook or another Office file")


def _check_zip(path: Path, suffix: str, limits: WorkbookLimits) -> Container:
    try:
        with zipfile.ZipFile(path) as archive:
            main = _check_parts(path, archive, suffix, limits)
            if suffix == ".ods":
                look = scan_ods(path.name, pieces_of(archive, main), limits)
                return Container(with_breaks_kept(archive) if look.has_breaks else path, look.tables)
            if suffix == ".xlsb":
                return Container(path, _binary_marks(path, archive, main, limits))
            return Container(path, _xml_marks(path, archive, main, limits))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, RuntimeError, struct.error):
        raise WorkbookError(path.name, "unreadable_file") from None


def _check_parts(path: Path, archive: zipfile.ZipFile, suffix: str, limits: WorkbookLimits) -> str:
    """The main part, once every part has been found to be as large as the archive says."""
    parts = archive.infolist()
    if len(parts) > MAX_PARTS:
        raise WorkbookError(path.name, "too_large", f"more than {MAX_PARTS:,} parts in the file")
    if sum(part.file_size for part in parts) > limits.max_uncompressed_mb * MEBIBYTE:
        raise WorkbookError(path.name, "too_large", f"unpacks to more than {limits.max_uncompressed_mb} MiB")
    names = {part.filename.lower(): part.filename for part in parts}
    if len(names) < len(parts):
        raise WorkbookError(path.name, "unreadable_file", "two of its parts have the same name")
    main = names.get(MAIN_PART[suffix])
    if main is None:
        raise WorkbookError(path.name, "wrong_format", f"it is not a {suffix} workbook")
    if any(part.flag_bits & 1 for part in parts):
        raise WorkbookError(path.name, "password_protected")
    manifest = names.get("meta-inf/manifest.xml")
    if manifest is not None and b"encryption-data" in archive.read(manifest):
        raise WorkbookError(path.name, "password_protected")
    return main


def _xml_marks(path: Path, archive: zipfile.ZipFile, main: str, limits: WorkbookLimits) -> dict[str, SheetMarks]:
    """Marks of the sheets by name; every part that looks like a sheet is scanned, whatever the workbook calls it."""
    by_part: dict[str, SheetMarks] = {}
    sheets = xlsx_sheet_parts(archive, path.name, main)
    for part in archive.namelist():
        if _holds(archive, part, b"sheetData") or part in sheets.values():
            by_part[part] = scan_xlsx_sheet(path.name, pieces_of(archive, part), limits)
    return {sheet: by_part[part] for sheet, part in sheets.items()}


def _holds(archive: zipfile.ZipFile, part: str, word: bytes) -> bool:
    """Whether a part holds a word; it is read to its end, which checks its length and its checksum."""
    found, tail = False, b""
    for piece in pieces_of(archive, part):
        found = found or word in tail + piece
        tail = piece[-len(word) :]
    return found


def _binary_marks(path: Path, archive: zipfile.ZipFile, main: str, limits: WorkbookLimits) -> dict[str, SheetMarks]:
    by_part: dict[str, SheetMarks] = {}
    sheets = xlsb_sheet_parts(archive, path.name, main)
    for part in archive.namelist():
        lower = part.lower()
        if part in sheets.values() or ("worksheets/" in lower and lower.endswith(".bin")):
            by_part[part] = scan_xlsb_sheet(path.name, archive.read(part), limits)
    return {sheet: by_part[part] for sheet, part in sheets.items()}
