"""What a delay model must show on held-out days before it may become the champion."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import t as student_t

from atmr_pipeline.promotion.bootstrap import PairedComparison, compare_by_day
from atmr_pipeline.promotion.comparisons import checked_frame, minimum, non_inferior, not_worse, superior
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
OPTIONAL = ("abs_error_champion_min",)


@dataclass(frozen=True)
class DelayGateLimits:
    """Limits of the delay gates; the margins are measured, see the operating characteristics in the tests.

    Parameters
    ----------
    min_rows, min_days : int
        Held-out rows and days below which nothing is concluded.
    champion_margin, champion_point_limit : float
        Relative MAE against the champion: upper bound and point estimate.
    constant_median_point_limit : float
        Relative MAE against the constant that is best in MAE. The challenger predicts a mean, which on skewed delays
        loses MAE by its nature, so it must not lose here, and must surely win against the constant mean.
    spline_ridge_point_limit : float
        Relative MAE against the spline-ridge baseline: point estimate, for a model that is not surely worse.
    min_coverage, max_coverage : float
        Share of actual delays inside the 90 % interval.
    max_abs_bias_min : float
        Absolute mean error, minutes, that must lie inside the mean's interval over days: a month of twelve courses a
        day knows its own mean to about 0.6 min, so a bare limit would refuse one unbiased model in ten.
    level : float
        One-sided confidence of the bounds.
    """

    min_rows: int = 200
    min_days: int = 14
    champion_margin: float = 0.05
    champion_point_limit: float = 0.02
    constant_median_point_limit: float = 0.0
    spline_ridge_point_limit: float = 0.02
    min_coverage: float = 0.85
    max_coverage: float = 0.95
    max_abs_bias_min: float = 1.0
    level: float = 0.95


@dataclass(frozen=True)
class CompanyProfile:
    """The company's absolute figures for "late or not", as a named profile that is off by default.

    It is off because the process that generates the delays cannot pass it: on the company's year even the true
    probabilities give an accuracy of .775, so a gate at .85 measures the noise of traffic and not the model.
    """

    min_accuracy: float = 0.85
    min_precision: float = 0.80
    min_recall: float = 0.75
    min_f1: float = 0.78


def delay_gates(
    holdout: pd.DataFrame, *, reload_identical: bool, limits: DelayGateLimits | None = None
) -> list[GateVerdict]:
    """Judge a challenger on held-out days that neither it nor the champion was trained or tuned on.

    Parameters
    ----------
    holdout : DataFrame
        One row per held-out assignment: ``service_day``; ``error_challenger_min`` (predicted - actual);
        ``abs_error_constant_mean_min``, ``abs_error_constant_median_min`` and ``abs_error_spline_ridge_min``, of the
        baselines; ``covered_challenger`` (bool,
        actual inside the 90 % interval); ``brier_challenger`` and ``brier_constant`` (squared error of P(late), the
        latter of the training set's late rate); ``abs_error_champion_min`` if there is a champion.
    reload_identical : bool
        The saved files, loaded again, gave the same predictions.
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
    frame = checked_frame(holdout, REQUIRED, OPTIONAL, "delay holdout")
    days, error = frame["service_day"], frame["error_challenger_min"].astype("float64")

    def against(column: str) -> PairedComparison:
        return compare_by_day(days, error.abs(), frame[column].astype("float64"), level=limits.level)

    champion = against("abs_error_champion_min") if "abs_error_champion_min" in frame.columns else None
    return [
        minimum("enough_rows", "held-out rows", limits.min_rows, len(frame)),
        minimum("enough_days", "held-out days", limits.min_days, int(days.nunique())),
        superior("better_than_constant_mean", "MAE", against("abs_error_constant_mean_min")),
        not_worse(
            "not_worse_than_constant_median",
            "MAE",
            against("abs_error_constant_median_min"),
            point_limit=limits.constant_median_point_limit,
        ),
        not_worse(
            "not_worse_than_spline_ridge",
            "MAE",
            against("abs_error_spline_ridge_min"),
            point_limit=limits.spline_ridge_point_limit,
        ),
        non_inferior(
            "not_inferior_to_champion",
            "MAE",
            champion,
            margin=limits.champion_margin,
            point_limit=limits.champion_point_limit,
        ),
        _coverage(frame["covered_challenger"], limits),
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


def company_profile_gates(
    late: pd.Series, predicted_late: pd.Series, profile: CompanyProfile | None = None
) -> list[GateVerdict]:
    """The company's absolute figures; add them to the list only where :class:`CompanyProfile` is switched on.

    Parameters
    ----------
    late, predicted_late : Series of bool
        Same rows.
    """
    profile = profile or CompanyProfile()
    actual, predicted = late.to_numpy(dtype=bool), predicted_late.to_numpy(dtype=bool)
    hits = int((actual & predicted).sum())
    precision, recall = _share(hits, int(predicted.sum())), _share(hits, int(actual.sum()))
    figures = {
        "accuracy": (_share(int((actual == predicted).sum()), len(actual)), profile.min_accuracy),
        "precision": (precision, profile.min_precision),
        "recall": (recall, profile.min_recall),
        "f1": (_share(2 * hits, int(actual.sum() + predicted.sum())), profile.min_f1),
    }
    return [
        GateVerdict(
            f"company_{name}", value >= limit, value, limit, len(actual), f"{name} {value:.3f}, at least {limit:.2f}"
        )
        for name, (value, limit) in figures.items()
    ]


def _coverage(covered: pd.Series, limits: DelayGateLimits) -> GateVerdict:
    share = _share(int(covered.astype(bool).sum()), len(covered))
    low, high = limits.min_coverage, limits.max_coverage
    nearest = low if share < (low + high) / 2 else high
    detail = f"{share:.1%} of actual delays inside the 90 % interval, allowed {low:.0%} to {high:.0%}"
    return GateVerdict("coverage", low <= share <= high, share, nearest, len(covered), detail)


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


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
