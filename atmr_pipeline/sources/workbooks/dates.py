"""The date in a text: day first as in Switzerland, ISO, or with the month's name in French or English."""

import re
from datetime import date

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
WEEKDAYS = {
    name: number
    for number, names in enumerate(
        (
            "lundi lun lu monday mon",
            "mardi mar ma tuesday tues tue",
            "mercredi mer me wednesday wed",
            "jeudi jeu je thursday thurs thur thu",
            "vendredi ven ve friday fri",
            "samedi sam sa saturday sat",
            "dimanche dim di sunday sun",
        )
    )
    for name in names.split()
}
MONTH_NAMES = "|".join(sorted(MONTHS, key=len, reverse=True))
_END = r"(?!\d|[.:h]\d)"
ISO_DATE = re.compile(r"(?<!\d)(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?!\d)(?:t(?=\d))?")
COMPACT_DATE = re.compile(r"(?<!\d)(20\d\d)(\d\d)(\d\d)(?!\d)(?:t(?=\d))?")
DAY_FIRST_DATE = re.compile(rf"(?<!\d)(\d{{1,2}})\s?[./-]\s?(\d{{1,2}})\s?[./-]\s?(\d{{4}}|\d{{2}}){_END}")
NAMED_DATE = re.compile(rf"(?<!\d)(\d{{1,2}})(?:er|e|st|nd|rd|th)?[ .-]*({MONTH_NAMES})\b[ .-]*(\d{{4}}|\d{{2}}){_END}")
MONTH_FIRST_DATE = re.compile(rf"\b({MONTH_NAMES})\b[ .]*(\d{{1,2}})(?:er|st|nd|rd|th)?,?\s+(\d{{4}}){_END}")
FORMS = (
    (ISO_DATE, (1, 2, 3)),
    (COMPACT_DATE, (1, 2, 3)),
    (NAMED_DATE, (3, 2, 1)),
    (DAY_FIRST_DATE, (3, 2, 1)),
    (MONTH_FIRST_DATE, (3, 1, 2)),
)
ANOTHER_DATE = re.compile(r"(?<!\d)(?:\d{1,2}[./-]\d{1,2}[./-]\d{4}|\d{4}-\d{1,2}-\d{1,2})(?!\d)")
WEEKDAY = re.compile(rf"\b({'|'.join(sorted(WEEKDAYS, key=len, reverse=True))})\b\.?")
EXPORTED_MIDNIGHT = "00:00:00"
"""How a date alone is exported to text."""


def read_date(text: str) -> tuple[date | None, str, str | None]:
    """The date of a text in plain lower case, what is left of the text, and a reason code.

    ``bad_date`` if there is none or it does not exist; ``several_dates`` if there are two different ones (one told
    twice is one); ``weekday_contradicts_date``.
    """
    for pattern, order in FORMS:
        match = pattern.search(text)
        if match is None:
            continue
        day = _date_of(*(match[index] for index in order))
        if day is None:
            return None, text, "bad_date"
        rest = f"{text[: match.start()]} {text[match.end() :]}"
        if any(_date_of(*_parts(again)) != day for again in ANOTHER_DATE.findall(rest)):
            return day, rest, "several_dates"
        rest = ANOTHER_DATE.sub(" ", rest).replace(EXPORTED_MIDNIGHT, " ")
        weekdays = {WEEKDAYS[name] for name in WEEKDAY.findall(rest)}
        if weekdays - {day.weekday()}:
            return day, rest, "weekday_contradicts_date"
        return day, WEEKDAY.sub(" ", rest), None
    return None, text, "bad_date"


def _parts(text: str) -> tuple[str, str, str]:
    first, second, third = re.split(r"[./-]", text)
    return (first, second, third) if len(first) == 4 else (third, second, first)


def _date_of(year: str, month: str, day_of_month: str) -> date | None:
    number = MONTHS[month] if month in MONTHS else int(month)
    try:
        return date(int(year) + (2000 if len(year) == 2 else 0), number, int(day_of_month))
    except ValueError:
        return None
