"""How a day really goes: the world's true travel, service and waiting times, executed by the dispatch simulator.

A pickup starts when three things have happened: the driver is free and has driven there (the simulator propagates
this along the driver's day), the driver has chosen to arrive (habit, plus the surprise of the road), and the patient
is ready (return legs wait for the appointment to end).
"""

from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import numpy.typing as npt

from atmr_pipeline.dispatch.problem import DayProblem
from atmr_pipeline.dispatch.simulator import simulate
from atmr_pipeline.domain.geo import haversine_km
from atmr_pipeline.simulation.effects import Effects
from atmr_pipeline.sources.travel import HaversineTravel

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

PLANNED_TRAVEL = HaversineTravel()
PICKUP_SERVICE_MIN, DROPOFF_SERVICE_MIN = 5.0, 7.0
WHEELCHAIR_SERVICE_MIN = 3.0
NO_SHOW_WAIT_MIN = 10.0

TRAVEL_SIGMA, DAY_SIGMA, SERVICE_SIGMA = 0.24, 0.07, 0.30
"""Standard deviations of log travel time, of the day's common shock, and of log service time."""

ARRIVAL_MARGIN_MIN = 5.0
"""Drivers who have the time mean to arrive this early; their punctuality and the road's surprise come on top."""

URGENT_DELAY_MIN = 4.0
EARLY_BOARDING_MIN = 5.0
WHEELCHAIR_WAIT_MIN = 2.0

OVERRUN_MEAN_MIN = {"hospital": 9.0, "clinic": 7.0, "medical_centre": 7.0, "public_place": 2.5, "home": 1.5}
"""How much later than agreed a patient is ready, by kind of pickup place, where it overruns at all."""

OVERRUN_PROBABILITY = {"hospital": 0.75, "clinic": 0.65, "medical_centre": 0.65, "public_place": 0.3, "home": 0.2}
OVERRUN_SHAPE = 1.6
LATE_MORNING_BACKLOG = 1.35

TRUE_SPEED_FACTOR = np.array(
    [
        [0.98, 0.78, 0.96, 1.02, 0.95, 0.84],
        [1.00, 0.82, 0.97, 1.03, 0.95, 0.84],
        [1.01, 0.85, 0.98, 1.03, 0.96, 0.86],
        [1.00, 0.82, 0.96, 1.02, 0.94, 0.82],
        [1.01, 0.86, 0.96, 1.00, 0.90, 0.78],
        [1.10, 1.08, 1.02, 1.02, 1.04, 1.05],
        [1.15, 1.15, 1.10, 1.08, 1.10, 1.10],
    ]
)
"""True over planning speed, Monday to Sunday, before 7 h, 7-9 h, 9-12 h, 12-15 h, 15-16 h, from 16 h."""

_HOUR_BLOCK = np.array([0] * 7 + [1] * 2 + [2] * 3 + [3] * 3 + [4] + [5] * 4 + [0] * 4)


