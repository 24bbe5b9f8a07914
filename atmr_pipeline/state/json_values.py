"""Plain JSON from the values that models and statistics return."""

import json
import math
from collections.abc import Mapping
from datetime import date
from enum import Enum
from pathlib import PurePath
from typing import Any

import numpy as np


def to_json_value(value: Any) -> Any:
    """Turn a value into what every JSON reader accepts.

    NaN and infinities become null: they are not JSON, PostgreSQL refuses them, and here they mean "not known".
    NumPy scalars and arrays become numbers and lists; dates become ISO 8601 text.

    Raises
    ------
    TypeError
        If a value has no JSON form.
    """
    if isinstance(value, Enum):
        return to_json_value(value.value)
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, np.generic | np.ndarray):
        return to_json_value(value.tolist())
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, PurePath):
        return value.as_posix()
    if isinstance(value, Mapping):
        return {str(key): to_json_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [to_json_value(item) for item in value]
    raise TypeError(f"{type(value).__name__} has no JSON form")


def dumps(value: Any) -> str:
    """Serialise with sorted keys, so that equal values give equal text."""
    return json.dumps(to_json_value(value), allow_nan=False, sort_keys=True, ensure_ascii=False)
