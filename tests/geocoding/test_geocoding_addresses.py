"""Addresses taken apart."""

import pytest

from atmr_pipeline.sources.geocoding.addresses import parse_address
from atmr_pipeline.sources.geocoding.words import fold, words


def phrases(text: str) -> list[str]:
    return [" ".join(phrase.tokens) for phrase in parse_address(text).phrases]


@pytest.mark.parametrize("separator", ["   ", ", ", "\n", "\u00a0\u00a0", " · ", " ; ", " - ", " "])
def test_place_street_number_postcode_town(separator: str) -> None:
    text = separator.join(["Clinique de Carouge", "Avenue Cardinal-Mermillod 1", "1227 Carouge"])
    address = parse_address(text)
    assert phrases(text) == ["clinique de carouge", "avenue cardinal mermillod", "carouge"]
    assert (address.number, address.postcode) == ("1", "1227")
    assert [phrase.before_number for phrase in address.phrases] == [False, True, False]
    assert address.phrases[2].after_postcode


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("Rue Jean-Violette 3/5, 1205 Genève", "3/5"),
        ("Rue Jean-Violette 12bis 1205 Genève", "12bis"),
        ("Rue Jean-Violette 12 bis, 1205 Genève", "12bis"),
        ("Rue Jean-Violette 4 A, 1205 Genève", "4a"),
        ("Rue Jean-Violette 4a 1205 Genève", "4a"),
        ("3, rue Jean-Violette 1205 Genève", "3"),
        ("Rue Jean-Violette n° 3 1205 Genève", "3"),
        ("Rue Jean-Violette 9-11\n1205 Genève", "9/11"),
        ("Rue Jean-Violette 3, 2e étage, 1205 Genève", "3"),
        ("Rue Jean-Violette 3, case postale 123, 1205 Genève", "3"),
        ("Rue Jean-Violette 3 à Genève", "3"),
        ("Rue Jean-Violette, 1205 Genève", None),
        ("Rue du 31-Décembre, 1207 Genève", None),
        ("Chemin du 1er-Août 8", "8"),
        ("Bâtiment Exemple 2, rue Jean-Violette 5", "5"),
    ],
)
def test_numbers(text: str, number: str | None) -> None:
    assert parse_address(text).number == number


@pytest.mark.parametrize(
    ("text", "postcode"),
    [
        ("CH-1205 Genève", "1205"),
        ("1205 Genève, Rue Jean-Violette 3", "1205"),
        ("F-74100 Annemasse", "74100"),
        ("Rue Jean-Violette 3, Genève", None),
        ("Mail 2000, 1228 Plan-les-Ouates", "1228"),
    ],
)
def test_postcodes(text: str, postcode: str | None) -> None:
    assert parse_address(text).postcode == postcode


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Av. de Champel", "avenue de champel"),
        ("Ch. des Crêts", "chemin des crets"),
        ("Rte de Chancy", "route de chancy"),
        ("Bd Carl-Vogt", "boulevard carl vogt"),
        ("Pl. du Cirque", "place du cirque"),
        ("Q. Gustave-Ador", "quai gustave ador"),
        ("R. de l'École", "rue de la ecole"),
        ("R. D. Exemple", "rue d exemple"),
        ("Av. J.-D.-Maillard", "avenue j d maillard"),
        ("Rue St-Julien", "rue saint julien"),
        ("Place Ste-Claire", "place sainte claire"),
        ("Chemin du Cœur", "chemin du coeur"),
        ("Pont-d\u2019Arve", "pont de arve"),
    ],
)
def test_words(text: str, expected: str) -> None:
    assert " ".join(words(fold(text))) == expected


@pytest.mark.parametrize("text", ["", "   ", "1205", "??", "\x00", "3", "12 bis / 4"])
def test_what_is_hardly_an_address_is_taken_apart_all_the_same(text: str) -> None:
    assert parse_address(text).postcode == ("1205" if text == "1205" else None)
