"""One in-memory database in which the features of many parts of the decisions are made."""

from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

import duckdb
import pandas as pd

from atmr_pipeline.domain.geo import SERVICE_AREA
from atmr_pipeline.domain.travel import PLANNING_SPEED_KMH
from atmr_pipeline.domain.vocabulary import LATE_AFTER_MIN
from atmr_pipeline.features.areas import URBAN, area_of
from atmr_pipeline.features.constants import sql_constants
from atmr_pipeline.features.duck import connect, read_sql
from atmr_pipeline.features.elevation import elevation_of
from atmr_pipeline.features.sources import FeatureSources

BASE_TABLES = ("macros", "leg", "duty", "trip", "totals", "driver_end", "issued_forecast")
"""Made once, in this order; the rest is made for each part."""

MEMORY_LIMIT = "2500MB"
"""Of the database; what does not fit goes to a temporary folder."""


class FeatureSession:
    """Narrow copies of the sources, from which each part of the decisions takes its features.

    Parameters
    ----------
    sources : FeatureSources
        The tables. They are read while the session is open.

    Notes
    -----
    Memory: the narrow copies, linear in the history, and one part.
    """

    def __init__(self, sources: FeatureSources) -> None:
        self._sources = sources
        self._constants = {
            **sql_constants(),
            "late_after_min": LATE_AFTER_MIN,
            **dict(zip(("lat_min", "lat_max", "lon_min", "lon_max"), SERVICE_AREA, strict=True)),
        }

    def __enter__(self) -> Self:
        self._spill = TemporaryDirectory(prefix="atmr-features-")
        self._connection = connect()
        self._connection.execute(f"SET memory_limit = '{MEMORY_LIMIT}'")
        self._connection.execute("SET temp_directory = $folder", {"folder": self._spill.name})
        speeds = pd.DataFrame({"local_hour": range(24), "speed_kmh": PLANNING_SPEED_KMH})
        tables = {
            "bookings": self._sources.bookings,
            "assignments": self._sources.assignments,
            "weather": self._sources.weather,
            "calendar": self._sources.calendar,
            "planning_speed": speeds,
        }
        for name, table in tables.items():
            self._connection.register(name, table)
        for name in BASE_TABLES:
            self._run(name)
        self._connection.register("place", self._places())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()
        self._spill.cleanup()

    def features(self, decisions: pd.DataFrame) -> pd.DataFrame:
        """Features and context of some decisions, on their index.

        Parameters
        ----------
        decisions : DataFrame
            ``booking_id``, ``driver_id``, ``decided_at``; every booking is known and has a time.
        """
        numbered = decisions[["booking_id", "driver_id", "decided_at"]].assign(decision_no=range(len(decisions)))
        self._connection.register("decisions", numbered)
        self._run("decision")
        self._run("chain")
        frame = self._run("delay_features").fetchdf()
        self._connection.unregister("decisions")
        return frame.drop(columns="decision_no").set_axis(decisions.index)

    def _run(self, query: str) -> duckdb.DuckDBPyConnection:
        result = self._connection
        for statement in read_sql(query):
            given = {name: self._constants[name] for name in statement.parameters}
            result = self._connection.execute(statement.text, given)
        return result

    def _places(self) -> pd.DataFrame:
        """Area and height of every point, each worked out once: patients and facilities come again and again."""
        points = self._connection.execute(
            "SELECT pickup_lat AS lat, pickup_lon AS lon FROM leg WHERE pickup_lat IS NOT NULL"
            " UNION SELECT dropoff_lat, dropoff_lon FROM leg WHERE dropoff_lat IS NOT NULL"
        ).fetchdf()
        area = pd.Series(area_of(points["lat"], points["lon"]), dtype="str")
        return points.assign(
            area=area,
            is_urban=area.isin(URBAN),
            elevation_m=elevation_of(points["lat"], points["lon"], self._sources.elevation),
        )
