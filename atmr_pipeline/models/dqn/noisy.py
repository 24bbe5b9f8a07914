"""Exploration by learned noise on the weights (Fortunato et al. 2018, Noisy Networks for Exploration)."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn


class NoisyLinear(nn.Module):
    """A linear layer whose weights are drawn around learned means with learned spreads; factorised Gaussian noise.

    In training the noise last drawn by :meth:`draw` counts, and none before the first draw; in evaluation only the
    means do.

    Parameters
    ----------
    inputs, outputs : int
    spread : float
        Initial standard deviation of every weight, times the root of ``inputs``.
    """

    noise_in: Tensor
    noise_out: Tensor

    def __init__(self, inputs: int, outputs: int, spread: float = 0.5) -> None:
        super().__init__()
        bound = 1.0 / math.sqrt(inputs)
        self.weight = nn.Parameter(torch.empty(outputs, inputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(outputs).uniform_(-bound, bound))
        self.weight_spread = nn.Parameter(torch.full((outputs, inputs), spread * bound))
        self.bias_spread = nn.Parameter(torch.full((outputs,), spread * bound))
        self.register_buffer("noise_in", torch.zeros(inputs), persistent=False)
        self.register_buffer("noise_out", torch.zeros(outputs), persistent=False)

    def draw(self, generator: torch.Generator) -> None:
        """Draw the noise anew."""
        self.noise_in.copy_(_scaled_normal(len(self.noise_in), generator))
        self.noise_out.copy_(_scaled_normal(len(self.noise_out), generator))

    def forward(self, inputs: Tensor) -> Tensor:
        """(..., inputs) -> (..., outputs)"""
        if not self.training:
            return nn.functional.linear(inputs, self.weight, self.bias)
        weight = self.weight + self.weight_spread * torch.outer(self.noise_out, self.noise_in)
        return nn.functional.linear(inputs, weight, self.bias + self.bias_spread * self.noise_out)


def _scaled_normal(count: int, generator: torch.Generator) -> Tensor:
    """Signed square roots of normal draws; the product of two has variance 2 / pi."""
    drawn = torch.randn(count, generator=generator)
    return drawn.sign() * drawn.abs().sqrt()


def noisy_layers(network: nn.Module) -> list[NoisyLinear]:
    """The noisy layers of a network, in order."""
    return [module for module in network.modules() if isinstance(module, NoisyLinear)]


def draw_noise(layers: Sequence[NoisyLinear], generator: torch.Generator) -> None:
    """New noise in every one of some layers; draws nothing where there are none."""
    for layer in layers:
        layer.draw(generator)
