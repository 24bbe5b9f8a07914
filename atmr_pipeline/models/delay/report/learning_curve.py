"""What more history is worth: fits on growing pieces of the past, judged on the same held-out days."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd

from atmr_pipeline.domain.errors import NotEnoughDataError
from atmr_pipeline.models.delay.bootstrap import DayBlocks, Interval
from atmr_pipeline.models.delay.model import DelayModel

POINTS = 6
SMALLEST_ROWS = 250


def learning_curve(
    model: DelayModel,
    train: pd.DataFrame,
    holdout: pd.DataFrame,
    blocks: DayBlocks,
    *,
    points: int = POINTS,
    smallest_rows: int = SMALLEST_ROWS,
) -> pd.DataFrame:
    """Held-out error of the chosen candidate and of spline-ridge after so many rows.

    Every piece begins with the oldest row, as the company lived it; a short piece is therefore an old one too. Sizes
    grow by a constant factor, so that all pieces together cost little more than one or two fits. Only the chosen
    candidate and spline-ridge are fitted, with the settings of the model: nothing is tuned again. The last point is the
    model itself.

    Parameters
    ----------
    model : DelayModel
        Fitted on ``train``.
    train : DataFrame
        The rows it was fitted on: its features, ``delay_min`` and ``decided_at``, in any order.
    holdout : DataFrame
        Later rows: its features and ``delay_min``.
    blocks : DayBlocks
        The days of ``holdout``.
    points : int
        At most so many sizes, at least 1; ``points - 1`` fits.
    smallest_rows : int
        Rows of the first piece; with fewer rows than twice this there is one point.

    Returns
    -------
    DataFrame
        One row a size: ``rows``; ``last_decided_at`` (ISO text, UTC); ``model_mae_min, model_low, model_high`` and
        ``spline_ridge_mae_min, spline_ridge_low, spline_ridge_high`` (minutes, 95 % band, whole days drawn);
        ``not_fitted`` (str, NULL if it was): why a piece has no figures.

    Raises
    ------
    ValueError
        If ``points`` or ``smallest_rows`` is below 1.
    """
    if points < 1 or smallest_rows < 1:
        raise ValueError(f"points and smallest_rows must be at least 1, not {points} and {smallest_rows}")
    ordered = train.sort_values("decided_at", kind="stable")
    params = dataclasses.replace(model.params_, candidates=(model.chosen_name_,), tuning_trials=0, mlp_minimum_rows=1)
    lines: list[dict[str, Any]] = []
    for size in piece_sizes(ordered["decided_at"], points, smallest_rows):
        piece = ordered.iloc[:size]
        line: dict[str, Any] = {"rows": size, "last_decided_at": piece["decided_at"].iloc[-1].isoformat()}
        names = model.feature_names_
        try:
            fitted = (
                model
                if size == len(ordered)
                else DelayModel(params).fit(piece[names], piece["delay_min"], piece["decided_at"])
            )
        except NotEnoughDataError as error:
            lines.append({**line, **_figures(None, holdout, blocks), "not_fitted": str(error)})
            continue
        lines.append({**line, **_figures(fitted, holdout, blocks), "not_fitted": None})
    return pd.DataFrame(lines).astype({"not_fitted": "str"})


def piece_sizes(decided_at: pd.Series, points: int, smallest_rows: int) -> list[int]:
    """Growing numbers of rows, the last is all; what was decided at one instant is never cut in two.

    Parameters
    ----------
    decided_at : Series
        Sorted.
    """
    n_rows = len(decided_at)
    if points == 1 or n_rows < 2 * smallest_rows:
        return [n_rows]
    wanted = np.geomspace(smallest_rows, n_rows, points).round().astype(int)
    times = decided_at.to_numpy(dtype="datetime64[us]")
    whole = np.searchsorted(times, times[wanted - 1], side="right")
    return sorted({int(size) for size in whole})


def _figures(fitted: DelayModel | None, holdout: pd.DataFrame, blocks: DayBlocks) -> dict[str, float]:
    result: dict[str, float] = {}
    for name in ("model", "spline_ridge"):
        error = Interval(np.nan, np.nan, np.nan)
        if fitted is not None:
            predict = fitted.predict if name == "model" else fitted.predict_baseline
            predicted = predict(holdout[fitted.feature_names_])["expected_delay_min"]
            error = blocks.mean(np.abs(predicted.to_numpy() - holdout["delay_min"].to_numpy(dtype=np.float64)))
        result |= {f"{name}_mae_min": error.value, f"{name}_low": error.low, f"{name}_high": error.high}
    return result
