"""What the held-out days say of a dispatch policy: one table, its figures, and its pictures."""

from functools import partial
from typing import Any

import pandas as pd

from atmr_pipeline.assets.common import frame_markdown, picture

SERVED = "served"
"""The plan that would be served: the cheapest of the policy's and the planners' that passes the guards."""


RECORDED = ("policy", "local_search")
"""Methods of whose plans the gates need more than the table of costs tells."""


def evaluated(policy: Any, champion: Any | None, holdout: list[Any], beam_width: int) -> pd.DataFrame:
    """The first table of :func:`evaluated_with_figures`."""
    return evaluated_with_figures(policy, {"champion": champion} if champion else {}, holdout, beam_width)[0]


def evaluated_with_figures(
    policy: Any, others: dict[str, Any], holdout: list[Any], beam_width: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One row a held-out day and method, and what gates need of single plans.

    ``policy`` is the challenger with its beam, ``policy_argmax`` without; ``untrained`` the same search with a network
    that learned nothing; ``served`` what would be served; ``others`` the policy of now as ``champion`` and the fixed
    one as ``anchor``, where they are others; beside them the planners, the exact one included where there is one.
    The second table has a row a day and method of :data:`RECORDED`, see
    :class:`~atmr_pipeline.promotion.plan_figures.PlanRecorder`.
    """
    from atmr_pipeline.models.policy.evaluate import (
        baselines,
        evaluate_policies,
        further_planners,
        with_optimum_gap,
    )
    from atmr_pipeline.models.policy.served import serve_day
    from atmr_pipeline.promotion.plan_figures import PlanRecorder

    problems = [day.problem for day in holdout]
    policies = {"policy": policy, "untrained": policy.untrained(), **others}
    planners: dict[str, Any] = {name: partial(one.plan, beam_width=beam_width) for name, one in policies.items()}
    planners["policy_argmax"] = partial(policy.plan, beam_width=1)
    planners |= baselines(policy.weights) | further_planners(policy.weights)
    known: dict[int, Any] = {}
    if "exact" in planners:
        exact = planners["exact"]
        known = {id(problem): exact(problem) for problem in problems}
        planners["exact"] = lambda problem: known[id(problem)]
    planners[SERVED] = lambda problem: (
        serve_day(policy, problem, beam_width=beam_width, exact=known.get(id(problem))).assignment
    )
    # Compiled code is loaded before anything is timed.
    policy.warm_up()
    recorders = {name: PlanRecorder(planners[name], policy.weights) for name in RECORDED}
    table = with_optimum_gap(evaluate_policies(problems, planners | recorders, policy.weights))
    days = pd.DataFrame(
        {
            "company_id": [day.company_id for day in holdout],
            "service_day": [pd.Timestamp(day.service_day) for day in holdout],
        }
    )
    recorded = pd.concat([one.figures().assign(method=name) for name, one in recorders.items()], ignore_index=True)
    plans = days.loc[recorded["day"]].reset_index(drop=True).join(recorded)
    return days.loc[table["day"]].reset_index(drop=True).join(table), plans


def mean_costs(table: pd.DataFrame) -> dict[str, float]:
    """Mean cost of a held-out day by method."""
    return {str(method): float(cost) for method, cost in table.groupby("method")["cost"].mean().items()}


def figures(table: pd.DataFrame) -> dict[str, Any]:
    """The methods side by side, and the policy against each of the others."""
    from atmr_pipeline.models.policy.evaluate import OPTIMUM_GAP, compared

    summary = (
        table.groupby("method")
        .agg(
            days=("cost", "size"),
            cost=("cost", "mean"),
            gap_to_optimum_pct=(OPTIMUM_GAP, "mean"),
            proven_days=(OPTIMUM_GAP, "count"),
            load_gap=("load_gap", "mean"),
            gap_at_most_1=("load_gap", lambda gaps: float((gaps <= 1).mean())),
            deadhead_km=("deadhead_km", "mean"),
            late=("late", "mean"),
            lost=("lost", "sum"),
        )
        .sort_values("cost")
        .reset_index()
    )
    return {
        "figures": frame_markdown(summary),
        "policy_against": frame_markdown(compared(table, "policy")),
        "served_against": frame_markdown(compared(table, SERVED)),
    }


def learning_curve(trained: Any) -> dict[str, Any]:
    """The curve of a training run."""
    from atmr_pipeline.models.policy import pictures

    return {"learning_curve": picture(pictures.learning_curve(trained.curve), "learning curve")}


def pictures_of(table: pd.DataFrame) -> dict[str, Any]:
    """Load gaps before and after, and the cost of every method."""
    from atmr_pipeline.dispatch.pictures import load_gap_histogram
    from atmr_pipeline.models.policy import pictures

    gaps = {method: part["load_gap"].to_numpy() for method, part in table.groupby("method")}
    shown = {
        name: picture(
            load_gap_histogram(gaps["greedy"], gaps[method], labels=("greedy", method)),
            f"load gap, greedy and {method}",
        )
        for name, method in (("load_gap", "policy"), ("load_gap_served", SERVED))
    }
    return shown | {
        "cost_by_method": picture(pictures.cost_by_method(table, reference="local_search"), "cost by method")
    }


def pictures_of_a_day(policy: Any, holdout: list[Any], beam_width: int) -> dict[str, Any]:
    """The busiest held-out day as the policy plans it: a Gantt chart and a map without addresses."""
    from atmr_pipeline.dispatch.pictures import plan_gantt, plan_map
    from atmr_pipeline.dispatch.simulator import simulate

    if not holdout:
        return {}
    day = max(holdout, key=lambda one: (one.problem.n_bookings, one.service_day))
    outcome = simulate(day.problem, policy.plan(day.problem, beam_width=beam_width), weights=policy.weights)
    title = f"{day.service_day}: {outcome.summary()}"
    shown = {"plan_of_a_day": picture(plan_gantt(day.problem, outcome, title=title), "plan of a day")}
    if day.places is not None:
        drawn = plan_map(day.problem, outcome, day.places, title=title)
        shown["map_of_a_day"] = picture(drawn, "map of a day")
    return shown
