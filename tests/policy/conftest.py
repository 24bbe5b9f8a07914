"""Fixtures of the policy tests: days, and a policy that was trained for a few steps."""

import pytest
from policy_days import make_days

from atmr_pipeline.dispatch.problem import DayProblem
from atmr_pipeline.models.policy.learner import DqnSettings, TrainedPolicy, train


@pytest.fixture(scope="session")
def days() -> list[DayProblem]:
    return make_days(36, seed=3)


@pytest.fixture(scope="session")
def tiny_settings() -> DqnSettings:
    return DqnSettings(
        gradient_steps=6, batch_size=16, parallel_days=8, warmup_steps=4, replay_capacity=512, generated_days=20,
        log_every=3, demonstration_batch=16,
    )  # fmt: skip


@pytest.fixture(scope="session")
def trained(days: list[DayProblem], tiny_settings: DqnSettings) -> TrainedPolicy:
    return train(days, tiny_settings)
