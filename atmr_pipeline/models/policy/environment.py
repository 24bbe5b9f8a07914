"""A dispatcher's day as a decision process, for many days of different sizes at once.

Bookings are taken in service order; the action is the driver who takes the current one, or "drop". The reward is minus
the increase of the day's cost, over :data:`REWARD_SCALE`, and the load-gap penalty is telescoped (each step pays the
change of the penalty), so that the return of an episode is exactly ``-total / REWARD_SCALE`` of
:func:`atmr_pipeline.dispatch.simulator.simulate`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from atmr_pipeline.dispatch.problem import DayProblem
from atmr_pipeline.dispatch.simulator import UNASSIGNED, CostWeights
from atmr_pipeline.domain.errors import InfeasiblePlanError
from atmr_pipeline.models.policy.bank import BOOKING_COLUMNS, DayBank

REWARD_SCALE = 20.0
"""Cost units in one unit of reward: keeps returns of a usual day within a few tens."""


@dataclass(frozen=True)
class DayState:
    """Where N running days stand; compact, so that a replay buffer can hold many.

    Parameters
    ----------
    day : Tensor of int64 (N,)
        Row of the bank.
    step : Tensor of int64 (N,)
        Next booking in service order; equal to the day's number of bookings once it is over.
    free_min : Tensor (N, D)
        When each driver is next free, minutes after local midnight.
    position : Tensor of int64 (N, D)
        Where it will be then: a position of ``DayBank.travel``.
    load : Tensor of int64 (N, D)
        Bookings served so far.
    """

    day: Tensor
    step: Tensor
    free_min: Tensor
    position: Tensor
    load: Tensor

    def take(self, rows: Tensor) -> "DayState":
        """The states at some rows, (n,) indices or a mask."""
        return DayState(*(getattr(self, field.name)[rows] for field in fields(self)))


def states_together(states: Sequence[DayState]) -> DayState:
    """Several sets of states as one, in order."""
    return DayState(*(torch.cat([getattr(state, field.name) for state in states]) for field in fields(DayState)))


def initial_state(bank: DayBank, day: Tensor) -> DayState:
    """Every driver at its start point at the start of its shift, for the bank rows ``day`` (N,)."""
    start = torch.arange(bank.max_drivers, device=day.device).expand(len(day), -1)
    return DayState(
        day=day.clone(),
        step=torch.zeros_like(day),
        free_min=bank.shift_start_min[day].clone(),
        position=start.clone(),
        load=torch.zeros_like(start),
    )


@dataclass(frozen=True)
class Window:
    """The next W bookings of N days and what is known of them; all (N, W), rubbish where ``exists`` is False."""

    index: Tensor
    exists: Tensor
    scheduled_min: Tensor
    ready_min: Tensor
    pickup_service_min: Tensor
    ride_min: Tensor
    dropoff_service_min: Tensor
    is_outbound: Tensor
    urgency: Tensor
    lost_cost: Tensor

    def after_first(self) -> "Window":
        """The window without its first booking."""
        return Window(*(getattr(self, field.name)[:, 1:] for field in fields(self)))


def window(bank: DayBank, state: DayState, size: int) -> Window:
    """The next ``size`` bookings of each day, the current one first."""
    ahead = state.step[:, None] + torch.arange(size, device=state.step.device)
    index = ahead.clamp(max=bank.max_bookings - 1)
    known = bank.bookings[state.day[:, None], index]
    columns = {name: known[..., column] for column, name in enumerate(BOOKING_COLUMNS)}
    columns["is_outbound"] = columns["is_outbound"] > 0
    return Window(index=index, exists=ahead < bank.n_bookings[state.day][:, None], **columns)


@dataclass(frozen=True)
class Arcs:
    """What it would be for each driver to go from where it is to each booking of a window; all (N, D, W)."""

    lateness_min: Tensor
    """Arrival minus the scheduled time; negative is early."""
    km: Tensor
    cost: Tensor
    """Empty km and lateness; means nothing where the arc is not feasible."""
    finish_min: Tensor
    feasible: Tensor


def arcs(bank: DayBank, day: Tensor, free_min: Tensor, position: Tensor, ahead: Window) -> Arcs:
    """Arrival, cost and feasibility of every driver at every booking of a window.

    Parameters
    ----------
    bank : DayBank
    day : Tensor (N,)
    free_min, position : Tensor (N, D)
        As in :class:`DayState`.
    ahead : Window
    """
    travel = bank.travel[day[:, None, None], position[:, :, None], ahead.index[:, None]]
    km = travel[..., 1]
    arrival = free_min[:, :, None] + travel[..., 0]
    lateness = arrival - ahead.scheduled_min[:, None]
    began = torch.maximum(arrival, ahead.ready_min[:, None])
    finish = began + ahead.pickup_service_min[:, None]
    finish = finish + ahead.ride_min[:, None] + ahead.dropoff_service_min[:, None]
    late = lateness_cost(lateness, ahead.is_outbound[:, None], ahead.urgency[:, None], bank.weights)
    feasible = (lateness <= bank.weights.lost_after_min) & (finish <= bank.shift_end_min[day][:, :, None])
    feasible &= bank.on_duty[day][:, :, None] & ahead.exists[:, None]
    if bank.absence_from_min.shape[2]:
        absent = (began[..., None] < bank.absence_to_min[day][:, :, None]) & (
            finish[..., None] > bank.absence_from_min[day][:, :, None]
        )
        feasible &= ~absent.any(-1)
    return Arcs(lateness, km, bank.weights.empty_km * km + late, finish, feasible)


def lateness_cost(lateness_min: Tensor, is_outbound: Tensor, urgency: Tensor, weights: CostWeights) -> Tensor:
    """Cost of arriving late: linear for outbound legs, quadratic past the tolerance for returns, times the urgency."""
    late = lateness_min.clamp(min=0.0)
    over = (late - weights.return_tolerance_min).clamp(min=0.0)
    return urgency * torch.where(is_outbound, late, over * over / weights.return_tolerance_min)


def load_gap(load: Tensor, on_duty: Tensor) -> Tensor:
    """Difference between the busiest and the idlest driver on duty, 0 with nobody; (..., D) -> (...)."""
    most = torch.where(on_duty, load, 0).amax(-1)
    least = torch.where(on_duty, load, torch.iinfo(load.dtype).max).amin(-1)
    return torch.where(on_duty.any(-1), most - least, 0)


def gap_penalty(load: Tensor, on_duty: Tensor, weights: CostWeights) -> Tensor:
    """What a load gap costs, double precision; (..., D) -> (...)."""
    return weights.load_gap * (load_gap(load, on_duty).double() - weights.free_load_gap).clamp(min=0.0)


@dataclass(frozen=True)
class Options:
    """The D + 1 actions of each running day; the last one drops the current booking."""

    legal: Tensor
    """(N, D + 1) bool. Dropping is legal while the day runs; nothing is once it is over."""
    cost: Tensor
    """(N, D + 1) increase of the day's cost; only meaningful where legal."""
    gap_cost: Tensor
    """(N, D + 1) the part of it that is load gap."""
    finish_min: Tensor
    """(N, D) when each driver would be free again."""

    def take(self, rows: Tensor) -> "Options":
        """The options of some days, (n,) indices."""
        return Options(self.legal[rows], self.cost[rows], self.gap_cost[rows], self.finish_min[rows])


