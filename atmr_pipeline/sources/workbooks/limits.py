"""How much of a workbook is read before it is refused."""

from dataclasses import dataclass, fields

MEBIBYTE = 1024 * 1024
MAX_CELL_CHARACTERS = 32_767
"""Excel's own limit; a longer text cannot come from a spreadsheet."""
LAST_EXCEL_ROW = 1_048_576


@dataclass(frozen=True)
class WorkbookLimits:
    """Limits that keep a hostile or broken workbook from exhausting the machine.

    Parameters
    ----------
    max_file_mb : int
        Size of the file, MiB.
    max_uncompressed_mb : int
        Size of a zipped workbook (.xlsx, .xlsm, .xlsb, .ods) once unpacked, MiB.
    max_rows : int
        Last row that may hold a value, in each sheet.
    max_columns : int
        Last column that may hold a value.
    max_cells : int
        Rows times columns up to the last value of a sheet: the reader keeps them all, empty ones included.
    max_sheets : int
        Sheets in the workbook.

    Raises
    ------
    ValueError
        If a limit is below 1.
    """

    max_file_mb: int = 50
    max_uncompressed_mb: int = 400
    max_rows: int = 200_000
    max_columns: int = 200
    max_cells: int = 6_000_000
    max_sheets: int = 60

    def __post_init__(self) -> None:
        for limit in fields(self):
            if getattr(self, limit.name) < 1:
                raise ValueError(f"{limit.name} must be at least 1, got {getattr(self, limit.name)}")
