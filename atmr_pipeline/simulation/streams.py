"""Independent random streams: a day's draws do not depend on how many days are built."""

from datetime import date
from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """What a generator is used for; a new use takes a new number, so that old worlds stay as they were."""

    POPULATION = 1
    CALENDAR = 2
    WEATHER = 3
    DEMAND = 4
    DUTY = 5
    DISPATCH = 6
    EXECUTION = 7
    REPLAY = 8
    WORKBOOK = 9
    FORECAST = 10


def generator(seed: int, stream: Stream, day: date | None = None) -> np.random.Generator:
    """The generator of a stream, of one day if given."""
    return np.random.default_rng([seed, 0 if day is None else day.toordinal(), int(stream)])
