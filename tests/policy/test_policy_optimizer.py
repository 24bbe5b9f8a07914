"""The optimizer never harms a plan, whatever the policy says, and says when it fell back and why."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_days import make_day
from policy_networks import disturbed_policy

from atmr_pipeline.dispatch.planners import plan
from atmr_pipeline.dispatch.problem import DayProblem
from atmr_pipeline.dispatch.simulator import CostWeights, simulate
from atmr_pipeline.dispatch.synthetic import synthetic_days
from atmr_pipeline.domain.errors import InvalidProblemError
from atmr_pipeline.models.policy.adviser import PolicyAdviser, decisions_along
from atmr_pipeline.models.policy.optimizer import MAX_ABANDONED, RLDispatchOptimizer

MODES = ("suggestions_only", "semi_auto", "fully_auto")


class Says:
    """An adviser that answers by a function."""

    def __init__(self, answer: Callable[[DayProblem], Any]) -> None:
        self.answer = answer

    def advise(self, problem: DayProblem, assignment: np.ndarray) -> Any:
        assignment[:] = -7
        return self.answer(problem)


def fail(problem: DayProblem) -> list[tuple[int, int]]:
    raise KeyError("a value that must not be seen")


def endless(problem: DayProblem) -> Iterator[tuple[int, int]]:
    while True:
        yield 0, 0


def everything(problem: DayProblem) -> list[tuple[int, int]]:
    return [(b, d) for b in range(problem.n_bookings) for d in range(problem.n_drivers)]


NONSENSE: dict[str, tuple[Callable[[DayProblem], Any], str | None]] = {
    "nothing": (lambda problem: [], None),
    "everything": (everything, None),
    "endless": (endless, None),
    "raises": (fail, "policy_error"),
    "none": (lambda problem: None, "policy_error"),
    "no such driver": (lambda problem: [(0, problem.n_drivers)], "invalid_advice"),
    "nobody": (lambda problem: [(0, -1)], "invalid_advice"),
    "no such booking": (lambda problem: [(problem.n_bookings, 0)], "invalid_advice"),
    "no pairs": (lambda problem: [3, 4], "invalid_advice"),
    "not numbers": (lambda problem: [("1", float("nan"))], "invalid_advice"),
}


def feasible_plan(day: DayProblem, rng: np.random.Generator) -> np.ndarray:
    """A planner's plan, spoilt by bookings taken away or made late."""
    drivers = plan(day, str(rng.choice(["nearest", "least_loaded", "greedy"]))).assignment.copy()
    drivers[rng.random(day.n_bookings) < 0.15] = -1
    return drivers


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1), says=st.sampled_from(sorted(NONSENSE)), mode=st.sampled_from(MODES),
    bookings=st.integers(1, 16), drivers=st.integers(1, 5), swaps=st.integers(0, 4),
)  # fmt: skip
def test_whatever_the_policy_says_no_plan_is_harmed(
    seed: int, says: str, mode: Any, bookings: int, drivers: int, swaps: int
) -> None:
    rng = np.random.default_rng(seed)
    day = make_day(rng, n_bookings=bookings, n_drivers=drivers, absence_share=0.3)
    given_plan = feasible_plan(day, rng)
    kept = given_plan.copy()
    answer, reason = NONSENSE[says]
    done = RLDispatchOptimizer(Says(answer), mode=mode, max_swaps=swaps, draws=5).optimize(day, given_plan)
    assert np.array_equal(given_plan, kept)
    assert done.fell_back == reason
    before, after = simulate(day, kept), simulate(day, done.assignment)
    assert (done.cost_before, done.cost_after) == (before.total, after.total)
    assert (done.load_gap_before, done.load_gap_after) == (before.load_gap, after.load_gap)
    assert after.total <= before.total
    assert after.load_gap <= before.load_gap
    assert after.n_lost <= before.n_lost
    assert len(done.swaps) <= swaps
    changed = {day.booking_ids[index] for index in np.flatnonzero(done.assignment != kept)}
    assert changed == {move.booking_id for swap in done.swaps if swap.applied for move in swap.moves}
    if reason is not None or mode == "suggestions_only":
        assert np.array_equal(done.assignment, kept)
    if reason is not None:
        assert done.swaps == ()
    saved = sum(swap.cost_saved for swap in done.swaps if swap.applied)
    assert before.total - after.total == pytest.approx(saved)


def test_an_error_is_told_by_its_class_alone() -> None:
    day = make_day(np.random.default_rng(0))
    done = RLDispatchOptimizer(Says(fail)).optimize(day, plan(day, "greedy").assignment)
    assert (done.fell_back, done.error) == ("policy_error", "KeyError")
    assert "must not be seen" not in repr(done)


def test_a_policy_that_hangs_is_left_behind() -> None:
    release = threading.Event()
    day = make_day(np.random.default_rng(0))
    given_plan = plan(day, "greedy").assignment

    def hang(problem: DayProblem) -> list[tuple[int, int]]:
        release.wait()
        return everything(problem)

    optimizer = RLDispatchOptimizer(Says(hang), timeout_s=0.02)
    try:
        reasons = [optimizer.optimize(day, given_plan).fell_back for _ in range(MAX_ABANDONED + 2)]
    finally:
        release.set()
    assert reasons == ["timeout"] * MAX_ABANDONED + ["policy_hangs"] * 2
    for thread in list(optimizer._abandoned):
        thread.join()
    patient = RLDispatchOptimizer(Says(hang), timeout_s=60.0)
    assert patient.optimize(day, given_plan).fell_back is None


