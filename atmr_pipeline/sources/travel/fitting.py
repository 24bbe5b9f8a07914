"""The speed profile of a company, fitted on its own trips and judged on its latest ones.

Model: minutes = fixed + pace(weekday, hour) x km, with km = detour x great circle, as
:class:`~atmr_pipeline.sources.travel.haversine.HaversineTravel` will compute it: whatever a straight line with one
detour misses is in the error. The fixed minutes are what does not grow with distance. They are boarding and alighting
only as far as speed does not depend on the length of a trip: where long trips go faster, part of that is in them too.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from atmr_pipeline.domain.errors import NotEnoughDataError, SourceError
from atmr_pipeline.domain.travel import ASSUMED_DETOUR, PLANNING_SPEED_KMH, FloatArray
from atmr_pipeline.sources.travel.profile import (
    DAYS,
    FASTEST_KMH,
    HOURS,
    LARGEST_DETOUR,
    SLOWEST_KMH,
    SpeedProfile,
)
from atmr_pipeline.sources.travel.regression import SERVICE_MIN, IntArray, fit_line, fit_paces
from atmr_pipeline.sources.travel.trips import TRIP_COLUMNS
from atmr_pipeline.state.frames import require_columns, require_known

MIN_TRIPS, MIN_DAYS = 300, 30
HELD_OUT_SHARE = 0.2
MIN_ROAD_PAIRS, MIN_ROAD_KM = 100, 0.5
SMALLEST_ROAD_RATIO = 0.99
"""Road over great-circle distance: a hundredth is what rounding of coordinates and metres may take off."""

CONSTANT_KMH = 30.0
RESAMPLES = 2_000

FITTED, ONE_SPEED, CONSTANT, ASSUMED = "fitted profile", "one fitted speed", "constant 30 km/h", "planning assumption"


@dataclass(frozen=True)
class SpeedProfileFit:
    """A fitted profile and its error on trips that it has not seen.

    Parameters
    ----------
    profile : SpeedProfile
        Fitted on all days: the one to use.
    judged : SpeedProfile
        Fitted in the same way on the days before the held-out ones: the one that the errors are about.
    errors : DataFrame
        A row a method: ``method``; ``fixed_min``, the fixed minutes that suit it best on the training days;
        ``mae_min``, ``median_min`` (absolute) and ``bias_min`` (predicted - actual) on the held-out trips;
        ``planned_mae_min``, its MAE with the planner's 12 fixed minutes instead; ``difference_min`` with
        ``difference_low_min`` and ``difference_high_min``: mean absolute error of the fitted profile minus the
        method's, and its 95 % interval. Below 0 the profile is better.
    trained, held_out : int
        Trips.
    held_out_days : int
        Days of the held-out trips.
    """

    profile: SpeedProfile
    judged: SpeedProfile
    errors: pd.DataFrame
    trained: int
    held_out: int
    held_out_days: int

    def beats(self, method: str = CONSTANT) -> bool:
        """Whether the whole 95 % interval of the difference to a method of ``errors`` is below 0."""
        high = self.errors.set_index("method")["difference_high_min"]
        return bool(high[method] < 0.0)

    def summary(self) -> str:
        """One line for a log or the metadata of an asset."""
        mae = self.errors.set_index("method")["mae_min"]
        return (
            f"mean absolute error {mae[FITTED]:.2f} min on {self.held_out:,} held-out trips of {self.held_out_days} "
            f"days; {CONSTANT} {mae[CONSTANT]:.2f}, {ASSUMED} {mae[ASSUMED]:.2f}"
        )


def fit_speed_profile(trips: pd.DataFrame, *, assumed_detour: float = ASSUMED_DETOUR, seed: int = 0) -> SpeedProfileFit:
    """Fit on the first 80 % of the days, judge on the rest, then fit again on all of them.

    Parameters
    ----------
    trips : DataFrame
        What :func:`~atmr_pipeline.sources.travel.trips.trips_from_tables` returns.
    assumed_detour : float
        Used where too few trips have a road distance to say better.
    seed : int
        Of the bootstrap.

    Raises
    ------
    NotEnoughDataError
        Fewer than 300 trips or 30 days.
    SourceError
        The trips give no plausible speed: their times or their places are wrong.
    TableContractError
        A column is missing, or a value other than the road distance is.
    """
    require_columns(trips, TRIP_COLUMNS, "trips")
    require_known(trips, [name for name in TRIP_COLUMNS if name != "road_km"], "trips")
    days = np.sort(trips["service_day"].unique())
    if len(trips) < MIN_TRIPS:
        raise NotEnoughDataError("completed trips for a speed profile", needs=MIN_TRIPS, has=len(trips))
    if len(days) < MIN_DAYS:
        raise NotEnoughDataError("days with completed trips for a speed profile", needs=MIN_DAYS, has=len(days))
    is_held_out = trips["service_day"] >= days[len(days) - int(np.ceil(HELD_OUT_SHARE * len(days)))]
    before, after = trips[~is_held_out], trips[is_held_out]
    judged = _profile(before, assumed_detour)
    return SpeedProfileFit(
        profile=_profile(trips, assumed_detour),
        judged=judged,
        errors=_errors(judged, before, after, seed),
        trained=len(before),
        held_out=len(after),
        held_out_days=int(after["service_day"].nunique()),
    )


def _profile(trips: pd.DataFrame, assumed_detour: float) -> SpeedProfile:
    detour, pairs = _detour(trips, assumed_detour)
    cell = _cells(trips)
    fixed_min, fixed_sd_min, pace = fit_paces(_minutes(trips), _km(trips, detour), cell)
    if not fixed_min >= 0.0 or not np.all((pace >= 60.0 / FASTEST_KMH) & (pace <= 60.0 / SLOWEST_KMH)):
        raise SourceError(
            "the completed trips give no plausible speed: check the actual pickup and drop-off times and the "
            "coordinates at the source"
        )
    detour_source = f"from {pairs:,} road distances of the source" if pairs else "assumed"
    return SpeedProfile(
        detour=detour,
        detour_pairs=pairs,
        speed_kmh=(60.0 / pace).reshape(DAYS, HOURS),
        trips=np.bincount(cell, minlength=DAYS * HOURS).reshape(DAYS, HOURS),
        fixed_min=fixed_min,
        fixed_sd_min=fixed_sd_min,
        first_day=trips["service_day"].min().date(),
        last_day=trips["service_day"].max().date(),
        source=f"{len(trips):,} completed trips of the company; detour {detour_source}",
    )


def _detour(trips: pd.DataFrame, assumed: float) -> tuple[float, int]:
    """Median of road over great-circle distance; one far out of range says that the ends are wrong."""
    ratio = (trips["road_km"] / trips["straight_km"]).to_numpy(np.float64)
    far = trips["straight_km"].to_numpy(np.float64) >= MIN_ROAD_KM
    usable = ratio[far & (ratio >= SMALLEST_ROAD_RATIO) & (ratio <= LARGEST_DETOUR)]
    if len(usable) < MIN_ROAD_PAIRS:
        return assumed, 0
    return max(1.0, float(np.median(usable))), len(usable)


def _minutes(trips: pd.DataFrame) -> FloatArray:
    return trips["minutes"].to_numpy(np.float64)


def _km(trips: pd.DataFrame, detour: float) -> FloatArray:
    return np.asarray(detour * trips["straight_km"].to_numpy(np.float64))


def _cells(trips: pd.DataFrame) -> IntArray:
    return np.asarray(trips["weekday"].to_numpy(np.int64) * HOURS + trips["hour"].to_numpy(np.int64))


def _errors(judged: SpeedProfile, before: pd.DataFrame, after: pd.DataFrame, seed: int) -> pd.DataFrame:
    _, one_pace = fit_line(_minutes(before), _km(before, judged.detour))
    paces = {
        FITTED: 60.0 / judged.speed_kmh,
        ONE_SPEED: np.full((DAYS, HOURS), one_pace),
        CONSTANT: np.full((DAYS, HOURS), 60.0 / CONSTANT_KMH),
        ASSUMED: np.tile(60.0 / PLANNING_SPEED_KMH, (DAYS, 1)),
    }
    # Every method gets the fixed minutes that suit it best, so that what is compared is the speeds.
    beyond_ride = {
        method: [_minutes(trips) - pace.ravel()[_cells(trips)] * _km(trips, judged.detour) for trips in (before, after)]
        for method, pace in paces.items()
    }
    fixed = {method: float(np.median(known)) for method, (known, _) in beyond_ride.items()}
    fixed[FITTED] = judged.fixed_min
    error = {method: fixed[method] - unseen for method, (_, unseen) in beyond_ride.items()}
    return pd.DataFrame(
        [
            {
                "method": method,
                "fixed_min": fixed[method],
                "mae_min": float(np.abs(error[method]).mean()),
                "median_min": float(np.median(np.abs(error[method]))),
                "bias_min": float(error[method].mean()),
                "planned_mae_min": float(np.abs(SERVICE_MIN - beyond_ride[method][1]).mean()),
                **_difference(after["service_day"], np.abs(error[FITTED]) - np.abs(error[method]), seed),
            }
            for method in paces
        ]
    )


def _difference(days: pd.Series, difference: FloatArray, seed: int) -> dict[str, float]:
    """Mean and 95 % percentile interval, whole days resampled (Efron and Tibshirani, 1993, chapters 8 and 13).

    Trips of a day share weather and traffic, so days are drawn, not trips; both methods keep the same draw.
    """
    sums = pd.DataFrame({"day": days.to_numpy(), "n": 1.0, "sum": difference}).groupby("day")[["sum", "n"]].sum()
    draws = np.random.default_rng(seed).multinomial(len(sums), np.full(len(sums), 1.0 / len(sums)), size=RESAMPLES)
    total, count = (draws @ sums.to_numpy()).T
    low, high = np.quantile(total / count, [0.025, 0.975])
    return {
        "difference_min": float(difference.mean()),
        "difference_low_min": float(low),
        "difference_high_min": float(high),
    }
