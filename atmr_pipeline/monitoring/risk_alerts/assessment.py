"""Each prediction with its level and its advice."""

import numpy as np
import pandas as pd

from atmr_pipeline.domain.errors import TableContractError
from atmr_pipeline.monitoring.risk_alerts.advice import Advice, AdviceRules, recommend
from atmr_pipeline.monitoring.risk_alerts.columns import FloatArray, minutes, probabilities, require
from atmr_pipeline.monitoring.risk_alerts.levels import RiskThresholds

PREDICTED = (
    "assignment_id", "booking_id", "driver_id", "service_day", "model_version", "p_late", "expected_delay_min",
)  # fmt: skip
OPTIONAL = ("slack_min", "gain_min")


def assess_risks(
    predictions: pd.DataFrame,
    alert_threshold: float | pd.Series,
    *,
    levels: RiskThresholds | None = None,
    rules: AdviceRules | None = None,
) -> pd.DataFrame:
    """Level and advice of each prediction.

    Parameters
    ----------
    predictions : DataFrame
        One row an assignment: ``assignment_id, booking_id, driver_id`` (NULL where unknown), ``service_day``
        (midnight), ``model_version, p_late, expected_delay_min`` (minutes); and where known ``slack_min`` (the
        driver's, before the course) and ``gain_min`` (of the best other driver). A column that is absent is not known
        for any row.
    alert_threshold : float or Series
        P(late) from which a dispatcher is told; a Series on the index of ``predictions`` where several models answered.
    levels : RiskThresholds, optional
        The company's levels.
    rules : AdviceRules, optional
        When advice is worth giving.

    Returns
    -------
    DataFrame
        The columns above, both optional ones included, and ``threshold, level`` (str, NULL where there is no risk to
        name) and ``advice``: a tuple of :class:`~.advice.Advice`, empty below the threshold. On a fresh index.

    Raises
    ------
    TableContractError
        If columns are missing, an assignment occurs twice, a probability or expected delay is unknown, or minutes are
        infinite.
    """
    levels = levels if levels is not None else RiskThresholds()
    require(predictions, PREDICTED, "risk assessment")
    repeated = int(predictions["assignment_id"].duplicated().sum())
    if repeated:
        raise TableContractError(f"risk assessment: {repeated} repeated assignment_id")
    unknown = [name for name in PREDICTED if name != "driver_id" and bool(predictions[name].isna().any())]
    if unknown:
        raise TableContractError(f"risk assessment: unknown values in {', '.join(unknown)}")
    p_late = probabilities(predictions["p_late"], "risk assessment")
    expected = minutes(predictions["expected_delay_min"], "expected_delay_min", nullable=False)
    threshold = _thresholds(alert_threshold, predictions)
    extra = {name: _optional(predictions, name) for name in OPTIONAL}
    advice: list[tuple[Advice, ...]] = []
    names: list[str | None] = []
    for p, least, delay, slack, gain in zip(p_late, threshold, expected, *extra.values(), strict=True):
        level = levels.level(p, least)
        names.append(None if level is None else str(level))
        told = level is not None and p >= least
        known = {"slack_min": _known(slack), "gain_min": _known(gain)}
        advice.append(recommend(level, delay, **known, rules=rules) if level is not None and told else ())
    frame = predictions[list(PREDICTED)].reset_index(drop=True).assign(**extra, threshold=threshold)
    return frame.assign(level=pd.Series(names, dtype="str"), advice=pd.Series(advice, dtype=object))


def _thresholds(alert_threshold: float | pd.Series, predictions: pd.DataFrame) -> FloatArray:
    if isinstance(alert_threshold, pd.Series):
        return probabilities(alert_threshold.reindex(predictions.index), "alert threshold")
    return probabilities(np.full(len(predictions), float(alert_threshold)), "alert threshold")


def _optional(predictions: pd.DataFrame, name: str) -> FloatArray:
    if name not in predictions.columns:
        return np.full(len(predictions), np.nan)
    return minutes(predictions[name], name, nullable=True)


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
