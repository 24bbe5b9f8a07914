"""A home in which the ``atmr`` command is run as a user runs it, and what can be read from it afterwards."""

import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd

from atmr_pipeline.resources.tables import Tables

ATMR = (sys.executable, "-c", "from atmr_pipeline.cli import main; main()")
SMALL_DEMO = {
    "ATMR_DEMO_MONTHS": "2",
    "ATMR_DEMO_BOOKINGS_PER_DAY": "20",
    "ATMR_DEMO_DRIVERS": "6",
    "ATMR_DEMO_END": "2026-11-20",
    # About the least with which the policy learns something (fewer steps are refused), in a world in which two months
    # suffice for a delay model (in others a gate refuses it): both refusals are right, but show less.
    "ATMR_POLICY_GRADIENT_STEPS": "150",
    "ATMR_POLICY_GENERATED_DAYS": "512",
    "ATMR_RUNNING_TRAINING_S": "5",
    "ATMR_SEED": "4",
}

HEADER = ("Nom/Prénom", "Date et Heure prévues", "Course", "Adresse de départ", "Adresse d'arrivée", "CFT")
PALEXPO, HOSPITAL = "Palexpo", "Rue Gabrielle-Perret-Gentil 4, 1205 Genève"
NEW_ROWS = (
    ("Patient Fictif 9001", "01.04.2026  09:15  16:00", "A/R", PALEXPO, HOSPITAL, "Z.Z"),
    ("Patient Fictif 9002", "02.04.2026  25:99", "A/R", PALEXPO, HOSPITAL, "Z.Z"),
)


@dataclass(frozen=True)
class Snapshot:
    """A home after one command.

    Parameters
    ----------
    code, out, err
        What the command ended with and printed.
    rows_by_day : dict
        Table -> service day -> hash of that day's rows.
    times : dict
        Table -> service day -> modification time of that day's file.
    predictions : list
        Assignment and model version of every row of ``ml_prediction``.
    versions, champions : dict
        Registered versions, and the champion, of each kind.
    runs : dict
        Id of every Dagster run -> its status.
    account : dict
        Rows of the workbooks by what became of them.
    """

    code: int
    out: str
    err: str
    rows_by_day: dict[str, dict[str, str]] = field(default_factory=dict)
    times: dict[str, dict[str, int]] = field(default_factory=dict)
    predictions: list[tuple[int, str]] = field(default_factory=list)
    versions: dict[str, set[str]] = field(default_factory=dict)
    champions: dict[str, str] = field(default_factory=dict)
    runs: dict[str, str] = field(default_factory=dict)
    account: dict[str, Any] = field(default_factory=dict)

    def ended_honestly(self) -> bool:
        """Done without a word, or refused by a gate that is named."""
        lines = self.err.splitlines()
        return not lines if self.code == 0 else self.code == 1 and all(line.startswith("refused: ") for line in lines)

    def summary(self) -> dict[str, Any]:
        """What ``--json`` printed."""
        summary: dict[str, Any] = json.loads(self.out)
        return summary


class Home:
    """One home and the environment in which its commands run."""

    def __init__(self, root: Path, **environment: str) -> None:
        self.root = root
        self.tables = Tables(root / "tables")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ATMR_", "DAGSTER_"))}
        self.environment: Mapping[str, str] = {**kept, "ATMR_HOME": str(root), "COLUMNS": "200", **environment}

    def atmr(self, *arguments: str, **environment: str) -> Snapshot:
        """Run one command to its end; the environment only for this command."""
        done = subprocess.run(
            [*ATMR, *arguments],
            env={**self.environment, **environment},
            cwd=self.root.parent,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        return Snapshot(done.returncode, done.stdout, done.stderr)

    def killed_when(self, pattern: str) -> None:
        """Start ``atmr run`` and kill it as soon as a file matching ``pattern`` appears."""
        process = subprocess.Popen(
            [*ATMR, "run"],
            env=dict(self.environment),
            cwd=self.root.parent,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 120
        while not any(self.root.glob(pattern)):
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                raise AssertionError(f"`atmr run` ended, or hung, before {pattern} appeared")
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=30)

    def instance(self) -> dg.DagsterInstance:
        """Dagster's instance of this home."""
        return dg.DagsterInstance.from_config(str(self.root / "dagster"))

    def state(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of the transactional state."""
        with sqlite3.connect(f"file:{self.root / 'state.db'}?mode=ro", uri=True) as connection:
            return connection.execute(query).fetchall()

    def after(self, done: Snapshot) -> Snapshot:
        """The same command with the state that it left."""
        tables = ("bookings", "assignments", "dispatch_runs")
        with self.instance() as instance:
            runs = {run.run_id: run.status.value for run in instance.get_runs()}
        versions: dict[str, set[str]] = {"delay": set(), "policy": set()}
        for kind, version in self.state("SELECT kind, version_id FROM model_version"):
            versions[kind].add(version)
        return Snapshot(
            code=done.code,
            out=done.out,
            err=done.err,
            rows_by_day={name: {day.isoformat(): self._hash(name, day) for day in self.days(name)} for name in tables},
            times={
                name: {file.stem: file.stat().st_mtime_ns for file in self.tables.root.joinpath(name).glob("*.parquet")}
                for name in tables
            },
            predictions=self.state("SELECT assignment_id, model_version FROM ml_prediction"),
            versions=versions,
            champions=dict(self.state("SELECT kind, version_id FROM model_alias WHERE alias = 'champion'")),
            runs=runs,
            account=self.tables.read_value("workbook_account"),
        )

    def run(self, *arguments: str) -> Snapshot:
        """``atmr run``, and the state that it left."""
        return self.after(self.atmr("run", *arguments))

    def days(self, name: str) -> list[date]:
        """Service days of a table."""
        return self.tables.days(name)

    def _hash(self, name: str, day: date) -> str:
        frame = pd.read_parquet(self.tables.root / name / f"{day.isoformat()}.parquet")
        return hashlib.sha256(frame.to_csv(index=False).encode()).hexdigest()

    def operations(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Run one statement on the demo company's database, as the dispatching application would."""
        with sqlite3.connect(self.root / "demo" / "operations.db") as connection:
            return connection.execute(query, values).fetchall()


@dataclass(frozen=True)
class Killed:
    """What a killed run left behind: Dagster's runs by status, and how far it came."""

    runs: dict[str, str]
    days: int
    has_policy: bool


@dataclass(frozen=True)
class Correction:
    """A booking that the dispatcher moved to another day."""

    booking_id: int
    left: str
    reached: str
