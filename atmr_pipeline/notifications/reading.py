"""What happened lately, from the state database."""

from dataclasses import fields
from datetime import datetime

import sqlalchemy as sa

from atmr_pipeline.promotion.aliases import ModelEvent
from atmr_pipeline.state.drift_events import DriftEvent
from atmr_pipeline.state.schema import drift_event, model_event
from atmr_pipeline.state.store import StateStore


def drift_events_since(store: StateStore, since: datetime) -> list[DriftEvent]:
    """Alarms that were recorded or closed since an instant, in the order in which they were recorded."""
    recent = sa.or_(drift_event.c.created_at >= since, drift_event.c.outcome_at >= since)
    query = sa.select(*_columns(drift_event, DriftEvent)).where(recent).order_by(drift_event.c.created_at)
    with store.read() as connection:
        return [DriftEvent(**row) for row in connection.execute(query).mappings()]


def model_events_since(store: StateStore, since: datetime) -> list[ModelEvent]:
    """Lines of the audit log of every kind since an instant, oldest first."""
    query = sa.select(*_columns(model_event, ModelEvent)).where(model_event.c.at >= since).order_by(model_event.c.id)
    with store.read() as connection:
        return [ModelEvent(**row) for row in connection.execute(query).mappings()]


def _columns(table: sa.Table, row_type: type) -> list[sa.Column[object]]:
    return [table.c[field.name] for field in fields(row_type) if field.name in table.c]
