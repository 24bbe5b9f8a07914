"""A day to be dispatched: who drives, what is booked, how long everything takes."""

import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from atmr_pipeline.domain.errors import InvalidProblemError

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

MAX_DAY_MIN = 2880.0
"""Times are minutes after local midnight of the service day; a shift may run into the next day."""


LONGEST = 1e5
"""No way, ride or service of a day takes so many minutes or km; beyond, arithmetic would lose the small ones."""


@dataclass(frozen=True)
class DayProblem:
    """One service day, D drivers and B bookings; times in minutes after local midnight, distances in km.

    Bookings may come in any order; a driver serves its own in order of (scheduled_min, booking id as given).

    Parameters
    ----------
    driver_ids, booking_ids : tuple of str
        Unique identifiers, lengths D and B.
    shift_start_min, shift_end_min : ndarray (D,)
        Duty window. A driver that would finish after the end cannot take the booking.
    is_emergency : ndarray of bool (D,)
        Costly drivers of last resort.
    scheduled_min : ndarray (B,)
        Scheduled pickup.
    is_outbound, is_urgent : ndarray of bool (B,)
    start_min, start_km : ndarray (D, B)
        From a driver's start point to a pickup.
    deadhead_min, deadhead_km : ndarray (B, B)
        From drop-off of the row to pickup of the column.
    ride_min, ride_km : ndarray (B,)
        Pickup to drop-off.
    pickup_service_min, dropoff_service_min : ndarray (B,)
        Boarding and alighting.
    ready_min : ndarray (B,), optional
        Earliest service start; the scheduled time unless said. Realised days use it for patients who are not ready.
    absences : tuple of (driver index, from_min, to_min)
        A booking whose service overlaps an absence of its driver is forbidden to that driver.

    Every driver listed is on duty and counts in the load gap, also with no booking. Arrays may be given as anything
    that numpy reads; they are kept as float64 or bool.

    Raises
    ------
    InvalidProblemError
        Duplicate ids, wrong shapes, NaN, negative or absurdly long travel, schedules and shifts outside 0 to 2880, a
        shift or an absence that ends before it starts, an absence of nobody. An absence may end after the day.
    """

    driver_ids: tuple[str, ...]
    booking_ids: tuple[str, ...]
    shift_start_min: FloatArray
    shift_end_min: FloatArray
    is_emergency: BoolArray
    scheduled_min: FloatArray
    is_outbound: BoolArray
    is_urgent: BoolArray
    start_min: FloatArray
    start_km: FloatArray
    deadhead_min: FloatArray
    deadhead_km: FloatArray
    ride_min: FloatArray
    ride_km: FloatArray
    pickup_service_min: FloatArray
    dropoff_service_min: FloatArray
    ready_min: FloatArray | None = None
    absences: tuple[tuple[int, float, float], ...] = ()

    def __post_init__(self) -> None:
        drivers, bookings = len(self.driver_ids), len(self.booking_ids)
        if len(set(self.driver_ids)) != drivers:
            raise InvalidProblemError("driver ids are not unique")
        if len(set(self.booking_ids)) != bookings:
            raise InvalidProblemError("booking ids are not unique")
        shapes = (
            ((drivers,), ("shift_start_min", "shift_end_min", "is_emergency")),
            ((bookings,), (
                "scheduled_min", "is_outbound", "is_urgent", "ride_min", "ride_km", "pickup_service_min",
                "dropoff_service_min", "ready_min",
            )),
            ((drivers, bookings), ("start_min", "start_km")),
            ((bookings, bookings), ("deadhead_min", "deadhead_km")),
        )  # fmt: skip
        for shape, names in shapes:
            for name in names:
                self._check_array(name, shape)
        if np.any(self.shift_end_min < self.shift_start_min):
            raise InvalidProblemError("a shift ends before it starts")
        for driver, from_min, to_min in self.absences:
            if not 0 <= driver < drivers or not 0 <= from_min <= to_min:
                raise InvalidProblemError("an absence names no driver of the day or ends before it starts")

    def _check_array(self, name: str, shape: tuple[int, ...]) -> None:
        if getattr(self, name) is None:
            return
        try:
            value = np.asarray(getattr(self, name), dtype=bool if name.startswith("is_") else np.float64)
        except (TypeError, ValueError):
            raise InvalidProblemError(f"{name} is not an array of numbers") from None
        object.__setattr__(self, name, value)
        if value.shape != shape:
            raise InvalidProblemError(f"{name} has shape {value.shape}, expected {shape}")
        if value.dtype == np.bool_:
            return
        if not np.all(np.isfinite(value)) or np.any(value < 0):
            raise InvalidProblemError(f"{name} holds NaN, infinite or negative values")
        if np.any(value > LONGEST):
            raise InvalidProblemError(f"{name} holds more than {LONGEST:,.0f} minutes or km")
        if name in ("scheduled_min", "shift_start_min", "shift_end_min") and np.any(value > MAX_DAY_MIN):
            raise InvalidProblemError(f"{name} is outside 0 to {MAX_DAY_MIN:.0f} minutes")

    @property
    def n_drivers(self) -> int:
        """Number of drivers D."""
        return len(self.driver_ids)

    @property
    def n_bookings(self) -> int:
        """Number of bookings B."""
        return len(self.booking_ids)

    @cached_property
    def service_order(self) -> npt.NDArray[np.int64]:
        """Booking indices in the order in which a driver serves them: by scheduled time, then id."""
        keys = list(zip(self.scheduled_min.tolist(), map(_natural, self.booking_ids), strict=True))
        order = np.array(sorted(range(self.n_bookings), key=keys.__getitem__), dtype=np.int64)
        order.flags.writeable = False
        return order

    @property
    def ready(self) -> FloatArray:
        """Earliest service start of each booking, (B,)."""
        return self.scheduled_min if self.ready_min is None else self.ready_min

    def realised(self, **arrays: Any) -> "DayProblem":
        """The same day with other travel, service or ready times: how a random draw is executed."""
        return replace(self, **arrays)


def with_approach_level(problem: DayProblem, level_min: float) -> DayProblem:
    """The same day with so many minutes more on every approach to a pickup, or less, as far as there are any.

    Where pickups are later than travel times explain (roadworks in the centre), it is the way to the patient that takes
    longer; a plan that reckons with it is late less often.
    """
    if level_min == 0.0:
        return problem
    ways = {name: np.maximum(getattr(problem, name) + level_min, 0.0) for name in ("start_min", "deadhead_min")}
    return problem.realised(**ways)


def _natural(identifier: str) -> tuple[int, int, str]:
    # "9" before "10": numeric ids are ordered as numbers, others as text after them.
    return (0, int(identifier), identifier) if re.fullmatch(r"-?[0-9]+", identifier) else (1, 0, identifier)
