"""From Q-values to whole plans: the best action each time, or a beam of partial plans."""

import numpy as np
import torch
from torch import Tensor, nn

from atmr_pipeline.models.policy.bank import DayBank
from atmr_pipeline.models.policy.environment import REWARD_SCALE, DayState, advance, initial_state, is_over
from atmr_pipeline.models.policy.features import decide
from atmr_pipeline.models.policy.network import legal_only
from atmr_pipeline.models.policy.network_compiled import Scorer, scorer


@torch.no_grad()
def best_actions(network: nn.Module, bank: DayBank) -> tuple[Tensor, Tensor]:
    """Every day of a bank, always taking the legal action of highest Q.

    Returns
    -------
    (Tensor, Tensor)
        Actions (M, B) in service order, D for a drop (meaningless past a day's last booking), and costs (M,).
    """
    ask = scorer(network)
    state = initial_state(bank, torch.arange(bank.n_days))
    steps = int(bank.n_bookings.max())
    actions = torch.full((bank.n_days, steps), bank.max_drivers)
    total = torch.zeros(bank.n_days, dtype=bank.dtype)
    rows = torch.arange(bank.n_days)
    for step in range(steps):
        running = ~is_over(bank, state)
        if not running.all():
            state, rows = state.take(running), rows[running]
        decision = decide(bank, state)
        chosen = legal_only(ask(decision), decision.choice.legal).argmax(1)
        state, cost = advance(bank, state, chosen, decision.choice)
        actions[rows, step] = chosen
        total[rows] += cost
    return actions, total


@torch.no_grad()
def beam_search(network: nn.Module, bank: DayBank, width: int) -> Tensor:
    """Keep the ``width`` partial plans whose cost so far plus expected cost to come is lowest; actions (M, B).

    Of partial plans that end in the same places with the same loads only the more promising is kept. The plan of
    :func:`best_actions` competes at the end, so a beam is never dearer than no beam.
    """
    actions, total = best_actions(network, bank)
    ask = scorer(network)
    for row in range(bank.n_days):
        found, cost = _beam_of_day(ask, bank, row, width)
        if cost < float(total[row]):
            actions[row, : len(found)] = found
    return actions


@torch.no_grad()
def plan_costs(bank: DayBank, actions: Tensor) -> Tensor:
    """What given actions (M, B) in service order cost, (M,)."""
    state, total = initial_state(bank, torch.arange(bank.n_days)), torch.zeros(bank.n_days, dtype=bank.dtype)
    for step in range(int(bank.n_bookings.max())):
        state, cost = advance(bank, state, actions[:, step], decide(bank, state).choice)
        total += cost
    return total


def _beam_of_day(ask: Scorer, bank: DayBank, row: int, width: int) -> tuple[Tensor, float]:
    state = initial_state(bank, torch.tensor([row]))
    cost = torch.zeros(1, dtype=bank.dtype)
    history = torch.zeros((1, 0), dtype=torch.int64)
    for _ in range(int(bank.n_bookings[row])):
        decision = decide(bank, state)
        value = legal_only(ask(decision), decision.choice.legal).to(bank.dtype)
        promise = (cost[:, None] - REWARD_SCALE * value).flatten()
        order = promise.argsort(stable=True)[: 2 * width]
        order = order[torch.isfinite(promise[order])]
        parent, action = order // value.shape[1], order % value.shape[1]
        choice = decision.choice.take(parent)
        state, step_cost = advance(bank, state.take(parent), action, choice)
        cost = cost[parent] + step_cost
        history = torch.cat([history[parent], action[:, None]], 1)
        kept = _distinct(state, cost, width)
        state, cost, history = state.take(kept), cost[kept], history[kept]
    best = int(cost.argmin())
    return history[best], float(cost[best])


def _distinct(state: DayState, cost: Tensor, width: int) -> Tensor:
    """Rows of different positions and loads, in order, at most ``width``; of each kind the first, most promising."""
    _, first = np.unique(torch.cat([state.position, state.load], 1).numpy(), axis=0, return_index=True)
    return torch.as_tensor(np.sort(first)[:width])
