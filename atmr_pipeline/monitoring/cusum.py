"""CUSUM of residuals: the alarm that asks for retraining.

Two one-sided cumulative sums of standardised residuals, one for "later than predicted" and one for "earlier"
(Page 1954). It finds +5 min of delay within about a day and a half of courses, where a monthly test needs weeks.

Delays have heavy tails, so a residual enters as a clipped score (Huber 1964): its distance from the median over a
robust scale, cut at 1.5. On the demo company that makes a change in the mean larger by half against the noise.

Each residual is measured against the held-out residuals of the model version that made it. So the sums go on when
another version is promoted; a stream that began anew with each champion would never see a drift that lasts longer than
a champion.
"""

from dataclasses import dataclass, replace
from datetime import date
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from atmr_pipeline.domain.errors import NotEnoughDataError, TableContractError
from atmr_pipeline.monitoring.events import alarm_run_start
from atmr_pipeline.monitoring.samples import day_numbers, service_days
from atmr_pipeline.monitoring.thresholds import DriftSettings
from atmr_pipeline.monitoring.two_sample import FloatArray, IntArray, intraclass_correlation, mean_cluster_size

RESIDUAL_COLUMN = "residual_min"
STREAM_COLUMNS = (RESIDUAL_COLUMN, "shift_min", "score", "reference_n")
MAD_TO_STD = 1.4826
"""Of a normal distribution: its standard deviation over the median absolute deviation."""


@dataclass(frozen=True)
class ResidualReference:
    """What a model version's residuals look like when nothing has changed.

    Parameters
    ----------
    mean_min, std_min : float
        Mean and standard deviation of actual minus expected delay on held-out days, minutes.
    n : int
        Residuals behind them.
    design_effect : float
        Variance inflation of the scores because those of one day go together (Kish 1965); 1 if they do not.
    centre_min, scale_min : float, optional
        Median, and median absolute deviation as a standard deviation, minutes. Mean and standard deviation if not
        given.
    clip : float
        A score counts at most this much either way.
    score_mean, score_std : float, optional
        Of the clipped scores. Those of a normal distribution if not given.

    Raises
    ------
    TableContractError
        When a spread is not positive or a figure is not finite.
    """

    mean_min: float
    std_min: float
    n: int
    design_effect: float = 1.0
    centre_min: float | None = None
    scale_min: float | None = None
    clip: float = 1.5
    score_mean: float = 0.0
    score_std: float | None = None

    def __post_init__(self) -> None:
        given = (self.mean_min, self.std_min, self.design_effect, self.clip, self.score_mean, self.n)
        spreads = [self.std_min, self.clip, self.scale_min, self.score_std]
        positive = all(spread is None or (np.isfinite(spread) and spread > 0.0) for spread in spreads)
        centred = self.centre_min is None or np.isfinite(self.centre_min)
        if not (np.isfinite(given).all() and positive and centred and self.design_effect >= 1.0 and self.n >= 1):
            raise TableContractError(
                "residual reference: mean and spread must be finite, spread > 0 and design effect >= 1; "
                "compute it on held-out days with residual_reference()"
            )

    def scores(self, residual_min: FloatArray) -> FloatArray:
        """Residuals as scores of mean 0 whose sums over days have variance 1 a residual, shape (n,)."""
        spread = _clipped_std(self.clip) if self.score_std is None else self.score_std
        clipped = self._clipped(residual_min)
        return (clipped - self.score_mean) / (spread * np.sqrt(self.design_effect))

    def _clipped(self, residual_min: FloatArray) -> FloatArray:
        centre = self.mean_min if self.centre_min is None else self.centre_min
        scale = self.std_min if self.scale_min is None else self.scale_min
        return np.clip((residual_min - centre) / scale, -self.clip, self.clip)


def _clipped_std(clip: float) -> float:
    """Standard deviation of a standard normal value that is cut at ``clip`` either way."""
    normal = NormalDist()
    tail = 1.0 - normal.cdf(clip)
    return float(np.sqrt(1.0 - 2.0 * tail - 2.0 * clip * normal.pdf(clip) + 2.0 * clip**2 * tail))


