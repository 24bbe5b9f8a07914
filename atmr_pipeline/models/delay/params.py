"""Every knob of the delay model, typed, with its unit."""

from dataclasses import asdict, dataclass, fields
from typing import Any

from atmr_pipeline.domain.vocabulary import LATE_AFTER_MIN

CANDIDATE_NAMES = ("constant_mean", "constant_median", "spline_ridge", "xgboost", "random_forest", "mlp")
"""Known candidates, from the simplest to the most complex."""


@dataclass(frozen=True)
class DelayParams:
    """Parameters of :class:`~atmr_pipeline.models.delay.DelayModel`.

    The defaults were chosen on data whose best possible predictor is known; deeper trees were worse.

    Raises
    ------
    ValueError
        If a value is outside its range.
    """

    candidates: tuple[str, ...] = ("constant_mean", "spline_ridge", "xgboost", "random_forest", "mlp")
    """Models that compete on the validation block. The median is biased on skewed delays, so it is no default; the
    perceptron takes part only with more than ``mlp_minimum_rows`` rows."""
    selection_metric: str = "mae"
    """What the validation block compares: ``mae`` or ``rmse``, minutes."""
    preferred: str = "xgboost"
    """The candidate that is kept unless another is better by more than noise. On 7 demo companies boosted trees were
    better than spline-ridge on the next two months in 5, by 1.2 % on average, and level with the forest."""
    preferred_minimum_rows: int = 1500
    """With fewer rows in train and validation spline-ridge is preferred: it needs less to learn from. A company of 8
    drivers with two months of history (900 rows) was served 2.6 % worse by boosted trees."""
    preferred_within_se: float = 1.0
    """Another candidate must beat the best so far by more than this many standard errors of the paired difference
    (after the one-standard-error rule of Breiman et al., 1984)."""
    offset_feature: str | None = "projected_lateness_min"
    """A feature in minutes that is added to every prediction as it is, so that models learn what remains (an offset, as
    in generalised linear models): how late the plan itself makes a pickup needs no learning, and rare long delays could
    not teach it. NULL counts as no lateness that is known of. Only where the features have a column of this name."""
    validation_share: float = 0.15
    """Share of the rows, the last before calibration, that stops the boosting and chooses the candidate."""
    calibration_share: float = 0.15
    """Share of the rows, the last of all, whose residuals give intervals and probabilities."""
    minimum_rows: int = 100
    """Fewer labelled rows are refused."""
    minimum_category_rows: int = 10
    """A category seen less often at fit counts as other."""
    maximum_categories: int = 100
    """At most this many categories of a feature are told apart; the rarest count as other."""
    late_after_min: float = LATE_AFTER_MIN
    """A pickup later than this is late, minutes; ``p_late`` is its probability."""
    interval_coverage: float = 0.90
    """Share of delays between ``low_min`` and ``high_min``."""
    residual_bins: int = 5
    """Bins of the prediction that have a residual distribution of their own."""
    spline_knots: int = 6
    """Knots of each numeric feature's cubic spline, at quantiles."""
    ridge_alpha: float = 100.0
    """Ridge penalty on spline and category coefficients."""
    xgb_depth: int = 3
    """Depth of the boosted trees."""
    xgb_rounds: int = 600
    """Most boosting rounds; early stopping usually takes fewer."""
    xgb_learning_rate: float = 0.04
    """Shrinkage of each boosting round."""
    xgb_patience: int = 40
    """Rounds without progress on the validation block before boosting stops."""
    xgb_min_child_weight: float = 10.0
    """Least rows in a leaf of a boosted tree."""
    xgb_parallel_trees: int = 6
    """Trees of each boosting round, each on rows and columns of its own: their mean varies less than one tree."""
    xgb_subsample: float = 0.6
    """Share of the rows drawn for each boosted tree."""
    xgb_colsample: float = 0.5
    """Share of the columns drawn for each split of a boosted tree."""
    xgb_reg_lambda: float = 10.0
    """L2 penalty on the leaves of the boosted trees."""
    forest_trees: int = 100
    """Trees of the random forest."""
    forest_depth: int = 10
    """Most levels of a forest tree."""
    forest_min_leaf: int = 10
    """Least rows in a leaf of a forest tree."""
    forest_feature_share: float = 0.5
    """Share of the columns tried at each split of a forest tree."""
    forest_rows_per_tree: int = 20_000
    """Most rows drawn for one tree, so that a large history does not take hours."""
    mlp_minimum_rows: int = 100_000
    """The perceptron takes part only where train and validation block together have more rows than this."""
    mlp_units: int = 64
    """Units of each of its two hidden layers."""
    mlp_epochs: int = 60
    """Most passes over the rows; early stopping usually takes fewer."""
    mlp_patience: int = 5
    """Passes without progress on the validation block before it stops."""
    mlp_batch_rows: int = 1024
    """Rows of one gradient step."""
    mlp_learning_rate: float = 0.003
    """Step size of AdamW."""
    mlp_weight_decay: float = 0.01
    """Decay of AdamW."""
    tuning_trials: int = 0
    """Settings of spline-ridge and of XGBoost tried on folds of the train block before the fit; 0 is none."""
    tuning_folds: int = 4
    """Parts of the train block that each trial is tested on."""
    tuning_gain_se: float = 2.5
    """A tried setting replaces the given one only if better by more than this many standard errors over days."""
    n_jobs: int = 1
    """Threads of XGBoost and the forest. One is as fast on a year of courses, and far faster on a busy machine."""
    seed: int = 20_240_101
    """Seed of everything random: same data and seed give the same bytes."""

    def __post_init__(self) -> None:
        unknown = [name for name in self.candidates if name not in CANDIDATE_NAMES]
        if unknown or not self.candidates:
            raise ValueError(f"candidates must be some of {', '.join(CANDIDATE_NAMES)}; unknown: {unknown}")
        if self.preferred not in CANDIDATE_NAMES:
            raise ValueError(f"preferred must be one of {', '.join(CANDIDATE_NAMES)}, not {self.preferred}")
        if self.selection_metric not in ("mae", "rmse"):
            raise ValueError(f"selection_metric must be mae or rmse, not {self.selection_metric}")
        shares = {
            "validation_share": self.validation_share,
            "calibration_share": self.calibration_share,
            "interval_coverage": self.interval_coverage,
            "validation_share + calibration_share": self.validation_share + self.calibration_share,
            "xgb_learning_rate": self.xgb_learning_rate,
            "mlp_learning_rate": self.mlp_learning_rate,
        }
        for name, value in shares.items():
            if not 0.0 < value < 1.0:
                raise ValueError(f"{name} must lie strictly between 0 and 1, not {value}")
        for name in ("xgb_subsample", "xgb_colsample", "forest_feature_share"):
            if not 0.0 < getattr(self, name) <= 1.0:
                raise ValueError(f"{name} must be above 0 and at most 1, not {getattr(self, name)}")
        counts = (
            "minimum_rows",
            "minimum_category_rows",
            "maximum_categories",
            "residual_bins",
            "xgb_depth",
            "xgb_rounds",
            "xgb_patience",
            "xgb_parallel_trees",
            "forest_trees",
            "forest_depth",
            "forest_min_leaf",
            "forest_rows_per_tree",
            "mlp_minimum_rows",
            "preferred_minimum_rows",
            "mlp_units",
            "mlp_epochs",
            "mlp_patience",
            "mlp_batch_rows",
            "tuning_folds",
            "n_jobs",
        )
        for name in counts:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.spline_knots < 2:
            raise ValueError(f"spline_knots must be at least 2, not {self.spline_knots}")
        not_negative = (
            "ridge_alpha",
            "preferred_within_se",
            "xgb_min_child_weight",
            "xgb_reg_lambda",
            "mlp_weight_decay",
            "tuning_trials",
            "tuning_gain_se",
        )
        for name in not_negative:
            if not getattr(self, name) >= 0.0:
                raise ValueError(f"{name} must not be negative, not {getattr(self, name)}")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "candidates": list(self.candidates)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "DelayParams":
        """The inverse of :meth:`to_dict`, also for a model that was stored with other knobs.

        Knobs of a fit that exist no more are passed over; they have had their effect. A model from before there was an
        offset has none.
        """
        known = {item.name for item in fields(cls)}
        kept = {name: value for name, value in values.items() if name in known}
        candidates = tuple(name for name in values["candidates"] if name in CANDIDATE_NAMES)
        return cls(**{"offset_feature": None, **kept, "candidates": candidates})
