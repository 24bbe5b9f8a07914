"""The policy's features as tensor operations: for days on an accelerator, and the reference of the compiled ones."""

import torch
from torch import Tensor

from atmr_pipeline.models.policy.bank import DayBank
from atmr_pipeline.models.policy.environment import (
    REWARD_SCALE,
    Arcs,
    DayState,
    Options,
    Window,
    arcs,
    load_gap,
    options,
    window,
)
from atmr_pipeline.models.policy.feature_contract import (
    DISTANCE_SCALE_KM,
    EXPECTED_LIMIT,
    GAP_MEMORY,
    HORIZON,
    HOUR_MIN,
    LATENESS_BOUNDS_H,
    REGRET_LIMIT,
    Decision,
)
from atmr_pipeline.models.policy.rollout_tensor import rollout_values


def decide_by_tensors(bank: DayBank, state: DayState) -> Decision:
    """What :func:`atmr_pipeline.models.policy.features.decide` gives, on any device."""
    ahead = window(bank, state, HORIZON)
    going = arcs(bank, state.day, state.free_min, state.position, ahead)
    choice = options(bank, state, going)
    # As if each driver had served the current booking: from its drop-off to the rest of the window.
    dropoff = (bank.max_drivers + ahead.index[:, :1]).expand(-1, bank.max_drivers)
    later = ahead.after_first()
    after = arcs(bank, state.day, choice.finish_min, dropoff, later)
    # The cheapest way to each later booking: from one in between, from where a driver stands, or losing it.
    row, step = state.day[:, None], (state.step + 1).clamp(max=bank.max_bookings)[:, None]
    between = bank.cheapest_arc[row, step, later.index]
    staying = torch.where(going.feasible, going.cost, torch.inf)[:, :, 1:]
    potential = choice.cost + _potential(staying, after, between, later.exists)
    potential = potential - _closing_share(bank, state) * choice.gap_cost
    rollouts = rollout_values(bank, state, choice)
    values = torch.cat([rollouts, potential[None]])
    prior = torch.where(choice.legal, -rollouts.amin(0) / REWARD_SCALE, 0.0)
    return Decision(
        driver=_driver_features(bank, state, going, after, choice, values, ahead),
        state=_state_features(bank, state, after, choice, values, torch.minimum(between, staying.amin(1)), ahead),
        on_duty=bank.on_duty[state.day],
        prior=prior,
        choice=choice,
    )


def _potential(staying: Tensor, after: Arcs, between: Tensor, exists: Tensor) -> Tensor:
    """Sum, over the rest of the window, of the cheapest way to reach each booking after each action; (N, D + 1).

    Every booking is looked at alone, so two may count on one driver: a guide, not a bound.

    Parameters
    ----------
    staying : Tensor (N, D, W - 1)
        Cost from where each driver stands, infinite where it cannot come.
    after : Arcs (N, D, W - 1)
        From the current booking's drop-off.
    between, exists : Tensor (N, W - 1)
        Cost from another booking in between, at most the lost cost; and which bookings there are.
    """
    best, who = staying.min(1, keepdim=True)
    second = staying.scatter(1, who, torch.inf).amin(1, keepdim=True)
    drivers = torch.arange(staying.shape[1], device=staying.device)[None, :, None]
    without = torch.where(drivers == who, second, best)
    serve = torch.minimum(without, torch.where(after.feasible, after.cost, torch.inf))
    reached = torch.minimum(torch.cat([serve, best], 1), between[:, None])
    return torch.where(exists[:, None], reached, 0.0).sum(-1)


def _closing_share(bank: DayBank, state: DayState) -> Tensor:
    """Share of a change of load gap that the bookings still to come are expected to undo; (N, 1)."""
    drivers = bank.on_duty[state.day].sum(1).clamp(min=1)
    left = (bank.n_bookings[state.day] - state.step - 1).clamp(min=0).to(bank.dtype) / drivers
    return (left / (left + GAP_MEMORY))[:, None]


def _hours(minutes: Tensor) -> Tensor:
    return (minutes / HOUR_MIN).clamp(*LATENESS_BOUNDS_H)


def _driver_features(
    bank: DayBank, state: DayState, going: Arcs, after: Arcs, choice: Options, values: Tensor, ahead: Window
) -> Tensor:
    day, dtype = state.day, bank.dtype
    on_duty = bank.on_duty[day]
    load = state.load.to(dtype)
    mean = (load * on_duty).sum(1, keepdim=True) / on_duty.sum(1, keepdim=True).clamp(min=1)
    least = torch.where(on_duty, load, torch.inf).amin(1, keepdim=True)
    lowest = torch.where(choice.legal, values, torch.inf).amin(2, keepdim=True)
    regret = torch.where(choice.legal, (values - lowest) / REWARD_SCALE, REGRET_LIMIT).clamp(0.0, REGRET_LIMIT)
    left = (bank.shift_end_min[day] - choice.finish_min) / HOUR_MIN
    alone = [
        load / 10.0,
        load - least,
        load - mean,
        bank.is_emergency[day].to(dtype),
        left.clamp(-1.0, 8.0),
        (choice.cost[:, :-1] / REWARD_SCALE).clamp(max=10.0),
        *regret[:, :, :-1],
    ]
    seen = ahead.exists[:, None].to(dtype)
    each = [
        _hours(going.lateness_min) * seen,
        going.km * (seen / DISTANCE_SCALE_KM),
        going.feasible.to(dtype),
        _hours(after.lateness_min) * seen[..., 1:],
        after.feasible.to(dtype),
    ]
    return torch.where(on_duty[..., None], torch.cat([torch.stack(alone, -1), *each], -1), 0.0)


def _state_features(
    bank: DayBank, state: DayState, after: Arcs, choice: Options, values: Tensor, cheapest: Tensor, ahead: Window
) -> Tensor:
    day, dtype = state.day, bank.dtype
    on_duty = bank.on_duty[day]
    drivers = on_duty.sum(1).to(dtype)
    left = (bank.n_bookings[day] - state.step).to(dtype)
    alone = [
        ahead.scheduled_min[:, 0] / (24 * HOUR_MIN),
        left / 10.0,
        drivers / 10.0,
        left / drivers.clamp(min=1.0),
        load_gap(state.load, on_duty).to(dtype),
        (state.load * on_duty).sum(1) / drivers.clamp(min=1.0) / 10.0,
        *(torch.where(choice.legal, values, torch.inf).amin(2) / REWARD_SCALE).clamp(max=EXPECTED_LIMIT),
    ]
    seen = ahead.exists.to(dtype)
    each = [
        seen,
        ((ahead.scheduled_min - ahead.scheduled_min[:, :1]) / HOUR_MIN).clamp(max=6.0) * seen,
        ahead.ride_min * (seen / HOUR_MIN),
        ahead.is_outbound * seen,
        (ahead.urgency > 1.0) * seen,
        cheapest * (seen[:, 1:] / REWARD_SCALE),
        after.km[:, 0] * (seen[:, 1:] / DISTANCE_SCALE_KM),
    ]
    return torch.cat([torch.stack(alone, 1), *each], 1)
