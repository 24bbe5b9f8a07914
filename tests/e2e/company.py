"""The demo company on the production's operations database: it lives on, and things happen to it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta

import sqlalchemy as sa
from production import Production

from atmr_pipeline.simulation import DemoManifest, Scenario, ScenarioName, WorldConfig, advance, build_demo

WORLD = WorldConfig(months=3, bookings_per_day=25, drivers=8, seed=4, end=date(2026, 6, 1))
"""A world in which three months suffice for a first champion; in others a gate refuses it, rightly."""
SETTINGS = {
    "ATMR_SEED": str(WORLD.seed),
    "OMP_NUM_THREADS": "1",
}
LATE_WINDOW = timedelta(days=8)
"""Days before the coming one which are read again."""


class Company:
    """A company of two months that lives on by working days."""

    def __init__(self, production: Production) -> None:
        self._production = production
        self.manifest: DemoManifest = build_demo(WORLD, production.home, database_url=production.operations_url)

    @property
    def first_day(self) -> str:
        return self.manifest.first_day

    @property
    def coming_day(self) -> str:
        return self.manifest.coming_day

    @property
    def all_days(self) -> tuple[str, str]:
        """From the first day to the one that is planned."""
        return self.first_day, self.coming_day

    @property
    def last_days(self) -> tuple[str, str]:
        """The days whose records may still change."""
        return (date.fromisoformat(self.coming_day) - LATE_WINDOW).isoformat(), self.coming_day

    def live(self, days: int = 1, *, roadworks: bool = False) -> tuple[str, str]:
        """Let working days pass; the days whose records may have changed."""
        begins = date.fromisoformat(self.coming_day)
        scenarios = (Scenario(ScenarioName.ROADWORKS, begins),) if roadworks else ()
        self.manifest = advance(
            self._production.home, days, database_url=self._production.operations_url, scenarios=scenarios
        )
        return self.last_days

    @contextmanager
    def with_false_pickups(self, before: date) -> Iterator[None]:
        """While it lasts, half the drivers' pickups of the days before ``before`` are recorded 25 minutes late."""
        self._shift(before, minutes=25)
        try:
            yield
        finally:
            self._shift(before, minutes=-25)

    def _shift(self, before: date, *, minutes: int) -> None:
        engine = sa.create_engine(sa.make_url(self._production.operations_url).set(drivername="postgresql+psycopg"))
        statement = sa.text(
            "UPDATE assignment SET actual_pickup_at = actual_pickup_at + :shift, "
            "actual_dropoff_at = actual_dropoff_at + :shift, updated_at = updated_at + interval '1 second' "
            "WHERE actual_pickup_at < :before AND driver_id % 2 = 1"
        )
        with engine.begin() as connection:
            connection.execute(statement, {"shift": timedelta(minutes=minutes), "before": before})
        engine.dispose()
