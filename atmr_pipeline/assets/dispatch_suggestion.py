"""One coming day's suggestion as rows of a table: a row a booking."""

from typing import Any

import pandas as pd

SUGGESTION_COLUMNS = {
    "company_id": "int64",
    "service_day": "datetime64[us]",
    "booking_id": "int64",
    "suggested_driver_id": "Int64",
    "method": "str",
    "model_version": "str",
    "policy_cost": "float64",
    "served_cost": "float64",
    "gap_to_optimum_pct": "Float64",
    "policy_refused": "bool",
    "all_refused": "bool",
    "refused_because": "str",
    "present_driver_id": "Int64",
    "swap": "Int64",
    "swap_driver_id": "Int64",
    "swap_cost_saved": "Float64",
    "swap_confidence": "Float64",
    "swap_applied": "boolean",
    "swap_fell_back": "str",
}
"""Columns of ``dispatch_suggestions``. ``method`` made the plan that is served; costs are of the whole day, and
``gap_to_optimum_pct`` is NULL where no optimum is proven. The ``swap`` columns are about the plan that exists: rows of
the same ``swap`` change together, and are NULL where the booking stays with its driver."""


def suggestion(day: Any, planned: Any, changed: Any, version: str) -> pd.DataFrame:
    """Rows of one day.

    Parameters
    ----------
    day : HistoricalDay
    planned : ServedPlan
        What would be served.
    changed : OptimizedDispatch
        What would pay in the plan that exists.
    version : str
        Of the policy.
    """
    problem = day.problem
    frame = pd.DataFrame(
        {
            "company_id": day.company_id,
            "service_day": pd.Timestamp(day.service_day),
            "booking_id": [int(name) for name in problem.booking_ids],
            "suggested_driver_id": _drivers(problem, planned.assignment),
            "method": planned.method,
            "model_version": version,
            "policy_cost": planned.policy_cost,
            "served_cost": planned.cost,
            "gap_to_optimum_pct": planned.gap_to_optimum_pct,
            "policy_refused": planned.policy_refused,
            "all_refused": planned.all_refused,
            "refused_because": planned.refused_because,
            "present_driver_id": _drivers(problem, day.actual_assignment),
            "swap_fell_back": changed.fell_back,
        }
    )
    moved = [
        {
            "booking_id": int(move.booking_id),
            "swap": number,
            "swap_driver_id": int(move.to_driver_id),
            "swap_cost_saved": swap.cost_saved,
            "swap_confidence": swap.confidence,
            "swap_applied": swap.applied,
        }
        for number, swap in enumerate(changed.swaps, start=1)
        for move in swap.moves
    ]
    swaps = pd.DataFrame(moved, columns=[name for name in SUGGESTION_COLUMNS if name in ("booking_id", *_SWAP)])
    merged = frame.merge(swaps.astype({"booking_id": "int64"}), on="booking_id", how="left", validate="one_to_one")
    return merged[list(SUGGESTION_COLUMNS)].astype(SUGGESTION_COLUMNS)


_SWAP = ("swap", "swap_driver_id", "swap_cost_saved", "swap_confidence", "swap_applied")


def _drivers(problem: Any, assignment: Any) -> list[int | None]:
    return [int(problem.driver_ids[index]) if index >= 0 else None for index in assignment]
