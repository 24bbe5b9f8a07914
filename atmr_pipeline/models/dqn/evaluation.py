"""What a network earns when it always takes the action of highest value."""

import torch
from torch import Tensor, nn

from atmr_pipeline.models.dqn.distributions import distribution_of
from atmr_pipeline.models.dqn.environment import BatchedEnvironment
from atmr_pipeline.models.dqn.networks import masked
from atmr_pipeline.models.dqn.settings import DqnSettings


@torch.no_grad()
def greedy_returns(
    network: nn.Module, environment: BatchedEnvironment, settings: DqnSettings, *, episodes: int, seed: int
) -> Tensor:
    """Undiscounted return of each of some episodes, all at once, without exploration.

    Parameters
    ----------
    network : nn.Module
        Asked in evaluation mode; left in the mode it came in.
    environment : BatchedEnvironment
        Not one that is being learned from: its running episodes would be lost.
    settings : DqnSettings
        For how returns are described.
    episodes : int
    seed : int
        Of the episodes.

    Returns
    -------
    Tensor (episodes,)
    """
    generator = torch.Generator().manual_seed(seed)
    distribution, was_training = distribution_of(settings), network.training
    network.eval()
    state = environment.reset(episodes, generator)
    earned = torch.zeros(episodes, dtype=torch.float64)
    running = torch.ones(episodes, dtype=torch.bool)
    while bool(running.any()):
        seen = environment.observe(state)
        action = masked(distribution.values(network(seen.inputs)), seen.legal).argmax(1)
        outcome = environment.step(state, action, seen)
        earned += torch.where(running, outcome.reward, 0.0)
        ended = outcome.over | outcome.truncated
        running &= ~ended
        state = environment.restart(outcome.after, ended, generator)
    network.train(was_training)
    return earned
