from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atmr_pipeline.domain.errors import TableContractError
from atmr_pipeline.state.predictions import read_predictions, record_actuals, record_predictions
from atmr_pipeline.state.store import StateStore

DAY = date(2026, 3, 2)
T0, T1, T2 = (datetime(2026, 3, day, 3, tzinfo=UTC) for day in (1, 2, 3))


def predictions(n: int = 3, *, version: str = "v1", expected: float = 2.0) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "assignment_id": np.arange(n),
            "booking_id": np.arange(n) + 100,
            "driver_id": pd.array([7, None, 8][:n], dtype="Int64") if n <= 3 else pd.array([7] * n, dtype="Int64"),
            "service_day": pd.Timestamp(DAY),
            "model_version": version,
            "decided_at": pd.Timestamp(T0),
            "expected_delay_min": expected,
            "low_min": -3.0,
            "high_min": 9.0,
            "p_late": 0.2,
            "company_id": 1,
        }
    )


def actuals(delays: list[float | None], known_at: datetime = T1) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "assignment_id": range(len(delays)),
            "actual_delay_min": pd.Series(delays, dtype="float64"),
            "known_at": known_at,
        }
    )


def test_a_prediction_comes_back_as_it_was(store):
    assert record_predictions(store, predictions(), predicted_at=T1) == 3
    rows = read_predictions(store, DAY, DAY)
    assert rows["assignment_id"].tolist() == [0, 1, 2]
    assert rows["driver_id"].isna().tolist() == [False, True, False]
    assert rows["service_day"].unique().tolist() == [pd.Timestamp(DAY)]
    assert rows["decided_at"].unique().tolist() == [pd.Timestamp(T0)]
    assert rows["predicted_at"].unique().tolist() == [pd.Timestamp(T1)]
    assert rows["actual_delay_min"].isna().all()


def test_an_empty_range_has_the_same_dtypes(store):
    nothing = read_predictions(store, DAY, DAY)
    record_predictions(store, predictions())
    assert len(nothing) == 0
    assert nothing.dtypes.to_dict() == read_predictions(store, DAY, DAY).dtypes.to_dict()


def test_recording_again_changes_nothing(store):
    record_predictions(store, predictions(), predicted_at=T1)
    before = read_predictions(store, DAY, DAY)
    assert record_predictions(store, predictions(), predicted_at=T2) == 0
    pd.testing.assert_frame_equal(read_predictions(store, DAY, DAY), before)


def test_a_new_prediction_replaces_one_whose_pickup_is_still_to_come(store):
    record_predictions(store, predictions(expected=2.0), predicted_at=T1)
    assert record_predictions(store, predictions(expected=4.0), predicted_at=T2) == 3
    rows = read_predictions(store, DAY, DAY)
    assert rows["expected_delay_min"].tolist() == [4.0, 4.0, 4.0]
    assert rows["predicted_at"].unique().tolist() == [pd.Timestamp(T2)]


def test_a_re_run_never_touches_a_prediction_whose_actual_is_known(store):
    record_predictions(store, predictions(expected=2.0), predicted_at=T1)
    assert record_actuals(store, actuals([6.5, None, None])) == 1
    assert record_predictions(store, predictions(expected=6.5), predicted_at=T2) == 2
    rows = read_predictions(store, DAY, DAY)
    assert rows["expected_delay_min"].tolist() == [2.0, 6.5, 6.5]
    assert rows["actual_delay_min"].iloc[0] == 6.5
    assert rows["actual_recorded_at"].iloc[0] == pd.Timestamp(T1)


def test_actuals_fill_every_version_once(store):
    for version in ("v1", "v2"):
        record_predictions(store, predictions(version=version))
    assert record_actuals(store, actuals([1.0, -2.0])) == 4
    assert record_actuals(store, actuals([1.0, -2.0])) == 0
    only = read_predictions(store, DAY, DAY, model_version="v2")
    assert only["actual_delay_min"].tolist()[:2] == [1.0, -2.0]
    assert np.isnan(only["actual_delay_min"].iloc[2])


def test_a_later_correction_replaces_an_actual_and_an_older_value_does_not(store):
    record_predictions(store, predictions(1))
    record_actuals(store, actuals([1.0], T1))
    assert record_actuals(store, actuals([4.0], T0)) == 0
    assert record_actuals(store, actuals([3.0], T2)) == 1
    assert read_predictions(store, DAY, DAY)["actual_delay_min"].tolist() == [3.0]


def test_an_actual_without_a_prediction_fills_nothing(store):
    assert record_actuals(store, actuals([1.0])) == 0


def test_range_and_company_select(store):
    record_predictions(store, predictions())
    assert len(read_predictions(store, date(2026, 3, 3), date(2026, 3, 9))) == 0
    assert len(read_predictions(store, DAY, DAY, company_id=2)) == 0
    assert len(read_predictions(store, DAY, DAY, company_id=1)) == 3


