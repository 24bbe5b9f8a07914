"""The folder of drift reports: a small JSON file every day, the large HTML of some days, and a page that lists them.

Only what this module wrote is ever deleted: files named by a day.
"""

import json
import re
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from atmr_pipeline.domain.files import write_atomically
from atmr_pipeline.state.json_values import to_json_value

DAY_FILE = re.compile(r"(\d{4}-\d{2}-\d{2})\.(html|json)")
INDEX, TEMPLATE = "index.html", "daily_reports.html"
MONDAY = 0


def is_html_day(day: date, *, alarmed: bool) -> bool:
    """Whether the day gets the large report: an alarm is on, or it is a Monday."""
    return alarmed or day.weekday() == MONDAY


def write_daily(folder: Path, day: date, content: Mapping[str, Any]) -> Path:
    """Write the small report of a day; kilobytes of JSON, replaced as a whole.

    Parameters
    ----------
    content : mapping
        JSON values: ``verdict, severity, alarms`` are listed by :func:`write_index`; the rest is kept beside them.
    """
    path = folder / f"{day.isoformat()}.json"
    text = json.dumps(to_json_value({"day": day.isoformat(), **content}), sort_keys=True, allow_nan=False)
    write_atomically(path, lambda hidden: hidden.write_text(text, encoding="utf-8"))
    return path


def prune(folder: Path, as_of: date, *, html_days: int, json_days: int) -> int:
    """Delete the reports of days that are older than their retention, and tell how many.

    Parameters
    ----------
    html_days, json_days : int
        Days before ``as_of`` for which each kind is kept.
    """
    keep = {"html": html_days, "json": json_days}
    gone = 0
    for path, day, kind in _day_files(folder):
        if day < as_of - timedelta(days=keep[kind]):
            path.unlink(missing_ok=True)
            gone += 1
    return gone


def write_index(folder: Path) -> Path:
    """Write the page that lists the days, newest first: verdict, alarms and, where there is one, the report.

    A day's file that cannot be read is listed as such.
    """
    html = {day for _, day, kind in _day_files(folder) if kind == "html"}
    days = sorted(((day, path) for path, day, kind in _day_files(folder) if kind == "json"), reverse=True)
    listed = [_listed(day, path, has_html=day in html) for day, path in days]
    environment = Environment(
        loader=PackageLoader("atmr_pipeline.monitoring", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template(TEMPLATE).render(days=listed)
    path = folder / INDEX
    write_atomically(path, lambda hidden: hidden.write_text(text, encoding="utf-8"))
    return path


def _listed(day: date, path: Path, *, has_html: bool) -> dict[str, Any]:
    row = {"day": day.isoformat(), "json": path.name, "html": f"{day.isoformat()}.html" if has_html else None}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        alarms = [f"{alarm['kind']}, {_who(alarm['company_id'])}" for alarm in content["alarms"]]
        return row | {"verdict": content["verdict"], "severity": content["severity"], "alarms": alarms}
    except (OSError, ValueError, KeyError, TypeError):
        return row | {"verdict": "this day's file cannot be read", "severity": "unknown", "alarms": []}


def _who(company_id: int | None) -> str:
    return "all companies" if company_id is None else f"company {company_id}"


def _day_files(folder: Path) -> list[tuple[Path, date, str]]:
    found = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        named = DAY_FILE.fullmatch(path.name)
        if named is None:
            continue
        try:
            found.append((path, date.fromisoformat(named[1]), named[2]))
        except ValueError:
            continue
    return found