@dataclass(frozen=True)
class DayPlan:
    """One day as decided, with what is true about it: D drivers on duty, B bookings to be served.

    ``pickup_kind`` says where the patient waits (see :data:`OVERRUN_MEAN_MIN`); ``driver_index`` points into the D
    drivers; ``weather_factor`` is (24,); coordinates are (n, 2) in degrees.
    """

    day: date
    driver_ids: IntArray
    shift_start_min: FloatArray
    shift_end_min: FloatArray
    is_emergency: BoolArray
    punctuality_min: FloatArray
    home: FloatArray
    assignment_ids: IntArray
    booking_ids: IntArray
    driver_index: IntArray
    scheduled_min: FloatArray
    is_outbound: BoolArray
    is_urgent: BoolArray
    is_wheelchair: BoolArray
    no_show: BoolArray
    pickup_kind: npt.NDArray[np.str_]
    pickup: FloatArray
    dropoff: FloatArray
    weather_factor: FloatArray
    effects: Effects

    def only(self, kept: BoolArray) -> "DayPlan":
        """The same day with some of its bookings, ``kept`` (B,)."""
        per_booking = (
            "assignment_ids", "booking_ids", "driver_index", "scheduled_min", "is_outbound", "is_urgent",
            "is_wheelchair", "no_show", "pickup_kind", "pickup", "dropoff",
        )  # fmt: skip
        return replace(self, **{name: getattr(self, name)[kept] for name in per_booking})

    @property
    def hour(self) -> IntArray:
        """Local hour of each scheduled pickup."""
        return np.asarray((self.scheduled_min // 60).astype(np.int64) % 24)


@dataclass(frozen=True)
class Draws:
    """What chance decides: n worlds of one day, each array (n, B)."""

    approach_factor: FloatArray
    ride_factor: FloatArray
    pickup_service_min: FloatArray
    dropoff_service_min: FloatArray
    patient_ready_min: FloatArray
    departure_noise_min: FloatArray


def draw(plan: DayPlan, rng: np.random.Generator, n: int) -> Draws:
    """Draw n worlds of a day."""
    shape = (n, len(plan.booking_ids))
    shock = rng.normal(0.0, DAY_SIGMA, (n, 1))
    centre = 0.5 * TRAVEL_SIGMA**2
    approach = np.exp(rng.normal(0.0, TRAVEL_SIGMA, shape) - centre + shock)
    ride = np.exp(rng.normal(0.0, TRAVEL_SIGMA, shape) - centre + shock)
    extra = np.where(plan.is_wheelchair, WHEELCHAIR_SERVICE_MIN, 0.0)
    boarding = (PICKUP_SERVICE_MIN + extra) * rng.lognormal(0.0, SERVICE_SIGMA, shape)
    alighting = (DROPOFF_SERVICE_MIN + 0.5 * extra) * rng.lognormal(0.0, SERVICE_SIGMA, shape)
    return Draws(
        approach_factor=approach,
        ride_factor=ride,
        pickup_service_min=np.where(plan.no_show, NO_SHOW_WAIT_MIN, boarding),
        dropoff_service_min=np.where(plan.no_show, 0.0, alighting),
        patient_ready_min=_patient_ready(plan, rng, shape),
        departure_noise_min=rng.normal(0.0, 1.5, shape),
    )


def _patient_ready(plan: DayPlan, rng: np.random.Generator, shape: tuple[int, int]) -> FloatArray:
    mean = np.array([OVERRUN_MEAN_MIN[kind] for kind in plan.pickup_kind])
    probability = np.array([OVERRUN_PROBABILITY[kind] for kind in plan.pickup_kind])
    late_morning = (plan.hour >= 10) & (plan.hour <= 12) & ~plan.is_outbound
    mean = np.where(late_morning, LATE_MORNING_BACKLOG * mean, mean)
    overrun = rng.gamma(OVERRUN_SHAPE, 1.0, shape) / OVERRUN_SHAPE * mean
    early = -rng.uniform(0.0, EARLY_BOARDING_MIN, shape)
    ready = np.where(rng.random(shape) < probability, overrun, early)
    return plan.scheduled_min + ready + np.where(plan.is_wheelchair, WHEELCHAIR_WAIT_MIN, 0.0)


def true_speed_kmh(plan: DayPlan) -> FloatArray:
    """Expected true speed at each booking's hour, (B,), weather and scenario included."""
    hour = (plan.hour - plan.effects.rush_shift_h) % 24
    factor = TRUE_SPEED_FACTOR[plan.day.weekday(), _HOUR_BLOCK[hour]]
    return np.asarray(PLANNED_TRAVEL.speed_kmh[hour] * factor / plan.weather_factor[plan.hour])


class DayExecution:
    """Executes one day under any number of draws.

    Parameters
    ----------
    plan : DayPlan
        At least one booking.
    """

    def __init__(self, plan: DayPlan) -> None:
        self.plan = plan
        self.problem = _expected_problem(plan)
        self._assignment = plan.driver_index
        self._planned_approach = self._approach_min(_planned_speed(plan))
        self._true_approach = self._approach_min(true_speed_kmh(plan))

    def _approach_min(self, speed_kmh: FloatArray) -> FloatArray:
        """Minutes from where the driver comes from to each pickup, at a speed a booking, (B,)."""
        km = np.empty(self.problem.n_bookings)
        last: dict[int, int] = {}
        for booking in self.problem.service_order:
            driver = int(self._assignment[booking])
            if driver in last:
                km[booking] = self.problem.deadhead_km[last[driver], booking]
            else:
                km[booking] = self.problem.start_km[driver, booking]
            last[driver] = int(booking)
        return np.asarray(60.0 * km / speed_kmh)

    def run(self, draws: Draws) -> tuple[FloatArray, FloatArray]:
        """Service start and drop-off end of each booking in each world, minutes after midnight, two (n, B) arrays."""
        plan, problem = self.plan, self.problem
        extra = plan.effects.extra_delay_min
        surprise = draws.approach_factor * self._true_approach - self._planned_approach
        habit = plan.punctuality_min[plan.driver_index] + np.where(plan.is_urgent, URGENT_DELAY_MIN, 0.0)
        meant = plan.scheduled_min - ARRIVAL_MARGIN_MIN + habit + surprise + draws.departure_noise_min
        ready = np.maximum(np.maximum(meant, draws.patient_ready_min) + extra, 0.0)
        start, end = np.empty_like(ready), np.empty_like(ready)
        for world in range(len(ready)):
            factor = draws.approach_factor[world]
            outcome = simulate(
                problem.realised(
                    start_min=problem.start_min * factor + extra,
                    deadhead_min=problem.deadhead_min * factor + extra,
                    ride_min=problem.ride_min * draws.ride_factor[world],
                    pickup_service_min=draws.pickup_service_min[world],
                    dropoff_service_min=draws.dropoff_service_min[world],
                    ready_min=ready[world],
                ),
                self._assignment,
                drop_late=False,
                enforce_shifts=False,
            )
            start[world], end[world] = outcome.start_min, outcome.dropoff_end_min
        return start, end


def _planned_speed(plan: DayPlan) -> FloatArray:
    return np.asarray(PLANNED_TRAVEL.speed_kmh[plan.hour])


def _road_km(origin: FloatArray, destination: FloatArray) -> FloatArray:
    return PLANNED_TRAVEL.detour * haversine_km(
        origin[..., 0], origin[..., 1], destination[..., 0], destination[..., 1]
    )


def _expected_problem(plan: DayPlan) -> DayProblem:
    """The day at expected true speeds; a patient who does not show up leaves the driver at the pickup."""
    speed = true_speed_kmh(plan)
    leaves_from = np.where(plan.no_show[:, None], plan.pickup, plan.dropoff)
    start_km = _road_km(plan.home[:, None, :], plan.pickup[None, :, :])
    deadhead_km = _road_km(leaves_from[:, None, :], plan.pickup[None, :, :])
    ride_km = np.where(plan.no_show, 0.0, _road_km(plan.pickup, plan.dropoff))
    service = np.ones(len(plan.booking_ids))
    return DayProblem(
        driver_ids=tuple(str(value) for value in plan.driver_ids),
        booking_ids=tuple(str(value) for value in plan.booking_ids),
        shift_start_min=plan.shift_start_min,
        shift_end_min=plan.shift_end_min,
        is_emergency=plan.is_emergency,
        scheduled_min=plan.scheduled_min,
        is_outbound=plan.is_outbound,
        is_urgent=plan.is_urgent,
        start_min=60.0 * start_km / speed,
        start_km=start_km,
        deadhead_min=60.0 * deadhead_km / speed,
        deadhead_km=deadhead_km,
        ride_min=60.0 * ride_km / speed,
        ride_km=ride_km,
        pickup_service_min=PICKUP_SERVICE_MIN * service,
        dropoff_service_min=DROPOFF_SERVICE_MIN * service,
    )
