import pytest
import torch

from atmr_pipeline.models.policy.environment import DayState
from atmr_pipeline.models.policy.replay import PrioritisedReplay


def states(first: int, count: int) -> DayState:
    number = torch.arange(first, first + count)
    wide = number[:, None].expand(-1, 2)
    return DayState(day=number, step=number, free_min=wide.float() + 0.5, position=wide, load=wide)


def filled(count: int, *, capacity: int = 8, alpha: float = 0.5) -> PrioritisedReplay:
    replay = PrioritisedReplay(capacity, alpha=alpha)
    replay.add(states(0, count), torch.arange(count), torch.arange(count) * 0.1, states(100, count))
    return replay


def test_transitions_are_sampled_in_proportion_to_their_priority() -> None:
    replay = filled(4)
    error = torch.tensor([0.0, 1.0, 4.0, 16.0])
    replay.update(torch.arange(4), error)
    batch = replay.sample(40_000, beta=0.0, generator=torch.Generator().manual_seed(0))
    expected = (error + replay.floor) ** 0.5
    seen = torch.bincount(batch.slot, minlength=4) / 40_000
    torch.testing.assert_close(seen, (expected / expected.sum()).float(), atol=0.01, rtol=0.0)
    assert bool((batch.weight == 1.0).all())


def test_importance_weights_undo_the_priorities() -> None:
    replay = filled(4)
    replay.update(torch.arange(4), torch.tensor([0.0, 1.0, 4.0, 16.0]))
    batch = replay.sample(60_000, beta=1.0, generator=torch.Generator().manual_seed(0))
    share = torch.zeros(4).index_add_(0, batch.slot, batch.weight)
    torch.testing.assert_close(share / share.sum(), torch.full((4,), 0.25), atol=0.02, rtol=0.0)
    assert float(batch.weight.max()) == 1.0


def test_what_comes_out_is_what_went_in() -> None:
    replay = filled(5)
    batch = replay.sample(64, beta=0.4, generator=torch.Generator().manual_seed(1))
    assert torch.equal(batch.state.day, batch.slot)
    assert torch.equal(batch.action, batch.slot)
    assert torch.equal(batch.after.load[:, 0], batch.slot + 100)
    torch.testing.assert_close(batch.reward, batch.slot * 0.1)
    torch.testing.assert_close(batch.state.free_min[:, 1], batch.slot + 0.5)


def test_the_oldest_make_room() -> None:
    replay = filled(6)
    replay.add(states(6, 4), torch.arange(6, 10), torch.zeros(4), states(106, 4))
    batch = replay.sample(2_000, beta=0.4, generator=torch.Generator().manual_seed(1))
    assert replay.size == 8
    assert set(batch.action.tolist()) == set(range(2, 10))


def test_new_transitions_are_at_least_as_likely_as_any() -> None:
    replay = filled(4)
    replay.update(torch.arange(4), torch.tensor([0.0, 0.0, 0.0, 9.0]))
    replay.add(states(4, 1), torch.tensor([4]), torch.zeros(1), states(104, 1))
    batch = replay.sample(4_000, beta=0.4, generator=torch.Generator().manual_seed(2))
    seen = torch.bincount(batch.slot, minlength=5)
    assert abs(int(seen[4]) - int(seen[3])) < 250
    assert int(seen[4]) > 5 * int(seen[0])


def test_alpha_0_is_uniform() -> None:
    replay = filled(4, alpha=0.0)
    replay.update(torch.arange(4), torch.tensor([0.0, 1.0, 10.0, 100.0]))
    batch = replay.sample(20_000, beta=1.0, generator=torch.Generator().manual_seed(3))
    seen = torch.bincount(batch.slot, minlength=4) / 20_000
    torch.testing.assert_close(seen, torch.full((4,), 0.25), atol=0.02, rtol=0.0)


@pytest.mark.parametrize(("capacity", "alpha"), [(0, 0.5), (8, -0.1), (8, 1.1)])
def test_nonsense_is_refused(capacity: int, alpha: float) -> None:
    with pytest.raises(ValueError, match="replay needs"):
        PrioritisedReplay(capacity, alpha=alpha)
