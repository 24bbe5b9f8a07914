"""A content hash of a table: the same rows give the same hash, in any order and in any process."""

import hashlib

import numpy as np
import pandas as pd


def frame_fingerprint(frame: pd.DataFrame) -> str:
    """SHA-256 of a table's columns and rows, 64 hex digits.

    The order of rows and the index do not count; the order, names and dtypes of columns do, and so does how often a
    row occurs. NULL differs from every value.

    Parameters
    ----------
    frame : DataFrame
        Columns of scalar values.
    """
    header = "\x1e".join(f"{name}\x1f{dtype}" for name, dtype in frame.dtypes.items())
    nulls = frame.isna()
    # pandas hashes a NULL like some value of the column, so the NULL pattern is hashed beside the values.
    values = pd.util.hash_pandas_object(frame, index=False).to_numpy()
    pattern = pd.util.hash_pandas_object(nulls, index=False).to_numpy()
    rows = np.stack([values, pattern], axis=1).astype("<u8")
    ordered = rows[np.lexsort((rows[:, 1], rows[:, 0]))]
    return hashlib.sha256(header.encode() + b"\x1d" + ordered.tobytes()).hexdigest()
