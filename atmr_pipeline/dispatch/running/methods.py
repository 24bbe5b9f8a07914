"""Running a day by a method, and what came of it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from atmr_pipeline.dispatch.kernel import SHIFT_START, PackedDay, gap_of, pack
from atmr_pipeline.dispatch.planners.exact import solve_from
from atmr_pipeline.dispatch.planners.local_search import local_search
from atmr_pipeline.dispatch.problem import DayProblem
from atmr_pipeline.dispatch.running.day import (
    GONE,
    LEFT_OUT,
    MISSED,
    NO_SHOW,
    OVERTIME,
    Run,
    commit,
    cost_of,
    decision_min,
    is_gone,
    loads_of,
    start,
)
from atmr_pipeline.dispatch.running.hybrid import decide, note
from atmr_pipeline.dispatch.running.noise import AS_EXPECTED, Noise, Realisation
from atmr_pipeline.dispatch.running.residual import ResidualWeights, no_residual
from atmr_pipeline.dispatch.running.rules import cheapest_driver, least_late_driver, static_driver
from atmr_pipeline.dispatch.running.view import View, legal_drivers, look, packed, with_margin
from atmr_pipeline.dispatch.weights import CostWeights

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

ROUNDS = 1
"""Of the search for each candidate: more takes longer and changes little."""

Decide = Callable[[View], tuple[int, IntArray]]
"""From what is seen to the driver of the first booking (-1: nobody) and the plan of all (n,)."""


@dataclass(frozen=True)
class RunningMethod:
    """A way to decide.

    Parameters
    ----------
    decide : callable
    beliefs : ndarray (3,)
        How the view is to tell what is uncertain: :data:`AS_EXPECTED`, or :meth:`Noise.beliefs`.
    """

    decide: Decide
    beliefs: FloatArray


@dataclass(frozen=True)
class RunningOutcome:
    """How a day went. Arrays follow the problem's bookings.

    Parameters
    ----------
    total : float
        Cost of the day, the simulator's definition.
    driver : ndarray of int (B,)
        Who was asked, -1 nobody.
    n_lost, n_no_show, n_cancelled : int
        Bookings; lost is given to nobody or missed.
    load_gap : int
    overtime_min : float
        After shift ends, all drivers.
    decisions : int
    decision_s : float
        Time of the process in deciding, all decisions together.
    """

    total: float
    driver: IntArray
    n_lost: int
    n_no_show: int
    n_cancelled: int
    load_gap: int
    overtime_min: float
    decisions: int
    decision_s: float


def running_method(name: str, noise: Noise, *, margin: float = 0.0, hopeful: bool = False) -> RunningMethod:
    """A method by name.

    Parameters
    ----------
    name : str
        ``static``: the plan of the morning, new bookings to the cheapest driver. ``greedy``: always the cheapest.
        ``local_search``, ``exact``: the rest of the day is planned again at every decision, as expected.
        ``risk_search``: local search by expected cost under ``noise``.
    noise : Noise
    margin : float
        Every way is planned as if it took ``1 + margin`` times as long (``local_search`` and ``exact``).
    hopeful : bool
        A booking that the plan leaves out is given to the driver who would come least late, who may yet be in time
        (``local_search`` and ``exact``; ``risk_search`` does so by itself where it pays).

    Raises
    ------
    ValueError
        The name is not known, or the method takes no margin or hope.
    """
    deciders: dict[str, Decide] = {
        "static": static_driver,
        "greedy": _greedy,
        "local_search": partial(_with_margin, partial(_search, no_residual()), margin, hopeful),
        "exact": partial(_with_margin, _exact, margin, hopeful),
        "risk_search": partial(_search, no_residual()),
    }
    if name not in deciders:
        raise ValueError(f"unknown method {name!r}: choose one of {', '.join(deciders)}")
    if (margin != 0.0 or hopeful) and name not in ("local_search", "exact"):
        raise ValueError("only local_search and exact take a margin or hope")
    return RunningMethod(deciders[name], noise.beliefs() if name == "risk_search" else AS_EXPECTED)


def hybrid_method(net: ResidualWeights, noise: Noise) -> RunningMethod:
    """Risk-aware local search and a learned residual."""
    return RunningMethod(partial(_search, net), noise.beliefs())


def run_day(
    problem: DayProblem,
    realisation: Realisation,
    noise: Noise,
    method: RunningMethod,
    *,
    weights: CostWeights | None = None,
) -> RunningOutcome:
    """Run a day; the same realisation is the same chance for every method."""
    day, terms = pack(problem, weights or CostWeights()), noise.terms()
    run = start(day)
    run.plan[:] = morning_plan(day, realisation)
    decisions, took = 0, 0.0
    for rank in range(problem.n_bookings):
        now = decision_min(day, terms[0], rank)
        if is_gone(realisation, run, rank, now):
            continue
        began = time.process_time()
        view = look(day, realisation, run, rank, now, method.beliefs)
        driver, plan = method.decide(view)
        took += time.process_time() - began
        decisions += 1
        note(run, view, plan)
        commit(day, realisation, run, rank, driver, now, terms[1])
    return _outcome(problem, day, run, decisions, took)


def morning_plan(day: PackedDay, realisation: Realisation) -> IntArray:
    """Local search on the bookings known when the day starts; driver of each rank (B,), -1 for those unknown."""
    view = look(day, realisation, start(day), 0, -np.inf, AS_EXPECTED)
    plan = np.full(day.bookings.shape[0], -1, dtype=np.int64)
    plan[view.ranks] = local_search(packed(view), 0)
    return plan


def _greedy(view: View) -> tuple[int, IntArray]:
    return cheapest_driver(view), view.plan


def _search(net: ResidualWeights, view: View) -> tuple[int, IntArray]:
    driver, plan = decide(view, net, ROUNDS)
    return int(driver), plan


def _exact(view: View) -> tuple[int, IntArray]:
    plan, _, _, _ = solve_from(packed(view), 0, np.arange(view.loads.size), view.drivers[:, SHIFT_START], view.loads)
    return int(plan[0]), plan


def _with_margin(decide_on: Decide, margin: float, hopeful: bool, view: View) -> tuple[int, IntArray]:
    driver, plan = decide_on(with_margin(view, margin) if margin != 0.0 else view)
    if driver >= 0 and not legal_drivers(view)[driver]:
        driver = int(cheapest_driver(view))
    return (int(least_late_driver(view)) if driver < 0 and hopeful else driver), plan


def _outcome(problem: DayProblem, day: PackedDay, run: Run, decisions: int, took: float) -> RunningOutcome:
    driver = np.empty(problem.n_bookings, dtype=np.int64)
    driver[problem.service_order] = run.driver
    return RunningOutcome(
        total=float(cost_of(day, run)),
        driver=driver,
        n_lost=int(np.isin(run.state, (LEFT_OUT, MISSED)).sum()),
        n_no_show=int((run.state == NO_SHOW).sum()),
        n_cancelled=int((run.state == GONE).sum()),
        load_gap=int(gap_of(loads_of(run))),
        overtime_min=float(run.spent[OVERTIME]),
        decisions=decisions,
        decision_s=took,
    )
