"""What the policy sees: one function makes it, for training and for serving alike.

The names, units and order of :data:`DRIVER_FEATURES` and :data:`STATE_FEATURES` are the feature contract; its hash is
saved with every policy and checked when one is loaded. A booking or driver that does not exist is masked and
announced by a presence flag; nothing unknown is replaced by a constant.
"""

import hashlib
import json
from dataclasses import dataclass

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

HORIZON = 8
"""Bookings in view: the current one and the next seven."""

HOUR_MIN = 60.0
DISTANCE_SCALE_KM = 10.0
GAP_MEMORY = 0.3
"""With this many bookings left per driver, half of a load gap should close by itself (tuned on synthetic days)."""
LATENESS_BOUNDS_H = (-3.0, 1.5)
"""Earlier or later than this makes no difference to a decision."""


@dataclass(frozen=True)
class Feature:
    """One input of the network: its name and the unit in which it arrives."""

    name: str
    unit: str


def _each(name: str, unit: str, first: int) -> tuple[Feature, ...]:
    return tuple(Feature(f"{name}_{ahead}", unit) for ahead in range(first, HORIZON))


DRIVER_FEATURES: tuple[Feature, ...] = (
    Feature("load", "10 bookings"),
    Feature("load_above_least", "bookings"),
    Feature("load_above_mean", "bookings"),
    Feature("is_emergency", "flag"),
    Feature("shift_left_after", "h"),
    Feature("step_cost", "20 cost units"),
    Feature("prior_regret", "20 cost units"),
    *_each("lateness", "h", 0),
    *_each("deadhead", "10 km", 0),
    *_each("feasible", "flag", 0),
    *_each("lateness_after_serving", "h", 1),
    *_each("feasible_after_serving", "flag", 1),
)
"""Per driver; ``_k`` is the k-th booking from the current one (0)."""

STATE_FEATURES: tuple[Feature, ...] = (
    Feature("time_of_day", "24 h"),
    Feature("bookings_left", "10 bookings"),
    Feature("drivers_on_duty", "10 drivers"),
    Feature("bookings_left_per_driver", "bookings"),
    Feature("load_gap", "bookings"),
    Feature("mean_load", "10 bookings"),
    *_each("exists", "flag", 0),
    *_each("starts_in", "h", 0),
    *_each("ride", "h", 0),
    *_each("is_outbound", "flag", 0),
    *_each("is_urgent", "flag", 0),
    *_each("cheapest_arc", "20 cost units", 1),
    *_each("deadhead_after_serving", "10 km", 1),
)
"""Per decision, the same for every driver."""


def feature_contract() -> dict[str, object]:
    """Names and units in order, the scales, and a SHA-256 over them."""
    body: dict[str, object] = {
        "driver": [[feature.name, feature.unit] for feature in DRIVER_FEATURES],
        "state": [[feature.name, feature.unit] for feature in STATE_FEATURES],
        "horizon": HORIZON,
        "gap_memory": GAP_MEMORY,
        "lateness_bounds_h": list(LATENESS_BOUNDS_H),
        "reward_scale": REWARD_SCALE,
    }
    return {**body, "sha256": hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()}


@dataclass(frozen=True)
class Decision:
    """Everything a policy needs to choose an action in N days with D drivers each."""

    driver: Tensor
    """(N, D, len(DRIVER_FEATURES))"""
    state: Tensor
    """(N, len(STATE_FEATURES))"""
    on_duty: Tensor
    """(N, D) bool: which rows are drivers at all."""
    prior: Tensor
    """(N, D + 1) value of each action by rule, in reward units: minus its cost and the cheapest arcs after it."""
    choice: Options


def decide(bank: DayBank, state: DayState) -> Decision:
    """The one feature function.

    Parameters
    ----------
    bank : DayBank
    state : DayState
        Of N days. Rows of days that are over are defined, but mean nothing.
    """
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
    expected = choice.cost + _potential(staying, after, between, later.exists)
    expected = expected - _closing_share(bank, state) * choice.gap_cost
    prior = -expected / REWARD_SCALE
    return Decision(
        driver=_driver_features(bank, state, going, after, choice, prior, ahead),
        state=_state_features(bank, state, after, torch.minimum(between, staying.amin(1)), ahead),
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
    drivers = torch.arange(staying.shape[1])[None, :, None]
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
    bank: DayBank, state: DayState, going: Arcs, after: Arcs, choice: Options, prior: Tensor, ahead: Window
) -> Tensor:
    day, dtype = state.day, bank.dtype
    on_duty = bank.on_duty[day]
    load = state.load.to(dtype)
    mean = (load * on_duty).sum(1, keepdim=True) / on_duty.sum(1, keepdim=True).clamp(min=1)
    least = torch.where(on_duty, load, torch.inf).amin(1, keepdim=True)
    best = torch.where(choice.legal, prior, -torch.inf).amax(1, keepdim=True)
    left = (bank.shift_end_min[day] - choice.finish_min) / HOUR_MIN
    alone = [
        load / 10.0,
        load - least,
        load - mean,
        bank.is_emergency[day].to(dtype),
        left.clamp(-1.0, 8.0),
        (choice.cost[:, :-1] / REWARD_SCALE).clamp(max=10.0),
        (best - prior[:, :-1]).clamp(0.0, 5.0),
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


def _state_features(bank: DayBank, state: DayState, after: Arcs, cheapest: Tensor, ahead: Window) -> Tensor:
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
