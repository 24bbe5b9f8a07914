"""Named places (hospitals, clinics, stations) in an address, and the ways to read a phrase with or without its town."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from atmr_pipeline.domain.vocabulary import AddressPrecision
from atmr_pipeline.sources.geocoding.addresses import Phrase
from atmr_pipeline.sources.geocoding.directory import Directory, Entry, spread_km
from atmr_pipeline.sources.geocoding.evidence import Area, plain_town
from atmr_pipeline.sources.geocoding.words import CUTTING_TYPES, core, split_type

THRESHOLD = 0.82
"""Below this score nothing is an answer."""
SAME_PLACE_KM = 0.5
PLACE_CUTOFF = 90.0


@dataclass(frozen=True)
class Finding:
    """The best answer of a search; ``entry`` is None where there is none, and ``reason`` says why."""

    score: float = 0.0
    entry: Entry | None = None
    precision: AddressPrecision = AddressPrecision.UNRESOLVED
    lat: float = float("nan")
    lon: float = float("nan")
    reason: str | None = None


def best_place(phrases: Sequence[Phrase], area: Area, directory: Directory, *, to_the_letter: bool = False) -> Finding:
    """The best named place over all runs of phrases; with ``to_the_letter`` no misspelt one."""
    best = Finding()
    for joined in _runs(phrases):
        for tokens, within in readings(joined, area, directory):
            found, score = _places_named(tokens, directory, to_the_letter=to_the_letter)
            if not found:
                continue
            kept = [entry for entry in found if within.penalty(entry) == min(map(within.penalty, found))]
            total = score - within.penalty(kept[0])
            if total < THRESHOLD or total <= best.score:
                continue
            if spread_km(kept) > SAME_PLACE_KM:
                best = Finding(total, reason="ambiguous")
            else:
                best = Finding(total, kept[0], AddressPrecision.PLACE, kept[0].lat, kept[0].lon)
    return best


def _runs(phrases: Sequence[Phrase]) -> list[tuple[str, ...]]:
    """Words of one to three neighbouring phrases, longest first: "HUG - Maternité" is more telling than "HUG"."""
    found = []
    for count in (3, 2, 1):
        for start in range(len(phrases) - count + 1):
            run = phrases[start : start + count]
            if count == 1 or not any(phrase.before_number for phrase in run):
                found.append(tuple(token for phrase in run for token in phrase.tokens))
    return found


def _places_named(tokens: Sequence[str], directory: Directory, *, to_the_letter: bool) -> tuple[list[Entry], float]:
    name = " ".join(core(list(tokens)))
    if name in directory.places:
        return directory.places[name], 1.0
    if to_the_letter or len(name) < 8 or tokens[0] in CUTTING_TYPES:
        return [], 0.0
    for known, likeness in directory.place_names.near(name, cutoff=PLACE_CUTOFF, limit=1):
        return directory.places[known], likeness / 100.0
    return [], 0.0


def readings(tokens: tuple[str, ...], area: Area, directory: Directory) -> Iterable[tuple[tuple[str, ...], Area]]:
    """The phrase as it stands, then without a town at its end: "rue de Lausanne Genève"."""
    yield tokens, area
    for length in range(min(directory.longest_town, len(tokens) - 1), 0, -1):
        town = " ".join(tokens[-length:])
        rest = tokens[:-length]
        if (
            town in directory.towns
            and core(split_type(list(rest))[1])
            and rest[-1] not in {"de", "du", "des", "d", "la", "les"}
        ):
            yield rest, area.with_town(plain_town(town), directory)
            return
