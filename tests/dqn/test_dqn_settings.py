from typing import Any

import pytest

from atmr_pipeline.models.dqn.settings import DqnSettings


def test_epsilon_falls_over_its_share_of_the_budget_and_stays() -> None:
    settings = DqnSettings(epsilon=(1.0, 0.2), epsilon_share=0.5)
    assert [settings.epsilon_at(done) for done in (0.0, 0.25, 0.5, 1.0)] == pytest.approx([1.0, 0.6, 0.2, 0.2])
    assert DqnSettings(epsilon=(1.0, 0.2), epsilon_share=0.0).epsilon_at(0.0) == 0.2


def test_beta_rises_over_the_whole_budget() -> None:
    assert [DqnSettings().beta_at(done) for done in (0.0, 0.5, 1.0)] == pytest.approx([0.4, 0.7, 1.0])


def test_the_learning_rate_falls_along_a_half_cosine() -> None:
    settings = DqnSettings(learning_rate=2.0, learning_rate_end=0.1)
    assert [settings.learning_rate_at(done) for done in (0.0, 0.5, 1.0)] == pytest.approx([2.0, 1.1, 0.2])


def test_environment_steps_are_counted_in_advance() -> None:
    settings = DqnSettings(
        gradient_steps=101, gradients_per_round=2, acts_per_round=3, parallel_episodes=4, warmup_steps=10
    )
    assert settings.environment_steps == 4 * (10 + 51 * 3)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"gradient_steps": 0}, "gradient_steps"),
        ({"n_step": 0}, "n_step"),
        ({"priority_alpha": 1.5}, "priority_alpha"),
        ({"epsilon": (1.0, -0.1)}, "epsilon"),
        ({"ema_decay": 2.0}, "ema_decay"),
        ({"discount": float("nan")}, "discount"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"distribution": "gaussian"}, "distribution"),
        ({"v_min": 1.0, "v_max": 1.0}, "v_min below v_max"),
        ({"atoms": 1}, "two atoms"),
        ({"warmup_steps": 2, "n_step": 3}, "warmup_steps"),
    ],
)
def test_nonsense_is_refused_by_name(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        DqnSettings(**wrong)
