"""Pickup delays: candidates, calibration, evaluation, explanation."""

from atmr_pipeline.models.delay.evaluation import Comparison, compare, evaluate, evaluate_slices
from atmr_pipeline.models.delay.importance import permutation_importance
from atmr_pipeline.models.delay.model import PREDICTION_COLUMNS, DelayModel
from atmr_pipeline.models.delay.params import DelayParams
from atmr_pipeline.models.delay.splitting import time_split
from atmr_pipeline.models.delay.training import DelayTraining, train_delay_model

__all__ = [
    "PREDICTION_COLUMNS",
    "Comparison",
    "DelayModel",
    "DelayParams",
    "DelayTraining",
    "compare",
    "evaluate",
    "evaluate_slices",
    "permutation_importance",
    "time_split",
    "train_delay_model",
]
