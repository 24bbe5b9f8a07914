"""Dates and times as people write them, and as Excel holds them; nothing is guessed."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from atmr_pipeline.sources.workbooks.cells import Cell, is_empty

EXCEL_EPOCH = datetime(1899, 12, 30)
EXCEL_DAYS = (20_000, 80_000)
"""Serial numbers that are dates (1954 to 2119); others are not read as one."""
YEARS = (2000, 2099)
MINUTES_A_DAY = 24 * 60

MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "janvier janv jan january",
            "fevrier fevr fev feb february",
            "mars mar march",
            "avril avr apr april",
            "mai may",
            "juin jun june",
            "juillet juil jul july",
            "aout aou aug august",
            "septembre sept sep september",
            "octobre oct october",
            "novembre nov november",
            "decembre dec december",
        ),
        start=1,
    )
    for name in names.split()
}
_MONTH_NAMES = "|".join(sorted(MONTHS, key=len, reverse=True))
ISO_DATE = re.compile(r"(?<!\d)(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?!\d)(?:t(?=\d))?")
DAY_FIRST_DATE = re.compile(r"(?<!\d)(\d{1,2})\s?[./-]\s?(\d{1,2})\s?[./-]\s?(\d{4}|\d{2})(?!\d|[.:h]\d)")
NAMED_DATE = re.compile(rf"(?<!\d)(\d{{1,2}})(?:er)?[ .-]*({_MONTH_NAMES})\b[ .-]*(\d{{4}}|\d{{2}})(?!\d|[.:h]\d)")
CLOCK = re.compile(
    r"(?<![\d.,:])(\d{1,2})\s?(?:h(?:eures?|rs?)?|:|\.)\s?(\d{2})(?::\d{2}(?:\.0+)?)?(?!\d)(?:\s?min\b)?(?:\s?([ap])\.?m\b\.?)?"
)
FULL_HOUR = re.compile(r"(?<![\d.,:])(\d{1,2})\s?h(?:eures?|rs?)?(?![\da-z])")
WORDS_AROUND = re.compile(
    r"\b(?:lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche|lun|mar|mer|jeu|ven|sam|dim|monday|tuesday|wednesday"
    r"|thursday|friday|saturday|sunday|mon|tue|wed|thu|fri|sat|sun|le|a|at|on|and|et|puis|then|de|from|to|aller|retour"
    r"|outbound|return|depart|rdv|heure|heures)\b\.?"
)
TO_BE_TOLD = re.compile(
    r"\?+|\b(?:a (?:definir|confirmer|preciser|rappeler)|sur appel|on call|tbc|tbd|to be confirmed|appelle|appellera"
    r"|x+h?x*)\b"
)


@dataclass(frozen=True)
class Moment:
    """What the date and time cells of a row say.

    Parameters
    ----------
    day : date or None
    first, second : time or None
        Departure of the outbound and of the return leg.
    problem : str or None
        A reason code of :data:`atmr_pipeline.sources.workbooks.reasons.REASONS`.
    """

    day: date | None = None
    first: time | None = None
    second: time | None = None
    problem: str | None = None


def read_moment(when: Cell, first: Cell = None, second: Cell = None) -> Moment:
    """Read the date and up to two times of a row.

    Parameters
    ----------
    when : cell
        Date, alone or followed by one or two times.
    first, second : cell, optional
        Time columns, where the workbook has them: departure (may hold both times) and return.
    """
    if is_empty(when):
        return Moment(problem="missing_date")
    day, times, problem = _read_when(when)
    if problem:
        return Moment(day=day, problem=problem)
    times_first, problem_first = _read_times(first)
    times_second, problem_second = _read_times(second)
    if problem_first or problem_second:
        return Moment(day=day, problem="bad_time")
    outbound = [*times, *times_first]
    if len(times_second) > 1 or len(outbound) + len(times_second) > 2:
        return Moment(day=day, problem="too_many_times")
    back = times_second[0] if times_second else (outbound[1] if len(outbound) == 2 else None)
    return Moment(day=day, first=outbound[0] if outbound else None, second=back)


def _read_when(cell: Cell) -> tuple[date | None, list[time], str | None]:
    if isinstance(cell, bool):
        return None, [], "bad_date"
    if isinstance(cell, datetime):
        return _plausible(cell.date(), [] if cell.time() == time(0) else [_to_minute(cell)])
    if isinstance(cell, date):
        return _plausible(cell, [])
    if isinstance(cell, int | float):
        if not EXCEL_DAYS[0] <= cell < EXCEL_DAYS[1]:
            return None, [], "bad_date"
        return _read_when(EXCEL_EPOCH + timedelta(minutes=round(cell * MINUTES_A_DAY)))
    if not isinstance(cell, str):
        return None, [], "bad_date"
    return _read_text(plain(cell))


def _read_text(text: str) -> tuple[date | None, list[time], str | None]:
    if re.fullmatch(r"\d{5}(?:[.,]\d+)?", text):
        return _read_when(float(text.replace(",", ".")))
    for pattern, order in ((ISO_DATE, (1, 2, 3)), (NAMED_DATE, (3, 2, 1)), (DAY_FIRST_DATE, (3, 2, 1))):
        match = pattern.search(text)
        if not match:
            continue
        year, month, day_of_month = (match[index] for index in order)
        try:
            number = MONTHS[month] if month in MONTHS else int(month)
            day = date(int(year) + (2000 if len(year) == 2 else 0), number, int(day_of_month))
        except ValueError:
            return None, [], "bad_date"
        rest = text[: match.start()] + " " + text[match.end() :]
        # Midnight with seconds is how a date alone is exported to text.
        times, problem = _times_in(rest.replace("00:00:00", " "))
        day_or_none, _, bad = _plausible(day, [])
        return day_or_none, times, bad or problem
    return None, [], "bad_date"


def _read_times(cell: Cell) -> tuple[list[time], str | None]:
    """Times of a time column: text, a time, date-time or duration cell, a fraction of a day, or 9.15 as a number."""
    if is_empty(cell):
        return [], None
    if isinstance(cell, datetime):
        return [_to_minute(cell)], None
    if isinstance(cell, time):
        return [_to_minute(datetime.combine(EXCEL_EPOCH, cell))], None
    if isinstance(cell, timedelta):
        minutes = round(cell.total_seconds() / 60)
        return ([], "bad_time") if not 0 <= minutes < MINUTES_A_DAY else ([time(minutes // 60, minutes % 60)], None)
    if isinstance(cell, bool | date):
        return [], "bad_time"
    if isinstance(cell, int | float):
        return _read_number(float(cell))
    text = plain(str(cell))
    if re.fullmatch(r"0?[.,]\d{3,}", text):
        return _read_number(float(text.replace(",", ".")))
    return _times_in(text)


def _read_number(value: float) -> tuple[list[time], str | None]:
    if 0 <= value < 1:
        minutes = round(value * MINUTES_A_DAY)
        return ([time(minutes // 60, minutes % 60)], None) if minutes < MINUTES_A_DAY else ([], "bad_time")
    hundredths = round((value - int(value)) * 100, 6)
    if not 1 <= value < 24 or hundredths != int(hundredths) or hundredths >= 60:
        return [], "bad_time"
    return [time(int(value), int(hundredths))], None


def _times_in(text: str) -> tuple[list[time], str | None]:
    """Clock times of a text; ``bad_time`` if one is impossible or anything else is left over."""
    times: list[tuple[int, time]] = []
    rest = TO_BE_TOLD.sub(" ", text)
    for pattern in (CLOCK, FULL_HOUR):
        for match in pattern.finditer(rest):
            hour, minute = int(match[1]), int(match[2]) if pattern is CLOCK else 0
            half = match[3] if pattern is CLOCK else None
            if half:
                if not 1 <= hour <= 12:
                    return [], "bad_time"
                hour = hour % 12 + (12 if half == "p" else 0)
            if hour > 23 or minute > 59:
                return [], "bad_time"
            times.append((match.start(), time(hour, minute)))
        rest = pattern.sub(lambda found: " " * len(found[0]), rest)
    leftover = WORDS_AROUND.sub(" ", rest)
    if any(char.isalnum() for char in leftover):
        return [], "bad_time"
    return [clock for _, clock in sorted(times, key=lambda item: item[0])], None


def plain(text: str) -> str:
    """Lower case, no accents, single spaces (no-break spaces included)."""
    folded = "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))
    return " ".join(folded.casefold().split())


def _to_minute(moment: datetime) -> time:
    """Excel's day fractions miss the minute by less than a second; seconds that were written are dropped."""
    return (moment + timedelta(seconds=1)).replace(second=0, microsecond=0).time()


def _plausible(day: date, times: list[time]) -> tuple[date | None, list[time], str | None]:
    return (day, times, None) if YEARS[0] <= day.year <= YEARS[1] else (None, [], "bad_date")
