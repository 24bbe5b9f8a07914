"""What gates need of each plan beside its cost: how long it took, and what the guards say of it."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from atmr_pipeline.dispatch.guards import check_plan
from atmr_pipeline.dispatch.kpis import day_kpis
from atmr_pipeline.dispatch.planners import Plan
from atmr_pipeline.dispatch.problem import DayProblem
from atmr_pipeline.dispatch.simulator import CostWeights, simulate

FIGURES = ("day", "load_gap", "late", "invalid_action_rate", "guards_broken", "decision_ms")


class PlanRecorder:
    """A planner that remembers what gates need of every plan that it makes.

    Parameters
    ----------
    planner : callable
        From a day to an assignment or a plan.
    weights : CostWeights
        Of the simulator.
    clock : callable
        Seconds.
    """

    def __init__(
        self,
        planner: Callable[[DayProblem], Plan | npt.NDArray[np.integer]],
        weights: CostWeights,
        *,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._planner, self._weights, self._clock = planner, weights, clock
        self._lines: list[dict[str, Any]] = []

    def __call__(self, problem: DayProblem) -> Plan | npt.NDArray[np.integer]:
        """Plan the next day."""
        started = self._clock()
        planned = self._planner(problem)
        seconds = self._clock() - started
        drivers = planned.assignment if isinstance(planned, Plan) else planned
        guards = {one.name: one for one in check_plan(problem, drivers, weights=self._weights)}
        kpis = day_kpis(simulate(problem, drivers, weights=self._weights))
        broken = [name for name, one in guards.items() if not one.passed]
        self._lines.append(
            {
                "day": len(self._lines),
                "load_gap": kpis.load_gap,
                "late": kpis.late,
                "invalid_action_rate": guards["invalid_actions"].value,
                "guards_broken": ", ".join(broken),
                "decision_ms": 1000.0 * seconds / problem.n_bookings if problem.n_bookings else np.nan,
            }
        )
        return planned

    def figures(self) -> pd.DataFrame:
        """One row a planned day, in the order of planning: :data:`FIGURES`; ``late`` counts pickups over 5 min."""
        return pd.DataFrame(self._lines, columns=list(FIGURES))
