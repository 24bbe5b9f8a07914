"""What the chapters share: a chapter's outcome, the registry's state, and which assets take part."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import dagster as dg
from production import Production

SCHEDULES = ("nightly_feedback", "daily_retraining", "weekly_full_training")
POLICY = ("promoted_dispatch_policy", "dispatch_suggestions")
"""The dispatch policy stays aside: it learns for minutes, by the same queue, gates and registry as the delay model."""
EVENT_TAG = "atmr/event"
DAYS_UNTIL_SEEN = 8
HOLDOUT = timedelta(days=35)
"""The held-out block of the delay model, and a week more."""


@dataclass(frozen=True)
class Chapter:
    """A run, and the registry's state around it."""

    run: dg.DagsterRun
    before: dict[str, Any]
    after: dict[str, Any]


def registry(production: Production) -> dict[str, Any]:
    """Delay versions, the champion, its sequence number, and the champion before it."""
    versions = {version for (version,) in production.rows("SELECT version_id FROM model_version WHERE kind = 'delay'")}
    rows = production.rows("SELECT alias, version_id, seq FROM model_alias WHERE kind = 'delay'")
    named = {alias: version for alias, version, _ in rows}
    seq = next((seq for alias, _, seq in rows if alias == "champion"), 0)
    return {"versions": versions, "champion": named.get("champion"), "previous": named.get("previous"), "seq": seq}


def without_policy(production: Production, job: str) -> set[str]:
    """A job's assets but those of the dispatch policy."""
    groups = production.assets_of(job)
    return {name for name, group in groups.items() if group != "dispatch_policy" and name not in POLICY}


def night(production: Production, days: tuple[str, str]) -> dg.DagsterRun:
    """One night's work over an inclusive range of days."""
    return production.run("nightly_feedback", days=days, only=without_policy(production, "nightly_feedback"))
