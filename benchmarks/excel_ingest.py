"""How long a workbook takes from the file to placed legs, and how much memory: 4,000 rows and 100,000 rows.

Each figure is the wall time of a fresh process, its start and imports included. The workbooks are fictional and made
here: one sheet a month, a title row, the columns of a real one, dates as text and as cells, about 350 pickup and 780
drop-off texts, A/R rows, two drivers in a cell. Ours reads, checks, splits, hashes and geocodes with the built-in
gazetteer. The peer is pandas.read_excel with openpyxl and a plain loop over the rows that reads the same dates, times,
courses and initials, and neither geocodes nor accounts for what it drops.

    python benchmarks/excel_ingest.py --json
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from random import Random

import openpyxl

SIZES = {"4k": 4_000, "100k": 100_000}
QUICK_SIZES = {"4k": 240, "100k": 1_200}
REPEATS = 3
MONTHS = 12
ROUND_TRIPS, DATE_CELLS = 0.5, 0.1
HEADERS = (" Nom/Prénom", "Date et Heure prévues ", "Course ", " Adresse de départ", "Adresse d'arrivée  ", "CFT ")
PLACES = ("Hôpital de La Tour", "Clinique de Carouge", "Palexpo", "Uni Mail", "Clinique La Colline", "")
STREETS = (
    "Rue de Lausanne", "Rue de Carouge", "Boulevard du Pont-d'Arve", "Avenue de Champel", "Route de Florissant",
    "Rue du Rhône", "Quai du Mont-Blanc", "Rue de la Servette", "Route de Meyrin", "Avenue Cardinal-Mermillod",
    "Rue Jean-Violette", "Rue de Lyon", "Route de Chêne", "Avenue Wendt", "Rue de Bernex",
)  # fmt: skip
TOWNS = ("1201 Genève", "1205 Genève", "1206 Genève", "1227 Carouge", "1217 Meyrin", "1202 Genève")
SEPARATORS = (", ", "   ", "\n", "\u00a0 ", " · ")
DRIVERS = ("A.B", "AB", "C.D", "cd", "E.F", "A.B/C.D", "Z.Z", None)
PEER_WHEN = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})\s+(\d{1,2})[:h.](\d{2})(?:\s+(\d{1,2})[:h.](\d{2}))?")


def main() -> None:
    """Make the workbooks, measure each reader in processes of its own, print the figures."""
    arguments = _arguments()
    if arguments.measure:
        _measure(arguments.measure, Path(arguments.workbook))
        return
    sizes = QUICK_SIZES if arguments.quick else SIZES
    with tempfile.TemporaryDirectory() as folder:
        paths = {}
        for name, rows in sizes.items():
            paths[name] = _write_workbook(Path(folder) / f"{name}.xlsx", rows)
            print(f"{name}: {rows:,} rows, {paths[name].stat().st_size / 2**20:.1f} MiB", file=sys.stderr)
        ours, peer = [], []
        for _ in range(REPEATS):
            ours.append(_run("ours", paths["4k"]))
            peer.append(_run("peer", paths["4k"]))
        large = _run("ours", paths["100k"])
    for reader, runs in (("ours", ours), ("peer", peer)):
        seconds = ", ".join(f"{run['seconds']:.2f}" for run in runs)
        print(f"4k, {reader}: {seconds} s; {runs[0]['legs']:,} legs", file=sys.stderr)
    print(f"100k, ours: {large['seconds']:.2f} s, {large['peak_mb']:.0f} MB, {large['legs']:,} legs", file=sys.stderr)
    if ours[0]["legs"] != peer[0]["legs"]:
        raise SystemExit(f"the readers disagree: {ours[0]['legs']} legs and {peer[0]['legs']}")
    figures = {
        "rows_4k_s": round(statistics.median(run["seconds"] for run in ours), 2),
        "rows_100k_s": round(large["seconds"], 2),
        "peak_mb_100k": round(large["peak_mb"], 1),
        "peer_rows_4k_s": round(statistics.median(run["seconds"] for run in peer), 2),
    }
    print(json.dumps(figures))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON line last (always done)")
    parser.add_argument("--quick", action="store_true", help="small workbooks: shows that it runs, measures nothing")
    parser.add_argument("--measure", choices=("ours", "peer"), help=argparse.SUPPRESS)
    parser.add_argument("workbook", nargs="?", help=argparse.SUPPRESS)
    return parser.parse_args()


def _run(reader: str, path: Path) -> dict[str, float]:
    """Wall time of a fresh process that reads one workbook, and what it says of itself."""
    began = time.perf_counter()
    command = [sys.executable, __file__, "--measure", reader, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {"seconds": time.perf_counter() - began, **json.loads(done.stdout)}


def _measure(reader: str, path: Path) -> None:
    import resource

    legs = _read_ours(path) if reader == "ours" else _read_peer(path)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts KiB, macOS bytes.
    peak_mb = peak / 2**20 if sys.platform == "darwin" else peak / 2**10
    print(json.dumps({"legs": legs, "peak_mb": peak_mb}))


def _read_ours(path: Path) -> int:
    from atmr_pipeline.sources.geocoding.gazetteer import Gazetteer
    from atmr_pipeline.sources.workbooks import check_workbook

    drivers = {"AB": 1, "CD": 2, "EF": 3}
    _, legs = check_workbook(path, gazetteer=Gazetteer.load(None), hash_key=b"benchmark", driver_ids=drivers)
    return len(legs)


def _read_peer(path: Path) -> int:
    import pandas as pd

    legs = []
    for sheet in pd.read_excel(path, sheet_name=None, header=1, engine="openpyxl").values():
        sheet.columns = [str(name).strip() for name in sheet.columns]
        for _, row in sheet.iterrows():
            when, course = row["Date et Heure prévues"], str(row["Course"] or "").strip().upper()
            if isinstance(when, datetime):
                times = [when]
            else:
                match = PEER_WHEN.search(str(when))
                if match is None:
                    continue
                day, month, year, hour, minute, back_hour, back_minute = match.groups()
                times = [datetime(int(year), int(month), int(day), int(hour), int(minute))]
                if back_hour:
                    times.append(times[0].replace(hour=int(back_hour), minute=int(back_minute)))
            drivers = [name.replace(".", "").strip().upper() for name in str(row["CFT"]).split("/")]
            ends = [str(row["Adresse de départ"]).strip(), str(row["Adresse d'arrivée"]).strip()]
            for index, moment in enumerate(times):
                kind = "return" if index or course == "R" else "outbound"
                legs.append((kind, moment, drivers[min(index, len(drivers) - 1)], *(ends[::-1] if index else ends)))
    return len(legs)


def _write_workbook(path: Path, rows: int) -> Path:
    random = Random(rows)
    pickups, dropoffs = ([_address(random) for _ in range(count)] for count in (350, 780))
    workbook = openpyxl.Workbook(write_only=True)
    for month in range(1, MONTHS + 1):
        sheet = workbook.create_sheet(f"MOIS {month:02d}")
        sheet.append(["Planning des transports fictifs"])
        sheet.append(HEADERS)
        for number in range(rows // MONTHS + (month <= rows % MONTHS)):
            # The patient's number makes each row one of its own.
            sheet.append([f"Patient Fictif {number}", *_trip(random, month), *_ends(random, pickups, dropoffs)])
    workbook.save(path)
    return path


def _trip(random: Random, month: int) -> list[object]:
    day, hour, minute = random.randint(1, 28), random.randint(7, 12), random.choice((0, 15, 30, 45))
    sign = random.choice((":", ":", ":", ":", "h", "."))
    when = f"{day:02d}.{month:02d}.2025  {hour:02d}{sign}{minute:02d}"
    if random.random() < ROUND_TRIPS:
        return [f"{when}  {hour + 3}{sign}{random.choice((0, 15, 30, 45)):02d}", random.choice(("A/R", "A/R ", "a/r"))]
    course = random.choice((None, "A", "R"))
    return [datetime(2025, month, day, hour, minute), course] if random.random() < DATE_CELLS else [when, course]


def _ends(random: Random, pickups: list[str], dropoffs: list[str]) -> list[object]:
    return [random.choice(pickups), random.choice(dropoffs), random.choice(DRIVERS)]


def _address(random: Random) -> str:
    parts = [random.choice(PLACES), f"{random.choice(STREETS)} {random.randint(1, 90)}", random.choice(TOWNS)]
    return random.choice(SEPARATORS).join(part for part in parts if part)


if __name__ == "__main__":
    main()