@pytest.mark.parametrize(
    "broken",
    [
        predictions().drop(columns="company_id"),
        predictions().drop(columns="p_late"),
        predictions().assign(expected_delay_min=np.nan),
        predictions().assign(company_id=pd.array([1, None, 1], dtype="Int64")),
        predictions().assign(assignment_id=[1, 1, 2]),
    ],
)
def test_broken_predictions_write_nothing(store, broken):
    with pytest.raises(TableContractError):
        record_predictions(store, broken)
    assert len(read_predictions(store, DAY, DAY)) == 0


def test_broken_actuals_are_refused(store):
    repeated = pd.concat([actuals([1.0]), actuals([2.0])])
    with pytest.raises(TableContractError, match="1 repeated"):
        record_actuals(store, repeated)
    with pytest.raises(TableContractError, match="known_at"):
        record_actuals(store, actuals([1.0]).drop(columns="known_at"))
    with pytest.raises(TableContractError, match="known_at in 1 rows"):
        record_actuals(store, actuals([1.0]).assign(known_at=pd.NaT))


def test_more_rows_than_one_statement_holds(store):
    assert record_predictions(store, predictions(5_000)) == 5_000
    assert record_predictions(store, predictions(5_000)) == 0
    assert record_predictions(store, predictions(5_001)) == 1


def test_readers_of_what_was_served_do_not_see_the_shadow(store):
    record_predictions(store, predictions(version="v1"))
    record_predictions(store, predictions(version="v2"), role="shadow")
    assert read_predictions(store, DAY, DAY)["model_version"].tolist() == ["v1"] * 3
    assert read_predictions(store, DAY, DAY, role="shadow")["model_version"].tolist() == ["v2"] * 3
    both = read_predictions(store, DAY, DAY, role=None)
    assert both["role"].tolist() == ["served", "shadow"] * 3
    assert both["arm"].isna().all()


def test_arms_are_kept_and_a_change_of_role_is_a_change(store):
    divided = predictions(2).assign(arm=["champion", "challenger"])
    assert record_predictions(store, divided, predicted_at=T1) == 2
    assert record_predictions(store, divided, predicted_at=T2) == 0
    assert record_predictions(store, predictions(1), role="shadow", predicted_at=T2) == 1
    rows = read_predictions(store, DAY, DAY, role=None).set_index("assignment_id")
    assert rows["role"].to_dict() == {0: "shadow", 1: "served"}
    assert rows["arm"].isna().to_dict() == {0: True, 1: False}


def test_nothing_is_predicted_of_what_is_known(store):
    record_predictions(store, predictions(2, version="v1"))
    record_actuals(store, actuals([1.0, None]))
    assert record_predictions(store, predictions(2, version="v2"), role="shadow") == 1
    assert read_predictions(store, DAY, DAY, role="shadow")["assignment_id"].tolist() == [1]


def test_who_serves_again_has_the_last_word_even_with_the_same_figures(store):
    for version, at in (("v1", T0), ("v2", T1), ("v1", T2)):
        assert record_predictions(store, predictions(1, version=version), predicted_at=at) == 1
    rows = read_predictions(store, DAY, DAY).sort_values("predicted_at")
    assert rows["model_version"].tolist() == ["v2", "v1"]
    assert record_predictions(store, predictions(1, version="v1"), predicted_at=datetime(2026, 3, 4, tzinfo=UTC)) == 0


@pytest.mark.parametrize(
    ("frame", "role", "said"),
    [(predictions(), "watched", "served or shadow"), (predictions().assign(arm="third"), "served", "in 3 rows")],
)
def test_roles_and_arms_are_closed_sets(store, frame, role, said):
    with pytest.raises(TableContractError, match=said):
        record_predictions(store, frame, role=role)
    assert len(read_predictions(store, DAY, DAY, role=None)) == 0


@settings(max_examples=15, deadline=None)
@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("predict"), st.sampled_from([1.0, 2.0, 3.0])),
            st.tuples(st.just("actual"), st.sampled_from([0.0, 5.0])),
        ),
        max_size=8,
    )
)
def test_any_order_keeps_one_row_and_freezes_what_was_served(tmp_path_factory, steps):
    store = StateStore(f"sqlite:///{tmp_path_factory.mktemp('order') / 'state.db'}")
    store.migrate()
    served, known = None, None
    for action, value in steps:
        if action == "predict":
            record_predictions(store, predictions(1, expected=value))
            served = value if known is None else served
        else:
            record_actuals(store, actuals([value]))
            known = value if served is not None and known is None else known
    rows = read_predictions(store, DAY, DAY)
    store.close()
    assert rows["expected_delay_min"].tolist() == ([] if served is None else [served])
    assert rows["actual_delay_min"].dropna().tolist() == ([] if known is None else [known])
