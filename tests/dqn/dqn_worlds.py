"""Small worlds with known answers, as environments of the learner."""

from collections.abc import Mapping

import torch
from torch import Tensor

from atmr_pipeline.models.dqn.environment import Observation, Outcome, State, where


class Corridor:
    """Walk from cell 0 to the last one; each step costs 1, arriving ends the episode, turning back is illegal at 0.

    Actions: 0 back, 1 on. A third action, always illegal, would be found out at once. With a ``limit`` the episode is
    cut off after that many steps.
    """

    n_actions = 3

    def __init__(self, cells: int = 5, limit: int = 1_000) -> None:
        self.cells, self.limit = cells, limit
        self.taken: list[Tensor] = []

    def reset(self, count: int, generator: torch.Generator) -> State:
        cell = torch.randint(self.cells - 1, (count,), generator=generator)
        return {"cell": cell, "age": torch.zeros_like(cell)}

    def restart(self, state: State, ended: Tensor, generator: torch.Generator) -> State:
        return where(ended, self.reset(len(ended), generator), state)

    def observe(self, state: State) -> Observation:
        cell = state["cell"]
        legal = torch.stack([cell > 0, torch.ones_like(cell, dtype=torch.bool), torch.zeros_like(cell).bool()], 1)
        return Observation(torch.nn.functional.one_hot(cell, self.cells).float(), legal)

    def step(self, state: State, action: Tensor, seen: Observation) -> Outcome:
        assert bool(seen.legal.gather(1, action[:, None]).all()), "an illegal action was taken"
        self.taken.append(action)
        cell = state["cell"] + torch.where(action == 1, 1, -1)
        age = state["age"] + 1
        over = cell == self.cells - 1
        return Outcome({"cell": cell, "age": age}, -torch.ones(len(cell)), over, (age >= self.limit) & ~over)

    def memory(self) -> dict[str, Tensor]:
        return {}

    def remember(self, memory: Mapping[str, Tensor]) -> None:
        pass
