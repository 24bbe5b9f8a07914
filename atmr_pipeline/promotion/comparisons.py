"""The gates that compare two models or planners on the same days, shared by both kinds of model."""

import math
from collections.abc import Iterable

import pandas as pd

from atmr_pipeline.domain.errors import TableContractError
from atmr_pipeline.promotion.bootstrap import PairedComparison
from atmr_pipeline.promotion.verdict import GateVerdict

NO_CHAMPION = "no champion yet: judged against the baselines alone"
NO_ANCHOR = "no anchor yet: it is set with the first promotion"


def checked_frame(frame: pd.DataFrame, required: Iterable[str], optional: Iterable[str], what: str) -> pd.DataFrame:
    """Refuse a frame that lacks columns or has unknown values: the rows that happen to be known are not the whole.

    Raises
    ------
    TableContractError
        Naming the columns and counts.
    """
    missing = [name for name in required if name not in frame.columns]
    if missing:
        raise TableContractError(f"{what}: missing columns {', '.join(missing)}")
    names = [*required, *(name for name in optional if name in frame.columns)]
    unknown = frame[names].isna().sum()
    if unknown.any():
        parts = [f"{name} in {count} rows" for name, count in unknown.items() if count]
        raise TableContractError(f"{what}: unknown values: {', '.join(parts)}")
    return frame[names]


def minimum(name: str, what: str, needs: int, has: int) -> GateVerdict:
    """At least so many rows or days."""
    return GateVerdict(name, has >= needs, float(has), float(needs), has, f"{what}: needs {needs:,}, has {has:,}")


def superior(name: str, measure: str, comparison: PairedComparison, *, blocking: bool = True) -> GateVerdict:
    """Surely smaller: even the upper bound of the relative difference is below zero."""
    passed = comparison.upper < 0
    return _verdict(name, passed, comparison, comparison.upper, 0.0, f"{measure} upper bound below 0 %", blocking)


def not_worse(name: str, measure: str, comparison: PairedComparison, *, point_limit: float) -> GateVerdict:
    """Not surely larger, and on these days at most a small limit larger.

    A good baseline is often as good as anything can be, so a challenger that ties with it must pass: a bound of +1 %
    refuses half of the ties on 1,000 rows, this rule one in thirty, and it passes no challenger that is 10 % worse.
    """
    passed = comparison.lower <= 0 and comparison.relative < point_limit
    rule = f"{measure} estimate below {point_limit:+.0%} and lower bound not above 0 %"
    return _verdict(name, passed, comparison, comparison.relative, point_limit, rule, True)


def non_inferior(
    name: str,
    measure: str,
    comparison: PairedComparison | None,
    *,
    margin: float,
    point_limit: float,
    missing: str = NO_CHAMPION,
    blocking: bool = True,
) -> GateVerdict:
    """At most a margin worse, surely, and at most a smaller limit worse on the days as they were.

    "Better on these days" is a coin flip between equal models and "surely better" refuses nearly all of them;
    this rule (a one-sided non-inferiority test plus a limit on the point estimate) lets equals pass and stops the
    small steps down that non-inferiority alone would allow. Without a model to compare with (None) the gate passes as
    not judged, and ``missing`` says why.
    """
    if comparison is None:
        return GateVerdict.not_judged(name, margin, missing, blocking=blocking)
    passed = comparison.upper < margin and comparison.relative < point_limit
    rule = f"{measure} upper bound below {margin:+.0%} and estimate below {point_limit:+.0%}"
    return _verdict(name, passed, comparison, comparison.upper, margin, rule, blocking)


def _verdict(
    name: str, passed: bool, comparison: PairedComparison, value: float, threshold: float, rule: str, blocking: bool
) -> GateVerdict:
    if math.isnan(comparison.relative):
        detail = "no comparison: the reference's mean is not positive"
        return GateVerdict(name, False, math.nan, threshold, comparison.rows, detail, blocking)
    bounds = f"{comparison.lower:+.1%} to {comparison.upper:+.1%}"
    detail = f"{comparison.relative:+.1%}, bounds {bounds} over {comparison.days} days ({rule})"
    return GateVerdict(name, bool(passed), value, threshold, comparison.rows, detail, blocking)
