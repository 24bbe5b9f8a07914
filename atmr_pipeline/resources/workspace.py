"""One home as a Dagster resource: its settings, tables, state and outside systems."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

import dagster as dg

from atmr_pipeline.resources.liveness import mark_alive
from atmr_pipeline.resources.tables import Tables
from atmr_pipeline.settings import Settings, load_settings

if TYPE_CHECKING:
    from atmr_pipeline.promotion.registry import ModelRegistry
    from atmr_pipeline.sources.operations import OperationsDatabase
    from atmr_pipeline.state import StateStore


@contextmanager
def opened_state(settings: Settings) -> Iterator["StateStore"]:
    """The transactional state, migrated, closed at the end: for sensors, whose ticks keep nothing open."""
    from atmr_pipeline.state import StateStore

    store = StateStore(settings.state_database_url)
    try:
        store.migrate()
        yield store
    finally:
        store.close()


class Workspace(dg.ConfigurableResource):
    """Adapters to the core's gateways for one home; the settings come from the environment."""

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Hold the run's lock, by which others see whether its process still lives."""
        if context.run is not None:
            mark_alive(self.settings.root, context.run.run_id)

    @cached_property
    def settings(self) -> Settings:
        """Settings of this home (SettingsError if one is wrong)."""
        return load_settings()

    @cached_property
    def tables(self) -> Tables:
        """Parquet tables."""
        return Tables(self.settings.tables_dir)

    @cached_property
    def private_tables(self) -> Tables:
        """Tables that hold addresses as written: readable by the owner only, never shown in the UI."""
        return Tables(self.settings.root / "private", mode=0o600)

    @cached_property
    def operations(self) -> "OperationsDatabase":
        """Read-only gateway to the operations database."""
        from atmr_pipeline.sources.operations import OperationsDatabase

        return OperationsDatabase(self.settings.operations_url, hash_key=self.settings.hash_key_bytes)

    @cached_property
    def state(self) -> "StateStore":
        """Transactional state, migrated to the current schema."""
        from atmr_pipeline.state import StateStore

        self.settings.root.mkdir(parents=True, exist_ok=True)
        store = StateStore(self.settings.state_database_url)
        store.migrate()
        return store

    @cached_property
    def registry(self) -> "ModelRegistry":
        """Versions, aliases and their history."""
        from atmr_pipeline.promotion.registry import ModelRegistry

        return ModelRegistry(self.state, self.settings.models_dir)
