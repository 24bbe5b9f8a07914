"""The Evidently HTML report: the picture beside our own verdict, never the verdict.

Evidently's defaults call 18 of 24 unchanged columns drifted at a dozen courses a day, so the report is drawn with our
tests and thresholds. Importing it takes seconds; import this module only where a report is drawn.
"""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

os.environ["DO_NOT_TRACK"] = "true"

import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset

from atmr_pipeline.domain.files import write_atomically
from atmr_pipeline.monitoring.samples import FeatureKind, Sample, labels, numbers, why_not_numeric

FORBIDDEN_ENDINGS = ("_id", "_key", "_lat", "_lon", "_name", "_location", "_address", "_notes")
FORBIDDEN_NAMES = frozenset(
    {"id", "key", "lat", "lon", "name", "initials", "address", "notes_medical", "customer_name"}
)


@dataclass(frozen=True)
class ReportResult:
    """What was drawn, and what was left out.

    Parameters
    ----------
    path : str or None
        The HTML file; None when no report was drawn.
    columns : tuple of str
        Columns in the report.
    dropped : dict
        Column to the reason it was left out.
    drifted : dict
        Column to its p-value, for the columns the report marks as drifted.
    n_reference, n_current : int
        Rows compared.
    skipped_reason : str or None
        Why no report was drawn.
    """

    path: str | None
    columns: tuple[str, ...]
    dropped: dict[str, str]
    drifted: dict[str, float] = field(default_factory=dict)
    n_reference: int = 0
    n_current: int = 0
    skipped_reason: str | None = None

    def to_json(self) -> str:
        """A small JSON text (kilobytes), to keep daily where the HTML is too large."""
        return json.dumps(asdict(self), sort_keys=True)


def drift_report(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    kinds: Mapping[str, str],
    path: Path,
    *,
    threshold: float,
) -> ReportResult:
    """Draw the report of two periods and put it in place in one step.

    Parameters
    ----------
    reference, current : DataFrame
        Only the columns named in ``kinds`` are read.
    kinds : mapping
        Feature columns, the label and the prediction, each with its kind (numeric, categorical, boolean). Columns
        that identify someone or somewhere (ids, keys, coordinates, names) are refused and listed.
    path : Path
        HTML file; replaced atomically. It is some 4 MB, as Evidently embeds its viewer.
    threshold : float
        p-value below which the report marks a column: that of the window that is drawn
        (:func:`~atmr_pipeline.monitoring.drift.feature_thresholds`).

    Returns
    -------
    ReportResult
        With ``skipped_reason`` and no file written when a period has no rows or no column can be drawn.
    """
    frames = {"reference": reference, "current": current}
    prepared, dropped, numeric = _prepare(frames, kinds)
    columns = tuple(prepared["reference"].columns)
    empty = [name for name, frame in frames.items() if frame.empty]
    if empty or not columns:
        reason = f"no rows in {' and '.join(empty)}" if empty else "no column can be drawn"
        return ReportResult(
            None, (), dropped, n_reference=len(reference), n_current=len(current), skipped_reason=reason
        )
    definition = DataDefinition(
        numerical_columns=[name for name in columns if name in numeric],
        categorical_columns=[name for name in columns if name not in numeric],
    )
    preset = DataDriftPreset(
        num_method="ks", cat_method="chisquare", num_threshold=threshold, cat_threshold=threshold, include_tests=False
    )
    datasets = {name: Dataset.from_pandas(frame, data_definition=definition) for name, frame in prepared.items()}
    snapshot = Report([preset]).run(current_data=datasets["current"], reference_data=datasets["reference"])
    html = snapshot.get_html_str(as_iframe=False)
    write_atomically(path, lambda hidden: hidden.write_text(html, encoding="utf-8"))
    return ReportResult(str(path), columns, dropped, _drifted(snapshot.dict(), threshold), len(reference), len(current))


def _prepare(
    frames: Mapping[str, pd.DataFrame], kinds: Mapping[str, str]
) -> tuple[dict[str, pd.DataFrame], dict[str, str], set[str]]:
    """Turn columns into the two dtypes that Evidently bears: float64 and text. The rest is dropped with a reason."""
    prepared: dict[str, dict[str, Any]] = {name: {} for name in frames}
    dropped: dict[str, str] = {}
    numeric: set[str] = set()
    for column, kind in kinds.items():
        is_numeric = FeatureKind(kind) is FeatureKind.NUMERIC
        reason = _why_dropped(column, is_numeric, frames)
        if reason:
            dropped[column] = reason
            continue
        for name, frame in frames.items():
            prepared[name][column] = _plain(frame[column], is_numeric)
        if is_numeric:
            numeric.add(column)
    return {name: pd.DataFrame(columns) for name, columns in prepared.items()}, dropped, numeric


def _why_dropped(column: str, is_numeric: bool, frames: Mapping[str, pd.DataFrame]) -> str | None:
    if forbidden_columns([column]):
        return "identifies someone or somewhere"
    for name, frame in frames.items():
        if column not in frame.columns:
            return f"missing in {name}"
        if not _sample(frame[column]).known.any():
            return f"no known value in {name}"
        if pd.api.types.is_datetime64_any_dtype(frame[column].dtype):
            return "a date, not a feature"
        reason = why_not_numeric(frame[column]) if is_numeric else None
        if reason:
            return reason
    return None


def _sample(values: pd.Series) -> Sample:
    return Sample(values.reset_index(drop=True), pd.RangeIndex(len(values)).to_numpy(dtype="int64"))


def _plain(values: pd.Series, is_numeric: bool) -> pd.Series:
    sample = _sample(values)
    if is_numeric:
        plain = pd.Series(float("nan"), index=sample.values.index, dtype="float64")
        plain[sample.known] = numbers(sample)
        return plain
    text = pd.Series(None, index=sample.values.index, dtype="object")
    text[sample.known] = labels(sample)
    return text


def _drifted(report: Mapping[str, Any], threshold: float) -> dict[str, float]:
    drifted = {}
    for metric in report["metrics"]:
        config = metric["config"]
        if config["type"].endswith(":ValueDrift") and float(metric["value"]) < threshold:
            drifted[str(config["column"])] = float(f"{float(metric['value']):.4g}")
    return drifted


def forbidden_columns(columns: Iterable[str]) -> list[str]:
    """The columns among these that may never enter a report."""
    return [name for name in columns if name in FORBIDDEN_NAMES or name.endswith(FORBIDDEN_ENDINGS)]
