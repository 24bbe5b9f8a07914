"""The candidates by name."""

from atmr_pipeline.domain.errors import NotEnoughDataError
from atmr_pipeline.models.delay.boosting import BoostedTrees
from atmr_pipeline.models.delay.candidates import Candidate, ConstantMean, ConstantMedian
from atmr_pipeline.models.delay.forest import Forest
from atmr_pipeline.models.delay.mlp import Perceptron
from atmr_pipeline.models.delay.params import CANDIDATE_NAMES, DelayParams
from atmr_pipeline.models.delay.spline_ridge import SplineRidge

CANDIDATES: dict[str, type[Candidate]] = {
    candidate.name: candidate
    for candidate in (ConstantMean, ConstantMedian, SplineRidge, BoostedTrees, Forest, Perceptron)
}
"""From the simplest to the most complex: the order in which ties are decided."""


def competing(params: DelayParams, *, fit_rows: int) -> list[str]:
    """The candidates that take part: all that are named, but the perceptron only with enough rows to learn from.

    Parameters
    ----------
    params : DelayParams
        ``candidates`` and ``mlp_minimum_rows`` are used.
    fit_rows : int
        Rows of the train and validation blocks.

    Raises
    ------
    NotEnoughDataError
        If the perceptron alone was named and has too few rows.
    """
    names = [name for name in params.candidates if name != Perceptron.name or fit_rows > params.mlp_minimum_rows]
    if not names:
        raise NotEnoughDataError(
            "rows to fit the mlp, the only candidate", needs=params.mlp_minimum_rows + 1, has=fit_rows
        )
    return names


if tuple(CANDIDATES) != CANDIDATE_NAMES:
    raise ImportError("candidates and their names are out of step")