def options(bank: DayBank, state: DayState, going: Arcs | None = None) -> Options:
    """What can be done with the current booking of each day, and what it costs.

    Parameters
    ----------
    bank : DayBank
    state : DayState
    going : Arcs, optional
        Arcs whose first booking is the current one, where the caller has them already.
    """
    if going is None:
        going = arcs(bank, state.day, state.free_min, state.position, window(bank, state, 1))
    running = state.step < bank.n_bookings[state.day]
    on_duty = bank.on_duty[state.day]
    one_more = state.load[:, None] + torch.eye(bank.max_drivers, dtype=state.load.dtype, device=state.load.device)
    penalty = gap_penalty(one_more, on_duty[:, None], bank.weights)
    penalty = (penalty - gap_penalty(state.load, on_duty, bank.weights)[:, None]).to(bank.dtype)
    first_use = bank.is_emergency[state.day] & (state.load == 0)
    serve = going.cost[:, :, 0] + penalty + bank.weights.emergency_use * first_use
    current = state.step.clamp(max=bank.max_bookings - 1)
    drop = bank.lost_cost[state.day, current]
    return Options(
        legal=torch.cat([going.feasible[:, :, 0], running[:, None]], 1),
        cost=torch.cat([serve, drop[:, None]], 1),
        gap_cost=torch.nn.functional.pad(penalty, (0, 1)),
        finish_min=going.finish_min[:, :, 0],
    )


