"""The pickups that the model got most wrong, and what made it predict as it did."""

import math

import pandas as pd

from atmr_pipeline.models.delay.contract import CATEGORICAL
from atmr_pipeline.models.delay.model import DelayModel

TOP = 20
IDENTIFIERS = ["assignment_id", "booking_id", "driver_id", "service_day"]
PREDICTED = ["delay_min", "expected_delay_min", "error_min", "low_min", "high_min", "p_late"]


def worst_cases(model: DelayModel, holdout: pd.DataFrame, *, top: int = TOP, reasons: int = 3) -> pd.DataFrame:
    """The held-out pickups with the largest errors.

    Ids, features and numbers only: neither areas nor the value of any category, so that a row does not say who rode.

    Parameters
    ----------
    model : DelayModel
        The one that made the predictions in ``holdout``.
    holdout : DataFrame
        As :class:`~atmr_pipeline.models.delay.training.DelayTraining` holds it.
    top : int
        How many.
    reasons : int
        Features named for each, the strongest first (:meth:`DelayModel.explain`).

    Returns
    -------
    DataFrame
        ``assignment_id, booking_id, driver_id, service_day`` (ISO text), ``delay_min`` (actual),
        ``expected_delay_min``, ``error_min`` (expected - actual), ``low_min, high_min, p_late``, ``reasons`` (text:
        feature, its value, the minutes it adds) and the numeric features, largest error first, ties by
        ``assignment_id``.
    """
    error = holdout["expected_delay_min"] - holdout["delay_min"]
    ranked = holdout.assign(error_min=error, size=error.abs()).sort_values(
        ["size", "assignment_id"], ascending=[False, True], kind="stable", ignore_index=True
    )
    worst = ranked.head(top)
    names = model.feature_names_
    categorical = {feature.name for feature in model.contract_.features if feature.kind == CATEGORICAL}
    explained = model.explain(worst[names], top=reasons)
    explained["text"] = [
        f"{_stated(line['feature'], line['value'], line['feature'] in categorical)} ({line['effect_min']:+.1f} min)"
        for line in explained.to_dict(orient="records")
    ]
    texts = explained.groupby("row")["text"].agg("; ".join)
    numeric = [name for name in names if name not in categorical and name not in IDENTIFIERS]
    table = worst[[*IDENTIFIERS, *PREDICTED, *numeric]].assign(service_day=worst["service_day"].dt.strftime("%Y-%m-%d"))
    table.insert(len(IDENTIFIERS) + len(PREDICTED), "reasons", texts.reindex(range(len(worst))).to_numpy())
    return table


def _stated(feature: str, value: object, is_category: bool) -> str:
    if is_category:
        return feature
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return f"{feature} not known"
    return f"{feature} = {float(value):.4g}"  # type: ignore[arg-type]
