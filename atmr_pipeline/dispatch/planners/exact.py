"""The exact planner: dynamic programming over the bookings of a day in service order.

Layer k holds the states that may follow from deciding the first k bookings: where each driver is, from when, with how
many bookings served. A state is dropped if another one of its layer is sure to lead to a plan at least as good, or if
its cost so far plus a lower bound of the rest reaches the cost of a plan already known. What remains at the last layer
is optimal; if nothing does, the known plan is.

Where room runs out, a layer keeps the states of the lowest bounds only; where time does, the search ends. The plan is
then the best one known, and the least bound among the states that were left unexplored still bounds every plan.
"""

import time
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from atmr_pipeline.dispatch.kernel import (
    IS_EMERGENCY,
    SHIFT_START,
    PackedDay,
)
from atmr_pipeline.dispatch.planners.annealing import MANY_BOOKINGS, MANY_RUNS, MOVES_PER_PAIR, RUNS, anneal_runs
from atmr_pipeline.dispatch.planners.arcs import DELAYS_MIN
from atmr_pipeline.dispatch.planners.constructive import insert_by_regret
from atmr_pipeline.dispatch.planners.exact_bounds import Bounds, bounds_of, least_chains
from atmr_pipeline.dispatch.planners.exact_layers import Layer, Rules, empty_layer, enter, expand, rules_of
from atmr_pipeline.dispatch.planners.local_search import improve_rest

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

TIME_LIMIT_S = 10.0
"""A day that is not proven by then gets the best plan known, and a bound."""
MOST_CELLS = 60e6
"""Of the bounds' tables, half a gigabyte: some 220 bookings for two drivers, or 800 for a hundred."""
MAX_STATES = 100_000
"""States kept of a layer at most."""
CHILDREN_AT_ONCE = 20_000
"""Between two looks at the clock."""
CLOSE = 1e-9
"""A plan must be cheaper by more than this to be another one."""
WORTH_ANNEALING = 0.01
"""Where the plan known is further above the first bound than this part of its cost, it is annealed first."""
EASY_STATES = 1_000
"""Most days never have a layer of more. Where one does, a search that keeps the best so many comes first."""


@dataclass(frozen=True)
class Solution:
    """What the exact planner answers.

    Parameters
    ----------
    driver_of_rank : ndarray of int (B,)
        -1 for nobody.
    cost : float
    optimal : bool
        Whether no plan is cheaper.
    bound : float
        No plan is cheaper than this.
    """

    driver_of_rank: IntArray
    cost: float
    optimal: bool
    bound: float


def exact(day: PackedDay, time_limit_s: float = TIME_LIMIT_S) -> Solution:
    """The cheapest plan of a whole day, or the best that was found in time."""
    return Solution(*solve(day, np.zeros(day.drivers.shape[0], dtype=np.int64), None, MAX_STATES, time_limit_s))


def solve_from(
    day: PackedDay,
    first_rank: int,
    position: npt.ArrayLike,
    free_min: npt.ArrayLike,
    loads: npt.ArrayLike,
    upper: tuple[IntArray, float] | None = None,
    max_states: int = MAX_STATES,
    time_limit_s: float = TIME_LIMIT_S,
) -> tuple[IntArray, float, bool, float]:
    """The cheapest way to go on from any moment of a day.

    Parameters
    ----------
    day : PackedDay
    first_rank : int
        The first booking, in service order, that is still to be decided.
    position : array of int (D,)
        Where each driver is free: a row of ``day.travel``.
    free_min : array (D,)
        From when, minutes after midnight.
    loads : array of int (D,)
        Bookings served so far; they count in the load gap, and an emergency driver with any is paid for.
    upper : (ndarray of int (B,), float), optional
        A feasible plan that is known and what it costs from here on, final load gap included; found by local search
        unless given.
    max_states : int
        Of a layer.
    time_limit_s : float

    Returns
    -------
    (ndarray of int (B,), float, bool, float)
        Driver of each rank, -1 for nobody and for the ranks before ``first_rank``; cost from here on, final load gap
        included; whether that is proven optimal; a proven lower bound of it.

    Raises
    ------
    ValueError
        The cost of ``upper`` is not finite.
    """
    if upper is not None and not np.isfinite(upper[1]):
        raise ValueError("the cost of the known plan must be finite")
    carried = np.asarray(loads, dtype=np.int64)
    rest = rest_of_day(day, first_rank, np.asarray(position, dtype=np.int64), np.asarray(free_min), carried)
    known = (upper[0][first_rank:], upper[1]) if upper is not None else None
    drivers, cost, optimal, bound = solve(rest, carried, known, max_states, time_limit_s)
    return np.concatenate([np.full(first_rank, -1, dtype=np.int64), drivers]), cost, optimal, bound


