"""Every threshold and window of the drift alarms, in one place, each with the reason for its value.

The values were measured on twelve courses a day, where textbook defaults do not work: p < .05 on any of 24 columns
alarms in 70 % of quiet months, and a population stability index above .2 in 93 %. Together the values below alarm
falsely in less than 1 % of quiet weeks.
"""

import math
from dataclasses import dataclass, replace
from typing import Protocol

from atmr_pipeline.domain.errors import SettingsError

WINDOWS_FORM = "days:alpha pairs separated by commas, such as 7:0.002,28:0.005"
LABEL_WINDOWS_FORM = "days separated by commas, such as 7,28"
LABEL_WINDOWS_TO_CONFIRM = 2


class Knobs(Protocol):
    """The settings that thresholds are made of; the names are those of the environment."""

    drift_windows: str
    drift_label_windows: str
    drift_label_alpha: float
    drift_cusum_allowance: float
    drift_cusum_limit: float
    drift_severity_wasserstein: float
    drift_severity_jensen_shannon: float
    drift_quiet_days: int


@dataclass(frozen=True)
class DriftWindow:
    """One trailing window and the family-wise error rate that one look at it may spend.

    Parameters
    ----------
    days : int
        Calendar days, the day of the look included.
    alpha : float
        Probability that any of the window's tests alarms on data that did not change. It is divided by the number
        of tests of the window (Bonferroni), so adding features does not add false alarms.
    """

    days: int
    alpha: float

    def __post_init__(self) -> None:
        if self.days < 1 or not 0.0 < self.alpha < 1.0:
            raise SettingsError(f"drift window: days must be >= 1 and 0 < alpha < 1, got {self.days} and {self.alpha}")


