"""Excel workbooks to legs: nothing lost, nothing invented, every row accounted for."""

from atmr_pipeline.sources.workbooks.cells import Sheet, read_cells
from atmr_pipeline.sources.workbooks.check import check_workbook
from atmr_pipeline.sources.workbooks.driver_file import DriverFile, read_driver_file, update_driver_file
from atmr_pipeline.sources.workbooks.limits import WorkbookLimits
from atmr_pipeline.sources.workbooks.parse import parse_inbox, parse_workbook
from atmr_pipeline.sources.workbooks.reasons import REASONS, WorkbookError
from atmr_pipeline.sources.workbooks.results import ParsedInbox, ParsedWorkbook, RowCounts
from atmr_pipeline.sources.workbooks.review import write_review_workbook

__all__ = [
    "REASONS",
    "DriverFile",
    "ParsedInbox",
    "ParsedWorkbook",
    "RowCounts",
    "Sheet",
    "WorkbookError",
    "WorkbookLimits",
    "check_workbook",
    "parse_inbox",
    "parse_workbook",
    "read_cells",
    "read_driver_file",
    "update_driver_file",
    "write_review_workbook",
]
