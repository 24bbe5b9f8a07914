"""The running day: what each way of deciding costs when durations are uncertain and bookings come in late."""

from dataclasses import asdict
from typing import Any

import dagster as dg
import pandas as pd

from atmr_pipeline.assets.common import MACHINE_LEARNING, check_result, counts_table, frame_markdown, rows
from atmr_pipeline.assets.dispatch_policy import GROUP, build_days, past_bookings
from atmr_pipeline.domain.errors import NotEnoughDataError
from atmr_pipeline.resources.workspace import Workspace

METHODS = ("static", "greedy", "local_search", "exact", "risk_search")
HYBRID, RESOLVE = "hybrid", "exact"
DRAWS = 3
"""Random executions of each held-out day; the same ones for every method."""
MOST_LIVES = 20
"""Of each training day."""
LARGEST_DAY = 400
"""Bookings x drivers of a day that is lived: every decision plans the rest anew, so larger ones would take hours.
They are counted."""
LARGEST_EXACT_DAY = 100
"""Up to this size the exact plan is made anew at every decision; larger ones go without that method and are counted."""


@dg.asset(
    group_name=GROUP,
    owners=MACHINE_LEARNING,
    kinds={"parquet"},
    description="Held-out days lived under chance: a fixed plan, rules, a new exact plan at every decision, and the "
    "hybrid of risk-aware search and a learned residual. An evaluation: nothing here is served yet.",
)
def running_day_evaluation(
    workspace: Workspace,
    dispatch_days: pd.DataFrame,
    bookings: pd.DataFrame,
    assignments: pd.DataFrame,
    drivers: pd.DataFrame,
    driver_shifts: pd.DataFrame,
    driver_absences: pd.DataFrame,
    companies: pd.DataFrame,
) -> dg.MaterializeResult:
    from atmr_pipeline.dispatch.running.noise import Noise
    from atmr_pipeline.models.policy.running import RunningDayPolicy, RunningSettings, train

    duty = (drivers, driver_shifts, driver_absences, companies)
    days, _ = build_days(workspace, past_bookings(bookings, assignments), assignments, *duty)
    holdout_start = dispatch_days.loc[dispatch_days["split"] == "holdout", "service_day"].min()
    usable = [day for day in days if day.problem.n_drivers and day.problem.n_bookings]
    training = [day for day in usable if pd.Timestamp(day.service_day) < holdout_start]
    holdout = [day for day in usable if pd.Timestamp(day.service_day) >= holdout_start]
    noise, seed = Noise(), workspace.settings.seed
    lived, too_large = _split(holdout, LARGEST_DAY)
    without_exact = _split(lived, LARGEST_EXACT_DAY)[1]
    learned, _ = _split(training, LARGEST_DAY)
    policy, not_trained = None, None
    try:
        policy = RunningDayPolicy.from_training(
            train(
                [day.problem for day in learned],
                # Days are lived in a fixed order: a faster machine learns from more of them.
                RunningSettings(
                    seed=seed,
                    lives_per_day=MOST_LIVES,
                    noise=noise,
                    cpu_seconds=workspace.settings.running_training_s,
                ),
            )
        )
    except NotEnoughDataError as error:
        # A company with one driver has nothing to decide: the other methods are still told side by side.
        not_trained = str(error)
    table = _lived(lived, policy, noise, seed)
    return dg.MaterializeResult(
        value=table,
        metadata=rows(
            table,
            figures=frame_markdown(_figures(table)),
            against=frame_markdown(_against(table)),
            hybrid_not_trained=not_trained,
            days_left_out=counts_table("reason", {"too_large": len(too_large), "no_exact": len(without_exact)}),
            kept_share_of_residual=None if policy is None else float(policy.training["kept_share"]),
            noise=frame_markdown(
                pd.DataFrame([{"assumed": name, "value": value} for name, value in asdict(noise).items()])
            ),
        ),
    )


def _split(days: list[Any], largest: int) -> tuple[list[Any], list[Any]]:
    """Days of at most so many bookings x drivers, and the others."""
    fits = [day.problem.n_bookings * day.problem.n_drivers <= largest for day in days]
    return (
        [day for day, is_small in zip(days, fits, strict=True) if is_small],
        [day for day, is_small in zip(days, fits, strict=True) if not is_small],
    )


def _lived(holdout: list[Any], policy: Any | None, noise: Any, seed: int) -> pd.DataFrame:
    import numpy as np

    from atmr_pipeline.dispatch.running.methods import run_day, running_method
    from atmr_pipeline.dispatch.running.noise import draw

    methods = {name: running_method(name, noise) for name in METHODS}
    methods |= {} if policy is None else {HYBRID: policy.method}
    rng, lived = np.random.default_rng(seed), []
    small = {id(day) for day in _split(holdout, LARGEST_EXACT_DAY)[0]}
    for day in holdout:
        for number in range(DRAWS):
            chance = draw(day.problem, noise, rng)
            for name, method in methods.items():
                if name == RESOLVE and id(day) not in small:
                    continue
                outcome = run_day(day.problem, chance, noise, method)
                lived.append(
                    {
                        "company_id": day.company_id,
                        "service_day": pd.Timestamp(day.service_day),
                        "draw": number,
                        "method": name,
                        "cost": outcome.total,
                        "lost": outcome.n_lost,
                        "load_gap": outcome.load_gap,
                        "decisions": outcome.decisions,
                        "decision_ms": 1000.0 * outcome.decision_s / max(outcome.decisions, 1),
                    }
                )
    columns = ["company_id", "service_day", "draw", "method", "cost", "lost", "load_gap", "decisions", "decision_ms"]
    return pd.DataFrame(lived, columns=columns)


def _figures(table: pd.DataFrame) -> pd.DataFrame:
    means = table.groupby("method").agg(
        cost=("cost", "mean"), lost=("lost", "mean"), load_gap=("load_gap", "mean"), decision_ms=("decision_ms", "mean")
    )
    return means.sort_values("cost").reset_index()


def _against(table: pd.DataFrame) -> pd.DataFrame:
    """The hybrid against each other method: paired bootstrap over days, per cent, negative is cheaper."""
    from atmr_pipeline.models.policy.evaluate import paired_bootstrap_over_days

    costs = table.groupby(["company_id", "service_day", "method"])["cost"].mean().unstack("method")
    compared = []
    for name in costs.columns if HYBRID in costs.columns else ():
        both = costs[[HYBRID, name]].dropna()
        if name != HYBRID and len(both) > 1 and both[name].sum() > 0.0:
            compared.append((name, len(both), *paired_bootstrap_over_days(both[HYBRID], both[name])))
    return pd.DataFrame(compared, columns=["method", "days", "hybrid_pct", "low_pct", "high_pct"])


@dg.asset_check(
    asset=running_day_evaluation,
    description="Whether learning pays on a running day: the hybrid against a new exact plan at every decision.",
)
def hybrid_against_resolve(running_day_evaluation: pd.DataFrame) -> dg.AssetCheckResult:
    against = _against(running_day_evaluation).set_index("method")
    if RESOLVE not in against.index:
        return check_result(
            False, "not judged: fewer than two held-out days small enough, or nothing to learn from", blocking=False
        )
    hybrid_pct, low, high = (float(against[name].loc[RESOLVE]) for name in ("hybrid_pct", "low_pct", "high_pct"))
    return check_result(
        hybrid_pct <= 0.0,
        f"the hybrid costs {hybrid_pct:+.1f} % ({low:+.1f} to {high:+.1f}) against a new exact plan at every decision, "
        "under assumed noise",
        blocking=False,
        hybrid_pct=hybrid_pct,
    )
