"""What every candidate model can do, the two simplest of them, and how arrays are stored without pickle."""

from typing import ClassVar, Protocol, Self

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from atmr_pipeline.domain.errors import ModelIntegrityError
from atmr_pipeline.models.delay.params import DelayParams


class Candidate(Protocol):
    """A regression of delay minutes on the encoded matrix of a feature contract.

    ``X`` has shape (n_rows, n_columns), NaN where a number is not known; ``y`` has shape (n_rows,), minutes.
    ``is_indicator`` (n_columns,) says which columns are indicators of categories.
    """

    name: ClassVar[str]
    suffix: ClassVar[str]

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
        """Fit on ``X, y``; ``X_stop, y_stop`` come later in time and may only decide when to stop."""
        ...

    def refit(self, X: np.ndarray, y: np.ndarray, *, is_indicator: np.ndarray, params: DelayParams) -> Self:
        """The same model, as long as before, on more rows."""
        ...

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Expected delay, minutes, shape (n_rows,)."""
        ...

    def contributions(self, X: np.ndarray) -> np.ndarray:
        """Minutes that each column adds to the base in the last column; rows sum to the prediction.

        Shape (n_rows, n_columns + 1).
        """
        ...

    def to_bytes(self) -> bytes:
        """The fitted model as data, the same bytes for the same fit."""
        ...

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The inverse of :meth:`to_bytes`."""
        ...


class ConstantMean:
    """Every pickup is as late as the average one."""

    name: ClassVar[str] = "constant_mean"
    suffix: ClassVar[str] = "safetensors"

    def __init__(self, delay_min: float) -> None:
        self.delay_min = delay_min

    @classmethod
    def _centre(cls, y: np.ndarray) -> float:
        return float(np.mean(y))

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
        """Take the centre of ``y``; nothing else is used."""
        return cls(cls._centre(y))

    def refit(self, X: np.ndarray, y: np.ndarray, *, is_indicator: np.ndarray, params: DelayParams) -> Self:
        """Take the centre of more rows."""
        return type(self)(self._centre(y))

    def predict(self, X: np.ndarray) -> np.ndarray:
        """The constant, shape (n_rows,)."""
        return np.full(len(X), self.delay_min)

    def contributions(self, X: np.ndarray) -> np.ndarray:
        """All zero but the base."""
        result = np.zeros((len(X), X.shape[1] + 1))
        result[:, -1] = self.delay_min
        return result

    def to_bytes(self) -> bytes:
        """Safetensors with one number."""
        return dump_arrays({"delay_min": np.array([self.delay_min])})

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what :meth:`to_bytes` wrote."""
        return cls(float(read_arrays(data, ["delay_min"])["delay_min"][0]))


class ConstantMedian(ConstantMean):
    """Every pickup is as late as the middle one: the least mean absolute error without a feature."""

    name: ClassVar[str] = "constant_median"

    @classmethod
    def _centre(cls, y: np.ndarray) -> float:
        return float(np.median(y))


def dump_arrays(arrays: dict[str, np.ndarray]) -> bytes:
    """Named arrays as safetensors bytes; the order of the names does not matter."""
    return save_tensors({name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays)})


def read_arrays(data: bytes, names: list[str]) -> dict[str, np.ndarray]:
    """Named arrays from safetensors bytes.

    Raises
    ------
    ModelIntegrityError
        If the bytes are no safetensors file or lack a name.
    """
    try:
        arrays: dict[str, np.ndarray] = load_tensors(data)
    except SafetensorError:
        raise ModelIntegrityError("a model file is no safetensors file; restore the model or train again") from None
    missing = [name for name in names if name not in arrays]
    if missing:
        raise ModelIntegrityError(f"a model file lacks the arrays {', '.join(missing)}; train again")
    return arrays
