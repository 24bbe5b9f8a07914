"""What the gates say of the delay challenger, from its held-out predictions and those of champion and anchor."""

from typing import Any

import dagster as dg
import pandas as pd

from atmr_pipeline.resources.serving import champion, features_for, load_version, predicted
from atmr_pipeline.resources.workspace import Workspace

NOT_KNOWN_DAY = "1970-01-01"
"""Of a model that does not say what it was trained on: it is compared with on every held-out day."""
SOURCES = ("bookings", "assignments", "drivers", "dispatch_runs", "weather_forecast", "calendar_days")


def judge_delay(workspace: Workspace) -> list[Any]:
    """Every gate's verdict on the delay challenger."""
    from atmr_pipeline.promotion.gates import (
        delay_gates,
        holdout_errors,
        latency_verdict,
        measure_latency,
        slice_labels,
    )

    holdout = workspace.tables.read("delay_evaluation")
    history = workspace.tables.read("delay_training_set")
    version = workspace.tables.read_value("delay_model")["version_id"]
    challenger = load_version(workspace, "delay", version)
    frame = holdout_errors(holdout)
    others, missing, last_days = _others(workspace, version)
    for name, model in others.items():
        try:
            told = predicted(model, holdout, history)
        except _cannot_predict() as error:
            missing[name] = f"the {name} cannot predict today's rows: {error}"
            dg.get_dagster_logger().warning(f"no comparison: {missing[name]}")
            continue
        # A holdout that has grown reaches into days that an older model was trained on, and looks too good on.
        unseen = holdout["service_day"] > pd.Timestamp(last_days[name])
        if not unseen.all():
            missing[name] = f"the {name} was trained on {int((~unseen).sum())} of {len(holdout)} held-out pickups"
        frame[f"abs_error_{name}_min"] = (told["expected_delay_min"] - holdout["delay_min"]).abs().where(unseen)
        frame[f"brier_{name}"] = ((told["p_late"] - holdout["is_late"].astype(float)) ** 2).where(unseen)
    again = predicted(challenger, holdout, history)["expected_delay_min"]
    belongs = bool((holdout["model_version"] == version).all())
    identical = belongs and bool((again == holdout["expected_delay_min"]).all())
    companies = history.set_index("assignment_id")["company_id"].reindex(holdout["assignment_id"])
    labels = slice_labels(holdout.assign(company_id=companies.astype("Int64").to_numpy()))
    latency = measure_latency(challenger.predict, features_for(challenger, holdout))
    return [
        *delay_gates(frame, reload_identical=identical, labels=labels, missing=missing),
        _no_leak(workspace, challenger, holdout, history),
        latency_verdict(latency),
        *_company_gates(workspace, holdout),
    ]


def _others(workspace: Workspace, version: str) -> tuple[dict[str, Any], dict[str, str], dict[str, str]]:
    """The champion and the anchor, why one of them is not compared with, and the last day each was trained on."""
    from atmr_pipeline.domain.errors import ModelIntegrityError

    found: dict[str, Any] = {}
    missing: dict[str, str] = {}
    last_days: dict[str, str] = {}
    for name in ("champion", "anchor"):
        current = workspace.registry.alias("delay", name)
        if current is None:
            continue
        if current.version_id == version:
            missing[name] = f"this version is the {name} itself"
            continue
        try:
            if name == "champion":
                found[name] = champion(workspace, "delay").model
            else:
                found[name] = load_version(workspace, "delay", current.version_id)
        except ModelIntegrityError as error:
            # Else one that cannot be read would refuse every successor for ever; the other gates still hold.
            missing[name] = f"the {name} {current.version_id} cannot be read: {error}"
            dg.get_dagster_logger().warning(f"no comparison: {missing[name]}")
        else:
            window = workspace.registry.get(current.version_id).metrics.get("window", {})
            last_days[name] = window.get("train_last_day", NOT_KNOWN_DAY)
    return found, missing, last_days


def _cannot_predict() -> tuple[type[Exception], ...]:
    from atmr_pipeline.domain.errors import ModelIntegrityError, TableContractError

    return ModelIntegrityError, TableContractError


def _no_leak(workspace: Workspace, challenger: Any, holdout: pd.DataFrame, history: pd.DataFrame) -> Any:
    from atmr_pipeline.assets.features import heights
    from atmr_pipeline.features.sources import FeatureSources
    from atmr_pipeline.promotion.leaks import audit_leaks, late_labels, leak_verdict

    bookings, assignments, drivers, runs, weather, calendar = (workspace.tables.read(name) for name in SOURCES)
    sources = FeatureSources(bookings, assignments, drivers, runs, weather, calendar, heights(workspace))
    first = holdout["decided_at"].min()
    audit = audit_leaks(
        holdout,
        sources,
        list(challenger.feature_names_),
        labels_too_late=late_labels(history, challenger.blocks_, first),
        predict=lambda rows, known: predicted(challenger, rows, known)["expected_delay_min"],
        history=history,
    )
    return leak_verdict(audit)


def _company_gates(workspace: Workspace, holdout: pd.DataFrame) -> list[Any]:
    from atmr_pipeline.promotion.gates import company_profile_gates, company_profile_off

    if not workspace.settings.company_gates:
        return company_profile_off()
    return company_profile_gates(holdout["is_late"], holdout["p_late"] > 0.5)
