"""Pictures and the model card."""

import dataclasses
import io
import json
import re
import struct
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from delay_world import FEATURES
from PIL import Image

from atmr_pipeline.domain.errors import TableContractError
from atmr_pipeline.models.delay import DelayModel, DelayParams, permutation_importance
from atmr_pipeline.models.delay.report import card_path, evaluation_report, floor_figures, model_card, write_model_card
from atmr_pipeline.models.delay.report.markdown import number, wrapped
from atmr_pipeline.models.delay.report.pictures import (
    MOST_GROUPS,
    evaluation_pictures,
    predicted_against_actual,
    residual_boxes,
)

AREAS = ["Commune Fictive", "Village Fictif", "Bourg Fictif"]
CONTRACT = [SimpleNamespace(name=name, unit=f"unit of {name}", null_meaning=f"no {name}") for name in FEATURES]
ALERTS = {
    "threshold": 0.4321,
    "reason": None,
    "target_recall": 0.8,
    "calibration": {"threshold": 0.4321, "recall": 0.811, "precision": 0.633, "alert_rate": 0.2, "alerts": 90,
                    "caught": 57, "late": 70, "n": 450},
    "holdout": {"threshold": 0.4321, "recall": 0.777, "precision": 0.601, "alert_rate": 0.21, "alerts": 80,
                "caught": 48, "late": 62, "n": 400},
    "company": {"high": {"threshold": 0.15, "recall": 0.95, "precision": 0.41, "alert_rate": 0.5, "alerts": 200,
                         "caught": 60, "late": 62, "n": 400}},
    "floor": {"expected": {"threshold": 0.5, "recall": 0.8, "precision": 0.712, "alert_rate": 0.2, "alerts": 70,
                           "late": 61.5, "n": 400}, "hindsight": None, "model_hindsight": None},
}  # fmt: skip


@pytest.fixture(scope="module")
def areas(training):
    number = np.arange(len(training.holdout))
    named = training.holdout.assign(
        patient_area=np.array(AREAS, dtype=object)[number % 3], pickup_area=AREAS[0], is_return=number % 2 == 0
    )
    return dataclasses.replace(training, holdout=named)


@pytest.fixture(scope="module")
def floor(areas, world):
    frame, mean = world
    truth = frame[["assignment_id"]].assign(expected_delay_min=mean, p_late=0.2)
    return floor_figures(areas.holdout, truth)


@pytest.fixture(scope="module")
def report(areas, world, floor):
    return evaluation_report(areas, world[0], holdout_days=60, floor=floor, points=3)


@pytest.fixture(scope="module")
def manifest(training, floor, tmp_path_factory):
    metrics = training.metrics() | {"floor": floor, "alerts": ALERTS}
    return training.model.save(tmp_path_factory.mktemp("model"), data_hash=training.data_hash, metrics=metrics)


@pytest.fixture(scope="module")
def card(manifest, report):
    return model_card(manifest, report, contract=CONTRACT, version="v-1", reproduce=["atmr run", "atmr model-card v-1"])


def size(picture: bytes) -> tuple[int, int]:
    width, height = struct.unpack(">II", picture[16:24])
    return width, height


def test_importance_finds_what_drives_the_delay(report):
    ranked = report.importance["feature"].tolist()
    assert set(ranked[:4]) == {"time_of_day", "driver_punctuality_score", "distance_km", "weather_factor"}
    useless = report.importance.set_index("feature")["mae_increase_min"][["booking_priority", "is_medical"]]
    assert useless.abs().max() < 0.05


def test_importance_needs_rows_that_match(training):
    with pytest.raises(TableContractError):
        permutation_importance(training.model, training.holdout[FEATURES], training.holdout["delay_min"].head(3))


