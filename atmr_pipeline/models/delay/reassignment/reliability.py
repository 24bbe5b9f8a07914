"""How much of a predicted difference between drivers comes true: what makes a gain confident.

A model can be right on average and still be wrong about drivers. So the part of its predictions that comes from
features which change with the driver is regressed on what happened, on rows that it was not fitted on: with a slope of
1 predicted differences come true in full, with 0 not at all. The low end of the slope's interval, from a bootstrap over
days, is the share of a gain that may be counted on.
"""

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from atmr_pipeline.domain.errors import NotEnoughDataError, TableContractError
from atmr_pipeline.features.delay import delay_features
from atmr_pipeline.features.sources import FeatureSources
from atmr_pipeline.models.delay.model import DelayModel
from atmr_pipeline.models.delay.reassignment.day_copies import recent

FloatArray = npt.NDArray[np.float64]

MIN_DAYS = 20
DRAWS = 500
PROBED_DECISIONS = 200


@dataclass(frozen=True)
class GainReliability:
    """The share of predicted differences between drivers that came true.

    Parameters
    ----------
    slope, low, high : float
        Estimate and interval; 0 everywhere if the model sees no difference between drivers.
    level : float
        Probability that the interval leaves out on either side together.
    rows, days : int
        What was judged: decided after everything the model was fitted on.
    features : tuple of str
        Those that change with the driver.
    spread_min : float
        Standard deviation of the predicted differences, minutes.
    """

    slope: float
    low: float
    high: float
    level: float
    rows: int
    days: int
    features: tuple[str, ...]
    spread_min: float

    @property
    def share(self) -> float:
        """What a predicted gain is multiplied by to get its low end, 0 to 1."""
        return float(np.clip(self.low, 0.0, 1.0))

    def to_dict(self) -> dict[str, object]:
        """Plain values, with ``share``."""
        return {**asdict(self), "features": list(self.features), "share": self.share}


def gain_reliability(
    model: DelayModel,
    training_set: pd.DataFrame,
    sources: FeatureSources,
    *,
    level: float = 0.10,
    seed: int = 7,
) -> GainReliability:
    """Judge a model's differences between drivers on rows that it was not fitted on.

    Parameters
    ----------
    model : DelayModel
    training_set : DataFrame
        DELAY_TRAINING_SET. Rows decided before the model's calibration block are left out: it was fitted on them.
    sources : FeatureSources
        What the rows were made from; used to find out which features change with the driver.
    level : float
        Of the interval.
    seed : int
        Of the bootstrap.

    Raises
    ------
    NotEnoughDataError
        Fewer than 20 days were decided after the fit.
    TableContractError
        The features do not match the model's.
    """
    unseen = _unseen(model, training_set)
    names = driver_features(sources, unseen[["assignment_id", "booking_id", "driver_id", "decided_at"]])
    names = tuple(name for name in names if name in model.feature_names_)
    features = unseen[list(model.feature_names_)]
    expected = model.predict(features)["expected_delay_min"].to_numpy(dtype=np.float64)
    part = model.contributions(features)[list(names)].sum(axis=1).to_numpy(dtype=np.float64)
    rest = unseen["delay_min"].to_numpy(dtype=np.float64) - (expected - part)
    _, day = np.unique(unseen["service_day"].to_numpy(), return_inverse=True)
    slope, low, high = _slope(part, rest, day, level, seed)
    spread = float(part.std())
    return GainReliability(slope, low, high, level, len(unseen), int(day.max()) + 1, names, spread)


def driver_features(sources: FeatureSources, decisions: pd.DataFrame) -> tuple[str, ...]:
    """Features that differ when another driver of the fleet takes the same booking, found by trying.

    Raises
    ------
    TableContractError
        There is only one driver, or nothing to try on.
    """
    probed = decisions.dropna(subset=["driver_id"]).tail(PROBED_DECISIONS).reset_index(drop=True)
    fleet = np.sort(sources.drivers["driver_id"].to_numpy())
    if len(fleet) < 2 or probed.empty:
        raise TableContractError("differences between drivers need two drivers and a decision")
    another = fleet[(np.searchsorted(fleet, probed["driver_id"].to_numpy(dtype=np.int64)) + 1) % len(fleet)]
    known = recent(sources, probed["decided_at"].min())
    one, other = (
        delay_features(frame, known) for frame in (probed, probed.assign(driver_id=pd.array(another, dtype="Int64")))
    )
    names = [str(name) for name in one.columns if name not in probed.columns]
    return tuple(name for name in names if not one[name].equals(other[name]))


def _unseen(model: DelayModel, training_set: pd.DataFrame) -> pd.DataFrame:
    blocks = model.blocks_.set_index("block")
    since = pd.Timestamp(str(blocks.loc["calibration", "first_decided_at"]))
    unseen = training_set[training_set["decided_at"] >= since].reset_index(drop=True)
    days = unseen["service_day"].nunique()
    if days < MIN_DAYS:
        raise NotEnoughDataError("days decided after the model's fit, to judge its gains", needs=MIN_DAYS, has=days)
    return unseen


def _slope(
    part: FloatArray, rest: FloatArray, day: npt.NDArray[np.int64], level: float, seed: int
) -> tuple[float, float, float]:
    """Slope of ``rest`` on ``part`` with its interval by a bootstrap over days, from sums a day."""
    if np.ptp(part) == 0.0:
        return 0.0, 0.0, 0.0
    moments = np.stack([np.ones_like(part), part, rest, part * part, part * rest])
    sums = np.stack([np.bincount(day, weights=row) for row in moments], axis=1)
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(sums), np.full(len(sums), 1.0 / len(sums)), size=DRAWS) @ sums
    estimates = [_slope_of(row) for row in drawn]
    low, high = np.quantile(estimates, [level / 2.0, 1.0 - level / 2.0])
    return _slope_of(sums.sum(axis=0)), float(low), float(high)


def _slope_of(sums: FloatArray) -> float:
    n, x, y, xx, xy = sums
    spread = xx - x * x / n
    # A draw of days on which the model saw no difference at all says nothing for it.
    return float((xy - x * y / n) / spread) if spread > 0.0 else 0.0
