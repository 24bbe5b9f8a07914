"""The account of the data: every reason counted once, against what its stage was given."""

import math

from atmr_pipeline.monitoring.account import MAX_BARS, Stage, account_picture, data_account


def test_each_reason_is_a_line_with_its_share_and_what_became_of_it() -> None:
    account = data_account(
        [
            Stage("workbook rows", 200, {"bad_date": 3, "missing_time": 5, "never": 0}),
            Stage("workbook legs", 380, {"address_unresolved": 19}, {"driver": 38}),
        ]
    )
    assert list(account[["stage", "reason", "rows", "of"]].itertuples(index=False, name=None)) == [
        ("workbook rows", "missing_time", 5, 200),
        ("workbook rows", "bad_date", 3, 200),
        ("workbook legs", "address_unresolved", 19, 380),
        ("workbook legs", "driver", 38, 380),
    ]
    assert account["share"].tolist() == [0.025, 0.015, 0.05, 0.1]
    assert account["effect"].tolist()[-2:] == ["set aside", "used, unknown is NULL"]


def test_a_stage_that_was_given_nothing_has_no_share() -> None:
    account = data_account([Stage("assignments", 0, {"booking_missing": 2})])
    assert math.isnan(account["share"][0])


def test_the_picture_is_small_and_drawn_for_an_empty_account_too() -> None:
    many = data_account([Stage("rows", 1000, {f"reason_{number}": number + 1 for number in range(MAX_BARS + 10)})])
    for account in (many, data_account([])):
        drawn = account_picture(account)
        assert drawn.startswith(b"\x89PNG")
        assert len(drawn) < 120_000
