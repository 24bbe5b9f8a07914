"""Addresses taken apart."""

import pytest

from atmr_pipeline.sources.geocoding.addresses import parse_address
from atmr_pipeline.sources.geocoding.words import fold, number_key, words


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
        ("Rue Jean-Violette12, 1205Genève", "12"),
        ("33 Parc Exemple, allée 4, 1205 Genève", "33"),
        ("Rue Jean-Violette 3, code 1234, 1205 Genève", "3"),
        ("Rue Jean-Violette 3, 5ème, 1205 Genève", "3"),
        ("2ème étage, Rue Jean-Violette 3, 1205 Genève", "3"),
        ("Rue Jean-Violette 3, digicode A1234#, 1205 Genève", "3"),
        ("Rue Jean-Violette 3 (interphone B), 1205 Genève", "3"),
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
        ("Rue Jean-Violette 12,1205Genève", "1205"),
        ("1205 Genève, Rue Jean-Violette 3, code 1234", "1205"),
        ("Rue Jean-Violette 3, BP 1234", None),
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
        ("Chemin L Exemple", "chemin l exemple"),
        ("Chemin de l Ecole", "chemin de la ecole"),
        ("Chemin des L.-Exemples", "chemin des l exemples"),
        ("Rue A. Exemple", "rue a exemple"),
        ("Rue Dr-Exemple", "rue docteur exemple"),
    ],
)
def test_words(text: str, expected: str) -> None:
    assert " ".join(words(fold(text))) == expected


@pytest.mark.parametrize("text", ["", "   ", "1205", "??", "\x00", "3", "12 bis / 4"])
def test_what_is_hardly_an_address_is_taken_apart_all_the_same(text: str) -> None:
    assert parse_address(text).postcode == ("1205" if text == "1205" else None)


@pytest.mark.parametrize(
    "text",
    [
        "Rue Jean-Violette 3, c/o Mme Exemple, 1205 Genève",
        "p.a. Exemple, Rue Jean-Violette 3, 1205 Genève",
        "Rue Jean-Violette 3, rez-de-chaussée, 1205 Genève",
        "Rue Jean-Violette 3, tél. 022 000 00 00, 1205 Genève",
        "Rue Jean-Violette 3\n1205 Genève (Suisse)",
    ],
)
def test_what_is_around_an_address(text: str) -> None:
    address = parse_address(text)
    assert (address.number, address.postcode) == ("3", "1205")
    assert {"rue jean violette", "geneve"} <= {" ".join(phrase.tokens) for phrase in address.phrases}


@pytest.mark.parametrize(
    ("text", "key"), [("12 Bis", "12bis"), ("12bis", "12bis"), ("3-5", "3/5"), ("3 / 5", "3/5"), ("4 A", "4a")]
)
def test_one_spelling_of_a_number(text: str, key: str) -> None:
    assert number_key(text) == key
