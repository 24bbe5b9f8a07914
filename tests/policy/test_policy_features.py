"""Compiled features against their tensor twin, rollouts against plain Python, the compiled network against torch."""

import numpy as np
import pytest
import torch

from atmr_pipeline.dispatch.problem import DayProblem
from atmr_pipeline.dispatch.simulator import CostWeights, simulate
from atmr_pipeline.dispatch.synthetic import SyntheticSettings, synthetic_day, synthetic_days, varied_days
from atmr_pipeline.domain.errors import InfeasiblePlanError
from atmr_pipeline.models.policy.bank import DayBank
from atmr_pipeline.models.policy.environment import advance, initial_state, is_over, options
from atmr_pipeline.models.policy.feature_contract import DRIVER_FEATURES, STATE_FEATURES
from atmr_pipeline.models.policy.features import decide
from atmr_pipeline.models.policy.features_tensor import decide_by_tensors
from atmr_pipeline.models.policy.network import Architecture, QNetwork
from atmr_pipeline.models.policy.network_compiled import scorer
from atmr_pipeline.models.policy.rollout import DEAREST_WAY, RULES

WEIGHTS = CostWeights(emergency_use=7.0)


def _days() -> list[DayProblem]:
    away = [synthetic_day(np.random.default_rng(seed), SyntheticSettings(absence_share=0.5)) for seed in range(10)]
    return [*synthetic_days(12, seed=1), *varied_days(12, seed=2, drivers=(1, 6)), *away]


def _walk(bank: DayBank, seed: int):
    """States of random legal walks through every day."""
    generator = torch.Generator().manual_seed(seed)
    state = initial_state(bank, torch.arange(bank.n_days))
    while not is_over(bank, state).all():
        state = state.take(~is_over(bank, state))
        yield state
        legal = options(bank, state).legal
        action = torch.multinomial(legal.double(), 1, generator=generator)[:, 0]
        state, _ = advance(bank, state, action)


def test_compiled_features_are_the_tensor_features():
    bank = DayBank.from_problems(_days(), WEIGHTS, dtype=torch.float64)
    seen = 0
    for state in _walk(bank, seed=3):
        compiled, tensors = decide(bank, state), decide_by_tensors(bank, state)
        legal = tensors.choice.legal
        assert torch.equal(compiled.choice.legal, legal)
        assert torch.equal(compiled.on_duty, tensors.on_duty)
        for name in ("driver", "state", "prior"):
            torch.testing.assert_close(getattr(compiled, name), getattr(tensors, name), rtol=0, atol=1e-9)
        for name in ("cost", "gap_cost"):
            one, other = getattr(compiled.choice, name), getattr(tensors.choice, name)
            torch.testing.assert_close(one[legal], other[legal], rtol=0, atol=1e-9)
        seen += len(state.day)
    assert seen > 200


def test_features_have_the_contract_s_width_and_no_padding_shines_through():
    wide = DayBank.from_problems(synthetic_days(6, seed=4), CostWeights(), dtype=torch.float64)
    decision = decide(wide, initial_state(wide, torch.arange(6)))
    assert decision.driver.shape[2] == len(DRIVER_FEATURES)
    assert decision.state.shape[1] == len(STATE_FEATURES)
    for row, problem in enumerate(synthetic_days(6, seed=4)):
        alone = DayBank.from_problems([problem], CostWeights(), dtype=torch.float64)
        one = decide(alone, initial_state(alone, torch.zeros(1, dtype=torch.int64)))
        drivers = problem.n_drivers
        torch.testing.assert_close(one.driver[0], decision.driver[row, :drivers])
        torch.testing.assert_close(one.state[0], decision.state[row])
        assert not decision.driver[row, drivers:].any()


