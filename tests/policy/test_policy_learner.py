import os
import signal
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from policy_days import make_day, make_days

from atmr_pipeline.dispatch.planners import plan
from atmr_pipeline.dispatch.problem import DayProblem
from atmr_pipeline.dispatch.simulator import simulate
from atmr_pipeline.domain.errors import ModelIntegrityError, NotEnoughDataError
from atmr_pipeline.models.dqn.distributions import distribution_of
from atmr_pipeline.models.policy import DqnSettings
from atmr_pipeline.models.policy.augmentation import AugmentationSettings, generated_days
from atmr_pipeline.models.policy.bank import DayBank, days_sha256
from atmr_pipeline.models.policy.demonstrations import DemonstrationSettings
from atmr_pipeline.models.policy.dispatch_environment import DispatchEnvironment
from atmr_pipeline.models.policy.evaluate import paired_bootstrap_over_days
from atmr_pipeline.models.policy.learner import (
    CurvePoint,
    MeanCost,
    PolicySettings,
    TrainedPolicy,
    train,
    training_groups,
)
from atmr_pipeline.models.policy.network import QNetwork
from atmr_pipeline.models.policy.policy import DispatchPolicy


def parameters(trained: TrainedPolicy) -> torch.Tensor:
    return torch.cat([parameter.flatten() for parameter in trained.network.parameters()])


def test_the_same_seed_gives_the_same_weights_bit_for_bit(
    days: list[DayProblem], tiny_settings: PolicySettings, trained: TrainedPolicy
) -> None:
    again, other = train(days, tiny_settings), train(days, replace(tiny_settings, seed=1))
    assert torch.equal(parameters(again), parameters(trained))
    assert again.curve == trained.curve
    assert not torch.equal(parameters(other), parameters(trained))


def test_training_leaves_torch_as_it_was(days: list[DayProblem], tiny_settings: PolicySettings) -> None:
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


def test_progress_is_the_curve(days: list[DayProblem], tiny_settings: PolicySettings) -> None:
    seen: list[CurvePoint] = []
    result = train(days, tiny_settings, on_progress=seen.append)
    assert seen == list(result.curve)
    assert [point.step for point in result.curve] == [1, 3, 6]
    assert {point.budget for point in seen} == {6}
    assert all(np.isfinite([point.loss, point.mean_cost, point.epsilon]).all() for point in result.curve)
    assert result.n_training_days + result.n_validation_days == len(days)
    assert "6 gradient steps on 32 days" in result.summary()


def test_the_curve_is_the_mean_cost_of_the_validation_days(
    days: list[DayProblem], tiny_settings: PolicySettings, trained: TrainedPolicy
) -> None:
    held = days[trained.n_training_days :]
    plans = DispatchPolicy.from_training(trained).plan_batch(held)
    mean = np.mean([simulate(day, drivers).total for day, drivers in zip(held, plans, strict=True)])
    assert trained.curve[-1].mean_cost == pytest.approx(mean, rel=1e-3)


def test_too_few_usable_days_are_refused(tiny_settings: PolicySettings) -> None:
    rng = np.random.default_rng(0)
    some = [*make_days(29), *(make_day(rng, n_bookings=0) for _ in range(5)), make_day(rng, n_drivers=0)]
    with pytest.raises(NotEnoughDataError, match="needs 30, has 29"):
        train(some, tiny_settings)


def test_settings_name_what_a_pipeline_sets() -> None:
    settings = DqnSettings(seed=3, gradient_steps=5, min_days=2, trust_days=4, trust_beam_days=3)
    assert {"seed": 3, "gradient_steps": 5, "min_days": 2}.items() <= asdict(settings).items()


CHILD = """
import hashlib, sys, time
from dataclasses import replace
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from conftest import tiny_settings
from policy_days import make_days
from safetensors.torch import save
from atmr_pipeline.models.policy import train

def progress(point):
    print("step", point.step, flush=True)
    if sys.argv[3] == str(point.step):
        time.sleep(600)

settings = replace(tiny_settings.__wrapped__(), gradient_steps=12)
path = Path(sys.argv[2]) if sys.argv[2] != "-" else None
trained = train(make_days(36, seed=3), settings, on_progress=progress, checkpoint=path, checkpoint_every=4)
print(hashlib.sha256(save(dict(trained.network.state_dict()))).hexdigest(), trained.curve)
"""


def child(path: object, wait_at: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CHILD, str(Path(__file__).parent), str(path), str(wait_at)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})


