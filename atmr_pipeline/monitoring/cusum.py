"""CUSUM of the model's residuals: the alarm that asks for retraining.

Two one-sided cumulative sums of standardised residuals, one for "later than predicted" and one for "earlier"
(Page 1954). It finds +5 min of delay within about a day and a half of courses, where a monthly test needs weeks.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from atmr_pipeline.domain.errors import NotEnoughDataError, TableContractError
from atmr_pipeline.monitoring.events import alarm_run_start
from atmr_pipeline.monitoring.samples import service_days
from atmr_pipeline.monitoring.thresholds import DriftSettings
from atmr_pipeline.monitoring.two_sample import FloatArray, intraclass_correlation, mean_cluster_size

RESIDUAL_COLUMN = "residual_min"


@dataclass(frozen=True)
class ResidualReference:
    """What the champion's residuals look like when nothing has changed.

    Parameters
    ----------
    mean_min, std_min : float
        Mean and standard deviation of actual minus expected delay on held-out days, minutes.
    n : int
        Residuals behind them.
    design_effect : float
        Variance inflation because the residuals of one day go together (Kish 1965); 1 if they do not. The alarm
        limit is multiplied by it, which keeps the false alarm rate of independent residuals.

    Raises
    ------
    TableContractError
        When the spread is not positive or a figure is not finite.
    """

    mean_min: float
    std_min: float
    n: int
    design_effect: float = 1.0

    def __post_init__(self) -> None:
        figures = (self.mean_min, self.std_min, self.design_effect)
        if not np.isfinite(figures).all() or self.std_min <= 0.0 or self.design_effect < 1.0:
            raise TableContractError(
                "residual reference: mean and spread must be finite, spread > 0 and design effect >= 1; "
                "compute it on held-out days with residual_reference()"
            )


@dataclass(frozen=True)
class CusumResult:
    """The path of both sums and its verdict.

    Parameters
    ----------
    path : DataFrame of shape (days, 6)
        ``service_day, n, mean_residual_min, later, earlier, alarm``: the highest value of each sum on that day, in
        standard deviations.
    alarm_on : date or None
        First day of the alarm that is on at the end of the path; None if none is.
    direction : str or None
        ``later`` or ``earlier`` than predicted, of the alarm that is on.
    n, n_unknown : int
        Residuals used, and rows without an actual time.
    limit : float
        The alarm limit, in standard deviations, design effect included.
    skipped_reason : str or None
        Why there is no verdict.
    """

    path: pd.DataFrame
    alarm_on: date | None
    direction: str | None
    n: int
    n_unknown: int
    limit: float
    skipped_reason: str | None = None

    def summary(self) -> str:
        """One line for a log or a terminal."""
        if self.skipped_reason:
            return f"residual CUSUM not judged: {self.skipped_reason}"
        if self.alarm_on is None:
            return f"residual CUSUM quiet over {self.n:,} courses"
        return (
            f"residual CUSUM alarm since {self.alarm_on}: pickups {self.direction} than predicted ({self.n:,} courses)"
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
    values = known[RESIDUAL_COLUMN].to_numpy(dtype=np.float64)
    days = known["service_day"].to_numpy().astype(np.int64)
    mean, spread = float(values.mean()), float(values.std(ddof=1))
    if spread <= 0.0:
        raise TableContractError("held-out residuals do not vary; check that actual and expected delays are both known")
    clipped = np.clip((values - mean) / spread, -settings.cusum_clip, settings.cusum_clip)
    inflation = 1.0 + (mean_cluster_size(days) - 1.0) * intraclass_correlation(clipped, days)
    return ResidualReference(mean, spread, len(values), max(inflation, 1.0))


def cusum_sums(standardised: FloatArray, allowance: float, ceiling: float) -> tuple[FloatArray, FloatArray]:
    """Both one-sided sums after each residual.

    Parameters
    ----------
    standardised : ndarray of shape (n,) or (n, series)
        Residuals in time order, in standard deviations from the reference mean.
    allowance, ceiling : float
        What is subtracted at each step, and where a sum stops growing.

    Returns
    -------
    tuple of ndarray
        ``later`` and ``earlier``, both of the shape of ``standardised``.
    """
    later, earlier = np.empty_like(standardised), np.empty_like(standardised)
    up = down = np.zeros(standardised.shape[1:])
    for step, value in enumerate(standardised):
        up = np.clip(up + value - allowance, 0.0, ceiling)
        down = np.clip(down - value - allowance, 0.0, ceiling)
        later[step], earlier[step] = up, down
    return later, earlier


def residual_cusum(
    residuals: pd.DataFrame, reference: ResidualReference, settings: DriftSettings | None = None
) -> CusumResult:
    """Follow the residuals since the champion was promoted.

    Parameters
    ----------
    residuals : DataFrame
        ``service_day`` and ``residual_min`` (actual minus expected delay, minutes). Sorted by day here, the order
        within a day is kept. Always pass all days since the promotion: the first day fixes where the sums start.
    reference : ResidualReference
    settings : DriftSettings, optional

    Returns
    -------
    CusumResult
        Without a verdict and with a reason when fewer than ``minimum_current_rows`` residuals are known.
    """
    settings = settings or DriftSettings()
    limit = settings.cusum_limit * reference.design_effect
    known = _known(residuals)
    unknown = len(residuals) - len(known)
    values = known[RESIDUAL_COLUMN].to_numpy(dtype=np.float64)
    standardised = np.clip((values - reference.mean_min) / reference.std_min, -settings.cusum_clip, settings.cusum_clip)
    later, earlier = cusum_sums(standardised, settings.cusum_allowance, settings.cusum_ceiling * limit)
    steps = pd.DataFrame(
        {"service_day": known["service_day"], "residual": values, "later": later, "earlier": earlier},
    )
    path = steps.groupby("service_day", as_index=False).agg(
        n=("residual", "size"),
        mean_residual_min=("residual", "mean"),
        later=("later", "max"),
        earlier=("earlier", "max"),
    )
    path["alarm"] = path[["later", "earlier"]].max(axis=1) > limit
    if len(known) < settings.minimum_current_rows:
        reason = f"{len(known):,} residuals known, needs {settings.minimum_current_rows:,}"
        return CusumResult(path.assign(alarm=False), None, None, len(known), unknown, limit, reason)
    alarm_on = alarm_run_start(path.set_index("service_day")["alarm"], settings.quiet_days_to_close)
    direction = None
    if alarm_on is not None:
        direction = "later" if path["later"].iloc[-1] >= path["earlier"].iloc[-1] else "earlier"
    return CusumResult(path, alarm_on, direction, len(known), unknown, limit)


def _known(residuals: pd.DataFrame) -> pd.DataFrame:
    if RESIDUAL_COLUMN not in residuals.columns:
        raise TableContractError(f"monitoring needs the column {RESIDUAL_COLUMN}: actual minus expected delay, minutes")
    values = pd.to_numeric(residuals[RESIDUAL_COLUMN]).to_numpy(dtype=np.float64, na_value=np.nan)
    frame = pd.DataFrame({"service_day": service_days(residuals), RESIDUAL_COLUMN: values})
    return frame[np.isfinite(values)].sort_values("service_day", kind="stable").reset_index(drop=True)
