"""A multilayer perceptron for long histories, trained with torch and evaluated with numpy.

Torch is imported while fitting only: a stored perceptron is a few matrices, and loading or using it needs no torch.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from atmr_pipeline.models.delay.candidates import dump_arrays, read_arrays
from atmr_pipeline.models.delay.params import DelayParams

if TYPE_CHECKING:
    from torch import Tensor

ARRAYS = ["mean", "scale", "low", "high", "null_column", "null_share", "y_centre", "y_scale", "epochs"]
WEIGHTS = ["w1", "b1", "w2", "b2", "w3", "b3"]
ROWS_AT_ONCE = 8192
PATH_NODES = 16
"""Points of the path integral behind :meth:`Perceptron.contributions`. On 200,000 synthetic rows what it misses was
less than a hundred-thousandth of a minute; that remainder is part of the base."""
EMA_STEPS = 200
"""The weights that are kept are an average over about so many last steps, which does what a falling rate would."""


@dataclass(frozen=True)
class _Inputs:
    """How a matrix with NULLs becomes the network's input: standardised numbers, then NULL indicators."""

    arrays: dict[str, np.ndarray]

    @classmethod
    def learn(cls, X: np.ndarray, is_indicator: np.ndarray) -> "_Inputs":
        n_columns = X.shape[1]
        stats = np.zeros((5, n_columns))
        for column in range(n_columns):
            known = X[:, column][~np.isnan(X[:, column])]
            if len(known):
                stats[:, column] = known.mean(), known.std(), known.min(), known.max(), 1.0 - len(known) / len(X)
            else:
                stats[4, column] = 1.0
        mean, spread, low, high, null_share = stats
        # A rare category's indicator would become huge if it were divided by its spread.
        scale = np.where(is_indicator, 1.0, 1.0 / np.where(spread > 0.0, spread, np.inf))
        null_column = np.flatnonzero((null_share > 0.0) & (null_share < 1.0))
        return cls(
            {
                "mean": mean,
                "scale": scale,
                "low": low,
                "high": high,
                "null_column": null_column.astype(np.int64),
                "null_share": null_share[null_column],
            }
        )

    @property
    def width(self) -> int:
        return len(self.arrays["mean"]) + len(self.arrays["null_column"])

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Shape (n_rows, width), float64; over the fitted rows every input has mean 0."""
        arrays = self.arrays
        # Nothing was seen beyond the outermost values of the fit: there the network would only extrapolate.
        numbers = (np.clip(X, arrays["low"], arrays["high"]) - arrays["mean"]) * arrays["scale"]
        null = np.isnan(X)
        numbers[null] = 0.0
        return np.hstack([numbers, null[:, arrays["null_column"]] - arrays["null_share"]])


class Perceptron:
    """Two hidden layers of SiLU units on standardised inputs.

    A number that is not known enters as the fitted mean together with an indicator of its own, so that the network
    learns what NULL means. A column that had no NULL at fit has no indicator: there NULL counts as the mean.

    Parameters
    ----------
    arrays : dict of ndarray
        For each of the p columns: ``mean``, ``scale``, ``low``, ``high`` (p,) of the fitted rows. ``null_column`` and
        ``null_share`` (q,): columns with an indicator of NULL, and its mean. ``w1`` (p + q, h1), ``b1``, ``w2``
        (h1, h2), ``b2``, ``w3`` (h2, 1), ``b3``: the layers. ``y_centre``, ``y_scale`` (1,): minutes of an output of 0
        and of 1. ``epochs`` (1,): passes over the rows that early stopping chose.
    """

    name: ClassVar[str] = "mlp"
    suffix: ClassVar[str] = "safetensors"

    def __init__(self, arrays: dict[str, np.ndarray]) -> None:
        self.arrays = arrays
        self._inputs = _Inputs(arrays)

    @classmethod
    def fit(
        cls,
        X: np.ndarray,
        y: np.ndarray,
        X_stop: np.ndarray,
        y_stop: np.ndarray,
        *,
        is_indicator: np.ndarray,
        params: DelayParams,
    ) -> Self:
        """Train until the later rows stop improving; the weights of the best epoch are kept."""
        run = _Training(X, y, is_indicator, params)
        # Before the first step the network is the mean of y: without progress from there, a mean is what is kept.
        best = run.snapshot(0)
        best_loss = cls(best)._loss(X_stop, y_stop)
        for epoch in range(1, params.mlp_epochs + 1):
            run.epoch()
            candidate = run.snapshot(epoch)
            loss = cls(candidate)._loss(X_stop, y_stop)
            if loss < best_loss:
                best, best_loss = candidate, loss
            elif epoch - int(best["epochs"][0]) >= params.mlp_patience:
                break
        return cls(best)

    def refit(self, X: np.ndarray, y: np.ndarray, *, is_indicator: np.ndarray, params: DelayParams) -> Self:
        """As many epochs as before, on more rows."""
        epochs = int(self.arrays["epochs"][0])
        run = _Training(X, y, is_indicator, params)
        for _ in range(epochs):
            run.epoch()
        return type(self)(run.snapshot(epochs))

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Expected delay, minutes, shape (n_rows,)."""
        result = np.empty(len(X))
        for start in range(0, len(X), ROWS_AT_ONCE):
            part = slice(start, start + ROWS_AT_ONCE)
            result[part] = self._minutes(self._inputs.transform(X[part]))
        return result

    def contributions(self, X: np.ndarray) -> np.ndarray:
        """Integrated gradients (Sundararajan et al., 2017) from the mean training row, by Gauss-Legendre quadrature.

        The effects of a column and of its NULL indicator are one. The base is the prediction minus the effects: the
        prediction for the mean row, plus what the quadrature misses, so that rows sum to the prediction.
        """
        result = np.empty((len(X), X.shape[1] + 1))
        for start in range(0, len(X), ROWS_AT_ONCE):
            part = slice(start, start + ROWS_AT_ONCE)
            inputs = self._inputs.transform(X[part])
            effects = inputs * self._mean_gradient(inputs)
            columns = effects[:, : X.shape[1]]
            columns[:, self.arrays["null_column"]] += effects[:, X.shape[1] :]
            result[part, :-1] = columns
            result[part, -1] = self._minutes(inputs) - columns.sum(axis=1)
        return result

    def to_bytes(self) -> bytes:
        """Safetensors with the layers and the scales of inputs and output."""
        return dump_arrays(self.arrays)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what :meth:`to_bytes` wrote."""
        return cls(read_arrays(data, ARRAYS + WEIGHTS))

    def _loss(self, X: np.ndarray, y: np.ndarray) -> float:
        return float(np.square(self.predict(X) - y).mean())

    def _minutes(self, inputs: np.ndarray) -> np.ndarray:
        arrays = self.arrays
        hidden = inputs.astype(np.float32)
        for weight, bias in (("w1", "b1"), ("w2", "b2")):
            hidden = hidden @ arrays[weight] + arrays[bias]
            hidden *= _sigmoid(hidden)
        output = (hidden @ arrays["w3"] + arrays["b3"])[:, 0].astype(np.float64)
        return arrays["y_centre"][0] + arrays["y_scale"][0] * output

    def _mean_gradient(self, inputs: np.ndarray) -> np.ndarray:
        """Minutes per unit of each input, averaged along the straight path from the mean row, shape (n_rows, width)."""
        arrays = {name: self.arrays[name].astype(np.float64) for name in WEIGHTS}
        nodes, shares = np.polynomial.legendre.leggauss(PATH_NODES)
        ahead = inputs @ arrays["w1"]
        total = np.zeros_like(ahead)
        for node, share in zip((nodes + 1.0) / 2.0, shares / 2.0, strict=True):
            first = node * ahead + arrays["b1"]
            second = first * _sigmoid(first) @ arrays["w2"] + arrays["b2"]
            total += share * ((arrays["w3"][:, 0] * _slope(second)) @ arrays["w2"].T) * _slope(first)
        return self.arrays["y_scale"][0] * (total @ arrays["w1"].T)


class _Training:
    """AdamW (Loshchilov and Hutter, 2019) on squared error, and the moving average of its weights."""

    def __init__(self, X: np.ndarray, y: np.ndarray, is_indicator: np.ndarray, params: DelayParams) -> None:
        import torch

        self.X, self.y, self.params = X, y, params
        self.inputs = _Inputs.learn(X, is_indicator)
        spread = float(np.std(y))
        self.y_centre, self.y_scale = float(np.mean(y)), spread if spread > 0.0 else 1.0
        self.rng = np.random.default_rng(params.seed)
        widths = (self.inputs.width, params.mlp_units, params.mlp_units, 1)
        self.weights: list[Tensor] = []
        for inwards, outwards in pairwise(widths):
            drawn = self.rng.normal(0.0, 1.0 / np.sqrt(inwards), (inwards, outwards)).astype(np.float32)
            self.weights += [torch.from_numpy(drawn), torch.zeros(outwards)]
        self.weights[-2].zero_()
        for weight in self.weights:
            weight.requires_grad_(True)
        self.average = [weight.detach().clone() for weight in self.weights]
        self.steps = 0
        self.optimizer = torch.optim.AdamW(
            self.weights, lr=params.mlp_learning_rate, weight_decay=params.mlp_weight_decay, foreach=True
        )

    def epoch(self) -> None:
        """One pass over the rows in a new order; one batch at a time is ever held beside the matrix."""
        with _one_thread():
            order = self.rng.permutation(len(self.y))
            for start in range(0, len(order), self.params.mlp_batch_rows):
                # In their own order within a batch, rows are read far faster.
                self._step(np.sort(order[start : start + self.params.mlp_batch_rows]))

    def _step(self, rows: np.ndarray) -> None:
        import torch

        inputs = torch.from_numpy(self.inputs.transform(self.X[rows]).astype(np.float32))
        target = torch.from_numpy(((self.y[rows] - self.y_centre) / self.y_scale).astype(np.float32))
        w1, b1, w2, b2, w3, b3 = self.weights
        silu = torch.nn.functional.silu
        output = silu(silu(inputs @ w1 + b1) @ w2 + b2) @ w3 + b3
        self.optimizer.zero_grad()
        torch.nn.functional.mse_loss(output[:, 0], target).backward()
        self.optimizer.step()
        self.steps += 1
        # Early on the average is a plain one, so that it does not remember the random start.
        share = max(1.0 / EMA_STEPS, 1.0 / self.steps)
        with torch.no_grad():
            torch._foreach_lerp_(self.average, self.weights, share)

    def snapshot(self, epochs: int) -> dict[str, np.ndarray]:
        """Everything a :class:`Perceptron` is made of, with the averaged weights."""
        weights = {name: weight.numpy().copy() for name, weight in zip(WEIGHTS, self.average, strict=True)}
        scales = {"y_centre": np.array([self.y_centre]), "y_scale": np.array([self.y_scale])}
        return {**self.inputs.arrays, **weights, **scales, "epochs": np.array([epochs], dtype=np.int64)}


@contextmanager
def _one_thread() -> Iterator[None]:
    """Small matrices are slower on several threads, and sums in one order are the same every time."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    # Through tanh it neither overflows nor needs two cases.
    return 0.5 * (np.tanh(0.5 * x) + 1.0)


def _slope(x: np.ndarray) -> np.ndarray:
    """Derivative of SiLU."""
    gate = _sigmoid(x)
    return gate * (1.0 + x * (1.0 - gate))
