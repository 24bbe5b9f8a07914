"""Heights of pickup and drop-off points, where a table of heights is given."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.spatial import KDTree

from atmr_pipeline.domain.errors import SourceError
from atmr_pipeline.domain.geo import local_plane_km
from atmr_pipeline.domain.tables import conform, empty
from atmr_pipeline.domain.tables.columns import column, schema

ELEVATION = schema(
    "elevation",
    "Heights of points of the service area, such as a thinned terrain model.",
    ["lat", "lon"],
    {
        "lat": column("float64", "degrees WGS84"),
        "lon": column("float64", "degrees WGS84"),
        "elevation_m": column("float64", "metres above sea level"),
    },
)

NEAREST_WITHIN_KM = 0.3
"""A height farther away says little on Geneva's slopes."""


def no_heights() -> pd.DataFrame:
    """A table without a height: nothing is known of any point."""
    return empty(ELEVATION)


def read_heights(path: Path) -> pd.DataFrame:
    """Read a table of heights.

    Parameters
    ----------
    path : Path
        CSV with the columns ``lat, lon`` (degrees WGS84) and ``elevation_m``.

    Raises
    ------
    SourceError
        If the file cannot be read as CSV.
    TableContractError
        If columns are missing, values are no numbers, or a point occurs twice.
    """
    try:
        table = pd.read_csv(path)
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise SourceError(f"heights {path} cannot be read as CSV: {type(error).__name__}") from None
    return conform(table, ELEVATION)


def elevation_of(lat: npt.ArrayLike, lon: npt.ArrayLike, elevation: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Height of the nearest point of a table of heights.

    Parameters
    ----------
    lat, lon : array-like of float, shape (n,)
        Degrees WGS84; NaN where not known.
    elevation : DataFrame
        ``lat, lon`` (degrees), ``elevation_m``.

    Returns
    -------
    ndarray of float, shape (n,)
        Metres above sea level; NaN where no height is known within 300 m.
    """
    points = local_plane_km(lat, lon)
    result = np.full(len(points), np.nan)
    known = np.isfinite(points).all(axis=1)
    if elevation.empty or not known.any():
        return result
    tree = KDTree(local_plane_km(elevation["lat"].to_numpy(), elevation["lon"].to_numpy()))
    distance_km, nearest = tree.query(points[known], distance_upper_bound=NEAREST_WITHIN_KM)
    heights = np.append(elevation["elevation_m"].to_numpy(dtype=np.float64), np.nan)
    result[known] = heights[np.where(np.isfinite(distance_km), nearest, len(elevation))]
    return result
