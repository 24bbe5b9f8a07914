"""Offline geocoding on the built-in directory and on small made-up ones."""

import csv
import gzip
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atmr_pipeline.domain.errors import SourceError
from atmr_pipeline.domain.geo import in_service_area
from atmr_pipeline.sources.geocoding import Answer, Gazetteer
from atmr_pipeline.sources.geocoding.directory import Entry
from atmr_pipeline.sources.geocoding.gazetteer import COLUMNS

BUILTIN = Gazetteer.load()


def entry(street: str, lat: float, lon: float, **changed: str) -> Entry:
    fields = {
        "kind": "street",
        "name": street,
        "number": "",
        "postcode": "1205",
        "locality": "Genève",
        "commune": "Genève",
    }
    return Entry(street=street, lat=lat, lon=lon, source="fiction", **{**fields, **changed})


TOWNS = [
    entry("", 46.20, 6.14, kind="locality", name="Genève"),
    entry("", 46.23, 6.07, kind="locality", name="Meyrin", postcode="1217", locality="Meyrin", commune="Meyrin"),
]


def unresolved(answer: Answer, reason: str) -> bool:
    return (answer.precision, answer.lat, answer.lon, answer.source, answer.reason) == (
        "unresolved",
        None,
        None,
        None,
        reason,
    )


@pytest.mark.parametrize(
    "text",
    [
        "Rue Ancienne 3, 1227 Carouge",
        "rue ancienne 3\n1227 Carouge GE",
        "R. Ancienne 3/5 Carouge",
        "1227 Carouge, Rue Ancienne 12bis",
        "Cabinet Dr Fictif   Rue Ancienne 4 A   1227 Carouge",
        "3, RUE ANCIENNE · CAROUGE",
        "Rue Ancienn 3 1227 Carouge",
        "Reu Ancienne 3 1227 Carouge",
        "1227 Carouge R. Ancienne 3",
        "Carouge Rue Ancienne 3",
        "Rue Ancienne Carouge",
        "Rue Ancienne 3, 1228 Carouge",
        "Rue Ancienne 3",
    ],
)
def test_forms_of_one_street(text: str) -> None:
    answer = BUILTIN.locate(text)
    assert (answer.lat, answer.lon, answer.precision, answer.reason) == (46.1815, 6.1409, "street", None)
    assert answer.source
    assert answer.source.startswith("SITG")


@pytest.mark.parametrize(
    ("text", "lat"),
    [
        ("Clinique de Carouge   Avenue Cardinal-Mermillod 1   1227 Carouge", 46.1859),
        ("Clinique de Carouge Avenue Cardinal Mermillod 1 1227 Carouge", 46.1859),
        ("Hôpital de La Tour, Meyrin", 46.2297),
        ("Av. J.-D.-Maillard 3, 1217 Meyrin", 46.2297),
        ("HUG - Maternité", 46.1912),
        ("hopital cantonal", 46.1939),
        ("Rue Gabrielle-Perret-Gentil 4 1205 Genève", 46.1939),
        ("CMU", 46.1932),
        ("Croix Rouge Genevoise", 46.1922),
    ],
)
def test_places(text: str, lat: float) -> None:
    answer = BUILTIN.locate(text)
    assert (answer.precision, answer.lat) == ("place", lat)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not_found"),
        ("domicile", "not_found"),
        ("Rue Inventée 4, 1205 Genève", "not_found"),
        ("Rue Inventée, Carouge", "not_found"),
        ("Palexpo, Rue Inventée 4, 1205 Genève", "not_found"),
        ("12, 1205 Genève", "not_found"),
        ("Rue Ancienne 3, 1260 Nyon", "not_found"),
        ("Rue Ancienne 3, Nyon", "not_found"),
        ("Rue Ancienne 3, 74100 Annemasse", "not_found"),
        ("Rue Ancienne 3, 1290 Versoix", "not_found"),
        ("Rue Ancienne 3, Zermatt", "not_found"),
        ("Rue Ancienne 3, 1201 Lausanne", "not_found"),
        ("Rue Ancienne 3, Annemasse, France", "not_found"),
        ("1000 Lausanne", "not_found"),
        ("HUG", "ambiguous"),
        ("Genève", "ambiguous"),
    ],
)
def test_no_default_point(text: str, reason: str) -> None:
    assert unresolved(BUILTIN.locate(text), reason)


