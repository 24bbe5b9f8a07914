"""Slices: a group that is served surely worse is refused, chance is not, and few rows are shown and not judged."""

import numpy as np
import pandas as pd
import pytest

from atmr_pipeline.promotion.gates import slice_labels
from atmr_pipeline.promotion.slices import SMALL, UNKNOWN, SliceLimits, judge_slices

ROWS, PER_DAY = 1_000, 12


def courses(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "is_return": rng.random(ROWS) < 0.5,
            "time_of_day": rng.choice([8.5, 9.0, 11.99, 14.0, 16.0], ROWS),
            "day_of_week": (np.arange(ROWS) // PER_DAY) % 7,
            "is_wheelchair": pd.array(rng.choice([True, False, None], ROWS, p=[0.2, 0.7, 0.1]), dtype="boolean"),
            "pickup_area": rng.choice(["Commune Fictive", "Village Fictif"], ROWS, p=[0.9, 0.1]),
            "company_id": 1,
            "driver_id": pd.array(rng.integers(1, 5, ROWS), dtype="Int64"),
        }
    )


def errors(seed: int) -> tuple[pd.Series, pd.Series, pd.Series]:
    """Days, and the absolute errors of two models of equal worth that share most of their error."""
    rng = np.random.default_rng([seed, 1])
    day = np.arange(ROWS) // PER_DAY
    noise = rng.normal(0.0, 0.8, day.max() + 1)[day] + rng.gamma(0.7, 6.0, ROWS) - 4.2
    ours, theirs = (np.abs(noise + rng.normal(0.0, 0.8, ROWS)) for _ in range(2))
    return pd.Series(pd.Timestamp("2026-01-05") + pd.to_timedelta(day, unit="D")), pd.Series(ours), pd.Series(theirs)


def judged(frame: pd.DataFrame, days: pd.Series, ours: pd.Series, theirs: pd.Series, **options):
    return judge_slices(days, ours, theirs, slice_labels(frame), against="the champion", **options)


def test_a_planted_slice_is_refused_and_named() -> None:
    frame, (days, ours, theirs) = courses(1), errors(1)
    assert judged(frame, days, ours, theirs).passed
    hit = frame["pickup_area"].eq("Village Fictif")
    verdict = judged(frame, days, ours.mask(hit, 1.5 * ours), theirs)
    assert not verdict.passed
    assert verdict.value < 0.05
    worse = [line for line in verdict.table if line["verdict"] == "surely worse"]
    assert [(line["cut"], line["slice"]) for line in worse] == [("pickup_area", "Village Fictif")]
    assert "pickup_area Village Fictif" in verdict.detail
    assert worse[0]["difference_pct"] == pytest.approx(50, abs=10)


def test_equal_models_are_hardly_ever_refused_over_twenty_slices() -> None:
    refused = [not judged(courses(seed), *errors(seed)).passed for seed in range(40)]
    assert sum(refused) == 0
    bare = SliceLimits(margin=0.0, alpha=1.0)
    assert any(not judged(courses(seed), *errors(seed), limits=bare).passed for seed in range(5)), "the limits decide"


def test_worse_by_less_than_the_margin_passes() -> None:
    frame, (days, ours, _) = courses(2), errors(2)
    assert judged(frame, days, 1.09 * ours, ours).passed
    assert not judged(frame, days, 1.11 * ours, ours).passed


def test_few_rows_or_days_are_shown_and_not_judged() -> None:
    frame, (days, ours, theirs) = courses(3), errors(3)
    area = frame["pickup_area"].where(np.arange(ROWS) >= 60, "Hameau Fictif").where(np.arange(ROWS) >= 9, "Lieu Fictif")
    table = judged(frame.assign(pickup_area=area), days, 9.0 * ours, theirs).table
    by_name = {line["slice"]: line for line in table if line["cut"] == "pickup_area"}
    assert by_name["Hameau Fictif"]["n"] == 51
    assert by_name["Hameau Fictif"]["days"] == 5
    assert by_name["Hameau Fictif"]["verdict"] == by_name[SMALL]["verdict"] == "not judged"
    assert by_name[SMALL]["n"] == 9, "a handful of courses has no line of its own"
    assert by_name["Hameau Fictif"]["p_value"] is None


def test_nothing_to_judge_says_so() -> None:
    days, ours, theirs = (series.iloc[:30] for series in errors(4))
    verdict = judged(courses(4).iloc[:30], days, ours, theirs)
    assert (verdict.passed, verdict.verdict, verdict.n) == (True, "not judged", 0)


def test_every_cut_and_what_is_unknown() -> None:
    frame = courses(5)
    first_unknown = pd.concat([pd.DataFrame(index=[-1]), frame.astype(object)])
    labels = slice_labels(first_unknown)
    assert set(labels) == {"leg", "hour", "weekday", "wheelchair", "pickup_area", "company", "driver"}
    assert {label.iloc[0] for label in labels.values()} == {UNKNOWN}
    whole = slice_labels(frame)
    assert set(whole["hour"]) == {"00 to 09 h", "09 to 12 h", "14 to 17 h"}
    assert set(whole["weekday"]) == {"Monday or Friday", "Tuesday to Thursday", "weekend"}
    assert set(whole["wheelchair"]) == {"wheelchair", "no wheelchair", UNKNOWN}
    lacking = judged(frame.drop(columns="company_id"), *errors(5))
    assert lacking.detail.endswith("no column for company")