@dataclass(frozen=True)
class DriftSettings:
    """Thresholds of the drift alarms.

    Raises
    ------
    SettingsError
        When a value is outside its valid range.
    """

    feature_windows: tuple[DriftWindow, ...] = (DriftWindow(7, 0.002), DriftWindow(28, 0.005), DriftWindow(84, 0.005))
    """Measured: p < .005 / 24 on 28 days and p < .002 / 24 on 7 days, for 24 tests. 24 generalises to the number of
    tests planned in the window: two a feature (its values, its NULL share). The quarter sees what creeps."""

    label_windows: tuple[int, ...] = (7, 28, 84)
    """Days. The month has the power, the week tells whether the change is still going on, the quarter sees what
    creeps."""

    label_alpha: float = 0.001
    """Measured: KS of the label at .001; shared by the label windows (Bonferroni)."""

    label_windows_to_confirm: int = LABEL_WINDOWS_TO_CONFIRM
    """Label drift is recorded, and asks for retraining, only when so many of the shortest label windows alarm on the
    same day: the week and the month."""

    cusum_allowance: float = 0.25
    """k, in standard deviations of the residual: half of the smallest shift worth finding (Page 1954)."""

    cusum_limit: float = 16.0
    """h, in standard deviations: with k = .25 one false alarm in about 21,000 independent scores (Siegmund 1985). On
    two demo companies 16 found five minutes three days sooner than 18."""

    cusum_clip: float = 1.5
    """A score counts at most this much: one breakdown on the road is not a drift, and heavy tails hide none. 95 %
    efficient on normal residuals (Huber 1964, 1.345 to 1.5)."""

    cusum_ceiling: float = 2.0
    """The sums stop growing at this multiple of the limit, so that a drift that ended clears within days."""

    severity_wasserstein: float = 0.3
    """Wasserstein distance over the reference's standard deviation, above which an alarm is severe; never an alarm
    by itself (the company's figure)."""

    severity_jensen_shannon: float = 0.2
    """Jensen-Shannon distance (base 2) above which a label or category alarm is severe (the company's figure)."""

    severity_null_share: float = 0.1
    """Change of a NULL share above which its alarm is severe."""

    minimum_reference_rows: int = 100
    """Known values in the reference below which nothing is tested."""

    minimum_current_rows: int = 20
    """Known values in a window below which nothing is tested: two ordinary days."""

    minimum_effective_rows: float = 5.0
    """Independent observations (rows over design effect) in a window below which nothing is tested (Cochran 1954)."""

    quiet_days_to_close: int = 7
    """An alarm that returns within this many calendar days continues the same alarm: one event, not several."""

    def __post_init__(self) -> None:
        positive = {
            "cusum_allowance": self.cusum_allowance,
            "cusum_limit": self.cusum_limit,
            "cusum_clip": self.cusum_clip,
            "severity_wasserstein": self.severity_wasserstein,
            "severity_jensen_shannon": self.severity_jensen_shannon,
            "severity_null_share": self.severity_null_share,
            "minimum_reference_rows": self.minimum_reference_rows,
            "minimum_current_rows": self.minimum_current_rows,
            "minimum_effective_rows": self.minimum_effective_rows,
        }
        wrong = [f"{name} must be > 0, got {value}" for name, value in positive.items() if not value > 0]
        if not 0.0 < self.label_alpha < 1.0:
            wrong.append(f"label_alpha must lie between 0 and 1, got {self.label_alpha}")
        if not self.cusum_ceiling >= 1.0:
            wrong.append(f"cusum_ceiling must be >= 1, got {self.cusum_ceiling}")
        if not self.feature_windows or not self.label_windows or min(self.label_windows) < 1:
            wrong.append("feature_windows and label_windows each need at least one window of at least 1 day")
        if not 1 <= self.label_windows_to_confirm <= max(len(self.label_windows), 1):
            wrong.append(f"label_windows_to_confirm must lie between 1 and {len(self.label_windows)}")
        if self.quiet_days_to_close < 1:
            wrong.append(f"quiet_days_to_close must be >= 1, got {self.quiet_days_to_close}")
        if wrong:
            raise SettingsError("drift settings: " + "; ".join(wrong))

    @classmethod
    def from_knobs(cls, knobs: Knobs) -> "DriftSettings":
        """The thresholds that the settings of a home ask for.

        Raises
        ------
        SettingsError
            Naming the variable, when a list of windows cannot be read.
        """
        try:
            windows, label_windows = parse_windows(knobs.drift_windows), parse_days(knobs.drift_label_windows)
        except ValueError as error:
            raise SettingsError(f"ATMR_DRIFT_WINDOWS, ATMR_DRIFT_LABEL_WINDOWS: {error}") from None
        return cls(
            feature_windows=windows,
            label_windows=label_windows,
            label_alpha=knobs.drift_label_alpha,
            label_windows_to_confirm=min(LABEL_WINDOWS_TO_CONFIRM, len(label_windows)),
            cusum_allowance=knobs.drift_cusum_allowance,
            cusum_limit=knobs.drift_cusum_limit,
            severity_wasserstein=knobs.drift_severity_wasserstein,
            severity_jensen_shannon=knobs.drift_severity_jensen_shannon,
            quiet_days_to_close=knobs.drift_quiet_days,
        )

    @property
    def confirming_windows(self) -> tuple[int, ...]:
        """The label windows that must alarm on the same day, days."""
        return tuple(sorted(self.label_windows)[: self.label_windows_to_confirm])

    def shared_by(self, groups: int) -> "DriftSettings":
        """The same error rates, spent once over several groups that are looked at side by side.

        Error rates of tests are divided (Bonferroni). The time to a false alarm of a CUSUM grows as exp(2kh)
        (Siegmund 1985), so its limit rises by ln(groups) / 2k.
        """
        if groups <= 1:
            return self
        return replace(
            self,
            feature_windows=tuple(DriftWindow(window.days, window.alpha / groups) for window in self.feature_windows),
            label_alpha=self.label_alpha / groups,
            cusum_limit=self.cusum_limit + math.log(groups) / (2.0 * self.cusum_allowance),
        )


def parse_windows(text: str) -> tuple[DriftWindow, ...]:
    """Read windows such as ``7:0.002,28:0.005``, shortest first.

    Raises
    ------
    ValueError
        Saying which entry is wrong.
    """
    windows = []
    for number, entry in enumerate(_entries(text), start=1):
        days, _, alpha = entry.partition(":")
        try:
            windows.append(DriftWindow(int(days), float(alpha)))
        except (ValueError, SettingsError):
            raise ValueError(f"must be {WINDOWS_FORM}, days >= 1 and 0 < alpha < 1; entry {number} is not") from None
    if not windows or len({window.days for window in windows}) < len(windows):
        raise ValueError(f"must be {WINDOWS_FORM}, at least one, each length once")
    return tuple(sorted(windows, key=lambda window: window.days))


def parse_days(text: str) -> tuple[int, ...]:
    """Read window lengths such as ``7,28``, shortest first; ValueError says which entry is wrong."""
    days = []
    for number, entry in enumerate(_entries(text), start=1):
        if not (entry.isascii() and entry.isdigit() and int(entry) >= 1):
            raise ValueError(f"must be {LABEL_WINDOWS_FORM}, each >= 1; entry {number} is not")
        days.append(int(entry))
    if not days or len(set(days)) < len(days):
        raise ValueError(f"must be {LABEL_WINDOWS_FORM}, at least one, each length once")
    return tuple(sorted(days))


def _entries(text: str) -> list[str]:
    return [entry.strip() for entry in text.split(",") if entry.strip()]