def rest_of_day(
    day: PackedDay, first_rank: int, position: IntArray, free_min: FloatArray, loads: IntArray
) -> PackedDay:
    """The bookings from ``first_rank`` on as a day of their own, that starts where the drivers are; see solve_from."""
    n_drivers = day.drivers.shape[0]
    drivers = day.drivers.copy()
    drivers[:, SHIFT_START] = free_min
    drivers[loads > 0, IS_EMERGENCY] = 0.0
    travel = np.concatenate([day.travel[position, first_rank:], day.travel[n_drivers + first_rank :, first_rank:]])
    return day._replace(drivers=drivers, bookings=day.bookings[first_rank:], travel=travel)


def solve(
    day: PackedDay, carried: IntArray, known: tuple[IntArray, float] | None, max_states: int, time_limit_s: float
) -> tuple[IntArray, float, bool, float]:
    """The cheapest plan of a day whose drivers have ``carried`` (D,) bookings before it; see :func:`solve_from`."""
    _compile()
    ends = time.perf_counter() + time_limit_s
    drivers, cost = known or improve_rest(day, insert_by_regret(day, carried), carried)
    if _cells(day) > MOST_CELLS:
        # Too large to be bounded in memory: the plan is local search's, and nothing but 0 is known to be below it.
        return drivers, cost, False, 0.0
    many = day.bookings.shape[0] > MANY_BOOKINGS
    bound = -np.inf
    for room, moves_per_pair, runs in ((EASY_STATES, 48, RUNS[:1]), (max_states, MOVES_PER_PAIR, RUNS)):
        search = _Search(day, carried, cost, min(room, max_states), ends)
        if cost - search.root_bound > WORTH_ANNEALING * cost:
            drivers, cost = anneal_runs(day, drivers, carried, MANY_RUNS if many else runs, 0, moves_per_pair)
            search.upper = cost - CLOSE
        found = search.run()
        if found is not None:
            drivers, cost = found
        bound = min(cost, max(bound, search.unexplored))
        if bound >= cost - CLOSE or max_states <= EASY_STATES or time.perf_counter() > ends:
            break
    return drivers, cost, bool(bound >= cost - CLOSE), bound


def _cells(day: PackedDay) -> float:
    """Numbers that the bounds hold, about: long routes of few drivers make it cubic."""
    drivers, bookings = day.drivers.shape[0], day.bookings.shape[0]
    return 6.0 * bookings * (drivers + bookings) * (2.0 * bookings / max(drivers, 1) + 9.0)


@cache
def _compile() -> None:
    # The first call of compiled code loads or builds it; that must not count as search time.
    day = PackedDay(np.zeros((1, 5)), np.ones((1, 8)), np.ones((2, 1, 2)), np.empty((0, 2)), np.ones(6))
    nothing, carried = np.full(1, -1), np.zeros(1, dtype=np.int64)
    anneal_runs(day, improve_rest(day, insert_by_regret(day, carried), carried)[0], carried, RUNS[:1], 0)
    search = _Search(day, carried, upper=1e6, max_states=1, ends=np.inf)
    search.run()
    children, links = empty_layer(1, 1), np.empty(1, dtype=np.int32)
    enter(day, search.rules, 0, children, 0, nothing.astype(np.int32), links)


