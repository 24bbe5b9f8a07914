"""Explanations in words: French for the company's dispatchers, English for everybody else."""

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from atmr_pipeline.models.policy.explanation import Alternative, Explanation

_FR = {
    "head": "Course {booking} → {driver} : ",
    "driver": "chauffeur {driver}",
    "nobody": "personne",
    "on_time": "à l'heure ({spare:.0f} min d'avance)",
    "within_tolerance": "{late:.0f} min de retard, toléré au retour",
    "late": "{late:.0f} min de retard",
    "lost": "course perdue",
    "way": "{km} km à vide",
    "shortest_way": "trajet à vide le plus court",
    "regular_preferred": "chauffeur régulier préféré",
    "last_resort": "chauffeur d'urgence, aucun régulier ne peut",
    "emergency_used": "chauffeur d'urgence, moins coûteux ce jour",
    "only_driver": "seul chauffeur possible",
    "load_even": "charges équilibrées (écart {gap})",
    "load_uneven": "écart de charge {gap}",
    "nobody_can": "aucun chauffeur ne peut",
    "left_out": "la donner coûterait plus cher ailleurs",
    "instead": "Sinon {driver} : {minutes} min de retard, {km} km, coût {cost}",
    "more_lost": ", {lost} perdue(s)",
    "cannot": "Impossibles : {reasons}",
    "too_late": "trop tard",
    "shift_end": "fin de service",
    "absence": "absent",
    "later_booking": "course suivante compromise",
}
_EN = {
    "head": "Booking {booking} → {driver}: ",
    "driver": "driver {driver}",
    "nobody": "nobody",
    "on_time": "on time ({spare:.0f} min to spare)",
    "within_tolerance": "{late:.0f} min late, tolerated for a return",
    "late": "{late:.0f} min late",
    "lost": "the booking is lost",
    "way": "{km} km empty",
    "shortest_way": "shortest empty way",
    "regular_preferred": "regular driver preferred",
    "last_resort": "emergency driver, no regular one can",
    "emergency_used": "emergency driver, cheaper on this day",
    "only_driver": "the only driver who can",
    "load_even": "loads even (gap {gap})",
    "load_uneven": "load gap {gap}",
    "nobody_can": "no driver can",
    "left_out": "giving it to one would cost more elsewhere",
    "instead": "Instead {driver}: {minutes} min late, {km} km, cost {cost}",
    "more_lost": ", {lost} lost",
    "cannot": "Cannot: {reasons}",
    "too_late": "too late",
    "shift_end": "end of shift",
    "absence": "away",
    "later_booking": "endangers a later booking",
}
_WORDS = {"fr": _FR, "en": _EN}
LANGUAGES = tuple(_WORDS)

_SAID_OF_THE_CHOICE = (
    "shortest_way", "only_driver", "regular_preferred", "last_resort", "emergency_used", "nobody_can", "left_out",
    "load_even", "load_uneven",
)  # fmt: skip
"""Rules that the first line repeats, in this order; the time window and the way are told with their numbers."""


def text_of(explanation: "Explanation", language: str) -> str:
    """One line on the choice, one on what would be otherwise."""
    words = _WORDS[language]
    said = [*_service(explanation, words, language)]
    said += [words[rule].format(gap=explanation.load_gap) for rule in _SAID_OF_THE_CHOICE if rule in explanation.rules]
    head = words["head"].format(booking=explanation.booking_id, driver=_driver(explanation.driver_id, words))
    lines = [head + ", ".join(said) + "."]
    others = _others(explanation, words, language)
    return "\n".join([*lines, others] if others else lines)


def _service(explanation: "Explanation", words: dict[str, str], language: str) -> list[str]:
    if explanation.lateness_min is None or explanation.deadhead_km is None:
        return [words["lost"]]
    kept = "time_window_kept" in explanation.rules
    time = "on_time" if kept else "within_tolerance" if "within_tolerance" in explanation.rules else "late"
    told = words[time].format(spare=explanation.spare_min, late=explanation.lateness_min)
    return [told, words["way"].format(km=_number(explanation.deadhead_km, language))]


def _others(explanation: "Explanation", words: dict[str, str], language: str) -> str:
    parts = []
    if explanation.next_best is not None:
        parts.append(_instead(explanation.next_best, words, language))
    cannot = Counter(one.why_not for one in explanation.alternatives if one.why_not is not None)
    if cannot:
        reasons = ", ".join(f"{count} {words[str(reason)]}" for reason, count in sorted(cannot.items()))
        parts.append(words["cannot"].format(reasons=reasons))
    return ". ".join(parts) + "." if parts else ""


def _instead(other: "Alternative", words: dict[str, str], language: str) -> str:
    told = words["instead"].format(
        driver=_driver(other.driver_id, words),
        minutes=_number(other.lateness_min or 0.0, language, signed=True, digits=0),
        km=_number(other.deadhead_km or 0.0, language, signed=True),
        cost=_number(other.cost or 0.0, language, signed=True),
    )
    return told + (words["more_lost"].format(lost=f"{other.lost:+d}") if other.lost else "")


def _driver(driver_id: str | None, words: dict[str, str]) -> str:
    return words["nobody"] if driver_id is None else words["driver"].format(driver=driver_id)


def _number(value: float, language: str, *, signed: bool = False, digits: int = 1) -> str:
    text = f"{value:+.{digits}f}" if signed else f"{value:.{digits}f}"
    return text.replace(".", ",") if language == "fr" else text
