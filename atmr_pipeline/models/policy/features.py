"""What the policy sees: one function makes it, for training and for serving alike.

On the processor it is compiled (:mod:`features_compiled`), on an accelerator it is tensor operations
(:mod:`features_tensor`); tests hold the two equal on random days. :mod:`feature_contract` says what the numbers are.
"""

import numpy as np
import torch

from atmr_pipeline.models.policy.bank import DayBank
from atmr_pipeline.models.policy.environment import DayState, Options
from atmr_pipeline.models.policy.feature_contract import (
    DRIVER_FEATURES,
    HORIZON,
    STATE_FEATURES,
    Decision,
    Feature,
    feature_contract,
)
from atmr_pipeline.models.policy.features_compiled import fill_decisions
from atmr_pipeline.models.policy.features_tensor import decide_by_tensors

__all__ = ["DRIVER_FEATURES", "HORIZON", "STATE_FEATURES", "Decision", "Feature", "decide", "feature_contract"]


def decide(bank: DayBank, state: DayState) -> Decision:
    """The one feature function.

    Parameters
    ----------
    bank : DayBank
    state : DayState
        Of N days. Rows of days that are over are defined, but mean nothing.
    """
    if bank.bookings.device.type != "cpu":
        return decide_by_tensors(bank, state)
    count, drivers = state.free_min.shape
    real = np.float32 if bank.dtype == torch.float32 else np.float64
    driver = np.zeros((count, drivers, len(DRIVER_FEATURES)), dtype=real)
    told = np.zeros((count, len(STATE_FEATURES)), dtype=real)
    prior, cost, gap_cost = (np.zeros((count, drivers + 1), dtype=real) for _ in range(3))
    legal = np.zeros((count, drivers + 1), dtype=np.bool_)
    finish_min = np.zeros((count, drivers), dtype=real)
    arrays = (state.day, state.step, state.free_min, state.position, state.load)
    fill_decisions(
        bank.arrays,
        tuple(tensor.numpy() for tensor in arrays),
        (driver, told, prior, legal, cost, gap_cost, finish_min),
    )
    return Decision(
        driver=torch.from_numpy(driver),
        state=torch.from_numpy(told),
        on_duty=bank.on_duty[state.day],
        prior=torch.from_numpy(prior),
        choice=Options(
            legal=torch.from_numpy(legal),
            cost=torch.from_numpy(cost),
            gap_cost=torch.from_numpy(gap_cost),
            finish_min=torch.from_numpy(finish_min),
        ),
    )