@pytest.mark.parametrize("text", ["1227 Carouge", "1205 Genève", "1205", "Veyrier", "CH-1290 Versoix"])
def test_an_address_that_is_only_an_area(text: str) -> None:
    answer = BUILTIN.locate(text)
    assert answer.precision == "postcode"
    assert in_service_area(answer.lat, answer.lon)


def test_house_numbers_where_the_directory_has_them() -> None:
    houses = [
        entry("Rue Exemple", 46.2 + number / 10_000, 6.14, kind="house", number=str(number)) for number in range(1, 20)
    ]
    gazetteer = Gazetteer([*houses, *TOWNS])
    known = gazetteer.locate("Rue Exemple 7, 1205 Genève")
    assert (known.precision, known.lat) == ("house", pytest.approx(46.2007))
    assert gazetteer.locate("Rue Exemple 77, 1205 Genève").precision == "street"
    assert gazetteer.locate("Rue Exemple, 1205 Genève").precision == "street"


def test_one_name_in_two_communes_is_told_apart_by_the_area_or_not_at_all() -> None:
    gazetteer = Gazetteer(
        [
            entry("Chemin des Vignes", 46.20, 6.14),
            entry("Chemin des Vignes", 46.23, 6.07, postcode="1217", locality="Meyrin", commune="Meyrin"),
            *TOWNS,
        ]
    )
    assert gazetteer.locate("Chemin des Vignes 3, Genève").lat == 46.20
    assert gazetteer.locate("Ch. des Vignes 3, 1217").lat == 46.23
    assert gazetteer.locate("Chemin des Vignes 3, 1205 Meyrin").lat == 46.23
    assert unresolved(gazetteer.locate("Chemin des Vignes 3"), "ambiguous")


def test_two_streets_that_a_typing_error_leaves_open_are_ambiguous() -> None:
    gazetteer = Gazetteer([entry("Rue Martan", 46.20, 6.14), entry("Rue Marton", 46.21, 6.15), *TOWNS])
    assert gazetteer.locate("Rue Martan 3, Genève").lat == 46.20
    assert unresolved(gazetteer.locate("Rue Martin 3, Genève"), "ambiguous")


def test_two_types_of_one_name_need_the_type() -> None:
    gazetteer = Gazetteer([entry("Rue du Lac", 46.20, 6.14), entry("Quai du Lac", 46.21, 6.15), *TOWNS])
    assert gazetteer.locate("Quai du Lac 3, Genève").lat == 46.21
    assert unresolved(gazetteer.locate("du Lac 3, Genève"), "ambiguous")


def test_a_street_that_is_not_known_is_not_replaced_by_another_phrase() -> None:
    streets = [("Plage de l'Institut", 6.14), ("Pont de Carouge", 6.15), ("Quai Fictif", 6.1)]
    gazetteer = Gazetteer([*(entry(name, 46.2, lon) for name, lon in streets), *TOWNS])
    assert unresolved(gazetteer.locate("Institut 19, Chemin des Inconnus, 1205 Genève"), "not_found")
    assert unresolved(gazetteer.locate("Chemin des Inconnus 3, Pont de Crouge, Genève"), "not_found")
    assert unresolved(gazetteer.locate("Chemin des Inconnus 3, Pont de Carouge, Genève"), "not_found")
    assert unresolved(gazetteer.locate("Plaeg du Quai-Fictif 91, Genève"), "not_found")
    assert gazetteer.locate("Quai Fictif 91, Chemin des Inconnus, Genève").lon == 6.1


