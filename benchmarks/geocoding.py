"""How well and how fast addresses are found, beside fuzzy matching of whole strings.

Variants of street parts of a directory are written with the noise model of ``address_noise.py``: abbreviated, dropped
and misspelt street types, initials, one or two typing errors, lost accents, hyphens and spaces, suffixes and order of
numbers, a missing, neighbouring or mistyped postcode, a missing, misspelt or larger town, a place before the street, a
person, floor or door code behind it, upper case; several at once, each with the probability given there.

An answer is *right* if it is on the street that the variant was made from: the entry found has its name, and lies
within 2.5 km of the part (a name exists in several communes, and a long street has parts). Any other answer is *wrong*,
no answer is *unresolved*; a named place on that very street counts as its street.

The peer is rapidfuzz over whole strings: the folded address against all ``street, postcode locality`` labels, the best
label if it reaches the cutoff. Scorer (``token_set_ratio`` or ``WRatio``) and cutoff are those with the most right
answers less wrong ones on other variants.

    python benchmarks/geocoding.py [--json] [--quick] [--variants N] [--seed N] [--gazetteer PATH]
"""

import argparse
import csv
import gzip
import io
import json
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from address_noise import Noise, StreetPart
from rapidfuzz import process
from rapidfuzz.fuzz import WRatio, token_set_ratio

from atmr_pipeline.domain.geo import haversine_km
from atmr_pipeline.sources.geocoding import Gazetteer
from atmr_pipeline.sources.geocoding.words import fold

EXTRACT = Path(__file__).parents[2] / "shared" / "data" / "geneva" / "geneva_gazetteer.csv.gz"
VARIANTS, QUICK_VARIANTS, TUNING_VARIANTS = 6_000, 200, 1_000
SAME_STREET_KM, NEIGHBOUR_KM, CITY_KM = 2.5, 3.0, 5.0
CITY = (46.2044, 6.1432)
CUTOFFS = range(50, 100, 5)
REPEATS = 3
Scorer = Callable[..., float]


