"""Residuals of what was served, each beside what its model version showed on its held-out days."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pandas as pd

from atmr_pipeline.domain.errors import TableContractError
from atmr_pipeline.monitoring.cusum import RESIDUAL_COLUMN, ResidualReference

STREAM_COLUMNS = {
    "assignment_id": "int64",
    "company_id": "Int64",
    "service_day": "datetime64[us]",
    RESIDUAL_COLUMN: "float64",
    "shift_min": "float64",
    "score": "float64",
    "reference_n": "float64",
}
SERVED_COLUMNS = (
    "assignment_id",
    "company_id",
    "service_day",
    "model_version",
    "predicted_at",
    "role",
    "expected_delay_min",
    "actual_delay_min",
)
UNSCORED_COLUMNS = ("assignment_id", "service_day", RESIDUAL_COLUMN)
REFERENCE_KEY = "residual_reference"


@dataclass(frozen=True)
class ResidualStream:
    """Residuals in the order of their days, and where they come from.

    Parameters
    ----------
    frame : DataFrame
        Columns of :data:`STREAM_COLUMNS`; one row an assignment. A residual without any reference has none here and
        is left out by the CUSUM.
    counts : dict of int
        ``served`` (measured pickups that were scored), ``not_measured`` (scored, no actual delay yet),
        ``never_scored`` (predicted afterwards by the champion), ``reference_of_champion`` (served by a version whose
        held-out residuals were not kept, judged by the champion's), ``no_reference`` (set aside).
    """

    frame: pd.DataFrame
    counts: dict[str, int]


def reference_of(metrics: Mapping[str, Any]) -> ResidualReference | None:
    """The held-out residuals in a version's registry metrics; None where it was registered without.

    Raises
    ------
    TableContractError
        When what is stored is not a residual reference.
    """
    stored = metrics.get(REFERENCE_KEY)
    if stored is None:
        return None
    names = {field.name for field in fields(ResidualReference)}
    try:
        return ResidualReference(**{name: value for name, value in stored.items() if name in names})
    except (AttributeError, TypeError):
        raise TableContractError(f"{REFERENCE_KEY}: needs mean_min, std_min, n and design_effect as numbers") from None


def last_served(predictions: pd.DataFrame) -> pd.DataFrame:
    """The last served prediction of each assignment, whichever version made it.

    A prediction is only written while its pickup is not known to have happened, so the last one is what stood when
    the driver arrived. Shadow predictions did not act and are left out.

    Raises
    ------
    TableContractError
        Naming missing columns.
    """
    missing = [name for name in SERVED_COLUMNS if name not in predictions.columns]
    if missing:
        raise TableContractError(f"served predictions: missing columns {', '.join(missing)}")
    served = predictions[predictions["role"] == "served"]
    return served.sort_values(["predicted_at", "model_version"]).drop_duplicates("assignment_id", keep="last")


def residual_stream(
    predictions: pd.DataFrame,
    references: Mapping[str, ResidualReference],
    *,
    champion: ResidualReference | None = None,
    unscored: pd.DataFrame | None = None,
) -> ResidualStream:
    """Line up the residuals of what was served.

    Parameters
    ----------
    predictions : DataFrame
        As :func:`~atmr_pipeline.state.predictions.read_predictions` returns them, all versions and roles.
    references : mapping
        Model version to its held-out residuals.
    champion : ResidualReference, optional
        The champion's held-out residuals: for versions that have none of their own, and for ``unscored``.
    unscored : DataFrame, optional
        ``assignment_id, service_day, residual_min`` and, where known, ``company_id``: pickups after the champion's
        held-out block, by the champion's own prediction. Those that were scored after all are left out.

    Returns
    -------
    ResidualStream
    """
    served = last_served(predictions)
    measured = served[served["actual_delay_min"].notna()]
    residual = measured["actual_delay_min"] - measured["expected_delay_min"]
    kept = measured[["assignment_id", "company_id", "service_day"]].assign(**{RESIDUAL_COLUMN: residual})
    own = [references.get(version) for version in measured["model_version"]]
    parts = [_beside(kept, [reference or champion for reference in own])]
    never = 0
    if unscored is not None:
        missing = [name for name in UNSCORED_COLUMNS if name not in unscored.columns]
        if missing:
            raise TableContractError(f"unscored assignments: missing columns {', '.join(missing)}")
        later = unscored[~unscored["assignment_id"].isin(served["assignment_id"])]
        never = len(later)
        if "company_id" not in later.columns:
            later = later.assign(company_id=pd.array([pd.NA] * never, dtype="Int64"))
        parts.append(_beside(later[[*UNSCORED_COLUMNS, "company_id"]], [champion] * never))
    frame = pd.concat(parts, ignore_index=True).sort_values(["service_day", "assignment_id"], ignore_index=True)
    return ResidualStream(
        frame,
        {
            "served": len(measured),
            "not_measured": len(served) - len(measured),
            "never_scored": never,
            "reference_of_champion": 0 if champion is None else sum(reference is None for reference in own),
            "no_reference": int(frame["score"].isna().sum()),
        },
    )


def _beside(rows: pd.DataFrame, references: list[ResidualReference | None]) -> pd.DataFrame:
    values = rows[RESIDUAL_COLUMN].to_numpy(dtype=np.float64, na_value=np.nan)
    figures = np.full((len(rows), 3), np.nan)
    for index, reference in enumerate(references):
        if reference is not None:
            score = reference.scores(values[index : index + 1])[0]
            figures[index] = values[index] - reference.mean_min, score, reference.n
    whole = rows.assign(shift_min=figures[:, 0], score=figures[:, 1], reference_n=figures[:, 2])
    return whole[list(STREAM_COLUMNS)].astype(STREAM_COLUMNS)
