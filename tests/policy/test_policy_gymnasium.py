"""The Gymnasium adapter: its contract, its masks, and returns that are the day's score to the last digits."""

import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_days import make_day

from atmr_pipeline.dispatch.simulator import CostWeights, simulate
from atmr_pipeline.domain.errors import InfeasiblePlanError, InvalidProblemError
from atmr_pipeline.models.policy.environment import REWARD_SCALE
from atmr_pipeline.models.policy.gymnasium_env import COST_PARTS, ENVIRONMENT_ID, DispatchEnv
from atmr_pipeline.models.policy.rewards import REWARD_PROFILES

WEIGHTS = CostWeights(empty_km=1.3, urgent_factor=2.1, lost=97.7, load_gap=7.3, emergency_use=11.1)


def run_at_random(env: DispatchEnv, day: int, rng: np.random.Generator) -> tuple[list[float], list[dict]]:
    _, info = env.reset(options={"day": day})
    rewards, infos, over = [], [info], False
    while not over:
        assert np.array_equal(env.action_masks(), infos[-1]["action_mask"].astype(bool))
        _, reward, over, truncated, info = env.step(rng.choice(np.flatnonzero(infos[-1]["action_mask"])))
        assert not truncated
        rewards.append(reward)
        infos.append(info)
    return rewards, infos


@pytest.mark.parametrize("reward", sorted(REWARD_PROFILES))
def test_check_env_has_nothing_to_say(reward: str) -> None:
    env = gymnasium.make(ENVIRONMENT_ID, reward=reward, illegal="drop")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env.unwrapped)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1), drivers=st.integers(0, 6), absences=st.sampled_from([0.0, 0.5]),
    profile=st.sampled_from(sorted(REWARD_PROFILES)),
)  # fmt: skip
def test_the_return_is_the_score_of_the_day(seed: int, drivers: int, absences: float, profile: str) -> None:
    rng = np.random.default_rng(seed)
    small = make_day(rng, n_bookings=int(rng.integers(1, 20)), n_drivers=drivers, absence_share=absences)
    env = DispatchEnv([make_day(rng, n_bookings=3, n_drivers=7), small], weights=WEIGHTS, reward=profile)
    rewards, infos = run_at_random(env, 1, rng)
    outcome = simulate(small, infos[-1]["assignment"], weights=WEIGHTS)
    assert sum(rewards) == pytest.approx(REWARD_PROFILES[profile]().day(small, outcome), abs=1e-9)
    assert infos[-1]["total_cost"] == pytest.approx(outcome.total, abs=1e-9)
    for part in COST_PARTS:
        assert sum(info["costs"][part] for info in infos) == pytest.approx(outcome.costs[part], abs=1e-9)
    if profile == "cost":
        assert sum(rewards) == pytest.approx(-outcome.total / REWARD_SCALE, abs=1e-9)


def test_padding_is_masked_and_zero() -> None:
    rng = np.random.default_rng(0)
    env = DispatchEnv([make_day(rng, n_bookings=4, n_drivers=2)], max_drivers=5)
    seen, info = env.reset()
    assert env.observation_space.contains(seen)
    assert env.action_space.n == 6
    assert info["action_mask"].tolist()[2:5] == [0, 0, 0]
    assert info["action_mask"][-1] == 1
    assert seen["on_duty"].tolist() == [1, 1, 0, 0, 0]
    assert not seen["driver"][2:].any()
    assert seen["driver"][:2].any()


def test_an_illegal_action_is_refused_or_counted() -> None:
    day = make_day(np.random.default_rng(1), n_bookings=3, n_drivers=2)
    strict, lenient = DispatchEnv([day], max_drivers=4), DispatchEnv([day], max_drivers=4, illegal="drop")
    strict.reset()
    with pytest.raises(InfeasiblePlanError, match="action 3 is not legal"):
        strict.step(3)
    lenient.reset()
    for count in (1, 2, 3):
        _, reward, over, _, info = lenient.step(3)
        assert info["illegal_actions"] == count
        assert info["costs"]["lost"] == pytest.approx(-REWARD_SCALE * reward)
    assert over
    assert info["assignment"].tolist() == [-1, -1, -1]
    assert lenient.reset()[1]["illegal_actions"] == 0


def test_a_seed_draws_the_same_days() -> None:
    days = [make_day(np.random.default_rng(number), n_bookings=2 + number) for number in range(6)]
    one, other = DispatchEnv(days), DispatchEnv(days)
    drawn = [one.reset(seed=5)[1]["day"], *(one.reset()[1]["day"] for _ in range(8))]
    again = [other.reset(seed=5)[1]["day"], *(other.reset()[1]["day"] for _ in range(8))]
    assert drawn == again
    assert len(set(drawn)) > 1


def test_a_day_that_is_over_wants_a_reset() -> None:
    env = DispatchEnv([make_day(np.random.default_rng(1), n_bookings=1, n_drivers=1)])
    env.reset()
    env.step(1)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(1)


def test_what_it_is_given_is_checked() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(InvalidProblemError, match="needs days"):
        DispatchEnv([])
    with pytest.raises(InvalidProblemError, match="needs days"):
        DispatchEnv([make_day(rng, n_bookings=0)])
    with pytest.raises(InvalidProblemError, match="more than max_drivers 2"):
        DispatchEnv([make_day(rng, n_drivers=3)], max_drivers=2)
    with pytest.raises(ValueError, match="raise or drop"):
        DispatchEnv(illegal="ignore")


def test_a_learner_from_elsewhere_learns_on_it() -> None:
    stable_baselines3 = pytest.importorskip("stable_baselines3", reason="a development extra")
    env = gymnasium.make(ENVIRONMENT_ID, illegal="drop")
    model = stable_baselines3.DQN(
        "MultiInputPolicy", env, learning_starts=20, buffer_size=500, batch_size=16, train_freq=4, seed=0
    )
    model.learn(120)
    seen, _ = env.reset(seed=1)
    action, _ = model.predict(seen, deterministic=True)
    assert env.action_space.contains(int(action))


@pytest.mark.parametrize("day", [-1, 2, 1.7, "0"])
def test_a_day_that_is_not_there_is_refused(day: object) -> None:
    env = DispatchEnv([make_day(np.random.default_rng(seed)) for seed in range(2)])
    with pytest.raises(InvalidProblemError, match="from 0 to 1"):
        env.reset(options={"day": day})


def test_a_step_before_the_first_reset_is_told() -> None:
    with pytest.raises(gymnasium.error.ResetNeeded):
        DispatchEnv([make_day(np.random.default_rng(0))]).step(0)
