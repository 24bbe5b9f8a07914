"""Two models' errors on the same courses, compared every day without ever testing too often.

A test that is made for one look and looked at daily finds a difference between equal models sooner or later. What is
used here holds at all days at once: the t-mixture e-process for a mean of unknown variance and the confidence sequence
that it inverts to (Lai, *On confidence sequences*, Annals of Statistics 1976; Wang and Ramdas, *Anytime-valid t-tests
and confidence sequences for Gaussian means with unknown variance*, 2023). By Ville's inequality the probability that it
ever rejects what is true, however long and often one looks, is at most alpha.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from atmr_pipeline.domain.errors import SettingsError, TableContractError

FloatArray = npt.NDArray[np.float64]
DAY_COLUMNS = ("service_day", "courses", "challenger_error_min", "served_error_min")
HORIZON_DAYS = 3_650


class Verdict(StrEnum):
    """What the comparison says so far."""

    BETTER = "challenger_better"
    WORSE = "challenger_worse"
    EQUIVALENT = "equivalent"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class SequentialRules:
    """When a comparison may end.

    Parameters
    ----------
    alpha : float
        Probability that any verdict of a comparison is ever wrong.
    margin : float
        Equivalent means: surely within this share of the served model's mean absolute error.
    effect_sd : float
        Width of the normal mixture over the daily effect (mean difference over its standard deviation). It changes how
        soon a difference is seen, not the error rate. A tenth of the error is 0.4 in simulation.
    minimum_days : int
        No verdict before: the sums of a few days are too far from normal.
    """

    alpha: float = 0.05
    margin: float = 0.05
    effect_sd: float = 0.4
    minimum_days: int = 7

    def __post_init__(self) -> None:
        if not 0.0 < self.alpha < 0.5 or not 0.0 < self.margin < 1.0:
            raise SettingsError("sequential comparison: needs 0 < alpha < .5 and 0 < margin < 1")
        if self.effect_sd <= 0.0 or self.minimum_days < 2:
            raise SettingsError("sequential comparison: needs effect_sd > 0 and minimum_days >= 2")


@dataclass(frozen=True)
class Path:
    """The comparison after each day; arrays of shape (..., days).

    Parameters
    ----------
    relative : ndarray
        Challenger's mean absolute error over the served model's, less 1; NaN before any error.
    lower, upper : ndarray
        Confidence sequence of it; infinite while nothing can be said.
    log_e : ndarray
        Natural logarithm of the e-value against "no difference".
    """

    relative: FloatArray
    lower: FloatArray
    upper: FloatArray
    log_e: FloatArray


@dataclass(frozen=True)
class Comparison:
    """The verdict, with the figures of the day on which it fell; of the last day while there is none.

    Parameters
    ----------
    verdict : Verdict
    days, courses : int
        That the figures rest on.
    relative, lower, upper : float
        0.03: the challenger's mean absolute error is 3 % larger. NaN and infinite while nothing can be said.
    e_value : float
        Against "no difference"; 20 is a decision at alpha .05.
    decided_on : Timestamp or None
        Service day of the verdict.
    days_needed : int or None
        Days in all that a verdict would take if those to come are like those so far; None if decided, unknown or more
        than :data:`HORIZON_DAYS`.
    path : DataFrame
        One row a day: :data:`DAY_COLUMNS` and the fields of :class:`Path`, ``e_value`` and ``verdict``.
    """

    verdict: Verdict
    days: int
    courses: int
    relative: float
    lower: float
    upper: float
    e_value: float
    decided_on: pd.Timestamp | None
    days_needed: int | None
    path: pd.DataFrame

    def summary(self) -> str:
        """The verdict in words."""
        seen = f"{self.courses:,} courses on {self.days} days"
        if not np.isfinite(self.lower) or not np.isfinite(self.upper):
            return f"undecided: {seen} say nothing yet{self._outlook()}"
        figures = f"MAE {self.relative:+.1%} ({self.lower:+.1%} to {self.upper:+.1%}) on {seen}"
        words = {
            Verdict.BETTER: "challenger is better",
            Verdict.WORSE: "challenger is worse",
            Verdict.EQUIVALENT: "challenger is as good",
            Verdict.UNDECIDED: "undecided",
        }
        return f"{words[self.verdict]}: {figures}{self._outlook()}"

    def _outlook(self) -> str:
        if self.verdict is not Verdict.UNDECIDED or self.days_needed is None:
            return ""
        return f"; about {self.days_needed} days in all if the coming ones are like these"


def confidence_path(difference: FloatArray, served: FloatArray, *, alpha: float, effect_sd: float) -> Path:
    """The comparison after each day, from sums over the courses of a day.

    Days are the unit: courses of a day share its traffic and weather, and count together. For each relative difference
    r the day's sum of ``|challenger| - (1 + r) |served|`` has mean zero exactly if the challenger's error per course is
    1 + r times the other's; the r that the e-process does not reject are the interval (as in Fieller 1954, for a
    ratio). So days weigh by their courses, as they do in a mean absolute error, and the uncertainty of the served
    model's own error is in the interval.

    Parameters
    ----------
    difference : ndarray of shape (..., days)
        Sum over each day's courses of the challenger's absolute error less the served model's, minutes.
    served : ndarray of shape (..., days)
        Sum over each day's courses of the served model's absolute error, minutes.

    Notes
    -----
    With ``n`` days, sum ``S``, sum of squares ``V`` and ``c = 1 / effect_sd``, the e-value of mean zero is
    ``sqrt(c² / (n + c²)) · (1 - S² / ((n + c²) V))^(-n / 2)``: the Bayes factor of a normal mixture of effects over
    none, under the scale-invariant prior of the variance. It is exact for normal sums; how it fares with heavy tails is
    simulated in ``benchmarks/challenge.py``.
    """
    n = np.arange(1, difference.shape[-1] + 1, dtype=np.float64)
    c2 = 1.0 / effect_sd**2
    sums = [np.cumsum(part, axis=-1) for part in (difference, served)]
    squares = [np.cumsum(part, axis=-1) for part in (difference**2, difference * served, served**2)]
    lower, upper = _interval(n, sums, squares, alpha, c2)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(squares[0] > 0.0, sums[0] ** 2 / ((n + c2) * squares[0]), 0.0)
        relative = sums[0] / sums[1]
    log_e = 0.5 * np.log(c2 / (n + c2)) - 0.5 * n * np.log1p(-share)
    return Path(relative, lower, upper, log_e)


def _interval(
    n: FloatArray, sums: list[FloatArray], squares: list[FloatArray], alpha: float, c2: float
) -> tuple[FloatArray, FloatArray]:
    """Roots of the quadratic in r at which the e-value of the day sums reaches 1 / alpha; infinite if it has none."""
    limit = -np.expm1(-(np.log((n + c2) / c2) - 2.0 * np.log(alpha)) / n) * (n + c2)
    square = sums[1] ** 2 - limit * squares[2]
    half_linear = sums[0] * sums[1] - limit * squares[1]
    constant = sums[0] ** 2 - limit * squares[0]
    root = np.sqrt(np.maximum(half_linear**2 - square * constant, 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        lower, upper = (half_linear - root) / square, (half_linear + root) / square
    return np.where(square > 0.0, lower, -np.inf), np.where(square > 0.0, upper, np.inf)


def verdicts_of(lower: FloatArray, upper: FloatArray, margin: float) -> npt.NDArray[np.object_]:
    """What each interval says by itself; a sure difference that is surely within the margin matters to nobody."""
    verdicts = np.full(lower.shape, Verdict.UNDECIDED, dtype=object)
    verdicts[upper < 0.0] = Verdict.BETTER
    verdicts[lower > 0.0] = Verdict.WORSE
    verdicts[(lower > -margin) & (upper < margin)] = Verdict.EQUIVALENT
    return verdicts


def compare_sequentially(days: pd.DataFrame, rules: SequentialRules | None = None) -> Comparison:
    """Compare a challenger with what was served, by day, and stop at the first verdict.

    A verdict stands: later days are in the path and change nothing, since choosing among many days' verdicts is what
    the error rate would not survive.

    Parameters
    ----------
    days : DataFrame
        One row a service day, oldest first: :data:`DAY_COLUMNS`; the errors are sums over the day's courses of
        absolute errors, minutes. See :func:`atmr_pipeline.promotion.pairs.days_of`.
    rules : SequentialRules, optional

    Raises
    ------
    TableContractError
        If columns are missing, values unknown, or days repeated or out of order.
    """
    rules = rules or SequentialRules()
    ours, theirs = _checked(days)
    path = confidence_path(ours - theirs, theirs, alpha=rules.alpha, effect_sd=rules.effect_sd)
    verdicts = verdicts_of(path.lower, path.upper, rules.margin)
    verdicts[: rules.minimum_days - 1] = Verdict.UNDECIDED
    decided = np.flatnonzero(verdicts != Verdict.UNDECIDED)
    at = int(decided[0]) if len(decided) else len(days) - 1
    verdicts[at:] = verdicts[at] if len(days) else Verdict.UNDECIDED
    e_values = np.exp(np.minimum(path.log_e, 700.0))
    table = days[list(DAY_COLUMNS)].assign(
        relative=path.relative, lower=path.lower, upper=path.upper, e_value=e_values, verdict=[str(v) for v in verdicts]
    )
    if not len(days):
        nothing = float("nan")
        return Comparison(Verdict.UNDECIDED, 0, 0, nothing, -np.inf, np.inf, 1.0, None, None, table)
    return Comparison(
        verdict=Verdict(verdicts[at]),
        days=at + 1,
        courses=int(days["courses"].iloc[: at + 1].sum()),
        relative=float(path.relative[at]),
        lower=float(path.lower[at]),
        upper=float(path.upper[at]),
        e_value=float(e_values[at]),
        decided_on=pd.Timestamp(days["service_day"].iloc[at]) if len(decided) else None,
        days_needed=None if len(decided) else _days_needed(ours - theirs, theirs, rules),
        path=table,
    )


def _days_needed(difference: FloatArray, served: FloatArray, rules: SequentialRules) -> int | None:
    """Days after which there would be a verdict if sums and squares go on growing as they did."""
    seen = len(difference)
    n = np.arange(max(seen + 1, rules.minimum_days), HORIZON_DAYS + 1, dtype=np.float64)
    growth = n / seen
    sums = [part.sum() * growth for part in (difference, served)]
    squares = [part.sum() * growth for part in (difference**2, difference * served, served**2)]
    lower, upper = _interval(n, sums, squares, rules.alpha, 1.0 / rules.effect_sd**2)
    decided = np.flatnonzero(verdicts_of(lower, upper, rules.margin) != Verdict.UNDECIDED)
    return int(n[decided[0]]) if len(decided) else None


def _checked(days: pd.DataFrame) -> tuple[FloatArray, FloatArray]:
    missing = [name for name in DAY_COLUMNS if name not in days.columns]
    if missing:
        raise TableContractError(f"sequential comparison: missing columns {', '.join(missing)}")
    unknown: dict[str, Any] = {name: int(days[name].isna().sum()) for name in DAY_COLUMNS}
    if any(unknown.values()):
        parts = [f"{name} in {count} rows" for name, count in unknown.items() if count]
        raise TableContractError(f"sequential comparison: unknown values: {', '.join(parts)}")
    if not (days["service_day"].is_monotonic_increasing and days["service_day"].is_unique):
        raise TableContractError("sequential comparison: service days must be unique and in order")
    errors = days[["challenger_error_min", "served_error_min"]].to_numpy(dtype=np.float64)
    if not np.isfinite(errors).all() or (errors < 0.0).any():
        raise TableContractError("sequential comparison: sums of absolute errors must be finite and not negative")
    return errors[:, 0], errors[:, 1]
