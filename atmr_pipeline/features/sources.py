"""The tables that the delay features are made from, together."""

from dataclasses import dataclass, field
from functools import partial

import pandas as pd

from atmr_pipeline.domain.tables import CALENDAR_DAYS, DISPATCH_RUNS, WEATHER_FORECAST, empty
from atmr_pipeline.features.elevation import ELEVATION


@dataclass(frozen=True)
class FeatureSources:
    """What features may be made from. More history than needed does no harm; less makes features NULL.

    Parameters
    ----------
    bookings : DataFrame
        BOOKINGS: those decided on, those of the history, and those of the same days.
    assignments : DataFrame
        ASSIGNMENTS: at least the 60 days before the first decision, and the days decided on. Later ones do no harm.
    drivers : DataFrame
        DRIVERS; every driver decided on must be one of them.
    dispatch_runs : DataFrame
        DISPATCH_RUNS: when plans were complete; may be empty, then each assignment is a decision of its own.
    weather : DataFrame
        WEATHER_FORECAST; may be empty.
    calendar : DataFrame
        CALENDAR_DAYS; may be empty.
    elevation : DataFrame
        ELEVATION; may be empty.
    """

    bookings: pd.DataFrame
    assignments: pd.DataFrame
    drivers: pd.DataFrame
    dispatch_runs: pd.DataFrame = field(default_factory=partial(empty, DISPATCH_RUNS))
    weather: pd.DataFrame = field(default_factory=partial(empty, WEATHER_FORECAST))
    calendar: pd.DataFrame = field(default_factory=partial(empty, CALENDAR_DAYS))
    elevation: pd.DataFrame = field(default_factory=partial(empty, ELEVATION))
