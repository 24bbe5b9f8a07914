"""Everything that is measured on the held-out days of one training, as tables."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd

from atmr_pipeline.models.delay.bootstrap import DayBlocks
from atmr_pipeline.models.delay.importance import permutation_importance
from atmr_pipeline.models.delay.report.calibration import coverage_by_prediction, reliability_table
from atmr_pipeline.models.delay.report.comparison import comparison_table
from atmr_pipeline.models.delay.report.cuts import FAIRNESS_CUTS, labels, slice_table
from atmr_pipeline.models.delay.report.fairness import GAP_COLUMNS, group_table, largest_gaps
from atmr_pipeline.models.delay.report.learning_curve import POINTS, learning_curve
from atmr_pipeline.models.delay.report.worst_cases import worst_cases
from atmr_pipeline.models.delay.splitting import time_split
from atmr_pipeline.models.delay.training import DelayTraining

IMPORTANCE_REPEATS = 3
TABLES = ("comparison", "reliability", "coverage", "importance", "learning_curve", "worst_cases", "gaps")


@dataclass(frozen=True)
class EvaluationReport:
    """What a delay model is worth, cut in every way that somebody will ask for.

    Attributes
    ----------
    comparison : DataFrame
        See :func:`~atmr_pipeline.models.delay.report.comparison.comparison_table`.
    reliability, coverage : DataFrame
        See :mod:`~atmr_pipeline.models.delay.report.calibration`.
    importance : DataFrame
        See :func:`~atmr_pipeline.models.delay.importance.permutation_importance`.
    learning_curve : DataFrame
        See :func:`~atmr_pipeline.models.delay.report.learning_curve.learning_curve`.
    worst_cases : DataFrame
        See :func:`~atmr_pipeline.models.delay.report.worst_cases.worst_cases`.
    gaps : DataFrame
        ``by`` and the columns of :func:`~atmr_pipeline.models.delay.report.fairness.largest_gaps`.
    slices : dict of DataFrame
        Figures by ``hour, driver, leg, patient_area, pickup_area``.
    fairness : dict of DataFrame
        See :func:`~atmr_pipeline.models.delay.report.fairness.group_table`, by ``driver`` and ``patient_area``.
    left_out : dict of str
        Cuts that could not be made, and why.
    """

    comparison: pd.DataFrame
    reliability: pd.DataFrame
    coverage: pd.DataFrame
    importance: pd.DataFrame
    learning_curve: pd.DataFrame
    worst_cases: pd.DataFrame
    gaps: pd.DataFrame
    slices: dict[str, pd.DataFrame]
    fairness: dict[str, pd.DataFrame]
    left_out: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; what is not known is None."""
        groups = {name: {by: _stored(t) for by, t in getattr(self, name).items()} for name in ("slices", "fairness")}
        return {name: _stored(getattr(self, name)) for name in TABLES} | groups | {"left_out": self.left_out}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The inverse of :meth:`to_dict`."""
        groups = {name: {by: pd.DataFrame(**t) for by, t in values[name].items()} for name in ("slices", "fairness")}
        tables = {name: pd.DataFrame(**values[name]) for name in TABLES}
        return cls(**tables, **groups, left_out=dict(values["left_out"]))  # type: ignore[arg-type]


def evaluation_report(
    training: DelayTraining,
    training_set: pd.DataFrame,
    *,
    holdout_days: int,
    truth: pd.DataFrame | None = None,
    floor: dict[str, float | None] | None = None,
    points: int = POINTS,
) -> EvaluationReport:
    """Measure a training on its held-out days.

    Parameters
    ----------
    training : DelayTraining
    training_set : DataFrame
        The table it was trained on, of which the learning curve takes pieces.
    holdout_days : int
        As given to the training.
    truth : DataFrame, optional
        ``assignment_id, expected_delay_min``: a perfect predictor, where the world is known.
    floor : dict, optional
        Of :func:`~atmr_pipeline.models.delay.report.comparison.floor_figures`.
    points : int
        Sizes of the learning curve.
    """
    model, holdout = training.model, training.holdout
    blocks = DayBlocks.of(holdout["service_day"], seed=model.params.seed)
    train, _ = time_split(training_set, holdout_days)
    cuts, left_out = labels(holdout)
    perfect = None
    if truth is not None:
        by_id = truth.set_index("assignment_id")["expected_delay_min"]
        perfect = by_id.reindex(holdout["assignment_id"]).reset_index(drop=True)
    fair = {name: cuts[name] for name in FAIRNESS_CUTS if name in cuts}
    return EvaluationReport(
        comparison=comparison_table(training, blocks, floor),
        reliability=reliability_table(holdout, blocks),
        coverage=coverage_by_prediction(holdout, blocks),
        importance=permutation_importance(
            model,
            holdout[model.feature_names_],
            holdout["delay_min"],
            repeats=IMPORTANCE_REPEATS,
            seed=model.params.seed,
        ),
        learning_curve=learning_curve(model, train, holdout, blocks, points=points),
        worst_cases=worst_cases(model, holdout),
        gaps=_gaps(holdout, fair, blocks),
        slices={
            name: slice_table(holdout, by, late_after_min=model.params.late_after_min) for name, by in cuts.items()
        },
        fairness={name: group_table(holdout, by, blocks, truth=perfect) for name, by in fair.items()},
        left_out=left_out,
    )


def _gaps(holdout: pd.DataFrame, fair: dict[str, pd.Series], blocks: DayBlocks) -> pd.DataFrame:
    tables = [largest_gaps(holdout, by, blocks).assign(by=name) for name, by in fair.items()]
    found = [table for table in tables if len(table)]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=[*GAP_COLUMNS, "by"])


def _stored(table: pd.DataFrame) -> dict[str, Any]:
    """Columns and rows, as the constructor of a DataFrame takes them: a table without rows keeps its columns."""
    plain = table.astype(object).where(table.notna(), None)
    return {"columns": list(plain.columns), "data": [[_plain(value) for value in row] for row in plain.to_numpy()]}


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
