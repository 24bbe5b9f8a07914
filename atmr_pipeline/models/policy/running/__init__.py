"""The learned policy of the running day: local search plus a residual that a network has learned."""

from atmr_pipeline.models.policy.running.learner import RunningSettings, TrainedResidual, train
from atmr_pipeline.models.policy.running.policy import RunningDayPolicy

__all__ = ["RunningDayPolicy", "RunningSettings", "TrainedResidual", "train"]
