"""What alerting at a threshold is worth, where to put it, and what even a perfect predictor could reach.

Recall is the share of late pickups that were alerted, precision the share of alerts whose pickup was late.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from atmr_pipeline.domain.errors import NotEnoughDataError, SettingsError, TableContractError
from atmr_pipeline.monitoring.risk_alerts.columns import FloatArray, probabilities
from atmr_pipeline.monitoring.risk_alerts.levels import RiskThresholds

BoolArray = npt.NDArray[np.bool_]
Probabilities = pd.Series | FloatArray
Flags = pd.Series | BoolArray

TARGET_RECALL = 0.80
"""The company wants four of five late pickups alerted."""
MINIMUM_LATE = 10
"""Late pickups below which no threshold is chosen: each would move the recall by more than a tenth."""


@dataclass(frozen=True)
class ThresholdChoice:
    """The threshold chosen on a calibration block, or why there is none.

    Attributes
    ----------
    threshold : float or None
        Alert from this P(late) on; None where none could be chosen.
    reason : str or None
        Why not: ``too_few_late`` (none at all included) or ``all_late``.
    target_recall : float
    calibration : dict or None
        :func:`alert_quality` at the threshold on the block on which it was chosen, so rather favourable.
    """

    threshold: float | None
    reason: str | None
    target_recall: float
    calibration: dict[str, Any] | None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def precision_recall_curve(p_late: Probabilities, late: Flags) -> pd.DataFrame:
    """Every distinct threshold, with what alerting from it on gives.

    Parameters
    ----------
    p_late : Series or ndarray of float, shape (n,)
        Predicted P(late), matched with ``late`` by position.
    late : Series or ndarray of bool, shape (n,)
        Whether the pickup was late.

    Returns
    -------
    DataFrame
        ``threshold`` (increasing, one row a distinct P(late)), ``alerts, caught`` (counts), ``recall`` (NaN where
        nothing was late), ``precision, alert_rate``. Empty where there are no rows.

    Raises
    ------
    TableContractError
        If lengths differ, a probability is unknown or outside 0..1, or an outcome is unknown.
    """
    p, was_late = _checked(p_late, late)
    thresholds, order = np.unique(p), np.argsort(p)
    first = np.searchsorted(p[order], thresholds, side="left")
    alerts = len(p) - first
    caught = np.concatenate([np.cumsum(was_late[order][::-1])[::-1], [0]])[first].astype(np.int64)
    total = int(was_late.sum())
    recall = caught / total if total else np.full(len(thresholds), np.nan)
    return pd.DataFrame(
        {
            "threshold": thresholds,
            "alerts": alerts.astype(np.int64),
            "caught": caught,
            "recall": recall,
            "precision": caught / np.maximum(alerts, 1),
            "alert_rate": alerts / max(len(p), 1),
        }
    )


def alert_quality(p_late: Probabilities, late: Flags, threshold: float) -> dict[str, Any]:
    """What alerting from a threshold on gives; parameters and errors as :func:`precision_recall_curve`.

    Returns
    -------
    dict
        ``threshold``; ``recall`` (None where nothing was late), ``precision`` (None where nothing was alerted),
        ``alert_rate`` (None where there are no rows); counts ``alerts, caught, late, n``.
    """
    p, was_late = _checked(p_late, late)
    _check_share(threshold, "an alert threshold")
    alerted = p >= threshold
    alerts, caught, total = int(alerted.sum()), int((alerted & was_late).sum()), int(was_late.sum())
    return {
        "threshold": float(threshold),
        "recall": caught / total if total else None,
        "precision": caught / alerts if alerts else None,
        "alert_rate": alerts / len(p) if len(p) else None,
        "alerts": alerts,
        "caught": caught,
        "late": total,
        "n": len(p),
    }


def company_quality(
    p_late: Probabilities, late: Flags, levels: RiskThresholds | None = None
) -> dict[str, dict[str, Any]]:
    """:func:`alert_quality` at each of the company's levels, by level."""
    levels = levels if levels is not None else RiskThresholds()
    return {str(level): alert_quality(p_late, late, least) for level, least in levels.items()}


def choose_threshold(
    p_late: Probabilities, late: Flags, *, recall: float = TARGET_RECALL, minimum_late: int = MINIMUM_LATE
) -> ThresholdChoice:
    """The threshold that reaches the recall at the best precision on a block that no fit has seen.

    Only values of P(late) that occur are candidates; pickups with equal P(late) are alerted together or not at all.
    Where several thresholds have the best precision, the one with the fewest alerts is taken. The recall can always be
    reached, by alerting everything if need be. It is a figure of this block: on later days it may come out lower.

    Parameters
    ----------
    p_late, late
        As :func:`precision_recall_curve`.
    recall : float
        Share of late pickups to reach, above 0 and up to 1.
    minimum_late : int
        Fewer late pickups give no threshold.

    Raises
    ------
    NotEnoughDataError
        If there are no rows.
    SettingsError
        If the recall is outside its range.
    TableContractError
        As :func:`precision_recall_curve`.
    """
    _check_share(recall, "the recall to reach", above_zero=True)
    p, was_late = _checked(p_late, late)
    if not len(p):
        raise NotEnoughDataError("pickups to choose an alert threshold on", needs=1, has=0)
    if int(was_late.sum()) < max(minimum_late, 1):
        return ThresholdChoice(None, "too_few_late", recall, None)
    if bool(was_late.all()):
        return ThresholdChoice(None, "all_late", recall, None)
    threshold = _best_threshold(precision_recall_curve(p, was_late), recall)
    return ThresholdChoice(threshold, None, recall, alert_quality(p, was_late, threshold))


