"""Published directories read, merged and written into one file."""

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest
from directory_files import (
    EAST,
    LAT,
    LON,
    NORTH,
    STREET,
    Address,
    federal_text,
    moved,
    write_cantonal_csv,
    write_cantonal_shapefile,
    write_federal,
    write_gazetteer_csv,
    zipped,
)
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Transformer

from atmr_pipeline.domain.errors import SourceError
from atmr_pipeline.sources.geocoding import Gazetteer
from atmr_pipeline.sources.geocoding.build import BuildReport, build_gazetteer
from atmr_pipeline.sources.geocoding.imports.coordinates import LV03, LV95, detect, numbers

AT = datetime(2026, 1, 2, tzinfo=UTC)


def build(folder: Path, *inputs: Path, with_builtin_places: bool = False) -> tuple[BuildReport, Gazetteer]:
    output = folder / "built.gazetteer"
    report = build_gazetteer(inputs, output, with_builtin_places=with_builtin_places, now=AT)
    return report, Gazetteer.load(output)


def test_federal_directory(tmp_path: Path) -> None:
    planned, elsewhere = Address("Rue Future", "1", status="planned"), moved(STREET[0], 200_000.0)
    unnumbered = Address("Hameau Fictif", "", postcode="1228", locality="Plan-les-Ouates", east=900.0)
    source = write_federal(
        tmp_path / "anything.dat", [*STREET, planned, elsewhere, unnumbered, Address("Rue de l'Exemple", "0")]
    )
    report, gazetteer = build(tmp_path, source)
    assert report.inputs[0].layout == "federal_building_addresses"
    assert report.inputs[0].coordinates == "EPSG:2056"
    assert (report.inputs[0].rows_read, report.inputs[0].rows_kept) == (13, 11)
    assert report.inputs[0].left_out == {"outside_service_area": 1, "planned": 1}
    assert (report.streets, report.houses) == (2, 10)
    house = gazetteer.locate("Rue de l'Exemple 0, 1205 Genève")
    assert (house.precision, house.source) == ("house", "swisstopo, official directory of building addresses")
    assert (house.lat, house.lon) == (pytest.approx(LAT, abs=2e-6), pytest.approx(LON, abs=2e-6))
    assert gazetteer.locate("Hameau Fictif, 1228 Plan-les-Ouates").precision == "street"
    assert gazetteer.locate("Rue Future 1, 1205 Genève").reason == "not_found"


def test_towns_and_postcodes_come_from_the_addresses(tmp_path: Path) -> None:
    other = Address("Chemin Fictif", "1", "1227", "Carouge GE", "Carouge (GE)", east=3000.0)
    report, gazetteer = build(tmp_path, write_federal(tmp_path / "a.csv", [*STREET, other]))
    assert report.towns == 4
    assert gazetteer.locate("Chemin Fictif 1, 1227 Carouge").precision == "house"
    assert gazetteer.locate("1227 Carouge").precision == "postcode"
    assert gazetteer.locate("Rue de l'Exemple 3, 1260 Nyon").reason == "not_found"


@pytest.mark.parametrize("columns", ["ADRESSE;NO_POSTAL;COMMUNE;E;N", "adresse;npa;commune;numero;E;N"])
def test_cantonal_csv(tmp_path: Path, columns: str) -> None:
    names = {"adresse": "ADRESSE", "npa": "NPA", "commune": "COMMUNE", "numero": "NUMERO"}
    source = write_cantonal_csv(
        tmp_path / "a.csv", STREET, columns=";".join(names.get(c, c) for c in columns.split(";"))
    )
    source.write_bytes(source.read_bytes().replace(b"ADRESSE", columns.split(";")[0].encode()))
    report, gazetteer = build(tmp_path, source)
    assert (report.inputs[0].layout, report.houses) == ("sitg_cad_adresse", 9)
    assert gazetteer.locate("Rue de l'Exemple 9, 1205").precision == "house"


@pytest.mark.parametrize(
    ("columns", "system"),
    [("ADRESSE;NO_POSTAL;COMMUNE;X;Y", "EPSG:21781"), ("ADRESSE;NO_POSTAL;COMMUNE;E;N", "EPSG:2056")],
)
def test_old_coordinates_are_told_by_their_range(tmp_path: Path, columns: str, system: str) -> None:
    report, gazetteer = build(tmp_path, write_cantonal_csv(tmp_path / "a.csv", STREET, columns=columns))
    assert report.inputs[0].coordinates == system
    answer = gazetteer.locate("Rue de l'Exemple 1, 1205")
    assert (answer.lat, answer.lon) == (pytest.approx(LAT, abs=3e-5), pytest.approx(LON + 0.00013, abs=3e-5))


