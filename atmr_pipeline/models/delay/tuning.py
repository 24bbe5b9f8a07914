"""Settings of the candidates, tuned on time-ordered folds and kept only where they are better than the noise.

Random search (Bergstra and Bengio, 2012) over short lists: the company's grid, made wider towards small models. What
is never tuned are the forest and the perceptron, whose fits take longest.
"""

import dataclasses
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import ParameterGrid, ParameterSampler

from atmr_pipeline.domain.errors import NotEnoughDataError, TableContractError
from atmr_pipeline.models.delay.contract import FeatureContract
from atmr_pipeline.models.delay.folds import Fold, time_folds
from atmr_pipeline.models.delay.params import DelayParams
from atmr_pipeline.models.delay.registry import CANDIDATES
from atmr_pipeline.models.delay.validation import check_training_rows

SPACES: dict[str, dict[str, list[Any]]] = {
    "spline_ridge": {
        "spline_knots": [4, 6, 8, 10],
        "ridge_alpha": [0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0],
    },
    "xgboost": {
        "xgb_rounds": [100, 200, 300, 400, 500],
        "xgb_depth": [2, 3, 4, 5, 6, 7],
        "xgb_learning_rate": [0.01, 0.02, 0.03, 0.05, 0.1],
        "xgb_subsample": [0.6, 0.8, 1.0],
        "xgb_colsample": [0.5, 0.75, 1.0],
        "xgb_min_child_weight": [1.0, 5.0, 10.0, 20.0],
        "xgb_reg_lambda": [1.0, 3.0, 10.0],
    },
}
"""What is tried, by candidate. ``xgb_rounds`` is the most: early stopping within the fold may take fewer."""


@dataclass(frozen=True)
class TuningResult:
    """What a tuning found.

    Attributes
    ----------
    best : DelayParams
        The parameters that were given, with the settings that proved better.
    trials : DataFrame
        One row a trial: ``candidate, trial`` (0 is what was given), ``mae, rmse`` (minutes, over the test rows of all
        folds), ``gain, gain_se`` (less loss than trial 0, in the unit of the loss, and its standard error over days;
        NULL for trial 0), ``fit_s``, ``chosen``, then the settings, NULL where they are another candidate's.
    """

    best: DelayParams
    trials: pd.DataFrame


