"""What a dispatcher can do about a risk, by explicit rules, in French and English."""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from atmr_pipeline.domain.errors import SettingsError
from atmr_pipeline.monitoring.risk_alerts.levels import RiskLevel

Language = Literal["fr", "en"]


class AdviceCode(StrEnum):
    """What can be done, what costs least first; advice is always given in this order."""

    LEAVE_EARLIER = "leave_earlier"
    OTHER_DRIVER = "other_driver"
    CALL_PATIENT = "call_patient"


TEXTS: dict[str, dict[AdviceCode, str]] = {
    "fr": {
        AdviceCode.LEAVE_EARLIER: "Partir {minutes} min plus tôt",
        AdviceCode.OTHER_DRIVER: "Confier à un autre chauffeur (environ {minutes} min gagnées)",
        AdviceCode.CALL_PATIENT: "Appeler le patient",
    },
    "en": {
        AdviceCode.LEAVE_EARLIER: "Leave {minutes} min earlier",
        AdviceCode.OTHER_DRIVER: "Give it to another driver (about {minutes} min gained)",
        AdviceCode.CALL_PATIENT: "Call the patient",
    },
}
LEVEL_TEXTS: dict[str, dict[RiskLevel, str]] = {
    "fr": {
        RiskLevel.WATCH: "À surveiller",
        RiskLevel.HIGH: "Risque élevé",
        RiskLevel.CRITICAL: "Risque critique",
        RiskLevel.IMPOSSIBLE: "Ponctualité impossible",
    },
    "en": {
        RiskLevel.WATCH: "To watch",
        RiskLevel.HIGH: "High risk",
        RiskLevel.CRITICAL: "Critical risk",
        RiskLevel.IMPOSSIBLE: "Cannot be on time",
    },
}
HEADLINES = {
    "fr": "{level} : {percent} % de risque de retard, écart attendu {delay:+d} min.",
    "en": "{level}: {percent} % risk of being late, {delay:+d} min expected.",
}


@dataclass(frozen=True)
class Advice:
    """One recommendation.

    Attributes
    ----------
    code : AdviceCode
    minutes : int or None
        Whole minutes to leave earlier, or that another driver gains; None for a call.
    """

    code: AdviceCode
    minutes: int | None = None

    def text(self, language: Language) -> str:
        """One line for the dispatcher."""
        return TEXTS[language][self.code].format(minutes=self.minutes)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"code": str(self.code), "minutes": self.minutes}


@dataclass(frozen=True)
class AdviceRules:
    """From how many minutes on advice is worth giving.

    Raises
    ------
    SettingsError
        If a value is below 1.
    """

    min_earlier_min: int = 1
    """Leaving fewer minutes earlier is not advised."""
    min_gain_min: float = 5.0
    """Another driver who gains less is not advised; the company calls a pickup late from the same 5 minutes on."""

    def __post_init__(self) -> None:
        if not (self.min_earlier_min >= 1 and self.min_gain_min >= 1.0):
            raise SettingsError("advice needs min_earlier_min >= 1 and min_gain_min >= 1")


def recommend(
    level: RiskLevel,
    expected_delay_min: float,
    *,
    slack_min: float | None = None,
    gain_min: float | None = None,
    rules: AdviceRules | None = None,
) -> tuple[Advice, ...]:
    """What to do about one alert; never nothing.

    - ``leave_earlier``: the driver's slack before the course is positive and covers some of the expected delay; by the
      expected delay rounded up, or by the whole minutes of slack where these are fewer.
    - ``other_driver``: another driver is known to gain enough.
    - ``call_patient``: the level is critical or above, or nothing else helps.

    What is not known (None) gives no advice.

    Parameters
    ----------
    expected_delay_min : float
        Minutes; negative is early.
    slack_min : float, optional
        Minutes between the driver being able to be at the pickup and the scheduled time; negative is too late.
    gain_min : float, optional
        Minutes that the best other driver who is free is expected to gain.
    rules : AdviceRules, optional
        From how many minutes on.

    Returns
    -------
    tuple of Advice
        In the order of :class:`AdviceCode`.
    """
    rules = rules if rules is not None else AdviceRules()
    given = []
    if slack_min is not None and slack_min > 0.0 and expected_delay_min > 0.0:
        earlier = min(math.ceil(expected_delay_min), math.floor(slack_min))
        if earlier >= rules.min_earlier_min:
            given.append(Advice(AdviceCode.LEAVE_EARLIER, earlier))
    if gain_min is not None and gain_min >= rules.min_gain_min:
        given.append(Advice(AdviceCode.OTHER_DRIVER, math.floor(gain_min)))
    if level.severity >= RiskLevel.CRITICAL.severity or not given:
        given.append(Advice(AdviceCode.CALL_PATIENT))
    return tuple(given)


def dispatcher_text(
    level: RiskLevel, p_late: float, expected_delay_min: float, advice: tuple[Advice, ...], language: Language
) -> str:
    """What the dispatcher reads of one alert: level, risk, expected delay, advice. It names nobody."""
    headline = HEADLINES[language].format(
        level=LEVEL_TEXTS[language][level], percent=round(100 * p_late), delay=round(expected_delay_min)
    )
    return " ".join([headline, *(f"{one.text(language)}." for one in advice)])