def test_every_picture_is_drawn_small_and_repeatable(report, areas):
    drawn = evaluation_pictures(report, areas.holdout)
    assert set(drawn) == {
        "predicted_against_actual", "against_baselines", "reliability", "interval_coverage", "learning_curve",
        "permutation_importance", "residuals_by_hour", "residuals_by_driver", "residuals_by_leg",
        "residuals_by_patient_area", "residuals_by_pickup_area",
    }  # fmt: skip
    assert len(set(drawn.values())) == len(drawn)
    for picture in drawn.values():
        assert picture.startswith(b"\x89PNG\r\n\x1a\n")
        assert len(picture) < 60_000
        assert size(picture) >= (400, 300)
    assert evaluation_pictures(report, areas.holdout) == drawn


def test_a_picture_of_many_pickups_stays_small(areas):
    many = pd.concat([areas.holdout] * 20, ignore_index=True)
    assert len(predicted_against_actual(many["delay_min"], many)) < 60_000


def test_a_picture_of_many_groups_keeps_its_size(areas):
    many = pd.concat([areas.holdout] * 10, ignore_index=True)
    label = pd.Series([f"Quartier {number % (3 * MOST_GROUPS)}" for number in range(len(many))])
    picture = residual_boxes(many, label, title="area")
    assert len(picture) < 60_000
    assert size(picture) == size(residual_boxes(many, many["patient_area"], title="area"))


def test_pictures_of_nothing_say_so(areas):
    none = areas.holdout.head(0)
    for picture in (
        predicted_against_actual(none["delay_min"], none),
        residual_boxes(none, none["patient_area"], title="area"),
    ):
        assert len(Image.open(io.BytesIO(picture)).convert("L").getcolors()) > 1


def test_card_holds_what_the_model_is_and_learned_from(card, manifest, training):
    assert card.startswith("# Model card: pickup delay")
    assert "- version: `v-1`" in card
    assert training.data_hash in card
    assert manifest["content_hash"] in card
    assert manifest["blocks"][0]["first_decided_at"] in card
    for end in training.window.values():
        assert end in card
    assert f"{training.rows['train']:,} measured pickups" in card
    for name in FEATURES:
        assert f"| `{name}` | unit of {name} | numeric | no {name} |" in card
    for section in ("Intended use", "Not intended", "Limits", "How to reproduce", "Fairness", "Floor"):
        assert f"\n## {section}\n" in card
    assert "```\natmr run\natmr model-card v-1\n```" in card


def test_card_holds_the_figures(card, training, report, floor):
    figures = next(line for line in card.splitlines() if line.startswith("| mean absolute error, min |"))
    expected = [training.evaluation["mae_min"], *(b["mae_min"] for b in training.baselines.values())]
    assert [cell.strip() for cell in figures.split("|")[2:-1]] == [f"{value:.3f}" for value in expected]
    against = training.comparisons["spline_ridge"]
    assert f"| {against.relative_mae_pct:.3f} | {against.low_pct:.3f} to {against.high_pct:.3f} |" in card
    assert f"times the floor's (95 % {floor['model_over_floor_low']:.3f} to" in card
    assert f"MAE is {floor['model_over_floor']:.3f} times" in re.sub(r"\s+", " ", card)
    for rows, error in zip(report.learning_curve["rows"], report.learning_curve["model_mae_min"], strict=True):
        assert re.search(rf"\| {rows:,} \| \d{{4}}-\d\d-\d\d \| {error:.3f} \|", card)
    coverage = report.fairness["driver"].iloc[0]
    assert f"{coverage['coverage_pct']:.3f} ({coverage['coverage_pct_low']:.3f} to" in card
    assert card.count("largest gap") == 6


def test_card_tells_of_the_alerts(card):
    assert "P(late) = 0.432 on" in card
    assert "| held-out days | 0.432 | 0.777 | 0.601 | 0.210 | 80 | 62 | 400 |" in card
    assert "| company level high, held-out | 0.150 | 0.950 |" in card
    assert "| perfect predictor, expected | 0.500 | 0.800 | 0.712 |" in card
    assert "in hindsight |" not in card


