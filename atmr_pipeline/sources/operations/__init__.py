"""The dispatcher's operations database, read and never written."""

from atmr_pipeline.sources.operations.database import Extract, OperationsDatabase
from atmr_pipeline.sources.operations.days import DayExtract
from atmr_pipeline.sources.operations.digests import DIGEST_COLUMNS, changed_by_digest, digests_of
from atmr_pipeline.sources.operations.drift import SchemaProblem
from atmr_pipeline.sources.operations.resume import Retry

__all__ = [
    "DIGEST_COLUMNS",
    "DayExtract",
    "Extract",
    "OperationsDatabase",
    "Retry",
    "SchemaProblem",
    "changed_by_digest",
    "digests_of",
]