def test_neighbouring_streets_are_not_confused_even_where_they_meet() -> None:
    gazetteer = Gazetteer([entry("Rue du Stand", 46.2, 6.14), entry("Square du Stand", 46.2001, 6.14), *TOWNS])
    assert unresolved(gazetteer.locate("du Stand 3, 1205 Genève"), "ambiguous")
    assert gazetteer.locate("Square du Stand 3, 1205 Genève").lat == 46.2001


def test_a_misspelt_name_needs_postcode_or_town() -> None:
    gazetteer = Gazetteer([entry("Chemin du Sorbier", 46.2, 6.14), *TOWNS])
    assert gazetteer.locate("Chemin du Serbier 3, Genève").lat == 46.2
    assert gazetteer.locate("Chemin du Sorbier 3").lat == 46.2
    assert unresolved(gazetteer.locate("Chemin du Serbier 3"), "not_found")


def test_an_initial_that_the_street_has_not_is_somebody_else() -> None:
    gazetteer = Gazetteer([entry("Chemin de la Rochette", 46.2, 6.14), *TOWNS])
    assert unresolved(gazetteer.locate("Chemin G. Rochette 27, 1205 Genève"), "not_found")
    assert Gazetteer([entry("Chemin Gustave-Rochette", 46.2, 6.1)]).locate("Chemin G. Rochette 27").lon == 6.1


def test_postcode_and_town_that_name_two_parts_of_a_street_leave_it_open() -> None:
    vessy = entry("", 46.176, 6.16, kind="locality", name="Vessy", postcode="1234", locality="Vessy", commune="Veyrier")
    parts = [
        entry("Chemin Vert", 46.176, 6.16, postcode="1234", locality="Vessy", commune="Veyrier"),
        entry("Chemin Vert", 46.23, 6.11, postcode="1215", commune="Meyrin"),
    ]
    airport = entry("", 46.23, 6.11, kind="locality", name="Genève", postcode="1215", commune="Meyrin")
    gazetteer = Gazetteer([*parts, vessy, airport, entry("", 46.19, 6.16, kind="locality", name="Genève")])
    assert unresolved(gazetteer.locate("Chemin Vert 65, 1234 Genève"), "ambiguous")
    assert gazetteer.locate("Chemin Vert 65, 1234 Vessy").lat == 46.176


def test_a_misspelt_town_is_first_looked_for_under_its_postcode() -> None:
    towns = [
        entry(
            "", 46.217, 6.08, kind="locality", name="Vernier", postcode="1214", locality="Vernier", commune="Vernier"
        ),
        entry(
            "", 46.167, 6.18, kind="locality", name="Veyrier", postcode="1255", locality="Veyrier", commune="Veyrier"
        ),
        entry("", 46.176, 6.07, kind="locality", name="Bernex", postcode="1233", locality="Bernex", commune="Bernex"),
    ]
    streets = [
        entry("Chemin des Marais", 46.217, 6.08, postcode="1214", locality="Vernier", commune="Vernier"),
        entry("Chemin des Marais", 46.167, 6.18, postcode="1255", locality="Veyrier", commune="Veyrier"),
        entry("Chemin des Marais", 46.176, 6.07, postcode="1233", locality="Bernex", commune="Bernex"),
    ]
    gazetteer = Gazetteer([*streets, *towns])
    assert gazetteer.locate("Chemin des Marais 23, 1255 Veirier").lat == 46.167
    assert gazetteer.locate("Chemin des Marais 23, 1233 Berne").lat == 46.176
    assert unresolved(gazetteer.locate("Chemin des Marais 23, Berne"), "not_found")


