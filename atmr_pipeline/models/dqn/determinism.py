"""What it takes to get the same weights again, bit for bit, on the same processor and library versions."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def one_thread() -> Iterator[None]:
    """One torch thread, then as many as before: small tensors gain nothing from more, and results stay the same."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """torch's own generator at a known state inside, and as it was afterwards: for the first weights of a network."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
