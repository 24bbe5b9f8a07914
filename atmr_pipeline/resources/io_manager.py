"""The Parquet IO manager: what an asset returns becomes a table, what it takes is read from one."""

from datetime import date
from typing import Any

import dagster as dg
import pandas as pd

from atmr_pipeline.resources.tables import Tables
from atmr_pipeline.resources.workspace import Workspace


class ParquetIOManager(dg.ConfigurableIOManager):
    """Frames to Parquet (one file a service day for partitioned assets), anything else to JSON."""

    workspace: dg.ResourceDependency[Workspace]

    @property
    def _tables(self) -> Tables:
        return self.workspace.tables

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Write one asset's value; a partitioned asset replaces exactly the days of the run."""
        name = context.asset_key.path[-1]
        if not isinstance(obj, pd.DataFrame):
            self._tables.write_value(name, obj)
        elif context.has_asset_partitions:
            self._tables.write_days(name, obj, [date.fromisoformat(key) for key in context.asset_partition_keys])
        else:
            self._tables.write(name, obj)

    def load_input(self, context: dg.InputContext) -> Any:
        """Read one upstream asset: the run's days for a partitioned consumer, everything for any other."""
        name = context.asset_key.path[-1]
        if (self._tables.root / name / "value.json").exists():
            return self._tables.read_value(name)
        if context.has_partition_key or context.has_asset_partitions:
            days = [date.fromisoformat(key) for key in context.asset_partition_keys]
            consumer_is_partitioned = (
                context.step_context.has_partition_key or context.step_context.has_partition_key_range
            )
            if consumer_is_partitioned and days:
                return self._tables.read(name, first_day=min(days), last_day=max(days))
        return self._tables.read(name)
