"""Worlds for ``drift.py``: weeks of demo companies that can be put together into years in which nothing changes."""

import tempfile
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import xgboost as xgb
from demo_sources import demo_sources

from atmr_pipeline.features.contract import FEATURE_NAMES, SLOW_FEATURES
from atmr_pipeline.features.delay import delay_training_set
from atmr_pipeline.monitoring.cusum import residual_reference
from atmr_pipeline.monitoring.drift import feature_kinds

FOLDS = 4
START = date(2024, 1, 1)  # a Monday
WATCHED = [name for name in FEATURE_NAMES if name not in SLOW_FEATURES]


@dataclass
class Pool:
    """The weeks of one company: rows with features, label and out-of-sample prediction."""

    frame: pd.DataFrame
    weeks: list[np.ndarray]
    kinds: dict[str, str]

    @classmethod
    def build(cls, seed: int, *, months: int) -> "Pool":
        with tempfile.TemporaryDirectory() as folder:
            rows, _ = delay_training_set(demo_sources(Path(folder), months=months, seed=seed))
        rows = rows.sort_values("service_day", kind="stable", ignore_index=True)
        day = (rows["service_day"] - rows["service_day"].min()).dt.days.to_numpy()
        # Only weeks that begin on a Monday and are whole.
        monday = int((7 - rows["service_day"].min().dayofweek) % 7)
        week = (day - monday) // 7
        whole = (day >= monday) & (week < (day.max() + 1 - monday) // 7)
        rows, week = rows[whole].reset_index(drop=True), week[whole]
        expected = cross_fitted(rows, week)
        frame = rows[[*WATCHED, "delay_min"]].assign(expected=expected, weekday=rows["service_day"].dt.dayofweek)
        weeks = [np.flatnonzero(week == number) for number in range(week.max() + 1)]
        return cls(frame, weeks, feature_kinds(rows, WATCHED))

    def in_order(self) -> pd.DataFrame:
        """The company's own weeks, as it lived them."""
        return self._of(np.arange(len(self.weeks)))

    def drawn(self, weeks: int, rng: np.random.Generator) -> pd.DataFrame:
        """Weeks drawn with replacement, one after another from :data:`START`."""
        return self._of(rng.integers(0, len(self.weeks), weeks))

    def _of(self, numbers: np.ndarray) -> pd.DataFrame:
        rows = np.concatenate([self.weeks[number] for number in numbers])
        of_week = np.repeat(np.arange(len(numbers)), [len(self.weeks[number]) for number in numbers])
        frame = self.frame.iloc[rows].reset_index(drop=True)
        days = of_week * 7 + frame["weekday"].to_numpy()
        return frame.assign(service_day=pd.Timestamp(START) + pd.to_timedelta(days, unit="D").as_unit("us"), day=days)


def noise(pools: list[Pool]) -> str:
    """Spread and design effect of the residuals of all companies."""
    told = []
    for pool in pools:
        frame = pool.in_order()
        rows = frame[["service_day"]].assign(residual_min=frame["delay_min"] - frame["expected"])
        reference = residual_reference(rows)
        told.append(
            f"std {reference.std_min:.1f} min (core {reference.scale_min:.1f}), "
            f"{len(rows) / (frame['day'].max() + 1):.1f} a day"
        )
    return "; ".join(told)


def cross_fitted(rows: pd.DataFrame, week: np.ndarray) -> np.ndarray:
    """Each row's expected delay by trees that saw none of the rows of its block of weeks."""
    x = rows[list(FEATURE_NAMES)].astype("float64")
    expected = np.empty(len(rows))
    block = week * FOLDS // (week.max() + 1)
    for number in range(FOLDS):
        inside = block == number
        trees = xgb.XGBRegressor(n_estimators=200, learning_rate=0.05, max_depth=3, n_jobs=1)
        expected[inside] = trees.fit(x[~inside], rows.loc[~inside, "delay_min"]).predict(x[inside])
    return expected
