"""n-step returns of parallel episodes, right at the ends of episodes.

A transition of n steps sums n discounted rewards and then trusts the network for the rest (Sutton and Barto 2018,
section 7.1; in deep Q-learning Hessel et al. 2018). Where an episode ends sooner, the sum stops there. A terminated
episode has nothing after it; one that was only cut off goes on from its last state in the estimate.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from atmr_pipeline.models.dqn.environment import Outcome, State, take


@dataclass
class _Pending:
    """What N episodes did at one moment, and what it has earned since."""

    state: State
    action: Tensor
    earned: Tensor
    waiting: Tensor
    """(N,) which of them still lack steps."""
    age: int = 0


class NStep:
    """Turns steps of N parallel episodes into n-step transitions.

    Parameters
    ----------
    steps : int
        n; 1 passes every step on as it is.
    discount : float
    """

    def __init__(self, steps: int, discount: float) -> None:
        if steps < 1:
            raise ValueError(f"steps must be at least 1, got {steps}")
        self.steps, self.discount = steps, discount
        self._pending: deque[_Pending] = deque()

    def push(self, state: State, action: Tensor, outcome: Outcome) -> Iterator[dict[str, Tensor]]:
        """Take one step of every episode, and give the transitions that it completes.

        Parameters
        ----------
        state : State
            Before the action.
        action : Tensor of int64 (N,)
        outcome : Outcome

        Yields
        ------
        dict of Tensor
            ``before.*`` and ``after.*`` states, ``action``, ``reward`` (the discounted sum) and ``bootstrap``: the
            factor of the value of ``after``, 0 where the episode terminated.
        """
        self._pending.append(_Pending(state, action, torch.zeros_like(outcome.reward), torch.ones_like(outcome.over)))
        ended = outcome.over | outcome.truncated
        for pending in self._pending:
            pending.earned = pending.earned + self.discount**pending.age * outcome.reward
            pending.age += 1
            ready = pending.waiting & (ended | (pending.age == self.steps))
            if bool(ready.any()):
                yield self._transition(pending, outcome, ready)
            pending.waiting = pending.waiting & ~ready
        while self._pending and not bool(self._pending[0].waiting.any()):
            self._pending.popleft()

    def _transition(self, pending: _Pending, outcome: Outcome, ready: Tensor) -> dict[str, Tensor]:
        rest = torch.full_like(outcome.reward, self.discount**pending.age)
        return {
            **{f"before.{name}": value for name, value in take(pending.state, ready).items()},
            **{f"after.{name}": value for name, value in take(outcome.after, ready).items()},
            "action": pending.action[ready],
            "reward": pending.earned[ready],
            "bootstrap": torch.where(outcome.over, 0.0, rest)[ready],
        }

    def memory(self) -> dict[str, Tensor]:
        """What waits for more steps, from which :meth:`remember` goes on."""
        tensors: dict[str, Tensor] = {}
        for row, pending in enumerate(self._pending):
            tensors |= {f"{row}.state.{name}": value for name, value in pending.state.items()}
            tensors |= {f"{row}.action": pending.action, f"{row}.earned": pending.earned}
            tensors |= {f"{row}.waiting": pending.waiting, f"{row}.age": torch.tensor(pending.age)}
        return tensors

    def remember(self, tensors: Mapping[str, Tensor]) -> None:
        """Take up what :meth:`memory` gave."""
        self._pending.clear()
        for row in range(sum(name.endswith(".age") for name in tensors)):
            own = {name.split(".", 1)[1]: value for name, value in tensors.items() if name.startswith(f"{row}.")}
            state = {name.removeprefix("state."): value for name, value in own.items() if name.startswith("state.")}
            self._pending.append(_Pending(state, own["action"], own["earned"], own["waiting"], int(own["age"])))
