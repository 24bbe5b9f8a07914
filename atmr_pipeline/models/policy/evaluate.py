"""Policies side by side on the same held-out days, through the one simulator."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd

from atmr_pipeline.dispatch.planners import plan
from atmr_pipeline.dispatch.problem import DayProblem
from atmr_pipeline.dispatch.simulator import CostWeights, simulate
from atmr_pipeline.domain.errors import NotEnoughDataError

IntArray = npt.NDArray[np.int64]
PlanFunction = Callable[[DayProblem], npt.NDArray[np.integer]]
"""From a day to its assignment (B,): driver indices, -1 for nobody."""

BASELINE_METHODS = ("greedy", "least_loaded", "nearest", "local_search")
"""What a policy is held against; it may be served only if it does not lose to these."""

KPIS = (
    "cost", "deadhead_km", "load_gap", "late", "lost", "completion", "bookings", "completed", "max_delay_min",
)  # fmt: skip
"""Columns of :func:`evaluate_policies` beside ``day`` and ``method``."""

COMPLETION_WITHOUT_BOOKINGS = 1.0
"""Nothing was asked for and nothing was lost."""


def baselines(weights: CostWeights) -> dict[str, PlanFunction]:
    """The rule-based planners of :data:`BASELINE_METHODS`, ready for :func:`evaluate_policies`."""
    return {method: partial(_planned, method=method, weights=weights) for method in BASELINE_METHODS}


def evaluate_policies(
    days: Sequence[DayProblem], policies: Mapping[str, PlanFunction], weights: CostWeights
) -> pd.DataFrame:
    """Plan every day with every policy and execute the plans.

    Parameters
    ----------
    days : sequence of DayProblem
        Held out from every training.
    policies : mapping of name to function
        Each plans one day.
    weights : CostWeights

    Returns
    -------
    DataFrame
        One row a day and method: ``day`` (position in ``days``), ``method``, ``cost``, ``deadhead_km``, ``load_gap``,
        ``late`` and ``lost`` (bookings), ``completion`` (share of bookings served), ``bookings`` and ``completed``
        (counts), ``max_delay_min`` (largest planned lateness of a served booking, at least 0).

    Raises
    ------
    InfeasiblePlanError
        If a plan breaks a shift end or an absence.
    """
    rows = []
    for name, planner in policies.items():
        for index, problem in enumerate(days):
            outcome = simulate(problem, planner(problem), weights=weights)
            served = outcome.n_served / problem.n_bookings if problem.n_bookings else COMPLETION_WITHOUT_BOOKINGS
            rows.append(
                {
                    "day": index,
                    "method": name,
                    "cost": outcome.total,
                    "deadhead_km": outcome.deadhead_km,
                    "load_gap": outcome.load_gap,
                    "late": outcome.n_late,
                    "lost": outcome.n_lost,
                    "completion": served,
                    "bookings": problem.n_bookings,
                    "completed": outcome.n_served,
                    "max_delay_min": float(np.nanmax(outcome.lateness_min, initial=0.0)),
                }
            )
    return pd.DataFrame(rows, columns=["day", "method", *KPIS])


def paired_bootstrap_over_days(
    a: npt.ArrayLike, b: npt.ArrayLike, *, n: int = 2000, seed: int = 0, level: float = 0.95
) -> tuple[float, float, float]:
    """How much ``a`` costs more than ``b``, in per cent of ``b``, with a percentile interval.

    Days are resampled in pairs (Efron and Tibshirani 1993), so what makes a day dear for both cancels out.

    Parameters
    ----------
    a, b : array (n_days,)
        Cost of the same days, in the same order.
    n : int
        Resamples.
    seed : int
    level : float
        Of the interval.

    Returns
    -------
    (float, float, float)
        Mean difference, lower and upper end, in per cent; negative means that ``a`` is cheaper.

    Raises
    ------
    NotEnoughDataError
        With fewer than two days.
    ValueError
        If the arrays do not pair up, hold NaN, or ``b`` costs nothing in total.
    """
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if first.shape != second.shape or first.ndim != 1:
        raise ValueError(f"costs of the same days are needed, got shapes {first.shape} and {second.shape}")
    if not np.all(np.isfinite(first)) or not np.all(np.isfinite(second)):
        raise ValueError("a cost is NaN or infinite")
    if len(first) < 2:
        raise NotEnoughDataError("days to compare", needs=2, has=len(first))
    if second.sum() <= 0.0:
        raise ValueError("the reference costs nothing on these days: a difference in per cent says nothing")
    draws = np.random.default_rng(seed).integers(len(first), size=(n, len(first)))
    reference = second[draws].sum(1)
    # A resample in which the reference costs nothing has no per cent; it can occur only on very few days.
    usable = reference > 0.0
    share = 100.0 * (first[draws].sum(1)[usable] / reference[usable] - 1.0)
    low, high = np.quantile(share, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return float(100.0 * (first.sum() / second.sum() - 1.0)), float(low), float(high)


def summary(results: pd.DataFrame, *, reference: str, n: int = 2000, seed: int = 0) -> pd.DataFrame:
    """One row a method, cheapest first: mean KPIs, days with a load gap <= 1, and the difference to a reference.

    Parameters
    ----------
    results : DataFrame
        Of :func:`evaluate_policies`.
    reference : str
        Method that the others are compared with.
    n, seed : int
        Of :func:`paired_bootstrap_over_days`.

    Returns
    -------
    DataFrame
        Indexed by ``method``: mean of each of :data:`KPIS`, ``load_gap_le1_pct``, ``vs_reference_pct``,
        ``vs_reference_low_pct`` and ``vs_reference_high_pct``.

    Raises
    ------
    ValueError
        If the reference is not among the methods.
    """
    costs = costs_by_day(results)
    if reference not in costs:
        raise ValueError(f"reference {reference!r} was not evaluated: choose one of {', '.join(map(str, costs))}")
    table = results.groupby("method")[list(KPIS)].mean()
    table["load_gap_le1_pct"] = results.assign(even=results["load_gap"] <= 1).groupby("method")["even"].mean() * 100.0
    differences = {
        method: paired_bootstrap_over_days(costs[method], costs[reference], n=n, seed=seed) for method in costs
    }
    columns = ["vs_reference_pct", "vs_reference_low_pct", "vs_reference_high_pct"]
    compared = pd.DataFrame.from_dict(differences, orient="index", columns=columns)
    return pd.concat([table, compared], axis=1).rename_axis("method").sort_values("cost")


def costs_by_day(results: pd.DataFrame) -> pd.DataFrame:
    """Costs with one row a day and one column a method; a day is told by every column that is no method and no KPI."""
    key = [str(column) for column in results.columns if column not in ("method", *KPIS)]
    return results.pivot(index=key, columns="method", values="cost")


def _planned(problem: DayProblem, *, method: str, weights: CostWeights) -> IntArray:
    return plan(problem, method, weights=weights).assignment