def best_precision_at_recall(
    p_late: Probabilities, late: Flags, recall: float = TARGET_RECALL
) -> dict[str, Any] | None:
    """The best precision that any threshold reaches in hindsight, at a recall of at least ``recall``.

    With a perfect predictor's P(late) this is what the floor allowed on these very days; it knows the outcomes, so no
    threshold chosen beforehand can be expected to reach it.

    Returns
    -------
    dict or None
        :func:`alert_quality` at the best threshold; None where nothing was late.

    Raises
    ------
    SettingsError, TableContractError
        As :func:`choose_threshold`.
    """
    _check_share(recall, "the recall to reach", above_zero=True)
    p, was_late = _checked(p_late, late)
    if not was_late.any():
        return None
    return alert_quality(p, was_late, _best_threshold(precision_recall_curve(p, was_late), recall))


def expected_precision_at_recall(true_p_late: Probabilities, recall: float = TARGET_RECALL) -> dict[str, Any] | None:
    """What alerting the pickups of the largest true P(late) gives on average over many such days.

    Where the P(late) are true, no choice of pickups has a better expected precision at the same expected number of
    late pickups caught. Unlike the outcomes of one month it is hardly subject to chance.

    Returns
    -------
    dict or None
        ``threshold, recall, precision, alerts, alert_rate, late`` (expected) and ``n``; None where P(late) is 0
        everywhere.

    Raises
    ------
    SettingsError, TableContractError
        As :func:`choose_threshold`.
    """
    _check_share(recall, "the recall to reach", above_zero=True)
    p = probabilities(true_p_late, "true P(late)")
    total = float(p.sum())
    if total <= 0.0:
        return None
    thresholds = np.unique(p)[::-1]
    caught = np.array([p[p >= least].sum() for least in thresholds])
    chosen = int(np.argmax(caught >= recall * total * (1.0 - 1e-12)))
    alerts = int((p >= thresholds[chosen]).sum())
    return {
        "threshold": float(thresholds[chosen]),
        "recall": float(caught[chosen] / total),
        "precision": float(caught[chosen] / alerts),
        "alerts": alerts,
        "alert_rate": alerts / len(p),
        "late": total,
        "n": len(p),
    }


def alert_summary(
    calibration: tuple[Probabilities, Flags],
    holdout: tuple[Probabilities, Flags],
    *,
    true_p_late: Probabilities | None = None,
    recall: float = TARGET_RECALL,
    levels: RiskThresholds | None = None,
) -> dict[str, Any]:
    """Everything that is said about a model's alerts, as plain values: what is stored with its metrics.

    Parameters
    ----------
    calibration, holdout : tuple of (p_late, late)
        The block on which the threshold is chosen, and the later days on which it is measured.
    true_p_late : Series or ndarray, optional
        The true P(late) of the held-out pickups in the same order, where a demo company's truth is known.
    recall : float
        Share of late pickups to reach.
    levels : RiskThresholds, optional
        The company's levels.

    Returns
    -------
    dict
        ``threshold, reason, target_recall, calibration`` of :class:`ThresholdChoice`; ``holdout`` (at the threshold;
        None where there is none); ``company`` (held-out, by level); ``floor``: None without truth, else ``expected``
        (:func:`expected_precision_at_recall`) and ``hindsight`` (:func:`best_precision_at_recall` of the truth), and
        ``model_hindsight``, the same of the model.

    Raises
    ------
    NotEnoughDataError, SettingsError, TableContractError
        As :func:`choose_threshold`.
    """
    choice = choose_threshold(*calibration, recall=recall)
    p_late, late = holdout
    floor = None
    if true_p_late is not None:
        floor = {
            "expected": expected_precision_at_recall(true_p_late, recall),
            "hindsight": best_precision_at_recall(true_p_late, late, recall),
            "model_hindsight": best_precision_at_recall(p_late, late, recall),
        }
    return {
        **choice.to_dict(),
        "holdout": None if choice.threshold is None else alert_quality(p_late, late, choice.threshold),
        "company": company_quality(p_late, late, levels),
        "floor": floor,
    }


def _best_threshold(curve: pd.DataFrame, recall: float) -> float:
    """Best precision among those that reach the recall; then the fewest alerts. Something must have been late."""
    reached = curve[curve["recall"] >= recall]
    best = reached[reached["precision"] == reached["precision"].max()]
    return float(best["threshold"].max())


def _checked(p_late: Probabilities, late: Flags) -> tuple[FloatArray, BoolArray]:
    flags = pd.Series(late).reset_index(drop=True)
    if len(flags) != len(p_late):
        raise TableContractError(f"alert quality: {len(p_late)} probabilities and {len(flags)} outcomes")
    unknown = int(flags.isna().sum())
    if unknown:
        raise TableContractError(f"alert quality: {unknown} of {len(flags)} outcomes are unknown; leave them out")
    if len(flags) and not pd.api.types.is_bool_dtype(flags.infer_objects().dtype):
        raise TableContractError(f"alert quality: outcomes must be true or false, not {flags.dtype}")
    return probabilities(p_late, "alert quality"), flags.to_numpy(dtype=bool)


def _check_share(value: float, what: str, *, above_zero: bool = False) -> None:
    if not 0.0 <= value <= 1.0 or (above_zero and value == 0.0):
        raise SettingsError(f"{what} must be {'above 0' if above_zero else '0'} and at most 1")
