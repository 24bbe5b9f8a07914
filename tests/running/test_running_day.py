"""The running day: it costs what the simulator says, and nobody decides on what is not known yet."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atmr_pipeline.dispatch.kernel import RIDE, PackedDay, pack
from atmr_pipeline.dispatch.problem import DayProblem
from atmr_pipeline.dispatch.running import day as running
from atmr_pipeline.dispatch.running.features import N_FEATURES
from atmr_pipeline.dispatch.running.hybrid import note
from atmr_pipeline.dispatch.running.methods import hybrid_method, run_day, running_method
from atmr_pipeline.dispatch.running.noise import AS_EXPECTED, CERTAIN, ROUGH, Noise, Realisation, draw, realised_problem
from atmr_pipeline.dispatch.running.residual import ResidualWeights
from atmr_pipeline.dispatch.running.view import look
from atmr_pipeline.dispatch.simulator import CostWeights, simulate
from atmr_pipeline.dispatch.synthetic import synthetic_day, synthetic_days, varied_days

METHODS = ("static", "greedy", "local_search", "exact", "risk_search")


def arbitrary_net(seed: int) -> ResidualWeights:
    """A network that has learned nothing and says something about everything."""
    rng = np.random.default_rng(seed)
    shapes = [(N_FEATURES, 8), (8,), (8, 8), (16, 8), (8,), (8,)]
    return ResidualWeights(*(rng.normal(0.0, 0.5, shape).astype(np.float32) for shape in shapes))


def committed(problem: DayProblem, realisation: Realisation, drivers: np.ndarray, noise: Noise) -> running.Run:
    """A day on which each booking goes to a given driver (in service order)."""
    packed, terms = pack(problem, CostWeights()), noise.terms()
    run = running.start(packed)
    for rank in range(problem.n_bookings):
        now = running.decision_min(packed, terms[0], rank)
        if not running.is_gone(realisation, run, rank, now):
            running.commit(packed, realisation, run, rank, int(drivers[rank]), now, terms[1])
    return run


def random_case(seed: int) -> tuple[DayProblem, np.random.Generator]:
    rng = np.random.default_rng(seed)
    return varied_days(1, seed=seed, drivers=(1, 5))[0], rng


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_without_noise_a_day_costs_what_the_simulator_says(seed: int) -> None:
    problem, rng = random_case(seed)
    drivers = rng.integers(-1, problem.n_drivers, problem.n_bookings)
    run = committed(problem, draw(problem, CERTAIN, rng), drivers[problem.service_order], CERTAIN)
    # The running day judges shifts and absences by what is expected when it decides, so any plan can be driven here.
    expected = simulate(problem, drivers, enforce_shifts=False)
    assert running.cost_of(pack(problem, CostWeights()), run) == pytest.approx(expected.total, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**31), sigma=st.sampled_from([0.1, 0.3, 0.8]))
def test_with_noise_a_day_costs_what_the_simulator_says_of_the_realised_day(seed: int, sigma: float) -> None:
    problem, rng = random_case(seed)
    noise = Noise(travel_sigma=sigma, service_sigma=sigma, revealed_share=0.0, decision_lead_min=np.inf)
    realisation = draw(problem, noise, rng)
    drivers = rng.integers(-1, problem.n_drivers, problem.n_bookings)
    run = committed(problem, realisation, drivers[problem.service_order], noise)
    expected = simulate(realised_problem(problem, realisation), drivers, enforce_shifts=False)
    assert running.cost_of(pack(problem, CostWeights()), run) == pytest.approx(expected.total, abs=1e-6)
    assert np.array_equal(running.loads_of(run), expected.loads)


@pytest.mark.parametrize("method", METHODS)
def test_without_noise_every_method_keeps_shifts_and_costs_what_it_planned(method: str) -> None:
    for problem in varied_days(15, seed=4, drivers=(1, 4)):
        outcome = run_day(
            problem, draw(problem, CERTAIN, np.random.default_rng(0)), CERTAIN, running_method(method, CERTAIN)
        )
        assert outcome.total == pytest.approx(simulate(problem, outcome.driver).total, abs=1e-6)
        assert outcome.overtime_min == 0.0


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), method=st.sampled_from([*METHODS, "hybrid"]), at=st.floats(0.0, 1.0))
def test_what_is_not_known_yet_changes_no_decision(seed: int, method: str, at: float) -> None:
    """Change everything that the clock has not shown: what is seen and decided, now and before, stays the same."""
    rng = np.random.default_rng(seed)
    problem = synthetic_days(1, seed=seed)[0]
    realisation, other = draw(problem, ROUGH, rng), draw(problem, ROUGH, rng)
    how = hybrid_method(arbitrary_net(seed), ROUGH) if method == "hybrid" else running_method(method, ROUGH)
    terms, last = ROUGH.terms(), int(at * (problem.n_bookings - 1))

    def seen(packed: PackedDay, chance: Realisation) -> tuple[list[list[np.ndarray]], running.Run]:
        run, views = running.start(packed), []
        for rank in range(last + 1):
            now = running.decision_min(packed, terms[0], rank)
            if running.is_gone(chance, run, rank, now):
                continue
            view = look(packed, chance, run, rank, now, how.beliefs)
            driver, plan = how.decide(view)
            views.append([np.asarray(values).copy() for values in view] + [np.array([driver])])
            if rank < last:
                note(run, view, plan)
                running.commit(packed, chance, run, rank, int(driver), now, terms[1])
        return views, run

    packed = pack(problem, CostWeights())
    views, run = seen(packed, realisation)
    now = running.decision_min(packed, terms[0], last)
    changed = with_another_future(packed, realisation, other, run, now)
    for before, after in zip(views, seen(with_other_bookings(packed, realisation, now), changed)[0], strict=True):
        assert all(np.array_equal(one, two) for one, two in zip(before, after, strict=True))


def with_other_bookings(packed: PackedDay, realisation: Realisation, now: float) -> PackedDay:
    """The day with other ways and rides for bookings that have not come in by ``now``."""
    unknown = realisation.revealed_min > now
    travel, bookings = packed.travel.copy(), packed.bookings.copy()
    travel[:, unknown] += 11.0
    bookings[unknown, RIDE] += 13.0
    return packed._replace(travel=travel, bookings=bookings)


def with_another_future(
    packed, realisation: Realisation, other: Realisation, run: running.Run, now: float
) -> Realisation:
    """What has not happened, or not ended, by ``now`` as in another realisation."""
    changed = Realisation(*(values.copy() for values in other))
    seen = realisation.revealed_min <= now
    changed.revealed_min[seen] = realisation.revealed_min[seen]
    changed.revealed_min[~seen & (changed.revealed_min <= now)] = now + 1.0
    told = realisation.cancelled_min <= now
    changed.cancelled_min[told] = realisation.cancelled_min[told]
    changed.cancelled_min[~told & (changed.cancelled_min <= now)] = np.inf
    n_drivers = packed.drivers.shape[0]
    for driver in range(n_drivers):
        position = driver
        for rank in run.routes[driver, : run.lengths[driver]]:
            log = run.log[rank]
            late = run.state[rank] == running.MISSED
            if log[running.DEPART] <= now and (late or log[running.ARRIVE] <= now):
                changed.travel_min[position, rank] = realisation.travel_min[position, rank]
            elif log[running.DEPART] <= now:
                # On the way: it has taken this long at least, and will arrive in time to go.
                so_far = now - log[running.DEPART]
                changed.travel_min[position, rank] = 0.5 * (so_far + realisation.travel_min[position, rank])
            if log[running.BEGIN] <= now:
                changed.is_no_show[rank] = realisation.is_no_show[rank]
            for ends, begins, name in (
                (running.BOARDED, running.BEGIN, "boarding_min"),
                (running.DROPPED, running.BOARDED, "ride_min"),
                (running.DONE, running.DROPPED, "alighting_min"),
            ):
                if log[ends] <= now or log[begins] <= now:
                    getattr(changed, name)[rank] = getattr(realisation, name)[rank]
                    if log[ends] > now:
                        getattr(changed, name)[rank] += 7.0
            if run.state[rank] == running.TAKEN:
                position = n_drivers + rank
    return changed


def line_day_at(scheduled: list[float], **changes) -> DayProblem:
    """One driver at km 0, on duty from midnight, 1 km a minute; each booking is 10 km away and rides 5 km."""
    count = len(scheduled)
    ones = np.ones(count)
    values = {
        "driver_ids": ("D",), "booking_ids": tuple(str(index) for index in range(count)),
        "shift_start_min": [0.0], "shift_end_min": [1440.0], "is_emergency": [False],
        "scheduled_min": scheduled, "is_outbound": ones > 0, "is_urgent": ones < 0,
        "start_min": 10.0 * ones[None], "start_km": 10.0 * ones[None],
        "deadhead_min": np.full((count, count), 10.0), "deadhead_km": np.full((count, count), 10.0),
        "ride_min": 5.0 * ones, "ride_km": 5.0 * ones,
        "pickup_service_min": 2.0 * ones, "dropoff_service_min": 3.0 * ones,
    }  # fmt: skip
    return DayProblem(**values | changes)


def as_planned(problem: DayProblem) -> Realisation:
    """Everything as expected, to be changed field by field."""
    return draw(problem, Noise(travel_sigma=0.0, revealed_share=0.0), np.random.default_rng(0))


QUIET = Noise(travel_sigma=0.0, revealed_share=0.0)


def test_a_no_show_is_driven_to_waited_for_and_driven_back_from() -> None:
    problem = line_day_at([600.0, 700.0])
    realisation = as_planned(problem)._replace(is_no_show=np.array([True, False]))
    run = committed(problem, realisation, np.array([0, 0]), QUIET)
    assert run.state.tolist() == [running.NO_SHOW, running.TAKEN]
    assert run.log[0, running.BOARDED] == 600.0 + QUIET.no_show_wait_min
    assert run.log[0, running.DONE] == 600.0 + QUIET.no_show_wait_min + 10.0
    # Out, back and out again; it counts in the load and not as lost.
    assert running.cost_of(pack(problem, CostWeights()), run) == pytest.approx(30.0)
    assert running.loads_of(run).tolist() == [2]


def test_a_cancelled_booking_is_not_decided_and_costs_nothing() -> None:
    problem = line_day_at([600.0, 700.0])
    realisation = as_planned(problem)._replace(cancelled_min=np.array([np.inf, 650.0]))
    outcome = run_day(problem, realisation, QUIET, running_method("local_search", QUIET))
    assert (outcome.n_cancelled, outcome.n_lost, outcome.decisions) == (1, 0, 1)
    assert outcome.total == pytest.approx(10.0)


def test_a_booking_is_seen_from_its_revelation_to_its_cancellation() -> None:
    problem = line_day_at([600.0, 640.0, 700.0])
    realisation = as_planned(problem)._replace(
        revealed_min=np.array([-np.inf, 600.0, -np.inf]), cancelled_min=np.array([np.inf, np.inf, 605.0])
    )
    packed = pack(problem, CostWeights())
    run = running.start(packed)
    seen = {now: look(packed, realisation, run, 0, now, AS_EXPECTED).ranks.tolist() for now in (570.0, 600.0, 610.0)}
    assert seen == {570.0: [0, 2], 600.0: [0, 1, 2], 610.0: [0, 1]}


def test_a_driver_leaves_after_the_decision_and_a_late_one_does_not_go() -> None:
    problem = line_day_at([600.0, 610.0], start_min=np.array([[50.0, 70.0]]))
    run = committed(problem, as_planned(problem), np.array([0, -1]), QUIET)
    assert run.log[0, running.DEPART] == 570.0
    assert run.log[0, running.ARRIVE] == 620.0
    missed = committed(problem, as_planned(problem), np.array([-1, 0]), QUIET)
    assert missed.state.tolist() == [running.LEFT_OUT, running.MISSED]
    assert missed.position.tolist() == [0]
    assert running.cost_of(pack(problem, CostWeights()), missed) == pytest.approx(200.0)


def test_a_driver_who_has_taken_longer_than_planned_is_expected_now() -> None:
    problem = line_day_at([600.0, 700.0])
    realisation = as_planned(problem)
    realisation.ride_min[0] = 60.0
    packed = pack(problem, CostWeights())
    run = committed(problem, realisation, np.array([0, 0]), QUIET)
    sigma = np.array([0.3, 0.0, np.inf])
    started = running.start(packed)
    running.commit(packed, realisation, started, 0, 0, 570.0, 10.0)
    # Boarded at 602; planned to be at the drop-off at 607 and free at 610; in truth there at 662.
    assert running.outlook(packed, started, 0, 603.0, sigma)[1] == pytest.approx(610.0)
    position, free_min, variance, load = running.outlook(packed, started, 0, 640.0, sigma)
    assert (position, free_min, load) == (1, pytest.approx(643.0), 1)
    assert variance == pytest.approx((0.3 * 5.0) ** 2)
    assert running.outlook(packed, started, 0, 670.0, sigma)[1:3] == (665.0, 0.0)
    assert run.log[1, running.DEPART] == 670.0


@pytest.mark.parametrize(
    "settings_",
    [
        {"travel_sigma": -0.1}, {"revealed_share": 1.5}, {"no_show_wait_min": float("nan")},
        {"revealed_lead_min": (10.0, 60.0)}, {"revealed_lead_min": (60.0, 30.0)},
        {"cancelled_share": 0.1, "cancelled_lead_min": (5.0, 60.0)}, {"decision_lead_min": np.inf},
    ],
)  # fmt: skip
def test_noise_that_makes_no_sense_is_refused(settings_: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(settings_)).split("_share")[0].split("_min")[0]):
        Noise(**settings_)


def test_the_factors_of_chance_have_the_mean_and_shares_that_were_asked_for() -> None:
    problem = line_day_at([600.0 + index for index in range(60)])
    rng = np.random.default_rng(0)
    draws = [draw(problem, ROUGH, rng) for _ in range(60)]
    factors = np.concatenate([one.travel_min.ravel() for one in draws]) / 10.0
    assert factors.mean() == pytest.approx(1.0, abs=0.01)
    assert np.log(factors).std() == pytest.approx(0.3, abs=0.01)
    assert np.mean([np.isfinite(one.revealed_min) for one in draws]) == pytest.approx(0.15, abs=0.02)
    assert np.mean([np.isfinite(one.cancelled_min) for one in draws]) == pytest.approx(0.05, abs=0.015)
    assert np.mean([one.is_no_show for one in draws]) == pytest.approx(0.02, abs=0.01)


@pytest.mark.parametrize(("bookings", "drivers"), [(0, 2), (4, 0), (1, 1)])
@pytest.mark.parametrize("method", [*METHODS, "hybrid"])
def test_days_with_next_to_nothing(method: str, bookings: int, drivers: int) -> None:
    problem = synthetic_day(np.random.default_rng(0), n_bookings=bookings, n_drivers=drivers)
    how = hybrid_method(arbitrary_net(0), ROUGH) if method == "hybrid" else running_method(method, ROUGH)
    outcome = run_day(problem, draw(problem, ROUGH, np.random.default_rng(3)), ROUGH, how)
    assert outcome.driver.shape == (bookings,)
    if not drivers:
        assert np.all(outcome.driver == -1)
