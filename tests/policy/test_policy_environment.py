from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_days import make_day

from atmr_pipeline.dispatch.problem import DayProblem
from atmr_pipeline.dispatch.simulator import UNASSIGNED, CostWeights, simulate
from atmr_pipeline.domain.errors import InfeasiblePlanError, InvalidProblemError
from atmr_pipeline.models.policy.bank import DayBank
from atmr_pipeline.models.policy.environment import (
    advance,
    initial_state,
    is_over,
    options,
    plan_cost,
)

WEIGHTS = CostWeights(
    empty_km=1.3, urgent_factor=2.1, lost=97.7, lost_urgent=203.3, load_gap=7.3, free_load_gap=1.0, emergency_use=11.1
)


def bank_of(*problems: DayProblem, weights: CostWeights | None = None) -> DayBank:
    return DayBank.from_problems(problems, weights or CostWeights(), dtype=torch.float64)


@settings(max_examples=120, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    bookings=st.integers(0, 25),
    drivers=st.integers(1, 6),
    drop_share=st.floats(0.0, 1.0),
    absence_share=st.sampled_from([0.0, 0.5]),
    not_ready=st.booleans(),
)
def test_a_plan_costs_the_same_as_in_the_simulator(
    seed: int, bookings: int, drivers: int, drop_share: float, absence_share: float, not_ready: bool
) -> None:
    rng = np.random.default_rng(seed)
    problem = make_day(rng, n_bookings=bookings, n_drivers=drivers, absence_share=absence_share)
    if not_ready:
        problem = replace(problem, ready_min=problem.scheduled_min + rng.uniform(0, 20, bookings))
    assignment = rng.integers(drivers, size=bookings)
    assignment[rng.random(bookings) < drop_share] = UNASSIGNED
    try:
        expected = simulate(problem, assignment, weights=WEIGHTS).total
    except InfeasiblePlanError:
        with pytest.raises(InfeasiblePlanError):
            plan_cost(problem, assignment, WEIGHTS)
        return
    assert plan_cost(problem, assignment, WEIGHTS) == pytest.approx(expected, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_days_of_different_sizes_run_together_as_they_do_alone(seed: int) -> None:
    rng = np.random.default_rng(seed)
    problems = [
        make_day(rng, n_bookings=int(rng.integers(0, 15)), n_drivers=int(rng.integers(1, 6)), absence_share=0.3)
        for _ in range(5)
    ]
    bank = bank_of(*problems, weights=WEIGHTS)
    state = initial_state(bank, torch.arange(5))
    plans = np.full((5, bank.max_bookings), UNASSIGNED)
    total = torch.zeros(5, dtype=torch.float64)
    for step in range(bank.max_bookings):
        choice = options(bank, state)
        action = torch.multinomial(torch.where(choice.legal, 1.0, 0.0) + ~choice.legal.any(1, keepdim=True), 1)[:, 0]
        plans[:, step] = np.where(action == bank.max_drivers, UNASSIGNED, action)
        state, cost = advance(bank, state, action, choice)
        total += cost
    assert bool(is_over(bank, state).all())
    for row, problem in enumerate(problems):
        assignment = np.full(problem.n_bookings, UNASSIGNED)
        assignment[problem.service_order] = plans[row, : problem.n_bookings]
        assert float(total[row]) == pytest.approx(simulate(problem, assignment, weights=WEIGHTS).total, abs=1e-6)


def one_booking(**changes: object) -> DayProblem:
    day: dict[str, object] = {
        "driver_ids": ("a", "b"), "booking_ids": ("1",), "shift_start_min": np.array([480.0, 480.0]),
        "shift_end_min": np.array([1020.0, 1020.0]), "is_emergency": np.array([False, False]),
        "scheduled_min": np.array([500.0]), "is_outbound": np.array([True]), "is_urgent": np.array([False]),
        "start_min": np.array([[20.0], [50.0]]), "start_km": np.array([[8.0], [30.0]]),
        "deadhead_min": np.zeros((1, 1)), "deadhead_km": np.zeros((1, 1)), "ride_min": np.array([15.0]),
        "ride_km": np.array([6.0]), "pickup_service_min": np.array([5.0]), "dropoff_service_min": np.array([5.0]),
    }  # fmt: skip
    return DayProblem(**{**day, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("problem", "legal"),
    [
        pytest.param(one_booking(), [True, True, True], id="30 min late is still served"),
        pytest.param(one_booking(start_min=np.array([[20.0], [50.1]])), [True, False, True], id="later is not"),
        pytest.param(one_booking(shift_end_min=np.array([524.9, 1020.0])), [False, True, True], id="shift end"),
        pytest.param(one_booking(shift_end_min=np.array([525.0, 555.0])), [True, True, True], id="to the minute"),
        pytest.param(one_booking(absences=((0, 510.0, 530.0),)), [False, True, True], id="absence"),
        pytest.param(one_booking(absences=((0, 525.0, 530.0),)), [True, True, True], id="absence that touches"),
    ],
)
def test_only_what_the_simulator_accepts_is_legal(problem: DayProblem, legal: list[bool]) -> None:
    bank = bank_of(problem)
    assert options(bank, initial_state(bank, torch.tensor([0]))).legal[0].tolist() == legal


def test_padding_is_never_a_driver_nor_a_booking() -> None:
    rng = np.random.default_rng(0)
    bank = bank_of(one_booking(), make_day(rng, n_bookings=9, n_drivers=5))
    state = initial_state(bank, torch.tensor([0]))
    assert options(bank, state).legal[0].tolist() == [True, True, False, False, False, True]
    after, _ = advance(bank, state, torch.tensor([0]))
    assert not options(bank, after).legal.any()
    again, cost = advance(bank, after, torch.tensor([5]))
    assert float(cost) == 0.0
    assert int(again.step) == 1
    assert again.load.tolist() == [[1, 0, 0, 0, 0]]


def test_the_gap_penalty_telescopes_and_comes_back_when_the_gap_closes() -> None:
    day = make_day(np.random.default_rng(1), n_bookings=4, n_drivers=2)
    day = replace(
        day, scheduled_min=np.array([540.0, 660.0, 780.0, 900.0]), booking_ids=("1", "2", "3", "4"),
        shift_end_min=np.array([1200.0, 1200.0]), shift_start_min=np.array([420.0, 420.0]),
    )  # fmt: skip
    bank = bank_of(day)
    state = initial_state(bank, torch.tensor([0]))
    paid = []
    for driver in (0, 0, 1, 1):
        paid.append(float(options(bank, state).gap_cost[0, driver]))
        state, _ = advance(bank, state, torch.tensor([driver]))
    assert paid == [0.0, 10.0, -10.0, 0.0]


def test_an_illegal_action_is_refused() -> None:
    bank = bank_of(one_booking(start_min=np.array([[20.0], [90.0]])))
    with pytest.raises(InfeasiblePlanError, match="not legal"):
        advance(bank, initial_state(bank, torch.tensor([0])), torch.tensor([1]))


def test_no_days_are_refused() -> None:
    with pytest.raises(InvalidProblemError, match="no day"):
        bank_of()
