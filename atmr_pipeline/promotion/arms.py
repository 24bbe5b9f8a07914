"""Which bookings a challenger serves while an A/B test is on: a keyed hash, no draw that anybody has to keep."""

import hashlib
from collections.abc import Iterable

import numpy as np
import pandas as pd

CHAMPION_ARM, CHALLENGER_ARM = "champion", "challenger"
_PARTS = 2**64


def arms_of(experiment: str, booking_ids: Iterable[int], ratio: float) -> pd.Series:
    """The arm of each booking, the same on every machine and in every run.

    A booking has a fixed place between 0 and 1 in an experiment and is the challenger's if it lies below the ratio. A
    larger ratio therefore only moves bookings from the champion to the challenger, a smaller one only back.

    Parameters
    ----------
    experiment : str
        Keys the hash (BLAKE2b, RFC 7693), so that two experiments divide the same bookings independently.
    booking_ids : iterable of int
    ratio : float
        Expected share of the challenger's bookings, 0 to 1; both ends are exact.

    Returns
    -------
    Series of str
        ``"challenger"`` or ``"champion"``, in the order of the bookings, index 0 to n - 1.

    Raises
    ------
    ValueError
        If the experiment has no name or the ratio is no share.
    """
    if not experiment:
        raise ValueError("an experiment needs a name: without one all of them would divide bookings alike")
    if not 0.0 <= ratio <= 1.0:
        raise ValueError("the challenger's share of the bookings must lie between 0 and 1")
    key = _key(experiment)
    # Whole numbers, since 2**64 - 1 rounds to 2**64 as a float: a ratio of 1 would not be all.
    limit = int(ratio * _PARTS)
    theirs = np.array([_number(key, booking) < limit for booking in booking_ids], dtype=bool)
    return pd.Series(np.where(theirs, CHALLENGER_ARM, CHAMPION_ARM), dtype="str")


def _key(experiment: str) -> bytes:
    return hashlib.blake2b(experiment.encode(), digest_size=32).digest()


def _number(key: bytes, booking_id: int) -> int:
    digest = hashlib.blake2b(str(int(booking_id)).encode(), key=key, digest_size=8).digest()
    return int.from_bytes(digest, "big")
