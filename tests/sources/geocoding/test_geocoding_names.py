"""Finding nearly equal names without comparing all of them."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rapidfuzz.fuzz import ratio

from atmr_pipeline.sources.geocoding.directory import Directory, Entry
from atmr_pipeline.sources.geocoding.names import NameIndex
from atmr_pipeline.sources.geocoding.similarity import Written, similarity

NAMES = st.text("abcdefg 123", min_size=1, max_size=14)


@given(st.sets(NAMES, max_size=30), NAMES, st.sampled_from([60.0, 76.0, 84.0, 90.0, 100.0]))
@example({"ab"}, "ab", 100.0)
def test_nothing_that_reaches_the_cutoff_is_lost(names: set[str], text: str, cutoff: float) -> None:
    found = dict(NameIndex(names).near(text, cutoff=cutoff, limit=100))
    assert found == {name: pytest.approx(ratio(text, name)) for name in names if ratio(text, name) >= cutoff}


def test_the_best_come_first() -> None:
    index = NameIndex(["martan", "marton", "martin", "quai"])
    found = [name for name, _ in index.near("martin", cutoff=60.0, limit=2)]
    assert (found[0], len(found)) == ("martin", 2)
    assert NameIndex([]).near("martin", cutoff=60.0, limit=2) == []


@given(st.lists(st.text("abcdefg", min_size=1, max_size=9), min_size=1, max_size=4))
def test_a_name_is_like_itself(tokens: list[str]) -> None:
    street = Entry("street", " ".join(tokens), " ".join(tokens), "", "", "", "", 46.2, 6.1, "fiction")
    directory = Directory([street])
    for known in directory.streets:
        assert similarity(Written.of(known.tokens), known) == 1.0
        assert 0.0 <= similarity(Written.of(known.tokens[::-1]), known) <= 1.0