@dataclass(frozen=True)
class Case:
    """An address, the part it was made from, and the noises in it."""

    text: str
    part: StreetPart
    noises: tuple[str, ...]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 1 without a directory."""
    parser = argparse.ArgumentParser(description="Geocoding: accuracy and speed beside whole-string fuzzy matching.")
    parser.add_argument("--gazetteer", type=Path, default=EXTRACT, help="CSV table of streets (default: %(default)s)")
    parser.add_argument("--variants", type=int, help=f"how many addresses (default: {VARIANTS})")
    parser.add_argument("--seed", type=int, default=20261121)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_VARIANTS} addresses")
    parser.add_argument("--json", action="store_true", help="one JSON line at the end")
    options = parser.parse_args(arguments)
    if not options.gazetteer.exists():
        print(f"no directory at {options.gazetteer}: name a table of streets with --gazetteer", file=sys.stderr)
        return 1
    count = options.variants or (QUICK_VARIANTS if options.quick else VARIANTS)
    parts = read_parts(options.gazetteer)
    cases = make_cases(parts, count, options.seed)
    gazetteer = Gazetteer.load(options.gazetteer)
    outcomes = [judge_entry(case, *found) for case, found in zip(cases, locate_all(gazetteer, cases), strict=True)]
    speed = distinct_per_s(gazetteer, [case.text for case in cases])
    peer = run_peer(parts, cases, make_cases(parts, min(count, TUNING_VARIANTS), options.seed + 1))
    result = summary(outcomes, peer, speed)
    print_table(cases, outcomes, result)
    if options.json:
        print(json.dumps(result))
    return 0


def read_parts(path: Path) -> list[StreetPart]:
    """Street parts with a postcode, each with the postcodes of localities near it."""
    data = path.read_bytes()
    text = (gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    centres = {row["postcode"]: (float(row["lat"]), float(row["lon"])) for row in rows if row["kind"] == "locality"}
    near = {
        code: tuple(
            other
            for other, point in sorted(centres.items())
            if other != code and float(haversine_km(*centre, *point)) < NEIGHBOUR_KM
        )
        for code, centre in centres.items()
    }
    parts = []
    for row in rows:
        if row["kind"] == "street" and row["postcode"]:
            lat, lon = float(row["lat"]), float(row["lon"])
            in_city = float(haversine_km(lat, lon, *CITY)) < CITY_KM
            names = (row["street"], row["postcode"], row["locality"], row["commune"])
            parts.append(StreetPart(*names, lat, lon, in_city, near.get(row["postcode"], ())))
    return parts


def make_cases(parts: Sequence[StreetPart], count: int, seed: int) -> list[Case]:
    """Variants of street parts drawn with replacement; no two texts are the same."""
    noise = Noise(seed)
    cases: dict[str, Case] = {}
    while len(cases) < count:
        part = noise.choose(parts)
        text, noises = noise.variant(part)
        cases.setdefault(text, Case(text, part, tuple(noises)))
    return list(cases.values())


def locate_all(gazetteer: Gazetteer, cases: Sequence[Case]) -> list[tuple[str | None, float | None, float | None]]:
    """Street of the entry found, and its point; None where unresolved."""
    streets = {entry.key: entry.street or entry.name for entry in gazetteer.entries}
    answers = [gazetteer.locate(case.text) for case in cases]
    return [(streets[answer.entry_key] if answer.entry_key else None, answer.lat, answer.lon) for answer in answers]


def judge_entry(case: Case, street: str | None, lat: float | None, lon: float | None) -> str:
    """``right``, ``wrong`` or ``unresolved``."""
    if street is None or lat is None or lon is None:
        return "unresolved"
    is_near = float(haversine_km(lat, lon, case.part.lat, case.part.lon)) <= SAME_STREET_KM
    return "right" if is_near and fold(street) == fold(case.part.street) else "wrong"


def distinct_per_s(gazetteer: Gazetteer, texts: Sequence[str]) -> float:
    """Distinct addresses placed in a second of one core; the best of three runs over all of them.

    Processor time, not the clock on the wall: what else runs on the machine does not count.
    """
    best = float("inf")
    for _ in range(REPEATS):
        start = time.process_time()
        for text in texts:
            gazetteer.locate(text)
        best = min(best, time.process_time() - start)
    return len(texts) / best


def run_peer(parts: Sequence[StreetPart], cases: Sequence[Case], tuning: Sequence[Case]) -> list[str]:
    """Outcomes of whole-string matching with the scorer and cutoff that are best on other variants."""
    labels = [fold(f"{part.street}, {part.postcode} {part.locality}") for part in parts]

    def best_labels(given: Sequence[Case], scorer: Scorer) -> list[tuple[float, StreetPart]]:
        found = (process.extractOne(fold(case.text), labels, scorer=scorer) for case in given)
        return [(score, parts[index]) for _, score, index in found]

    def outcomes(given: Sequence[Case], best: Sequence[tuple[float, StreetPart]], cutoff: float) -> list[str]:
        return [
            judge_entry(case, part.street, part.lat, part.lon) if score >= cutoff else "unresolved"
            for case, (score, part) in zip(given, best, strict=True)
        ]

    gains = {}
    for scorer in (token_set_ratio, WRatio):
        best = best_labels(tuning, scorer)
        for cutoff in CUTOFFS:
            counts = Counter(outcomes(tuning, best, cutoff))
            gains[scorer, cutoff] = counts["right"] - counts["wrong"]
            print(
                f"peer {scorer.__name__} >= {cutoff}: {dict(sorted(counts.items()))} of {len(tuning)}", file=sys.stderr
            )
    scorer, cutoff = max(gains, key=lambda setting: gains[setting])
    return outcomes(cases, best_labels(cases, scorer), cutoff)


def summary(outcomes: Sequence[str], peer: Sequence[str], speed: float) -> dict[str, float]:
    """The figures, in per cent of the variants."""

    def pct(given: Sequence[str], outcome: str) -> float:
        return round(100 * sum(item == outcome for item in given) / len(given), 3)

    return {
        "variants": len(outcomes),
        "right_street_pct": pct(outcomes, "right"),
        "wrong_pct": pct(outcomes, "wrong"),
        "unresolved_pct": pct(outcomes, "unresolved"),
        "distinct_per_s": round(speed, 1),
        "peer_right_street_pct": pct(peer, "right"),
        "peer_wrong_pct": pct(peer, "wrong"),
    }


def print_table(cases: Sequence[Case], outcomes: Sequence[str], result: dict[str, float]) -> None:
    """The figures, and right and wrong answers by noise, for people."""
    for name, value in result.items():
        print(f"{name:24}{value:>12,}")
    by_noise: dict[str, Counter[str]] = defaultdict(Counter)
    for case, outcome in zip(cases, outcomes, strict=True):
        for noise in case.noises or ("none",):
            by_noise[noise][outcome] += 1
    print(f"\n{'variants with':24}{'n':>8}{'right %':>10}{'wrong %':>10}")
    for noise, counts in sorted(by_noise.items(), key=lambda item: item[1]["right"] / item[1].total()):
        total = counts.total()
        print(f"{noise:24}{total:>8,}{100 * counts['right'] / total:>10.2f}{100 * counts['wrong'] / total:>10.2f}")


if __name__ == "__main__":
    sys.exit(main())
