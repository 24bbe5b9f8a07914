from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from policy_days import make_day, make_days

from atmr_pipeline.dispatch.planners import plan
from atmr_pipeline.dispatch.problem import DayProblem
from atmr_pipeline.dispatch.simulator import CostWeights, simulate
from atmr_pipeline.domain.errors import NotEnoughDataError
from atmr_pipeline.models.policy.augmentation import AugmentationSettings, generated_days
from atmr_pipeline.models.policy.bank import DayBank, days_sha256
from atmr_pipeline.models.policy.demonstrations import demonstrate, margin_loss
from atmr_pipeline.models.policy.environment import DayState, advance, initial_state
from atmr_pipeline.models.policy.evaluate import paired_bootstrap_over_days
from atmr_pipeline.models.policy.features import decide
from atmr_pipeline.models.policy.learner import (
    CurvePoint,
    DqnSettings,
    TrainedPolicy,
    _Run,
    train,
)
from atmr_pipeline.models.policy.policy import DispatchPolicy
from atmr_pipeline.models.policy.replay import Batch


def parameters(trained: TrainedPolicy) -> torch.Tensor:
    return torch.cat([parameter.flatten() for parameter in trained.network.parameters()])


def test_the_same_seed_gives_the_same_weights_bit_for_bit(
    days: list[DayProblem], tiny_settings: DqnSettings, trained: TrainedPolicy
) -> None:
    again, other = train(days, tiny_settings), train(days, replace(tiny_settings, seed=1))
    assert torch.equal(parameters(again), parameters(trained))
    assert again.curve == trained.curve
    assert not torch.equal(parameters(other), parameters(trained))


def test_training_leaves_torch_as_it_was(days: list[DayProblem], tiny_settings: DqnSettings) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    try:
        train(days, tiny_settings)
        assert torch.get_num_threads() == 2
        assert torch.equal(torch.rand(3), expected)
    finally:
        torch.set_num_threads(before)


def test_progress_is_the_curve(days: list[DayProblem], tiny_settings: DqnSettings) -> None:
    seen: list[CurvePoint] = []
    result = train(days, tiny_settings, on_progress=seen.append)
    assert seen == list(result.curve)
    assert [point.step for point in result.curve] == [1, 3, 6]
    assert {point.budget for point in seen} == {6}
    assert all(np.isfinite([point.loss, point.mean_cost, point.epsilon]).all() for point in result.curve)
    assert result.n_training_days + result.n_validation_days == len(days)
    assert "6 gradient steps on 32 days" in result.summary()


def test_too_few_usable_days_are_refused(tiny_settings: DqnSettings) -> None:
    rng = np.random.default_rng(0)
    some = [*make_days(29), *(make_day(rng, n_bookings=0) for _ in range(5)), make_day(rng, n_drivers=0)]
    with pytest.raises(NotEnoughDataError, match="needs 30, has 29"):
        train(some, tiny_settings)


def test_targets_are_the_cost_at_the_end_of_a_day_and_the_double_estimate_before() -> None:
    day = make_day(np.random.default_rng(3), n_bookings=2, n_drivers=2)
    run = _Run([day], [day], DqnSettings(generated_days=0, parallel_days=2))
    generator = torch.Generator().manual_seed(0)
    for network in (run.online, run.target):
        for parameter in network.parameters():
            parameter.data = 0.1 * torch.randn(parameter.shape, generator=generator)
    state = initial_state(run.bank, torch.tensor([0]))
    drop = torch.tensor([2])
    after, cost = advance(run.bank, state, drop)
    last, last_cost = advance(run.bank, after, drop)
    goals = run.targets(Batch(_joined(state, after), drop.expand(2), -torch.cat([cost, last_cost]) / 20.0,
                              _joined(after, last), torch.ones(2), torch.arange(2)))  # fmt: skip
    decision = decide(run.bank, after)
    legal = decision.choice.legal[0].nonzero()[:, 0]
    chosen = legal[run.online(decision)[0, legal].argmax()]
    expected = -cost[0] / 20.0 + run.target(decision)[0, chosen]
    torch.testing.assert_close(goals, torch.stack([expected, -last_cost[0] / 20.0]))


def _joined(first: DayState, second: DayState) -> DayState:
    return DayState(*(torch.cat([getattr(first, field.name), getattr(second, field.name)]) for field in fields(first)))


