"""Coarse areas of the canton: whom a model serves well or badly, and what is town, not where anybody lives."""

import csv
from functools import cache
from importlib import resources

import numpy as np
import numpy.typing as npt
from scipy.spatial import KDTree

from atmr_pipeline.domain.geo import in_service_area, local_plane_km

OUTSIDE = "(outside the canton)"
FARTHEST_KM = 7.0
"""A point farther from every municipality's centre lies outside the canton: its largest municipality is 19 km2 of land
and about 7 km across."""

URBAN = frozenset(
    {
        "Genève", "Carouge", "Chêne-Bourg", "Onex", "Lancy", "Vernier", "Thônex", "Chêne-Bougeries",
        "Le Grand-Saconnex", "Meyrin",
    }
)  # fmt: skip
"""Municipalities with more than 2,500 inhabitants a km2 (Federal Statistical Office, resident population, rounded)."""


@cache
def _centres() -> tuple[tuple[str, ...], KDTree]:
    # Centres of the 45 municipalities, from the same directory that answers addresses.
    source = resources.files("atmr_pipeline.sources.geocoding") / "builtin_gazetteer.csv"
    with source.open(encoding="utf-8") as handle:
        rows = [row for row in csv.DictReader(handle) if row["kind"] == "commune"]
    points = np.array([(float(row["lat"]), float(row["lon"])) for row in rows])
    return tuple(row["name"] for row in rows), KDTree(local_plane_km(points[:, 0], points[:, 1]))


def area_of(lat: npt.ArrayLike, lon: npt.ArrayLike) -> npt.NDArray[np.object_]:
    """The municipality whose centre is nearest to each point.

    An approximation by centres, not borders: good enough to compare areas, not to address a letter.

    Parameters
    ----------
    lat, lon : array-like of float, shape (n,)
        Degrees WGS84.

    Returns
    -------
    ndarray of str or None, shape (n,)
        :data:`OUTSIDE` beyond the canton; None where the point is not known or cannot be (outside the service area).
    """
    names, tree = _centres()
    lat_arr, lon_arr = np.asarray(lat, dtype=np.float64), np.asarray(lon, dtype=np.float64)
    result = np.full(lat_arr.shape, None, dtype=object)
    usable = in_service_area(lat_arr, lon_arr)
    if usable.any():
        distance_km, nearest = tree.query(local_plane_km(lat_arr[usable], lon_arr[usable]))
        labels = np.array([*names, OUTSIDE], dtype=object)
        result[usable] = labels[np.where(distance_km > FARTHEST_KM, len(names), nearest)]
    return result
