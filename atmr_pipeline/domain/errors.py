"""The errors that a user is meant to read.

Every message says what is wrong and what to do. None carries a patient's name, an address or a note: values
from source rows never enter a message, only column names, counts, codes and row numbers.
"""


class AtmrError(Exception):
    """Base of every error that ends in one clear line instead of a traceback."""


class SettingsError(AtmrError):
    """A setting is missing or outside its valid range."""


class SourceError(AtmrError):
    """An outside source (database, workbook, service) cannot be read."""


class SchemaDriftError(SourceError):
    """A source no longer has the columns or values that the pipeline relies on."""


class TableContractError(AtmrError):
    """A table does not match its schema in :mod:`atmr_pipeline.domain.tables`."""


class NotEnoughDataError(AtmrError):
    """Too few rows or days for an honest result.

    Parameters
    ----------
    what : str
        What was counted, for instance ``"labelled assignments"``.
    needs, has : int
        The minimum and what there is.
    """

    def __init__(self, what: str, *, needs: int, has: int) -> None:
        super().__init__(f"not enough {what}: needs {needs:,}, has {has:,}")
        self.what, self.needs, self.has = what, needs, has


class InvalidProblemError(AtmrError):
    """A dispatch day is malformed: duplicate ids, NaN or negative times, wrong shapes."""


class InfeasiblePlanError(AtmrError):
    """A plan breaks a hard rule, such as a driver's shift end."""


class PromotionRefusedError(AtmrError):
    """A promotion was refused: a gate failed, or the alias moved meanwhile."""


class ModelIntegrityError(AtmrError):
    """A model file is missing, altered, or does not fit its manifest."""


class OutdatedModelError(ModelIntegrityError):
    """A stored model is intact, but was trained on other features than this version makes."""
