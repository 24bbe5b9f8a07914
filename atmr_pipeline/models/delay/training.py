"""One training of the delay model: split, fit, evaluate against every baseline on days that nothing has touched."""

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from atmr_pipeline.domain.errors import NotEnoughDataError, TableContractError
from atmr_pipeline.models.delay.evaluation import Comparison, compare, evaluate
from atmr_pipeline.models.delay.level import LevelChange, estimated_levels
from atmr_pipeline.models.delay.model import DelayModel
from atmr_pipeline.models.delay.params import DelayParams
from atmr_pipeline.models.delay.spline_ridge import SplineRidge
from atmr_pipeline.models.delay.splitting import TIME_COLUMNS, time_split

CONSTANT_BASELINES = ("constant_mean", "constant_median")
ID_COLUMNS = ("assignment_id", "booking_id", "driver_id")
CUT_COLUMNS = ("pickup_area", "patient_area")
HOLDOUT_DAYS = 28
BACKFITTING_ROUNDS = 3


@dataclass(frozen=True)
class DelayTraining:
    """What came out of a training.

    Attributes
    ----------
    model : DelayModel
        Fitted on the rows before the holdout: the model that was evaluated is the model that is offered.
    candidates : DataFrame
        ``candidate, validation_mae, validation_rmse, fit_s, chosen``.
    evaluation : dict
        Figures of the model on the holdout, see :func:`~atmr_pipeline.models.delay.evaluation.evaluate`.
    baselines : dict of dict
        The same figures of ``constant_mean``, ``constant_median`` and ``spline_ridge`` on the same rows.
    comparisons : dict of Comparison
        The model against each baseline, paired by day.
    calibration : DataFrame
        ``p_late`` of the model and ``is_late`` on the calibration block: what thresholds are chosen on. The block gave
        the model its residual distribution too, so figures on it are slightly too good.
    holdout : DataFrame
        ``assignment_id, booking_id, driver_id, service_day, decided_at, known_at, delay_min, is_late``, the
        features, the prediction columns, and what gates compare with: ``constant_mean_min``, ``constant_median_min``,
        ``spline_ridge_min`` (minutes) and ``constant_p_late`` (the late share of the train rows). Of the columns that
        figures are cut by (:data:`CUT_COLUMNS`), those that the training set has.
    window : dict of str
        ``train_first_day, train_last_day, holdout_first_day, holdout_last_day``: service days, ISO dates.
    rows : dict of int
        ``train, holdout, gap``: the gap is what was decided before the holdout and measured within it.
    data_hash : str
        SHA-256 of the training set's columns that were used.
    """

    model: DelayModel
    candidates: pd.DataFrame
    evaluation: dict[str, float | int | None]
    baselines: dict[str, dict[str, float | int | None]]
    comparisons: dict[str, Comparison]
    calibration: pd.DataFrame
    holdout: pd.DataFrame
    window: dict[str, str]
    rows: dict[str, int]
    data_hash: str

    def metrics(self) -> dict[str, Any]:
        """Every held-out figure as plain values, for the manifest of the saved model."""
        return {
            "evaluation": self.evaluation,
            "baselines": self.baselines,
            "comparisons": {name: comparison.to_dict() for name, comparison in self.comparisons.items()},
            "window": self.window,
            "rows": self.rows,
            "levels": self.model.levels_.to_list(),
        }


