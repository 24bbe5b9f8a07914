"""The model beside every baseline and beside what nobody could beat."""

from typing import Any

import numpy as np
import pandas as pd

from atmr_pipeline.domain.errors import NotEnoughDataError, TableContractError
from atmr_pipeline.domain.vocabulary import LATE_AFTER_MIN
from atmr_pipeline.models.delay.bootstrap import DayBlocks, Interval
from atmr_pipeline.models.delay.training import DelayTraining

MODEL = "model"
FLOOR = "floor (replayed)"
UNKNOWN = Interval(np.nan, np.nan, np.nan)


def floor_figures(
    holdout: pd.DataFrame, truth: pd.DataFrame, *, late_after_min: float = LATE_AFTER_MIN, seed: int = 0
) -> dict[str, float | None]:
    """Errors of the perfect predictor on the held-out pickups, and how far above them the model is.

    Parameters
    ----------
    holdout : DataFrame
        ``assignment_id, service_day, delay_min, expected_delay_min``.
    truth : DataFrame
        ``assignment_id, expected_delay_min`` (minutes) and ``p_late`` of a predictor that knows the world.

    Returns
    -------
    dict
        ``mae, rmse`` (minutes), ``r2`` (None if all delays are equal), ``p_late_brier``, ``n``,
        ``rows_without_truth`` (left out of all of these), ``model_over_floor`` (ratio of the two MAE on the same rows)
        with its 95 % interval ``model_over_floor_low, model_over_floor_high``; None where it is not defined.

    Raises
    ------
    NotEnoughDataError
        If no held-out pickup has a truth.
    TableContractError
        If the truth names an assignment twice.
    """
    repeated = int(truth["assignment_id"].duplicated().sum())
    if repeated:
        raise TableContractError(f"the truth names {repeated:,} assignments more than once")
    perfect = truth.set_index("assignment_id").reindex(holdout["assignment_id"])
    known = perfect["expected_delay_min"].notna().to_numpy()
    if not known.any():
        raise NotEnoughDataError("held-out pickups whose truth is known", needs=1, has=0)
    rows, truth_rows = holdout[known], perfect[known]
    actual = rows["delay_min"].to_numpy(dtype=np.float64)
    error = truth_rows["expected_delay_min"].to_numpy(dtype=np.float64) - actual
    model_error = rows["expected_delay_min"].to_numpy(dtype=np.float64) - actual
    spread = float(np.square(actual - actual.mean()).sum())
    several_days = rows["service_day"].nunique() > 1
    blocks = DayBlocks.of(rows["service_day"], seed=seed) if several_days else None
    over = UNKNOWN if blocks is None else blocks.ratio(np.abs(model_error), np.abs(error))
    figures: dict[str, float] = {
        "mae": float(np.abs(error).mean()),
        "rmse": float(np.sqrt(np.square(error).mean())),
        "r2": 1.0 - float(np.square(error).sum()) / spread if spread > 0.0 else np.nan,
        "p_late_brier": float(np.square(truth_rows["p_late"].to_numpy() - (actual > late_after_min)).mean()),
        "n": float(known.sum()),
        "rows_without_truth": float((~known).sum()),
        "model_over_floor": over.value,
        "model_over_floor_low": over.low,
        "model_over_floor_high": over.high,
    }
    return {name: float(value) if np.isfinite(value) else None for name, value in figures.items()}


def comparison_table(
    training: DelayTraining, blocks: DayBlocks, floor: dict[str, float | None] | None = None
) -> pd.DataFrame:
    """The model, its baselines and the floor on the held-out rows.

    Returns
    -------
    DataFrame
        ``model``; ``mae_min, low, high`` (95 % by drawing days); ``rmse_min, bias_min, r2, brier, coverage_pct``;
        ``model_against_it_pct`` with ``against_low, against_high``: the model's MAE over this one's, paired by day,
        negative is better for the model; ``mae_over_floor``, NULL unless the truth of every row is known. The model
        comes first, the floor, where known, last; a figure that is not defined is NULL.
    """
    actual = training.holdout["delay_min"].to_numpy(dtype=np.float64)
    lines = [_line(MODEL, training.evaluation, training.holdout["expected_delay_min"], actual, blocks)]
    for name, figures in training.baselines.items():
        against = training.comparisons[name]
        lines.append(
            _line(name, figures, training.holdout[f"{name}_min"], actual, blocks)
            | {
                "model_against_it_pct": against.relative_mae_pct,
                "against_low": against.low_pct,
                "against_high": against.high_pct,
            }
        )
    if floor is not None:
        lines.append(
            {
                "model": FLOOR,
                "mae_min": floor["mae"],
                "rmse_min": floor["rmse"],
                "r2": floor["r2"],
                "brier": floor["p_late_brier"],
            }
        )
    table = pd.DataFrame(lines)
    # A floor of fewer rows is no floor of all of them.
    best = floor["mae"] if floor is not None and floor["rows_without_truth"] == 0 else None
    table["mae_over_floor"] = table["mae_min"] / best if best else np.nan
    return table.astype({name: "float64" for name in table.columns if name != "model"})


def _line(
    name: str, figures: dict[str, Any], expected: pd.Series, actual: np.ndarray, blocks: DayBlocks
) -> dict[str, Any]:
    error = blocks.mean(np.abs(expected.to_numpy(dtype=np.float64) - actual))
    shown = ("rmse_min", "bias_min", "r2", "brier", "coverage_pct")
    unknown = {"model_against_it_pct": None, "against_low": None, "against_high": None}
    band = {"mae_min": error.value, "low": error.low, "high": error.high}
    return {"model": name, **band, **{key: figures[key] for key in shown}, **unknown}
