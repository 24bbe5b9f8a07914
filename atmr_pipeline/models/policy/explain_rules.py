"""Who could have taken a booking when it was given, and which of the company's rules apply to who got it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from atmr_pipeline.dispatch.problem import DayProblem
from atmr_pipeline.dispatch.simulator import UNASSIGNED, CostWeights, DayOutcome
from atmr_pipeline.models.policy.explanation import ABSENCE, SHIFT_END, TOO_LATE

FloatArray = npt.NDArray[np.float64]

SHORT_WAY_KM = 3.0
"""An empty way of at most this counts as short."""
SAME_KM = 1e-6
"""Ways this near are equally long."""


@dataclass(frozen=True)
class Moment:
    """How each driver stands to a booking, after the bookings that come before it in the plan.

    Parameters
    ----------
    lateness_min : ndarray (D,)
        Arrival - scheduled; negative is early.
    km : ndarray (D,)
        Way to the pickup.
    why_not : tuple of (str or None)
        Of each driver, why it cannot; None where it can.
    """

    lateness_min: FloatArray
    km: FloatArray
    why_not: tuple[str | None, ...]


def moment_of(problem: DayProblem, outcome: DayOutcome, booking: int, weights: CostWeights) -> Moment:
    """See :class:`Moment`; ``outcome`` is of the plan that is explained."""
    free = problem.shift_start_min.copy()
    minutes, km = problem.start_min[:, booking].copy(), problem.start_km[:, booking].copy()
    for earlier in problem.service_order.tolist():
        if earlier == booking:
            break
        driver = int(outcome.driver[earlier])
        if driver != UNASSIGNED:
            free[driver] = outcome.dropoff_end_min[earlier]
            minutes[driver], km[driver] = problem.deadhead_min[earlier, booking], problem.deadhead_km[earlier, booking]
    arrival = free + minutes
    lateness = arrival - problem.scheduled_min[booking]
    start = np.maximum(arrival, problem.ready[booking])
    end = start + problem.pickup_service_min[booking] + problem.ride_min[booking] + problem.dropoff_service_min[booking]
    away = np.zeros(problem.n_drivers, dtype=bool)
    for driver, from_min, to_min in problem.absences:
        away[driver] |= bool(start[driver] < to_min and end[driver] > from_min)
    too_late, after_shift = lateness > weights.lost_after_min, end > problem.shift_end_min
    why = np.select([too_late, after_shift, away], [TOO_LATE, SHIFT_END, ABSENCE], default="")
    return Moment(lateness, km, tuple(str(reason) or None for reason in why))


def rules_of(
    problem: DayProblem, outcome: DayOutcome, booking: int, moment: Moment, weights: CostWeights
) -> tuple[str, ...]:
    """Codes of the rules that apply, of :data:`atmr_pipeline.models.policy.explanation.RULES`."""
    chosen = int(outcome.driver[booking])
    able = np.array([reason is None for reason in moment.why_not], dtype=bool)
    rules = []
    if chosen == UNASSIGNED:
        rules.append("left_out" if able.any() else "nobody_can")
    else:
        rules += _time_and_way(outcome, booking, moment, chosen, able)
        rules += _who(problem, chosen, able)
    rules.append("load_even" if outcome.load_gap <= weights.free_load_gap else "load_uneven")
    return tuple(rules)


def _time_and_way(
    outcome: DayOutcome, booking: int, moment: Moment, chosen: int, able: npt.NDArray[np.bool_]
) -> list[str]:
    rules = []
    if outcome.lateness_min[booking] == 0.0:
        rules.append("time_window_kept")
    else:
        rules.append("late" if outcome.late[booking] else "within_tolerance")
    others = able.copy()
    others[chosen] = False
    if others.any() and moment.km[chosen] <= moment.km[others].min() + SAME_KM:
        rules.append("shortest_way")
    if moment.km[chosen] <= SHORT_WAY_KM:
        rules.append("short_way")
    if not others.any():
        rules.append("only_driver")
    return rules


def _who(problem: DayProblem, chosen: int, able: npt.NDArray[np.bool_]) -> list[str]:
    emergency = problem.is_emergency
    if emergency[chosen]:
        return ["emergency_used" if (able & ~emergency).any() else "last_resort"]
    return ["regular_preferred"] if (able & emergency).any() else []
