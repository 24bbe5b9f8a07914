"""The leak test: could the challenger have known, at each decision, what it learned from and predicts with?

Held-out decisions are made again from source tables in which everything that became known later was removed, and again
from tables in which it was altered. A feature that comes out differently knew the future. Besides, every label that the
challenger learned from must have been known before the first decision that it is judged on.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from atmr_pipeline.features.delay import delay_features
from atmr_pipeline.features.sources import FeatureSources
from atmr_pipeline.promotion.verdict import GateVerdict
from atmr_pipeline.promotion.worlds import altered, as_known

INSTANTS = 6
"""Decisions are taken plan by plan; so many moments of decision are drawn, each a world of its own."""
MOST_AT_ONCE = 40
"""Decisions made again of one moment."""
DECISION = ["assignment_id", "booking_id", "driver_id", "decided_at"]

MakeFeatures = Callable[[pd.DataFrame, FeatureSources], pd.DataFrame]
Predict = Callable[[pd.DataFrame, pd.DataFrame], pd.Series]
SAME_MIN = 1e-9


@dataclass(frozen=True)
class LeakAudit:
    """What making the features again showed.

    Parameters
    ----------
    decisions, instants : int
        Held-out decisions made again, and the moments at which they were taken.
    leaking : dict of str to int
        Feature to the decisions at which it depends on the future.
    stale : dict of str to int
        Feature to the decisions at which the stored value is not what the sources give now.
    not_made : tuple of str
        Features of the model that are not made from the sources at all.
    labels_too_late : int
        Training labels that were not known before the first held-out decision.
    predictions : int
        Decisions whose prediction depends on pickups measured later, although the features do not.
    """

    decisions: int
    instants: int
    leaking: dict[str, int] = field(default_factory=dict)
    stale: dict[str, int] = field(default_factory=dict)
    not_made: tuple[str, ...] = ()
    labels_too_late: int = 0
    predictions: int = 0


def audit_leaks(
    holdout: pd.DataFrame,
    sources: FeatureSources,
    feature_names: Sequence[str],
    *,
    labels_too_late: int = 0,
    predict: Predict | None = None,
    history: pd.DataFrame | None = None,
    make: MakeFeatures = delay_features,
    instants: int = INSTANTS,
    seed: int = 0,
) -> LeakAudit:
    """Make the features of a sample of held-out decisions again, without the future and with another one.

    Parameters
    ----------
    holdout : DataFrame
        ``assignment_id, booking_id, driver_id, decided_at`` and the features as they were stored.
    sources : FeatureSources
        The tables as they are now.
    feature_names : sequence of str
        What the model predicts with.
    labels_too_late : int
        Of :func:`late_labels`.
    predict, history : callable and DataFrame, optional
        From held-out rows and measured pickups (``known_at``) to expected delays, and all measured pickups: a model
        that follows the level of past delays must not see later ones.
    make : callable
        From decisions and sources to features.
    instants, seed : int
        Moments drawn; the same seed draws the same ones.
    """
    rng = np.random.default_rng(seed)
    moments = np.sort(holdout["decided_at"].unique())
    drawn = pd.Index(rng.choice(moments, min(instants, len(moments)), replace=False))
    sample = holdout[holdout["decided_at"].isin(drawn)].groupby("decided_at").head(MOST_AT_ONCE)
    sample = sample.reset_index(drop=True)
    if sample.empty:
        return LeakAudit(0, 0, labels_too_late=labels_too_late)
    now = make(sample[DECISION], sources)
    made = [name for name in feature_names if name in now.columns]
    leaking: Counter[str] = Counter()
    predictions = 0
    for moment, part in sample.groupby("decided_at"):
        at = pd.Timestamp(str(moment))
        decisions = part[DECISION].reset_index(drop=True)
        expected = now.loc[part.index, made].reset_index(drop=True)
        without = make(decisions, as_known(sources, at, part["booking_id"]))
        another = make(decisions, altered(sources, at, rng))
        differs = _differs(without[made], expected) | _differs(another[made], expected)
        leaking.update({str(name): int(count) for name, count in differs.sum().items() if count})
        if predict is not None and history is not None:
            known = predict(part, history[history["known_at"] < at])
            predictions += int(((known - predict(part, history)).abs() > SAME_MIN).sum())
    stale = _differs(sample[made], now[made]).sum()
    return LeakAudit(
        decisions=len(sample),
        instants=len(drawn),
        leaking=dict(leaking),
        stale={str(name): int(count) for name, count in stale.items() if count},
        not_made=tuple(name for name in feature_names if name not in now.columns),
        labels_too_late=labels_too_late,
        predictions=predictions,
    )


def late_labels(training_set: pd.DataFrame, blocks: pd.DataFrame, first_decision: pd.Timestamp) -> int:
    """Rows that the model learned from beyond those whose label was known before the first held-out decision.

    Parameters
    ----------
    training_set : DataFrame
        ``decided_at, known_at``.
    blocks : DataFrame
        The model's own account of what it learned from: ``rows, last_decided_at``.
    first_decision : Timestamp
        Of the held-out rows.
    """
    last = pd.to_datetime(blocks["last_decided_at"], utc=True).max()
    in_time = (training_set["known_at"] < first_decision) & (training_set["decided_at"] <= last)
    learned = int(blocks["rows"].sum())
    if last >= first_decision:
        return max(1, learned - int(in_time.sum()))
    return max(0, learned - int(in_time.sum()))


def leak_verdict(audit: LeakAudit) -> GateVerdict:
    """No feature depends on the future, none is of another origin, and no label came too late."""
    faults = [
        *(f"{name} depends on the future in {count}" for name, count in audit.leaking.items()),
        *(f"{name} is not made from the sources" for name in audit.not_made),
        *(f"{name} is stored otherwise than the sources give it now in {count}" for name, count in audit.stale.items()),
        *([f"{audit.predictions} predictions depend on pickups measured later"] if audit.predictions else []),
        *([f"{audit.labels_too_late} training labels came after the first of them"] if audit.labels_too_late else []),
    ]
    if not audit.decisions:
        faults.append("there is none to make again")
    told = f"{audit.decisions} held-out decisions of {audit.instants} moments made again without their future"
    table = tuple(
        {"feature": name, "fault": fault, "decisions": count}
        for fault, found in (("future", audit.leaking), ("stale", audit.stale))
        for name, count in found.items()
    )
    detail = f"{told}: {'; '.join(faults) if faults else 'every feature is the same to the last bit'}"
    return GateVerdict("no_leak", not faults, float(len(faults)), 0.0, audit.decisions, detail, table=table)


def _differs(made: pd.DataFrame, expected: pd.DataFrame) -> pd.DataFrame:
    """Where two tables of the same rows differ; NULL equals NULL."""
    one, other = (
        frame.astype(object).where(frame.notna(), None).to_numpy() for frame in (made, expected[list(made.columns)])
    )
    return pd.DataFrame(one != other, columns=made.columns)
