"""The gates between a challenger and the champion's place: pure functions from frames to verdicts.

One import for what the shell needs; the gates of each kind of model stand in modules of their own.
"""

from atmr_pipeline.promotion.company_profile import (
    COMPANY_GATES,
    CompanyProfile,
    company_profile_gates,
    company_profile_off,
)
from atmr_pipeline.promotion.delay_gates import DelayGateLimits, delay_gates, holdout_errors
from atmr_pipeline.promotion.judgement import Judgement
from atmr_pipeline.promotion.latency import latency_verdict, measure_latency
from atmr_pipeline.promotion.policy_gates import PolicyGateLimits, policy_gates
from atmr_pipeline.promotion.slices import slice_labels
from atmr_pipeline.promotion.verdict import GateVerdict

__all__ = [
    "COMPANY_GATES",
    "CompanyProfile",
    "DelayGateLimits",
    "GateVerdict",
    "Judgement",
    "PolicyGateLimits",
    "company_profile_gates",
    "company_profile_off",
    "delay_gates",
    "holdout_errors",
    "latency_verdict",
    "measure_latency",
    "policy_gates",
    "slice_labels",
]
