"""Which features moved a prediction most."""

import numpy as np
import pandas as pd

EXPLANATION_COLUMNS = ["row", "rank", "feature", "value", "effect_min"]


def strongest_effects(features: pd.DataFrame, contributions: pd.DataFrame, top: int) -> pd.DataFrame:
    """The ``top`` largest contributions of each row, in the layout of :meth:`DelayModel.explain`.

    Parameters
    ----------
    features, contributions : DataFrame, shape (n_rows, n_features)
        Values, and the minutes that each adds.
    """
    names = list(contributions.columns)
    effects = contributions.to_numpy()
    values = [features[name].astype(object).where(features[name].notna(), None).tolist() for name in names]
    strongest = np.argsort(-np.abs(effects), axis=1, kind="stable")[:, :top]
    lines = [
        {
            "row": row,
            "rank": rank,
            "feature": names[column],
            "value": values[column][row],
            "effect_min": float(effects[row, column]),
        }
        for row, columns in enumerate(strongest)
        for rank, column in enumerate(columns, start=1)
    ]
    table = pd.DataFrame(lines, columns=EXPLANATION_COLUMNS)
    return table.assign(value=pd.Series([line["value"] for line in lines], dtype=object))