def test_a_network_that_answers_with_nan_is_refused(days: list[DayProblem]) -> None:
    policy = disturbed_policy()
    for parameter in policy.network.parameters():
        parameter.fill_(float("nan"))
    done = RLDispatchOptimizer(policy).optimize(days[0], plan(days[0], "greedy").assignment)
    assert done.fell_back == "policy_error"
    assert done.cost_after == done.cost_before


def test_an_infeasible_plan_comes_back_as_it_was(days: list[DayProblem]) -> None:
    day = days[0]
    short = type(day)(**{name: getattr(day, name) for name in day.__dataclass_fields__} | {
        "shift_end_min": day.shift_start_min + 1.0})  # fmt: skip
    done = RLDispatchOptimizer(disturbed_policy()).optimize(short, np.zeros(day.n_bookings, int))
    assert (done.fell_back, done.cost_before, done.load_gap_after) == ("infeasible_input", None, None)
    assert done.assignment.tolist() == [0] * day.n_bookings


@pytest.mark.parametrize("wrong", [[0], np.full((2, 2), 0), [0.5], [99]])
def test_a_malformed_plan_is_refused(days: list[DayProblem], wrong: Any) -> None:
    with pytest.raises(InvalidProblemError):
        RLDispatchOptimizer(Says(everything)).optimize(days[0], wrong)


@pytest.mark.parametrize(("bookings", "drivers"), [(0, 0), (0, 2), (3, 0), (1, 1)])
def test_the_smallest_days(bookings: int, drivers: int) -> None:
    day = make_day(np.random.default_rng(0), n_bookings=bookings, n_drivers=drivers)
    done = RLDispatchOptimizer(disturbed_policy(), mode="fully_auto").optimize(day, np.full(bookings, -1))
    assert done.fell_back is None
    assert len(done.swaps) == (1 if bookings == drivers == 1 else 0)


@pytest.mark.parametrize(
    "wrong", [{"mode": "auto"}, {"max_swaps": -1}, {"min_confidence": 1.1}, {"timeout_s": 0.0}, {"draws": 0}]
)
def test_nonsense_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        RLDispatchOptimizer(Says(everything), **wrong)


def test_the_modes_apply_nothing_the_sure_or_everything() -> None:
    policy = disturbed_policy()
    sure = unsure = 0
    for day in synthetic_days(12, seed=5):
        given_plan = plan(day, "nearest").assignment
        done = {
            mode: RLDispatchOptimizer(policy, mode=mode, model_version="v1").optimize(day, given_plan) for mode in MODES
        }
        assert all(one.fell_back is None and one.model_version == "v1" for one in done.values())
        assert not any(swap.applied for swap in done["suggestions_only"].swaps)
        assert all(swap.applied for swap in done["fully_auto"].swaps)
        assert all(swap.applied == (swap.confidence >= 0.8) for swap in done["semi_auto"].swaps)
        sure += sum(swap.applied for swap in done["semi_auto"].swaps)
        unsure += sum(not swap.applied for swap in done["semi_auto"].swaps)
        assert [swap.moves for swap in done["suggestions_only"].swaps] == [s.moves for s in done["fully_auto"].swaps]
        assert done["fully_auto"].cost_after <= done["semi_auto"].cost_after <= done["suggestions_only"].cost_after
    assert sure > 0
    assert unsure > 0


def test_a_few_changes_find_a_good_part_of_what_a_search_of_whole_plans_finds() -> None:
    optimizer = RLDispatchOptimizer(disturbed_policy(), mode="fully_auto", max_swaps=5)
    before = after = best = 0.0
    for day in synthetic_days(15, seed=8):
        done = optimizer.optimize(day, plan(day, "greedy").assignment)
        before, after = before + done.cost_before, after + done.cost_after
        best += plan(day, "local_search").outcome.total
    assert after < before - 0.25 * (before - best)


def test_the_same_call_gives_the_same_answer(days: list[DayProblem]) -> None:
    policy = disturbed_policy()
    given_plan = plan(days[2], "nearest").assignment
    one, other = (RLDispatchOptimizer(policy, mode="semi_auto").optimize(days[2], given_plan) for _ in range(2))
    assert one.swaps == other.swaps
    assert np.array_equal(one.assignment, other.assignment)


def test_the_ranking_follows_the_plan_that_exists(days: list[DayProblem]) -> None:
    day = days[1]
    given_plan = plan(day, "greedy").assignment
    decision, taken = decisions_along(day, given_plan, CostWeights())
    ranked = given_plan[day.service_order]
    assert taken.tolist() == np.where(ranked < 0, day.n_drivers, ranked).tolist()
    assert decision.driver.dtype == torch.float64
    assert float(decision.choice.cost.gather(1, taken[:, None]).sum()) == pytest.approx(simulate(day, given_plan).total)
    advice = PolicyAdviser(disturbed_policy()).advise(day, given_plan)
    assert all(given_plan[booking] != driver for booking, driver in advice)
