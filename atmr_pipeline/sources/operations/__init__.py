"""The dispatcher's operations database, read and never written."""

from atmr_pipeline.sources.operations.database import Extract, OperationsDatabase

__all__ = ["Extract", "OperationsDatabase"]
