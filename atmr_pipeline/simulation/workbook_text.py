"""How people type addresses, times and initials into a workbook."""

import re
from datetime import datetime

import numpy as np

from atmr_pipeline.simulation.places import Place

NBSP = " "

ABBREVIATIONS = (
    (r"^Avenue ", ("Av. ", "av. ")),
    (r"^Chemin ", ("Ch. ", "ch. ")),
    (r"^Route ", ("Rte ", "rte ")),
    (r"^Boulevard ", ("Bd ", "Bd. ")),
    (r"^Place ", ("Pl. ",)),
)
ABBREVIATED_SHARE = 0.2
REAL_DATE_SHARE = 0.1


def write_address(place: Place, rng: np.random.Generator) -> str:
    """An address in one of the ways seen in real workbooks: runs of spaces, line breaks, NBSP, dots, abbreviations."""
    street = place.street
    if rng.random() < ABBREVIATED_SHARE:
        for pattern, options in ABBREVIATIONS:
            if re.match(pattern, street):
                street = re.sub(pattern, str(rng.choice(options)), street)
    line, town = f"{street} {place.number}", f"{place.postcode} {place.locality}"
    parts = [place.name, line, town] if place.name else [line, town]
    separator = str(rng.choice([", ", "   ", "\n", NBSP + " ", " · ", "    "], p=[0.35, 0.25, 0.15, 0.1, 0.05, 0.1]))
    if place.name and separator == ", ":
        return f"{place.name}   {line}, {town}"
    text = separator.join(parts)
    return f" {text} " if rng.random() < 0.1 else text


def write_when(times: list[datetime], rng: np.random.Generator) -> str | datetime:
    """A date and its times, as text; a real date cell now and then where there is one time."""
    if len(times) == 1 and rng.random() < REAL_DATE_SHARE:
        return times[0]
    style = str(rng.choice(["colon", "h", "dot"], p=[0.86, 0.09, 0.05]))
    written = [_time(moment, style) for moment in times]
    gap = str(rng.choice(["  ", " ", "   ", NBSP, "\n"], p=[0.6, 0.15, 0.1, 0.1, 0.05]))
    return gap.join([times[0].strftime("%d.%m.%Y"), *written])


def _time(moment: datetime, style: str) -> str:
    if style == "h":
        return f"{moment.hour}h{moment.minute:02d}"
    return f"{moment.hour}.{moment.minute:02d}" if style == "dot" else moment.strftime("%H:%M")


def write_initials(initials: list[str], rng: np.random.Generator) -> str:
    """Initials with or without dots; both drivers of a round trip if they differ."""
    dotted = rng.random() < 0.6
    different = list(dict.fromkeys(initials))
    written = "/".join(".".join(pair) if dotted else pair for pair in different)
    return f"{written} " if rng.random() < 0.08 else written


def write_course(is_round_trip: bool, is_return: bool, rng: np.random.Generator) -> str | None:
    """The course column; an outbound leg alone is often left empty."""
    if is_round_trip:
        return str(rng.choice(["A/R", "A/R ", "a/r"], p=[0.85, 0.1, 0.05]))
    if is_return:
        return str(rng.choice(["R", "Retour"]))
    return None if rng.random() < 0.5 else str(rng.choice(["A", "Aller"]))
