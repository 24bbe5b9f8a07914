"""Dispatch policy: the days as problems, the challenger, and its plans against every baseline on held-out days."""

import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd

from atmr_pipeline.assets.common import MACHINE_LEARNING, check_result, counts_table, rows
from atmr_pipeline.assets.dispatch_report import (
    evaluated_with_figures,
    figures,
    learning_curve,
    mean_costs,
    pictures_of,
    pictures_of_a_day,
)
from atmr_pipeline.domain.errors import ModelIntegrityError
from atmr_pipeline.resources.fingerprints import code_fingerprint, fingerprint
from atmr_pipeline.resources.providers import SPEED_PROFILE, travel_provider
from atmr_pipeline.resources.serving import champion, load_version
from atmr_pipeline.resources.training_days import keep_training_days, policy_training_record, train_policy_as_recorded
from atmr_pipeline.resources.training_sets import prune_training_sets
from atmr_pipeline.resources.workspace import Workspace

GROUP = "dispatch_policy"
COMPARED = ("champion", "anchor")
"""Aliases that a challenger is held against."""
PLAN_FIGURES = "dispatch_plan_figures"
"""Table beside the evaluation: what the gates need of single plans."""
DAY_COLUMNS = [
    "company_id", "service_day", "bookings", "drivers", "starts_at_depot", "starts_at_driver_position",
    "travel_source", "fallback_reason", "fallback_pairs",
]  # fmt: skip


