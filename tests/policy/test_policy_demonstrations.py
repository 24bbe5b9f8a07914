import numpy as np
import pytest
import torch
from policy_days import make_day, make_days

from atmr_pipeline.dispatch.planners import plan
from atmr_pipeline.dispatch.problem import DayProblem
from atmr_pipeline.dispatch.simulator import CostWeights, simulate
from atmr_pipeline.dispatch.synthetic import varied_days
from atmr_pipeline.models.dqn.distributions import Mean
from atmr_pipeline.models.policy.bank import DayBank
from atmr_pipeline.models.policy.demonstrations import (
    DemonstrationLoss,
    Demonstrations,
    DemonstrationSettings,
    demonstrate,
    margin_loss,
    value_loss,
)
from atmr_pipeline.models.policy.features import decide
from atmr_pipeline.models.policy.network import QNetwork


def shown_by(days: list[DayProblem], settings: DemonstrationSettings) -> tuple[DayBank, Demonstrations]:
    bank = DayBank.from_problems(days, CostWeights())
    return bank, demonstrate(bank, days, settings)


def assignment(day: DayProblem, row: int, bank: DayBank, shown: Demonstrations) -> np.ndarray:
    """The whole plan that was shown of a day, in the problem's order."""
    mine = shown.state.day == row
    actions = shown.action[mine][shown.state.step[mine].argsort()].numpy()
    drivers = np.full(day.n_bookings, -1)
    drivers[day.service_order] = np.where(actions == bank.max_drivers, -1, actions)
    return drivers


def test_local_search_is_shown_step_by_step_and_proves_nothing(days: list[DayProblem]) -> None:
    bank, shown = shown_by(days, DemonstrationSettings(planner="local_search"))
    for row, day in enumerate(days):
        expected = plan(day, "local_search").assignment
        assert assignment(day, row, bank, shown).tolist() == expected.tolist()
    assert not bool(shown.proven.any())
    legal = decide(bank, shown.state).choice.legal
    assert bool(legal.gather(1, shown.action[:, None]).all())


def test_the_exact_planner_is_never_dearer_and_says_what_is_proven(days: list[DayProblem]) -> None:
    bank, shown = shown_by(days, DemonstrationSettings(exact_size=10_000))
    costs = [simulate(day, assignment(day, row, bank, shown)).total for row, day in enumerate(days)]
    local = [plan(day, "local_search").outcome.total for day in days]
    assert all(cost <= other + 1e-6 for cost, other in zip(costs, local, strict=True))
    assert float(shown.proven.float().mean()) > 0.8


def test_values_are_what_the_rest_of_the_day_earned(days: list[DayProblem]) -> None:
    bank, shown = shown_by(days, DemonstrationSettings())
    for row, day in enumerate(days):
        first = (shown.state.day == row) & (shown.state.step == 0)
        total = simulate(day, assignment(day, row, bank, shown)).total
        assert float(shown.value[first]) == pytest.approx(-total / 20.0, rel=1e-4, abs=1e-4)


def test_days_too_large_for_the_exact_planner_are_shown_by_local_search() -> None:
    day = make_day(np.random.default_rng(1), n_bookings=9, n_drivers=3)
    for exact_size, proven in ((26, False), (27, True)):
        bank, shown = shown_by([day], DemonstrationSettings(exact_size=exact_size))
        assert shown.proven.tolist() == [proven] * 9
    assert assignment(day, 0, bank, shown).tolist() == plan(day, "local_search").assignment.tolist() or proven


def test_margin_loss_by_hand() -> None:
    q = torch.tensor([[1.0, 0.5, -torch.inf], [0.0, 3.0, 2.0], [0.0, -torch.inf, -torch.inf]], requires_grad=True)
    loss = margin_loss(q, torch.tensor([0, 2, 0]), 0.2)
    assert loss.item() == pytest.approx((0.0 + 1.2 + 0.0) / 3)
    loss.backward()
    assert q.grad is not None
    torch.testing.assert_close(q.grad, torch.tensor([[0.0, 0, 0], [0.0, 1, -1], [0.0, 0, 0]]) / 3)


def test_value_loss_by_hand() -> None:
    q = torch.tensor([-3.0, -3.0, -1.0, -1.0], requires_grad=True)
    loss = value_loss(q, torch.full((4,), -2.0), torch.tensor([True, False, True, False]))
    # A proven value is wanted from both sides, an unproven one only from below: the last row may promise more.
    assert loss.item() == pytest.approx((0.5 + 0.5 + 0.5 + 0.0) / 4)
    loss.backward()
    assert q.grad is not None
    torch.testing.assert_close(q.grad, torch.tensor([-1.0, -1.0, 1.0, 0.0]) / 4)


def test_following_the_loss_leads_to_the_demonstrated_plan() -> None:
    few = make_days(3, seed=5)
    settings = DemonstrationSettings(batch_size=64)
    bank, shown = shown_by(few, settings)
    loss = DemonstrationLoss(bank, shown, settings, Mean())
    torch.manual_seed(0)
    network, generator = QNetwork(), torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    for _ in range(150):
        optimizer.zero_grad()
        loss(network, generator).backward()
        optimizer.step()
    decision = decide(bank, shown.state)
    q = network(decision).detach()
    best = torch.where(decision.choice.legal, q, -torch.inf).argmax(1)
    assert float((best == shown.action).float().mean()) > 0.95
    own = q.gather(1, shown.action[:, None])[:, 0]
    assert float((own - shown.value).abs()[shown.proven].mean()) < 0.3


def test_what_is_shown_is_legal_as_the_learner_sees_it() -> None:
    # Tight days in single precision: a limit that the plan just keeps must not make a demonstrated action illegal.
    days = varied_days(400, seed=20_001, drivers=(1, 6))
    bank, shown = shown_by(days, DemonstrationSettings(planner="local_search"))
    legal = decide(bank, shown.state).choice.legal
    assert bool(legal.gather(1, shown.action[:, None]).all())
    loss = DemonstrationLoss(bank, shown, DemonstrationSettings(batch_size=2_000), Mean())
    assert torch.isfinite(loss(QNetwork(), torch.Generator().manual_seed(0)))
