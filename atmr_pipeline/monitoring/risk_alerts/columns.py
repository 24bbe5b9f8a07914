"""What enters alerting is checked here, once."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from atmr_pipeline.domain.errors import TableContractError

FloatArray = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def require(frame: pd.DataFrame, columns: Sequence[str], what: str) -> None:
    """Refuse a frame that lacks columns (TableContractError)."""
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise TableContractError(f"{what}: missing columns {', '.join(missing)}")


def probabilities(values: pd.Series | FloatArray, what: str) -> FloatArray:
    """Probabilities as floats, shape (n,).

    Raises
    ------
    TableContractError
        If one is NULL or outside 0..1.
    """
    p = pd.Series(values).to_numpy(dtype=np.float64, na_value=np.nan)
    unknown = int(np.isnan(p).sum())
    outside = int(((p < 0.0) | (p > 1.0)).sum())
    if unknown or outside:
        raise TableContractError(
            f"{what}: P(late) is unknown in {unknown} and outside 0..1 in {outside} of {len(p)} rows"
        )
    return p


def minutes(values: pd.Series, name: str, *, nullable: bool) -> FloatArray:
    """Minutes as floats, shape (n,); NaN where they are not known.

    Raises
    ------
    TableContractError
        If one is infinite, or unknown where that is not allowed.
    """
    numbers = pd.Series(values).to_numpy(dtype=np.float64, na_value=np.nan)
    wrong = int(np.isinf(numbers).sum()) + (0 if nullable else int(np.isnan(numbers).sum()))
    if wrong:
        raise TableContractError(f"{name} is infinite or unknown in {wrong} of {len(numbers)} rows")
    return numbers
