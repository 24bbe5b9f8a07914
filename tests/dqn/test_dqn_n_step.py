from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from atmr_pipeline.models.dqn.environment import Outcome
from atmr_pipeline.models.dqn.n_step import NStep


def outcome(after: list[int], reward: list[float], over: list[bool], truncated: list[bool]) -> Outcome:
    return Outcome({"at": torch.tensor(after)}, torch.tensor(reward), torch.tensor(over), torch.tensor(truncated))


def push(steps: NStep, at: list[int], result: Outcome) -> list[tuple[float, ...]]:
    """Transitions as (from, to, reward, bootstrap)."""
    action = torch.zeros(len(at), dtype=torch.int64)
    return [
        tuple(round(value, 6) for value in row)
        for each in steps.push({"at": torch.tensor(at)}, action, result)
        for row in zip(
            each["before.at"].tolist(), each["after.at"].tolist(), each["reward"].tolist(), each["bootstrap"].tolist(),
            strict=True,
        )
    ]  # fmt: skip


def test_three_steps_by_hand() -> None:
    steps = NStep(3, 0.5)
    assert push(steps, [0], outcome([1], [1.0], [False], [False])) == []
    assert push(steps, [1], outcome([2], [2.0], [False], [False])) == []
    assert push(steps, [2], outcome([3], [4.0], [False], [False])) == [(0, 3, 1 + 1 + 1, 0.125)]
    assert push(steps, [3], outcome([4], [8.0], [False], [False])) == [(1, 4, 2 + 2 + 2, 0.125)]


def test_the_end_of_an_episode_flushes_shorter_returns_without_a_future() -> None:
    steps = NStep(3, 0.5)
    push(steps, [0], outcome([1], [1.0], [False], [False]))
    ended = push(steps, [1], outcome([2], [2.0], [True], [False]))
    assert ended == [(0, 2, 2.0, 0.0), (1, 2, 2.0, 0.0)]
    # The next episode starts clean.
    push(steps, [10], outcome([11], [100.0], [False], [False]))
    push(steps, [11], outcome([12], [0.0], [False], [False]))
    assert push(steps, [12], outcome([13], [4.0], [False], [False])) == [(10, 13, 101.0, 0.125)]


def test_a_cut_off_episode_keeps_its_future() -> None:
    steps = NStep(3, 0.5)
    push(steps, [0], outcome([1], [1.0], [False], [False]))
    ended = push(steps, [1], outcome([2], [2.0], [False], [True]))
    assert ended == [(0, 2, 2.0, 0.25), (1, 2, 2.0, 0.5)]


def test_parallel_episodes_do_not_touch_each_other() -> None:
    steps = NStep(2, 1.0)
    assert push(steps, [0, 50], outcome([1, 51], [1.0, 7.0], [False, True], [False, False])) == [(50, 51, 7.0, 0.0)]
    both = push(steps, [1, 60], outcome([2, 61], [1.0, 3.0], [False, False], [False, False]))
    assert both == [(0, 2, 2.0, 1.0)]


def test_one_step_passes_on_what_comes() -> None:
    steps = NStep(1, 0.9)
    assert push(steps, [0], outcome([1], [3.0], [False], [False])) == [(0, 1, 3.0, 0.9)]
    assert push(steps, [1], outcome([2], [3.0], [True], [False])) == [(1, 2, 3.0, 0.0)]
    with pytest.raises(ValueError, match="at least 1"):
        NStep(0, 0.9)


@given(
    n=st.integers(1, 5),
    ends=st.lists(
        st.tuples(st.sampled_from(["on", "over", "cut"]), st.sampled_from(["on", "over", "cut"])), min_size=8
    ),
)
def test_every_step_gives_one_transition_with_its_own_return(n: int, ends: list[tuple[str, str]]) -> None:
    discount, steps = 0.5, NStep(n, 0.5)
    found: Counter[int] = Counter()
    for time, kinds in enumerate(ends):
        at = [2 * time, 2 * time + 1]
        result = outcome(
            [value + 2 for value in at], [float(time + 1)] * 2, [kind == "over" for kind in kinds],
            [kind == "cut" for kind in kinds],
        )  # fmt: skip
        for start, stop, reward, bootstrap in push(steps, at, result):
            stream, began, length = int(start) % 2, int(start) // 2, (int(stop) - int(start)) // 2
            found[int(start)] += 1
            assert reward == pytest.approx(sum(discount**k * (began + k + 1) for k in range(length)), abs=1e-4)
            last = ends[began + length - 1][stream]
            assert bootstrap == pytest.approx(0.0 if last == "over" else discount**length)
            assert length == n or last != "on"
            assert all(ends[began + k][stream] == "on" for k in range(length - 1))
    waiting = {2 * time + stream for stream in range(2) for time in _unfinished([kinds[stream] for kinds in ends], n)}
    assert set(found) == set(range(2 * len(ends))) - waiting
    assert set(found.values()) <= {1}


def _unfinished(kinds: list[str], n: int) -> list[int]:
    last_end = max((time for time, kind in enumerate(kinds) if kind != "on"), default=-1)
    return [time for time in range(last_end + 1, len(kinds)) if time + n > len(kinds)]


def test_what_waits_can_be_kept_and_taken_up() -> None:
    old, new = NStep(3, 0.5), NStep(3, 0.5)
    push(old, [0, 50], outcome([1, 51], [1.0, 1.0], [False, True], [False, False]))
    push(old, [1, 60], outcome([2, 61], [2.0, 2.0], [False, False], [False, False]))
    new.remember(old.memory())
    result = outcome([3, 62], [4.0, 4.0], [False, False], [False, False])
    assert push(new, [2, 61], result) == push(old, [2, 61], result) == [(0, 3, 3.0, 0.125)]
