"""Who the demo company is: drivers with habits, patients with homes and appointments. All names are fictional."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from atmr_pipeline.domain.geo import haversine_km
from atmr_pipeline.simulation.config import WorldConfig
from atmr_pipeline.simulation.places import KIND_WEIGHT, Place, facilities, homes
from atmr_pipeline.simulation.streams import Stream, generator

FIRST_NAMES = [
    "Alix", "Basil", "Cleo", "Dario", "Elio", "Flora", "Gilda", "Hugo", "Irma", "Jonas", "Kim", "Lena", "Milo",
    "Nora", "Otis", "Pia", "Quentin", "Rita", "Sami", "Tess", "Ugo", "Vera",
]  # fmt: skip
LAST_NAMES = [
    "Aubergine", "Bolet", "Cerfeuil", "Dahlia", "Epinard", "Fenouil", "Girolle", "Houx", "Iris", "Jonquille", "Kiwi",
    "Lierre", "Morille", "Noisette", "Oseille", "Panais", "Quinoa", "Romarin", "Sarriette", "Tilleul", "Ulmaire",
    "Verveine",
]  # fmt: skip
"""Plants and mushrooms: nobody can take these drivers for real people."""

PATIENTS_PER_DAILY_BOOKING = 110
"""Size of the patient pool; about 700 different patients travel in a year of the default company."""

TRAIT_RANGE_MIN = (-3.0, 6.0)
"""Habitual lateness of the most and the least punctual driver, minutes."""

TRAIT_DRIFT_MIN = 1.2
LONGER_TRIPS_FACTOR = 1.4


@dataclass(frozen=True)
class Driver:
    """A driver; ``trait_min`` is the habitual lateness, which drifts slowly."""

    driver_id: int
    first_name: str
    last_name: str
    is_emergency: bool
    is_part_time: bool
    home: Place
    trait_min: float
    drift_period_days: float
    drift_phase: float

    @property
    def initials(self) -> str:
        """Two letters, unique in the fleet."""
        return self.first_name[0] + self.last_name[0]

    def punctuality_min(self, day: date) -> float:
        """Habitual lateness on a day, minutes; a slow wave around the trait."""
        angle = 2.0 * np.pi * day.toordinal() / self.drift_period_days + self.drift_phase
        return self.trait_min + TRAIT_DRIFT_MIN * float(np.sin(angle))


@dataclass(frozen=True)
class Population:
    """Drivers, places and the patient pool; arrays are one value a patient, (P,).

    ``places`` holds facilities first, then homes; ``home`` and ``facility`` index it. ``habitual_driver`` is a driver's
    index or -1; ``wheelchair`` is 1, 0 or -1 (not said).
    """

    drivers: tuple[Driver, ...]
    places: tuple[Place, ...]
    facility_weight: npt.NDArray[np.float64]
    home: npt.NDArray[np.int64]
    facility: npt.NDArray[np.int64]
    habitual_driver: npt.NDArray[np.int64]
    wheelchair: npt.NDArray[np.int64]
    weight: npt.NDArray[np.float64]
    weight_longer_trips: npt.NDArray[np.float64]

    @property
    def points(self) -> npt.NDArray[np.float64]:
        """Latitude and longitude of each place, (places, 2)."""
        return np.array([(place.lat, place.lon) for place in self.places])

    def patient_name(self, patient: int) -> str:
        """An obviously fictional name."""
        return f"Patient Fictif {patient + 1:04d}"


def make_population(config: WorldConfig) -> Population:
    """The company's people and places; depends on the seed and the sizes alone."""
    rng = generator(config.seed, Stream.POPULATION)
    far_ends, home_places = facilities(), homes(rng)
    places = (*far_ends, *home_places)
    drivers = _drivers(config, home_places, rng)
    facility_weight = _facility_weight(far_ends, rng)
    patients = max(40, round(PATIENTS_PER_DAILY_BOOKING * config.bookings_per_day))
    home_popularity = rng.pareto(2.0, len(home_places)) + 0.3
    home = len(far_ends) + rng.choice(len(home_places), patients, p=home_popularity / home_popularity.sum())
    facility = rng.choice(len(far_ends), patients, p=facility_weight)
    regular = config.drivers - config.emergency_drivers
    favour = 1.0 / np.arange(1.0, regular + 1.0) ** 0.7
    habitual = np.where(rng.random(patients) < 0.65, rng.choice(regular, patients, p=favour / favour.sum()), -1)
    weight = rng.pareto(1.6, patients) + 0.25
    weight /= weight.sum()
    points = np.array([(place.lat, place.lon) for place in places])
    trip_km = haversine_km(points[home, 0], points[home, 1], points[facility, 0], points[facility, 1])
    return Population(
        drivers=drivers,
        places=places,
        facility_weight=facility_weight,
        home=home,
        facility=facility,
        habitual_driver=habitual,
        wheelchair=rng.choice([1, 0, -1], patients, p=[0.18, 0.74, 0.08]),
        weight=weight,
        weight_longer_trips=_tilted(weight, trip_km, LONGER_TRIPS_FACTOR),
    )


def _drivers(config: WorldConfig, home_places: list[Place], rng: np.random.Generator) -> tuple[Driver, ...]:
    count, regular = config.drivers, config.drivers - config.emergency_drivers
    names = rng.choice(len(FIRST_NAMES) * len(LAST_NAMES), count, replace=False)
    where = rng.choice(len(home_places), count, replace=count > len(home_places))
    traits = rng.permutation(np.linspace(*TRAIT_RANGE_MIN, count)) + rng.normal(0.0, 0.3, count)
    periods, phases = rng.uniform(300.0, 500.0, count), rng.uniform(0.0, 2.0 * np.pi, count)
    return tuple(
        Driver(
            driver_id=index + 1,
            first_name=FIRST_NAMES[names[index] // len(LAST_NAMES)],
            last_name=LAST_NAMES[names[index] % len(LAST_NAMES)],
            is_emergency=index >= regular,
            is_part_time=index == regular - 1 and regular > 1,
            home=home_places[where[index]],
            trait_min=float(traits[index]),
            drift_period_days=float(periods[index]),
            drift_phase=float(phases[index]),
        )
        for index in range(count)
    )


def _facility_weight(far_ends: list[Place], rng: np.random.Generator) -> npt.NDArray[np.float64]:
    weight = rng.uniform(0.5, 1.5, len(far_ends))
    kinds = np.array([place.kind for place in far_ends])
    for kind, share in KIND_WEIGHT.items():
        weight[kinds == kind] *= share / weight[kinds == kind].sum()
    # The cantonal hospital is the company's main destination; the gazetteer lists it first.
    weight[0] += 0.25
    return np.asarray(weight / weight.sum())


def _tilted(weight: npt.NDArray[np.float64], km: npt.NDArray[np.float64], factor: float) -> npt.NDArray[np.float64]:
    """Weights tilted by exp(theta km) so that the mean distance is ``factor`` times as long (bisection on theta)."""
    target, low, high = factor * float(weight @ km), 0.0, 2.0
    for _ in range(50):
        theta = (low + high) / 2.0
        tilted = weight * np.exp(theta * (km - km.max()))
        tilted /= tilted.sum()
        low, high = (theta, high) if tilted @ km < target else (low, theta)
    return tilted
