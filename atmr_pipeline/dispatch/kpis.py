"""Key figures of a day's plan, and of many days."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from atmr_pipeline.dispatch.simulator import DayOutcome
from atmr_pipeline.domain.errors import NotEnoughDataError
from atmr_pipeline.domain.vocabulary import LATE_AFTER_MIN


@dataclass(frozen=True)
class DayKpis:
    """Key figures of one day.

    Parameters
    ----------
    bookings, served : int
    load_gap : int
        max - min of bookings served per driver on duty.
    late : int
        Served bookings whose driver came more than 5 minutes after the scheduled time.
    completion_rate : float
        Served over all; NaN without bookings.
    on_time_rate : float
        Not late over served; NaN if none was served.
    deadhead_km : float
        Km without a patient.
    cost : float
        Total cost of the day.
    """

    bookings: int
    served: int
    load_gap: int
    late: int
    completion_rate: float
    on_time_rate: float
    deadhead_km: float
    cost: float


@dataclass(frozen=True)
class PeriodKpis:
    """Key figures of a period. Rates are over all its bookings, so a busy day weighs more than a quiet one.

    Parameters
    ----------
    days, bookings, served, late : int
    mean_load_gap : float
    load_gap_le1_rate : float
        Share of days with a load gap of at most 1.
    completion_rate, on_time_rate : float
        As in :class:`DayKpis`.
    deadhead_km_per_day, cost_per_day : float
    """

    days: int
    bookings: int
    served: int
    late: int
    mean_load_gap: float
    load_gap_le1_rate: float
    completion_rate: float
    on_time_rate: float
    deadhead_km_per_day: float
    cost_per_day: float


def day_kpis(outcome: DayOutcome, *, late_after_min: float = LATE_AFTER_MIN) -> DayKpis:
    """Key figures of one day's outcome; ``late_after_min`` says from when a pickup counts as late."""
    bookings, served = len(outcome.served), outcome.n_served
    late = int(np.sum(outcome.lateness_min[outcome.served] > late_after_min))
    return DayKpis(
        bookings=bookings,
        served=served,
        load_gap=outcome.load_gap,
        late=late,
        completion_rate=_rate(served, bookings),
        on_time_rate=_rate(served - late, served),
        deadhead_km=outcome.deadhead_km,
        cost=outcome.total,
    )


def aggregate(days: Sequence[DayKpis]) -> PeriodKpis:
    """Key figures of many days.

    Raises
    ------
    NotEnoughDataError
        ``days`` is empty.
    """
    if not days:
        raise NotEnoughDataError("days to sum up", needs=1, has=0)
    bookings, served, late = (sum(getattr(day, name) for day in days) for name in ("bookings", "served", "late"))
    gaps = np.array([day.load_gap for day in days])
    return PeriodKpis(
        days=len(days),
        bookings=bookings,
        served=served,
        late=late,
        mean_load_gap=float(gaps.mean()),
        load_gap_le1_rate=float((gaps <= 1).mean()),
        completion_rate=_rate(served, bookings),
        on_time_rate=_rate(served - late, served),
        deadhead_km_per_day=float(np.mean([day.deadhead_km for day in days])),
        cost_per_day=float(np.mean([day.cost for day in days])),
    )


def _rate(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
