"""What a delay model must show on held-out days before it may become the champion."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.stats import t as student_t

from atmr_pipeline.promotion.bootstrap import PairedComparison, compare_by_day
from atmr_pipeline.promotion.comparisons import (
    NO_ANCHOR,
    NO_CHAMPION,
    checked_frame,
    minimum,
    non_inferior,
    not_worse,
    superior,
)
from atmr_pipeline.promotion.slices import SliceLimits, judge_slices
from atmr_pipeline.promotion.verdict import GateVerdict

REQUIRED = (
    "service_day",
    "error_challenger_min",
    "abs_error_constant_mean_min",
    "abs_error_constant_median_min",
    "abs_error_spline_ridge_min",
    "covered_challenger",
    "brier_challenger",
    "brier_constant",
)
OPTIONAL = ("abs_error_champion_min", "brier_champion", "abs_error_anchor_min")


@dataclass(frozen=True)
class DelayGateLimits:
    """Limits of the delay gates; the margins are measured, see ``benchmarks/gates.py``.

    Parameters
    ----------
    min_rows, min_days : int
        Held-out rows and days below which nothing is concluded.
    min_compared_rows : int
        Rows that champion or anchor was not trained on, below which it is not compared with.
    champion_margin, champion_point_limit : float
        Relative MAE against the champion, and against the anchor: upper bound and point estimate.
    brier_margin, brier_point_limit : float
        The same of the Brier score of P(late), against the champion: twice as wide, since its differences between two
        equal models spread twice as far.
    constant_median_point_limit : float
        Relative MAE against the constant that is best in MAE. The challenger predicts a mean, which on skewed delays
        loses MAE by its nature, so it must not lose here, and must surely win against the constant mean.
    spline_ridge_point_limit : float
        Relative MAE against the spline-ridge baseline: point estimate, for a model that is not surely worse.
    min_coverage, max_coverage : float
        Share of actual delays inside the 90 % interval, that its own interval over days must reach: with 200 rows a
        right model shows 82 or 96 % every few weeks.
    max_abs_bias_min : float
        Absolute mean error, minutes, that must lie inside the mean's interval over days: a month of twelve courses a
        day knows its own mean to about 0.6 min, so a bare limit would refuse one unbiased model in ten.
    level : float
        One-sided confidence of the bounds.
    slices : SliceLimits
    """

    min_rows: int = 200
    min_days: int = 14
    min_compared_rows: int = 100
    champion_margin: float = 0.05
    champion_point_limit: float = 0.02
    brier_margin: float = 0.10
    brier_point_limit: float = 0.04
    constant_median_point_limit: float = 0.0
    spline_ridge_point_limit: float = 0.02
    min_coverage: float = 0.85
    max_coverage: float = 0.95
    max_abs_bias_min: float = 1.0
    level: float = 0.95
    slices: SliceLimits = field(default_factory=SliceLimits)


def delay_gates(
    holdout: pd.DataFrame,
    *,
    reload_identical: bool,
    labels: Mapping[str, pd.Series],
    missing: Mapping[str, str] | None = None,
    limits: DelayGateLimits | None = None,
) -> list[GateVerdict]:
    """Judge a challenger on held-out days that neither it nor the champion was trained or tuned on.

    Parameters
    ----------
    holdout : DataFrame
        One row per held-out assignment: ``service_day``; ``error_challenger_min`` (predicted - actual);
        ``abs_error_constant_mean_min``, ``abs_error_constant_median_min`` and ``abs_error_spline_ridge_min``, of the
        baselines; ``covered_challenger`` (bool, actual inside the 90 % interval); ``brier_challenger`` and
        ``brier_constant`` (squared error of P(late), the latter of the training set's late rate); where there is a
        champion ``abs_error_champion_min`` and ``brier_champion``, where there is an anchor ``abs_error_anchor_min``;
        these are NaN in rows that the champion or anchor itself was trained on.
    reload_identical : bool
        The saved files, loaded again, gave the same predictions.
    labels : mapping of str to Series
        Name of a cut to the slice of each row, see :func:`atmr_pipeline.promotion.slices.slice_labels`.
    missing : mapping of str to str, optional
        Why there is no ``champion`` or no ``anchor`` to compare with.
    limits : DelayGateLimits, optional

    Returns
    -------
    list of GateVerdict

    Raises
    ------
    TableContractError
        If columns are missing or a value is unknown.
    """
    limits = limits or DelayGateLimits()
    frame = checked_frame(holdout, REQUIRED, (), "delay holdout").copy()
    compared = [name for name in OPTIONAL if name in holdout.columns]
    frame[compared] = holdout[compared]
    days, error = frame["service_day"], frame["error_challenger_min"].astype("float64")
    return [
        minimum("enough_rows", "held-out rows", limits.min_rows, len(frame)),
        minimum("enough_days", "held-out days", limits.min_days, int(days.nunique())),
        *_against_baselines(frame, limits),
        *_against_models(frame, {"champion": NO_CHAMPION, "anchor": NO_ANCHOR, **(missing or {})}, limits),
        _slices(frame, labels, limits),
        _coverage(days, frame["covered_challenger"], limits),
        _bias(days, error, limits),
        _brier(frame["brier_challenger"], frame["brier_constant"]),
        GateVerdict(
            "reload_identical",
            reload_identical,
            float(reload_identical),
            1.0,
            len(frame),
            "saved files give the same predictions" if reload_identical else "saved files give other predictions",
        ),
    ]


def holdout_errors(holdout: pd.DataFrame) -> pd.DataFrame:
    """What :func:`delay_gates` is given of a challenger and its baselines, from an evaluation's held-out rows.

    Parameters
    ----------
    holdout : DataFrame
        As :class:`~atmr_pipeline.models.delay.training.DelayTraining` describes it.
    """
    actual, late = holdout["delay_min"], holdout["is_late"].astype(float)
    return pd.DataFrame(
        {
            "service_day": holdout["service_day"],
            "error_challenger_min": holdout["expected_delay_min"] - actual,
            "abs_error_constant_mean_min": (holdout["constant_mean_min"] - actual).abs(),
            "abs_error_constant_median_min": (holdout["constant_median_min"] - actual).abs(),
            "abs_error_spline_ridge_min": (holdout["spline_ridge_min"] - actual).abs(),
            "covered_challenger": (actual >= holdout["low_min"]) & (actual <= holdout["high_min"]),
            "brier_challenger": (holdout["p_late"] - late) ** 2,
            "brier_constant": (holdout["constant_p_late"] - late) ** 2,
        }
    )


def _compared(frame: pd.DataFrame, column: str, limits: DelayGateLimits) -> PairedComparison | None:
    """The challenger against one column of the same measure, on the rows that the other was not trained on.

    None where there is no such column, or too few such rows to tell anything.
    """
    if column not in frame.columns:
        return None
    if column in OPTIONAL and frame[column].notna().sum() < min(limits.min_compared_rows, len(frame)):
        return None
    rows = frame[frame[column].notna()]
    ours = rows["brier_challenger"] if column.startswith("brier") else rows["error_challenger_min"].abs()
    theirs = rows[column].astype("float64")
    return compare_by_day(rows["service_day"], ours.astype("float64"), theirs, level=limits.level)


def _against_baselines(frame: pd.DataFrame, limits: DelayGateLimits) -> list[GateVerdict]:
    def against(column: str) -> PairedComparison:
        comparison = _compared(frame, column, limits)
        assert comparison is not None, "baselines are required columns"
        return comparison

    median, ridge = limits.constant_median_point_limit, limits.spline_ridge_point_limit
    return [
        superior("better_than_constant_mean", "MAE", against("abs_error_constant_mean_min")),
        not_worse(
            "not_worse_than_constant_median", "MAE", against("abs_error_constant_median_min"), point_limit=median
        ),
        not_worse("not_worse_than_spline_ridge", "MAE", against("abs_error_spline_ridge_min"), point_limit=ridge),
    ]


def _against_models(frame: pd.DataFrame, missing: Mapping[str, str], limits: DelayGateLimits) -> list[GateVerdict]:
    of_mae = limits.champion_margin, limits.champion_point_limit
    of_brier = limits.brier_margin, limits.brier_point_limit
    return [
        non_inferior(
            name,
            measure,
            _compared(frame, column, limits),
            margin=margin,
            point_limit=point_limit,
            missing=missing[against],
        )
        for name, measure, column, against, (margin, point_limit) in (
            ("not_inferior_to_champion", "MAE", "abs_error_champion_min", "champion", of_mae),
            ("not_inferior_to_anchor", "MAE", "abs_error_anchor_min", "anchor", of_mae),
            ("brier_not_inferior_to_champion", "Brier score", "brier_champion", "champion", of_brier),
        )
    ]


def _slices(frame: pd.DataFrame, labels: Mapping[str, pd.Series], limits: DelayGateLimits) -> GateVerdict:
    # Without a champion the constant of the same loss: a mean loses MAE to a median on skewed delays by its nature.
    by_champion = _compared(frame, "abs_error_champion_min", limits) is not None
    column, against = (
        ("abs_error_champion_min", "the champion")
        if by_champion
        else ("abs_error_constant_mean_min", "the constant mean")
    )
    known = frame[column].notna()
    rows = frame[known]
    ours = rows["error_challenger_min"].astype("float64").abs()
    cut = {name: label[known] for name, label in labels.items()}
    return judge_slices(
        rows["service_day"], ours, rows[column].astype("float64"), cut, against=against, limits=limits.slices
    )


def _coverage(days: pd.Series, covered: pd.Series, limits: DelayGateLimits) -> GateVerdict:
    inside = covered.astype("float64")
    share = float(inside.mean()) if len(inside) else math.nan
    room = _mean_half_width(days, inside, limits.level)
    low, high = limits.min_coverage, limits.max_coverage
    nearest = low if share < (low + high) / 2 else high
    told = f"{share:.1%} +- {room:.1%} of actual delays inside the 90 % interval"
    passed = low <= share + room and share - room <= high
    detail = f"{told}, not surely outside {low:.0%} to {high:.0%}"
    return GateVerdict("coverage", passed, share, nearest, len(covered), detail)


def _bias(days: pd.Series, error: pd.Series, limits: DelayGateLimits) -> GateVerdict:
    bias = float(error.mean()) if len(error) else float("nan")
    room = _mean_half_width(days, error, limits.level)
    surely = abs(bias) - room
    detail = f"mean error {bias:+.2f} +- {room:.2f} min, not surely beyond {limits.max_abs_bias_min:.2f} either way"
    return GateVerdict("bias", surely < limits.max_abs_bias_min, bias, limits.max_abs_bias_min, len(error), detail)


def _mean_half_width(days: pd.Series, error: pd.Series, level: float) -> float:
    """One-sided half width of the mean's interval, days as clusters (ratio estimator, Cochran 1977, ch. 9)."""
    by_day = error.groupby(days.to_numpy()).agg(["sum", "size"])
    n_days = len(by_day)
    if n_days < 2:
        return float("nan")
    deviations = by_day["sum"] - error.mean() * by_day["size"]
    standard_error = math.sqrt(n_days / (n_days - 1) * float(np.square(deviations).sum())) / len(error)
    return float(student_t.ppf(level, n_days - 1)) * standard_error


def _brier(challenger: pd.Series, constant: pd.Series) -> GateVerdict:
    ours, theirs = (float(np.mean(values)) if len(values) else float("nan") for values in (challenger, constant))
    detail = f"Brier score of P(late) {ours:.4f}, constant rate {theirs:.4f}"
    return GateVerdict("brier_not_worse_than_constant", ours <= theirs, ours, theirs, len(challenger), detail)
