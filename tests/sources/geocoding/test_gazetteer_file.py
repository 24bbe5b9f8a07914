"""The built file: recognised by its content, read lazily, refused where it cannot be trusted."""

import csv
import gzip
import multiprocessing
import os
import random
import sqlite3
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from directory_files import STREET, Address, write_federal
from geocoding_noise import Street, variant

from atmr_pipeline.domain.errors import SourceError
from atmr_pipeline.sources.geocoding import Gazetteer
from atmr_pipeline.sources.geocoding.build import build_gazetteer
from atmr_pipeline.sources.geocoding.gazetteer_file import APPLICATION_ID, FORMAT_VERSION

EXTRACT = Path(__file__).parents[4] / "shared" / "data" / "geneva" / "geneva_gazetteer.csv.gz"
QUESTIONS = [f"Rue de l'Exemple {number}, 1205 Genève" for number in range(1, 10)]


def built(folder: Path, addresses: list[Address] | None = None, name: str = "built") -> Path:
    output = folder / name
    source = write_federal(folder / f"{name}.csv", addresses or STREET)
    build_gazetteer([source], output, with_builtin_places=False, now=datetime(2026, 1, 2, tzinfo=UTC))
    return output


def test_houses_stay_in_the_file_until_they_are_asked_for(tmp_path: Path) -> None:
    gazetteer = Gazetteer.load(built(tmp_path))
    assert {entry.kind for entry in gazetteer.entries} == {"street", "locality", "commune"}
    answers = [gazetteer.locate(question) for question in QUESTIONS]
    assert {answer.precision for answer in answers} == {"house"}
    assert len({answer.entry_key for answer in answers}) == len({answer.lon for answer in answers}) == 9


@pytest.mark.parametrize(
    ("number", "lon_of", "precision"),
    [
        ("4", "4", "house"),
        ("12BIS", "12bis", "house"),
        ("12 bis", "12bis", "house"),
        ("12", "12", "house"),
        ("12 ter", "12", "street"),
        ("7-9", "7/9", "house"),
        ("3/5", "3", "house"),
        ("8a/10", "10", "house"),
        ("77", None, "street"),
    ],
)
def test_number_suffixes(tmp_path: Path, number: str, lon_of: str | None, precision: str) -> None:
    numbers = ("3", "4", "7-9", "8", "10", "12", "12 Bis")
    houses = [Address("Rue de l'Exemple", text, east=20.0 * index) for index, text in enumerate(numbers)]
    gazetteer = Gazetteer.load(built(tmp_path, houses))
    answer = gazetteer.locate(f"Rue de l'Exemple {number}, 1205 Genève")
    assert answer.precision == precision
    if lon_of:
        plain = gazetteer.locate(f"Rue de l'Exemple {lon_of}, 1205 Genève")
        assert (answer.lat, answer.lon) == (plain.lat, plain.lon)


def test_info_tells_where_everything_comes_from(tmp_path: Path) -> None:
    info = Gazetteer.load(built(tmp_path)).info()
    assert info["kinds"] == {"commune": 1, "house": 9, "locality": 1, "street": 1}
    assert info["entries"] == 12 == sum(info["sources"].values())
    assert (info["file"], info["format_version"], info["built_at"]) == ("built", 1, "2026-01-02T00:00:00+00:00")
    (source,) = info["inputs"]
    assert source["sha256"]
    assert {key: source[key] for key in source if key not in {"sha256", "attribution"}} == {
        "file": "built.csv",
        "layout": "federal_building_addresses",
        "coordinates": "EPSG:2056",
        "rows_read": 9,
        "rows_kept": 9,
        "left_out": {},
    }


def test_info_of_what_was_not_built() -> None:
    info = Gazetteer.load().info()
    assert (info["file"], info["built_at"], info["inputs"]) == ("built-in", None, [])


def test_threads(tmp_path: Path) -> None:
    gazetteer = Gazetteer.load(built(tmp_path))
    expected = [gazetteer.locate(question) for question in QUESTIONS]
    seen: dict[int, list[object]] = {}

    def ask(index: int) -> None:
        seen[index] = [gazetteer.locate(question) for question in QUESTIONS * 5]

    threads = [threading.Thread(target=ask, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(seen[index] == expected * 5 for index in range(4))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
def test_a_fork(tmp_path: Path) -> None:
    gazetteer = Gazetteer.load(built(tmp_path))
    expected = [gazetteer.locate(question) for question in QUESTIONS]
    context = multiprocessing.get_context("fork")
    heard = context.Queue()
    child = context.Process(target=lambda: heard.put([gazetteer.locate(question) for question in QUESTIONS]))
    child.start()
    assert heard.get(timeout=60) == expected
    child.join()
    assert [gazetteer.locate(question) for question in QUESTIONS] == expected


def test_a_file_built_anew_under_a_running_program_is_not_mixed_with_the_old_one(tmp_path: Path) -> None:
    path = built(tmp_path)
    gazetteer = Gazetteer.load(path)
    before = gazetteer.locate(QUESTIONS[0])
    moved = [Address("Avenue Autre", "1"), *(Address(item.street, item.number, east=500.0) for item in STREET)]
    built(tmp_path, moved, "other").replace(path)
    assert gazetteer.locate(QUESTIONS[0]) == before
    errors: list[Exception] = []

    def ask() -> None:
        for _ in range(2):
            try:
                gazetteer.locate(QUESTIONS[0])
            except SourceError as error:
                errors.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert [str(error) for error in errors] == ["gazetteer built: it was built anew meanwhile; start again"] * 2


def other_database(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE booking (id INTEGER)")


def newer_format(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {FORMAT_VERSION + 1}")


def without_tables(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-4096])


def cut_in_the_header(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:50])


def overwritten(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096:] = b"\x7f" * (len(data) - 4096)
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (other_database, "a database of something else"),
        (newer_format, "format 2 is newer than this program's 1; update the program"),
        (without_tables, r"cannot be read \(OperationalError\); build it again"),
        (cut, "it is cut short; build it again"),
        (cut_in_the_header, "it is cut short"),
        (overwritten, r"cannot be read \(DatabaseError\); build it again"),
    ],
)
def test_files_that_are_not_trusted(tmp_path: Path, spoil: object, message: str) -> None:
    path = built(tmp_path)
    spoil(path)  # type: ignore[operator]
    with pytest.raises(SourceError, match=f"gazetteer built: .*{message}"):
        Gazetteer.load(path)


def test_names_with_odd_characters(tmp_path: Path) -> None:
    folder = tmp_path / "a b?c%20#d"
    folder.mkdir()
    assert Gazetteer.load(built(folder)).locate(QUESTIONS[0]).precision == "house"


@pytest.mark.skipif(
    not EXTRACT.exists(), reason="the Geneva street extract (../shared/data/geneva) is not beside the checkout"
)
def test_a_built_file_answers_as_the_table_it_was_built_from(tmp_path: Path) -> None:
    build_gazetteer([EXTRACT], tmp_path / "built", with_builtin_places=False)
    table, file = Gazetteer.load(EXTRACT), Gazetteer.load(tmp_path / "built")
    with gzip.open(EXTRACT, "rt", encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["kind"] == "street" and row["postcode"]]
    draw = random.Random(5)
    for row in draw.sample(rows, 500):
        street = Street(row["street"], row["postcode"], row["locality"], float(row["lat"]), float(row["lon"]))
        text = variant(street, draw)
        assert file.locate(text) == table.locate(text)
