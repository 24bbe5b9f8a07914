"""Every knob of the delay model, typed, with its unit."""

from dataclasses import asdict, dataclass
from typing import Any

from atmr_pipeline.domain.vocabulary import LATE_AFTER_MIN

CANDIDATE_NAMES = ("constant_mean", "constant_median", "spline_ridge", "xgboost", "random_forest")
"""Known candidates, from the simplest to the most complex."""
SIMPLE_CANDIDATES = frozenset(CANDIDATE_NAMES[:3])
"""Those that cannot memorise a few hundred rows; the others must prove themselves against the best of these."""


@dataclass(frozen=True)
class DelayParams:
    """Parameters of :class:`~atmr_pipeline.models.delay.DelayModel`.

    The defaults were chosen on data whose best possible predictor is known; deeper trees were worse.

    Raises
    ------
    ValueError
        If a value is outside its range.
    """

    candidates: tuple[str, ...] = ("constant_mean", "spline_ridge", "xgboost", "random_forest")
    """Models that compete on the validation block. The median is biased on skewed delays, so it is no default."""
    selection_metric: str = "mae"
    """What the validation block compares: ``mae`` or ``rmse``, minutes."""
    simpler_within_se: float = 2.5
    """Trees must beat the best simple candidate by more than this many standard errors of the paired difference. On
    8 demo worlds 1.0 chose trees 4 times; on the next month they were 5 % better once, 6 % worse once, level twice."""
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
    ridge_alpha: float = 1.0
    """Ridge penalty on spline and category coefficients."""
    xgb_depth: int = 3
    """Depth of the boosted trees."""
    xgb_rounds: int = 600
    """Most boosting rounds; early stopping usually takes fewer."""
    xgb_learning_rate: float = 0.03
    """Shrinkage of each boosting round."""
    xgb_patience: int = 50
    """Rounds without progress on the validation block before boosting stops."""
    xgb_min_child_weight: float = 5.0
    """Least rows in a leaf of a boosted tree."""
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
    n_jobs: int = 1
    """Threads of XGBoost and the forest. One is as fast on a year of courses, and far faster on a busy machine."""
    seed: int = 20_240_101
    """Seed of everything random: same data and seed give the same bytes."""

    def __post_init__(self) -> None:
        unknown = [name for name in self.candidates if name not in CANDIDATE_NAMES]
        if unknown or not self.candidates:
            raise ValueError(f"candidates must be some of {', '.join(CANDIDATE_NAMES)}; unknown: {unknown}")
        if self.selection_metric not in ("mae", "rmse"):
            raise ValueError(f"selection_metric must be mae or rmse, not {self.selection_metric}")
        shares = {
            "validation_share": self.validation_share,
            "calibration_share": self.calibration_share,
            "interval_coverage": self.interval_coverage,
            "validation_share + calibration_share": self.validation_share + self.calibration_share,
            "xgb_learning_rate": self.xgb_learning_rate,
            "forest_feature_share": self.forest_feature_share / 2,
        }
        for name, value in shares.items():
            if not 0.0 < value < 1.0:
                raise ValueError(f"{name} must lie strictly between 0 and 1, not {value}")
        counts = (
            "minimum_rows",
            "minimum_category_rows",
            "maximum_categories",
            "residual_bins",
            "xgb_depth",
            "xgb_rounds",
            "xgb_patience",
            "forest_trees",
            "forest_depth",
            "forest_min_leaf",
            "forest_rows_per_tree",
            "n_jobs",
        )
        for name in counts:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.spline_knots < 2:
            raise ValueError(f"spline_knots must be at least 2, not {self.spline_knots}")
        for name in ("ridge_alpha", "simpler_within_se", "xgb_min_child_weight"):
            if not getattr(self, name) >= 0.0:
                raise ValueError(f"{name} must not be negative, not {getattr(self, name)}")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "candidates": list(self.candidates)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "DelayParams":
        """The inverse of :meth:`to_dict`."""
        return cls(**{**values, "candidates": tuple(values["candidates"])})