def test_a_town_around_the_canton_is_looked_up_where_the_directory_has_it() -> None:
    nyon = entry("", 46.383, 6.239, kind="locality", name="Nyon", postcode="1260", locality="Nyon", commune="Nyon")
    street = entry("Rue Exemple", 46.383, 6.239, postcode="1260", locality="Nyon", commune="Nyon")
    gazetteer = Gazetteer([street, entry("Rue Exemple", 46.2, 6.14), nyon, *TOWNS])
    assert gazetteer.locate("Rue Exemple 3, Nyon").lat == 46.383


@pytest.mark.parametrize("text", ["Chemin de LaPasse 3", "Ch. de La-Passe 3", "Chemin de la passe3"])
def test_missing_spaces_and_hyphens(text: str) -> None:
    assert Gazetteer([entry("Chemin de La-Passe", 46.2, 6.14), *TOWNS]).locate(f"{text}, Genève").lat == 46.2


def test_two_streets_in_one_address_are_ambiguous() -> None:
    gazetteer = Gazetteer([entry("Rue Exemple", 46.20, 6.14), entry("Rue Fictive", 46.21, 6.16), *TOWNS])
    assert unresolved(gazetteer.locate("Rue Exemple / Rue Fictive, Genève"), "ambiguous")
    assert gazetteer.locate("Rue Exemple, Rue Fictive 3, Genève").lat == 46.21


def test_points_outside_the_service_area_are_left_out_and_counted() -> None:
    gazetteer = Gazetteer([entry("Rue Nulle", 0.0, 0.0), entry("Rue Exemple", 46.2, 6.14)])
    assert gazetteer.info()["outside_service_area"] == 1
    assert unresolved(gazetteer.locate("Rue Nulle 3"), "not_found")


def test_info() -> None:
    info = BUILTIN.info()
    assert info["entries"] == sum(info["kinds"].values()) == sum(info["sources"].values())
    assert {"street", "locality", "commune", "hospital"} <= set(info["kinds"])


def write(path: Path, rows: list[dict[str, object]], columns: tuple[str, ...] = COLUMNS) -> Path:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    data = stream.getvalue().encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


ROW = {"kind": "street", "name": "Rue Exemple", "street": "Rue Exemple", "lat": 46.2, "lon": 6.14, "source": "fiction"}


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_a_directory_from_a_file(tmp_path: Path, name: str) -> None:
    answer = Gazetteer.load(write(tmp_path / name, [ROW])).locate("rue exemple 3")
    assert (answer.lat, answer.source) == (46.2, "fiction")


@pytest.mark.parametrize(
    ("rows", "columns", "message"),
    [
        ([ROW], COLUMNS[:-1], "missing columns source"),
        ([], COLUMNS, "no row"),
        ([{**ROW, "lat": "x"}], COLUMNS, "line 2 has no coordinates"),
        ([{**ROW, "lat": 0, "lon": 0}], COLUMNS, "no row lies in the service area"),
    ],
)
def test_unusable_directories(
    tmp_path: Path, rows: list[dict[str, object]], columns: tuple[str, ...], message: str
) -> None:
    with pytest.raises(SourceError, match=message):
        Gazetteer.load(write(tmp_path / "a.csv", rows, columns))


def test_a_directory_that_is_missing_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"gazetteer a\.csv: cannot be read"):
        Gazetteer.load(tmp_path / "a.csv")
    (tmp_path / "b.csv").write_bytes(b"\x1f\x8bcut")
    with pytest.raises(SourceError, match="cannot be read"):
        Gazetteer.load(tmp_path / "b.csv")


def test_a_text_that_is_no_address_is_not_worked_on() -> None:
    assert unresolved(BUILTIN.locate("Rue Ancienne 3, 1227 Carouge" + " chez" * 6_000 + " 5"), "not_found")


@given(st.text(max_size=60))
def test_any_text_has_an_answer_in_the_area_or_a_reason(text: str) -> None:
    answer = BUILTIN.locate(text)
    if answer.reason is None:
        assert in_service_area(answer.lat, answer.lon)
    else:
        assert unresolved(answer, answer.reason)
