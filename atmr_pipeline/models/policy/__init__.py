"""The learned dispatch policy: environment, Q-network, learner, and the policy that plans days."""

from atmr_pipeline.models.policy.bank import days_sha256
from atmr_pipeline.models.policy.demonstrations import DemonstrationSettings
from atmr_pipeline.models.policy.learner import CurvePoint, DqnSettings, PolicySettings, TrainedPolicy, train
from atmr_pipeline.models.policy.policy import DispatchPolicy

__all__ = [
    "CurvePoint",
    "DemonstrationSettings",
    "DispatchPolicy",
    "DqnSettings",
    "PolicySettings",
    "TrainedPolicy",
    "days_sha256",
    "train",
]
