"""What the model expects of a day's courses under another plan.

The features come from the same function as in training. A changed plan is told to it as what it is: assignments with
the changed drivers, so that every course that hangs on a change (the next one of the new driver, the freed day of the
old one) is predicted anew.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import norm

from atmr_pipeline.domain.errors import TableContractError
from atmr_pipeline.features.delay import delay_features
from atmr_pipeline.features.sources import FeatureSources
from atmr_pipeline.models.delay.reassignment.day_copies import DayCopies, recent, with_drivers

INTERVAL_Z = float(norm.ppf(0.95))
"""Half the width of a model's 90 % interval, in standard deviations of a normal."""

DRIVER_HISTORY = "driver_"
"""Features whose name begins so speak of the driver's past; NULL means that it is not known."""


class DelayPredictor(Protocol):
    """What is used of a :class:`~atmr_pipeline.models.delay.model.DelayModel`."""

    @property
    def feature_names_(self) -> list[str]:
        """Columns that :meth:`predict` wants."""
        ...

    def predict(self, features: pd.DataFrame) -> pd.DataFrame:
        """``expected_delay_min, low_min, high_min, p_late`` of each row."""
        ...


class DayScorer(Protocol):
    """Predicts a day's open courses under a plan."""

    def whole_days(self, plans: Sequence[Mapping[int, int]]) -> list[pd.DataFrame]:
        """Of each plan, a row a course by ``assignment_id``, after its changes (assignment to driver).

        Columns ``expected_delay_min``; ``lateness_min``, the expected lateness, early counted as 0; ``p_late``;
        ``unknown_history``, how many features of the driver's past are NULL.
        """
        ...

    def pairs(self, pairs: pd.DataFrame, changes: Mapping[int, int]) -> pd.DataFrame:
        """The same of each ``assignment_id, driver_id`` row, as if that driver took the course; ``pairs``' index."""
        ...


class ModelScorer:
    """The model's predictions of one day, each plan once.

    Parameters
    ----------
    model : DelayPredictor
    sources : FeatureSources
    courses : DataFrame
        Open courses to predict, all of one service day: ``assignment_id, booking_id, driver_id``.
    decided_at : Timestamp
        UTC; nothing later is used.
    """

    def __init__(
        self, model: DelayPredictor, sources: FeatureSources, courses: pd.DataFrame, decided_at: pd.Timestamp
    ) -> None:
        self._model, self._decided_at = model, decided_at
        self._copies = DayCopies(recent(sources, decided_at), courses["booking_id"])
        self._courses = courses[["assignment_id", "booking_id", "driver_id"]].reset_index(drop=True)
        self._known: dict[frozenset[tuple[int, int]], pd.DataFrame] = {}

    def whole_days(self, plans: Sequence[Mapping[int, int]]) -> list[pd.DataFrame]:
        """As :class:`DayScorer` says; plans that are not known yet are predicted together."""
        keys = [frozenset(plan.items()) for plan in plans]
        new = [key for key in dict.fromkeys(keys) if key not in self._known]
        predicted = self._predict([(dict(key), with_drivers(self._courses, dict(key))) for key in new])
        self._known.update((key, frame.set_index("assignment_id")) for key, frame in zip(new, predicted, strict=True))
        return [self._known[key] for key in keys]

    def pairs(self, pairs: pd.DataFrame, changes: Mapping[int, int]) -> pd.DataFrame:
        """As :class:`DayScorer` says."""
        bookings = self._courses.set_index("assignment_id")["booking_id"]
        decisions = pairs.assign(booking_id=pairs["assignment_id"].map(bookings)).reset_index(drop=True)
        return self._predict([(changes, decisions)])[0].set_axis(pairs.index)

    def _predict(self, asked: Sequence[tuple[Mapping[int, int], pd.DataFrame]]) -> list[pd.DataFrame]:
        """Predictions of the decisions of each plan; one call of the feature function for all."""
        if not asked:
            return []
        sources = self._copies.of([changes for changes, _ in asked])
        decisions = pd.concat(
            [
                frame.assign(booking_id=self._copies.booking_ids(frame["booking_id"], number))
                for number, (_, frame) in enumerate(asked)
            ],
            ignore_index=True,
        )
        decisions["decided_at"] = self._decided_at
        features = delay_features(decisions.astype({"driver_id": "Int64"}), sources)
        missing = [name for name in self._model.feature_names_ if name not in features.columns]
        if missing:
            raise TableContractError(
                f"the model was fitted on features that are not made any more: {', '.join(missing)}"
            )
        named = features[list(self._model.feature_names_)]
        predicted = self._model.predict(named).reset_index(drop=True)
        history = [name for name in named.columns if name.startswith(DRIVER_HISTORY)]
        predicted = predicted.assign(
            assignment_id=decisions["assignment_id"].to_numpy(),
            lateness_min=expected_lateness_min(predicted),
            unknown_history=named[history].isna().sum(axis=1).to_numpy(),
        )
        ends = np.cumsum([len(frame) for _, frame in asked]).tolist()
        return [predicted.iloc[a:b].reset_index(drop=True) for a, b in pairwise([0, *ends])]


def expected_lateness_min(predicted: pd.DataFrame) -> npt.NDArray[np.float64]:
    """E[max(0, delay)] of each prediction, minutes, from a normal that has its mean and its interval's width.

    Being earlier than early helps nobody, so gains are counted in lateness. The closed form is the normal loss function
    (Silver, Pyke and Thomas, Inventory and Production Management in Supply Chains, 2017, appendix on the normal).
    """
    mean = predicted["expected_delay_min"].to_numpy(dtype=np.float64)
    width = (predicted["high_min"] - predicted["low_min"]).to_numpy(dtype=np.float64)
    sigma = np.maximum(width / (2.0 * INTERVAL_Z), 1e-9)
    z = mean / sigma
    return np.asarray(sigma * (norm.pdf(z) + z * norm.cdf(z)), dtype=np.float64)
