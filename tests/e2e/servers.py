"""The pipeline as production runs it: PostgreSQL, code server, webserver and daemon, each a process of its own."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import dagster as dg
import httpx
import sqlalchemy as sa

CHECKOUT = Path(__file__).parents[2]
LOCATION = "atmr_pipeline"
SERVER_START_S = 120.0
"""Far above what a busy machine of two cores needs."""

Found = TypeVar("Found")


def wait_for(what: str, look: Callable[[], Found | None], seconds: float, every: float = 0.5) -> Found:
    """Look until there is something; say what was waited for when the time is over."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:.0f} s for {what}")
        time.sleep(every)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Servers:
    """Three databases on one server, a home, and the processes that work on them.

    Parameters
    ----------
    folder : Path
        Holds the home, Dagster's home and the servers' logs.
    server_url : str
        A PostgreSQL server on a socket, as its superuser.
    settings : str
        ``ATMR_`` variables besides those that say where things are.
    """

    def __init__(self, folder: Path, server_url: str, **settings: str) -> None:
        self.home, self.dagster_home, self.logs = folder / "home", folder / "dagster", folder / "logs"
        for path in (self.home, self.dagster_home, self.logs):
            path.mkdir(parents=True)
        shutil.copyfile(CHECKOUT / "deploy" / "postgres" / "dagster.yaml", self.dagster_home / "dagster.yaml")
        self.grpc_port, self.ui_port, self.reports_port = free_port(), free_port(), free_port()
        self._write_workspace()
        self.url = sa.make_url(server_url).set(drivername="postgresql+psycopg")
        for name in ("dagster", "state", "operations"):
            self._create_database(name)
        self.operations_url, self.state_url = self._url_of("operations"), self._url_of("state")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ATMR_", "DAGSTER_", "PG"))}
        self.environment = {
            **kept,
            "ATMR_HOME": str(self.home),
            "ATMR_DATABASE_URL": self.operations_url,
            "ATMR_STATE_URL": self.state_url,
            "ATMR_HASH_KEY": "a fictional company has no secrets",
            "ATMR_WEATHER_FILE": str(self.home / "demo" / "weather_forecast.parquet"),
            "DAGSTER_HOME": str(self.dagster_home),
            "DAGSTER_PG_HOST": "",
            "DAGSTER_PG_PORT": "5432",
            "DAGSTER_PG_DB": "dagster",
            "DAGSTER_PG_USER": str(self.url.username),
            "DAGSTER_PG_PASSWORD": "",
            # The server listens on a socket only; libpq takes its folder from here where a host is empty.
            "PGHOST": str(self.url.query["host"]),
            "PYTHONUNBUFFERED": "1",
            "ATMR_UI_PORT": str(self.ui_port),
            "ATMR_REPORTS_PORT": str(self.reports_port),
            **settings,
        }
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._begun: dict[str, float] = {}
        self._instance: dg.DagsterInstance | None = None

    def _write_workspace(self) -> None:
        self.workspace = self.dagster_home / "workspace.yaml"
        self.workspace.write_text(
            f"load_from:\n  - grpc_server: {{host: 127.0.0.1, port: {self.grpc_port}, location_name: {LOCATION}}}\n",
            encoding="utf-8",
        )

    def _create_database(self, name: str) -> None:
        engine = sa.create_engine(self.url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(sa.text(f'CREATE DATABASE "{name}"'))
        engine.dispose()

    def _url_of(self, database: str) -> str:
        return self.url.set(database=database, drivername="postgresql").render_as_string(hide_password=False)

    def start(self, name: str) -> None:
        """Start ``code``, ``webserver``, ``daemon`` or ``reports`` and wait until it answers."""
        arguments = {
            "code": ["api", "grpc", "-m", "atmr_pipeline.definitions", "-h", "127.0.0.1", "-p", str(self.grpc_port)],
            "webserver": [
                "-h", "127.0.0.1", "-p", str(self.ui_port), "-w", str(self.workspace), "--live-data-poll-rate", "2000",
            ],
            "daemon": ["run", "-w", str(self.workspace)],
            "reports": [],
        }[name]  # fmt: skip
        module = {
            "code": "dagster",
            "webserver": "dagster_webserver",
            "daemon": "dagster._daemon",
            "reports": "atmr_pipeline.cli.reports",
        }[name]
        self._begun[name] = time.time()
        with (self.logs / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                env=self.environment,
                cwd=self.home,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        ready = {
            "code": self._code_answers,
            "webserver": lambda: _answers(f"{self.ui}/server_info"),
            "daemon": self._daemon_beats,
            "reports": lambda: _answers(self.reports),
        }[name]
        wait_for(f"the {name} to answer", lambda: self._alive(name) and ready(), SERVER_START_S)

    def _alive(self, name: str) -> bool:
        process = self._processes[name]
        if process.poll() is not None:
            raise AssertionError(f"the {name} ended with {process.returncode}:\n{tail(self.logs / f'{name}.log')}")
        return True

    def check_alive(self) -> None:
        """Fail with the log of a server that has ended by itself."""
        for name in self._processes:
            self._alive(name)

    def _code_answers(self) -> bool:
        check = [sys.executable, "-m", "dagster", "api", "grpc-health-check", "-p", str(self.grpc_port)]
        return subprocess.run(check, env=self.environment, capture_output=True, check=False).returncode == 0

    def _daemon_beats(self) -> bool:
        """Every daemon that the instance needs has said that it works, since this one was started."""
        statuses, begun = self.instance.get_daemon_statuses(), self._begun["daemon"]
        beats = [one.last_heartbeat.timestamp for one in statuses.values() if one.last_heartbeat]
        return sum(beat > begun for beat in beats) >= len(self.instance.get_required_daemon_types())

    def stop(self, name: str) -> None:
        """End a process and what it started, as a service manager does."""
        process = self._processes.pop(name)
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=20)
        _kill_group(process.pid)

    def kill(self, name: str, *, whole_group: bool = False) -> None:
        """``kill -9`` of one process, or of all that it started as well, as when a machine loses power."""
        process = self._processes.pop(name)
        process.kill()
        if whole_group:
            _kill_group(process.pid)
        process.wait(timeout=20)

    def stop_all(self) -> None:
        for name in list(self._processes):
            self.stop(name)
        if self._instance is not None:
            self._instance.dispose()

    @property
    def ui(self) -> str:
        return f"http://127.0.0.1:{self.ui_port}"

    @property
    def reports(self) -> str:
        return f"http://127.0.0.1:{self.reports_port}/"

    @property
    def instance(self) -> dg.DagsterInstance:
        """The same instance as the servers', on the same storage."""
        if self._instance is None:
            with self._environment():
                self._instance = dg.DagsterInstance.from_config(str(self.dagster_home))
        return self._instance

    @contextmanager
    def _environment(self) -> Iterator[None]:
        """Dagster reads its storage's address from the environment, and libpq its host, at each connection."""
        for name in ("PGHOST", *(name for name in self.environment if name.startswith("DAGSTER_"))):
            os.environ[name] = self.environment[name]
        try:
            yield
        finally:
            for name in [name for name in self.environment if name.startswith("DAGSTER_")]:
                del os.environ[name]


def tail(log: Path, lines: int = 40) -> str:
    """Last lines of a server's log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def _answers(address: str) -> bool:
    try:
        return httpx.get(address, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def _kill_group(leader: int) -> None:
    """Kill what is left of a process group that was started here."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return