@dataclass(frozen=True)
class CusumResult:
    """The path of both sums and its verdict.

    Parameters
    ----------
    path : DataFrame of shape (days, 6)
        ``service_day, n, mean_residual_min`` (less the reference mean)``, later, earlier, alarm``: the highest value
        of each sum on that day, in standard deviations.
    alarm_on : date or None
        First day of the alarm that is on at the end of the path; None if none is.
    direction : str or None
        ``later`` or ``earlier`` than predicted, of the alarm that is on.
    n, n_unknown : int
        Residuals used, and rows without an actual time or without a reference.
    limit : float
        The alarm limit, in standard deviations.
    change_started_on : date or None
        Page's estimate of when the change of the alarm that is on began: the day after which its sum was never zero
        until it crossed the limit.
    shift_min : float
        Mean residual since then, less the reference mean, minutes; NaN without an alarm.
    courses : int
        Residuals since then.
    skipped_reason : str or None
        Why there is no verdict.
    """

    path: pd.DataFrame
    alarm_on: date | None
    direction: str | None
    n: int
    n_unknown: int
    limit: float
    change_started_on: date | None = None
    shift_min: float = float("nan")
    courses: int = 0
    skipped_reason: str | None = None

    def summary(self) -> str:
        """One line for a log or a terminal."""
        if self.skipped_reason:
            return f"residual CUSUM not judged: {self.skipped_reason}"
        if self.alarm_on is None:
            return f"residual CUSUM quiet over {self.n:,} courses"
        return (
            f"residual CUSUM alarm since {self.alarm_on}: pickups {self.shift_min:+.1f} min {self.direction} than "
            f"predicted since about {self.change_started_on} ({self.courses:,} courses)"
        )


def residual_reference(residuals: pd.DataFrame, settings: DriftSettings | None = None) -> ResidualReference:
    """Measure the residuals of held-out days.

    Parameters
    ----------
    residuals : DataFrame
        ``service_day`` and ``residual_min`` (actual minus expected delay) of days the model was not fitted on:
        residuals of training days are too small and would alarm on nothing.

    Raises
    ------
    NotEnoughDataError
        With fewer than ``minimum_reference_rows`` known residuals.
    """
    settings = settings or DriftSettings()
    known = _known(residuals)
    if len(known) < settings.minimum_reference_rows:
        raise NotEnoughDataError("held-out residuals", needs=settings.minimum_reference_rows, has=len(known))
    return measured_reference(known[RESIDUAL_COLUMN].to_numpy(dtype=np.float64), day_numbers(known), settings)


def measured_reference(values: FloatArray, days: IntArray, settings: DriftSettings) -> ResidualReference:
    """:func:`residual_reference` of known residuals, minutes, and the number of each one's day, both of shape (n,)."""
    mean, spread = float(values.mean()), float(values.std(ddof=1))
    if spread <= 0.0:
        raise TableContractError("held-out residuals do not vary; check that actual and expected delays are both known")
    centre = float(np.median(values))
    # More than half of the residuals equal: the scale of the others is the standard deviation.
    scale = MAD_TO_STD * float(np.median(np.abs(values - centre))) or spread
    clipped = np.clip((values - centre) / scale, -settings.cusum_clip, settings.cusum_clip)
    inflation = 1.0 + (mean_cluster_size(days) - 1.0) * float(intraclass_correlation(clipped, days))
    return ResidualReference(
        mean,
        spread,
        len(values),
        max(inflation, 1.0),
        centre,
        scale,
        settings.cusum_clip,
        float(clipped.mean()),
        float(clipped.std(ddof=1)),
    )


def with_reference(residuals: pd.DataFrame, reference: ResidualReference) -> pd.DataFrame:
    """Residuals of one model version, ready for :func:`residual_cusum`."""
    values = residuals[RESIDUAL_COLUMN].to_numpy(dtype=np.float64, na_value=np.nan)
    return residuals.assign(
        shift_min=values - reference.mean_min, score=reference.scores(values), reference_n=float(reference.n)
    )


def cusum_sums(
    standardised: FloatArray, allowance: FloatArray | float, ceiling: float
) -> tuple[FloatArray, FloatArray]:
    """Both one-sided sums after each residual.

    Parameters
    ----------
    standardised : ndarray of shape (n,) or (n, series)
        Residuals in time order, in standard deviations from the reference mean.
    allowance : float or ndarray of shape (n,)
        What is subtracted at each step.
    ceiling : float
        Where a sum stops growing.

    Returns
    -------
    tuple of ndarray
        ``later`` and ``earlier``, both of the shape of ``standardised``.
    """
    allowances = np.broadcast_to(np.asarray(allowance, dtype=np.float64), len(standardised))
    if standardised.ndim == 1:
        return _sums(standardised, allowances, ceiling), _sums(-standardised, allowances, ceiling)
    later, earlier = np.empty_like(standardised), np.empty_like(standardised)
    up = down = np.zeros(standardised.shape[1:])
    for step, (value, slack) in enumerate(zip(standardised, allowances, strict=True)):
        up = np.clip(up + value - slack, 0.0, ceiling)
        down = np.clip(down - value - slack, 0.0, ceiling)
        later[step], earlier[step] = up, down
    return later, earlier


