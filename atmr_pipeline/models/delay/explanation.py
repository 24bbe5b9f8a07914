"""Which features moved a prediction most."""

import numpy as np
import pandas as pd

from atmr_pipeline.models.delay.contract import FeatureContract

EXPLANATION_COLUMNS = ["row", "rank", "feature", "value", "effect_min"]


def effects_by_feature(
    contract: FeatureContract, matrix: np.ndarray, by_column: np.ndarray, offset_feature: str | None
) -> np.ndarray:
    """Minutes that each feature adds, shape (n_rows, n_features): its columns' effects together, and the offset.

    Parameters
    ----------
    matrix, by_column : ndarray, shape (n_rows, n_columns)
        Encoded rows, and what each column adds.
    offset_feature : str or None
        Feature that is added as it is.
    """
    effects = np.zeros((len(matrix), len(contract.names)))
    np.add.at(effects.T, contract.column_feature, by_column.T)
    if offset_feature in contract.names:
        effects[:, contract.names.index(offset_feature)] += contract.minutes_of(matrix, offset_feature)
    return effects


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
