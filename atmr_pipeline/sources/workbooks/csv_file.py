"""Rows of a .csv file, whatever program and country wrote it."""

import csv
import io
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

from atmr_pipeline.sources.workbooks.limits import LAST_EXCEL_ROW, MAX_CELL_CHARACTERS, WorkbookLimits
from atmr_pipeline.sources.workbooks.reasons import WorkbookError

DELIMITERS = ";,\t|"
SAMPLE_ROWS = 50
LONGEST_LINE = 1_000_000
DELIMITER_LINE = re.compile(r"sep=([;,\t|])\r?\n?", re.IGNORECASE)
"""A first line that tells Excel the delimiter; Excel does not show it as a row."""
UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def read_csv(path: Path, limits: WorkbookLimits) -> Iterator[tuple[int, list[str]]]:
    """Each row and its number, empty ones included.

    Raises
    ------
    WorkbookError
        ``wrong_format`` if it is not text, ``unreadable_file`` if its quotation marks do not match, ``too_large``.
    """
    data = path.read_bytes()
    encoding = _encoding(path.name, data)
    first = next(_lines(path.name, data, encoding), "")
    told = DELIMITER_LINE.fullmatch(first)
    delimiter = told[1] if told else _delimiter(path.name, data, encoding)
    lines = itertools.islice(_lines(path.name, data, encoding), 1 if told else 0, None)
    before = csv.field_size_limit(MAX_CELL_CHARACTERS)
    number = 0
    try:
        # Strict: a quotation mark that is never closed would swallow the rows after it in silence.
        for number, cells in enumerate(csv.reader(lines, delimiter=delimiter, strict=True), start=1):
            if number > LAST_EXCEL_ROW:
                raise WorkbookError(path.name, "too_large", f"more than {LAST_EXCEL_ROW:,} rows")
            if len(cells) > limits.max_columns and any(cell.strip() for cell in cells[limits.max_columns :]):
                raise WorkbookError(path.name, "too_large", f"a value stands beyond column {limits.max_columns:,}")
            yield number, cells
    except csv.Error as error:
        if "field larger" in str(error):
            raise WorkbookError(
                path.name, "too_large", f"a cell holds more than {MAX_CELL_CHARACTERS:,} characters"
            ) from None
        where = f"a quotation mark is not closed after row {number:,}"
        raise WorkbookError(path.name, "unreadable_file", where) from None
    finally:
        csv.field_size_limit(before)


def _encoding(file_name: str, data: bytes) -> str:
    """UTF-8 (with or without mark), UTF-16 with its mark, else what Excel writes on Windows."""
    if data.startswith(UTF_16_MARKS):
        return "utf-16"
    if b"\x00" in data:
        raise WorkbookError(file_name, "wrong_format", "it is not text")
    text = data.decode("utf-8", errors="replace")
    damaged = text.count("\ufffd")
    # A few broken bytes in UTF-8 are shown as such; what Excel writes breaks at every accent.
    accents = len(text) - len(text.encode("ascii", errors="ignore")) - damaged
    return "cp1252" if damaged > accents else "utf-8-sig"


def _lines(file_name: str, data: bytes, encoding: str) -> Iterator[str]:
    with io.TextIOWrapper(io.BytesIO(data), encoding=encoding, errors="replace", newline="") as text:
        while line := text.readline(LONGEST_LINE):
            if len(line) == LONGEST_LINE:
                raise WorkbookError(file_name, "too_large", f"a line holds more than {LONGEST_LINE:,} characters")
            yield line


def _delimiter(file_name: str, data: bytes, encoding: str) -> str:
    """The delimiter that cuts the first rows into the most cells of equal number."""

    def score(delimiter: str) -> tuple[int, int]:
        reader = csv.reader(_lines(file_name, data, encoding), delimiter=delimiter)
        try:
            widths = [len(cells) for cells, _ in zip(reader, range(SAMPLE_ROWS), strict=False) if len(cells) > 1]
        except csv.Error:
            widths = []
        common = max(set(widths), key=widths.count) if widths else 0
        return widths.count(common) * (common - 1) if common else 0, -DELIMITERS.index(delimiter)

    return max(DELIMITERS, key=score)