def test_cantonal_street_and_number_in_columns_of_their_own(tmp_path: Path) -> None:
    columns = "NOM_VOIE;NO_ADRESSE;NPA;NOM_NPA;COMMUNE;TYPE;E;N"
    houses = [Address("Rue du 31-Exemple", "4 A"), Address("Rue du 31-Exemple", "6", status="planned", east=20.0)]
    report, gazetteer = build(tmp_path, write_cantonal_csv(tmp_path / "a.csv", houses, columns=columns))
    assert report.inputs[0].left_out == {"planned": 1}
    assert gazetteer.locate("Rue du 31-Exemple 4a, 1205 Genève").precision == "house"


def test_garages_and_sheds_are_left_out(tmp_path: Path) -> None:
    text = write_cantonal_csv(tmp_path / "a.csv", STREET[:2]).read_text().splitlines()
    lines = [f"{text[0]};POSTALE", f"{text[1]};OUI", f"{text[2]};NON"]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    report, _ = build(tmp_path, tmp_path / "a.csv")
    assert (report.houses, report.inputs[0].left_out) == (1, {"not_postal": 1})


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "latin-1"])
def test_csv_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    address = Address("Chemin des Crêts-d'Été", "1", locality="Chêne-Bougeries", commune="Chêne-Bougeries")
    _, gazetteer = build(tmp_path, write_federal(tmp_path / "a.csv", [address], encoding=encoding))
    assert {entry.name for entry in gazetteer.entries} == {"Chemin des Crêts-d'Été", "Chêne-Bougeries"}


@pytest.mark.parametrize(
    ("encoding", "cpg"),
    [("utf-8", "UTF-8"), ("utf-8", "1252"), ("utf-8", None), ("cp1252", "1252"), ("latin-1", "UTF-8")],
)
@pytest.mark.parametrize("in_zip", [False, True])
def test_shapefile_in_any_encoding_whatever_the_cpg_says(
    tmp_path: Path, encoding: str, cpg: str | None, in_zip: bool
) -> None:
    addresses = [Address("Chemin de la Forêt-Ébène", str(number), east=5.0 * number) for number in range(1, 5)]
    planned = Address("Rue Future", "1", status="planned")
    path = write_cantonal_shapefile(tmp_path, [*addresses, planned], encoding=encoding, cpg=cpg)
    source = zipped(tmp_path / "a.zip", *sorted(tmp_path.glob("CAD_ADRESSE.*"))) if in_zip else path
    report, gazetteer = build(tmp_path, source)
    assert (report.inputs[0].layout, report.houses) == ("sitg_cad_adresse", 4)
    assert report.inputs[0].left_out == {"planned": 1}
    answer = gazetteer.locate("Ch. de la Foret Ebene 3, 1205 Genève")
    assert (answer.precision, answer.source) == ("house", "SITG CAD_ADRESSE")
    assert "Chemin de la Forêt-Ébène" in {entry.name for entry in gazetteer.entries}


def test_a_fingerprint_covers_all_parts_of_a_shapefile(tmp_path: Path) -> None:
    path = write_cantonal_shapefile(tmp_path, STREET)
    before = build(tmp_path, path)[0].inputs[0].sha256
    write_cantonal_shapefile(tmp_path, [*STREET[:-1], Address("Rue Autre", "1", east=90.0)])
    assert path.stat().st_size == 100 + 28 * len(STREET)
    assert build(tmp_path, path)[0].inputs[0].sha256 != before


@pytest.mark.parametrize("name", ["a.zip", "a.csv"])
def test_zip_or_not(tmp_path: Path, name: str) -> None:
    report, _ = build(tmp_path, write_federal(tmp_path / name, STREET))
    assert (report.inputs[0].file, report.houses) == (name, 9)


def test_rows_that_say_nothing_of_use_are_counted(tmp_path: Path) -> None:
    text = federal_text([*STREET, Address("", "1"), Address("Rue Passée", "1", status="outdated")])
    broken = text.replace(f"{EAST + 20:.3f}", "unknown").replace(f"{EAST + 30:.3f}", "0.0")
    (tmp_path / "a.csv").write_text(f"{broken}cut;off\n")
    report, _ = build(tmp_path, tmp_path / "a.csv")
    assert report.inputs[0].left_out == {
        "no_coordinates": 2,
        "no_street": 1,
        "not_existing": 1,
        "wrong_number_of_columns": 1,
    }
    assert report.inputs[0].rows_read == report.inputs[0].rows_kept + 5


