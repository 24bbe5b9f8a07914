"""What a look at a sheet's markup tells before its cells are read: how far it reaches, what is merged, what failed."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from atmr_pipeline.sources.workbooks.limits import WorkbookLimits
from atmr_pipeline.sources.workbooks.reasons import WorkbookError

ERROR_TEXT = "#ERROR!"
"""Stands for a formula that failed: the reader shows such a cell as an empty one."""


class Merge(NamedTuple):
    """A block of merged cells; rows and columns count from 1, both ends included."""

    first_row: int
    first_column: int
    last_row: int
    last_column: int


@dataclass
class SheetMarks:
    """Merged blocks, and cells ``(row, column)`` that hold an error; counted from 1."""

    merges: list[Merge] = field(default_factory=list)
    errors: set[tuple[int, int]] = field(default_factory=set)


class Reach:
    """How far the values of a sheet reach; refuses to go beyond the limits.

    The reader keeps a dense block from the first to the last value: two far corners would make it ask for gigabytes.
    """

    def __init__(self, file_name: str, limits: WorkbookLimits) -> None:
        self.file_name, self.limits = file_name, limits
        self.rows = self.columns = 0

    def extend(self, row: int, column: int) -> None:
        """Count a value; row and column from 1.

        Raises
        ------
        WorkbookError
            With the reason ``too_large``.
        """
        if row <= self.rows and column <= self.columns:
            return
        self.rows, self.columns = max(self.rows, row), max(self.columns, column)
        if self.rows > self.limits.max_rows or self.columns > self.limits.max_columns:
            raise WorkbookError(
                self.file_name,
                "too_large",
                f"a value stands beyond row {self.limits.max_rows:,} or column {self.limits.max_columns:,}",
            )
        if self.rows * self.columns > self.limits.max_cells:
            raise WorkbookError(
                self.file_name,
                "too_large",
                f"a sheet spans more than {self.limits.max_cells:,} cells up to its last value",
            )


def spread(merges: Sequence[Merge], rows: list[tuple[int, tuple[Any, ...]]]) -> dict[int, dict[int, int]]:
    """For each row, the columns that show the value of a merged cell above: ``{row: {column: row of the value}}``.

    Only the first column of a block and only rows that hold something are told: a block over empty rows is layout.
    Blocks that overlap, which no spreadsheet program makes, count once.
    """
    numbers = [number for number, _ in rows]
    shown: dict[int, dict[int, int]] = {}
    free_from: dict[int, int] = {}
    for merge in sorted(merges):
        if merge.last_row <= merge.first_row or merge.first_row < free_from.get(merge.first_column, 0):
            continue
        free_from[merge.first_column] = merge.last_row + 1
        for index in range(bisect_right(numbers, merge.first_row), bisect_left(numbers, merge.last_row + 1)):
            shown.setdefault(numbers[index], {})[merge.first_column] = merge.first_row
    return shown
