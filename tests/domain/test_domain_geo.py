"""Great-circle distances against another formula, and the box of plausible points."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atmr_pipeline.domain.geo import EARTH_RADIUS_KM, haversine_km, in_service_area

latitudes, longitudes = st.floats(-90, 90), st.floats(-180, 180)
points = st.tuples(latitudes, longitudes)


def chord_km(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Distance from the straight chord between the two unit vectors: no trigonometry of differences."""
    vectors = [
        np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
        for lat, lon in (np.radians(one), np.radians(other))
    ]
    cross = np.linalg.norm(np.cross(*vectors))
    return float(EARTH_RADIUS_KM * np.arctan2(cross, np.dot(*vectors)))


@given(points, points)
def test_agrees_with_vectors(one: tuple[float, float], other: tuple[float, float]) -> None:
    assert haversine_km(*one, *other) == pytest.approx(chord_km(one, other), abs=0.5)


@given(points, points, points)
def test_is_a_distance(one: tuple[float, float], other: tuple[float, float], third: tuple[float, float]) -> None:
    direct = float(haversine_km(*one, *other))
    assert direct == pytest.approx(float(haversine_km(*other, *one)), abs=1e-6)
    assert 0 <= direct <= np.pi * EARTH_RADIUS_KM + 1e-6
    assert direct <= float(haversine_km(*one, *third)) + float(haversine_km(*third, *other)) + 1e-3
    assert float(haversine_km(*one, *one)) == 0.0


def test_known_distance() -> None:
    # Geneva Cornavin to Lausanne station, about 51 km as the crow flies.
    assert float(haversine_km(46.2102, 6.1424, 46.5168, 6.6291)) == pytest.approx(50.6, abs=0.5)
    assert float(haversine_km(0, 0, 0, 180)) == pytest.approx(np.pi * EARTH_RADIUS_KM)
    assert float(haversine_km(46, 6, 47, 6)) == pytest.approx(111.195, abs=0.01)


def test_shapes_and_unknowns() -> None:
    lat, lon = np.array([46.2, np.nan, 46.3]), np.array([6.1, 6.1, 6.2])
    km = haversine_km(lat[:, None], lon[:, None], lat[None, :], lon[None, :])
    assert km.shape == (3, 3)
    assert np.isnan(km).sum() == 5


@pytest.mark.parametrize(
    ("lat", "lon", "inside"),
    [(46.2044, 6.1432, True), (45.9, 5.7, True), (46.6, 6.9, True), (0.0, 0.0, False), (6.1432, 46.2044, False),
     (47.37, 8.54, False), (np.nan, 6.1, False), (46.2, np.nan, False), (np.inf, 6.1, False), (45.8999, 6.0, False)],
)  # fmt: skip
def test_service_area(lat: float, lon: float, inside: bool) -> None:
    assert bool(in_service_area(lat, lon)) is inside