def test_a_rollout_is_what_the_rule_does_step_by_step():
    problem = synthetic_day(np.random.default_rng(5), n_bookings=9, n_drivers=3)
    bank = DayBank.from_problems([problem], CostWeights(), dtype=torch.float64)
    decision = decide(bank, initial_state(bank, torch.zeros(1, dtype=torch.int64)))
    for action in torch.nonzero(decision.choice.legal[0])[:, 0].tolist():
        ends = [simulate(problem, _by_hand(problem, action, rule)).total for rule in RULES]
        assert -20.0 * float(decision.prior[0, action]) == pytest.approx(min(ends), abs=1e-9)


def _by_hand(problem: DayProblem, first: int, rule: tuple[float, float]) -> np.ndarray:
    """The rule in plain Python, through the simulator: slow and obvious."""
    order, lost = problem.service_order, -1
    plan = np.full(problem.n_bookings, lost)
    plan[order[0]] = lost if first == problem.n_drivers else first
    for place in range(1, problem.n_bookings):
        here = order[place]
        best, choice = CostWeights().lost_urgent if problem.is_urgent[here] else CostWeights().lost, lost
        for driver in range(problem.n_drivers):
            cost, gap = _added(problem, plan, here, driver)
            if cost is None:
                continue
            score = cost + rule[0] * gap
            if place + 1 < problem.n_bookings:
                following = order[place + 1]
                with_it = plan.copy()
                with_it[here] = driver
                moved, stayed = (
                    _added(problem, with_it, following, driver)[0],
                    _added(problem, plan, following, driver)[0],
                )
                capped = [DEAREST_WAY if way is None else min(way, DEAREST_WAY) for way in (moved, stayed)]
                score += rule[1] * (capped[0] - capped[1])
            if score < best:
                best, choice = score, driver
        plan[here] = choice
    return plan


def _added(problem: DayProblem, plan: np.ndarray, booking: int, driver: int) -> tuple[float | None, float]:
    """Way and lateness, and load gap, that a booking adds to a driver; None where it is lost or forbidden."""
    changed = plan.copy()
    changed[booking] = driver
    try:
        before, after = simulate(problem, plan), simulate(problem, changed)
    except InfeasiblePlanError:
        return None, 0.0
    if not after.served[booking]:
        return None, 0.0
    parts = [outcome.costs["deadhead"] + outcome.costs["lateness"] for outcome in (before, after)]
    return parts[1] - parts[0], after.costs["load_gap"] - before.costs["load_gap"]


@pytest.mark.parametrize("days", [1, 40])
def test_the_compiled_network_is_the_network(days):
    torch.manual_seed(0)
    network = QNetwork().eval().requires_grad_(False)
    for parameter in network.parameters():
        parameter.add_(0.1 * torch.randn_like(parameter))
    bank = DayBank.from_problems(varied_days(days, seed=6, drivers=(1, 7)), CostWeights())
    decision = decide(bank, initial_state(bank, torch.arange(days)))
    legal = decision.choice.legal
    torch.testing.assert_close(scorer(network)(decision)[legal], network(decision)[legal], rtol=1e-4, atol=1e-4)


def test_a_network_that_the_compiled_pass_does_not_know_answers_for_itself():
    attending = QNetwork(Architecture(attention_heads=4)).eval()
    assert scorer(attending) is attending


def test_attention_does_not_see_padding():
    torch.manual_seed(1)
    network = QNetwork(Architecture(attention_heads=4)).eval().requires_grad_(False)
    for parameter in network.parameters():
        parameter.add_(0.1 * torch.randn_like(parameter))
    problems = synthetic_days(5, seed=7)
    bank = DayBank.from_problems(problems, CostWeights())
    together = network(decide(bank, initial_state(bank, torch.arange(5))))
    for row, problem in enumerate(problems):
        alone = DayBank.from_problems([problem], CostWeights())
        one = network(decide(alone, initial_state(alone, torch.zeros(1, dtype=torch.int64))))
        torch.testing.assert_close(
            one[0, : problem.n_drivers], together[row, : problem.n_drivers], rtol=1e-4, atol=1e-4
        )
