"""Does the model serve some drivers or areas worse than others, and is the difference more than noise?"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from atmr_pipeline.models.delay.bootstrap import DayBlocks, interval
from atmr_pipeline.models.delay.evaluation import SMALL_SLICES, slice_labels
from atmr_pipeline.models.delay.report.cuts import natural_order

MINIMUM_ROWS = 20
MINIMUM_DAYS = 5
"""A group seen on fewer days is shown and not judged: so few days say nothing about how days differ."""
NOISE_LEVEL = 0.05
GAP_COLUMNS = [
    "measure", "unit", "highest", "lowest", "gap", "low", "high", "p_value", "groups", "pairs", "pairs_beyond_noise",
]  # fmt: skip
MEASURES = {"MAE": "min", "bias": "min", "coverage": "percentage points"}


def group_table(
    holdout: pd.DataFrame, label: pd.Series, blocks: DayBlocks, *, truth: pd.Series | None = None
) -> pd.DataFrame:
    """MAE, bias and coverage of each group with the 95 % interval of each.

    Parameters
    ----------
    holdout : DataFrame
        ``delay_min, expected_delay_min, low_min, high_min``.
    label : Series, shape (n_rows,)
        The group of each row; groups under 20 rows are gathered.
    blocks : DayBlocks
        The days of the rows.
    truth : Series, shape (n_rows,), optional
        Expected delay of a predictor that knows the world, minutes, NULL where unknown: a group whose own floor is high
        is hard to predict and not treated worse.

    Returns
    -------
    DataFrame
        ``group, n, days``; for each of ``mae_min, bias_min, coverage_pct`` the figure and its ``_low`` and ``_high``;
        ``floor_mae_min`` (NULL where the truth is not known of all rows).
    """
    names, errors = slice_labels(label, minimum_rows=MINIMUM_ROWS), _errors(holdout)
    floor = None if truth is None else np.abs(truth.to_numpy(dtype=np.float64) - holdout["delay_min"].to_numpy())
    lines = []
    for name in sorted(set(names), key=natural_order):
        here = names == name
        line = {"group": name, "n": int(here.sum()), "days": len(np.unique(blocks.codes[here]))}
        for measure, column in (("MAE", "mae_min"), ("bias", "bias_min"), ("coverage", "coverage_pct")):
            line[column], line[f"{column}_low"], line[f"{column}_high"] = blocks.mean(errors[measure], here)
        lines.append(line | {"floor_mae_min": np.nan if floor is None else float(floor[here].mean())})
    return pd.DataFrame(lines)


def largest_gaps(holdout: pd.DataFrame, label: pd.Series, blocks: DayBlocks) -> pd.DataFrame:
    """For each measure the two groups furthest apart, and whether groups differ by more than noise.

    All pairs of groups are looked at, so the largest gap is large by luck alone. Each pair's gap is divided by its
    standard error and judged against the largest such ratio in draws in which all groups are equal (the draws less
    their mean; single-step maxT, Westfall and Young, 1993). Whole days are drawn. Gathered groups and those seen on
    fewer than 5 days are not judged.

    Returns
    -------
    DataFrame
        One row a measure: ``measure, unit``; ``highest, lowest`` (groups), ``gap`` with ``low, high`` (95 %),
        ``p_value`` (of this gap, adjusted for all pairs); ``groups, pairs`` judged and ``pairs_beyond_noise``
        (adjusted p below .05). Empty where fewer than two groups can be judged.
    """
    names = slice_labels(label, minimum_rows=MINIMUM_ROWS)
    judged = [
        name
        for name in sorted(set(names) - {SMALL_SLICES}, key=natural_order)
        if len(np.unique(blocks.codes[names == name])) >= MINIMUM_DAYS
    ]
    if len(judged) < 2:
        return pd.DataFrame(columns=GAP_COLUMNS)
    lines = []
    for measure, values in _errors(holdout).items():
        estimate = np.array([values[names == name].mean() for name in judged])
        draws = np.column_stack([blocks.mean_draws(values, names == name) for name in judged])
        lines.append(_largest_gap(measure, judged, estimate, draws))
    return pd.DataFrame(lines, columns=GAP_COLUMNS)


def verdict(by: str, line: Mapping[str, Any]) -> str:
    """One line of :func:`largest_gaps` in plain words."""
    level = "beyond noise" if line["p_value"] < NOISE_LEVEL else "within noise"
    unit = line["unit"]
    return (
        f"{line['measure']} by {by}: largest gap {line['gap']:.2f} {unit} ({line['highest']} against {line['lowest']}; "
        f"95 % interval {line['low']:.2f} to {line['high']:.2f}), {level} (adjusted p = {line['p_value']:.3f}); "
        f"{line['pairs_beyond_noise']} of {line['pairs']} pairs of groups differ beyond noise"
    )


def _errors(holdout: pd.DataFrame) -> dict[str, np.ndarray]:
    """What each measure averages, row by row."""
    actual, expected, low, high = (
        holdout[name].to_numpy(dtype=np.float64) for name in ("delay_min", "expected_delay_min", "low_min", "high_min")
    )
    return {
        "MAE": np.abs(expected - actual),
        "bias": expected - actual,
        "coverage": 100.0 * ((low <= actual) & (actual <= high)),
    }


def _largest_gap(measure: str, names: list[str], estimate: np.ndarray, draws: np.ndarray) -> dict[str, object]:
    first, second = np.triu_indices(len(names), k=1)
    # A draw without one of a group's days says nothing about it: it counts as the estimate.
    noise = np.nan_to_num(draws - estimate)
    pair_noise = noise[:, first] - noise[:, second]
    error = pair_noise.std(axis=0)
    gaps = estimate[first] - estimate[second]
    ratio = np.divide(np.abs(gaps), error, out=np.zeros(len(gaps)), where=error > 0.0)
    largest_by_chance = np.divide(np.abs(pair_noise), error, out=np.zeros_like(pair_noise), where=error > 0.0).max(1)
    reached = (largest_by_chance[:, None] >= ratio).sum(axis=0)
    p_values = (1.0 + reached) / (1.0 + len(draws))
    widest = int(np.argmax(np.abs(gaps)))
    sign = 1.0 if gaps[widest] >= 0.0 else -1.0
    high, low = (first, second) if sign > 0.0 else (second, first)
    band = interval(abs(float(gaps[widest])), abs(float(gaps[widest])) + sign * pair_noise[:, widest])
    return {
        "measure": measure,
        "unit": MEASURES[measure],
        "highest": names[high[widest]],
        "lowest": names[low[widest]],
        "gap": band.value,
        "low": band.low,
        "high": band.high,
        "p_value": float(p_values[widest]),
        "groups": len(names),
        "pairs": len(gaps),
        "pairs_beyond_noise": int((p_values < NOISE_LEVEL).sum()),
    }
