"""Building the demo company: all of it, or none of it."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sqlalchemy.engine import make_url

from atmr_pipeline.domain.errors import SettingsError, SourceError
from atmr_pipeline.simulation.company_day import CompanyDay, live_day, plan_day, truth_plan
from atmr_pipeline.simulation.config import WorldConfig
from atmr_pipeline.simulation.database import create_company, safe_url, sqlite_url
from atmr_pipeline.simulation.population import Population, make_population
from atmr_pipeline.simulation.rows import NextIds, Rows, company_rows, day_rows, merge
from atmr_pipeline.simulation.truth_store import TruthTables, to_tables
from atmr_pipeline.simulation.weather import forecast
from atmr_pipeline.simulation.workbooks import write_workbooks
from atmr_pipeline.simulation.working_days import months_before, next_working_day, resolve_end, working_days

FORMAT = 1
"""Version of what is written; a home of another version is built anew only if asked."""

FORECAST_AFTER_DAYS = 7
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class DemoManifest:
    """What was built.

    Parameters
    ----------
    config : dict
        The configuration asked for, see :meth:`WorldConfig.to_json`.
    first_day, last_day, coming_day : str
        ISO dates: first and last day that was lived, and the next one, which has a plan and no actual times.
    end : str
        The resolved (exclusive) end of the lived days.
    database_url : str
        Password masked; ``""`` for the SQLite file ``operations.db`` beside the manifest.
    counts : dict
        Rows a table.
    workbooks : list of str
        File names in the inbox.
    next_ids : dict
        Where the coming day's ids begin.
    fingerprint : str
        SHA-256 over all content.
    later_scenarios : list of dict
        Scenarios that began after the company was built.
    format : int
        Version of the layout.
    """

    config: dict[str, Any]
    first_day: str
    last_day: str
    coming_day: str
    end: str
    database_url: str
    counts: dict[str, int]
    workbooks: list[str]
    next_ids: dict[str, int]
    fingerprint: str
    later_scenarios: list[dict[str, str]] = field(default_factory=list)
    format: int = FORMAT

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as ``manifest.json`` holds them."""
        return asdict(self)

    def world_config(self) -> WorldConfig:
        """The configuration with its end resolved and the later scenarios added."""
        scenarios = [*self.config["scenario"], *self.later_scenarios]
        return WorldConfig.from_json({**self.config, "end": self.end, "scenario": scenarios})

    def write(self, folder: Path) -> None:
        """Write ``manifest.json`` into ``folder``, atomically."""
        partial = folder / ".manifest.json.partial"
        with partial.open("w", encoding="utf-8") as handle:
            json.dump(self.to_dict(), handle, indent=1, sort_keys=True)
            handle.flush()
            os.fsync(handle.fileno())
        partial.replace(folder / "manifest.json")

    @classmethod
    def read(cls, home: Path) -> "DemoManifest | None":
        """The manifest of the demo company under ``home``; None if there is none.

        Raises
        ------
        SourceError
            The manifest cannot be read.
        """
        path = Path(home) / "demo" / "manifest.json"
        if not path.exists():
            return None
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            raise SourceError(f"{path} cannot be read: build the demo company again, asking to replace it") from None


def build_demo(
    config: WorldConfig,
    home: Path,
    *,
    database_url: str | None = None,
    replace: bool = False,
    on_progress: Progress | None = None,
) -> DemoManifest:
    """Build the demo company under ``home``, or return it if it already stands there.

    Writes ``demo/operations.db`` (unless ``database_url`` is given), ``demo/weather_forecast.parquet``,
    ``demo/truth/``, ``demo/answer_key/``, ``demo/manifest.json`` and ``inbox/*.xlsx``. Everything is built aside and
    moved into place at the end: a build that is killed leaves no demo company.

    Parameters
    ----------
    config : WorldConfig
    home : Path
        Created if missing.
    database_url : str, optional
        SQLAlchemy URL of an empty database to fill instead of the SQLite file.
    replace : bool
        Take the place of a demo company of another configuration.
    on_progress : callable, optional
        Called with (stage, done, total).

    Raises
    ------
    SettingsError
        Another demo company stands there and ``replace`` is False, or the world has no working day.
    SourceError
        The database cannot be written.
    """
    home = Path(home)
    existing = None if replace else DemoManifest.read(home)
    if existing is not None:
        return _same_or_refuse(existing, config, database_url)
    home.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(home)
    aside = Path(tempfile.mkdtemp(prefix=f".demo-building-{os.getpid()}-", dir=home))
    try:
        manifest = _build_aside(config, aside, database_url, replace, on_progress or (lambda *_: None))
        _move_into_place(aside, home)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return manifest


def _same_or_refuse(existing: DemoManifest, config: WorldConfig, database_url: str | None) -> DemoManifest:
    same_database = existing.database_url == ("" if database_url is None else safe_url(database_url))
    if existing.format == FORMAT and same_database and existing.config == config.to_json():
        return existing
    raise SettingsError(
        "another demo company stands here (other settings or another database): ask to replace it, or use another home"
    )


