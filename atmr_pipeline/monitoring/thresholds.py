"""Every threshold and window of the drift alarms, in one place, each with the reason for its value.

The values were measured on twelve courses a day, where textbook defaults do not work: p < .05 on any of 24 columns
alarms in 70 % of quiet months, and a population stability index above .2 in 93 %. Together the values below alarm
falsely in less than 1 % of quiet weeks.
"""

from dataclasses import dataclass

from atmr_pipeline.domain.errors import SettingsError


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

    feature_windows: tuple[DriftWindow, ...] = (DriftWindow(28, 0.005), DriftWindow(7, 0.002))
    """Measured: p < .005 / 24 on 28 days and p < .002 / 24 on 7 days, for 24 tests. 24 generalises to the number of
    tests planned in the window: two a feature (its values, its NULL share)."""

    label_windows: tuple[int, ...] = (28, 7)
    """Days. The month has the power, the week tells whether the change is still going on."""

    label_alpha: float = 0.001
    """Measured: KS of the label at .001; shared by the label windows (Bonferroni)."""

    label_windows_to_confirm: int = 2
    """Label drift asks for retraining only when this many label windows alarm on the same day."""

    cusum_allowance: float = 0.25
    """k, in standard deviations of the residual: half of the smallest shift worth finding (Page 1954)."""

    cusum_limit: float = 18.0
    """h, in standard deviations: with k = .25 one false alarm in about 58,000 independent residuals (Siegmund 1985)."""

    cusum_clip: float = 3.0
    """A standardised residual counts at most this much, so that one breakdown on the road is not a drift."""

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
