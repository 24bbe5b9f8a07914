"""Better assignments from the heuristic's: a few changes that the policy proposes and the simulator confirms.

The policy only says where to look. Every change is executed on the whole day, and what comes back is never dearer and
never less even than what came in; on any error, nonsense or delay of the policy it is exactly what came in, and it says
so.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from atmr_pipeline.dispatch.problem import DayProblem
from atmr_pipeline.dispatch.simulator import CostWeights, check_assignment, simulate
from atmr_pipeline.domain.errors import InfeasiblePlanError
from atmr_pipeline.models.policy.adviser import Advice, Adviser, PolicyAdviser
from atmr_pipeline.models.policy.calibration import ExecutionNoise, confidence_of, noisy_costs
from atmr_pipeline.models.policy.changes import Change, best_change, changes_advised
from atmr_pipeline.models.policy.policy import DispatchPolicy

IntArray = npt.NDArray[np.int64]
Mode = Literal["suggestions_only", "semi_auto", "fully_auto"]

INFEASIBLE_INPUT = "infeasible_input"
"""The plan that came in breaks a shift end or an absence."""
POLICY_ERROR = "policy_error"
"""The policy raised an error; its class is in ``error``."""
INVALID_ADVICE = "invalid_advice"
"""The policy named a booking or a driver that does not exist."""
TIMEOUT = "timeout"
"""The policy did not answer in time."""
POLICY_HANGS = "policy_hangs"
"""Too many earlier answers are still awaited; the policy was not asked."""
FALLBACK_REASONS = (INFEASIBLE_INPUT, POLICY_ERROR, INVALID_ADVICE, TIMEOUT, POLICY_HANGS)

MAX_ADVICE = 10_000
"""Advice beyond this is not read."""
MAX_ABANDONED = 4
"""Answers that may still be computed after their time was up, before the policy is asked no more."""


@dataclass(frozen=True)
class Move:
    """One booking that changes drivers; ids as in the problem, None for nobody."""

    booking_id: str
    from_driver_id: str | None
    to_driver_id: str


@dataclass(frozen=True)
class Swap:
    """A change that pays: one booking to another driver, or two bookings that exchange their drivers.

    Parameters
    ----------
    moves : tuple of Move
        One or two.
    cost_saved : float
        By the simulator, on top of the changes before it that were applied (or, where none is, proposed).
    confidence : float
        Share of random executions of the day in which it is not dearer: see :mod:`calibration`.
    applied : bool
        Whether the returned assignment holds it.
    """

    moves: tuple[Move, ...]
    cost_saved: float
    confidence: float
    applied: bool


@dataclass(frozen=True)
class OptimizedDispatch:
    """What the optimizer returns.

    Parameters
    ----------
    assignment : ndarray of int (B,)
        Driver of each booking, -1 for nobody.
    swaps : tuple of Swap
        In the order in which they were found, most saving first.
    mode : str
    cost_before, cost_after : float or None
        By the simulator; None where the plan that came in is infeasible.
    load_gap_before, load_gap_after : int or None
    fell_back : str or None
        One of :data:`FALLBACK_REASONS`: the assignment is what came in. None: all went well.
    error : str or None
        Class of the policy's error, never its message.
    model_version : str or None
    """

    assignment: IntArray
    swaps: tuple[Swap, ...]
    mode: Mode
    cost_before: float | None
    cost_after: float | None
    load_gap_before: int | None
    load_gap_after: int | None
    fell_back: str | None = None
    error: str | None = None
    model_version: str | None = None


_NO_SWAPS: tuple[Swap, ...] = ()


class RLDispatchOptimizer:
    """Improves a day's assignments by at most ``max_swaps`` changes.

    Parameters
    ----------
    policy : DispatchPolicy or Adviser
        Who proposes.
    mode : {"suggestions_only", "semi_auto", "fully_auto"}
        Apply nothing; only changes of at least ``min_confidence``; or every change that saves cost, keeps the load gap
        and loses no booking. All modes list what they found.
    max_swaps : int
        Changes that are listed at most.
    min_confidence : float
        0 to 1.
    timeout_s : float
        The policy has so long. Its thread cannot be stopped: it is left behind as a daemon.
    weights : CostWeights, optional
        The policy's own unless said.
    noise : ExecutionNoise, optional
        What confidence is measured under.
    draws : int
        Random days that measure it.
    seed : int
    model_version : str, optional
        Passed on.

    Raises
    ------
    ValueError
        A parameter is outside its range.
    """

    def __init__(
        self,
        policy: DispatchPolicy | Adviser,
        *,
        mode: Mode = "suggestions_only",
        max_swaps: int = 5,
        min_confidence: float = 0.8,
        timeout_s: float = 5.0,
        weights: CostWeights | None = None,
        noise: ExecutionNoise | None = None,
        draws: int = 200,
        seed: int = 0,
        model_version: str | None = None,
    ) -> None:
        if mode not in get_args(Mode):
            raise ValueError(f"mode must be one of {', '.join(get_args(Mode))}, got {mode!r}")
        if max_swaps < 0 or not 0.0 <= min_confidence <= 1.0 or not timeout_s > 0 or draws < 1:
            raise ValueError("max_swaps must be >= 0, min_confidence within 0 to 1, timeout_s > 0 and draws >= 1")
        self.adviser = PolicyAdviser(policy) if isinstance(policy, DispatchPolicy) else policy
        own = policy.weights if isinstance(policy, DispatchPolicy) else CostWeights()
        self.weights = weights or own
        self.mode, self.max_swaps, self.min_confidence, self.timeout_s = mode, max_swaps, min_confidence, timeout_s
        self.noise, self.draws, self.seed = noise or ExecutionNoise(), draws, seed
        self.model_version = model_version
        self._abandoned: list[threading.Thread] = []

    def optimize(self, problem: DayProblem, assignment: npt.ArrayLike) -> OptimizedDispatch:
        """Improve a plan.

        Parameters
        ----------
        problem : DayProblem
        assignment : array of int (B,)
            -1 for nobody.

        Raises
        ------
        InvalidProblemError
            ``assignment`` is no plan of this day: another shape, no integers, or a driver who does not exist.
        """
        given = check_assignment(problem, assignment)
        try:
            before = simulate(problem, given, weights=self.weights)
        except InfeasiblePlanError:
            return OptimizedDispatch(
                given, (), self.mode, None, None, None, None, INFEASIBLE_INPUT, model_version=self.model_version
            )
        advice, fell_back, error = self._advice(problem, given) if problem.n_bookings else ([], None, None)
        plan, swaps = given, _NO_SWAPS
        if fell_back is None:
            plan, swaps = self._choose(problem, given, changes_advised(advice))
        after = simulate(problem, plan, weights=self.weights)
        return OptimizedDispatch(
            assignment=plan,
            swaps=swaps,
            mode=self.mode,
            cost_before=before.total,
            cost_after=after.total,
            load_gap_before=before.load_gap,
            load_gap_after=after.load_gap,
            fell_back=fell_back,
            error=error,
            model_version=self.model_version,
        )

    def _advice(self, problem: DayProblem, given: IntArray) -> tuple[Sequence[Advice], str | None, str | None]:
        """The policy's advice, or why there is none and the class of its error."""
        self._abandoned = [thread for thread in self._abandoned if thread.is_alive()]
        if len(self._abandoned) >= MAX_ABANDONED:
            return [], POLICY_HANGS, None
        answer = _Answer(lambda: list(islice(self.adviser.advise(problem, given.copy()), MAX_ADVICE)))
        answer.thread.join(self.timeout_s)
        if answer.thread.is_alive():
            self._abandoned.append(answer.thread)
            return [], TIMEOUT, None
        if answer.error is not None:
            return [], POLICY_ERROR, type(answer.error).__name__
        if not all(_is_advice(one, problem) for one in answer.value):
            return [], INVALID_ADVICE, None
        return answer.value, None, None

    def _choose(self, problem: DayProblem, given: IntArray, changes: list[Change]) -> tuple[IntArray, tuple[Swap, ...]]:
        """Greedily the change that saves most, on top of those taken so far; no booking moves twice."""
        base = given.copy()
        swaps: list[Swap] = []
        settled: set[int] = set()
        gap_limit = simulate(problem, given, weights=self.weights).load_gap
        while len(swaps) < self.max_swaps:
            found = best_change(problem, base, changes, self.weights, gap_limit=gap_limit, settled=settled)
            if found is None:
                break
            changed, moved, saved = found
            confidence = self._confidence(problem, base, changed)
            applied = self.mode == "fully_auto" or (self.mode == "semi_auto" and confidence >= self.min_confidence)
            moves = tuple(_move(problem, base, changed, booking) for booking in moved)
            swaps.append(Swap(moves, saved, confidence, applied))
            settled.update(moved)
            if applied or self.mode == "suggestions_only":
                base = changed
        return (given.copy() if self.mode == "suggestions_only" else base), tuple(swaps)

    def _confidence(self, problem: DayProblem, base: IntArray, changed: IntArray) -> float:
        costs = [
            noisy_costs(problem, plan, weights=self.weights, noise=self.noise, draws=self.draws, seed=self.seed)
            for plan in (base, changed)
        ]
        return confidence_of(*costs)


