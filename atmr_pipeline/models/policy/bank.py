"""Days of different sizes as one set of padded tensors.

Padding is masked out wherever it could be seen: it never stands for a value.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from atmr_pipeline.dispatch.problem import DayProblem
from atmr_pipeline.dispatch.simulator import CostWeights
from atmr_pipeline.domain.errors import InvalidProblemError

BOOKING_COLUMNS = (
    "scheduled_min",
    "ready_min",
    "pickup_service_min",
    "ride_min",
    "dropoff_service_min",
    "is_outbound",
    "urgency",
    "lost_cost",
)
"""What a bank holds of each booking; ``urgency`` multiplies the cost of its lateness."""


@dataclass(frozen=True)
class DayBank:
    """M days as padded tensors, D drivers and B bookings at most; bookings in service order.

    Times are minutes after local midnight, distances km. ``bookings`` (M, B, 8) holds the :data:`BOOKING_COLUMNS`;
    ``travel`` (M, D + B, B, 2) minutes and km to each pickup from a position: position ``d`` is the start point of
    driver ``d``, position ``D + b`` the drop-off of booking ``b``. ``cheapest_arc`` (M, B + 1, B) holds at ``[t, j]``
    the lowest cost of reaching booking ``j`` from the drop-off of any booking in ``t .. j - 1``, at most its lost cost.
    Build it with :meth:`from_problems`.
    """

    n_bookings: Tensor
    on_duty: Tensor
    shift_start_min: Tensor
    shift_end_min: Tensor
    is_emergency: Tensor
    bookings: Tensor
    travel: Tensor
    absence_from_min: Tensor
    absence_to_min: Tensor
    cheapest_arc: Tensor
    weights: CostWeights

    @cached_property
    def arrays(self) -> tuple[npt.NDArray[Any], ...]:
        """The tensors as numpy sees them, in order, then the weights (6,): what compiled code reads."""
        tensors = (
            self.n_bookings, self.on_duty, self.shift_start_min, self.shift_end_min, self.is_emergency, self.bookings,
            self.travel, self.absence_from_min, self.absence_to_min, self.cheapest_arc,
        )  # fmt: skip
        names = (
            "empty_km", "return_tolerance_min", "lost_after_min", "load_gap", "free_load_gap", "emergency_use",
        )  # fmt: skip
        weights = np.array([getattr(self.weights, name) for name in names], dtype=np.float64)
        return (*(tensor.numpy() for tensor in tensors), weights)

    def to(self, device: torch.device | str) -> "DayBank":
        """The same days on another device; environment and features follow the bank's tensors."""
        moved: dict[str, Any] = {
            field.name: value.to(device) if isinstance(value, Tensor) else value
            for field in fields(self)
            for value in [getattr(self, field.name)]
        }
        return DayBank(**moved)

    @property
    def n_days(self) -> int:
        """Number of days M."""
        return int(self.n_bookings.shape[0])

    @property
    def max_drivers(self) -> int:
        """Padded fleet size D."""
        return int(self.on_duty.shape[1])

    @property
    def max_bookings(self) -> int:
        """Padded number of bookings B."""
        return int(self.bookings.shape[1])

    @property
    def lost_cost(self) -> Tensor:
        """Cost of losing each booking, (M, B)."""
        return self.bookings[..., BOOKING_COLUMNS.index("lost_cost")]

    @property
    def dtype(self) -> torch.dtype:
        """Floating type of times and costs."""
        return self.bookings.dtype

    @classmethod
    def from_problems(
        cls, problems: Sequence[DayProblem], weights: CostWeights, *, dtype: torch.dtype = torch.float32
    ) -> "DayBank":
        """Stack days of any sizes.

        Parameters
        ----------
        problems : sequence of DayProblem
        weights : CostWeights
        dtype : torch.dtype
            float32 for training; float64 where the cost must agree with the simulator's to the last digits.

        Raises
        ------
        InvalidProblemError
            If ``problems`` is empty.
        """
        if not problems:
            raise InvalidProblemError("no day to put in the environment")
        tensors = {
            name: torch.as_tensor(value, dtype=dtype if value.dtype == np.float64 else None)
            for name, value in _stack(problems, weights).items()
        }
        return cls(**tensors, weights=weights)


