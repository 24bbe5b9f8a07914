"""Key figures of a day and of a period."""

import math

import numpy as np
import pytest
from dispatch_builders import line_day, random_day

from atmr_pipeline.dispatch.kpis import aggregate, day_kpis
from atmr_pipeline.dispatch.simulator import simulate
from atmr_pipeline.domain.errors import NotEnoughDataError


def test_a_day():
    kpis = day_kpis(simulate(line_day(), [0, 0, 0]))
    assert (kpis.bookings, kpis.served, kpis.late, kpis.load_gap) == (3, 3, 2, 3)
    assert kpis.completion_rate == 1.0
    assert kpis.on_time_rate == pytest.approx(1 / 3)
    assert kpis.deadhead_km == 40.0


def test_late_means_more_than_five_minutes_and_lost_is_not_late():
    day = line_day(scheduled_min=np.array([485.0, 494.9, 530.0]))
    kpis = day_kpis(simulate(day, [0, 0, -1]))
    assert (kpis.served, kpis.late) == (1, 0)
    assert kpis.completion_rate == pytest.approx(1 / 3)
    assert day_kpis(simulate(day, [0, -1, -1]), late_after_min=4.9).late == 1


def test_a_period_weighs_bookings_not_days():
    busy = day_kpis(simulate(line_day(), [0, 0, 0]))
    good = day_kpis(simulate(line_day(), [0, 1, 1]))
    empty = day_kpis(simulate(random_day(0, 2, 0), []))
    period = aggregate([busy, good, empty])
    assert (period.days, period.bookings, period.late) == (3, 6, 2)
    assert period.mean_load_gap == pytest.approx(4 / 3)
    assert period.load_gap_le1_rate == pytest.approx(2 / 3)
    assert period.on_time_rate == pytest.approx(4 / 6)
    assert period.deadhead_km_per_day == pytest.approx(20.0)


def test_rates_of_nothing_are_unknown():
    kpis = day_kpis(simulate(random_day(0, 2, 0), []))
    assert math.isnan(kpis.completion_rate)
    assert math.isnan(kpis.on_time_rate)
    with pytest.raises(NotEnoughDataError, match="needs 1, has 0"):
        aggregate([])
