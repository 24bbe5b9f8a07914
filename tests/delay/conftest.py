"""One world and one training for the whole folder: they are read, never changed."""

import pandas as pd
import pytest
from delay_world import FEATURES, training_set

from atmr_pipeline.models.delay import DelayModel, DelayTraining, train_delay_model


@pytest.fixture(scope="session")
def world() -> tuple[pd.DataFrame, pd.Series]:
    return training_set(3000)


@pytest.fixture(scope="session")
def small() -> pd.DataFrame:
    return training_set(600, seed=3)[0]


@pytest.fixture(scope="session")
def training(world: tuple[pd.DataFrame, pd.Series]) -> DelayTraining:
    return train_delay_model(world[0], FEATURES, holdout_days=60)


@pytest.fixture(scope="session")
def fitted(small: pd.DataFrame) -> DelayModel:
    return DelayModel().fit(small[FEATURES], small["delay_min"], small["decided_at"])
