"""The asset in a home of its own: what it stores, what it shows, and what its check finds."""

import dagster as dg
import numpy as np
import pandas as pd
import pytest
from exploration_world import PLANTED, make_world

from atmr_pipeline.assets.exploration import delay_exploration, every_label_is_explored
from atmr_pipeline.features.contract import FEATURE_NAMES
from atmr_pipeline.monitoring.exploration import explore_delays
from atmr_pipeline.resources.io_manager import ParquetIOManager
from atmr_pipeline.resources.workspace import Workspace


@pytest.fixture
def workspace(tmp_path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("ATMR_HOME", str(tmp_path))
    labels, bookings = make_world(rows=200)
    labels = labels.drop(columns="customer_name")
    for name in set(FEATURE_NAMES) - set(labels.columns):
        labels[name] = np.nan
    here = Workspace()
    here.tables.write("delay_training_set", labels)
    here.tables.write_value("delay_label_account", {"given": 211, "excluded": {"cancelled": 11}})
    (here.tables.root / "bookings").mkdir()
    bookings.to_parquet(here.tables.root / "bookings" / "2026-03-02.parquet")
    return here


@pytest.fixture
def groups() -> pd.DataFrame:
    return explore_delays(*make_world(rows=200), {}, features=[]).groups


def materialize(workspace: Workspace) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [delay_exploration, every_label_is_explored, dg.AssetSpec("delay_training_set"), dg.AssetSpec("bookings")],
        resources={"workspace": workspace, "io_manager": ParquetIOManager(workspace=workspace)},
        selection=dg.AssetSelection.assets("delay_exploration"),
    )


def test_the_asset_stores_its_groups_shows_its_pictures_and_writes_its_report(workspace: Workspace) -> None:
    result = materialize(workspace)
    groups = workspace.tables.read("delay_exploration")
    assert (groups.groupby("dimension")["n"].sum() == 200).all()
    shown = result.asset_materializations_for_node("delay_exploration")[0].metadata
    assert {"distribution", "labels", "missing", "with_delay", "outliers", "picture_histogram"} <= set(shown)
    report = workspace.settings.reports_dir / "delay_exploration.html"
    assert shown["report"].value == str(report)
    assert report.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert PLANTED not in report.read_text(encoding="utf-8")
    assert [check.passed for check in result.get_asset_check_evaluations()] == [True]


def judged(workspace: Workspace, groups: pd.DataFrame) -> dg.AssetCheckResult:
    return every_label_is_explored(workspace=workspace, delay_exploration=groups)


def test_the_check_finds_labels_that_nobody_accounts_for(workspace: Workspace, groups: pd.DataFrame) -> None:
    assert judged(workspace, groups).passed
    workspace.tables.write_value("delay_label_account", {"given": 212, "excluded": {"cancelled": 11}})
    found = judged(workspace, groups)
    assert not found.passed
    assert found.description.startswith("200 labels, 201 by the account")


def test_the_check_finds_rows_that_are_in_no_group(workspace: Workspace, groups: pd.DataFrame) -> None:
    partly = groups.drop(groups.index[(groups["dimension"] == "leg") | (groups["group"] == "Wed")])
    found = judged(workspace, partly)
    assert not found.passed
    assert found.description.endswith("2 of 10 dimensions do not add up: leg, weekday")
