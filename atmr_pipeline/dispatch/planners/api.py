"""One entrance to every planner."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from atmr_pipeline.dispatch.kernel import PackedDay, pack
from atmr_pipeline.dispatch.planners import annealing, constructive, exact, local_search
from atmr_pipeline.dispatch.problem import DayProblem
from atmr_pipeline.dispatch.simulator import CostWeights, DayOutcome, simulate

IntArray = npt.NDArray[np.int64]
Planner = Callable[[PackedDay, int], IntArray]

_PLANNERS: dict[str, Planner] = {
    "nearest": constructive.nearest,
    "least_loaded": constructive.least_loaded,
    "greedy": constructive.greedy,
    "insertion": constructive.insertion,
    "local_search": local_search.local_search,
    "anneal": annealing.annealing,
}
_EXACT = "exact"

METHODS: tuple[str, ...] = (*_PLANNERS, _EXACT)
"""Names that :func:`plan` knows."""


@dataclass(frozen=True)
class Plan:
    """A feasible plan and what it leads to.

    Parameters
    ----------
    method : str
    assignment : ndarray of int (B,)
        Driver index of each booking, -1 where it is lost.
    outcome : DayOutcome
        Of this very assignment, under the weights that were planned for.
    runtime_ms : float
        Wall-clock time of the search, compilation excluded.
    optimal : bool or None
        Whether the plan is proven optimal; None where the method cannot say: all but ``exact``.
    bound : float or None
        Proven lower bound of the cost of any plan, the cost itself if optimal; None where the method has none.
    """

    method: str
    assignment: IntArray
    outcome: DayOutcome
    runtime_ms: float
    optimal: bool | None = None
    bound: float | None = None


def plan(
    problem: DayProblem,
    method: str,
    *,
    weights: CostWeights | None = None,
    seed: int = 0,
    time_limit_s: float | None = None,
) -> Plan:
    """Plan a day.

    Without drivers every booking is left unassigned; a day without bookings has an empty plan.

    Parameters
    ----------
    problem : DayProblem
    method : str
        One of :data:`METHODS`.
    weights : CostWeights, optional
        Default weights unless said.
    seed : int
        For methods that draw random numbers. The same seed gives the same plan, unless ``exact`` runs out of time.
    time_limit_s : float, optional
        Wall-clock time after which ``exact`` settles for the best plan it knows, 10 s unless said. To find a first plan
        and a first bound is not cut short, which takes seconds on a day of 200 bookings.

    Returns
    -------
    Plan
        Never breaks a shift end or an absence: what cannot be served within them is left unassigned.

    Raises
    ------
    ValueError
        ``method`` is not known, ``time_limit_s`` is not a number >= 0, or the method takes none.
    """
    if method not in METHODS:
        raise ValueError(f"unknown planning method {method!r}: choose one of {', '.join(METHODS)}")
    if time_limit_s is not None and method != _EXACT:
        raise ValueError(f"method {method!r} takes no time limit: only {_EXACT!r} does")
    if time_limit_s is not None and not time_limit_s >= 0:
        raise ValueError("time_limit_s must be a number >= 0")
    weights = weights or CostWeights()
    _compile(method)
    began = time.perf_counter()
    day = pack(problem, weights)
    optimal, bound = None, None
    if method == _EXACT:
        found = exact.exact(day, exact.TIME_LIMIT_S if time_limit_s is None else time_limit_s)
        by_rank, optimal, bound = found.driver_of_rank, found.optimal, found.bound
    else:
        by_rank = _PLANNERS[method](day, seed)
    drivers = np.empty(problem.n_bookings, dtype=np.int64)
    drivers[problem.service_order] = by_rank
    runtime_ms = 1000.0 * (time.perf_counter() - began)
    outcome = simulate(problem, drivers, weights=weights)
    return Plan(method, outcome.driver, outcome, runtime_ms, optimal, bound)


@cache
def _compile(method: str) -> None:
    # The first call of compiled code loads or builds it; that is not planning time.
    zero = np.zeros((1, 1))
    day = DayProblem(
        driver_ids=("1",),
        booking_ids=("1",),
        shift_start_min=zero[0],
        shift_end_min=zero[0],
        is_emergency=zero[0] > 0,
        scheduled_min=zero[0],
        is_outbound=zero[0] > 0,
        is_urgent=zero[0] > 0,
        start_min=zero,
        start_km=zero,
        deadhead_min=zero,
        deadhead_km=zero,
        ride_min=zero[0],
        ride_km=zero[0],
        pickup_service_min=zero[0],
        dropoff_service_min=zero[0],
    )
    packed = pack(day, CostWeights())
    if method == _EXACT:
        exact.exact(packed)
    else:
        _PLANNERS[method](packed, 0)
