"""The candidates by name."""

from atmr_pipeline.models.delay.boosting import BoostedTrees
from atmr_pipeline.models.delay.candidates import Candidate, ConstantMean, ConstantMedian
from atmr_pipeline.models.delay.forest import Forest
from atmr_pipeline.models.delay.params import CANDIDATE_NAMES
from atmr_pipeline.models.delay.spline_ridge import SplineRidge

CANDIDATES: dict[str, type[Candidate]] = {
    candidate.name: candidate for candidate in (ConstantMean, ConstantMedian, SplineRidge, BoostedTrees, Forest)
}
"""From the simplest to the most complex: the order in which ties are decided."""

if tuple(CANDIDATES) != CANDIDATE_NAMES:
    raise ImportError("candidates and their names are out of step")
