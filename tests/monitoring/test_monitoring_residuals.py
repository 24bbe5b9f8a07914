"""Residuals of what was served, each beside the version that made it."""

import json
from dataclasses import asdict
from datetime import date

import numpy as np
import pandas as pd
import pytest

from atmr_pipeline.domain.errors import TableContractError
from atmr_pipeline.monitoring.cusum import ResidualReference, residual_cusum, residual_reference
from atmr_pipeline.monitoring.residuals import last_served, reference_of, residual_stream

CENTRED, LATE = ResidualReference(0.0, 3.0, 400), ResidualReference(2.0, 3.0, 400)


def served(**changes) -> pd.DataFrame:
    rows = {
        "assignment_id": [1, 1, 2, 3, 3],
        "company_id": 1,
        "service_day": pd.to_datetime(["2026-03-02", "2026-03-02", "2026-03-02", "2026-03-03", "2026-03-03"]),
        "model_version": ["old", "new", "old", "new", "rival"],
        "predicted_at": pd.to_datetime(
            ["2026-03-01", "2026-03-02", "2026-03-01", "2026-03-02", "2026-03-03"], utc=True
        ),
        "role": ["served", "served", "served", "served", "shadow"],
        "expected_delay_min": [1.0, 2.0, 3.0, 4.0, 50.0],
        "actual_delay_min": [5.0, 5.0, 5.0, 6.0, 6.0],
    }
    return pd.DataFrame(rows | changes)


def test_what_counts_is_the_last_prediction_that_was_served():
    kept = last_served(served()).set_index("assignment_id")
    assert dict(kept["model_version"]) == {1: "new", 2: "old", 3: "new"}


def test_each_residual_is_measured_against_its_own_version():
    stream = residual_stream(served(), {"old": CENTRED, "new": LATE})
    frame = stream.frame.set_index("assignment_id")
    assert list(frame["residual_min"]) == [3.0, 2.0, 2.0]
    assert list(frame["shift_min"]) == [1.0, 2.0, 0.0]
    assert frame.loc[3, "score"] == 0.0
    assert frame.loc[2, "score"] > frame.loc[1, "score"] > 0.0
    assert stream.counts == {
        "served": 3,
        "not_measured": 0,
        "never_scored": 0,
        "reference_of_champion": 0,
        "no_reference": 0,
    }


def test_a_version_without_a_reference_is_judged_by_the_champions_and_counted():
    stream = residual_stream(served(), {"new": LATE}, champion=CENTRED)
    assert stream.counts["reference_of_champion"] == 1
    assert stream.counts["no_reference"] == 0
    alone = residual_stream(served(), {"new": LATE})
    assert alone.counts["no_reference"] == 1
    result = residual_cusum(alone.frame)
    assert (result.n, result.n_unknown) == (2, 1)


def test_what_was_never_scored_is_taken_from_the_champion_and_only_that():
    unscored = pd.DataFrame(
        {
            "assignment_id": [3, 9],
            "service_day": pd.to_datetime(["2026-03-03", "2026-03-04"]),
            "residual_min": [7.0, 8.0],
        }
    )
    stream = residual_stream(served(), {"old": CENTRED, "new": LATE}, champion=CENTRED, unscored=unscored)
    assert list(stream.frame["assignment_id"]) == [1, 2, 3, 9]
    assert stream.frame["residual_min"].iloc[-1] == 8.0
    assert stream.counts["never_scored"] == 1


def test_pickups_that_have_not_happened_are_counted_and_left_out():
    stream = residual_stream(served(actual_delay_min=[np.nan] * 5), {"old": CENTRED})
    assert stream.frame.empty
    assert stream.counts["not_measured"] == 3
    assert residual_cusum(stream.frame).skipped_reason == "0 residuals known, needs 20"


def test_a_reference_survives_the_registry():
    rng = np.random.default_rng(0)
    held_out = pd.DataFrame(
        {"service_day": np.repeat(pd.date_range("2026-01-05", periods=30, unit="us"), 12), "residual_min": 0.0}
    ).assign(residual_min=rng.standard_t(3, 360))
    measured = residual_reference(held_out)
    stored = json.loads(json.dumps({"residual_reference": asdict(measured)}))
    assert reference_of(stored) == measured
    assert reference_of({"evaluation": {}}) is None
    for wrong in ({"residual_reference": 3}, {"residual_reference": {"mean_min": 0.0}}):
        with pytest.raises(TableContractError, match="residual_reference"):
            reference_of(wrong)


def test_scores_are_centred_and_have_unit_variance_on_the_reference():
    values = np.random.default_rng(1).exponential(6.0, 2000) - 4.0
    days = np.repeat(pd.date_range("2026-01-05", periods=200, unit="us"), 10)
    reference = residual_reference(pd.DataFrame({"service_day": days, "residual_min": values}))
    scores = reference.scores(values) * np.sqrt(reference.design_effect)
    assert scores.mean() == pytest.approx(0.0, abs=1e-9)
    assert scores.std(ddof=1) == pytest.approx(1.0)


def test_a_stream_goes_on_across_promotions_and_finds_what_no_champion_saw_alone():
    """A champion every day: 12 residuals each, too few for any of them, and a drift of two thirds of the noise."""
    rng = np.random.default_rng(3)
    days = pd.date_range("2026-03-02", periods=40, unit="us")
    frame = pd.DataFrame({"service_day": np.repeat(days, 12)})
    n = len(frame)
    shift = np.where(frame["service_day"] >= "2026-03-22", 2.0, 0.0)
    frame = frame.assign(
        assignment_id=np.arange(n),
        company_id=1,
        model_version=["v" + str(day) for day in frame["service_day"].dt.strftime("%m%d")],
        predicted_at=frame["service_day"].dt.tz_localize("UTC"),
        role="served",
        expected_delay_min=0.0,
        actual_delay_min=rng.normal(0.0, 3.0, n) + shift,
    )
    references = dict.fromkeys(frame["model_version"].unique(), CENTRED)
    result = residual_cusum(residual_stream(frame, references).frame)
    assert result.direction == "later"
    assert result.alarm_on is not None
    assert date(2026, 3, 22) <= result.alarm_on <= date(2026, 3, 31)
    assert abs((result.change_started_on - date(2026, 3, 22)).days) <= 3
    assert result.shift_min == pytest.approx(2.0, abs=0.7)
    assert result.courses >= 12 * 15


def test_missing_columns_are_named():
    with pytest.raises(TableContractError, match="role"):
        residual_stream(served().drop(columns="role"), {})
    with pytest.raises(TableContractError, match="residual_min"):
        residual_stream(served(), {}, unscored=pd.DataFrame({"assignment_id": [1], "service_day": ["2026-03-02"]}))
