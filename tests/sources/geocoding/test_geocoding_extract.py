"""The noise model on a street-level extract of Geneva: right, wrong and unresolved are counted."""

import csv
import gzip
import random
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest
from geocoding_noise import Street, variant

from atmr_pipeline.domain.geo import haversine_km
from atmr_pipeline.sources.geocoding import Gazetteer

EXTRACT = Path(__file__).parents[4] / "shared" / "data" / "geneva" / "geneva_gazetteer.csv.gz"
VARIANTS = 5000
SAME_PLACE_KM = 2.5

pytestmark = pytest.mark.skipif(
    not EXTRACT.exists(), reason="the Geneva street extract (../shared/data/geneva) is not beside the checkout"
)


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    with gzip.open(EXTRACT, "rt", encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def gazetteer() -> Gazetteer:
    return Gazetteer.load(EXTRACT)


def test_noisy_addresses_find_their_street(
    rows: list[dict[str, str]], gazetteer: Gazetteer, record_property: Callable[[str, object], None]
) -> None:
    streets = [
        Street(row["street"], row["postcode"], row["locality"], float(row["lat"]), float(row["lon"]))
        for row in rows
        if row["kind"] == "street" and row["postcode"]
    ]
    names = defaultdict(set)
    for row in rows:
        names[float(row["lat"]), float(row["lon"])].add(row["street"])
    draw = random.Random(20251001)
    outcomes: Counter[str] = Counter()
    for _ in range(VARIANTS):
        street = draw.choice(streets)
        answer = gazetteer.locate(variant(street, draw))
        if answer.lat is None or answer.lon is None:
            outcomes["unresolved"] += 1
            continue
        near = haversine_km(answer.lat, answer.lon, street.lat, street.lon) < SAME_PLACE_KM
        outcomes["right" if near and street.name in names[answer.lat, answer.lon] else "wrong"] += 1
    for outcome, count in outcomes.items():
        record_property(f"{outcome}_pct", 100 * count / VARIANTS)
    assert outcomes["right"] >= 0.99 * VARIANTS, outcomes
    assert outcomes["wrong"] <= 0.005 * VARIANTS, outcomes


def test_streets_of_elsewhere_are_not_found(rows: list[dict[str, str]], gazetteer: Gazetteer) -> None:
    """Streets taken out of the directory must not land on another one."""
    draw = random.Random(7)
    names = sorted({row["street"] for row in rows if row["kind"] == "street"})
    hidden = set(draw.sample(names, 400))
    kept = Gazetteer(entry for entry in gazetteer.entries if not (entry.kind == "street" and entry.street in hidden))
    answers = Counter()
    for row in rows:
        if row["kind"] == "street" and row["street"] in hidden:
            answer = kept.locate(f"{row['street']} 3, {row['postcode']} {row['locality']}")
            answers["placed" if answer.reason is None else "unresolved"] += 1
    # Those placed are the addresses of public places, and names one letter apart.
    assert answers["placed"] <= 0.02 * answers.total(), answers


def test_official_and_daily_spellings(gazetteer: Gazetteer) -> None:
    official = gazetteer.locate("Avenue Jacob-Daniel-Maillard 3, 1217 Meyrin")
    daily = gazetteer.locate("Av. J.-D.-Maillard 3 - 1217 Meyrin")
    assert (official.lat, official.lon) == (daily.lat, daily.lon)
    assert official.lat is not None
