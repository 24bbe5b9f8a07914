"""Header rows as offices write them: each column under its meaning, and others left alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atmr_pipeline.sources.workbooks.headers import Column, read_header

ENDS = ["Adresse de départ", "Adresse d'arrivée"]


def named(cells: list[str]) -> dict[str, list[str]]:
    header = read_header(tuple(cells))
    assert header is not None
    return {column.value: [cells[index] for index in indices] for column, indices in header.items()}


@pytest.mark.parametrize(
    ("cells", "found"),
    [
        (["Date", "Heure aller", "Heure retour", *ENDS], {"time": ["Heure aller"], "return_time": ["Heure retour"]}),
        (["Date", "Aller", "Retour", *ENDS], {"time": ["Aller"], "return_time": ["Retour"]}),
        (["Date", "Heure 1", "Heure 2", *ENDS], {"time": ["Heure 1"], "return_time": ["Heure 2"]}),
        (["Date aller", "Date et heure retour", *ENDS], {"return_time": ["Date et heure retour"]}),
        (["Dates aller/retour", *ENDS], {}),
        (["Date", "Aller/Retour", *ENDS], {"course": ["Aller/Retour"]}),
        (["Date", "A/R", *ENDS], {"course": ["A/R"]}),
        (["Date", "Type de course", *ENDS], {"course": ["Type de course"]}),
        (["Date", "N° course", "Course", *ENDS], {"course": ["Course"]}),
        (["Date", "Heure d'arrivée", "Heure de départ", *ENDS], {"time": ["Heure de départ", "Heure d'arrivée"]}),
        (["Date", *ENDS, "C.F.T."], {"initials": ["C.F.T."]}),
        (["Date", *ENDS, "Commentaire chauffeur", "Chauff."], {"initials": ["Chauff."]}),
        (["Date", *ENDS, "CFT aller", "CFT retour"], {"initials": ["CFT aller"], "return_initials": ["CFT retour"]}),
    ],
)
def test_columns_by_meaning(cells: list[str], found: dict[str, list[str]]) -> None:
    expected = {"when": [cells[0]], "pickup": [ENDS[0]], "dropoff": [ENDS[1]]}
    assert named(cells) == expected | found


@pytest.mark.parametrize(
    "foreign",
    [
        "Date de naissance",
        "Date facture",
        "Heure réelle",
        "Retour facture",
        "Prix course",
        "Tél. patient",
        "Adresse retour",
    ],
)
def test_columns_about_something_else(foreign: str) -> None:
    assert set(named([foreign, "Date", *ENDS])) == {"when", "pickup", "dropoff"}


@pytest.mark.parametrize(
    ("cells", "pickup", "dropoff"),
    [
        (["Date", "Départ", "Arrivée", *ENDS], [ENDS[0]], [ENDS[1]]),
        (["Date", "De", "À"], ["De"], ["À"]),
        (["Date", "From", "To"], ["From"], ["To"]),
        (
            ["Date", "Code postal départ", "Adresse départ", "NPA arrivée", "Rue arrivée", "Ville arrivée"],
            ["Code postal départ", "Adresse départ"],
            ["NPA arrivée", "Rue arrivée", "Ville arrivée"],
        ),
        (["Date", "Adresse de départ (rue, n°, NPA)", ENDS[1]], ["Adresse de départ (rue, n°, NPA)"], [ENDS[1]]),
    ],
)
def test_addresses(cells: list[str], pickup: list[str], dropoff: list[str]) -> None:
    found = named(cells)
    assert (found["pickup"], found["dropoff"]) == (pickup, dropoff)


@given(st.permutations(["Nom/Prénom ", " Date  et Heure\u00a0prévues", "Course", *ENDS, "CFT", "Remarques"]))
def test_the_order_of_columns_does_not_matter(cells: list[str]) -> None:
    found = named(cells)
    assert {column: names[0].strip() for column, names in found.items()} == {
        Column.PATIENT: "Nom/Prénom",
        Column.WHEN: "Date  et Heure\u00a0prévues",
        Column.COURSE: "Course",
        Column.PICKUP: ENDS[0],
        Column.DROPOFF: ENDS[1],
        Column.INITIALS: "CFT",
    }
