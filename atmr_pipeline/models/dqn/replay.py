"""Prioritised experience replay over named tensors.

Proportional priorities after Schaul et al. (2016). States are compact and what the network reads is made anew when a
transition is sampled: the buffer stays small and always speaks the current features. Sampling is a cumulative sum and a
binary search; at these sizes that beats a sum tree.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

INT32_MAX = torch.iinfo(torch.int32).max


@dataclass(frozen=True)
class Sample:
    """``n`` remembered rows, with what is needed to learn from them without bias."""

    values: dict[str, Tensor]
    weight: Tensor
    """(n,) importance weights, largest 1."""
    slot: Tensor
    """(n,) where the rows lie, for :meth:`PrioritisedReplay.update`."""


class PrioritisedReplay:
    """A ring of rows of named tensors; the oldest make room for the newest.

    Whole numbers are kept in 32 bits and come out in 64.

    Parameters
    ----------
    capacity : int
        Rows kept.
    alpha : float
        How much priorities count: 0 samples uniformly, 1 in proportion to the temporal-difference error.
    floor : float
        Added to every error, so that nothing is forgotten for good.
    """

    def __init__(self, capacity: int, *, alpha: float, floor: float = 0.01) -> None:
        if capacity < 1 or not 0.0 <= alpha <= 1.0 or floor <= 0.0:
            raise ValueError("replay needs capacity >= 1, alpha in 0..1 and a positive floor")
        self.capacity, self.alpha, self.floor = capacity, alpha, floor
        self.size = 0
        self._next = 0
        self._highest = 1.0
        self._mass = torch.zeros(capacity, dtype=torch.float64)
        self._store: dict[str, Tensor] = {}

    def add(self, values: Mapping[str, Tensor]) -> None:
        """Keep n rows, (n, ...) each, with the highest priority seen so far: nearly all are learned from at least once.

        Raises
        ------
        ValueError
            If there are more rows than the ring holds, or a whole number does not fit 32 bits.
        """
        count = len(next(iter(values.values())))
        if count > self.capacity:
            raise ValueError(f"replay holds {self.capacity} rows, cannot take {count} at once: raise replay_capacity")
        slots = (self._next + torch.arange(count)) % self.capacity
        for name, value in values.items():
            if name not in self._store:
                self._store[name] = torch.zeros((self.capacity, *value.shape[1:]), dtype=_compact(value.dtype))
            if value.dtype == torch.int64 and value.numel() and int(value.abs().max()) > INT32_MAX:
                raise ValueError(f"replay keeps whole numbers in 32 bits: a value of {name} does not fit")
            self._store[name][slots] = value.to(self._store[name].dtype)
        self._mass[slots] = self._highest
        self._next = int((self._next + count) % self.capacity)
        self.size = min(self.size + count, self.capacity)

    def sample(self, count: int, *, beta: float, generator: torch.Generator) -> Sample:
        """Draw ``count`` rows with probability proportional to priority, with replacement.

        Parameters
        ----------
        count : int
        beta : float
            How much the importance weights correct for it: 0 not at all, 1 fully.
        generator : torch.Generator

        Raises
        ------
        ValueError
            If nothing is remembered yet.
        """
        if not self.size:
            raise ValueError("replay is empty: there is nothing to sample")
        mass = self._mass[: self.size]
        cumulative = mass.cumsum(0)
        draw = torch.rand(count, generator=generator, dtype=torch.float64) * cumulative[-1]
        slot = torch.searchsorted(cumulative, draw, right=True).clamp(max=self.size - 1)
        weight = (mass[slot] / cumulative[-1] * self.size) ** -beta
        return Sample(
            values={name: _plain(stored[slot]) for name, stored in self._store.items()},
            weight=(weight / weight.max()).float(),
            slot=slot,
        )

    def update(self, slot: Tensor, error: Tensor) -> None:
        """Set priorities from absolute temporal-difference errors (n,)."""
        mass = (error.abs().double() + self.floor) ** self.alpha
        self._mass[slot] = mass
        self._highest = max(self._highest, float(mass.max()))

    def memory(self) -> tuple[dict[str, Tensor], dict[str, float]]:
        """Tensors and numbers from which :meth:`remember` makes this very buffer again."""
        tensors = {f"store.{name}": stored[: self.size].clone() for name, stored in self._store.items()}
        tensors["mass"] = self._mass[: self.size].clone()
        return tensors, {"next": self._next, "highest": self._highest}

    def remember(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, float]) -> None:
        """Take up what :meth:`memory` gave; the capacity must be the same."""
        self.size, self._next = len(tensors["mass"]), int(numbers["next"])
        self._highest = float(numbers["highest"])
        self._mass[: self.size] = tensors["mass"]
        for name, value in tensors.items():
            if name.startswith("store."):
                stored = torch.zeros((self.capacity, *value.shape[1:]), dtype=value.dtype)
                stored[: self.size] = value
                self._store[name.removeprefix("store.")] = stored


def _compact(dtype: torch.dtype) -> torch.dtype:
    return torch.int32 if dtype == torch.int64 else dtype


def _plain(value: Tensor) -> Tensor:
    return value.long() if value.dtype == torch.int32 else value
