"""When a change of driver may be suggested, and the codes of why it may not."""

import math
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from atmr_pipeline.dispatch.guards import GuardThresholds
from atmr_pipeline.domain.errors import SettingsError


class EmergencyUse(StrEnum):
    """When an EMERGENCY driver may be offered."""

    NEVER = "never"
    LAST_RESORT = "last_resort"
    """Only where no regular driver can take the course."""
    ALWAYS = "always"


class Refusal(StrEnum):
    """Why a course stays where it is, or why a driver is not offered."""

    NO_DRIVER = "no_driver"
    """The assignment names nobody: there is no present driver to compare with."""
    COURSE_NOT_PLACED = "course_not_placed"
    """The course has no coordinates, no way or no time: nobody can say who could reach it."""
    TOO_SOON = "too_soon"
    """Less than ``min_notice_min`` before the pickup."""
    ALREADY_CHANGED = "already_changed"
    """It has been given to another driver in this very pass."""
    INACTIVE = "inactive"
    UNAVAILABLE = "unavailable"
    OFF_SHIFT = "off_shift"
    """No shift that day, or the shift does not cover the whole course, or would end before the driver's last one."""
    NO_POSITION = "no_position"
    """On shift, but where the driver starts is not known."""
    ABSENT = "absent"
    UNPLACED_COURSE = "unplaced_course"
    """The driver has a course that could not be placed in the day: an overlap could not be seen."""
    OVER_LIMIT = "over_limit"
    LOAD_GAP = "load_gap"
    """The day's load gap would grow beyond what is allowed."""
    OVERLAPS = "overlaps"
    """By planned travel the driver would come late to this course, or later than now to another."""
    GUARD = "guard"
    """The plan would break a safety guard, or break one worse than now."""
    EMERGENCY_RESERVED = "emergency_reserved"
    LESS_KNOWN = "less_known"
    """More of the driver's history is unknown than of the present driver's: the gain could come from not knowing."""
    NO_OWN_GAIN = "no_own_gain"
    """The course itself would not be less late; what it would do to other courses is not looked at."""
    NOT_EVALUATED = "not_evaluated"
    """The gain on the course itself is not among the best ``evaluated_candidates``."""
    GAIN_TOO_SMALL = "gain_too_small"
    NOT_CONFIDENT = "not_confident"
    """The gain is large enough as predicted, its low end is not."""
    CHANGES_USED_UP = "changes_used_up"
    """``max_changes`` better changes were made."""


@dataclass(frozen=True)
class ReassignmentParams:
    """Knobs of the search for a better driver.

    Raises
    ------
    SettingsError
        Naming the parameter and its valid range.
    """

    risky_expected_delay_min: float = 3.0
    """A course is risky from this expected delay on, minutes ..."""
    risky_p_late: float = 0.15
    """... or from this probability of being late on (the company's threshold of a high alert)."""
    min_gain_min: float = 1.0
    """Expected lateness that a change must take off the whole day, minutes, at the low end of its uncertainty. Early
    counts as on time: being earlier than early is worth nothing."""
    min_gain_p_late: float = 0.02
    """Late pickups that a change must take off the whole day (sum of P(late)), at the low end of its uncertainty."""
    max_changes: int = 3
    """Changes a company and day in one pass; 0 switches them off."""
    min_notice_min: float = 30.0
    """A course is left alone if its pickup is nearer than this, minutes."""
    max_planned_lateness_min: float = 0.0
    """A driver is not offered who by planned travel would reach the course later than this, minutes."""
    emergency: EmergencyUse = EmergencyUse.LAST_RESORT
    max_courses: int | None = None
    """Courses a driver and day; None is no limit."""
    max_load_gap_increase: int | None = 0
    """By how much a change may widen the day's load gap beyond 1 (a gap of 1 is always allowed); None is no limit."""
    evaluated_candidates: int = 5
    """Candidates of a course, the best by their gain on it alone, for whom the rest of the day is predicted too."""
    guards: GuardThresholds = field(default_factory=GuardThresholds)

    def __post_init__(self) -> None:
        at_least_0 = ("min_gain_min", "min_gain_p_late", "min_notice_min", "max_planned_lateness_min")
        for name in ("risky_expected_delay_min", *at_least_0):
            value = getattr(self, name)
            if not math.isfinite(value) or (name in at_least_0 and value < 0):
                raise SettingsError(f"{name} must be a finite number{' >= 0' if name in at_least_0 else ''}")
        if not 0.0 <= self.risky_p_late <= 1.0:
            raise SettingsError("risky_p_late must be from 0 to 1")
        if self.max_changes < 0 or self.evaluated_candidates < 1:
            raise SettingsError("max_changes must be >= 0 and evaluated_candidates >= 1")
        if self.max_courses is not None and self.max_courses < 1:
            raise SettingsError("max_courses must be >= 1, or None for no limit")
        if self.max_load_gap_increase is not None and self.max_load_gap_increase < 0:
            raise SettingsError("max_load_gap_increase must be >= 0, or None for no limit")
        if self.emergency not in set(EmergencyUse):
            raise SettingsError(f"emergency must be one of {', '.join(EmergencyUse)}")

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as metadata holds them."""
        return {**asdict(self), "emergency": str(self.emergency)}
