"""The residual network: what a local search gets wrong about each candidate, for any number of drivers."""

import numpy as np
import torch
from torch import Tensor, nn

from atmr_pipeline.dispatch.running.features import N_FEATURES
from atmr_pipeline.dispatch.running.residual import ResidualWeights


class ResidualNetwork(nn.Module):
    """One row a candidate with shared weights, mean and maximum over candidates (Deep Sets, Zaheer et al., 2017).

    It starts as zero: the search alone. Served by the compiled ``dispatch.running.residual.residual`` with the weights
    of :meth:`exported`; a test holds the two together.

    Parameters
    ----------
    hidden : int
        Width of both layers, at least 2.
    """

    def __init__(self, hidden: int = 32) -> None:
        if hidden < 2:
            raise ValueError(f"hidden must be >= 2, got {hidden}")
        super().__init__()
        self.hidden = hidden
        self.first = nn.Linear(N_FEATURES, hidden)
        self.own = nn.Linear(hidden, hidden)
        self.pooled = nn.Linear(2 * hidden, hidden, bias=False)
        self.last = nn.Linear(hidden, 1, bias=False)
        nn.init.zeros_(self.last.weight)

    def forward(self, rows: Tensor, is_candidate: Tensor) -> Tensor:
        """Residuals (N, R) in units of ``COST_SCALE`` of rows (N, R, F); meaningless where there is no candidate."""
        there = is_candidate[..., None]
        inner = torch.relu(self.first(rows)) * there
        mean = inner.sum(1) / there.sum(1).clamp(min=1)
        fleet = self.pooled(torch.cat([mean, inner.amax(1)], 1))
        return self.last(torch.relu(self.own(inner) + fleet[:, None]))[..., 0]

    def exported(self) -> ResidualWeights:
        """The weights for compiled code."""
        return ResidualWeights(
            first=_array(self.first.weight.T),
            first_bias=_array(self.first.bias),
            own=_array(self.own.weight.T),
            pooled=_array(self.pooled.weight.T),
            second_bias=_array(self.own.bias),
            last=_array(self.last.weight[0]),
        )


def _array(weights: Tensor) -> np.ndarray:
    return np.ascontiguousarray(weights.detach().numpy(), dtype=np.float32)