def _sums(values: FloatArray, allowances: FloatArray, ceiling: float) -> FloatArray:
    total, sums = 0.0, []
    # Plain floats: a year of residuals takes a millisecond, an array operation each would take thirty.
    for step in (values - allowances).tolist():
        total = min(max(total + step, 0.0), ceiling)
        sums.append(total)
    return np.array(sums)


def residual_cusum(stream: pd.DataFrame, settings: DriftSettings | None = None) -> CusumResult:
    """Follow the residuals of what was served.

    Parameters
    ----------
    stream : DataFrame
        ``service_day``, ``residual_min`` (actual minus expected delay, minutes) and what the reference of the version
        that made the prediction makes of it: ``shift_min, score, reference_n``
        (:func:`~atmr_pipeline.monitoring.residuals.residual_stream` or :func:`with_reference`). Sorted by day here,
        the order within a day is kept. The first day fixes where the sums start.
    settings : DriftSettings, optional

    Returns
    -------
    CusumResult
        Without a verdict and with a reason when fewer than ``minimum_current_rows`` residuals are known.
    """
    settings = settings or DriftSettings()
    known = _known(stream, STREAM_COLUMNS[1:])
    unknown = len(stream) - len(known)
    shifts, scores, n = (known[name].to_numpy(dtype=np.float64) for name in STREAM_COLUMNS[1:])
    # The reference is an estimate too: without its standard error a few hundred held-out rows that happened to lie
    # low would count as a small drift for ever.
    allowances = settings.cusum_allowance + 1.0 / np.sqrt(n)
    later, earlier = cusum_sums(scores, allowances, settings.cusum_ceiling * settings.cusum_limit)
    path = _path(known["service_day"], shifts, later, earlier, settings.cusum_limit)
    quiet = CusumResult(path, None, None, len(known), unknown, settings.cusum_limit)
    if len(known) < settings.minimum_current_rows:
        reason = f"{len(known):,} residuals known, needs {settings.minimum_current_rows:,}"
        return replace(quiet, path=path.assign(alarm=False), skipped_reason=reason)
    alarm_on = alarm_run_start(path.set_index("service_day")["alarm"], settings.quiet_days_to_close)
    if alarm_on is None:
        return quiet
    direction = "later" if path["later"].iloc[-1] >= path["earlier"].iloc[-1] else "earlier"
    days = known["service_day"].to_numpy()
    start = _change_point(later if direction == "later" else earlier, days, alarm_on, settings.cusum_limit)
    return replace(
        quiet,
        alarm_on=alarm_on,
        direction=direction,
        change_started_on=pd.Timestamp(days[start]).date(),
        shift_min=float(shifts[start:].mean()),
        courses=len(shifts) - start,
    )


def _path(days: pd.Series, shifts: FloatArray, later: FloatArray, earlier: FloatArray, limit: float) -> pd.DataFrame:
    values, first, n = np.unique(days.to_numpy(), return_index=True, return_counts=True)
    if len(values):
        shifts, later, earlier = (
            np.add.reduceat(shifts, first) / n,
            np.maximum.reduceat(later, first),
            np.maximum.reduceat(earlier, first),
        )
    return pd.DataFrame(
        {
            "service_day": values,
            "n": n.astype(np.int64),
            "mean_residual_min": shifts,
            "later": later,
            "earlier": earlier,
            "alarm": np.maximum(later, earlier) > limit,
        }
    )


def _change_point(sums: FloatArray, days: npt.NDArray[np.datetime64], alarm_on: date, limit: float) -> int:
    """Row after the one at which the alarming sum was last zero before it crossed (Page 1954)."""
    since = np.flatnonzero((days >= np.datetime64(alarm_on)) & (sums > limit))
    crossed = int(since[0]) if len(since) else len(sums) - 1
    zeros = np.flatnonzero(sums[:crossed] <= 0.0)
    return int(zeros[-1]) + 1 if len(zeros) else 0


def _known(residuals: pd.DataFrame, also: tuple[str, ...] = ()) -> pd.DataFrame:
    columns: dict[str, Any] = {}
    for name in (RESIDUAL_COLUMN, *also):
        if name not in residuals.columns:
            raise TableContractError(
                f"monitoring needs the column {name}: a residual is actual minus expected delay, minutes, and comes "
                "with the reference of its version"
            )
        columns[name] = pd.to_numeric(residuals[name]).to_numpy(dtype=np.float64, na_value=np.nan)
    frame = pd.DataFrame({"service_day": service_days(residuals), **columns})
    known = np.isfinite(np.column_stack(list(columns.values()))).all(axis=1)
    return frame[known].sort_values("service_day", kind="stable").reset_index(drop=True)