def test_a_killed_run_ends_with_the_same_weights_and_tidies_up(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    killed = child(path, 9)
    assert killed.stdout is not None
    while (line := killed.stdout.readline()) and line != "step 9\n":
        pass
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert path.is_file()
    resumed, whole = child(path, 0), child("-", 0)
    resumed_said, whole_said = resumed.communicate()[0].splitlines(), whole.communicate()[0].splitlines()
    assert resumed.returncode == whole.returncode == 0
    assert resumed_said == ["step 9", "step 12", whole_said[-1]]
    assert not path.exists()


def test_a_checkpoint_of_other_days_is_refused(
    days: list[DayProblem], tiny_settings: PolicySettings, tmp_path: Path
) -> None:
    path, kept = tmp_path / "run.safetensors", []
    settings = replace(tiny_settings, log_every=1)
    train(
        days, settings, checkpoint=path, checkpoint_every=2,
        on_progress=lambda point: kept.append(path.read_bytes() if path.is_file() else b""),
    )  # fmt: skip
    path.write_bytes(kept[-1])
    with pytest.raises(ModelIntegrityError, match="other settings or data"):
        train(days[1:], settings, checkpoint=path)
    assert path.read_bytes() == kept[-1]


def test_a_limit_of_processor_time_is_kept(days: list[DayProblem], tiny_settings: PolicySettings) -> None:
    result = train(days, tiny_settings, cpu_seconds=0.001)
    assert result.curve[-1].step == 1
    assert result.curve[-1].budget is None


def test_learning_works_without_demonstrations(days: list[DayProblem], tiny_settings: PolicySettings) -> None:
    nobody = DemonstrationSettings(margin_weight=0.0, value_weight=0.0)
    settings = replace(tiny_settings, demonstrations=nobody)
    assert all(group.auxiliary is None for group in training_groups(days, settings))
    assert not torch.equal(parameters(train(days, settings)), parameters(train(days, tiny_settings)))


@pytest.mark.parametrize("distribution", ["none", "c51", "qr"])
def test_the_curve_reads_any_description_of_returns(days: list[DayProblem], distribution: str) -> None:
    described = distribution_of(PolicySettings(distribution=distribution, atoms=3, v_min=-1.0, v_max=1.0, quantiles=3))

    class Sure(QNetwork):
        """A network that says the same as the plain one, in another way."""

        def forward(self, decision):  # type: ignore[no-untyped-def, override]
            q = super().forward(decision)
            if distribution == "c51":
                return torch.tensor([-1e9, 0.0, -1e9]).expand(*q.shape, 3), q
            return q if distribution == "none" else q[..., None].expand(*q.shape, 3)

    network = Sure().eval()
    plain = QNetwork().eval()
    plain.load_state_dict(network.state_dict())
    weights = PolicySettings().weights
    expected = MeanCost(days, weights, distribution_of(PolicySettings()))(plain)
    assert MeanCost(days, weights, described)(network) == pytest.approx(expected, rel=1e-4)


def test_mixed_sizes_are_trained_in_groups_of_similar_fleets(tiny_settings: PolicySettings) -> None:
    rng = np.random.default_rng(2)
    sizes = [(1, 2), (6, 12), (7, 9), (12, 20), (13, 20), (30, 40), (60, 61)] * 5
    some = [make_day(rng, n_drivers=drivers, n_bookings=bookings) for drivers, bookings in sizes]
    settings = replace(tiny_settings, generated_days=0, parallel_episodes=64, batch_size=64, gradient_steps=3)
    groups = training_groups(some, settings)
    worlds = [group.environment for group in groups]
    assert all(isinstance(world, DispatchEnvironment) for world in worlds)
    assert [world.bank.max_drivers for world in worlds] == [6, 12, 13, 30, 60]  # type: ignore[attr-defined]
    assert [world.bank.n_days for world in worlds] == [10, 10, 5, 5, 5]  # type: ignore[attr-defined]
    assert [group.episodes for group in groups] == [64, 32, 32, 32, 32]
    assert [group.share for group in groups] == [10.0, 10.0, 5.0, 5.0, 5.0]
    result = train(some, settings)
    assert np.isfinite(result.curve[-1].mean_cost)


def test_real_days_come_first_in_every_group(days: list[DayProblem], tiny_settings: PolicySettings) -> None:
    (group,) = training_groups(days, tiny_settings)
    world = group.environment
    assert isinstance(world, DispatchEnvironment)
    expected = DayBank.from_problems(days, tiny_settings.weights)
    assert world.n_real == len(days)
    assert torch.equal(world.bank.n_bookings[: len(days)], expected.n_bookings)
    assert world.bank.n_days == len(days) + tiny_settings.generated_days


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


@pytest.mark.slow
def test_half_a_minute_of_training_beats_the_greedy_family_on_later_days() -> None:
    problems = make_days(300, seed=21)
    policy = DispatchPolicy.from_training(train(problems[:200], PolicySettings(gradient_steps=700)))
    held_out = problems[200:]
    learned = [simulate(day, plan_).total for day, plan_ in zip(held_out, policy.plan_batch(held_out), strict=True)]
    for method in ("greedy", "least_loaded"):
        rule = [plan(day, method).outcome.total for day in held_out]
        assert paired_bootstrap_over_days(learned, rule)[2] < 0.0, f"not clearly better than {method}"
