"""On any day, whatever a scorer believes: a change never breaks a shift, an absence, a limit or a guard."""

from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atmr_pipeline.dispatch.guards import check_plan
from atmr_pipeline.dispatch.planners import plan
from atmr_pipeline.dispatch.problem import DayProblem
from atmr_pipeline.dispatch.simulator import simulate
from atmr_pipeline.models.delay.reassignment import DutyDay, ReassignmentParams, improve_day

MIDNIGHT = pd.Timestamp("2026-03-10")
NOW = pd.Timestamp("2026-03-09 18:00", tz="UTC")


class Wishes:
    """Believes at random that some drivers would be much earlier; it knows nothing of shifts."""

    def __init__(self, day: DutyDay, seed: int) -> None:
        self._courses = day.open_courses
        rng = np.random.default_rng(seed)
        self._delay = rng.uniform(-5.0, 25.0, (len(day.driver_index), len(day.fleet)))

    def _frame(self, assignment: pd.Series, driver: pd.Series) -> pd.DataFrame:
        minutes = self._delay[assignment.to_numpy(int) - 1, driver.to_numpy(int) - 1]
        return pd.DataFrame(
            {
                "expected_delay_min": minutes, "lateness_min": np.maximum(minutes, 0.0),
                "p_late": np.clip(minutes / 25.0, 0.0, 1.0), "unknown_history": 0,
            }
        )  # fmt: skip

    def whole_days(self, plans: Sequence[Mapping[int, int]]) -> list[pd.DataFrame]:
        ids = self._courses["assignment_id"]
        return [
            self._frame(ids, ids.map(dict(changes)).fillna(self._courses["driver_id"])).set_axis(ids)
            for changes in plans
        ]

    def pairs(self, pairs: pd.DataFrame, changes: Mapping[int, int]) -> pd.DataFrame:
        return self._frame(pairs["assignment_id"], pairs["driver_id"]).set_axis(pairs.index)


def random_duty_day(seed: int, bookings: int, drivers: int) -> DutyDay:
    rng = np.random.default_rng(seed)
    points = [rng.uniform(0, 12, (count, 2)) for count in (drivers, bookings, bookings)]
    start_km = np.linalg.norm(points[0][:, None] - points[1][None], axis=2)
    deadhead_km = np.linalg.norm(points[2][:, None] - points[1][None], axis=2)
    ride_km = np.linalg.norm(points[1] - points[2], axis=1)
    absences = tuple((driver, 700.0, 760.0) for driver in range(0, drivers, 2))
    problem = DayProblem(
        driver_ids=tuple(str(number + 1) for number in range(drivers)),
        booking_ids=tuple(str(number + 1) for number in range(bookings)),
        shift_start_min=rng.choice([420.0, 540.0], drivers),
        shift_end_min=rng.choice([840.0, 1140.0], drivers),
        is_emergency=np.arange(drivers) == drivers - 1,
        scheduled_min=rng.choice(np.arange(480.0, 1020.0, 15.0), bookings),
        is_outbound=rng.random(bookings) < 0.5,
        is_urgent=np.zeros(bookings, dtype=bool),
        start_min=2.0 * start_km, start_km=start_km, deadhead_min=2.0 * deadhead_km, deadhead_km=deadhead_km,
        ride_min=2.0 * ride_km, ride_km=ride_km, pickup_service_min=np.full(bookings, 5.0),
        dropoff_service_min=np.full(bookings, 7.0), absences=absences,
    )  # fmt: skip
    assigned = plan(problem, "greedy", seed=seed).assignment
    scheduled = (MIDNIGHT + pd.to_timedelta(problem.scheduled_min, unit="min")).tz_localize("Europe/Zurich")
    driver_id = pd.array([index + 1 if index >= 0 else None for index in assigned], dtype="Int64")
    numbers = np.arange(bookings)
    courses = pd.DataFrame(
        {"assignment_id": numbers + 1, "booking_id": numbers + 1, "driver_id": driver_id,
         "scheduled_at": scheduled.tz_convert("UTC"), "position": numbers}
    ).dropna(subset=["driver_id"])  # fmt: skip
    fleet = pd.DataFrame(
        {"driver_type": np.where(problem.is_emergency, "EMERGENCY", "REGULAR"), "is_active": True,
         "is_available": True, "has_position": True, "has_shift": True},
        index=pd.Index(np.arange(drivers) + 1, name="driver_id"),
    )  # fmt: skip
    known = {driver + 1: [(start, end)] for driver, start, end in absences}
    return DutyDay(
        date(2026, 3, 10), 1, problem, np.asarray(assigned), courses, fleet, known, frozenset(), {}, "by hand"
    )


@given(seed=st.integers(0, 10_000), bookings=st.integers(1, 14), drivers=st.integers(2, 5), limit=st.integers(2, 6))
@settings(max_examples=40, deadline=None)
def test_no_change_makes_a_plan_infeasible(seed: int, bookings: int, drivers: int, limit: int) -> None:
    day = random_duty_day(seed, bookings, drivers)
    assert day.problem is not None
    params = ReassignmentParams(min_gain_min=0.5, min_gain_p_late=0.0, max_changes=6, max_courses=limit)
    scorer = Wishes(day, seed)
    result = improve_day(day, scorer, params, decided_at=NOW)
    before = simulate(day.problem, day.driver_index, drop_late=False)
    changes = dict(zip(result.suggestions["assignment_id"], result.suggestions["to_driver_id"], strict=True))
    # enforce_shifts is on: a shift end or an absence that is broken raises.
    after = simulate(day.problem, day.with_changes(changes), drop_late=False)
    assert after.load_gap <= max(1, before.load_gap)
    assert np.all(after.loads <= np.maximum(before.loads, limit))
    for now, then in zip(
        check_plan(day.problem, day.driver_index), check_plan(day.problem, day.with_changes(changes)), strict=True
    ):
        assert then.passed or not now.passed
    gained = result.suggestions["gain_min"]
    assert (gained >= params.min_gain_min).all()
    totals = scorer.whole_days([{}, changes])
    assert totals[0]["lateness_min"].sum() - totals[1]["lateness_min"].sum() == pytest.approx(gained.sum())
