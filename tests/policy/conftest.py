"""Fixtures of the policy tests: days, and a policy that was trained for a few steps."""

import pytest
from policy_days import make_days

from atmr_pipeline.dispatch.problem import DayProblem
from atmr_pipeline.models.policy.demonstrations import DemonstrationSettings
from atmr_pipeline.models.policy.learner import PolicySettings, TrainedPolicy, train


@pytest.fixture(scope="session")
def days() -> list[DayProblem]:
    return make_days(36, seed=3)


@pytest.fixture(scope="session")
def tiny_settings() -> PolicySettings:
    return PolicySettings(
        gradient_steps=6, batch_size=16, parallel_episodes=8, warmup_steps=4, replay_capacity=512, generated_days=20,
        trust_days=4, trust_beam_days=3,
        log_every=3, demonstrations=DemonstrationSettings(batch_size=16),
    )  # fmt: skip


@pytest.fixture(scope="session")
def trained(days: list[DayProblem], tiny_settings: PolicySettings) -> TrainedPolicy:
    return train(days, tiny_settings)
