"""The learned policy of the running day: trained, saved, refused when altered, and the same in torch and compiled."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from atmr_pipeline.dispatch.kernel import pack
from atmr_pipeline.dispatch.running import day as running
from atmr_pipeline.dispatch.running.features import COST_SCALE, FEATURES, N_FEATURES
from atmr_pipeline.dispatch.running.hybrid import WIDEST_REGRET, evaluate
from atmr_pipeline.dispatch.running.methods import run_day, running_method
from atmr_pipeline.dispatch.running.noise import Noise, draw
from atmr_pipeline.dispatch.running.residual import no_residual, residual
from atmr_pipeline.dispatch.running.view import legal_drivers, look
from atmr_pipeline.dispatch.simulator import CostWeights
from atmr_pipeline.dispatch.synthetic import synthetic_days
from atmr_pipeline.domain.errors import ModelIntegrityError, NotEnoughDataError
from atmr_pipeline.models.policy.running import RunningDayPolicy, RunningSettings, learner, train
from atmr_pipeline.models.policy.running.lessons import Lessons
from atmr_pipeline.models.policy.running.network import ResidualNetwork
from atmr_pipeline.models.policy.running.policy import MANIFEST_FILE, WEIGHTS_FILE

TINY = RunningSettings(seed=3, lives_per_day=1, steps=20, batch_size=16, hidden=8, iterations=2)


def random_network(seed: int, hidden: int = 8) -> ResidualNetwork:
    generator = torch.Generator().manual_seed(seed)
    network = ResidualNetwork(hidden)
    for parameter in network.parameters():
        parameter.data = 0.3 * torch.randn(parameter.shape, generator=generator)
    return network


@pytest.fixture(scope="module")
def policy() -> RunningDayPolicy:
    return RunningDayPolicy.from_training(train(synthetic_days(12, seed=8), TINY))


@pytest.fixture
def saved(policy: RunningDayPolicy, tmp_path: Path) -> Path:
    policy.save(tmp_path / "policy", metrics={"cost": 97.5})
    return tmp_path / "policy"


def first_views(count: int):
    noise = Noise()
    rng = np.random.default_rng(0)
    for problem in synthetic_days(count, seed=5):
        packed, terms = pack(problem, CostWeights()), noise.terms()
        realisation, run = draw(problem, noise, rng), running.start(pack(problem, CostWeights()))
        for rank in range(problem.n_bookings):
            now = running.decision_min(packed, terms[0], rank)
            view = look(packed, realisation, run, rank, now, noise.beliefs())
            yield view
            running.commit(packed, realisation, run, rank, int(rng.integers(-1, problem.n_drivers)), now, terms[1])


def test_the_compiled_network_is_the_one_that_was_trained() -> None:
    network = random_network(1)
    for view in first_views(4):
        values, _, rows, corrected = evaluate(view, network.exported(), 1)
        is_candidate = np.isfinite(values)
        with torch.no_grad():
            told = network(torch.from_numpy(rows[None]), torch.from_numpy(is_candidate[None]))[0].numpy()
        assert corrected[is_candidate] == pytest.approx((values + COST_SCALE * told)[is_candidate], abs=1e-3)
        assert not residual(no_residual(), rows, values).any()


def test_every_row_is_finite_and_only_legal_drivers_are_candidates() -> None:
    names = [name for name, _ in FEATURES]
    assert len(set(names)) == N_FEATURES
    for view in first_views(6):
        values, plans, rows, _ = evaluate(view, no_residual(), 1)
        assert np.all(np.isfinite(rows))
        assert not rows[~np.isfinite(values)].any()
        assert not np.any(np.isfinite(values[:-1]) & ~legal_drivers(view))
        assert np.isfinite(values).any()
        assert np.ptp(values[np.isfinite(values)]) <= WIDEST_REGRET
        for driver in np.flatnonzero(np.isfinite(values[:-1])):
            assert plans[driver, 0] == driver


def test_an_untrained_hybrid_is_the_search() -> None:
    noise = Noise()
    policy = RunningDayPolicy(ResidualNetwork(), noise, CostWeights())
    for problem in synthetic_days(5, seed=2):
        realisation = draw(problem, noise, np.random.default_rng(1))
        searched = run_day(problem, realisation, noise, running_method("risk_search", noise))
        assert np.array_equal(policy.run(problem, realisation).driver, searched.driver)


def test_the_same_seed_trains_the_same_network(policy: RunningDayPolicy) -> None:
    again = train(synthetic_days(12, seed=8), TINY).network
    for old, new in zip(policy.network.parameters(), again.parameters(), strict=True):
        assert torch.equal(old, new)
    other = train(synthetic_days(12, seed=8), replace(TINY, seed=4)).network
    assert not torch.equal(other.first.weight, policy.network.first.weight)


def lessons_where_the_search_is_wrong(by: float) -> Lessons:
    """The search prefers candidate 0, which lives worse by ``by`` in every decision; candidate 1 shows a flag."""
    rows = np.zeros((200, 2, N_FEATURES), dtype=np.float32)
    rows[:, 1, 0] = 1.0
    prior = np.tile(np.array([[0.0, 0.5]], dtype=np.float32), (200, 1))
    lived = np.tile(np.array([[1.0 + by, 1.0]], dtype=np.float32), (200, 1))
    noise = np.random.default_rng(0).normal(0.0, 0.1, lived.shape).astype(np.float32)
    return Lessons(rows, np.ones((200, 2), dtype=bool), prior, lived + noise)


def test_a_residual_that_helps_is_learned_and_kept() -> None:
    lessons = lessons_where_the_search_is_wrong(by=1.0)
    network = learner._fit(lessons, RunningSettings(steps=200), 0)
    share, gain = learner._keep_what_helps(network, lessons)
    assert share > 0.0
    assert gain == pytest.approx(COST_SCALE * 1.0, rel=0.05)


def test_a_residual_that_does_not_help_on_held_out_days_is_dropped() -> None:
    network = learner._fit(lessons_where_the_search_is_wrong(by=1.0), RunningSettings(steps=200), 0)
    share, gain = learner._keep_what_helps(network, lessons_where_the_search_is_wrong(by=-1.0))
    assert (share, gain) == (0.0, 0.0)
    assert not network.last.weight.any()


def test_too_few_days_are_refused() -> None:
    with pytest.raises(NotEnoughDataError, match="training days"):
        train(synthetic_days(1, seed=1), TINY)


def test_what_is_loaded_decides_as_what_was_saved(policy: RunningDayPolicy, saved: Path) -> None:
    loaded = RunningDayPolicy.load(saved)
    assert loaded.noise == policy.noise
    assert loaded.weights == policy.weights
    assert loaded.training == json.loads(json.dumps(policy.training))
    for problem in synthetic_days(5, seed=6):
        realisation = draw(problem, policy.noise, np.random.default_rng(2))
        assert np.array_equal(loaded.run(problem, realisation).driver, policy.run(problem, realisation).driver)


def test_saving_twice_writes_the_same_bytes(policy: RunningDayPolicy, saved: Path, tmp_path: Path) -> None:
    policy.save(tmp_path / "again", metrics={"cost": 97.5})
    for name in (MANIFEST_FILE, WEIGHTS_FILE):
        assert (tmp_path / "again" / name).read_bytes() == (saved / name).read_bytes()


def edited(directory: Path, **changes: object) -> None:
    path = directory / MANIFEST_FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def other_features(directory: Path) -> None:
    contract = json.loads((directory / MANIFEST_FILE).read_text())["feature_contract"]
    contract["features"][0][1] = "other unit"
    edited(directory, feature_contract=contract)


def altered_weights(directory: Path) -> None:
    tensors = load_file(directory / WEIGHTS_FILE)
    save_file({name: value + 1.0 for name, value in tensors.items()}, directory / WEIGHTS_FILE)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (shutil.rmtree, "no policy here"),
        (lambda path: (path / WEIGHTS_FILE).unlink(), "is missing beside"),
        (altered_weights, "does not match"),
        (other_features, "other features"),
        (lambda path: edited(path, hidden=16), "do not fit"),
        (lambda path: edited(path, noise={"travel_sigma": -1.0}), "do not fit"),
        (lambda path: edited(path, kind="dispatch_policy"), "does not describe"),
        (lambda path: edited(path, format=99), "format 99"),
        (lambda path: (path / MANIFEST_FILE).write_text("{"), "not valid JSON"),
        (lambda path: (path / MANIFEST_FILE).write_text('{"kind": "running_day_policy", "format": 1}'), "lacks"),
    ],
)
def test_a_policy_that_is_not_what_it_says_is_refused(
    saved: Path, damage: Callable[[Path], object], message: str
) -> None:
    damage(saved)
    with pytest.raises(ModelIntegrityError, match=message):
        RunningDayPolicy.load(saved)
