"""What enters a fit is checked here, once, and cut into blocks by time."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from atmr_pipeline.domain.errors import NotEnoughDataError, TableContractError
from atmr_pipeline.models.delay.contract import check_names
from atmr_pipeline.models.delay.params import DelayParams


@dataclass(frozen=True)
class TrainingRows:
    """Checked training rows, sorted by decision time (stable: ties keep the caller's order)."""

    features: pd.DataFrame
    delay_min: np.ndarray
    decided_at: pd.Series


@dataclass(frozen=True)
class Blocks:
    """Consecutive row ranges: train | validation | calibration."""

    train: slice
    validation: slice
    calibration: slice

    @property
    def fit(self) -> slice:
        """Train and validation together: what the chosen candidate is finally fitted on."""
        return slice(self.train.start, self.validation.stop)


def check_training_rows(
    features: pd.DataFrame, delay_min: pd.Series, decided_at: pd.Series, *, minimum_rows: int
) -> TrainingRows:
    """Check and sort what a model is to be fitted on.

    Rows are matched by position. The three must carry the same index, so that rows that were filtered or sorted apart
    are found out; the index itself may hold anything, also duplicates.

    Raises
    ------
    TableContractError
        If indexes differ, a label is NULL or infinite, or a decision time is NULL or no time.
    NotEnoughDataError
        If there are fewer than ``minimum_rows`` rows.
    """
    check_names(features)
    label, time = pd.Series(delay_min), pd.Series(decided_at)
    for name, series in (("delay_min", label), ("decided_at", time)):
        if len(series) != len(features) or not series.index.equals(features.index):
            raise TableContractError(
                f"{name} ({len(series):,} rows) and features ({len(features):,} rows) must share one index"
            )
    if not pd.api.types.is_datetime64_any_dtype(time.dtype):
        raise TableContractError(f"decided_at must hold instants, not {time.dtype}")
    if time.isna().any():
        raise TableContractError(f"decided_at is NULL in {int(time.isna().sum()):,} rows; leave these rows out")
    if not pd.api.types.is_numeric_dtype(label.dtype) or pd.api.types.is_bool_dtype(label.dtype):
        raise TableContractError(f"delay_min must hold minutes as numbers, not {label.dtype}")
    minutes = label.to_numpy(dtype=np.float64, na_value=np.nan)
    unusable = int((~np.isfinite(minutes)).sum())
    if unusable:
        raise TableContractError(
            f"delay_min is NULL or infinite in {unusable:,} of {len(minutes):,} rows; train on measured pickups only"
        )
    if len(features) < minimum_rows:
        raise NotEnoughDataError("labelled rows to fit the delay model", needs=minimum_rows, has=len(features))
    order = np.argsort(time.to_numpy(dtype="datetime64[us]"), kind="stable")
    return TrainingRows(
        features.iloc[order].reset_index(drop=True), minutes[order], time.iloc[order].reset_index(drop=True)
    )


def time_blocks(decided_at: pd.Series, params: DelayParams) -> Blocks:
    """Cut sorted rows into train | validation | calibration.

    Rows decided at the same instant stay in one block: a day planned at once is never cut in two.

    Raises
    ------
    NotEnoughDataError
        If the decision times are too few to give every block rows of its own.
    """
    n_rows = len(decided_at)
    times = decided_at.to_numpy(dtype="datetime64[us]")
    wanted = (1.0 - params.validation_share - params.calibration_share, 1.0 - params.calibration_share)
    cuts = [int(np.searchsorted(times, times[min(round(share * n_rows), n_rows - 1)])) for share in wanted]
    if not 0 < cuts[0] < cuts[1] < n_rows:
        filled = len({0, *cuts, n_rows}) - 1
        raise NotEnoughDataError(
            "time blocks (train, validation, calibration) with rows of their own", needs=3, has=filled
        )
    return Blocks(slice(0, cuts[0]), slice(cuts[0], cuts[1]), slice(cuts[1], n_rows))


def describe_blocks(blocks: Blocks, decided_at: pd.Series) -> pd.DataFrame:
    """One row a block: rows and the first and last decision time, as ISO text."""
    rows = []
    for name in ("train", "validation", "calibration"):
        part = decided_at.iloc[getattr(blocks, name)]
        rows.append(
            {
                "block": name,
                "rows": len(part),
                "first_decided_at": part.iloc[0].isoformat(),
                "last_decided_at": part.iloc[-1].isoformat(),
            }
        )
    return pd.DataFrame(rows)
