"""Use of the delay model in dispatch: a better driver for a risky course, if the gain is large and sure enough."""

from atmr_pipeline.models.delay.reassignment.better_driver import BetterDriver, find_better_driver
from atmr_pipeline.models.delay.reassignment.duty_day import DutyDay, DutyTables, days_ahead, duty_day
from atmr_pipeline.models.delay.reassignment.offers import OFFER_COLUMNS, REFUSED_COLUMNS
from atmr_pipeline.models.delay.reassignment.params import EmergencyUse, ReassignmentParams, Refusal
from atmr_pipeline.models.delay.reassignment.reliability import GainReliability, gain_reliability
from atmr_pipeline.models.delay.reassignment.risky import (
    Reassignment,
    improve_day,
    reassign_days_ahead,
    reassign_risky,
)
from atmr_pipeline.models.delay.reassignment.scoring import DayScorer, DelayPredictor, ModelScorer

__all__ = [
    "OFFER_COLUMNS",
    "REFUSED_COLUMNS",
    "BetterDriver",
    "DayScorer",
    "DelayPredictor",
    "DutyDay",
    "DutyTables",
    "EmergencyUse",
    "GainReliability",
    "ModelScorer",
    "Reassignment",
    "ReassignmentParams",
    "Refusal",
    "days_ahead",
    "duty_day",
    "find_better_driver",
    "gain_reliability",
    "improve_day",
    "reassign_days_ahead",
    "reassign_risky",
]
