"""Keyed hashes: one person written two ways is one key, and no key tells a name."""

import hashlib
import hmac

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from atmr_pipeline.domain.identity import address_key, keyed_hash, normalise, patient_key

KEY = b"a test key"
names = st.text(alphabet=st.characters(codec="utf-8", categories=["L", "N", "P", "Z", "M"]), max_size=30)
latin = st.text(alphabet="abcdefghijklmnopqrstuvwxyzàâäçéèêëîïôöùûü", min_size=1, max_size=12)


@given(names)
@example("ŉ")
@example("İ")
@example("ᾳ")
@example("ẞ")
def test_normalise_is_idempotent(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once


@given(st.lists(latin, min_size=1, max_size=3))
def test_case_punctuation_and_spacing_do_not_count(parts: list[str]) -> None:
    written = [" ".join(parts), "-".join(parts).upper(), f"  {' . '.join(part.title() for part in parts)}\u00a0"]
    assert len({patient_key(text, KEY) for text in written}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [("Élodie Fictive", "ELODIE FICTIVE"), ("Fictif, Noël", "fictif noel"),
     ("Jean-Marc\u00a0Fictif", "Jean Marc Fictif"), ("E\u0301lodie", "Élodie"), ("Straße", "STRASSE")],
)  # fmt: skip
def test_one_person_two_spellings(one: str, other: str) -> None:
    assert patient_key(one, KEY) == patient_key(other, KEY)


def test_word_order_and_words_do_count() -> None:
    keys = {patient_key(name, KEY) for name in ("Fictif Jean", "Jean Fictif", "JeanFictif", "Jean Fictif 2")}
    assert len(keys) == 4


@pytest.mark.parametrize("blank", [None, "", "  \u00a0", "-.-", "\u0301"])
def test_nobody_has_no_key(blank: str | None) -> None:
    assert patient_key(blank, KEY) is None


def test_key_and_purpose_separate() -> None:
    text = "rue imaginaire 3"
    assert len({patient_key(text, KEY), patient_key(text, b"another"), address_key(text, KEY)}) == 3
    assert keyed_hash(text, KEY, purpose="a") != keyed_hash(text, KEY, purpose="b")


@given(names)
def test_hash_is_the_published_construction(text: str) -> None:
    digest = hmac.new(KEY, b"patient\x1f" + text.encode(), hashlib.sha256).hexdigest()
    assert keyed_hash(text, KEY, purpose="patient") == digest[:32]


def test_an_empty_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        patient_key("Patient Fictif", b"")
