"""Policies side by side on the same held-out days, through the one simulator."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd

from atmr_pipeline.dispatch.planners import METHODS, Plan, plan
from atmr_pipeline.dispatch.problem import DayProblem
from atmr_pipeline.dispatch.simulator import CostWeights, simulate
from atmr_pipeline.domain.errors import NotEnoughDataError

PlanFunction = Callable[[DayProblem], npt.NDArray[np.integer] | Plan]
"""From a day to its assignment (B,): driver indices, -1 for nobody; or to a plan, whose proof is then kept."""

BASELINE_METHODS = ("greedy", "least_loaded", "nearest", "local_search")
"""What a policy is held against; it may be served only if it does not lose to these."""

FURTHER_METHODS = tuple(method for method in ("insertion", "exact") if method in METHODS)
"""Planners that a policy is shown beside, without having to beat them: nothing beats the exact one."""

KPIS = (
    "cost", "deadhead_km", "load_gap", "late", "lost", "completion", "bookings", "completed", "max_delay_min",
)  # fmt: skip
"""Figures of :func:`evaluate_policies`, beside ``day``, ``method`` and the proof."""

PROOF = ("proven", "bound")
"""Whether a plan is proven optimal, and a proven lower bound of the cost; NULL where the method cannot say."""
OPTIMUM_GAP = "gap_to_optimum_pct"
"""Column of :func:`with_optimum_gap`."""
FREE_COST = 1e-6
"""A day whose optimum costs no more than this has no gap in per cent."""

COMPLETION_WITHOUT_BOOKINGS = 1.0
"""Nothing was asked for and nothing was lost."""


def baselines(weights: CostWeights) -> dict[str, PlanFunction]:
    """The rule-based planners of :data:`BASELINE_METHODS`, ready for :func:`evaluate_policies`."""
    return {method: partial(plan, method=method, weights=weights) for method in BASELINE_METHODS}


def further_planners(weights: CostWeights) -> dict[str, PlanFunction]:
    """The planners of :data:`FURTHER_METHODS`, ready for :func:`evaluate_policies`."""
    return {method: partial(plan, method=method, weights=weights) for method in FURTHER_METHODS}


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
        (counts), ``max_delay_min`` (largest planned lateness of a served booking, at least 0), and the :data:`PROOF`.

    Raises
    ------
    InfeasiblePlanError
        If a plan breaks a shift end or an absence.
    """
    rows = []
    for name, planner in policies.items():
        for index, problem in enumerate(days):
            planned = planner(problem)
            proof = (planned.optimal, planned.bound) if isinstance(planned, Plan) else (None, None)
            drivers = planned.assignment if isinstance(planned, Plan) else planned
            outcome = simulate(problem, drivers, weights=weights)
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
                    **dict(zip(PROOF, proof, strict=True)),
                }
            )
    return pd.DataFrame(rows, columns=["day", "method", *KPIS, *PROOF]).astype(
        {"proven": "boolean", "bound": "Float64"}
    )


def with_optimum_gap(results: pd.DataFrame) -> pd.DataFrame:
    """The results with ``gap_to_optimum_pct``: how much dearer each plan is than the proven optimum of its day.

    NULL on days whose optimum nobody proved, or costs nothing while the plan costs something.
    """
    key = _day_columns(results)
    proven = results[results["proven"].fillna(False)].groupby(key)["cost"].min().rename("optimum")
    optimum = results[key].join(proven, on=key)["optimum"]
    gaps = [gap_pct(*pair) for pair in zip(results["cost"], optimum.where(optimum.notna(), None), strict=True)]
    return results.assign(**{OPTIMUM_GAP: pd.array(gaps, dtype="Float64")})


def gap_pct(cost: float, optimum: float | None) -> float | None:
    """How much dearer a cost is than the optimum, per cent; None where the optimum is unknown or has no per cent."""
    if optimum is None or np.isnan(optimum):
        return None
    if optimum <= FREE_COST:
        return 0.0 if cost <= FREE_COST else None
    share = 100.0 * (cost / optimum - 1.0)
    return 0.0 if abs(share) < FREE_COST else share


def compared(results: pd.DataFrame, method: str, *, n: int = 2000, seed: int = 0) -> pd.DataFrame:
    """One method against each of the others, by paired bootstrap over days.

    Parameters
    ----------
    results : DataFrame
        Of :func:`evaluate_policies`.
    method : str
    n, seed : int
        Of :func:`paired_bootstrap_over_days`.

    Returns
    -------
    DataFrame
        One row another method: ``against``, ``difference_pct`` (of its cost; negative means that ``method`` is
        cheaper), ``low_pct``, ``high_pct``, and ``verdict`` (``cheaper``, ``dearer`` or ``open``); the difference is
        NULL where there are fewer than two days or the other costs nothing.

    Raises
    ------
    ValueError
        If the method was not evaluated.
    """
    costs = costs_by_day(results)
    if method not in costs:
        raise ValueError(f"{method!r} was not evaluated: choose one of {', '.join(map(str, costs))}")
    rows = []
    for other in sorted(map(str, set(costs) - {method})):
        ends: tuple[float | None, ...] = (None, None, None)
        if len(costs) > 1 and costs[other].sum() > 0.0:
            ends = paired_bootstrap_over_days(costs[method], costs[other], n=n, seed=seed)
        rows.append((other, *ends, _verdict(ends[1], ends[2])))
    table = pd.DataFrame(rows, columns=["against", "difference_pct", "low_pct", "high_pct", "verdict"])
    return table.astype(dict.fromkeys(("difference_pct", "low_pct", "high_pct"), "Float64"))


def _verdict(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return "open"
    return "cheaper" if high < 0.0 else "dearer" if low > 0.0 else "open"


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
    """Costs with one row a day and one column a method; a day is told by every column that is no method or figure."""
    return results.pivot(index=_day_columns(results), columns="method", values="cost")


def _day_columns(results: pd.DataFrame) -> list[str]:
    figures = {"method", *KPIS, *PROOF, OPTIMUM_GAP}
    return [str(column) for column in results.columns if column not in figures]
