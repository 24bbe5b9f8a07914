"""What a workbook file really is, and how much it unpacks to, before anything reads its cells.

A name is not evidence: the first bytes and the parts of the archive are. A zipped workbook is unpacked once here
in pieces, so that one whose directory lies about its size, or is cut short, is refused with a clear line.
"""

import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from atmr_pipeline.sources.workbooks.limits import MEBIBYTE, WorkbookLimits
from atmr_pipeline.sources.workbooks.reasons import WorkbookError

ZIP_SIGNATURE = b"PK\x03\x04"
OLE_SIGNATURE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
ENCRYPTED_PACKAGE = "EncryptedPackage".encode("utf-16-le")
MAIN_PART = {".xlsx": "workbook.xml", ".xlsm": "workbook.xml", ".xlsb": "workbook.bin", ".ods": "content.xml"}
WORKBOOK_SUFFIXES = (*MAIN_PART, ".xls", ".csv")
MAX_PARTS = 5_000
PIECE = 1024 * 1024
OVERLAP = 512

FAR_CELL = re.compile(rb'<(?:\w+:)?c\b[^>]*?\br="([A-Z]{2,3}\d{1,7}|[A-Z]\d{5,7})"[^>]*(?<!/)>')
FAR_ODS_ROW = re.compile(
    rb'<table:table-row[^>]*number-rows-repeated="(\d{4,})"[^>]*(?<!/)>((?:(?!</table:table-row>).)*)', re.DOTALL
)
FAR_ODS_CELL = re.compile(rb'<table:table-cell[^>]*number-columns-repeated="(\d{3,})"[^>]*value-type[^>]*>')
XLSB_ROW, XLSB_FIRST_CELL, XLSB_LAST_CELL = 0, 2, 11


def check_container(path: Path, limits: WorkbookLimits) -> None:
    """Refuse a file that is not the workbook its name says, or that unpacks beyond the limits.

    Raises
    ------
    WorkbookError
        With the reason ``wrong_format``, ``unreadable_file``, ``password_protected`` or ``too_large``.
    """
    suffix = path.suffix.lower()
    if suffix not in WORKBOOK_SUFFIXES:
        raise WorkbookError(path.name, "wrong_format", f"reads {', '.join(WORKBOOK_SUFFIXES)}")
    try:
        size = path.stat().st_size
        with path.open("rb") as handle:
            start = handle.read(8)
    except OSError as error:
        raise WorkbookError(path.name, "unreadable_file", error.strerror or "cannot be opened") from None
    if size > limits.max_file_mb * MEBIBYTE:
        raise WorkbookError(path.name, "too_large", f"larger than {limits.max_file_mb} MiB")
    if size == 0:
        raise WorkbookError(path.name, "unreadable_file", "it is empty")
    if start.startswith(OLE_SIGNATURE):
        _check_ole(path, suffix)
    elif start.startswith(ZIP_SIGNATURE):
        if suffix not in MAIN_PART:
            raise WorkbookError(path.name, "wrong_format", "it is a zipped workbook")
        _check_zip(path, suffix, limits)
    elif suffix != ".csv":
        raise WorkbookError(path.name, "wrong_format", f"it is not a {suffix} workbook")


def _check_ole(path: Path, suffix: str) -> None:
    if ENCRYPTED_PACKAGE in path.read_bytes():
        raise WorkbookError(path.name, "password_protected")
    if suffix != ".xls":
        raise WorkbookError(path.name, "wrong_format", "it is an old .xls workbook or another Office file")


def _check_zip(path: Path, suffix: str, limits: WorkbookLimits) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
            unpacked = sum(part.file_size for part in parts)
            if len(parts) > MAX_PARTS or unpacked > limits.max_uncompressed_mb * MEBIBYTE:
                raise WorkbookError(path.name, "too_large", f"unpacks to more than {limits.max_uncompressed_mb} MiB")
            names = [part.filename for part in parts]
            if not any(name.endswith(MAIN_PART[suffix]) for name in names):
                raise WorkbookError(path.name, "wrong_format", f"it is not a {suffix} workbook")
            if any(part.flag_bits & 1 for part in parts):
                raise WorkbookError(path.name, "password_protected")
            for name in names:
                _check_part(path, archive, name, limits)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, struct.error):
        raise WorkbookError(path.name, "unreadable_file") from None


def _check_part(path: Path, archive: zipfile.ZipFile, name: str, limits: WorkbookLimits) -> None:
    """Unpack one part in pieces; refuse one whose cells lie beyond the limits.

    The reader makes a dense block of all cells between the first and the last: two far corners would make it
    ask for gigabytes.
    """
    if name == "META-INF/manifest.xml" and b"encryption-data" in archive.read(name):
        raise WorkbookError(path.name, "password_protected")
    if "worksheets/" in name and name.endswith(".bin"):
        beyond = _beyond_in_xlsb(archive.read(name), limits)
    else:
        sheet, ods = "worksheets/" in name and name.endswith(".xml"), name == "content.xml"
        beyond = False
        for piece in _pieces(archive, name):
            beyond = beyond or (sheet and _beyond_in_xml(piece, limits)) or (ods and _beyond_in_ods(piece, limits))
    if beyond:
        raise WorkbookError(
            path.name, "too_large", f"a value stands beyond row {limits.max_rows:,} or column {limits.max_columns:,}"
        )


def _pieces(archive: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    tail = b""
    with archive.open(name) as part:
        while piece := part.read(PIECE):
            yield tail + piece
            tail = piece[-OVERLAP:]


def _beyond_in_xml(piece: bytes, limits: WorkbookLimits) -> bool:
    for match in FAR_CELL.finditer(piece):
        letters = match[1].rstrip(b"0123456789")
        column = 0
        for letter in letters:
            column = column * 26 + letter - 64
        if column > limits.max_columns or int(match[1][len(letters) :]) > limits.max_rows:
            return True
    return False


def _beyond_in_ods(piece: bytes, limits: WorkbookLimits) -> bool:
    rows = any(int(match[1]) > limits.max_rows and b"value-type" in match[2] for match in FAR_ODS_ROW.finditer(piece))
    return rows or any(int(match[1]) > limits.max_columns for match in FAR_ODS_CELL.finditer(piece))


def _beyond_in_xlsb(part: bytes, limits: WorkbookLimits) -> bool:
    """Walk the records of a binary sheet ([MS-XLSB] 2.1.4): row headers carry the row, cells the column."""
    at, row = 0, 0
    while at < len(part):
        kind, at = _variable_int(part, at, 2)
        size, at = _variable_int(part, at, 4)
        if kind == XLSB_ROW and size >= 4:
            row = struct.unpack_from("<I", part, at)[0]
        elif XLSB_FIRST_CELL <= kind <= XLSB_LAST_CELL and size >= 4:
            column = struct.unpack_from("<I", part, at)[0]
            if row >= limits.max_rows or column >= limits.max_columns:
                return True
        at += size
    return False


def _variable_int(part: bytes, at: int, longest: int) -> tuple[int, int]:
    """A little-endian base-128 number of a record (its kind or its size), and where it ends."""
    value = 0
    for index in range(longest):
        if at >= len(part):
            raise EOFError
        byte = part[at]
        at += 1
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            break
    return value, at