class _Search:
    """The layers of one day, and what was left unexplored of them."""

    def __init__(self, day: PackedDay, carried: IntArray, upper: float, max_states: int, ends: float) -> None:
        self.day, self.carried, self.ends = day, carried, ends
        self.upper, self.room = upper - CLOSE, max_states
        self.unexplored = np.inf
        """Least bound of a state that was dropped though it might have led to the best plan."""
        self.n_drivers, self.n_bookings = day.drivers.shape[0], day.bookings.shape[0]
        self.bounds: Bounds = bounds_of(day, carried, upper)
        self.rules: Rules = rules_of(day)
        self.origins: list[npt.NDArray[np.int32]] = []
        self._first = self._start()
        self.root_bound = float(self._first.times[0, self.n_drivers + 1])

    def run(self) -> tuple[IntArray, float] | None:
        """A plan cheaper than the known one; None if there is none, or none was found."""
        layer, count = self._first, 1
        for rank in range(self.n_bookings):
            layer, count = self._next(rank, layer, count)
        total = layer.times[:count, self.n_drivers + 1]
        if count == 0 or total.min() >= self.upper:
            return None
        best = int(total.argmin())
        return self._drivers(best, layer.origin), float(total[best])

    def _start(self) -> Layer:
        layer = empty_layer(1, self.n_drivers)
        layer.places[0] = np.concatenate([np.arange(self.n_drivers), self.carried])
        layer.times[0, : self.n_drivers] = self.day.drivers[:, SHIFT_START]
        layer.times[0, self.n_drivers :] = 0.0
        chain, starts = self.bounds.chain[0], DELAYS_MIN.size * np.arange(self.n_drivers)
        scratch = np.empty(self.n_drivers)
        ahead, _, _ = least_chains(chain, starts, self.carried, self.n_bookings, self.day.weights, scratch)
        layer.times[0, self.n_drivers + 1] = self.bounds.rest[0] + ahead
        return layer

    def _next(self, rank: int, parents: Layer, n_parents: int) -> tuple[Layer, int]:
        size = min(2 * self.room, n_parents * (self.n_drivers + 1)) + self.n_drivers + 1
        children, n_children, first = empty_layer(size, self.n_drivers), 0, 0
        heads = np.full(1 << (2 * size - 1).bit_length(), -1, dtype=np.int32)
        links = np.empty(size, dtype=np.int32)
        while first < n_parents:
            if time.perf_counter() > self.ends:
                self._leave(parents.times[first:n_parents])
                self._leave(children.times[:n_children])
                return children, 0
            stop = min(n_parents, first + max(1, CHILDREN_AT_ONCE // (self.n_drivers + 1)))
            first, n_children = expand(
                self.day, self.bounds, self.rules, rank, parents, first, stop, children, n_children, heads, links,
                self.upper,
            )  # fmt: skip
            if first < stop:
                children, n_children = self._trim(children, n_children)
                enter(self.day, self.rules, rank + 1, children, n_children, heads, links)
        self.origins.append(parents.origin[:n_parents].copy())
        return self._trim(children, n_children)

    def _trim(self, layer: Layer, count: int) -> tuple[Layer, int]:
        """Keep as many states as there is room for, those of the lowest bounds."""
        if count <= self.room:
            return layer, count
        order = np.argpartition(layer.times[:count, self.n_drivers + 1], self.room)
        self._leave(layer.times[order[self.room :]])
        for values in layer:
            values[: self.room] = values[order[: self.room]]
        return layer, self.room

    def _leave(self, times: FloatArray) -> None:
        """These states are not gone on from: the best plan may be theirs."""
        self.unexplored = min(self.unexplored, float(times[:, self.n_drivers + 1].min(initial=np.inf)))

    def _drivers(self, state: int, origin: npt.NDArray[np.int32]) -> IntArray:
        drivers = np.full(self.n_bookings, -1, dtype=np.int64)
        for rank in range(self.n_bookings - 1, -1, -1):
            state, drivers[rank] = origin[state]
            origin = self.origins[rank]
        return drivers
