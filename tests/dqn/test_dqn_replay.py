import pytest
import torch

from atmr_pipeline.models.dqn.replay import INT32_MAX, PrioritisedReplay


def rows(first: int, count: int) -> dict[str, torch.Tensor]:
    number = torch.arange(first, first + count)
    return {"number": number, "wide": number[:, None].expand(-1, 2) + 0.5, "flag": number % 2 == 0}


def filled(count: int, *, capacity: int = 8, alpha: float = 0.5) -> PrioritisedReplay:
    replay = PrioritisedReplay(capacity, alpha=alpha)
    replay.add(rows(0, count))
    return replay


@pytest.mark.parametrize("alpha", [0.4, 0.6, 1.0])
def test_rows_are_sampled_by_the_formula(alpha: float) -> None:
    replay = filled(4, alpha=alpha)
    error = torch.tensor([0.0, -1.0, 4.0, 16.0])
    replay.update(torch.arange(4), error)
    count = 40_000
    slot = replay.sample(count, beta=0.0, generator=torch.Generator().manual_seed(0)).slot
    share = (error.abs() + replay.floor) ** alpha
    expected = count * share / share.sum()
    chi_square = ((torch.bincount(slot, minlength=4) - expected) ** 2 / expected).sum()
    # 16.27 is what chance alone exceeds once in a thousand with three degrees of freedom.
    assert float(chi_square) < 16.27


def test_importance_weights_are_the_formula() -> None:
    replay = filled(4)
    error = torch.tensor([0.0, 1.0, 4.0, 16.0])
    replay.update(torch.arange(4), error)
    sample = replay.sample(2_000, beta=0.7, generator=torch.Generator().manual_seed(0))
    share = (error + replay.floor) ** 0.5
    weight = (4 * share / share.sum()) ** -0.7
    torch.testing.assert_close(sample.weight, (weight / weight.max())[sample.slot])
    assert bool((replay.sample(9, beta=0.0, generator=torch.Generator()).weight == 1.0).all())


def test_full_correction_undoes_the_priorities() -> None:
    replay = filled(4)
    replay.update(torch.arange(4), torch.tensor([0.0, 1.0, 4.0, 16.0]))
    sample = replay.sample(60_000, beta=1.0, generator=torch.Generator().manual_seed(0))
    share = torch.zeros(4).index_add_(0, sample.slot, sample.weight)
    torch.testing.assert_close(share / share.sum(), torch.full((4,), 0.25), atol=0.02, rtol=0.0)


def test_what_comes_out_is_what_went_in() -> None:
    sample = filled(5).sample(64, beta=0.4, generator=torch.Generator().manual_seed(1))
    assert torch.equal(sample.values["number"], sample.slot)
    assert sample.values["number"].dtype == torch.int64
    assert torch.equal(sample.values["flag"], sample.slot % 2 == 0)
    torch.testing.assert_close(sample.values["wide"][:, 1], sample.slot + 0.5)


def test_the_oldest_make_room() -> None:
    replay = filled(6)
    replay.add(rows(6, 4))
    sample = replay.sample(2_000, beta=0.4, generator=torch.Generator().manual_seed(1))
    assert replay.size == 8
    assert set(sample.values["number"].tolist()) == set(range(2, 10))


def test_new_rows_are_at_least_as_likely_as_any() -> None:
    replay = filled(4)
    replay.update(torch.arange(4), torch.tensor([0.0, 0.0, 0.0, 9.0]))
    replay.add(rows(4, 1))
    seen = torch.bincount(replay.sample(4_000, beta=0.4, generator=torch.Generator().manual_seed(2)).slot, minlength=5)
    assert abs(int(seen[4]) - int(seen[3])) < 250
    assert int(seen[4]) > 5 * int(seen[0])


def test_alpha_0_is_uniform() -> None:
    replay = filled(4, alpha=0.0)
    replay.update(torch.arange(4), torch.tensor([0.0, 1.0, 10.0, 100.0]))
    sample = replay.sample(20_000, beta=1.0, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(torch.bincount(sample.slot) / 20_000, torch.full((4,), 0.25), atol=0.02, rtol=0.0)
    assert bool((sample.weight == 1.0).all())


@pytest.mark.parametrize("count", [5, 8])
def test_a_remembered_buffer_samples_and_grows_as_the_old_one(count: int) -> None:
    old, new = filled(count), PrioritisedReplay(8, alpha=0.5)
    old.update(torch.arange(2), torch.tensor([3.0, 7.0]))
    new.remember(*old.memory())
    for replay in (old, new):
        replay.add(rows(20, 3))
    generators = [torch.Generator().manual_seed(4) for _ in range(2)]
    mine, theirs = (
        replay.sample(50, beta=0.5, generator=each) for replay, each in zip((old, new), generators, strict=True)
    )
    assert torch.equal(mine.slot, theirs.slot)
    assert torch.equal(mine.weight, theirs.weight)
    assert torch.equal(mine.values["wide"], theirs.values["wide"])


@pytest.mark.parametrize(("capacity", "alpha"), [(0, 0.5), (8, -0.1), (8, 1.1)])
def test_nonsense_is_refused(capacity: int, alpha: float) -> None:
    with pytest.raises(ValueError, match="replay needs"):
        PrioritisedReplay(capacity, alpha=alpha)


def test_what_cannot_be_kept_is_refused() -> None:
    replay = PrioritisedReplay(2, alpha=0.5)
    with pytest.raises(ValueError, match="empty"):
        replay.sample(1, beta=0.4, generator=torch.Generator())
    with pytest.raises(ValueError, match="cannot take 3 at once"):
        replay.add(rows(0, 3))
    with pytest.raises(ValueError, match="number does not fit"):
        replay.add({"number": torch.tensor([INT32_MAX + 1])})
