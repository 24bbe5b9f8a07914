"""The clock times in a text, and which leg each is for."""

import re
import unicodedata
from datetime import time
from typing import NamedTuple

# "9h 16h" is two times: an hour sign after the minutes says that they are another hour.
HOUR_SIGN = r"h(?:eures?|rs?)?"
WITH_SIGN = rf"(\d{{1,2}})\s?{HOUR_SIGN}\s?(\d{{2}})(?!\d|\s?h)(?:\s?(?:minutes?|min|mn|m)\b)?"
WITH_POINT = (
    rf"(\d{{1,2}})\s?[:.]\s?(\d{{2}})(?::\d{{2}}(?:\.0+)?)?(?!\d)(?:\s?(?:{HOUR_SIGN}|min)\b)?(?:\s?([ap])\.?m\b\.?)?"
)
FULL_HOUR = rf"(\d{{1,2}})\s?{HOUR_SIGN}(?![\da-z])"
CLOCK = re.compile(rf"(?<![\d.,:])(?:{WITH_SIGN}|{WITH_POINT}|{FULL_HOUR})")
TIME_ZONE = re.compile(r"\d\d:\d\d(?::\d\d(?:\.\d+)?)?\s?(?:z\b|[+]\d\d:?\d\d)")
"""A time on another clock than the wall's: it is not for a reader of workbooks to convert it."""
TO_BE_TOLD = re.compile(
    r"\?+|\b(?:a (?:definir|confirmer|preciser|rappeler|voir|fixer|determiner|appeler)|sur appel"
    r"|(?:par )?tel(?:ephone)?|on call|tbc|tbd|to be (?:confirmed|defined)|appelle|appellera|rappelle|rappellera"
    r"|inconnue?|unknown|en attente|x+h?x*)\b\.?"
)
ROUND_TRIP_WORDS = re.compile(r"\b(?:aller\W*(?:et\W*)?retour|a\W?r)\b")
OUTBOUND_WORDS, RETURN_WORDS = re.compile(r"\b(?:aller|outbound)\b"), re.compile(r"\b(?:retour|return|r)\b")
LETTER_LABELS = re.compile(r"\br\b")
WORDS_AROUND = re.compile(r"\b(?:le|a|at|on|and|et|puis|then|de|from|to|depart|heures?)\b\.?")
LEGS_OF_TIMES: dict[str, tuple[int | None, int | None]] = {
    **dict.fromkeys(("t", "tu", "ot", "to", "otu", "otb", "otbu", "tbu", "tobu"), (0, None)),
    **dict.fromkeys(("bt", "tb", "ut", "ubt", "obt", "oubt", "btu"), (None, 0)),
    **dict.fromkeys(("tt", "ttu", "ott", "ttb", "otbt", "totb", "tbt", "ottb"), (0, 1)),
    **dict.fromkeys(("btot", "tbto"), (1, 0)),
}
"""Which time is the outbound's and which the return's, by the order of times (t), of words for the outbound (o) and the
return (b), and of words for a time still to be told (u). Any other order says nothing certain."""


class Clocks(NamedTuple):
    """Departure of the outbound and of the return leg, or a reason code."""

    first: time | None = None
    second: time | None = None
    problem: str | None = None


def read_clocks(text: str) -> Clocks:
    """Clock times of a text in plain lower case; ``bad_time`` if one is impossible or anything else is left over."""
    if TIME_ZONE.search(text):
        return Clocks(problem="bad_time")
    rest = ROUND_TRIP_WORDS.sub(" ", text)
    times: list[time] = []
    told: list[tuple[int, str]] = []
    for match in CLOCK.finditer(rest):
        clock = _time_of(match)
        if clock is None:
            return Clocks(problem="bad_time")
        times.append(clock)
        told.append((match.start(), "t"))
    rest = CLOCK.sub(_blank, rest)
    outbound = re.compile(r"\b(?:aller|outbound|a)\b") if LETTER_LABELS.search(rest) else OUTBOUND_WORDS
    for pattern, sign in ((TO_BE_TOLD, "u"), (outbound, "o"), (RETURN_WORDS, "b")):
        told += [(match.start(), sign) for match in pattern.finditer(rest)]
        rest = pattern.sub(_blank, rest)
    if any(char.isalnum() for char in WORDS_AROUND.sub(" ", rest)):
        return Clocks(problem="bad_time")
    if len(times) > 2:
        return Clocks(problem="too_many_times")
    if not times:
        return Clocks()
    order = re.sub("u+", "u", "".join(sign for _, sign in sorted(told)))
    if order not in LEGS_OF_TIMES:
        return Clocks(problem="bad_time")
    first, second = LEGS_OF_TIMES[order]
    return Clocks(None if first is None else times[first], None if second is None else times[second])


def _time_of(match: re.Match[str]) -> time | None:
    hour = int(match[1] or match[3] or match[6])
    minute = int(match[2] or match[4] or 0)
    half = match[5]
    if half:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "p" else 0)
    return time(hour, minute) if hour < 24 and minute < 60 else None


def _blank(match: re.Match[str]) -> str:
    return " " * len(match[0])


def plain(text: str) -> str:
    """Lower case, no accents, single spaces (no-break spaces included), nothing invisible."""
    folded = "".join(
        char for char in unicodedata.normalize("NFKD", text) if unicodedata.category(char) not in ("Mn", "Cf")
    )
    return " ".join(folded.casefold().split())