def train_delay_model(
    training_set: pd.DataFrame,
    feature_names: Sequence[str],
    *,
    params: DelayParams | None = None,
    holdout_days: int = HOLDOUT_DAYS,
    minimum_rows: int = 500,
    minimum_days: int = 60,
    level_changes: Sequence[LevelChange] = (),
) -> DelayTraining:
    """Train on the past, evaluate on the last days.

    Parameters
    ----------
    training_set : DataFrame
        One row a measured pickup: ``assignment_id, booking_id, driver_id, service_day`` (naive local midnight),
        ``decided_at, known_at`` (UTC), the features, ``delay_min`` (minutes).
    feature_names : sequence of str
        The columns to learn from.
    params : DelayParams, optional
        Knobs of the model.
    holdout_days : int
        Calendar days at the end that neither fit, choice nor calibration sees.
    minimum_rows : int
        Fewer labelled rows are refused.
    minimum_days : int
        Fewer calendar days from the first to the last service day are refused.
    level_changes : sequence of LevelChange
        Days on which delays moved as a whole, as an alarm found them. What is learned of courses is learned with the
        level taken out; the level itself is estimated up to the last row, and on the holdout as it was known then.

    Raises
    ------
    NotEnoughDataError
        If rows or days are too few, in all or on either side of the split.
    TableContractError
        If columns are missing, a label or time is NULL, or a feature is unusable.
    """
    params = params if params is not None else DelayParams()
    names = list(feature_names)
    _check(training_set, names, minimum_rows=minimum_rows, minimum_days=minimum_days)
    train, holdout = time_split(training_set, holdout_days)
    levelled = train["delay_min"] - _past_level(train, names, params, level_changes)
    model = DelayModel(params).fit(train[names], levelled, train["decided_at"])
    model.set_levels(training_set, level_changes)
    predicted = _predicted(model, train[names], levelled, train["decided_at"], holdout, training_set)
    delay = holdout["delay_min"]
    figures = {name: evaluate(delay, frame, late_after_min=params.late_after_min) for name, frame in predicted.items()}
    errors = {name: frame["expected_delay_min"] - delay for name, frame in predicted.items()}
    baselines = [*CONSTANT_BASELINES, "spline_ridge"]
    return DelayTraining(
        model=model,
        candidates=model.candidates_,
        evaluation=figures["model"],
        baselines={name: figures[name] for name in baselines},
        comparisons={
            name: compare(errors["model"], errors[name], holdout["service_day"], seed=params.seed) for name in baselines
        },
        calibration=_calibration_frame(model, train[[*names, "delay_min", "decided_at", "service_day"]]),
        holdout=_holdout_frame(train, holdout, names, predicted, params.late_after_min),
        window=_window(train, holdout),
        rows={
            "train": len(train),
            "holdout": len(holdout),
            "gap": len(training_set) - len(train) - len(holdout),
        },
        data_hash=hash_table(training_set, [*ID_COLUMNS, *TIME_COLUMNS, *names, "delay_min"]),
    )


def _predicted(
    model: DelayModel,
    features: pd.DataFrame,
    levelled: pd.Series,
    decided_at: pd.Series,
    holdout: pd.DataFrame,
    history: pd.DataFrame,
) -> dict[str, pd.DataFrame]:
    """Predictions of the held-out rows by the model and the baselines.

    Baselines are given the model's level: gates compare what was learned of courses.
    """
    names = list(features.columns)
    level_min = model.level_as_known(holdout, history)
    predicted = {"model": model.predict(holdout[names], level_min=level_min)}
    for name in CONSTANT_BASELINES:
        constant = DelayModel(dataclasses.replace(model.params, candidates=(name,), offset_feature=None))
        constant.fit(features, levelled, decided_at)
        predicted[name] = constant.predict(holdout[names], level_min=level_min)
    predicted["spline_ridge"] = model.predict_baseline(holdout[names], level_min=level_min)
    return predicted


def _past_level(
    train: pd.DataFrame, names: list[str], params: DelayParams, changes: Sequence[LevelChange]
) -> np.ndarray:
    """The level of each train row, minutes: courses and level are fitted in turn until both fit (backfitting)."""
    level = np.zeros(len(train))
    if not estimated_levels(level, train["service_day"], changes, 1.0).steps:
        return level
    quick = dataclasses.replace(params, candidates=(SplineRidge.name,), tuning_trials=0)
    for _ in range(BACKFITTING_ROUNDS):
        model = DelayModel(quick).fit(train[names], train["delay_min"] - level, train["decided_at"])
        level = model.set_levels(train, changes).levels_.on(train["service_day"])
    return level


