"""Public holidays in the canton of Geneva, and the days on which the public service has leave besides."""

from datetime import date, timedelta
from functools import cache

import holidays

FIRST_YEAR, LAST_YEAR = 2000, 2099
"""Years that the calendar answers for: those that workbooks may name."""

LABOUR_DAY = "1er mai (congé du service public)"


@cache
def public_holidays(year: int) -> dict[date, str]:
    """French name of each public holiday of a year.

    The nine days of the cantonal law (LJF, J 1 45, art. 1 al. 1), from the ``holidays`` package (CH, GE). They stay on
    their date when that is a Sunday; the Monday after is free for some only, see :func:`public_service_leave`.
    """
    found = holidays.country_holidays(
        "CH", subdiv="GE", years=year, language="fr", observed=False, categories=(holidays.PUBLIC,)
    )
    return dict(found.items())


@cache
def public_service_leave(year: int) -> dict[date, str]:
    """Why cantonal administration and public hospitals have leave on a working day that is no public holiday.

    Labour Day, and the Monday after New Year's Day, National Day or Christmas on a Sunday (RPAC, B 5 05.01, art. 32 al.
    1 and 4, as of 2023). Outpatient clinics are closed on these days. The one day a year between Christmas and New Year
    that the government grants anew each year is not known ahead and not in here.
    """
    public = public_holidays(year)
    leave = {date(year, 5, 1): LABOUR_DAY}
    for fixed in (date(year, 1, 1), date(year, 8, 1), date(year, 12, 25)):
        if fixed.weekday() == 6:
            leave[fixed + timedelta(days=1)] = f"{public[fixed]} (report du dimanche)"
    return {day: why for day, why in leave.items() if day.weekday() < 5 and day not in public}
