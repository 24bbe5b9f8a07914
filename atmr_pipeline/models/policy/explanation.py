"""What an explanation of one assignment holds."""

from dataclasses import dataclass
from typing import Literal

from atmr_pipeline.models.policy.explain_text import LANGUAGES, text_of

TOO_LATE, SHIFT_END, ABSENCE, LATER_BOOKING = "too_late", "shift_end", "absence", "later_booking"
WHY_NOT = (TOO_LATE, SHIFT_END, ABSENCE, LATER_BOOKING)
"""Why a driver cannot take a booking: would come too late to go, would finish after the shift, would be away, or could
not keep a shift end or an absence with a later booking of the same plan."""

RULES = (
    "time_window_kept", "within_tolerance", "late", "shortest_way", "short_way", "regular_preferred", "last_resort",
    "emergency_used", "load_even", "load_uneven", "only_driver", "nobody_can", "left_out",
)  # fmt: skip
"""Codes of the business rules that may apply to an assignment."""


@dataclass(frozen=True)
class Alternative:
    """The same day with the booking given to somebody else. Differences are alternative minus plan.

    Parameters
    ----------
    driver_id : str or None
        None is nobody.
    q_value : float or None
        In reward units (20 cost units); None where the driver cannot take the booking at that moment.
    why_not : str or None
        One of :data:`WHY_NOT`.
    cost : float or None
        Difference of the whole day's cost; None where the day could not be driven.
    lateness_min, deadhead_km : float or None
        Difference of all minutes late and of all empty km.
    lost : int or None
        Difference of lost bookings.
    """

    driver_id: str | None
    q_value: float | None
    why_not: str | None
    cost: float | None
    lateness_min: float | None
    deadhead_km: float | None
    lost: int | None


@dataclass(frozen=True)
class FeatureShare:
    """What one feature says for the plan's choice and against the best alternative.

    Parameters
    ----------
    name, unit : str
        Of the feature contract.
    driver_id : str or None
        Whose feature it is; None for the day's.
    value : float
        In ``unit``.
    cost : float
        Gradient x input, in cost units: positive speaks for the choice.
    """

    name: str
    unit: str
    driver_id: str | None
    value: float
    cost: float


@dataclass(frozen=True)
class Explanation:
    """Why a booking has this driver.

    Parameters
    ----------
    booking_id : str
    driver_id : str or None
        None: nobody takes it, or its driver would come too late to go.
    q_value : float
        Of what the plan does: its driver, or a drop where the booking is lost.
    lateness_min : float or None
        max(0, arrival - scheduled); None for a lost booking.
    spare_min : float or None
        Scheduled - arrival where the driver is early or on time, else 0; None for a lost booking.
    deadhead_km : float or None
        Way to this pickup.
    load_gap : int
        Of the whole day.
    alternatives : tuple of Alternative
        Every other driver, then nobody.
    compared_with : str or None
        Driver of the best alternative by Q that the features compare with; None is a drop, or no alternative.
    by_rule_cost, learned_cost : float
        The two parts of the Q-difference to that alternative, in cost units: the value by rule, and what the network
        adds. Positive speaks for the choice.
    features : tuple of FeatureShare
        Of the learned part, the weightiest first.
    rules : tuple of str
        Of :data:`RULES`, those that apply.
    """

    booking_id: str
    driver_id: str | None
    q_value: float
    lateness_min: float | None
    spare_min: float | None
    deadhead_km: float | None
    load_gap: int
    alternatives: tuple[Alternative, ...]
    compared_with: str | None
    by_rule_cost: float
    learned_cost: float
    features: tuple[FeatureShare, ...]
    rules: tuple[str, ...]

    @property
    def next_best(self) -> Alternative | None:
        """The driver with whom the day would cost least after this one; None where no other driver can."""
        able = [one for one in self.alternatives if one.driver_id is not None and one.cost is not None]
        able = [one for one in able if one.why_not is None]
        return min(able, key=lambda one: one.cost or 0.0, default=None)

    def text(self, language: Literal["fr", "en"] = "fr") -> str:
        """One or two lines for a dispatcher.

        Raises
        ------
        ValueError
            If the language is not one of ``fr`` and ``en``.
        """
        if language not in LANGUAGES:
            raise ValueError(f"language must be one of {', '.join(LANGUAGES)}, got {language!r}")
        return text_of(self, language)
