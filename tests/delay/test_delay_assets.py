"""The training as Dagster runs it: what the evaluation shows, the card, and what a second run shows again."""

import json
import sys
from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd
import pytest
from delay_world import training_set

from atmr_pipeline.assets.delay_evaluation_report import STORED
from atmr_pipeline.assets.delay_model import delay_models
from atmr_pipeline.cli import main
from atmr_pipeline.features.contract import FEATURES
from atmr_pipeline.resources.io_manager import ParquetIOManager
from atmr_pipeline.resources.workspace import Workspace

AREAS = ["Commune Fictive", "Village Fictif"]
pytestmark = pytest.mark.slow


def company_set(rows: int = 900) -> pd.DataFrame:
    """A training set with every column of the feature contract; what the small world does not know is NULL or noise."""
    frame, _ = training_set(rows, days=90, seed=3)
    rng = np.random.default_rng(0)
    for feature in (feature for feature in FEATURES if feature.name not in frame.columns):
        numbers = pd.Series(rng.integers(0, 2, rows), index=frame.index)
        frame[feature.name] = numbers.astype(feature.dtype)
    is_second = np.arange(rows) % 2 == 1
    return frame.assign(patient_area=np.where(is_second, *AREAS), pickup_area=AREAS[0])


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("delay-home")


@pytest.fixture(autouse=True)
def company(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A company of its own, so that no truth is known; nothing here reads its database."""
    monkeypatch.setenv("ATMR_HOME", str(home))
    monkeypatch.setenv("ATMR_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    monkeypatch.setenv("ATMR_HASH_KEY", "a key for tests only")
    monkeypatch.setenv("ATMR_HISTORY_START", "2024-01-01")


def train(frame: pd.DataFrame) -> dict[str, dict[str, dg.MetadataValue]]:
    """Run the asset; its outputs' metadata by asset."""
    workspace = Workspace()
    workspace.tables.write("delay_training_set", frame)
    with dg.instance_for_test() as instance:
        result = dg.materialize(
            [dg.AssetSpec("delay_training_set"), delay_models],
            selection=[delay_models],
            instance=instance,
            resources={"workspace": workspace, "io_manager": ParquetIOManager(workspace=workspace)},
        )
    assert result.success
    return {
        event.asset_key.path[-1]: dict(event.step_materialization_data.materialization.metadata)
        for event in result.get_asset_materialization_events()
    }


@pytest.fixture(scope="module")
def runs(home: Path) -> list[dict[str, dict[str, dg.MetadataValue]]]:
    """A training, the same again, and the same after its evaluation was lost."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name, value in {
            "ATMR_HOME": str(home),
            "ATMR_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
            "ATMR_HASH_KEY": "a key for tests only",
            "ATMR_HISTORY_START": "2024-01-01",
        }.items():
            monkeypatch.setenv(name, value)
        first, second = train(company_set()), train(company_set())
        (home / "tables" / STORED / "value.json").write_text(json.dumps({"version_id": "another", "report": {}}))
        return [first, second, train(company_set())]


def test_the_evaluation_shows_tables_and_pictures(runs):
    shown = runs[0]["delay_evaluation"]
    for name in ("predicted_against_actual", "against_baselines", "reliability", "interval_coverage", "learning_curve",
                 "permutation_importance", "residuals_by_hour", "residuals_by_driver", "residuals_by_leg"):  # fmt: skip
        assert str(shown[name].value).startswith("![")
    for name in ("figures", "comparison", "learning_curve_table", "worst_cases", "figures_by_hour", "figures_by_leg",
                 "fairness_by_driver", "reliability_table", "interval_coverage_table"):  # fmt: skip
        assert str(shown[name].value).startswith("| ")
    assert "MAE by driver: largest gap" in str(shown["fairness"].value)
    assert shown["all_figures"].value["floor"] is None
    assert sum(len(str(value.value)) for value in shown.values()) < 700_000


def test_a_second_run_reuses_the_version_and_shows_the_same(runs):
    first, second, _ = (run["delay_evaluation"] for run in runs)
    assert runs[1]["delay_model"]["reused"].value is True
    assert second["reused"].value is True
    assert runs[0]["delay_model"]["version"] == runs[1]["delay_model"]["version"]
    different = {name for name in first if first[name] != second[name]}
    assert different <= {"dagster/column_schema"}


def test_an_evaluation_of_another_version_is_not_shown(runs):
    first, _, third = runs
    assert third["delay_model"]["reused"].value is False
    assert third["delay_model"]["version"] == first["delay_model"]["version"]
    assert third["delay_evaluation"]["worst_cases"] == first["delay_evaluation"]["worst_cases"]


def test_the_card_lies_in_the_home_and_can_be_copied(runs, home, tmp_path, monkeypatch, capsys):
    version = str(runs[0]["delay_model"]["version"].value)
    path = home / "reports" / "model-cards" / f"{version}.md"
    assert runs[0]["delay_evaluation"]["model_card"].value == str(path)
    card = path.read_text(encoding="utf-8")
    for feature in FEATURES:
        assert f"| `{feature.name}` | {feature.unit} |" in card
    assert f"atmr model-card {version}" in card
    assert "atmr demo build" not in card

    def atmr(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["atmr", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        shown = capsys.readouterr()
        return int(ended.value.code or 0), shown.out, shown.err

    assert atmr("model-card", version)[:2] == (0, card)
    copy = tmp_path / "cards" / "demo.md"
    assert atmr("model-card", version, "--output", copy)[0] == 0
    assert copy.read_text(encoding="utf-8") == card
    code, out, err = atmr("model-card")
    assert (code, out) == (1, "")
    assert "no delay model has been promoted" in err
    code, _, err = atmr("model-card", "feed" * 4)
    assert code == 1
    assert "no model card of feedfeedfeedfeed" in err
    assert atmr("model-card", "../../secrets")[0] == 1


def test_nothing_in_the_metadata_names_a_booking_with_its_place(runs):
    """Worst cases carry ids, so they carry no area; tables by area carry no ids."""
    shown = {name: str(value.value) for name, value in runs[0]["delay_evaluation"].items()}
    with_ids = [name for name, text in shown.items() if "booking_id" in text and not text.startswith("![")]
    assert "worst_cases" in with_ids
    for name in with_ids:
        assert not any(area in shown[name] for area in AREAS)
