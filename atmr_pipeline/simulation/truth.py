"""What nobody can predict: days replayed with other random draws give the floor of every delay model."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from atmr_pipeline.domain.errors import NotEnoughDataError, SourceError
from atmr_pipeline.domain.vocabulary import LATE_AFTER_MIN
from atmr_pipeline.simulation.execution import DayExecution, DayPlan, draw
from atmr_pipeline.simulation.streams import Stream, generator
from atmr_pipeline.simulation.truth_store import TruthTables

REPLAY_SEED = 20_011


@dataclass(frozen=True)
class Replay:
    """One day lived n times.

    Parameters
    ----------
    assignment_ids : ndarray of int (B,)
        Executed assignments with a pickup; no-shows have none.
    delay_min : ndarray (n, B)
        Delay of each pickup in each life of the day; negative is early.
    actual_delay_min : ndarray (B,)
        What happened in the one life that the database records.
    """

    assignment_ids: npt.NDArray[np.int64]
    delay_min: npt.NDArray[np.float64]
    actual_delay_min: npt.NDArray[np.float64]


class World:
    """The demo company's truth. Not for models: only for measuring how well they could do.

    What was known when the day was decided is kept in a replay: bookings, drivers, their habits, the weather. What was
    not is drawn again: traffic, service times, overrunning appointments, the day's common shock.
    """

    def __init__(self, plans: dict[date, DayPlan], actual_delay_min: "pd.Series[float]") -> None:
        self._plans, self._actual = plans, actual_delay_min

    @classmethod
    def load(cls, home: Path) -> "World":
        """Read the truth of the demo company under ``home``.

        Raises
        ------
        SourceError
            There is no demo company there.
        """
        folder = Path(home) / "demo" / "truth"
        if not folder.is_dir():
            raise SourceError(f"no demo company under {home}: build one first")
        tables = TruthTables.read(folder)
        return cls(tables.plans(), tables.legs.set_index("assignment_ids")["delay_min"])

    @property
    def days(self) -> list[date]:
        """Days that were lived and had pickups, in order."""
        return sorted(self._plans)

    def assignment_ids(self, day: date) -> npt.NDArray[np.int64]:
        """Executed assignments of one of :attr:`days`."""
        return self._plans[day].assignment_ids

    def replay(
        self, day: date, n: int, seed: int = REPLAY_SEED, *, known: "npt.NDArray[np.int64] | None" = None
    ) -> Replay:
        """Live a day n times.

        Parameters
        ----------
        day : date
            One of :attr:`days`.
        n : int
            At least 1.
        seed : int
            Same seed, same draws.
        known : ndarray of int, optional
            Assignments that the plan held at some moment; the others are not driven. None drives all.

        Raises
        ------
        SourceError
            The day is not one of :attr:`days`.
        ValueError
            ``n`` is below 1.
        """
        if n < 1:
            raise ValueError(f"n must be at least 1, got {n}")
        if day not in self._plans:
            raise SourceError(f"the demo company drove nobody on {day}")
        plan = self._plans[day]
        if known is not None:
            plan = plan.only(np.isin(plan.assignment_ids, known))
        start_min, _ = DayExecution(plan).run(draw(plan, generator(seed, Stream.REPLAY, day), n))
        # As the database records them: whole seconds.
        delay_min = np.asarray(np.round(start_min * 60.0) / 60.0 - plan.scheduled_min)
        picked_up = ~plan.no_show
        ids = plan.assignment_ids[picked_up]
        actual = np.asarray(self._actual.reindex(ids), dtype=np.float64)
        return Replay(ids, delay_min[:, picked_up], actual)

    def replays(self, first_day: date, last_day: date, n: int, seed: int = REPLAY_SEED) -> Iterator[Replay]:
        """Replay each day from ``first_day`` to ``last_day``, both included."""
        for day in self.days:
            if first_day <= day <= last_day:
                replay = self.replay(day, n, seed)
                if len(replay.assignment_ids):
                    yield replay


def expected_delays(
    home: Path, first_day: date, last_day: date, replays: int = 200, seed: int = REPLAY_SEED
) -> pd.DataFrame:
    """The perfect predictor: the mean over replays of each assignment's delay.

    Returns
    -------
    DataFrame
        ``assignment_id, expected_delay_min, p_late`` (share of replays more than 5 min late) and ``actual_delay_min``.

    Raises
    ------
    NotEnoughDataError
        No pickup between the two days (both included).
    """
    parts = [
        pd.DataFrame(
            {
                "assignment_id": replay.assignment_ids,
                "expected_delay_min": replay.delay_min.mean(axis=0),
                "p_late": (replay.delay_min > LATE_AFTER_MIN).mean(axis=0),
                "actual_delay_min": replay.actual_delay_min,
            }
        )
        for replay in World.load(home).replays(first_day, last_day, replays, seed)
    ]
    if not parts:
        raise NotEnoughDataError(f"pickups from {first_day} to {last_day}", needs=1, has=0)
    return pd.concat(parts, ignore_index=True)


def expected_delays_as_decided(
    home: Path, decisions: pd.DataFrame, first_day: date, last_day: date, replays: int = 100, seed: int = REPLAY_SEED
) -> pd.DataFrame:
    """The best that can be said at each decision: the day is replayed with the courses that were planned by then.

    :func:`expected_delays` knows the day's final plan, urgent courses that were called in later included. Nobody who
    decides the evening before does, so part of its lead is knowledge of the future.

    Parameters
    ----------
    decisions : DataFrame
        ``assignment_id, decided_at``; pickups without a decision are left out.

    Returns
    -------
    DataFrame
        ``assignment_id, expected_delay_min, actual_delay_min``.
    """
    world, parts = World.load(home), []
    decided = decisions.set_index("assignment_id")["decided_at"]
    for day in (day for day in world.days if first_day <= day <= last_day):
        planned = decided[decided.index.isin(world.assignment_ids(day))]
        for instant in sorted(planned.unique()):
            known = planned.index[planned <= instant].to_numpy(dtype=np.int64)
            replay = world.replay(day, replays, seed, known=known)
            asked = np.isin(replay.assignment_ids, planned.index[planned == instant])
            parts.append(
                pd.DataFrame(
                    {
                        "assignment_id": replay.assignment_ids[asked],
                        "expected_delay_min": replay.delay_min.mean(axis=0)[asked],
                        "actual_delay_min": replay.actual_delay_min[asked],
                    }
                )
            )
    if not parts:
        raise NotEnoughDataError(f"decided pickups from {first_day} to {last_day}", needs=1, has=0)
    return pd.concat(parts, ignore_index=True)


def irreducible_error(
    home: Path, first_day: date, last_day: date, replays: int = 200, seed: int = REPLAY_SEED
) -> dict[str, float]:
    """Errors of the perfect predictor against what happened: no model can do better but by luck.

    Returns
    -------
    dict
        ``mae, rmse`` (minutes), ``r2``, ``p_late_brier`` and ``n`` (pickups). ``r2`` is NaN if all delays are equal.

    Raises
    ------
    NotEnoughDataError
        No pickup between the two days (both included).
    """
    table = expected_delays(home, first_day, last_day, replays, seed)
    actual, expected = table["actual_delay_min"].to_numpy(), table["expected_delay_min"].to_numpy()
    error, spread = actual - expected, float(((actual - actual.mean()) ** 2).sum())
    return {
        "mae": float(np.abs(error).mean()),
        "rmse": float(np.sqrt((error**2).mean())),
        "r2": 1.0 - float((error**2).sum()) / spread if spread > 0 else float("nan"),
        "p_late_brier": float(((table["p_late"].to_numpy() - (actual > LATE_AFTER_MIN)) ** 2).mean()),
        "n": float(len(table)),
    }