def test_demonstrations_are_the_local_search_plan_step_by_step(days: list[DayProblem]) -> None:
    bank = DayBank.from_problems(days, CostWeights())
    shown = demonstrate(bank, days)
    for row, day in enumerate(days):
        drivers = plan(day, "local_search").assignment[day.service_order]
        mine = shown.state.day == row
        order = shown.state.step[mine].argsort()
        assert shown.action[mine][order].tolist() == np.where(drivers < 0, bank.max_drivers, drivers).tolist()
    legal = decide(bank, shown.state).choice.legal
    assert bool(legal.gather(1, shown.action[:, None]).all())


def test_margin_loss_by_hand() -> None:
    q = torch.tensor([[1.0, 0.5, -torch.inf], [0.0, 3.0, 2.0], [0.0, -torch.inf, -torch.inf]], requires_grad=True)
    loss = margin_loss(q, torch.tensor([0, 2, 0]), 0.2)
    assert loss.item() == pytest.approx((0.0 + 1.2 + 0.0) / 3)
    loss.backward()
    assert q.grad is not None
    torch.testing.assert_close(q.grad, torch.tensor([[0.0, 0, 0], [0.0, 1, -1], [0.0, 0, 0]]) / 3)


def test_learning_works_without_demonstrations(days: list[DayProblem], tiny_settings: DqnSettings) -> None:
    alone = train(days, replace(tiny_settings, demonstration_weight=0.0))
    assert not torch.equal(parameters(alone), parameters(train(days, tiny_settings)))


def test_random_actions_are_legal_and_seldom_drop() -> None:
    run = _Run(make_days(4), make_days(1), DqnSettings(generated_days=4, parallel_days=4))
    legal = torch.tensor([[True, False, True, True], [False, False, False, True]]).repeat_interleave(5_000, 0)
    action = run._random_legal(legal)
    assert bool(legal.gather(1, action[:, None]).all())
    share = torch.bincount(action[:5_000], minlength=4) / 5_000
    torch.testing.assert_close(share, torch.tensor([0.475, 0.0, 0.475, 0.05]), atol=0.03, rtol=0.0)


def test_generated_days_have_mixed_sizes_and_only_true_trips(days: list[DayProblem]) -> None:
    generated = generated_days(days, 60, AugmentationSettings(), np.random.default_rng(0))
    assert {day.n_drivers for day in generated} == {2, 3, 4, 5, 6}
    assert len({day.n_bookings for day in generated}) > 8
    trips = {value for day in days for value in (*day.start_km.ravel(), *day.deadhead_km.ravel())}
    assert all(value in trips for day in generated for value in (*day.start_km.ravel(), *day.deadhead_km.ravel()))
    busy = np.mean([day.n_bookings / day.n_drivers for day in generated])
    assert busy == pytest.approx(np.mean([day.n_bookings / day.n_drivers for day in days]), rel=0.25)


def test_generated_days_keep_absences_with_their_driver() -> None:
    day = make_day(np.random.default_rng(0), n_bookings=6, n_drivers=3)
    day = replace(day, absences=((1, 600.0, 660.0),))
    for new in generated_days([day], 20, AugmentationSettings(moved_start_share=0.0), np.random.default_rng(1)):
        away = {driver for driver, _, _ in new.absences}
        same = {row for row in range(new.n_drivers) if new.shift_end_min[row] == day.shift_end_min[1]}
        assert away <= same


def test_the_data_hash_tells_days_apart_but_not_names(days: list[DayProblem]) -> None:
    day = days[0]
    renamed = replace(day, driver_ids=tuple(f"other {index}" for index in range(day.n_drivers)))
    assert days_sha256([day]) == days_sha256([renamed])
    assert days_sha256([day]) != days_sha256([replace(day, ride_min=day.ride_min + 1e-9)])
    assert days_sha256(days[:2]) != days_sha256(days[1::-1])


def test_the_environment_bank_holds_real_days_first() -> None:
    real = make_days(3)
    run = _Run(real, real[:1], DqnSettings(generated_days=5, parallel_days=4))
    expected = DayBank.from_problems(real, DqnSettings().weights)
    assert torch.equal(run.bank.n_bookings[:3], expected.n_bookings)
    assert run.bank.n_days == 8


@pytest.mark.slow
def test_half_a_minute_of_training_beats_the_greedy_family_on_later_days() -> None:
    problems = make_days(300, seed=21)
    policy = DispatchPolicy.from_training(train(problems[:200], DqnSettings(gradient_steps=700)))
    held_out = problems[200:]
    learned = [simulate(day, plan_).total for day, plan_ in zip(held_out, policy.plan_batch(held_out), strict=True)]
    for method in ("greedy", "least_loaded"):
        rule = [plan(day, method).outcome.total for day in held_out]
        assert paired_bootstrap_over_days(learned, rule)[2] < 0.0, f"not clearly better than {method}"
