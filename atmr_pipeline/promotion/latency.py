"""How long one decision takes, measured on the machine that judges."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from atmr_pipeline.promotion.verdict import GateVerdict

ROUNDS = 3
"""A busy machine slows a measurement down and never speeds it up, so the fastest of some rounds counts."""
SINGLE_DECISIONS = 100
"""Of each round: the p99 is then the slowest but one."""
WARM_UP = 5
BATCH_ROWS = 1_000

Clock = Callable[[], float]


@dataclass(frozen=True)
class LatencyLimits:
    """Limits of serving.

    Parameters
    ----------
    max_decision_ms : float
        p99 of single decisions.
    min_decisions_per_s : float
        Throughput of decisions asked for together.
    """

    max_decision_ms: float = 50.0
    min_decisions_per_s: float = 100.0


@dataclass(frozen=True)
class Latency:
    """What was measured.

    Parameters
    ----------
    decision_p99_ms : float
        Of the fastest round; NaN where there was nothing to ask.
    decisions_per_s : float
        Together, of the fastest round.
    decisions : int
        Single decisions of each round.
    """

    decision_p99_ms: float
    decisions_per_s: float
    decisions: int


def measure_latency(
    predict: Callable[[pd.DataFrame], object], rows: pd.DataFrame, *, clock: Clock = time.perf_counter
) -> Latency:
    """Ask a reloaded model row by row and in one go.

    Parameters
    ----------
    predict : callable
        From rows to predictions.
    rows : DataFrame
        Held-out rows; asked again from the start where there are few.
    clock : callable
        Seconds.
    """
    if rows.empty:
        return Latency(float("nan"), float("nan"), 0)
    singles = [rows.iloc[[number % len(rows)]] for number in range(SINGLE_DECISIONS)]
    batch = rows.iloc[np.arange(BATCH_ROWS) % len(rows)]
    for row in singles[:WARM_UP]:
        predict(row)
    p99_s, batch_s = [], []
    for _ in range(ROUNDS):
        p99_s.append(p99([_seconds(predict, row, clock) for row in singles]))
        batch_s.append(_seconds(predict, batch, clock))
    fastest = min(batch_s)
    return Latency(1000.0 * min(p99_s), len(batch) / fastest if fastest > 0 else float("inf"), len(singles))


def p99(seconds: list[float]) -> float:
    """The time that one decision in a hundred exceeds; the slowest of fewer than a hundred."""
    return float(np.quantile(seconds, 0.99, method="higher")) if seconds else float("nan")


def latency_verdict(latency: Latency, limits: LatencyLimits | None = None) -> GateVerdict:
    """Fast enough alone and together."""
    limits = limits or LatencyLimits()
    slowest, together = latency.decision_p99_ms, latency.decisions_per_s
    passed = slowest < limits.max_decision_ms and together >= limits.min_decisions_per_s
    detail = (
        f"one decision takes at most {slowest:.1f} ms in 99 of 100 (below {limits.max_decision_ms:.0f} ms), "
        f"{together:,.0f} a second together (at least {limits.min_decisions_per_s:.0f})"
    )
    return GateVerdict("latency", bool(passed), slowest, limits.max_decision_ms, latency.decisions, detail)


def _seconds(predict: Callable[[pd.DataFrame], object], rows: pd.DataFrame, clock: Clock) -> float:
    started = clock()
    predict(rows)
    return clock() - started
