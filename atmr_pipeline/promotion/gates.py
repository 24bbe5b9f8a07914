"""The gates between a challenger and the champion's place: pure functions from frames to verdicts.

One import for what the shell needs; the gates of each kind of model stand in a module of their own.
"""

from atmr_pipeline.promotion.delay_gates import (
    CompanyProfile,
    DelayGateLimits,
    company_profile_gates,
    delay_gates,
)
from atmr_pipeline.promotion.policy_gates import PolicyGateLimits, policy_gates
from atmr_pipeline.promotion.verdict import GateVerdict

__all__ = [
    "CompanyProfile",
    "DelayGateLimits",
    "GateVerdict",
    "PolicyGateLimits",
    "company_profile_gates",
    "delay_gates",
    "policy_gates",
]
