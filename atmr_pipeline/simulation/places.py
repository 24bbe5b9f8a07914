"""Where the demo company drives: public places and streets of the built-in gazetteer."""

import csv
from dataclasses import dataclass
from importlib import resources

import numpy as np

KIND_WEIGHT = {"hospital": 0.62, "clinic": 0.16, "medical_centre": 0.14, "public_place": 0.08}
"""Share of trips whose far end is a place of that kind."""

MEDICAL_KINDS = ("hospital", "clinic", "medical_centre")


@dataclass(frozen=True)
class Place:
    """A facility or a home; ``name`` is empty for a home."""

    kind: str
    name: str
    street: str
    number: str
    postcode: str
    locality: str
    lat: float
    lon: float

    @property
    def address(self) -> str:
        """One line, as a well-kept database holds it."""
        line = f"{self.street} {self.number}, {self.postcode} {self.locality}"
        return f"{self.name}, {line}" if self.name else line

    @property
    def is_medical(self) -> bool:
        """Whether it is a hospital, clinic or medical centre."""
        return self.kind in MEDICAL_KINDS


def _rows() -> list[dict[str, str]]:
    source = resources.files("atmr_pipeline.sources.geocoding") / "builtin_gazetteer.csv"
    with source.open(encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def _place(row: dict[str, str], number: str) -> Place:
    return Place(
        kind="home" if row["kind"] == "street" else row["kind"],
        name="" if row["kind"] == "street" else row["name"],
        street=row["street"],
        number=number,
        postcode=row["postcode"],
        locality=row["locality"],
        lat=float(row["lat"]),
        lon=float(row["lon"]),
    )


def facilities() -> list[Place]:
    """Hospitals, clinics, medical centres and public places with a full address, one a point."""
    wanted = [row for row in _rows() if row["kind"] in KIND_WEIGHT and row["street"] and row["number"]]
    return _one_a_point([_place(row, row["number"]) for row in wanted], set())


def homes(rng: np.random.Generator) -> list[Place]:
    """One fictional house number a street: two addresses never share a point."""
    streets = [row for row in _rows() if row["kind"] == "street" and row["postcode"]]
    numbers = rng.integers(1, 60, len(streets))
    taken = {(place.lat, place.lon) for place in facilities()}
    return _one_a_point([_place(row, str(number)) for row, number in zip(streets, numbers, strict=True)], taken)


def _one_a_point(places: list[Place], taken: set[tuple[float, float]]) -> list[Place]:
    kept = []
    for place in places:
        if (place.lat, place.lon) not in taken:
            taken.add((place.lat, place.lon))
            kept.append(place)
    return kept
