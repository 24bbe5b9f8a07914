"""One answer out of what a provider found; a doubt stays a doubt."""

from collections.abc import Sequence

from atmr_pipeline.domain.geo import haversine_km, in_service_area
from atmr_pipeline.domain.vocabulary import AddressPrecision
from atmr_pipeline.sources.geocoding.addresses import parse_address
from atmr_pipeline.sources.geocoding.gazetteer import Answer
from atmr_pipeline.sources.geocoding.online.agreement import Agreement, agree
from atmr_pipeline.sources.geocoding.online.hits import Hit
from atmr_pipeline.sources.geocoding.words import fold, words

FINEST_FIRST = (AddressPrecision.HOUSE, AddressPrecision.PLACE, AddressPrecision.STREET, AddressPrecision.POSTCODE)
EQUALLY_GOOD = 0.02
APART_KM, STREET_KM = 0.3, 2.5
"""How far apart equally good hits may lie: anywhere, and on one street."""


def decide(provider: str, text: str, hits: Sequence[Hit]) -> Answer:
    """Choose among hits.

    Parameters
    ----------
    provider : str
        Becomes the source of the answer.
    text : str
        The address as written.
    hits : sequence of Hit
        In the provider's order.

    Returns
    -------
    Answer
        Unresolved with the reason ``not_found`` (no hit), ``outside_service_area`` (none inside it, (0, 0) included),
        ``mismatch`` (none that the address may mean), ``too_coarse`` (only a town, for an address that says more) or
        ``ambiguous`` (equally good ones apart).
    """
    if not hits:
        return unresolved("not_found")
    inside = in_service_area([hit.lat for hit in hits], [hit.lon for hit in hits])
    near = [hit for hit, is_inside in zip(hits, inside, strict=True) if is_inside]
    if not near:
        return unresolved("outside_service_area")
    asked = parse_address(text)
    compared = [agree(asked, hit) for hit in near]
    fitting = [agreement for agreement in compared if isinstance(agreement, Agreement)]
    if not fitting:
        return unresolved("mismatch" if "mismatch" in compared else "too_coarse")
    precision = next(level for level in FINEST_FIRST if any(one.precision is level for one in fitting))
    finest = [one for one in fitting if one.precision is precision]
    best = max(finest, key=lambda one: one.score)
    rivals = [one for one in finest if one.score >= best.score - EQUALLY_GOOD]
    if _spread_km(rivals) > (STREET_KM if _are_one_street(rivals) else APART_KM):
        return unresolved("ambiguous", best.score)
    chosen = _middle(rivals) if precision is AddressPrecision.STREET else best
    hit = chosen.hit
    return Answer(hit.lat, hit.lon, precision, provider, round(chosen.score, 4), None, hit.entry_key)


def unresolved(reason: str, score: float = 0.0) -> Answer:
    """An answer that is none."""
    return Answer(None, None, AddressPrecision.UNRESOLVED, None, round(score, 4), reason, None)


def _are_one_street(rivals: Sequence[Agreement]) -> bool:
    """Whether street hits are parts or houses of one street: the same name in one postcode or one town."""
    if rivals[0].precision is not AddressPrecision.STREET:
        return False
    hits = [one.hit for one in rivals]
    names = {tuple(words(fold(hit.street or hit.name))) for hit in hits}
    postcodes = {hit.postcode for hit in hits}
    shared = set.intersection(*({fold(town) for town in hit.towns} for hit in hits))
    return len(names) == 1 and (bool(shared) or (len(postcodes) == 1 and "" not in postcodes))


def _spread_km(rivals: Sequence[Agreement]) -> float:
    """The longest distance between two of them, or across the largest, km."""
    lats, lons = [one.hit.lat for one in rivals], [one.hit.lon for one in rivals]
    apart = float(haversine_km([[lat] for lat in lats], [[lon] for lon in lons], [lats], [lons]).max())
    is_street = rivals[0].precision is AddressPrecision.STREET
    return max([apart, *(one.hit.extent_km or 0.0 for one in rivals if is_street)])


def _middle(rivals: Sequence[Agreement]) -> Agreement:
    """The hit nearest to the middle of all: a point on the street, not beside it."""
    lat = sum(one.hit.lat for one in rivals) / len(rivals)
    lon = sum(one.hit.lon for one in rivals) / len(rivals)
    return min(rivals, key=lambda one: float(haversine_km(lat, lon, one.hit.lat, one.hit.lon)))