def test_the_first_input_is_believed_and_conflicts_are_counted(tmp_path: Path) -> None:
    first = write_federal(tmp_path / "first.csv", STREET)
    near, far = moved(STREET[0], 20.0), moved(STREET[1], 500.0)
    new = Address("Rue de l'Exemple", "99", east=990.0)
    second = write_cantonal_csv(tmp_path / "second.csv", [near, far, new])
    report, gazetteer = build(tmp_path, first, second)
    assert report.inputs[1].left_out == {"conflict": 1, "merged": 1}
    assert (report.conflicts, report.houses) == (1, 10)
    believed = build(tmp_path, first)[1]
    for number in (1, 2):
        text = f"Rue de l'Exemple {number}, 1205 Genève"
        assert gazetteer.locate(text) == believed.locate(text)
    assert gazetteer.locate("Rue de l'Exemple 99, 1205 Genève").source == "SITG CAD_ADRESSE"


def test_an_address_twice_in_one_input(tmp_path: Path) -> None:
    far = moved(STREET[1], 800.0)
    report, gazetteer = build(tmp_path, write_federal(tmp_path / "a.csv", [*STREET, moved(STREET[0], 10.0), far]))
    assert report.inputs[0].left_out == {"duplicate": 1}
    assert gazetteer.locate("Rue de l'Exemple 1, 1205 Genève").precision == "house"
    assert gazetteer.locate("Rue de l'Exemple 2, 1205 Genève").reason == "ambiguous"


def test_one_street_and_number_in_two_communes_are_two_addresses(tmp_path: Path) -> None:
    other = Address("Rue de l'Exemple", "1", "1227", "Carouge", "Carouge", east=4000.0)
    report, gazetteer = build(tmp_path, write_federal(tmp_path / "a.csv", [*STREET, other]))
    assert report.inputs[0].left_out == {}
    here, there = (gazetteer.locate(f"Rue de l'Exemple 1, {town}") for town in ("Genève", "1227 Carouge"))
    assert here.precision == there.precision == "house"
    assert here.lon != there.lon
    assert gazetteer.locate("Rue de l'Exemple 1").reason == "ambiguous"


def test_houses_go_before_their_streets_point(tmp_path: Path) -> None:
    base = {"kind": "street", "locality": "Genève", "commune": "Genève", "postcode": "1204", "source": "fiction"}
    rows = [
        {**base, "name": "Rue de l'Exemple", "street": "Rue de l'Exemple", "lat": LAT, "lon": LON},
        {**base, "name": "Rue Seule", "street": "Rue Seule", "lat": LAT, "lon": LON},
    ]
    streets = write_gazetteer_csv(tmp_path / "streets.csv", rows)
    report, gazetteer = build(tmp_path, streets, write_federal(tmp_path / "houses.csv", STREET))
    assert report.inputs[0].left_out == {"known_by_its_houses": 1}
    assert gazetteer.locate("Rue de l'Exemple 5, Genève").precision == "house"
    unknown = gazetteer.locate("Rue de l'Exemple 77, 1205 Genève")
    assert (unknown.precision, unknown.source) == ("street", "swisstopo, official directory of building addresses")
    assert gazetteer.locate("Rue Seule 4, Genève").source == "fiction"


def test_builtin_places_are_an_input_like_others(tmp_path: Path) -> None:
    source = write_federal(tmp_path / "a.csv", STREET)
    report, gazetteer = build(tmp_path, source, with_builtin_places=True)
    assert [item.file for item in report.inputs] == ["a.csv", "built-in places"]
    assert gazetteer.locate("Clinique de Carouge").precision == "place"
    assert build(tmp_path, source)[1].locate("Clinique de Carouge").reason == "not_found"


def test_the_same_inputs_give_the_same_content(tmp_path: Path) -> None:
    inputs = [write_federal(tmp_path / "a.csv", STREET), write_cantonal_csv(tmp_path / "b.csv", STREET[:3])]
    contents = []
    for name in ("one", "two"):
        build_gazetteer(inputs, tmp_path / name, now=AT)
        contents.append((tmp_path / name).read_bytes())
    assert contents[0] == contents[1]
    build_gazetteer(inputs, tmp_path / "later", now=datetime(2027, 1, 1, tzinfo=UTC))
    with sqlite3.connect(tmp_path / "later") as later, sqlite3.connect(tmp_path / "one") as one:
        dumps = [[line for line in base.iterdump() if "built_at" not in line] for base in (later, one)]
    assert dumps[0] == dumps[1]


