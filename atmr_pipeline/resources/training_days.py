"""The days that dispatch policies were trained on, kept under the hash of their bytes, one row a day."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from atmr_pipeline.domain.errors import InvalidProblemError, TableContractError
from atmr_pipeline.resources.training_sets import environment, keep_bytes, read_bytes
from atmr_pipeline.resources.workspace import Workspace

if TYPE_CHECKING:
    from atmr_pipeline.dispatch.problem import DayProblem
    from atmr_pipeline.models.policy import PolicySettings, TrainedPolicy
    from atmr_pipeline.models.policy.learner import Progress

POLICY_CODE = ("models/policy", "models/dqn", "dispatch")
"""Subpackages that a dispatch policy depends on."""

IDENTIFIERS = ("driver_ids", "booking_ids")
MATRICES = ("start_min", "start_km", "deadhead_min", "deadhead_km")


def keep_training_days(workspace: Workspace, problems: Sequence["DayProblem"]) -> str:
    """Keep the days that a policy is trained on: shifts, times and travel; no address and no patient.

    Returns
    -------
    str
        SHA-256 of the file, 64 hex digits: its name.
    """
    stream = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([_row(problem) for problem in problems], _schema()), stream, compression="zstd")
    return keep_bytes(workspace, stream.getvalue(), ".parquet")


def read_training_days(workspace: Workspace, training_set: str) -> list["DayProblem"]:
    """Read kept days.

    Raises
    ------
    TableContractError
        If they are not kept any more, or were altered.
    """
    data = read_bytes(workspace, training_set, ".parquet")
    try:
        return [_problem(row) for row in pq.read_table(io.BytesIO(data)).to_pylist()]
    except (pa.ArrowInvalid, InvalidProblemError, KeyError, TypeError, ValueError):
        raise TableContractError(f"training set {training_set[:16]} does not hold days of this version") from None


def policy_training_record(training_set: str, settings: "PolicySettings") -> dict[str, Any]:
    """Everything besides the days that a policy's training depends on, as JSON values."""
    return {"training_set": training_set, "settings": asdict(settings), **environment(POLICY_CODE)}


def train_policy_as_recorded(
    problems: Sequence["DayProblem"], record: Mapping[str, Any], *, on_progress: "Progress | None" = None
) -> "TrainedPolicy":
    """Train a policy as its record says: the one way, for the first training and for every repetition.

    Raises
    ------
    NotEnoughDataError
        If the days are too few.
    """
    from pydantic import TypeAdapter

    from atmr_pipeline.models.policy import PolicySettings, train

    settings = TypeAdapter(PolicySettings).validate_python(record["settings"])
    return train(problems, settings, on_progress=on_progress)


def _names() -> list[str]:
    from atmr_pipeline.dispatch.problem import DayProblem

    return [field.name for field in fields(DayProblem)]


def _schema() -> pa.Schema:
    def type_of(name: str) -> pa.DataType:
        if name in IDENTIFIERS:
            return pa.list_(pa.string())
        if name == "absences":
            return pa.list_(pa.list_(pa.float64()))
        return pa.list_(pa.bool_() if name.startswith("is_") else pa.float64())

    return pa.schema([(name, type_of(name)) for name in _names()])


def _row(problem: "DayProblem") -> dict[str, Any]:
    def plain(name: str) -> Any:
        value = getattr(problem, name)
        if value is None or name == "absences" or name in IDENTIFIERS:
            return value
        return value.ravel().tolist()

    return {name: plain(name) for name in _names()}


def _problem(row: dict[str, Any]) -> "DayProblem":
    from atmr_pipeline.dispatch.problem import DayProblem

    bookings = len(row["booking_ids"])
    values: dict[str, Any] = {name: tuple(row[name]) for name in IDENTIFIERS}
    values |= {name: row[name] for name in row if name not in (*IDENTIFIERS, *MATRICES, "absences")}
    values |= {name: _reshaped(row[name], bookings) for name in MATRICES}
    absences = tuple((int(driver), start, end) for driver, start, end in row["absences"])
    return DayProblem(**values, absences=absences)


def _reshaped(values: list[float], columns: int) -> Any:
    import numpy as np

    return np.array(values, dtype=np.float64).reshape(-1, columns) if columns else np.empty((0, 0))
