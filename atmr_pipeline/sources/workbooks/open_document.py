"""A look at the one big part of an .ods: its tables, merged blocks, errors, and what its reader would lose."""

import io
import re
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field

from atmr_pipeline.sources.workbooks.limits import WorkbookLimits
from atmr_pipeline.sources.workbooks.marks import Merge, Reach, SheetMarks
from atmr_pipeline.sources.workbooks.reasons import WorkbookError
from atmr_pipeline.sources.workbooks.xml_parts import Attributes, walk

_URN = "urn:oasis:names:tc:opendocument:xmlns:"
TABLE, OFFICE, TEXT = f"{_URN}table:1.0 ", f"{_URN}office:1.0 ", f"{_URN}text:1.0 "
CONTENT = "content.xml"
BREAKS = re.compile(rb"<([A-Za-z_][\w.-]*:)(?:line-break|tab)\b[^<>]*?(?:/>|>\s*</\1(?:line-break|tab)\s*>)")
LONGEST_COUNT = 9


@dataclass
class OdsLook:
    """Marks of each table by name, and whether cells hold breaks that the reader would join words over."""

    tables: dict[str, SheetMarks] = field(default_factory=dict)
    has_breaks: bool = False


class _Scan:
    """Follows the rows and cells of the tables; repeated ones are counted, never laid out."""

    def __init__(self, file_name: str, limits: WorkbookLimits) -> None:
        self.file_name, self.limits = file_name, limits
        self.look = OdsLook()
        self.marks, self.reach = SheetMarks(), Reach(file_name, limits)
        self.first_row = self.last_row = self.first_column = self.last_column = 0

    def start(self, name: str, attributes: Attributes) -> None:
        if name == f"{TABLE}table":
            self.marks, self.reach = SheetMarks(), Reach(self.file_name, self.limits)
            self.look.tables[attributes.get(f"{TABLE}name", "")] = self.marks
            self.last_row = 0
        elif name == f"{TABLE}table-row":
            self.first_row = self.last_row + 1
            self.last_row += self._count(attributes, f"{TABLE}number-rows-repeated")
            self.last_column = 0
        elif name in (f"{TABLE}table-cell", f"{TABLE}covered-table-cell"):
            self._cell(attributes)
        elif name == f"{TEXT}p":
            self.reach.extend(self.last_row, self.last_column)
        elif name in (f"{TEXT}line-break", f"{TEXT}tab"):
            self.look.has_breaks = True

    def _cell(self, attributes: Attributes) -> None:
        self.first_column = self.last_column + 1
        self.last_column += self._count(attributes, f"{TABLE}number-columns-repeated")
        if f"{OFFICE}value-type" in attributes or f"{TABLE}formula" in attributes:
            self.reach.extend(self.last_row, self.last_column)
        if any(key.endswith(" value-type") and value == "error" for key, value in attributes.items()):
            self.marks.errors.add((self.first_row, self.first_column))
        rows = self._count(attributes, f"{TABLE}number-rows-spanned")
        columns = self._count(attributes, f"{TABLE}number-columns-spanned")
        if rows > 1 or columns > 1:
            last_row, last_column = self.first_row + rows - 1, self.first_column + columns - 1
            self.marks.merges.append(Merge(self.first_row, self.first_column, last_row, last_column))

    def _count(self, attributes: Attributes, name: str) -> int:
        text = attributes.get(name, "1")
        if not text.isdecimal() or len(text) > LONGEST_COUNT:
            raise WorkbookError(self.file_name, "unreadable_file", "a repetition is no number")
        return int(text)


def scan_ods(file_name: str, pieces: Iterable[bytes], limits: WorkbookLimits) -> OdsLook:
    """Look through ``content.xml``.

    Raises
    ------
    WorkbookError
        If a value lies beyond the limits, or it is not XML.
    """
    scan = _Scan(file_name, limits)
    walk(file_name, pieces, scan.start, namespaces=True)
    return scan.look


def with_breaks_kept(archive: zipfile.ZipFile) -> io.BytesIO:
    """The same workbook with line breaks and tabs inside cells as characters: the reader would drop the elements.

    Without them ``Clinique`` and the street below it would become one word.
    """
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w", zipfile.ZIP_STORED) as target:
        for name in archive.namelist():
            content = archive.read(name)
            target.writestr(name, BREAKS.sub(b"\n", content) if name == CONTENT else content)
    kept.seek(0)
    return kept
