"""The small policy that is shipped with the package: for a home that has trained none yet.

It was trained on made-up days alone (:mod:`atmr_pipeline.dispatch.synthetic`), of many kinds and fleet sizes; no
company's day is among them. Anyone can train it again::

    python -m atmr_pipeline.models.policy.shipped FOLDER

The same versions of the libraries on the same processor give the same files.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from atmr_pipeline.dispatch.problem import DayProblem
from atmr_pipeline.dispatch.synthetic import synthetic_days, varied_days
from atmr_pipeline.models.policy.learner import CurvePoint, PolicySettings, train
from atmr_pipeline.models.policy.policy import DispatchPolicy

FOLDER = Path(__file__).parent / "shipped_policy"
NAME = "shipped default"
"""What an answer says where this policy made it."""


@dataclass(frozen=True)
class ShippedDays:
    """The mix of days that the shipped policy learns from.

    Parameters
    ----------
    usual : int
        Days of one small company, 2 to 5 drivers.
    varied : int
        Days of many companies, 1 to 12 drivers.
    large : int
        Days of many companies, 10 to 50 drivers.
    seed : int
        Of the first kind; the others follow it.
    """

    usual: int = 2500
    varied: int = 2500
    large: int = 40
    seed: int = 20_000

    def draw(self) -> list[DayProblem]:
        """The days, shuffled, so that the last tenth, which draws the curve, is of every kind."""
        days = [
            *synthetic_days(self.usual, seed=self.seed),
            *varied_days(self.varied, seed=self.seed + 1),
            *varied_days(self.large, seed=self.seed + 2, drivers=(10, 50)),
        ]
        order = np.random.default_rng(self.seed + 3).permutation(len(days))
        return [days[index] for index in order]


SETTINGS = PolicySettings(gradient_steps=3000, generated_days=0, real_day_share=1.0, log_every=500)
"""How it was trained: the days are drawn, so none is generated from others."""


@cache
def shipped_policy() -> DispatchPolicy:
    """The policy in the package.

    Raises
    ------
    ModelIntegrityError
        If its files are missing, altered, or of another feature contract.
    """
    return DispatchPolicy.load(FOLDER)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train it again and write it to a folder."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args(arguments).folder
    trained = train(ShippedDays().draw(), SETTINGS, on_progress=_say, checkpoint=folder.with_suffix(".checkpoint"))
    DispatchPolicy.from_training(trained).save(folder)


def _say(point: CurvePoint) -> None:
    print(f"step {point.step}: loss {point.loss:.3f}, validation day {point.mean_cost:.2f}", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
