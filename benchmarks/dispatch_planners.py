"""How good and how fast planners are on made-up days: against the proven optimum, and against OR-Tools routing.

    python benchmarks/dispatch_planners.py [--json] [--quick] [--seed 11]

Gaps are of mean cost to mean optimal cost, in per cent, over the days that ``exact`` proves; how many those are is a
figure of its own. Times are wall-clock medians, so the machine should be quiet. OR-Tools gets what its routing model
can express of the same cost (see :func:`ortools_routing`), and its plans are priced by the same simulator.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from atmr_pipeline.dispatch.planners import METHODS, plan
from atmr_pipeline.dispatch.problem import DayProblem
from atmr_pipeline.dispatch.simulator import CostWeights, simulate
from atmr_pipeline.dispatch.synthetic import USUAL, synthetic_day, synthetic_days

PER_UNIT = 1000
"""OR-Tools counts in whole numbers: thousandths of a minute and of a unit of cost."""
HORIZON_MIN = 4000
PROOF_LIMIT_S = 60.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON line last")
    parser.add_argument("--quick", action="store_true", help="fewer days; OR-Tools has 1 s instead of 4 for small ones")
    parser.add_argument("--seed", type=int, default=11)
    options = parser.parse_args()
    result = measure(seed=options.seed, quick=options.quick)
    for key, value in result.items():
        print(f"{key:28} {value}", file=sys.stderr)
    if options.json:
        print(json.dumps(result))


def measure(*, seed: int, quick: bool) -> dict[str, Any]:
    """Every figure of this benchmark."""
    usual = synthetic_days(20 if quick else 200, seed=seed)
    optimum = proven_optima(usual)
    proven = ~np.isnan(optimum)
    result: dict[str, Any] = {
        "exact_ms_12x4": exact_ms(12, 4, 20 if quick else 100, seed),
        "exact_ms_25x5": exact_ms(25, 5, 10 if quick else 50, seed),
        "exact_proven_pct": round(100.0 * float(proven.mean()), 2),
    }
    for method in METHODS:
        if method != "exact":
            result[f"{method}_gap_pct"] = gap_pct(usual, method, optimum)
    result |= big_day_figures(seed, limit_s=15.0)
    days = sized_days(25, 5, 2 if quick else 10, seed)
    result["ortools_gap_pct"] = ortools_gap_pct(days, limit_s=1.0 if quick else 4.0)
    return result


def sized_days(n_bookings: int, n_drivers: int, count: int, seed: int) -> list[DayProblem]:
    """Usual days of one size."""
    rng = np.random.default_rng(seed)
    return [synthetic_day(rng, USUAL, n_bookings=n_bookings, n_drivers=n_drivers) for _ in range(count)]


def big_day(seed: int, n_bookings: int = 200, n_drivers: int = 45) -> DayProblem:
    """A day of a large fleet."""
    return sized_days(n_bookings, n_drivers, 1, seed)[0]


def exact_ms(n_bookings: int, n_drivers: int, days: int, seed: int) -> float:
    """Median wall-clock milliseconds of ``exact``; a day that is not proven counts with its time limit."""
    found = [plan(day, "exact").runtime_ms for day in sized_days(n_bookings, n_drivers, days, seed)]
    return round(float(np.median(found)), 2)


def proven_optima(days: Sequence[DayProblem]) -> npt.NDArray[np.float64]:
    """Least cost of each day, NaN where it is not proven."""
    plans = [plan(day, "exact", time_limit_s=PROOF_LIMIT_S) for day in days]
    return np.array([found.outcome.total if found.optimal else np.nan for found in plans])


def anneal_gap_pct(days: Sequence[DayProblem]) -> float:
    """How much dearer annealing is than the optimum, per cent."""
    return gap_pct(days, "anneal", proven_optima(days))


def gap_pct(days: Sequence[DayProblem], method: str, optimum: npt.NDArray[np.float64]) -> float:
    """How much dearer a method is than the optimum, per cent, over the days where that is proven."""
    cost = np.array([plan(day, method).outcome.total for day in days])
    known = ~np.isnan(optimum)
    return _gap_pct(cost[known], optimum[known])


def ortools_gap_pct(days: Sequence[DayProblem], limit_s: float) -> float:
    """The same for OR-Tools routing, given so long for each day."""
    optimum, weights = proven_optima(days), CostWeights()
    cost = np.array([simulate(day, ortools_routing(day, weights, limit_s)).total for day in days])
    known = ~np.isnan(optimum)
    return _gap_pct(cost[known], optimum[known])


def big_day_figures(seed: int, limit_s: float) -> dict[str, float]:
    """Annealing against OR-Tools routing on a day of 200 bookings and 45 drivers; below 0 is cheaper than OR-Tools."""
    day = big_day(seed)
    annealed = plan(day, "anneal")
    peer = simulate(day, ortools_routing(day, CostWeights(), limit_s)).total
    return {
        "big_day_anneal_ms": round(annealed.runtime_ms, 1),
        "big_day_vs_ortools_pct": round(100.0 * (annealed.outcome.total / peer - 1.0), 2),
    }


def _gap_pct(cost: npt.NDArray[np.float64], optimum: npt.NDArray[np.float64]) -> float:
    return round(100.0 * (float(cost.mean() / optimum.mean()) - 1.0), 3)


def ortools_routing(problem: DayProblem, weights: CostWeights, time_limit_s: float) -> npt.NDArray[np.int64]:
    """A plan by OR-Tools routing: parallel cheapest insertion, then guided local search until the time is over.

    The model has empty km, service order, shifts, waiting until a patient is ready, lost bookings and the lateness
    after which one is lost, as they are. Two things it cannot express: a quadratic lateness of returns, linear here
    with the same cost at both ends; and the gap of loads, here a cost for each booking by which a driver is outside the
    two whole numbers around the mean.

    Parameters
    ----------
    problem : DayProblem
        Without absences, which the benchmark's days do not have.
    weights : CostWeights
        Emergency drivers must cost nothing extra.
    time_limit_s : float

    Returns
    -------
    ndarray of int (B,)
        Driver of each booking as given, -1 for nobody.
    """
    if problem.absences or weights.emergency_use > 0:
        raise ValueError("neither absences nor a cost of emergency drivers are modelled")
    model, manager = _routing_model(problem, weights)
    # A development dependency: who needs no peer runs without.
    from ortools.constraint_solver import pywrapcp, routing_enums_pb2

    parameters = pywrapcp.DefaultRoutingSearchParameters()
    parameters.first_solution_strategy = routing_enums_pb2.FirstSolutionStrategy.PARALLEL_CHEAPEST_INSERTION
    parameters.local_search_metaheuristic = routing_enums_pb2.LocalSearchMetaheuristic.GUIDED_LOCAL_SEARCH
    parameters.time_limit.FromMilliseconds(int(1000 * time_limit_s))
    solution = model.SolveWithParameters(parameters)
    drivers = np.full(problem.n_bookings, -1, dtype=np.int64)
    if solution is None:
        raise RuntimeError("OR-Tools found no plan at all")
    for driver in range(problem.n_drivers):
        index = solution.Value(model.NextVar(model.Start(driver)))
        while not model.IsEnd(index):
            drivers[problem.service_order[manager.IndexToNode(index)]] = driver
            index = solution.Value(model.NextVar(index))
    return drivers


def _routing_model(problem: DayProblem, weights: CostWeights) -> tuple[Any, Any]:
    from ortools.constraint_solver import pywrapcp

    # Nodes: bookings by rank, then the drivers' start points, then one end that costs nothing to reach.
    order, bookings, drivers = problem.service_order, problem.n_bookings, problem.n_drivers
    km, minutes = _matrices(problem)
    manager = pywrapcp.RoutingIndexManager(
        bookings + drivers + 1,
        drivers,
        [bookings + driver for driver in range(drivers)],
        [bookings + drivers] * drivers,
    )
    model = pywrapcp.RoutingModel(manager)
    arc = np.round(PER_UNIT * weights.empty_km * km).astype(np.int64).tolist()
    transit = np.ceil(PER_UNIT * minutes).astype(np.int64).tolist()
    model.SetArcCostEvaluatorOfAllVehicles(model.RegisterTransitMatrix(arc))
    time_index = model.RegisterTransitMatrix(transit)
    horizon = HORIZON_MIN * PER_UNIT
    model.AddDimension(time_index, horizon, horizon, False, "time")
    count_index = model.RegisterUnaryTransitVector([1] * bookings + [0] * (drivers + 1))
    model.AddDimension(count_index, 0, bookings, True, "count")
    time, count = model.GetDimensionOrDie("time"), model.GetDimensionOrDie("count")
    for rank in range(bookings):
        booking, index = order[rank], manager.NodeToIndex(rank)
        scheduled, urgency = problem.scheduled_min[booking], 1.0
        lost = weights.lost
        if problem.is_urgent[booking]:
            urgency, lost = weights.urgent_factor, weights.lost_urgent
        model.AddDisjunction([index], round(PER_UNIT * lost))
        time.CumulVar(index).SetRange(
            round(PER_UNIT * problem.ready[booking]), round(PER_UNIT * (scheduled + weights.lost_after_min))
        )
        tolerated, slope = scheduled, urgency
        if not problem.is_outbound[booking]:
            tolerated = scheduled + weights.return_tolerance_min
            slope *= (weights.lost_after_min - weights.return_tolerance_min) / weights.return_tolerance_min
        time.SetCumulVarSoftUpperBound(index, round(PER_UNIT * tolerated), round(slope))
        for earlier in range(rank):
            model.NextVar(index).RemoveValue(manager.NodeToIndex(earlier))
    for driver in range(drivers):
        _shift(model, time, count, problem, weights, driver)
    return model, manager


def _shift(model: Any, time: Any, count: Any, problem: DayProblem, weights: CostWeights, driver: int) -> None:
    begins, ends = problem.shift_start_min[driver], problem.shift_end_min[driver]
    time.CumulVar(model.Start(driver)).SetValue(round(PER_UNIT * begins))
    time.CumulVar(model.End(driver)).SetRange(0, int(PER_UNIT * ends) - 1)
    share, gap_cost = problem.n_bookings / problem.n_drivers, round(PER_UNIT * weights.load_gap)
    count.SetCumulVarSoftUpperBound(model.End(driver), int(np.ceil(share)), gap_cost)
    count.SetCumulVarSoftLowerBound(model.End(driver), int(np.floor(share)), gap_cost)
    model.SetVehicleUsedWhenEmpty(True, driver)


def _matrices(problem: DayProblem) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    order, bookings, drivers = problem.service_order, problem.n_bookings, problem.n_drivers
    km, minutes = np.zeros((2, bookings + drivers + 1, bookings + drivers + 1))
    km[:bookings, :bookings] = problem.deadhead_km[np.ix_(order, order)]
    km[bookings : bookings + drivers, :bookings] = problem.start_km[:, order]
    service = (problem.pickup_service_min + problem.ride_min + problem.dropoff_service_min)[order]
    minutes[:bookings] = service[:, None]
    minutes[:bookings, :bookings] += problem.deadhead_min[np.ix_(order, order)]
    minutes[bookings : bookings + drivers, :bookings] = problem.start_min[:, order]
    return km, minutes


if __name__ == "__main__":
    main()
