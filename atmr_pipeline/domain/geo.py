"""Distances on the sphere, and the box in which a Geneva address may lie."""

import numpy as np
import numpy.typing as npt

EARTH_RADIUS_KM = 6371.0088
"""Mean Earth radius (IUGG)."""

SERVICE_AREA = (45.9, 46.6, 5.7, 6.9)
"""(lat_min, lat_max, lon_min, lon_max): Geneva, Vaud's west and the French border towns. Anything else is rejected."""


def haversine_km(
    lat_from: npt.ArrayLike, lon_from: npt.ArrayLike, lat_to: npt.ArrayLike, lon_to: npt.ArrayLike
) -> npt.NDArray[np.float64]:
    """Great-circle distance in km; arguments in degrees, broadcast against each other; NaN where any is NaN."""
    phi_from, lam_from, phi_to, lam_to = (
        np.radians(np.asarray(value, dtype=np.float64)) for value in (lat_from, lon_from, lat_to, lon_to)
    )
    half_chord = (
        np.sin((phi_to - phi_from) / 2.0) ** 2
        + np.cos(phi_from) * np.cos(phi_to) * np.sin((lam_to - lam_from) / 2.0) ** 2
    )
    return np.asarray(2.0 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.clip(half_chord, 0.0, 1.0))))


def in_service_area(lat: npt.ArrayLike, lon: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Whether each point lies in :data:`SERVICE_AREA`; False for NaN, so (0, 0) and unknown points never pass."""
    lat_arr, lon_arr = np.asarray(lat, dtype=np.float64), np.asarray(lon, dtype=np.float64)
    lat_min, lat_max, lon_min, lon_max = SERVICE_AREA
    return np.asarray((lat_arr >= lat_min) & (lat_arr <= lat_max) & (lon_arr >= lon_min) & (lon_arr <= lon_max))


KM_PER_DEGREE = np.pi * EARTH_RADIUS_KM / 180.0
_AREA_COSINE = np.cos(np.radians(46.2))


def local_plane_km(lat: npt.ArrayLike, lon: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Points on a plane that touches the sphere at Geneva, (n, 2) km; within the canton distances hold to a percent.

    For nearest-neighbour searches, which need a plane; distances that are reported use :func:`haversine_km`.
    """
    lat_arr, lon_arr = np.asarray(lat, dtype=np.float64), np.asarray(lon, dtype=np.float64)
    return np.column_stack([lat_arr * KM_PER_DEGREE, lon_arr * KM_PER_DEGREE * _AREA_COSINE])