def tune(
    features: pd.DataFrame,
    delay_min: pd.Series,
    decided_at: pd.Series,
    *,
    params: DelayParams | None = None,
    known_at: pd.Series | None = None,
    n_trials: int = 20,
    budget_s: float | None = None,
    folds: int = 4,
    seed: int | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> TuningResult:
    """Try settings of spline-ridge and XGBoost on rows that later choice and calibration do not use.

    In each fold a candidate goes through what :class:`~atmr_pipeline.models.delay.DelayModel` does with it: it is
    fitted on the earlier rows, stopped on the last of them, fitted again on both, and tested on what was decided after.
    The best setting replaces the given one only if its loss is smaller by more than ``params.tuning_gain_se`` standard
    errors of the paired difference, whole days drawn together (after the one-standard-error rule of Breiman et al.,
    1984, made stricter because the best of many trials wins by luck).

    Parameters
    ----------
    features, delay_min, decided_at
        As for :meth:`DelayModel.fit`; only rows of its train block.
    params : DelayParams, optional
        What is tried first and kept if nothing is better. XGBoost is tuned only if it is a candidate.
    known_at : Series of datetime64, optional
        When each outcome was known. Rows not known when a fold's test begins are left out of its training; without it
        an outcome counts as known when the decision is taken.
    n_trials : int
        Settings tried of each candidate beside the given one, at most as many as the lists allow.
    budget_s : float, optional
        No trial is begun after so many seconds. Only without it does the same seed try the same settings everywhere.
    folds : int
        Parts of equal length that are tested, each by what came before it.
    seed : int, optional
        Of the settings that are drawn; the default is ``params.seed``.
    clock : callable
        Seconds that only grow.

    Raises
    ------
    TableContractError
        If rows are unusable, as in :meth:`DelayModel.fit`, or ``known_at`` is NULL somewhere.
    NotEnoughDataError
        If rows or decision times are too few for the folds.
    """
    if n_trials < 1 or folds < 1:
        raise ValueError(f"n_trials and folds must be at least 1, not {n_trials} and {folds}")
    params = params if params is not None else DelayParams()
    rows = check_training_rows(features, delay_min, decided_at, minimum_rows=params.minimum_rows)
    known = None if known_at is None else _sorted_like(known_at, decided_at)
    parts = [
        _Part.cut(rows.features, rows.delay_min, rows.decided_at, fold, params)
        for fold in time_folds(rows.decided_at, folds, known_at=known)
    ]
    tested = np.concatenate([part.fold.test for part in parts])
    day = rows.decided_at.dt.floor("D").to_numpy(dtype="datetime64[us]")[tested]
    settings = _drawn_settings(params, n_trials, params.seed if seed is None else seed)
    deadline = None if budget_s is None else clock() + budget_s
    lines: list[dict[str, Any]] = []
    losses: dict[str, list[np.ndarray]] = {name: [] for name in settings}
    for trial in range(max(map(len, settings.values()))):
        for name in (name for name in settings if trial < len(settings[name])):
            if trial and deadline is not None and clock() >= deadline:
                break
            started = clock()
            errors = np.concatenate(
                [part.errors(name, dataclasses.replace(params, **settings[name][trial])) for part in parts]
            )
            losses[name].append(np.abs(errors) if params.selection_metric == "mae" else np.square(errors))
            lines.append(
                {
                    "candidate": name,
                    "trial": trial,
                    **_figures(errors, losses[name], day),
                    "fit_s": clock() - started,
                    "chosen": False,
                    **settings[name][trial],
                }
            )
    return _result(params, lines, settings)


@dataclass(frozen=True)
class _Part:
    """A fold as matrices: rows to fit on, rows to stop on, rows to test on."""

    fold: Fold
    X: np.ndarray
    y: np.ndarray
    stop_from: int
    X_test: np.ndarray
    y_test: np.ndarray
    is_indicator: np.ndarray

    @classmethod
    def cut(
        cls, features: pd.DataFrame, delay_min: np.ndarray, decided_at: pd.Series, fold: Fold, params: DelayParams
    ) -> "_Part":
        contract = FeatureContract.learn(
            features.iloc[fold.train],
            minimum_category_rows=params.minimum_category_rows,
            maximum_categories=params.maximum_categories,
        )
        # The same share of the fold's past stops the boosting as later of the whole past without calibration.
        share = params.validation_share / (1.0 - params.calibration_share)
        times = decided_at.iloc[fold.train].to_numpy(dtype="datetime64[us]")
        stop_from = int(np.searchsorted(times, times[round((1.0 - share) * (len(times) - 1))]))
        if stop_from == 0:
            raise NotEnoughDataError("decision times in a fold, to fit and to stop on", needs=2, has=1)
        X = contract.encode(features.iloc[np.concatenate([fold.train, fold.test])])
        n_train = len(fold.train)
        return cls(
            fold,
            X[:n_train],
            delay_min[fold.train],
            stop_from,
            X[n_train:],
            delay_min[fold.test],
            contract.is_indicator,
        )

    def errors(self, name: str, params: DelayParams) -> np.ndarray:
        """Predicted minus actual delay of the test rows, minutes."""
        early, later = slice(0, self.stop_from), slice(self.stop_from, None)
        fitted = CANDIDATES[name].fit(
            self.X[early], self.y[early], self.X[later], self.y[later], is_indicator=self.is_indicator, params=params
        )
        final = fitted.refit(self.X, self.y, is_indicator=self.is_indicator, params=params)
        return final.predict(self.X_test) - self.y_test


def _sorted_like(known_at: pd.Series, decided_at: pd.Series) -> pd.Series:
    """Times of outcomes in the order of the decisions."""
    known, decided = pd.Series(known_at), pd.Series(decided_at)
    if not known.index.equals(decided.index) or not pd.api.types.is_datetime64_any_dtype(known.dtype):
        raise TableContractError("known_at must hold instants on the index of the features")
    if (known.dt.tz is None) != (decided.dt.tz is None):
        raise TableContractError("known_at and decided_at must both have a time zone or neither")
    if known.isna().any():
        raise TableContractError(f"known_at is NULL in {int(known.isna().sum()):,} rows; leave these rows out")
    order = np.argsort(decided.to_numpy(dtype="datetime64[us]"), kind="stable")
    return known.iloc[order].reset_index(drop=True)


def _drawn_settings(params: DelayParams, n_trials: int, seed: int) -> dict[str, list[dict[str, Any]]]:
    """By candidate, the given settings and then the drawn ones. Spline-ridge is always fitted, so always tuned."""
    result = {}
    for name, space in SPACES.items():
        if name == "spline_ridge" or name in params.candidates:
            given = {knob: getattr(params, knob) for knob in space}
            drawn = ParameterSampler(space, min(n_trials, len(ParameterGrid(space))), random_state=seed % 2**32)
            result[name] = [given, *(dict(settings) for settings in drawn if settings != given)]
    return result


def _figures(errors: np.ndarray, losses: list[np.ndarray], day: np.ndarray) -> dict[str, float | None]:
    figures: dict[str, float | None] = {
        "mae": float(np.abs(errors).mean()),
        "rmse": float(np.sqrt(np.square(errors).mean())),
        "gain": None,
        "gain_se": None,
    }
    if len(losses) > 1:
        figures["gain"], figures["gain_se"] = paired_gain(losses[0], losses[-1], day)
    return figures


def paired_gain(given: np.ndarray, other: np.ndarray, day: np.ndarray) -> tuple[float, float]:
    """Mean of ``given - other`` over rows, and its standard error where rows of one day go together.

    With a single day the error is NaN: one day proves nothing.
    """
    gain = given - other
    mean = float(gain.mean())
    _, codes = np.unique(day, return_inverse=True)
    n_days = int(codes.max()) + 1
    if n_days < 2:
        return mean, float("nan")
    by_day = np.bincount(codes, weights=gain - mean)
    return mean, float(np.sqrt(np.square(by_day).sum() * n_days / (n_days - 1)) / len(gain))


def _result(
    params: DelayParams, lines: list[dict[str, Any]], settings: dict[str, list[dict[str, Any]]]
) -> TuningResult:
    best = params
    for name in settings:
        mine = [line for line in lines if line["candidate"] == name]
        proven = [line for line in mine[1:] if line["gain"] > params.tuning_gain_se * line["gain_se"]]
        winner = max(proven, key=lambda line: line["gain"], default=mine[0])
        winner["chosen"] = True
        best = dataclasses.replace(best, **settings[name][winner["trial"]])
    knobs = list(itertools.chain.from_iterable(SPACES.values()))
    columns = ["candidate", "trial", "mae", "rmse", "gain", "gain_se", "fit_s", "chosen", *knobs]
    trials = pd.DataFrame(lines, columns=columns).sort_values(["candidate", "trial"], ignore_index=True)
    return TuningResult(best, trials)
