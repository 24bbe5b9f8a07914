"""The residual CUSUM: how fast it finds a shift, how rarely it cries wolf."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from atmr_pipeline.domain.errors import NotEnoughDataError, TableContractError
from atmr_pipeline.monitoring.cusum import (
    CusumResult,
    ResidualReference,
    cusum_sums,
    residual_cusum,
    residual_reference,
    with_reference,
)
from atmr_pipeline.monitoring.thresholds import DriftSettings

PER_DAY = 12
STD_MIN = 3.0
SETTINGS = DriftSettings()


def residuals(values: np.ndarray, start: str = "2025-10-01", per_day: int = PER_DAY) -> pd.DataFrame:
    days = -(-len(values) // per_day)
    day = np.repeat(pd.date_range(start, periods=days, unit="us").to_numpy(), per_day)[: len(values)]
    return pd.DataFrame({"service_day": day, "residual_min": values})


def follow(frame: pd.DataFrame, reference: ResidualReference) -> CusumResult:
    return residual_cusum(with_reference(frame, reference))


def first_crossing(shift_min: float, *, series: int, days: int, limit: float = SETTINGS.cusum_limit) -> np.ndarray:
    """Days until the limit is crossed, shape (series,); infinite where it never is."""
    rng = np.random.default_rng(7)
    drawn = np.clip((rng.normal(0.0, STD_MIN, (days * PER_DAY, series)) + shift_min) / STD_MIN, -3.0, 3.0)
    later, earlier = cusum_sums(drawn, SETTINGS.cusum_allowance, 2.0 * limit)
    crossed = np.maximum(later, earlier) > limit
    return np.where(crossed.any(axis=0), (crossed.argmax(axis=0) + 1) / PER_DAY, np.inf)


def test_five_minutes_are_found_within_two_days_and_two_within_five():
    assert np.median(first_crossing(5.0, series=200, days=20)) <= 2.0
    assert np.median(first_crossing(2.0, series=200, days=30)) <= 5.0
    assert np.median(first_crossing(-2.0, series=200, days=30)) <= 5.0


def test_false_alarms_stay_below_one_percent_of_weeks():
    """400 quiet years of 250 days: the share of weeks in which an alarm begins."""
    quiet = first_crossing(0.0, series=400, days=250)
    weeks = np.minimum(quiet, 250.0).sum() / 7.0
    assert np.isfinite(quiet).sum() / weeks < 0.01


def test_days_that_go_together_do_not_raise_false_alarms():
    """Half of the variance is common to a day: without the design effect a third of quiet years would alarm."""
    rng = np.random.default_rng(3)

    def year(days: int) -> np.ndarray:
        return rng.normal(0.0, 2.0, days * PER_DAY) + np.repeat(rng.normal(0.0, 2.0, days), PER_DAY)

    guarded = unguarded = 0
    for _ in range(40):
        reference = residual_reference(residuals(year(120)))
        assert reference.design_effect > 3.0
        live = residuals(year(120))
        naive = ResidualReference(reference.mean_min, reference.std_min, reference.n)
        guarded += bool(follow(live, reference).path["alarm"].any())
        unguarded += bool(follow(live, naive).path["alarm"].any())
    assert guarded <= 4
    assert unguarded >= 20


def test_alarm_day_direction_and_summary():
    rng = np.random.default_rng(0)
    values = rng.normal(0.0, STD_MIN, 40 * PER_DAY)
    values[20 * PER_DAY :] -= 5.0
    reference = ResidualReference(0.0, STD_MIN, 500)
    result = follow(residuals(values), reference)
    assert result.alarm_on is not None
    assert date(2025, 10, 21) <= result.alarm_on <= date(2025, 10, 23)
    assert result.direction == "earlier"
    assert result.n == 40 * PER_DAY
    assert "earlier than predicted" in result.summary()
    assert not result.path.loc[result.path.service_day < "2025-10-21", "alarm"].any()


def test_an_ended_drift_clears_within_weeks():
    rng = np.random.default_rng(1)
    values = rng.normal(0.0, STD_MIN, 120 * PER_DAY)
    values[20 * PER_DAY : 80 * PER_DAY] += 5.0
    result = follow(residuals(values), ResidualReference(0.0, STD_MIN, 500))
    assert result.alarm_on is None
    assert result.path["alarm"].sum() <= 60 + 10
    assert "quiet" in result.summary()


def test_one_breakdown_is_not_a_drift():
    values = np.random.default_rng(2).normal(0.0, STD_MIN, 30 * PER_DAY)
    values[200] = 400.0
    assert follow(residuals(values), ResidualReference(0.0, STD_MIN, 500)).alarm_on is None


def test_order_of_the_rows_does_not_matter_across_days():
    values = np.random.default_rng(4).normal(1.0, STD_MIN, 30 * PER_DAY)
    frame = residuals(values)
    reference = ResidualReference(0.0, STD_MIN, 500)
    reversed_days = pd.concat([day for _, day in sorted(frame.groupby("service_day"), reverse=True)])
    pd.testing.assert_frame_equal(follow(frame, reference).path, follow(reversed_days, reference).path)


@pytest.mark.parametrize(
    "values", [np.array([]), np.full(60, np.nan), np.full(60, np.inf), np.array([50.0] * 5)], ids=str
)
def test_too_little_is_said_and_never_alarms(values):
    result = follow(residuals(values), ResidualReference(0.0, STD_MIN, 500))
    assert result.alarm_on is None
    assert result.skipped_reason is not None
    assert "not judged" in result.summary()
    assert result.n + result.n_unknown == len(values)


def test_the_reference_is_measured_or_refused():
    rng = np.random.default_rng(6)
    values = rng.normal(0.4, STD_MIN, 600)
    values[:10] = np.nan
    measured = residual_reference(residuals(values))
    assert measured.n == 590
    assert measured.mean_min == pytest.approx(np.nanmean(values))
    assert measured.design_effect < 1.4
    with pytest.raises(NotEnoughDataError, match="needs 100, has 20"):
        residual_reference(residuals(values[10:30]))
    with pytest.raises(TableContractError, match="do not vary"):
        residual_reference(residuals(np.zeros(200)))
    with pytest.raises(TableContractError, match="residual_min"):
        residual_reference(residuals(values).drop(columns="residual_min"))
    for wrong in ((0.0, 0.0, 1.0), (np.nan, 1.0, 1.0), (0.0, 1.0, 0.5)):
        with pytest.raises(TableContractError, match="residual reference"):
            ResidualReference(wrong[0], wrong[1], 100, wrong[2])
