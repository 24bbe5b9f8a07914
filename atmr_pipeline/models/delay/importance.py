"""Which features a model lives on, measured by taking each away."""

import numpy as np
import pandas as pd

from atmr_pipeline.domain.errors import TableContractError
from atmr_pipeline.models.delay.model import DelayModel

MOST_ROWS = 500


def permutation_importance(
    model: DelayModel,
    features: pd.DataFrame,
    delay_min: pd.Series,
    *,
    repeats: int = 5,
    seed: int = 0,
    most_rows: int = MOST_ROWS,
) -> pd.DataFrame:
    """How much the mean absolute error grows when one feature's values are shuffled (Breiman, 2001).

    Measure it on held-out rows: on the training rows it shows what was memorised. The table is encoded once and the
    matrix columns of a feature are shuffled together, which is the same and many times faster.

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
    most_rows : int
        Of more rows than this a sample is measured, so that the cost does not grow with the history.

    Returns
    -------
    DataFrame
        ``feature, mae_increase_min, sd_min`` (spread over the shuffles), ``n`` (rows measured); most important first.
    """
    if len(features) != len(delay_min) or features.empty:
        raise TableContractError(
            f"{len(features):,} feature rows and {len(delay_min):,} delays; needs as many, and some"
        )
    rng = np.random.default_rng(seed)
    measured = np.sort(rng.permutation(len(features))[:most_rows])
    actual = delay_min.to_numpy(dtype=np.float64)[measured]
    matrix = model.contract_.encode(features.iloc[measured])
    predict = model.expected_of

    def mae() -> float:
        return float(np.abs(predict(matrix) - actual).mean())

    base, lines = mae(), []
    for number, name in enumerate(model.contract_.names):
        columns = np.flatnonzero(model.contract_.column_feature == number)
        kept = matrix[:, columns]
        increases = []
        for _ in range(repeats):
            matrix[:, columns] = kept[rng.permutation(len(matrix))]
            increases.append(mae() - base)
        matrix[:, columns] = kept
        increase, spread = float(np.mean(increases)), float(np.std(increases))
        lines.append({"feature": name, "mae_increase_min": increase, "sd_min": spread, "n": len(matrix)})
    return pd.DataFrame(lines).sort_values("mae_increase_min", ascending=False, ignore_index=True, kind="stable")
