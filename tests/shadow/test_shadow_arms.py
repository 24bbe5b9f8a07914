"""Arms of an A/B test: the ratio, and what must not depend on anything else."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atmr_pipeline.promotion.arms import arms_of

BOOKINGS = range(4_000)
names = st.text(min_size=1, max_size=30)
ratios = st.floats(0.0, 1.0)


def theirs(experiment: str, ratio: float, bookings=BOOKINGS) -> np.ndarray:
    return (arms_of(experiment, bookings, ratio) == "challenger").to_numpy()


@settings(max_examples=40, deadline=None)
@given(names, ratios)
def test_the_ratio_is_respected(experiment: str, ratio: float) -> None:
    share = theirs(experiment, ratio).mean()
    assert abs(share - ratio) <= 6.0 * np.sqrt(ratio * (1.0 - ratio) / len(BOOKINGS)) + 1e-12


@settings(max_examples=30, deadline=None)
@given(names)
def test_none_and_all_are_exact(experiment: str) -> None:
    assert not theirs(experiment, 0.0).any()
    assert theirs(experiment, 1.0).all()


@settings(max_examples=30, deadline=None)
@given(names, ratios, st.lists(st.integers(0, 2**53), min_size=1, max_size=50, unique=True))
def test_an_arm_depends_on_nothing_but_experiment_and_booking(experiment: str, ratio: float, bookings: list) -> None:
    together = dict(zip(bookings, arms_of(experiment, bookings, ratio), strict=True))
    for booking in reversed(bookings):
        assert arms_of(experiment, [booking], ratio)[0] == together[booking]


def test_an_arm_is_the_same_tomorrow() -> None:
    arms = arms_of("delay:0123456789abcdef", range(1, 25), 0.5)
    its_bookings = [booking for booking, arm in zip(range(1, 25), arms, strict=True) if arm == "challenger"]
    assert its_bookings == [2, 3, 4, 6, 8, 9, 10, 12, 13, 14, 16, 17, 18, 24]


@settings(max_examples=30, deadline=None)
@given(names, ratios, ratios)
def test_a_larger_ratio_only_moves_bookings_to_the_challenger(experiment: str, one: float, other: float) -> None:
    small, large = sorted((one, other))
    assert not (theirs(experiment, small) & ~theirs(experiment, large)).any()


@settings(max_examples=20, deadline=None)
@given(names, names)
def test_two_experiments_divide_independently(first: str, second: str) -> None:
    if first == second:
        return
    both = (theirs(first, 0.5) & theirs(second, 0.5)).mean()
    assert abs(both - 0.25) < 6.0 * np.sqrt(0.25 * 0.75 / len(BOOKINGS))


@pytest.mark.parametrize("ratio", [-0.1, 1.1, float("nan")])
def test_a_ratio_that_is_no_share_is_refused(ratio: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        arms_of("test", [1], ratio)


def test_an_experiment_needs_a_name() -> None:
    with pytest.raises(ValueError, match="needs a name"):
        arms_of("", [1], 0.5)