def _calibration_frame(model: DelayModel, train: pd.DataFrame) -> pd.DataFrame:
    block = model.blocks_.set_index("block").loc["calibration"]
    rows = train[train["decided_at"] >= pd.Timestamp(str(block["first_decided_at"]))]
    level_min = model.levels_.on(rows["service_day"])
    return pd.DataFrame(
        {
            "p_late": model.predict(rows[model.feature_names_], level_min=level_min)["p_late"],
            "is_late": rows["delay_min"] > model.params.late_after_min,
        }
    ).reset_index(drop=True)


def _holdout_frame(
    train: pd.DataFrame,
    holdout: pd.DataFrame,
    names: list[str],
    predicted: dict[str, pd.DataFrame],
    late_after_min: float,
) -> pd.DataFrame:
    cuts = [name for name in CUT_COLUMNS if name in holdout.columns and name not in names]
    learned = [name for name in names if name not in ID_COLUMNS]
    kept = [*ID_COLUMNS, "service_day", "decided_at", "known_at", "delay_min", *cuts, *learned]
    known = holdout[kept].assign(
        is_late=holdout["delay_min"] > late_after_min,
        constant_mean_min=predicted["constant_mean"]["expected_delay_min"],
        constant_median_min=predicted["constant_median"]["expected_delay_min"],
        spline_ridge_min=predicted["spline_ridge"]["expected_delay_min"],
        constant_p_late=float((train["delay_min"] > late_after_min).mean()),
    )
    return pd.concat([known, predicted["model"]], axis=1).reset_index(drop=True)


def _window(train: pd.DataFrame, holdout: pd.DataFrame) -> dict[str, str]:
    return {
        f"{part}_{end}_day": f"{getattr(frame['service_day'], pick)():%Y-%m-%d}"
        for part, frame in (("train", train), ("holdout", holdout))
        for end, pick in (("first", "min"), ("last", "max"))
    }


def hash_table(frame: pd.DataFrame, columns: Sequence[str]) -> str:
    """SHA-256 of the named columns' names, dtypes and values; the index does not count, the row order does."""
    digest = hashlib.sha256()
    for name in dict.fromkeys(columns):
        digest.update(f"{name}\x1f{frame[name].dtype}\x1e".encode())
        digest.update(pd.util.hash_pandas_object(frame[name], index=False).to_numpy().astype("<u8").tobytes())
    return digest.hexdigest()


def _check(frame: pd.DataFrame, names: list[str], *, minimum_rows: int, minimum_days: int) -> None:
    needed = [*ID_COLUMNS, *TIME_COLUMNS, "delay_min", *names]
    missing = [name for name in needed if name not in frame.columns]
    if missing:
        raise TableContractError(f"the training set lacks {', '.join(missing)}")
    forbidden = sorted(set(names) & {*TIME_COLUMNS, "delay_min", "is_late"})
    if forbidden:
        raise TableContractError(f"{', '.join(forbidden)} cannot be features: they hold the label or its time")
    if len(frame) < minimum_rows:
        raise NotEnoughDataError("labelled assignments to train the delay model", needs=minimum_rows, has=len(frame))
    repeated = int(frame["assignment_id"].duplicated().sum())
    if repeated:
        raise TableContractError(f"assignment_id occurs more than once in {repeated:,} rows of the training set")
    if frame["delay_min"].isna().any() or np.isinf(frame["delay_min"].to_numpy(dtype=float, na_value=np.nan)).any():
        raise TableContractError("delay_min is NULL or infinite in some rows; train on measured pickups only")
    days = int((frame["service_day"].max() - frame["service_day"].min()).days) + 1
    if days < minimum_days:
        raise NotEnoughDataError("calendar days of labelled assignments", needs=minimum_days, has=days)
