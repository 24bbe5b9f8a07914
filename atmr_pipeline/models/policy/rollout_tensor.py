"""The rollouts of :mod:`rollout` as tensor operations: for days on an accelerator, and their reference in tests."""

import torch
from torch import Tensor

from atmr_pipeline.models.policy.bank import BOOKING_COLUMNS, DayBank
from atmr_pipeline.models.policy.environment import DayState, Options, gap_penalty, lateness_cost
from atmr_pipeline.models.policy.rollout import DEAREST_WAY, ROLLOUT_BOOKINGS, RULES


def rollout_values(bank: DayBank, state: DayState, choice: Options) -> Tensor:
    """Cost of each action and of what every rule makes of the rest, (R, N, D + 1); means nothing where not legal."""
    return torch.stack([choice.cost + _play(bank, state, choice, rule) for rule in RULES])


def _play(bank: DayBank, state: DayState, choice: Options, rule: tuple[float, float]) -> Tensor:
    drivers, actions = bank.max_drivers, bank.max_drivers + 1
    device = state.day.device
    taken = torch.eye(actions, drivers, dtype=torch.bool, device=device)[None]
    dropoff = (drivers + state.step)[:, None, None]
    position = torch.where(taken, dropoff, state.position[:, None])
    free_min = torch.where(taken, choice.finish_min[:, None], state.free_min[:, None])
    load = state.load[:, None] + taken.to(state.load.dtype)
    total = torch.zeros_like(choice.cost)
    left = int((bank.n_bookings[state.day] - state.step).max()) if len(state.day) else 0
    for ahead in range(1, min(left, ROLLOUT_BOOKINGS + 1)):
        rank = (state.step + ahead).clamp(max=bank.max_bookings - 1)
        exists = state.step + ahead < bank.n_bookings[state.day]
        cost, end = _ways(bank, state.day, position, free_min, rank)
        gap = _gap_changes(bank, state.day, load)
        first_use = bank.is_emergency[state.day][:, None] & (load == 0)
        step_cost = cost + bank.weights.emergency_use * first_use + gap
        score = step_cost - (1.0 - rule[0]) * gap
        following = (ahead < ROLLOUT_BOOKINGS) & (rank + 1 < bank.n_bookings[state.day])
        following &= state.step + ahead + 1 < bank.n_bookings[state.day]
        after = (rank + 1).clamp(max=bank.max_bookings - 1)
        stay, _ = _ways(bank, state.day, position, free_min, after)
        moved = (drivers + rank)[:, None, None].expand_as(position)
        move, _ = _ways(bank, state.day, moved, end, after)
        regard = rule[1] * (move.clamp(max=DEAREST_WAY) - stay.clamp(max=DEAREST_WAY))
        score = score + torch.where(following[:, None, None], regard, 0.0)
        lost = bank.lost_cost[state.day, rank][:, None]
        best, who = torch.where(torch.isfinite(cost), score, torch.inf).min(-1)
        served = (best < lost) & exists[:, None]
        paid = torch.where(served, step_cost.gather(-1, who[..., None])[..., 0], lost)
        total = total + torch.where(exists[:, None], paid, 0.0)
        chosen = torch.nn.functional.one_hot(who, drivers).bool() & served[..., None]
        position = torch.where(chosen, (drivers + rank)[:, None, None], position)
        free_min = torch.where(chosen, end, free_min)
        load = load + chosen.to(load.dtype)
    return total


def _ways(bank: DayBank, day: Tensor, position: Tensor, free_min: Tensor, rank: Tensor) -> tuple[Tensor, Tensor]:
    """Cost (infinite where it cannot be driven) and end of every driver's way to a booking; all (N, A, D)."""
    known = bank.bookings[day, rank]
    of = {name: known[:, column, None, None] for column, name in enumerate(BOOKING_COLUMNS)}
    travel = bank.travel[day[:, None, None], position, rank[:, None, None]]
    arrival = free_min + travel[..., 0]
    lateness = arrival - of["scheduled_min"]
    began = torch.maximum(arrival, of["ready_min"])
    end = began + of["pickup_service_min"] + of["ride_min"] + of["dropoff_service_min"]
    cost = bank.weights.empty_km * travel[..., 1]
    cost = cost + lateness_cost(lateness, of["is_outbound"] > 0, of["urgency"], bank.weights)
    can = (lateness <= bank.weights.lost_after_min) & (end <= bank.shift_end_min[day][:, None])
    can &= bank.on_duty[day][:, None]
    if bank.absence_from_min.shape[2]:
        overlaps = began[..., None] < bank.absence_to_min[day][:, None]
        can &= ~(overlaps & (end[..., None] > bank.absence_from_min[day][:, None])).any(-1)
    return torch.where(can, cost, torch.inf), end


def _gap_changes(bank: DayBank, day: Tensor, load: Tensor) -> Tensor:
    """By how much the load-gap cost changes if each driver takes one more, (N, A, D)."""
    on_duty = bank.on_duty[day][:, None]
    one_more = load[:, :, None] + torch.eye(load.shape[-1], dtype=load.dtype, device=load.device)
    before = gap_penalty(load, on_duty, bank.weights)[..., None]
    return (gap_penalty(one_more, on_duty[:, :, None], bank.weights) - before).to(bank.dtype)
