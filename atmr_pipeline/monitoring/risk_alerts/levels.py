"""How severe a risk is: the company's levels of P(late)."""

from dataclasses import dataclass
from enum import StrEnum

from atmr_pipeline.domain.errors import SettingsError


class RiskLevel(StrEnum):
    """Levels of a risk, the mildest first."""

    WATCH = "watch"
    """Reaches the alert threshold of the model in service, but none of the company's levels."""
    HIGH = "high"
    CRITICAL = "critical"
    IMPOSSIBLE = "impossible"

    @property
    def severity(self) -> int:
        """0 for the mildest."""
        return list(RiskLevel).index(self)


@dataclass(frozen=True)
class RiskThresholds:
    """P(late) from which each of the company's levels begins.

    Raises
    ------
    SettingsError
        Unless ``0 < high < critical < impossible <= 1``.
    """

    high: float = 0.15
    critical: float = 0.30
    impossible: float = 0.80

    def __post_init__(self) -> None:
        if not 0.0 < self.high < self.critical < self.impossible <= 1.0:
            raise SettingsError("risk levels need 0 < high < critical < impossible <= 1")

    def items(self) -> tuple[tuple[RiskLevel, float], ...]:
        """Level and the P(late) from which it begins, the most severe first."""
        return (
            (RiskLevel.IMPOSSIBLE, self.impossible),
            (RiskLevel.CRITICAL, self.critical),
            (RiskLevel.HIGH, self.high),
        )

    def level(self, p_late: float, alert_threshold: float) -> RiskLevel | None:
        """The level of a probability that is known; None below every level and the alert threshold."""
        reached = next((level for level, least in self.items() if p_late >= least), None)
        return RiskLevel.WATCH if reached is None and p_late >= alert_threshold else reached
