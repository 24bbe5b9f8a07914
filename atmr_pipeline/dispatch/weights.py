"""What a day's plan costs: the weights of its parts."""

from dataclasses import dataclass, fields

from atmr_pipeline.domain.errors import InvalidProblemError


@dataclass(frozen=True)
class CostWeights:
    """Weights of the cost of a day. One unit is one minute of lateness of a non-urgent outbound booking.

    Raises
    ------
    InvalidProblemError
        A weight is negative or not a number, or the return tolerance is not positive.
    """

    empty_km: float = 1.0
    """Cost of one km driven without a patient (to a pickup)."""
    return_tolerance_min: float = 15.0
    """A return booking may come this late for nothing; beyond, excess squared over this same value."""
    urgent_factor: float = 2.0
    """Lateness of an urgent booking costs this many times as much."""
    lost_after_min: float = 30.0
    """A driver who would come later than this does not go: the booking is lost."""
    lost: float = 100.0
    """Cost of a lost booking: unassigned, or too late."""
    lost_urgent: float = 200.0
    """Cost of a lost urgent booking."""
    load_gap: float = 10.0
    """Cost of each booking of load gap beyond the free one."""
    free_load_gap: float = 1.0
    """Load gap that costs nothing: parity cannot always do better than 1."""
    emergency_use: float = 0.0
    """Cost of each emergency driver that serves at least one booking."""

    def __post_init__(self) -> None:
        for field in fields(self):
            if not getattr(self, field.name) >= 0:
                raise InvalidProblemError(f"cost weight {field.name} must be a number >= 0")
        if self.return_tolerance_min == 0:
            raise InvalidProblemError("cost weight return_tolerance_min must be > 0")