class _Answer:
    """A call on a thread of its own: its value or its error once the thread has ended."""

    def __init__(self, call: Callable[[], list[Advice]]) -> None:
        self.value: list[Advice] = []
        self.error: Exception | None = None
        self.thread = threading.Thread(target=self._run, args=(call,), daemon=True, name="policy-advice")
        self.thread.start()

    def _run(self, call: Callable[[], list[Advice]]) -> None:
        try:
            self.value = call()
        # Whatever a policy does must not stop the dispatch: the caller gets the class of the error as a reason.
        except Exception as error:  # noqa: BLE001
            self.error = error


def _is_advice(one: object, problem: DayProblem) -> bool:
    if not isinstance(one, tuple) or len(one) != 2:
        return False
    if not all(isinstance(part, int | np.integer) and not isinstance(part, bool) for part in one):
        return False
    booking, driver = one
    return 0 <= booking < problem.n_bookings and 0 <= driver < problem.n_drivers


def _move(problem: DayProblem, base: IntArray, changed: IntArray, booking: int) -> Move:
    came_from = int(base[booking])
    return Move(
        booking_id=problem.booking_ids[booking],
        from_driver_id=None if came_from < 0 else problem.driver_ids[came_from],
        to_driver_id=problem.driver_ids[int(changed[booking])],
    )