@pytest.mark.parametrize(
    ("alerts", "said"),
    [
        (None, "No alert threshold was measured with this model."),
        ({**ALERTS, "threshold": None, "reason": "too_few_late"}, "No threshold was chosen: too_few_late."),
    ],
)
def test_card_says_what_was_not_measured(manifest, report, alerts, said):
    metrics = {**manifest["metrics"], "alerts": alerts, "floor": None}
    card = model_card({**manifest, "metrics": metrics}, report)
    assert said in card
    assert "Not known: a company's days happen once." in card
    assert card.count("| not described |") >= len(FEATURES)
    assert "not registered" in card


def test_card_needs_the_figures_of_the_training(manifest, report):
    with pytest.raises(TableContractError, match="train it again"):
        model_card({**manifest, "metrics": None}, report)


def test_card_names_nobody_and_no_single_trip(card, report, areas):
    """Besides coarse areas and driver numbers there are only figures: no id, no day and hour of a trip, no reason."""
    numbers = set(re.findall(r"\d+", card.replace(",", "")))
    assert not set(areas.holdout["booking_id"].astype(str)) & numbers
    assert not any(reason in card for reason in report.worst_cases["reasons"])
    groups = set(re.findall(r"^\| ([A-Z][a-z]+ Fictif|[A-Z][a-z]+ Fictive) \|", card, flags=re.MULTILINE))
    assert groups == set(AREAS)
    assert set(areas.holdout["patient_area"]) == set(AREAS)


def test_card_lists_no_value_of_a_category(small, report, tmp_path):
    frame = small.assign(zone="Secteur Fictif", empty=float("nan"))
    model = DelayModel(DelayParams(candidates=("constant_mean",)))
    model.fit(frame[["zone", "empty"]], frame["delay_min"], frame["decided_at"])
    metrics = {
        "evaluation": {"mae_min": 1.0},
        "baselines": {},
        "window": {f"{part}_{end}_day": "2024-01-01" for part in ("train", "holdout") for end in ("first", "last")},
        "rows": {"train": 1, "holdout": 1, "gap": 0},
    }
    model.save(tmp_path, metrics=metrics)
    card = model_card(DelayModel.load(tmp_path).manifest_, report)
    assert "Secteur Fictif" not in card
    assert "| `zone` | not described | categorical, 1 told apart | not described |" in card
    assert "All are numbers or flags" not in card
    assert "Without a single value in training: empty." in card
    assert "not recorded" in card


def test_card_is_the_same_from_the_stored_report(card, manifest, report):
    stored = type(report).from_dict(json.loads(json.dumps(report.to_dict(), allow_nan=False)))
    again = model_card(
        manifest, stored, contract=CONTRACT, version="v-1", reproduce=["atmr run", "atmr model-card v-1"]
    )
    assert again == card


def test_card_is_written_under_its_version(card, tmp_path):
    path = write_model_card(tmp_path / "cards", "0f3a-1.b", card)
    assert path == tmp_path / "cards" / "0f3a-1.b.md"
    assert path.read_text(encoding="utf-8") == card
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    for wrong in ("../x", "", ".hidden", "a/b", "a\n", "x" * 101):
        with pytest.raises(TableContractError, match="letters, digits"):
            card_path(tmp_path, wrong)


def test_long_lines_are_broken_outside_tables_and_code():
    text = "\n".join(["- " + "word " * 20 + "end", "| " + "cell " * 40 + "|", "```", "command " * 30, "```"])
    lines = wrapped(text, 40).split("\n")
    assert all(len(line) <= 40 for line in lines if line.startswith(("-", "  ")))
    assert lines[1].startswith("  word")
    assert "| " + "cell " * 40 + "|" in lines
    assert "command " * 30 in lines
    assert "".join(" ".join(lines).split()) == "".join(text.split())


def test_numbers_read_well():
    assert [number(value) for value in (1.23456, 12345, True, None, float("nan"), "text")] == [
        "1.235", "12,345", "yes", "not defined", "not defined", "text",
    ]  # fmt: skip
