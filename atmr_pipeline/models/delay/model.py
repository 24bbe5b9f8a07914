"""The delay model: candidates compete on later weeks, residuals of still later weeks say how sure the winner is."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.exceptions import NotFittedError

from atmr_pipeline.domain.errors import ModelIntegrityError
from atmr_pipeline.models.delay import persistence
from atmr_pipeline.models.delay.candidates import Candidate
from atmr_pipeline.models.delay.contract import FeatureContract
from atmr_pipeline.models.delay.explanation import effects_by_feature, strongest_effects
from atmr_pipeline.models.delay.level import LevelChange, Levels, estimated_levels, level_as_known
from atmr_pipeline.models.delay.params import DelayParams
from atmr_pipeline.models.delay.registry import CANDIDATES, competing
from atmr_pipeline.models.delay.residuals import ResidualTable
from atmr_pipeline.models.delay.selection import choose
from atmr_pipeline.models.delay.spline_ridge import SplineRidge
from atmr_pipeline.models.delay.tuning import tune
from atmr_pipeline.models.delay.validation import (
    Blocks,
    TrainingRows,
    check_training_rows,
    describe_blocks,
    time_blocks,
)

PREDICTION_COLUMNS = ["expected_delay_min", "low_min", "high_min", "p_late"]


@dataclass(frozen=True)
class Calibrated:
    """A fitted candidate and the residuals it left on the calibration block."""

    candidate: Candidate
    residuals: ResidualTable


class DelayModel:
    """Pickup delay of a (booking, driver) pair: expected minutes, an interval and the probability of being late.

    Works on any table of numeric and categorical features. Rows are sorted by decision time and cut into
    train | validation | calibration; whoever evaluates keeps a later block that this class never sees. The preferred
    candidate is kept unless another is better on the validation block by more than noise; the winner is then fitted
    again on train and validation. NULL and categories not seen at fit are safe. If all labels are equal, a constant
    wins.

    Parameters
    ----------
    params : DelayParams, optional
        The defaults work as they are.

    Attributes
    ----------
    chosen_name_ : str
        The winner, one of :data:`~atmr_pipeline.models.delay.registry.CANDIDATES`.
    chosen_, baseline_ : Calibrated
        The winner, and the spline-ridge that is always fitted and kept beside it.
    candidates_ : DataFrame
        ``candidate, validation_mae, validation_rmse, fit_s, chosen``: minutes, and seconds to fit (not stored). The
        perceptron is not listed where rows are too few for it (``mlp_minimum_rows``).
    params_ : DelayParams
        What the candidates were fitted with: ``params``, or what tuning made of them.
    tuning_ : DataFrame or None
        The trials, see :class:`~atmr_pipeline.models.delay.tuning.TuningResult`; None without tuning.
    blocks_ : DataFrame
        ``block, rows, first_decided_at, last_decided_at``.
    contract_ : FeatureContract
        The features' names, kinds and categories.
    null_features_ : list of str
        Features without a single value at fit: they say nothing, and are named so that somebody looks.
    levels_ : Levels
        Minutes that are added since a change of level; see :meth:`set_levels`. None after a fit.
    manifest_ : dict
        What was stored with the model; only after :meth:`load`.

    Examples
    --------
    >>> model = DelayModel().fit(features, delay_min, decided_at)  # doctest: +SKIP
    >>> model.predict(tomorrow)  # doctest: +SKIP
    """

    chosen_name_: str
    chosen_: Calibrated
    baseline_: Calibrated
    candidates_: pd.DataFrame
    params_: DelayParams
    tuning_: pd.DataFrame | None
    blocks_: pd.DataFrame
    contract_: FeatureContract
    null_features_: list[str]
    levels_: Levels
    manifest_: dict[str, Any]

    def __init__(self, params: DelayParams | None = None) -> None:
        self.params = params if params is not None else DelayParams()

    @property
    def feature_names_(self) -> list[str]:
        """The columns of the fit, in order."""
        self._check_fitted()
        return self.contract_.names

    def __repr__(self) -> str:
        return f"DelayModel(chosen={getattr(self, 'chosen_name_', None)!r}, params={self.params!r})"

    def fit(self, features: pd.DataFrame, delay_min: pd.Series, decided_at: pd.Series) -> Self:
        """Fit every candidate, choose one and calibrate it.

        Parameters
        ----------
        features : DataFrame, shape (n_rows, n_features)
            Numeric, boolean, string or category columns; NULL where a value is not known.
        delay_min : Series, shape (n_rows,)
            Actual minus scheduled pickup, minutes; negative is early. Every label must be known.
        decided_at : Series of datetime64, shape (n_rows,)
            When the driver was chosen. Any order: rows are sorted here, ties keep the given order. All three must share
            one index, which may hold duplicates.

        Raises
        ------
        TableContractError
            If a label or a decision time is NULL, a feature is infinite or of no usable type, or indexes differ.
        NotEnoughDataError
            If rows or decision times are too few.
        """
        rows = check_training_rows(features, delay_min, decided_at, minimum_rows=self.params.minimum_rows)
        blocks = time_blocks(rows.decided_at, self.params)
        contract = FeatureContract.learn(
            rows.features.iloc[blocks.fit],
            minimum_category_rows=self.params.minimum_category_rows,
            maximum_categories=self.params.maximum_categories,
        )
        X, y = contract.encode(rows.features), rows.delay_min
        # Everything below learns and judges what remains beyond the offset.
        offset = None if np.ptp(y) == 0.0 else self.params.offset_feature
        y = y - contract.minutes_of(X, offset)
        params, trials = self._tune(rows, y, blocks)
        params = replace(params, offset_feature=offset)
        fitted, errors, table = self._fit_candidates(X, y, blocks, contract, params)
        self.__dict__.pop("manifest_", None)
        self.contract_, self.params_, self.tuning_ = contract, params, trials
        self.chosen_name_ = choose(
            {name: errors[name] for name in params.candidates if name in errors},
            params,
            fit_rows=blocks.fit.stop - blocks.fit.start,
        )
        self.chosen_ = self._finish(fitted[self.chosen_name_], X, y, blocks.fit, blocks.calibration)
        is_baseline = self.chosen_name_ == SplineRidge.name
        self.baseline_ = (
            self.chosen_
            if is_baseline
            else self._finish(fitted[SplineRidge.name], X, y, blocks.fit, blocks.calibration)
        )
        self.candidates_ = table.assign(chosen=table["candidate"] == self.chosen_name_)
        self.blocks_ = describe_blocks(blocks, rows.decided_at)
        self.null_features_ = [str(name) for name in features.columns if bool(features[name].isna().all())]
        self.levels_ = Levels()
        return self

    def set_levels(self, history: pd.DataFrame, changes: Sequence[LevelChange]) -> Self:
        """Estimate the level since each change; what was learned of courses stays.

        Parameters
        ----------
        history : DataFrame
            Measured pickups in the layout of the training set: the features, ``service_day`` and ``delay_min``.
        changes : sequence of LevelChange
        """
        residual_min = history["delay_min"].to_numpy(dtype=np.float64) - self._without_level(history)
        self.levels_ = estimated_levels(residual_min, history["service_day"], changes, self.chosen_.residuals.std_min)
        return self

    def predict_as_known(self, decisions: pd.DataFrame, history: pd.DataFrame) -> pd.DataFrame:
        """Predict past decisions, each with the level that could have been said when it was taken.

        Parameters
        ----------
        decisions : DataFrame
            The features, ``decided_at`` and ``service_day``.
        history : DataFrame
            Measured pickups: the features, ``service_day``, ``known_at`` and ``delay_min``.

        Returns
        -------
        DataFrame
            See :meth:`predict`; the same as without changes of level.
        """
        return self.predict(decisions[self.feature_names_], level_min=self.level_as_known(decisions, history))

    def level_as_known(self, decisions: pd.DataFrame, history: pd.DataFrame) -> np.ndarray:
        """The level that :meth:`predict_as_known` gives each decision, minutes, shape (n_rows,)."""
        if not self.levels_.steps:
            return np.zeros(len(decisions))
        since = history[history["service_day"] >= pd.Timestamp(self.levels_.steps[0].change.since)]
        residual_min = since["delay_min"].to_numpy(dtype=np.float64) - self._without_level(since)
        return level_as_known(decisions, since, residual_min, self.levels_.changes, self.chosen_.residuals.std_min)

    def _without_level(self, rows: pd.DataFrame) -> np.ndarray:
        return self._expected(self.chosen_, self.contract_.encode(rows[self.feature_names_]))

    def predict(self, features: pd.DataFrame, level_min: np.ndarray | None = None) -> pd.DataFrame:
        """Predict the pickup delay.

        Parameters
        ----------
        features : DataFrame, shape (n_rows, n_features)
            The columns of the fit, in any order. May be empty.
        level_min : ndarray, shape (n_rows,), optional
            Minutes that each row's level adds; the latest level where not given.

        Returns
        -------
        DataFrame, shape (n_rows, 4)
            On the same index: ``expected_delay_min`` (mean, minutes), ``low_min`` and ``high_min`` (90 % interval,
            minutes), ``p_late`` (probability of more than 5 minutes; both numbers are parameters).

        Raises
        ------
        TableContractError
            Naming the columns that are missing, extra, retyped or infinite.
        NotFittedError
            Before :meth:`fit` or :meth:`load`.
        """
        self._check_fitted()
        return self._predict_with(self.chosen_, features, level_min)

    def predict_baseline(self, features: pd.DataFrame, level_min: np.ndarray | None = None) -> pd.DataFrame:
        """The same as :meth:`predict`, by the spline-ridge that is kept beside the winner."""
        self._check_fitted()
        return self._predict_with(self.baseline_, features, level_min)

    def contributions(self, features: pd.DataFrame) -> pd.DataFrame:
        """Minutes that each feature adds: exact SHAP values for boosting, the curves themselves for spline-ridge.

        Returns
        -------
        DataFrame, shape (n_rows, n_features + 1)
            One column a feature and ``base_min``; a row sums to its ``expected_delay_min``.
        """
        self._check_fitted()
        X = self.contract_.encode(features)
        by_column = self.chosen_.candidate.contributions(X)
        base_min = by_column[:, -1] + self.levels_.latest_min
        effects = effects_by_feature(self.contract_, X, by_column[:, :-1], self.params_.offset_feature)
        return pd.DataFrame(effects, index=features.index, columns=self.contract_.names).assign(base_min=base_min)

    def explain(self, features: pd.DataFrame, top: int = 3) -> pd.DataFrame:
        """The features that moved each prediction most.

        Returns
        -------
        DataFrame
            ``row`` (position in ``features``), ``rank`` (1 is the strongest), ``feature``, ``value`` (None if NULL) and
            ``effect_min`` (minutes added to the base; negative is earlier). ``top`` lines a row, or as many as there
            are features.

        Raises
        ------
        ValueError
            If ``top`` is less than 1.
        """
        if top < 1:
            raise ValueError(f"top must be at least 1, not {top}")
        self._check_fitted()
        return strongest_effects(features, self.contributions(features)[self.contract_.names], top)

    def save(
        self, directory: Path | str, *, data_hash: str | None = None, metrics: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Write the model as a manifest and data files, without pickle; the same fit gives the same bytes.

        Parameters
        ----------
        directory : path
            Created if need be; the manifest is written last.
        data_hash : str, optional
            Hash of the training data.
        metrics : mapping, optional
            Held-out figures, stored as they are.

        A model that was loaded keeps the data hash and metrics it was stored with, unless others are passed.

        Returns
        -------
        dict
            The manifest; its ``content_hash`` is the identity of the model, and the same for the same fit.
        """
        self._check_fitted()
        stored = getattr(self, "manifest_", {})
        return persistence.save(
            self,
            Path(directory),
            data_hash=stored.get("data_hash") if data_hash is None else data_hash,
            metrics=stored.get("metrics") if metrics is None else metrics,
        )

    @classmethod
    def load(cls, directory: Path | str) -> Self:
        """Read a saved model; every file is checked against its hash in the manifest, and the manifest against its own.

        Raises
        ------
        ModelIntegrityError
            If a file is missing, altered or of a format that this version cannot read.
        """
        manifest, chosen, baseline = persistence.load(Path(directory))
        try:
            model = cls(DelayParams.from_dict(manifest["params"]))
            model.contract_ = FeatureContract.from_list(manifest["features"])
            model.chosen_name_ = manifest["candidate"]
            model.chosen_ = Calibrated(chosen, ResidualTable.from_dict(manifest["residuals"]["chosen"]))
            model.baseline_ = Calibrated(baseline, ResidualTable.from_dict(manifest["residuals"]["baseline"]))
            model.blocks_ = pd.DataFrame(manifest["blocks"])
            model.null_features_ = list(manifest["null_features"])
            model.levels_ = Levels.from_list(manifest.get("levels", []))
            model.candidates_ = pd.DataFrame(manifest["candidates"])
            model.params_ = replace(model.params, **manifest.get("tuned", {}))
            model.tuning_ = persistence.trials_of(manifest)
        except (KeyError, TypeError, ValueError):
            raise ModelIntegrityError(
                f"the manifest in {directory} lacks an entry or has one that is not understood; train the model again"
            ) from None
        model.manifest_ = manifest
        return model

    def _tune(self, rows: TrainingRows, y: np.ndarray, blocks: Blocks) -> tuple[DelayParams, pd.DataFrame | None]:
        """What the candidates are fitted with; only rows of the train block have a say."""
        if self.params.tuning_trials == 0:
            return self.params, None
        train = blocks.train
        found = tune(
            rows.features.iloc[train],
            pd.Series(y[train]),
            rows.decided_at.iloc[train],
            params=self.params,
            n_trials=self.params.tuning_trials,
            folds=self.params.tuning_folds,
        )
        return found.best, found.trials

    def _fit_candidates(
        self, X: np.ndarray, y: np.ndarray, blocks: Blocks, contract: FeatureContract, params: DelayParams
    ) -> tuple[dict[str, Candidate], dict[str, np.ndarray], pd.DataFrame]:
        """Each candidate fitted on the train block, its validation errors in minutes, and the table of both."""
        names = {*competing(params, fit_rows=blocks.fit.stop - blocks.fit.start), SplineRidge.name}
        later = (X[blocks.validation], y[blocks.validation])
        fitted: dict[str, Candidate] = {}
        errors: dict[str, np.ndarray] = {}
        lines = []
        for name in (name for name in CANDIDATES if name in names):
            started = time.perf_counter()
            fitted[name] = CANDIDATES[name].fit(
                X[blocks.train], y[blocks.train], *later, is_indicator=contract.is_indicator, params=params
            )
            seconds = time.perf_counter() - started
            errors[name] = fitted[name].predict(later[0]) - later[1]
            mae, rmse = float(np.abs(errors[name]).mean()), float(np.sqrt(np.square(errors[name]).mean()))
            lines.append({"candidate": name, "validation_mae": mae, "validation_rmse": rmse, "fit_s": seconds})
        return fitted, errors, pd.DataFrame(lines)

    def _finish(self, candidate: Candidate, X: np.ndarray, y: np.ndarray, fit: slice, calibration: slice) -> Calibrated:
        final = candidate.refit(X[fit], y[fit], is_indicator=self.contract_.is_indicator, params=self.params_)
        offset = self.contract_.minutes_of(X[calibration], self.params_.offset_feature)
        table = ResidualTable.fit(
            final.predict(X[calibration]) + offset, y[calibration] + offset, bins=self.params.residual_bins
        )
        return Calibrated(final, table)

    def _predict_with(
        self, calibrated: Calibrated, features: pd.DataFrame, level_min: np.ndarray | None
    ) -> pd.DataFrame:
        level = np.full(len(features), self.levels_.latest_min) if level_min is None else level_min
        expected = self._expected(calibrated, self.contract_.encode(features))
        low, high = calibrated.residuals.interval(expected, self.params.interval_coverage)
        # A level moves every outcome alike: it is late after what the level leaves of the minutes that are allowed.
        late = calibrated.residuals.probability_above(expected, self.params.late_after_min - level)
        values = (expected + level, low + level, high + level, late)
        columns = dict(zip(PREDICTION_COLUMNS, values, strict=True))
        return pd.DataFrame(columns, index=features.index)

    def expected_of(self, matrix: np.ndarray) -> np.ndarray:
        """Expected delay of encoded rows (see :attr:`contract_`), minutes, shape (n_rows,)."""
        self._check_fitted()
        return self._expected(self.chosen_, matrix)

    def _expected(self, calibrated: Calibrated, matrix: np.ndarray) -> np.ndarray:
        offset = self.contract_.minutes_of(matrix, self.params_.offset_feature)
        return calibrated.candidate.predict(matrix) + offset

    def _check_fitted(self) -> None:
        if not hasattr(self, "chosen_"):
            raise NotFittedError("this DelayModel is not fitted yet; call fit or load first")