def test_progress_and_report(tmp_path: Path) -> None:
    seen: list[tuple[str, int]] = []
    report = build_gazetteer(
        [write_federal(tmp_path / "a.csv", STREET)],
        tmp_path / "out",
        on_progress=lambda *args: seen.append(args),
        now=AT,
    )
    assert seen == [("a.csv", 9)]
    as_dict = report.to_dict()
    assert (as_dict["built_at"], as_dict["inputs"][0]["rows_kept"]) == ("2026-01-02T00:00:00+00:00", 9)
    assert "swisstopo" in as_dict["inputs"][0]["attribution"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name;colour\nx;blue\n", "no known layout; expected one of: a gazetteer table .*STN_LABEL, ADR_NUMBER"),
        ("", "no known layout"),
        ("STN_LABEL;ADR_NUMBER;ZIP_LABEL;COM_NAME;ADR_EASTING\n", "looks like the federal .* no column ADR_NORTHING"),
        ("ADRESSE;COMMUNE;E;N\n", "looks like SITG CAD_ADRESSE, but has no column NO_POSTAL"),
        ("ADRESSE;NO_POSTAL;COMMUNE;E;N\nRue A 1;1205;Genève;12;13\n", "no known system; expected EPSG:2056"),
        ("ADRESSE\x00;NO_POSTAL", "it is no text"),
        ("ADRESSE;" + "x" * 100_000, "it is no text"),
    ],
)
def test_inputs_that_cannot_be_used(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(SourceError, match=rf"gazetteer input a\.csv: .*{message}"):
        build(tmp_path, tmp_path / "a.csv")
    assert not (tmp_path / "built.gazetteer").exists()
    assert list(tmp_path.glob(".*")) == []


def test_damaged_files(tmp_path: Path) -> None:
    zipped_csv = write_federal(tmp_path / "a.zip", STREET * 50)
    zipped_csv.write_bytes(zipped_csv.read_bytes()[:400])
    with pytest.raises(SourceError, match=r"gazetteer input a\.zip: cannot be read \(BadZipFile\)"):
        build(tmp_path, zipped_csv)
    path = write_cantonal_shapefile(tmp_path, STREET)
    table = path.with_suffix(".dbf")
    table.write_bytes(table.read_bytes()[:-40])
    with pytest.raises(SourceError, match=r"CAD_ADRESSE\.shp: cannot be read"):
        build(tmp_path, path)
    table.unlink()
    with pytest.raises(SourceError, match=r"its \.dbf file is not beside it"):
        build(tmp_path, path)
    with pytest.raises(SourceError, match=r"missing\.csv: cannot be read \(FileNotFoundError\)"):
        build(tmp_path, tmp_path / "missing.csv")


def test_a_zip_with_two_tables(tmp_path: Path) -> None:
    parts = [write_federal(tmp_path / name, STREET) for name in ("a.csv", "b.csv")]
    with pytest.raises(SourceError, match="it holds 2 tables"):
        build(tmp_path, zipped(tmp_path / "a.zip", *parts))


def test_nothing_in_the_service_area(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no row of any input lies in the service area"):
        build(tmp_path, write_federal(tmp_path / "a.csv", [moved(item, 200_000.0) for item in STREET]))


def test_no_input_and_an_output_that_is_an_input(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no input"):
        build_gazetteer([], tmp_path / "out")
    source = write_federal(tmp_path / "a.csv", STREET)
    with pytest.raises(SourceError, match="it is an input, too"):
        build_gazetteer([source], source)
    (tmp_path / "file").write_text("")
    with pytest.raises(SourceError, match="cannot be written"):
        build_gazetteer([source], tmp_path / "file" / "out")


def test_a_failed_build_leaves_the_older_file(tmp_path: Path) -> None:
    build(tmp_path, write_federal(tmp_path / "a.csv", STREET))
    before = (tmp_path / "built.gazetteer").read_bytes()
    (tmp_path / "b.csv").write_text("nothing\n")
    with pytest.raises(SourceError):
        build(tmp_path, tmp_path / "a.csv", tmp_path / "b.csv")
    assert (tmp_path / "built.gazetteer").read_bytes() == before


@given(lat=st.floats(45.9, 46.6), lon=st.floats(5.96, 6.9))
def test_swiss_coordinates_come_back_to_where_they_were(lat: float, lon: float) -> None:
    for system in (LV95, LV03):
        to_swiss = Transformer.from_crs(4326, system.epsg, always_xy=True)
        east, north = (numbers([value]) for value in to_swiss.transform(lon, lat))
        assert detect(east, north) == (system, False)
        assert detect(north, east) == (system, True)
        again = system.to_wgs84(east, north)
        assert again[0][0] == pytest.approx(lat, abs=1e-6)
        assert again[1][0] == pytest.approx(lon, abs=1e-6)


def test_figures_as_offices_write_them() -> None:
    assert numbers(["2500000.5", "2'500'000,25", " 12 ", "?", None])[:3].tolist() == [2500000.5, 2500000.25, 12.0]
    assert detect(numbers(["?"]), numbers(["?"])) is None
    assert detect(numbers([EAST]), numbers([NORTH])) == (LV95, False)
