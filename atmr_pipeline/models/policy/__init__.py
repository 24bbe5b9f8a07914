"""The learned dispatch policy: environment, Q-network, learner, and the policy that plans days."""

from atmr_pipeline.models.policy.bank import days_sha256
from atmr_pipeline.models.policy.learner import CurvePoint, DqnSettings, TrainedPolicy, train
from atmr_pipeline.models.policy.policy import DispatchPolicy

__all__ = ["CurvePoint", "DispatchPolicy", "DqnSettings", "TrainedPolicy", "days_sha256", "train"]
