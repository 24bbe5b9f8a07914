"""Which features a model lives on, measured by taking each away."""

import numpy as np
import pandas as pd

from atmr_pipeline.domain.errors import TableContractError
from atmr_pipeline.models.delay.model import DelayModel


def permutation_importance(
    model: DelayModel, features: pd.DataFrame, delay_min: pd.Series, *, repeats: int = 5, seed: int = 0
) -> pd.DataFrame:
    """How much the mean absolute error grows when one feature's values are shuffled (Breiman, 2001).

    Measure it on held-out rows: on the training rows it shows what was memorised.

    Parameters
    ----------
    model : DelayModel
        Fitted.
    features : DataFrame, shape (n_rows, n_features)
    delay_min : Series, shape (n_rows,)
        Actual delays, minutes.
    repeats : int
        Shuffles of each feature.
    seed : int
        Same seed, same figures.

    Returns
    -------
    DataFrame
        ``feature, mae_increase_min, sd_min`` (spread over the shuffles), most important first.
    """
    if len(features) != len(delay_min) or features.empty:
        raise TableContractError(
            f"{len(features):,} feature rows and {len(delay_min):,} delays; needs as many, and some"
        )
    rng = np.random.default_rng(seed)
    actual = delay_min.to_numpy(dtype=np.float64)
    base = _mae(model, features, actual)
    lines = []
    for name in features.columns:
        increases = []
        for _ in range(repeats):
            order = rng.permutation(len(features))
            shuffled = features.assign(**{name: features[name].iloc[order].array})
            increases.append(_mae(model, shuffled, actual) - base)
        lines.append(
            {"feature": name, "mae_increase_min": float(np.mean(increases)), "sd_min": float(np.std(increases))}
        )
    return pd.DataFrame(lines).sort_values("mae_increase_min", ascending=False, ignore_index=True, kind="stable")


def _mae(model: DelayModel, features: pd.DataFrame, actual: np.ndarray) -> float:
    return float(np.abs(model.predict(features)["expected_delay_min"].to_numpy() - actual).mean())
