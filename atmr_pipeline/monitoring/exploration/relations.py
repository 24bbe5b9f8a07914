"""What goes with the delay: correlations, bins of single features; and what is not known of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from atmr_pipeline.monitoring.exploration.cases import numbers
from atmr_pipeline.monitoring.exploration.figures import SAMPLE_FIGURES, FloatArray, sample_figures
from atmr_pipeline.monitoring.exploration.groups import NAMED, UNKNOWN

MIN_PAIRS = 30
"""Fewer rows where both are known say nothing about a correlation: it is NULL, with the reason."""

MAX_CORRELATION_ROWS = 10_000
"""Ranks are made anew for every pair of features; beyond this a random sample is drawn, and said so. The standard error
of a weak correlation is then .01."""

BINS = 6
BINNED_STEMS = ("slack", "deadhead", "distance_km", "current_load", "projected_lateness")
"""Features shown against the delay: those with one of these in their name."""

NOT_NUMERIC, CONSTANT, TOO_FEW = "not numeric", "constant", f"fewer than {MIN_PAIRS} known rows"


def missing_values(training_set: pd.DataFrame, features: Sequence[str]) -> pd.DataFrame:
    """``feature, rows, unknown, unknown_share, infinite``, most unknown first; no share where there are no rows."""
    frame = pd.DataFrame(
        {
            "feature": pd.Series(list(features), dtype="str"),
            "rows": len(training_set),
            "unknown": [int(training_set[name].isna().sum()) for name in features],
            "infinite": [_infinite(training_set[name]) for name in features],
        }
    )
    frame.insert(3, "unknown_share", frame["unknown"] / len(training_set) if len(training_set) else np.nan)
    ordered = frame.sort_values(["unknown", "feature"], ascending=[False, True], ignore_index=True)
    counts = dict.fromkeys(["rows", "unknown", "infinite"], "int64")
    return ordered.astype({**counts, "unknown_share": "float64"})


def _infinite(column: pd.Series) -> int:
    return int(np.isinf(numbers(column)).sum()) if _is_numeric(column) else 0


def _is_numeric(column: pd.Series) -> bool:
    return bool(is_numeric_dtype(column.dtype) or is_bool_dtype(column.dtype))


def correlations(
    training_set: pd.DataFrame, features: Sequence[str], *, seed: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame, int]:
    """Spearman's rank correlations, each over the rows where both are known and finite.

    Returns
    -------
    with_delay : DataFrame
        ``feature, n, spearman, why_not``; strongest first. ``why_not`` says why a correlation is NULL.
    among_features : DataFrame
        ``feature_a, feature_b, n, spearman`` of every pair that has one; strongest first.
    rows : int
        Rows used: all, or the sample of :data:`MAX_CORRELATION_ROWS`.
    """
    sample = training_set
    if len(sample) > MAX_CORRELATION_ROWS:
        sample = sample.sample(MAX_CORRELATION_ROWS, random_state=seed)
    numeric = [name for name in features if _is_numeric(sample[name])]
    values = pd.DataFrame({name: numbers(sample[name]) for name in [*numeric, "delay_min"]})
    values = values.where(np.isfinite(values))
    rho = values.corr(method="spearman", min_periods=MIN_PAIRS)
    known = values.notna().to_numpy(dtype=np.int64)
    together = pd.DataFrame(known.T @ known, index=rho.index, columns=rho.columns)
    return _with_delay(values, rho, features, numeric), _among(rho, together, numeric), len(sample)


def _with_delay(
    values: pd.DataFrame, rho: pd.DataFrame, features: Sequence[str], numeric: Sequence[str]
) -> pd.DataFrame:
    records: list[tuple[str, int, float, str | None]] = []
    for name in features:
        if name not in numeric:
            records.append((name, 0, np.nan, NOT_NUMERIC))
            continue
        known = values.loc[values[name].notna(), [name, "delay_min"]]
        coefficient = float(np.asarray(rho.loc[name, "delay_min"]))
        reason = None
        if len(known) < MIN_PAIRS:
            reason = TOO_FEW
        elif not np.isfinite(coefficient):
            reason = CONSTANT
        records.append((name, len(known), coefficient, reason))
    frame = pd.DataFrame(records, columns=["feature", "n", "spearman", "why_not"])
    frame = frame.astype({"feature": "str", "n": "int64", "spearman": "float64", "why_not": "str"})
    return frame.sort_values("spearman", key=lambda column: -column.abs(), kind="stable", ignore_index=True)


def _among(rho: pd.DataFrame, together: pd.DataFrame, numeric: Sequence[str]) -> pd.DataFrame:
    upper = [(a, b) for place, a in enumerate(numeric) for b in numeric[place + 1 :]]
    frame = pd.DataFrame(
        {
            "feature_a": [a for a, _ in upper],
            "feature_b": [b for _, b in upper],
            "n": [int(np.asarray(together.loc[a, b])) for a, b in upper],
            "spearman": [float(np.asarray(rho.loc[a, b])) for a, b in upper],
        }
    ).astype({"feature_a": "str", "feature_b": "str", "n": "int64", "spearman": "float64"})
    defined = frame.dropna(subset=["spearman"])
    return defined.sort_values("spearman", key=lambda column: -column.abs(), kind="stable", ignore_index=True)


FEATURE_BIN_COLUMNS = {
    "feature": "str", "kind": "str", "from_value": "float64", "to_value": "float64", **SAMPLE_FIGURES,
}  # fmt: skip


def delay_by_feature(
    training_set: pd.DataFrame, cases: pd.DataFrame, features: Sequence[str], *, seed: int = 0
) -> pd.DataFrame:
    """Delay in up to :data:`BINS` equally filled bins of the features that :data:`BINNED_STEMS` name.

    Returns
    -------
    DataFrame
        :data:`FEATURE_BIN_COLUMNS`; ``from_value`` and ``to_value`` are the smallest and largest value of the bin, both
        within it. Rows where the feature is NULL or infinite are the bin of kind unknown, so ``n`` adds up to all rows.
    """
    delay, days = cases["delay_min"].to_numpy(), cases["service_day"].to_numpy()
    records: list[dict[str, Any]] = []
    for name in features:
        if any(stem in name for stem in BINNED_STEMS) and _is_numeric(training_set[name]):
            values = numbers(training_set[name])
            for code in np.unique(bins := _bins(values)):
                here = bins == code
                ends = (np.nan, np.nan) if code < 0 else (values[here].min(), values[here].max())
                bounds = dict(zip(("from_value", "to_value"), ends, strict=True))
                head = {"feature": name, "kind": UNKNOWN if code < 0 else NAMED, **bounds}
                records.append({**head, **sample_figures(delay[here], days[here], seed)})
    return pd.DataFrame({name: [row[name] for row in records] for name in FEATURE_BIN_COLUMNS}).astype(
        FEATURE_BIN_COLUMNS
    )


def _bins(values: FloatArray) -> np.ndarray:
    """Bin of each value, -1 where it is not finite; equal values always share a bin."""
    codes = np.full(len(values), -1, dtype=np.int64)
    finite = np.isfinite(values)
    if finite.any():
        distinct = np.unique(values[finite])
        inner = np.quantile(values[finite], np.arange(1, BINS) / BINS, method="lower")
        edges = distinct[:-1] if len(distinct) <= BINS else np.unique(inner)
        codes[finite] = np.searchsorted(edges, values[finite], side="left")
    return codes
