"""Deep Q-learning for any network and any environment of discrete, maskable actions.

Read ``learner.py`` first: it is the algorithm. ``gymnasium_adapter.py`` takes Gymnasium environments.
"""

from atmr_pipeline.models.dqn.environment import BatchedEnvironment, Observation, Outcome
from atmr_pipeline.models.dqn.evaluation import greedy_returns
from atmr_pipeline.models.dqn.learner import CurvePoint, Group, Trained
from atmr_pipeline.models.dqn.settings import DqnSettings
from atmr_pipeline.models.dqn.training import train

__all__ = [
    "BatchedEnvironment",
    "CurvePoint",
    "DqnSettings",
    "Group",
    "Observation",
    "Outcome",
    "Trained",
    "greedy_returns",
    "train",
]
