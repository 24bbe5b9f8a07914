"""Safety guards: a plan that breaks one is refused, whoever made it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from atmr_pipeline.dispatch.problem import DayProblem
from atmr_pipeline.dispatch.simulator import UNASSIGNED, CostWeights, DayOutcome, simulate
from atmr_pipeline.domain.errors import InvalidProblemError

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class GuardThresholds:
    """Limits of a plan that may be used."""

    max_delay_min: float = 30.0
    """No pickup may be planned more than this late."""
    max_invalid_share: float = 0.10
    """At most this share of the assigned bookings may break a rule."""
    min_completion: float = 0.85
    """At least this share of the bookings must be served."""


@dataclass(frozen=True)
class GuardVerdict:
    """One guard's answer.

    Parameters
    ----------
    name : str
        ``max_delay_min``, ``invalid_actions`` or ``completion``.
    value, threshold : float
    passed : bool
    """

    name: str
    value: float
    threshold: float
    passed: bool

    def reason(self) -> str:
        """Why the plan is refused, or that this guard has no objection; one line."""
        return f"{self.name} {self.value:.3g} {'keeps' if self.passed else 'breaks'} its limit {self.threshold:.3g}"


def check_plan(
    problem: DayProblem,
    assignment: npt.ArrayLike,
    *,
    weights: CostWeights | None = None,
    thresholds: GuardThresholds | None = None,
) -> list[GuardVerdict]:
    """Judge a plan, also one that the simulator would refuse.

    The plan is executed as drivers would on the road: each goes however late it is. An assignment is invalid if it
    names no driver of the day, makes its driver later than ``CostWeights.lost_after_min``, or has it serve after its
    shift or during an absence. A booking is completed if its assignment is valid. Without bookings every guard passes.

    Parameters
    ----------
    problem : DayProblem
    assignment : array of int (B,)
        -1 is nobody; other indices outside 0 to D - 1 are invalid.
    weights : CostWeights, optional
    thresholds : GuardThresholds, optional

    Raises
    ------
    InvalidProblemError
        ``assignment`` has another shape or does not hold integers.
    """
    weights, thresholds = weights or CostWeights(), thresholds or GuardThresholds()
    given = np.asarray(assignment)
    if given.shape != (problem.n_bookings,) or (given.size > 0 and not np.issubdtype(given.dtype, np.integer)):
        raise InvalidProblemError(f"the assignment must be {problem.n_bookings} integers")
    exists = (given >= 0) & (given < problem.n_drivers)
    drivers = np.where(exists, given, UNASSIGNED).astype(np.int64)
    outcome = simulate(problem, drivers, weights=weights, drop_late=False, enforce_shifts=False)
    assigned = given != UNASSIGNED
    broken = assigned & ~exists
    broken |= outcome.served & (outcome.lateness_min > weights.lost_after_min)
    broken |= _outside_duty(problem, outcome)
    delay = float(np.max(outcome.lateness_min, initial=0.0, where=outcome.served))
    invalid = float(broken.sum() / assigned.sum()) if assigned.any() else 0.0
    completion = float((assigned & ~broken).mean()) if problem.n_bookings else 1.0
    return [
        GuardVerdict("max_delay_min", delay, thresholds.max_delay_min, delay <= thresholds.max_delay_min),
        GuardVerdict("invalid_actions", invalid, thresholds.max_invalid_share, invalid <= thresholds.max_invalid_share),
        GuardVerdict("completion", completion, thresholds.min_completion, completion >= thresholds.min_completion),
    ]


def _outside_duty(problem: DayProblem, outcome: DayOutcome) -> BoolArray:
    outside = np.zeros(problem.n_bookings, dtype=bool)
    served = outcome.served
    outside[served] = outcome.dropoff_end_min[served] > problem.shift_end_min[outcome.driver[served]]
    for driver, from_min, to_min in problem.absences:
        during = (outcome.start_min < to_min) & (outcome.dropoff_end_min > from_min)
        outside |= (outcome.driver == driver) & during
    return outside
