"""Whose turn it is: one challenger at a time, long enough to learn something, and never twice."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atmr_pipeline.promotion.challenge import REASONS, Challenge, Challenges, choose

MAX_DAYS = 28


def state(verdict: str = "undecided", ended: dict[str, str] | None = None) -> Challenges:
    return Challenges(Challenge("present", "2026-03-02", verdict=verdict), ended or {})


def chosen(challenges: Challenges, newest: str | None = "newest", **changes: object) -> tuple[str | None, str, bool]:
    options = {"champion": "champion", "age_days": 5, "max_days": MAX_DAYS, "is_intact": True, **changes}
    choice = choose(challenges, newest=newest, **options)
    return choice.version_id, choice.reason, choice.is_new


@pytest.mark.parametrize(
    ("challenges", "changes", "expected"),
    [
        (Challenges(), {}, ("newest", "first", True)),
        (Challenges(), {"newest": None}, (None, "no_candidate", False)),
        (Challenges(), {"newest": "champion"}, (None, "no_candidate", False)),
        (Challenges(None, {"newest": "equivalent"}), {}, (None, "no_candidate", False)),
        (state(), {}, ("present", "running", False)),
        (state(), {"age_days": MAX_DAYS}, ("present", "running", False)),
        (state(), {"age_days": MAX_DAYS + 1}, ("newest", "too_old", True)),
        (state(), {"age_days": MAX_DAYS + 1, "newest": "present"}, ("present", "overdue", False)),
        (state("equivalent"), {}, ("newest", "decided", True)),
        (state("challenger_better"), {"newest": "present"}, ("present", "stays", False)),
        (state("challenger_worse"), {"newest": "present"}, (None, "worse", False)),
        (state("challenger_worse"), {"newest": "champion"}, (None, "worse", False)),
        (state(), {"is_intact": False}, ("newest", "damaged", True)),
        (state(), {"is_intact": False, "newest": "present"}, (None, "lost", False)),
    ],
)
def test_who_is_next(challenges: Challenges, changes: dict, expected: tuple) -> None:
    assert chosen(challenges, **changes) == expected


@given(
    st.sampled_from([None, "a", "b"]),
    st.sampled_from(["undecided", "challenger_better", "challenger_worse", "equivalent"]),
    st.sampled_from([None, "a", "b", "c"]),
    st.sampled_from([None, "b", "c"]),
    st.sets(st.sampled_from(["b", "c"])),
    st.integers(0, 100),
    st.booleans(),
)
def test_never_the_champion_never_one_that_had_its_turn(present, verdict, newest, champion, ended, age, intact) -> None:
    if present is not None and (present == champion or present in ended):
        return
    challenge = None if present is None else Challenge(present, None, verdict=verdict)
    challenges = Challenges(challenge, dict.fromkeys(ended, "equivalent"))
    choice = choose(challenges, newest=newest, champion=champion, age_days=age, max_days=MAX_DAYS, is_intact=intact)
    assert choice.reason in REASONS
    assert choice.version_id is None or choice.version_id not in {champion, *ended}
    assert choice.version_id in {None, present, newest}
    assert choice.is_new == (choice.version_id not in {None, present})
    if present is not None and intact and verdict == "undecided" and age <= MAX_DAYS:
        assert choice.version_id == present


def test_what_is_kept_comes_back_as_it_was() -> None:
    challenges = state("challenger_better").end("challenger_better")
    assert challenges.present is None
    again = Challenges(Challenge("next", None, True), challenges.ended)
    assert Challenges.from_json(json.loads(json.dumps(again.to_json()))) == again
    assert Challenges.from_json(None) == Challenges()
    assert Challenges().end("promoted") == Challenges()