def advance(bank: DayBank, state: DayState, action: Tensor, choice: Options | None = None) -> tuple[DayState, Tensor]:
    """Carry out one action a day.

    Parameters
    ----------
    bank : DayBank
    state : DayState
    action : Tensor of int64 (N,)
        A driver index, or D to drop. Ignored where the day is over.
    choice : Options, optional
        Of this very state, where the caller has them already.

    Returns
    -------
    (DayState, Tensor)
        The next state and the increase of cost (N,).

    Raises
    ------
    InfeasiblePlanError
        If an action of a running day is not legal.
    """
    choice = options(bank, state) if choice is None else choice
    running = choice.legal[:, -1]
    chosen = action[:, None]
    if not bool((choice.legal.gather(1, chosen)[:, 0] | ~running).all()):
        raise InfeasiblePlanError("an action of the environment is not legal: take actions from Options.legal only")
    taken = torch.zeros_like(choice.legal).scatter(1, chosen, True)[:, :-1] & running[:, None]
    dropoff = (bank.max_drivers + state.step)[:, None]
    after = DayState(
        day=state.day,
        step=state.step + running.to(state.step.dtype),
        free_min=torch.where(taken, choice.finish_min, state.free_min),
        position=torch.where(taken, dropoff, state.position),
        load=state.load + taken.to(state.load.dtype),
    )
    return after, torch.where(running, choice.cost.gather(1, chosen)[:, 0], 0.0)


def is_over(bank: DayBank, state: DayState) -> Tensor:
    """Which days have no booking left, (N,)."""
    return state.step >= bank.n_bookings[state.day]


def plan_cost(problem: DayProblem, assignment: npt.NDArray[np.int64], weights: CostWeights) -> float:
    """Cost of a given plan as the environment counts it, in double precision.

    A booking whose driver would come more than the tolerated time late is lost, as in the simulator.

    Parameters
    ----------
    problem : DayProblem
    assignment : ndarray of int (B,)
        Driver of each booking, :data:`UNASSIGNED` for none.
    weights : CostWeights

    Raises
    ------
    InfeasiblePlanError
        If a driver would finish after its shift, or serve during an absence.
    """
    bank = DayBank.from_problems([problem], weights, dtype=torch.float64)
    state = initial_state(bank, torch.zeros(1, dtype=torch.int64))
    total = 0.0
    for driver in assignment[problem.service_order]:
        action = torch.tensor([bank.max_drivers if driver == UNASSIGNED else int(driver)])
        if driver != UNASSIGNED:
            going = arcs(bank, state.day, state.free_min, state.position, window(bank, state, 1))
            if float(going.lateness_min[0, int(driver), 0]) > weights.lost_after_min:
                action = torch.tensor([bank.max_drivers])
        state, cost = advance(bank, state, action)
        total += float(cost[0])
    return total