def _stack(problems: Sequence[DayProblem], weights: CostWeights) -> dict[str, npt.NDArray[Any]]:
    days = len(problems)
    drivers = max([1, *(problem.n_drivers for problem in problems)])
    bookings = max([1, *(problem.n_bookings for problem in problems)])
    absences = max(len(problem.absences) for problem in problems)
    out: dict[str, npt.NDArray[Any]] = {
        "n_bookings": np.array([problem.n_bookings for problem in problems], dtype=np.int64),
        "on_duty": np.zeros((days, drivers), dtype=bool),
        "is_emergency": np.zeros((days, drivers), dtype=bool),
        "shift_start_min": np.zeros((days, drivers)),
        "shift_end_min": np.zeros((days, drivers)),
        "bookings": np.zeros((days, bookings, len(BOOKING_COLUMNS))),
        "travel": np.zeros((days, drivers + bookings, bookings, 2)),
        "absence_from_min": np.full((days, drivers, absences), np.inf),
        "absence_to_min": np.full((days, drivers, absences), -np.inf),
        "cheapest_arc": np.zeros((days, bookings + 1, bookings)),
    }
    for row, problem in enumerate(problems):
        order, n_drivers, n_bookings = problem.service_order, problem.n_drivers, problem.n_bookings
        out["on_duty"][row, :n_drivers] = True
        for name in ("shift_start_min", "shift_end_min", "is_emergency"):
            out[name][row, :n_drivers] = getattr(problem, name)
        table = _booking_table(problem, weights)[order]
        deadhead = np.stack([problem.deadhead_min, problem.deadhead_km], -1)[np.ix_(order, order)]
        out["bookings"][row, :n_bookings] = table
        out["travel"][row, :n_drivers, :n_bookings] = np.stack([problem.start_min, problem.start_km], -1)[:, order]
        out["travel"][row, drivers : drivers + n_bookings, :n_bookings] = deadhead
        out["cheapest_arc"][row, : n_bookings + 1, :n_bookings] = _cheapest_arcs(table, deadhead, weights)
        for slot, (driver, from_min, to_min) in enumerate(problem.absences):
            out["absence_from_min"][row, driver, slot] = from_min
            out["absence_to_min"][row, driver, slot] = to_min
    return out


def _booking_table(problem: DayProblem, weights: CostWeights) -> npt.NDArray[np.float64]:
    """The :data:`BOOKING_COLUMNS` of a day, (B, 8), in the problem's order."""
    columns = {
        "ready_min": problem.ready,
        "urgency": np.where(problem.is_urgent, weights.urgent_factor, 1.0),
        "lost_cost": np.where(problem.is_urgent, weights.lost_urgent, weights.lost),
    }
    return np.stack(
        [columns[name] if name in columns else getattr(problem, name) for name in BOOKING_COLUMNS], -1
    ).astype(np.float64)


def _cheapest_arcs(
    table: npt.NDArray[np.float64], deadhead: npt.NDArray[np.float64], weights: CostWeights
) -> npt.NDArray[np.float64]:
    """See :class:`DayBank`: arcs between bookings, each served as early as it can be; the lowest over later origins."""
    scheduled, ready, boarding, ride, alighting, outbound, urgency, lost = table.T
    late = np.maximum(0.0, (ready + boarding + ride + alighting)[:, None] + deadhead[..., 0] - scheduled)
    over = np.maximum(0.0, late - weights.return_tolerance_min)
    cost = weights.empty_km * deadhead[..., 1] + urgency * np.where(
        outbound > 0, late, over * over / weights.return_tolerance_min
    )
    usable = (late <= weights.lost_after_min) & np.triu(np.ones(cost.shape, dtype=bool), 1)
    padded = np.vstack([np.where(usable, np.minimum(cost, lost), lost), lost])
    return np.minimum.accumulate(padded[::-1])[::-1]


def days_sha256(problems: Sequence[DayProblem]) -> str:
    """Content of the days, in order: what a model was trained on. Identifiers do not enter."""
    digest = hashlib.sha256()
    for problem in problems:
        order = problem.service_order
        digest.update(f"{problem.n_drivers}/{problem.n_bookings}/{problem.absences}".encode())
        for name in ("shift_start_min", "shift_end_min", "is_emergency"):
            digest.update(np.ascontiguousarray(getattr(problem, name)).tobytes())
        for name in ("scheduled_min", "ready", "is_outbound", "is_urgent", "ride_min", "ride_km"):
            digest.update(np.ascontiguousarray(getattr(problem, name)[order]).tobytes())
        for name in ("pickup_service_min", "dropoff_service_min"):
            digest.update(np.ascontiguousarray(getattr(problem, name)[order]).tobytes())
        for name in ("start_min", "start_km"):
            digest.update(np.ascontiguousarray(getattr(problem, name)[:, order]).tobytes())
        for name in ("deadhead_min", "deadhead_km"):
            digest.update(np.ascontiguousarray(getattr(problem, name)[np.ix_(order, order)]).tobytes())
    return digest.hexdigest()