@dg.asset(
    group_name=GROUP,
    owners=MACHINE_LEARNING,
    kinds={"parquet"},
    deps=[SPEED_PROFILE],
    description="Past days as dispatch problems, in time order: the last ones are held out and never trained on.",
)
def dispatch_days(
    workspace: Workspace,
    bookings: pd.DataFrame,
    assignments: pd.DataFrame,
    drivers: pd.DataFrame,
    driver_shifts: pd.DataFrame,
    driver_absences: pd.DataFrame,
    companies: pd.DataFrame,
) -> dg.MaterializeResult:
    past = past_bookings(bookings, assignments)
    duty = (drivers, driver_shifts, driver_absences, companies)
    days, set_aside = build_days(workspace, past, assignments, *duty)
    frame = pd.DataFrame(
        [
            {
                "company_id": day.company_id,
                "service_day": pd.Timestamp(day.service_day),
                "bookings": day.problem.n_bookings,
                "drivers": day.problem.n_drivers,
                "starts_at_depot": day.start_sources.count("depot"),
                "starts_at_driver_position": day.start_sources.count("driver_position"),
                "travel_source": day.travel_source,
                "fallback_reason": day.fallback_reason,
                "fallback_pairs": day.fallback_pairs,
            }
            for day in days
        ],
        columns=DAY_COLUMNS,
    ).sort_values(["service_day", "company_id"], ignore_index=True)
    service_days = sorted(frame["service_day"].unique())
    # A young company keeps two thirds of its days for training: the gates then say if what is left is too little.
    held_out = service_days[len(service_days) - min(workspace.settings.policy_holdout_days, len(service_days) // 3) :]
    frame["split"] = frame["service_day"].isin(held_out).map({True: "holdout", False: "train"})
    return dg.MaterializeResult(
        value=frame,
        metadata=rows(
            frame,
            split=counts_table("split", frame["split"].value_counts().to_dict()),
            set_aside=counts_table("reason", set_aside),
            start_source=counts_table(
                "drivers start at",
                {name: int(frame[name].sum()) for name in DAY_COLUMNS if name.startswith("starts_at")},
            ),
            travel=counts_table("source", frame["travel_source"].value_counts().to_dict()),
            travel_fallback=counts_table("reason", frame["fallback_reason"].value_counts().to_dict()),
        ),
    )


def past_bookings(bookings: pd.DataFrame, assignments: pd.DataFrame) -> pd.DataFrame:
    """Bookings of the days on which something has already happened: a coming day is planned, not learned from."""
    happened = assignments[assignments["actual_pickup_at"].notna()]["service_day"].unique()
    return bookings[bookings["service_day"].isin(happened)]


def build_days(
    workspace: Workspace,
    bookings: pd.DataFrame,
    assignments: pd.DataFrame,
    drivers: pd.DataFrame,
    driver_shifts: pd.DataFrame,
    driver_absences: pd.DataFrame,
    companies: pd.DataFrame,
) -> tuple[list[Any], dict[str, int]]:
    """Dispatch problems of the given bookings' days, with what was set aside and why."""
    from atmr_pipeline.dispatch.days import problems_from_history

    travel = travel_provider(workspace)
    return problems_from_history(
        bookings,
        drivers,
        driver_shifts,
        travel,
        assignments=assignments,
        absences=driver_absences,
        companies=companies,
    )


@dg.multi_asset(
    name="train_dispatch_policy",
    group_name=GROUP,
    outs={
        "dispatch_policy": dg.AssetOut(
            description="The challenger: a Q-network that plans days of any size, registered by its content.",
            owners=MACHINE_LEARNING,
            kinds={"torch"},
        ),
        "dispatch_evaluation": dg.AssetOut(
            description="One row a held-out day and method: cost, gap to the optimum, load gap, lateness, empty km.",
            owners=MACHINE_LEARNING,
            kinds={"parquet"},
        ),
    },
    internal_asset_deps={
        "dispatch_policy": {
            dg.AssetKey(name)
            for name in (
                "dispatch_days",
                "bookings",
                "assignments",
                "drivers",
                "driver_shifts",
                "driver_absences",
                "companies",
            )
        },
        "dispatch_evaluation": {dg.AssetKey("dispatch_policy")},
    },
)
def dispatch_policies(
    context: dg.AssetExecutionContext,
    workspace: Workspace,
    dispatch_days: pd.DataFrame,
    bookings: pd.DataFrame,
    assignments: pd.DataFrame,
    drivers: pd.DataFrame,
    driver_shifts: pd.DataFrame,
    driver_absences: pd.DataFrame,
    companies: pd.DataFrame,
) -> Iterator[dg.Output[Any]]:
    from atmr_pipeline.models.policy import DispatchPolicy, DqnSettings, days_sha256

    settings = workspace.settings
    duty = (drivers, driver_shifts, driver_absences, companies)
    days, _ = build_days(workspace, past_bookings(bookings, assignments), assignments, *duty)
    holdout_start = dispatch_days.loc[dispatch_days["split"] == "holdout", "service_day"].min()
    training = [day.problem for day in days if pd.Timestamp(day.service_day) < holdout_start]
    holdout = [day for day in days if pd.Timestamp(day.service_day) >= holdout_start]
    dqn = DqnSettings(
        seed=settings.seed,
        gradient_steps=settings.policy_gradient_steps,
        generated_days=settings.policy_generated_days,
        min_days=settings.policy_minimum_days,
    )
    inputs = fingerprint(
        {
            "code": code_fingerprint("models/policy", "models/dqn", "dispatch"),
            "train": days_sha256(training),
            "holdout": days_sha256([day.problem for day in holdout]),
            "settings": asdict(dqn),
            "beam_width": settings.policy_beam_width,
        }
    )
    against = {name: _version_of(workspace, name) for name in COMPARED}
    version = workspace.registry.find_by_fingerprint("policy", inputs)
    if version is not None and (kept := _kept(workspace, version, against)) is not None:
        context.log.info(f"same days, settings and champion: version {version} and its evaluation are reused")
        yield dg.Output(kept, "dispatch_policy", metadata={"version": version, "reused": True})
        table = workspace.tables.read("dispatch_evaluation")
        yield dg.Output(table, "dispatch_evaluation", metadata={"reused": True, **rows(table), **figures(table)})
        return
    curve: dict[str, Any] = {}
    if version is None:
        recipe = policy_training_record(keep_training_days(workspace, training), dqn)
        trained = train_policy_as_recorded(training, recipe, on_progress=lambda point: context.log.debug(str(point)))
        version = _register(workspace, DispatchPolicy.from_training(trained), inputs, recipe)
        prune_training_sets(workspace)
        curve = learning_curve(trained)
    policy = load_version(workspace, "policy", version)
    others, skipped = _to_compare(context, workspace, against, version)
    table, plans = evaluated_with_figures(policy, others, holdout, settings.policy_beam_width)
    table = table.assign(model_version=version)
    workspace.tables.write(PLAN_FIGURES, plans.assign(model_version=version))
    record = {
        "version_id": version,
        "fingerprint": inputs,
        "compared_with": against,
        "not_compared": skipped,
        "mean_cost": mean_costs(table),
        "training_days": len(training),
    }
    told = {"version": version, "reused": not curve, "training_days": len(training), **curve}
    yield dg.Output(record, "dispatch_policy", metadata=told)
    shown = {**figures(table), **pictures_of(table), **pictures_of_a_day(policy, holdout, settings.policy_beam_width)}
    yield dg.Output(table, "dispatch_evaluation", metadata={**rows(table), **shown})


def _version_of(workspace: Workspace, alias: str) -> str | None:
    state = workspace.registry.alias("policy", alias)
    return None if state is None else state.version_id


def _to_compare(
    context: dg.AssetExecutionContext, workspace: Workspace, against: dict[str, str | None], version: str
) -> tuple[dict[str, Any], dict[str, str]]:
    """The policies that the challenger is held against, and why another one is not."""
    found: dict[str, Any] = {}
    skipped: dict[str, str] = {}
    for alias, named in against.items():
        if named is None:
            continue
        if named == version:
            skipped[alias] = f"this version is the {alias} itself"
            continue
        try:
            is_champion = alias == "champion"
            found[alias] = (
                champion(workspace, "policy").model if is_champion else load_version(workspace, "policy", named)
            )
        except ModelIntegrityError as error:
            # Else a policy of older features would refuse every successor for ever; the other gates still hold.
            skipped[alias] = f"the {alias} {named} cannot plan today's days: {error}"
            context.log.warning(f"no comparison: {skipped[alias]}")
    return found, skipped


def _register(workspace: Workspace, policy: Any, inputs: str, recipe: dict[str, Any]) -> str:
    with tempfile.TemporaryDirectory() as folder:
        manifest = policy.save(Path(folder))
        return workspace.registry.register(
            "policy", Path(folder), manifest, training_fingerprint=inputs, metrics={"training": recipe}
        )


def _kept(workspace: Workspace, version: str, against: dict[str, str | None]) -> dict[str, Any] | None:
    """The stored evaluation, where it is of this version and against the champion and anchor of now."""
    if not all(workspace.tables.has(name) for name in ("dispatch_policy", "dispatch_evaluation", PLAN_FIGURES)):
        return None
    record: dict[str, Any] = workspace.tables.read_value("dispatch_policy")
    if record.get("version_id") != version or set(workspace.tables.read(PLAN_FIGURES)["model_version"]) != {version}:
        return None
    # A version that was promoted since is not held against itself.
    stored = record.get("compared_with")
    stored = stored if isinstance(stored, dict) else {}
    return record if all(stored.get(name) == named or named == version for name, named in against.items()) else None


@dg.asset_check(asset=dispatch_days, blocking=True, description="Enough days, and a share of bookings that is usable.")
def dispatch_days_enough(workspace: Workspace, dispatch_days: pd.DataFrame) -> dg.AssetCheckResult:
    training = int((dispatch_days["split"] == "train").sum())
    needed = workspace.settings.policy_minimum_days
    return check_result(
        training >= needed, f"needs {needed} training days, has {training}", training=training, needed=needed
    )


@dg.asset_check(asset="dispatch_policy", description="The registered files are intact and load.")
def dispatch_policy_loads(workspace: Workspace) -> dg.AssetCheckResult:
    version = workspace.tables.read_value("dispatch_policy")["version_id"]
    policy = load_version(workspace, "policy", version)
    return check_result(True, f"version {version} is intact: {policy.network.n_parameters():,} parameters")
