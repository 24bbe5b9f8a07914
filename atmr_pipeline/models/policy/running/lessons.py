"""What the residual is learned from: every candidate of a decision lived to the day's end, with the same chance."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from atmr_pipeline.dispatch.kernel import pack
from atmr_pipeline.dispatch.problem import DayProblem
from atmr_pipeline.dispatch.running.features import COST_SCALE, N_FEATURES
from atmr_pipeline.dispatch.running.hybrid import live_candidates
from atmr_pipeline.dispatch.running.methods import morning_plan
from atmr_pipeline.dispatch.running.noise import Noise, draw
from atmr_pipeline.dispatch.running.residual import ResidualWeights
from atmr_pipeline.dispatch.weights import CostWeights

Float32Array = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Lessons:
    """N decisions with at most R candidates; rows beyond the candidates are zero.

    Parameters
    ----------
    rows : ndarray of float32 (N, R, F)
    is_candidate : ndarray of bool (N, R)
    prior : ndarray of float32 (N, R)
        Cost to come that the search expects, in units of ``COST_SCALE``.
    lived : ndarray of float32 (N, R)
        Cost of the whole day as lived, in the same unit.
    """

    rows: Float32Array
    is_candidate: BoolArray
    prior: Float32Array
    lived: Float32Array

    def residual(self) -> Float32Array:
        """What the search got wrong about each candidate, relative to the mean of the candidates; (N, R)."""
        return _centred(self.lived, self.is_candidate) - _centred(self.prior, self.is_candidate)

    @classmethod
    def joined(cls, parts: Iterable["Lessons"]) -> "Lessons":
        """Several collections as one."""
        parts = list(parts)
        widest = max(part.rows.shape[1] for part in parts)
        return cls(*(np.concatenate([_widened(part, name, widest) for part in parts]) for name in cls.__annotations__))


def collect(
    problem: DayProblem,
    noise: Noise,
    weights: CostWeights,
    rng: np.random.Generator,
    *,
    net: ResidualWeights,
    rounds: int,
    explore_share: float,
) -> Lessons:
    """One day, lived once by the policy of ``net``, and from each of its decisions once for every other candidate.

    Parameters
    ----------
    problem : DayProblem
    noise : Noise
    weights : CostWeights
    rng : Generator
        Draws the realisation and the exploration.
    net : ResidualWeights
        Decides, here and in the days lived from each candidate.
    rounds : int
        Of the search for each candidate.
    explore_share : float
        Of decisions after which the day goes on with any candidate, so that unusual states are seen.
    """
    day, realisation = pack(problem, weights), draw(problem, noise, rng)
    shape = (problem.n_bookings, problem.n_drivers + 1)
    rows, prior, lived = np.zeros((*shape, N_FEATURES), dtype=np.float32), np.zeros(shape), np.zeros(shape)
    chances = np.where(rng.random(shape[0]) < explore_share, rng.random(shape[0]), 1.0)
    n = live_candidates(
        day, realisation, morning_plan(day, realisation), noise.terms(), noise.beliefs(), net, rounds,
        chances, rows, prior, lived,
    )  # fmt: skip
    is_candidate = np.isfinite(prior[:n])
    return Lessons(
        rows[:n],
        is_candidate,
        np.where(is_candidate, prior[:n] / COST_SCALE, 0.0).astype(np.float32),
        np.where(is_candidate, lived[:n] / COST_SCALE, 0.0).astype(np.float32),
    )


def _centred(values: Float32Array, is_candidate: BoolArray) -> Float32Array:
    mean = (values * is_candidate).sum(1, keepdims=True) / np.maximum(1, is_candidate.sum(1, keepdims=True))
    return np.where(is_candidate, values - mean, 0.0).astype(np.float32)


def _widened(part: Lessons, name: str, widest: int) -> npt.NDArray[np.generic]:
    values = getattr(part, name)
    width = [(0, 0)] * values.ndim
    width[1] = (0, widest - values.shape[1])
    return np.pad(values, width)