def _build_aside(
    config: WorldConfig, aside: Path, database_url: str | None, replace_database: bool, on_progress: Progress
) -> DemoManifest:
    demo = aside / "demo"
    for folder in (demo / "truth", demo / "answer_key", aside / "inbox"):
        folder.mkdir(parents=True)
    end = resolve_end(config, date.today())
    first = months_before(end, config.months)
    population = make_population(config)
    days = working_days(config.seed, first, end)
    if not days:
        raise SettingsError(f"nobody works from {first} to {end}: choose another end or more months")
    coming = next_working_day(config.seed, end)
    rows, truth, coming_ids = live_days(config, population, days, NextIds(), on_progress)
    coming_rows = day_rows(
        population, plan_day(config, population, coming), coming_ids, visible_until=pd.Timestamp(coming)
    )
    all_rows = merge([company_rows(config, population, end), rows, coming_rows.rows])
    truth.write(demo / "truth")
    horizon = coming + timedelta(days=FORECAST_AFTER_DAYS)
    weather = forecast(config.seed, [first + timedelta(days=offset) for offset in range((horizon - first).days)])
    weather = weather[weather["issued_at"] < pd.Timestamp(coming, tz="UTC")].reset_index(drop=True)
    weather.to_parquet(demo / "weather_forecast.parquet", index=False)
    before = working_days(config.seed, months_before(first, config.workbook_months), first)
    on_progress("workbooks", 0, len(before))
    planned = [plan_day(config, population, day) for day in before]
    names = write_workbooks(config, population, planned, aside / "inbox", demo / "answer_key")
    on_progress("database", 0, 1)
    target = sqlite_url(demo / "operations.db") if database_url is None else database_url
    manifest = DemoManifest(
        config=config.to_json(),
        first_day=days[0].isoformat(),
        last_day=days[-1].isoformat(),
        coming_day=coming.isoformat(),
        end=end.isoformat(),
        database_url="" if database_url is None else safe_url(database_url),
        counts={table: len(table_rows) for table, table_rows in sorted(all_rows.items())},
        workbooks=names,
        next_ids=asdict(coming_ids),
        fingerprint=fingerprint(all_rows, truth, weather, [aside / "inbox" / name for name in names]),
    )
    create_company(target, all_rows, replace=replace_database)
    manifest.write(demo)
    return manifest


def live_days(
    config: WorldConfig,
    population: Population,
    days: Sequence[date],
    ids: NextIds,
    on_progress: Progress = lambda *_: None,
) -> tuple[Rows, TruthTables, NextIds]:
    """Live days in order: their rows, their truth and the ids after them."""
    parts, plans, delays = [], [], []
    for number, day in enumerate(days, start=1):
        lived = live_day(config, population, day)
        written = day_rows(population, lived, ids)
        parts.append(written.rows)
        ids = ids.after(written.rows)
        plans.append(truth_plan(config, population, lived, written.assignment_ids, written.booking_ids))
        delays.append(_delays(lived))
        on_progress("days", number, len(days))
    return merge(parts), to_tables(plans, delays), ids


def _delays(lived: CompanyDay) -> npt.NDArray[np.float64]:
    legs = lived.legs[lived.legs["executed"]]
    return (legs["start_min"] - legs["scheduled_min"]).where(~legs["no_show"]).to_numpy()


def fingerprint(rows: Rows, truth: TruthTables, weather: pd.DataFrame, workbooks: Sequence[Path]) -> str:
    """SHA-256 over every table's content and every workbook's bytes."""
    digest = hashlib.sha256()
    for table in sorted(rows):
        digest.update(json.dumps([table, rows[table]], default=str, sort_keys=True, ensure_ascii=False).encode())
    for frame in (truth.legs, truth.drivers, truth.days, weather):
        digest.update(frame.to_csv(index=False).encode())
    for path in workbooks:
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def _move_into_place(aside: Path, home: Path) -> None:
    """Workbooks first, the folder with the manifest last: its rename is what makes the demo company exist."""
    inbox, demo = home / "inbox", home / "demo"
    inbox.mkdir(exist_ok=True)
    previous = DemoManifest.read(home) if (demo / "manifest.json").exists() else None
    if demo.exists():
        demo.rename(aside / "replaced")
    for name in previous.workbooks if previous else []:
        (inbox / name).unlink(missing_ok=True)
    for workbook in sorted((aside / "inbox").iterdir()):
        workbook.replace(inbox / workbook.name)
    (aside / "demo").rename(demo)


def _remove_abandoned(home: Path) -> None:
    """Remove what a killed build left behind."""
    for folder in home.glob(".demo-building-*"):
        pid = folder.name.split("-")[2]
        if pid.isdigit() and not _is_running(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def database_url_of(manifest: DemoManifest, home: Path) -> str:
    """Where the demo company's database is; SQLite files stand beside the manifest.

    Raises
    ------
    SettingsError
        It is another database whose password the manifest does not hold.
    """
    if not manifest.database_url:
        return sqlite_url(Path(home) / "demo" / "operations.db")
    if make_url(manifest.database_url).password is not None:
        raise SettingsError("the manifest does not hold the database's password: give the database URL")
    return manifest.database_url
