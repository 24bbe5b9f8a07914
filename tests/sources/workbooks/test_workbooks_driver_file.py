"""``drivers.toml``: what a person says about initials, and what the program may write beside it."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from workbook_files import HEADER, course, write_xlsx

from atmr_pipeline.domain.errors import SourceError
from atmr_pipeline.sources.geocoding import Gazetteer
from atmr_pipeline.sources.workbooks import (
    DriverFile,
    check_workbook,
    parse_inbox,
    read_driver_file,
    update_driver_file,
)

KEY = b"a company's secret"
WRITTEN = """\
# Anne a changé de nom en mai.
[initials.AB]  # Anne
driver_id = 3
seen = 1

[initials."X.Y"]
occasional = true   # taxi
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "drivers.toml"


def test_it_appears_with_the_first_unknown_initials(path: Path) -> None:
    assert read_driver_file(path) == DriverFile()
    assert not update_driver_file(path, {"": 4, "?": 2, "A/B/C": 1}, {"AB": 9})
    assert not path.exists()
    assert update_driver_file(path, {"": 4, "?": 2, "ZZ": 3, "CD": 1}, {"AB": 9})
    text = path.read_text(encoding="utf-8")
    assert tomllib.loads(text) == {"initials": {"CD": {"seen": 1}, "ZZ": {"seen": 3}}}
    assert "Initiales des chauffeurs" in text
    assert "Driver initials" in text
    assert read_driver_file(path) == DriverFile(undecided=frozenset({"CD", "ZZ"}))


def test_what_a_person_wrote_stays(path: Path) -> None:
    path.write_text(WRITTEN, encoding="utf-8")
    path.chmod(0o600)
    assert update_driver_file(path, {"ZZ": 2}, {"AB": 12, "XY": 5, "CD": 7})
    text = path.read_text(encoding="utf-8")
    for line in WRITTEN.splitlines():
        assert line in text or line == "seen = 1"
    assert tomllib.loads(text)["initials"] == {
        "AB": {"driver_id": 3, "seen": 12},
        "X.Y": {"occasional": True, "seen": 5},
        "ZZ": {"seen": 2},
    }
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["drivers.toml"]


def test_nothing_new_writes_nothing(path: Path) -> None:
    path.write_text(WRITTEN, encoding="utf-8")
    assert update_driver_file(path, {}, {"AB": 1, "XY": 5})
    before = path.stat()
    assert not update_driver_file(path, {}, {"AB": 1, "XY": 5, "CD": 9})
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert path.stat().st_ino == before.st_ino


def test_initials_that_are_gone_are_counted_as_none(path: Path) -> None:
    path.write_text(WRITTEN, encoding="utf-8")
    update_driver_file(path, {}, {})
    assert [entry["seen"] for entry in tomllib.loads(path.read_text())["initials"].values()] == [0, 0]


@pytest.mark.parametrize(
    "text",
    ["", "# rien\n", "[initials]\n", "\ufeff[initials.AB]\r\ndriver_id = 3\r\n", "[initials]\nAB = {driver_id = 3}\n"],
)
def test_files_that_other_programs_wrote(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="")
    assert update_driver_file(path, {"ZZ": 1}, {"AB": 2})
    found = tomllib.loads(path.read_text(encoding="utf-8"))["initials"]
    assert found["ZZ"] == {"seen": 1}
    assert found.get("AB", {"driver_id": 3, "seen": 2}) == {"driver_id": 3, "seen": 2}


def test_the_file_goes_before_the_fleet() -> None:
    said = DriverFile({"AB": 3, "NO": 4}, occasional=frozenset({"XY"}), undecided=frozenset({"CD"}))
    fleet = {"A.B": 1, "CD": 2, "XY": 5, "EF": 3, "GH": 6, "G.H": 7}
    assert said.merge(fleet, fleet_ids={1, 2, 3, 4, 5, 6, 7}) == {"AB": 3, "NO": 4, "CD": 2, "EF": 3}
    with pytest.raises(SourceError, match="initials NO name driver_id 4"):
        said.merge(fleet)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[initials.AB\n", "line 1"),
        ("[initials.AB]\nseen = 1\nseen = 2\n", "not valid TOML"),
        ("[initials.AB]\n[initials.AB]\n", "not valid TOML"),
        ("[driver.AB]\n", "unknown key 'driver'"),
        ("initials = 3\n", "must be a table"),
        ("[initials]\nAB = 3\n", "initials AB must be a table"),
        ("[initials.AB]\nname = 'x'\n", "AB have an unknown key 'name'"),
        ("[initials.AB]\ndriver_id = '3'\n", "driver_id of initials AB"),
        ("[initials.AB]\ndriver_id = true\n", "driver_id of initials AB"),
        ("[initials.AB]\nseen = -1\n", "seen of initials AB"),
        ("[initials.AB]\noccasional = 'oui'\n", "occasional of initials AB"),
        ("[initials.AB]\noccasional = true\ndriver_id = 3\n", "AB have a driver_id and are occasional"),
        ("[initials.AB]\n[initials.'A.B']\n", "AB stand twice"),
        ("[initials.'?']\n", "entry 1 has no initials"),
        ("[initials.AB]\n[initials.'Anne Fictive']\n", "entry 2 has no initials"),
    ],
)
def test_what_makes_no_sense_is_named_and_left_alone(path: Path, text: str, message: str) -> None:
    path.write_text(text, encoding="utf-8")
    for act in (lambda: read_driver_file(path), lambda: update_driver_file(path, {"ZZ": 1}, {})):
        with pytest.raises(SourceError, match=message) as caught:
            act()
        assert "\n" not in str(caught.value)
        assert str(caught.value).startswith("drivers.toml: ")
    assert path.read_text(encoding="utf-8") == text


def test_a_file_that_is_no_text_or_no_file(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SourceError, match="UTF-8"):
        read_driver_file(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(SourceError, match=r"drivers\.toml"):
        read_driver_file(path)


names = st.text(alphabet="ABCXYZ", min_size=1, max_size=4)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(names, st.integers(1, 9)), st.dictionaries(names, st.integers(1, 9)), st.data())
def test_repeated_updates_lose_nothing(
    tmp_path: Path, first: dict[str, int], second: dict[str, int], data: st.DataObject
) -> None:
    path = tmp_path / "any.toml"
    path.unlink(missing_ok=True)
    update_driver_file(path, first, {})
    decided = data.draw(st.sets(st.sampled_from(sorted(first)))) if first else set()
    if path.exists():
        text = path.read_text(encoding="utf-8")
        for name in decided:
            text = text.replace(f"[initials.{name}]\n", f"[initials.{name}]\noccasional = true\n")
        path.write_text(text, encoding="utf-8")
    unknown = {name: count for name, count in second.items() if name not in decided}
    update_driver_file(path, unknown, {name: second[name] for name in second.keys() & decided})
    assert not update_driver_file(path, unknown, {name: second[name] for name in second.keys() & decided})
    said = read_driver_file(path)
    assert said.occasional == decided
    assert said.undecided == (first.keys() | unknown.keys()) - decided


def test_from_the_file_to_the_legs(path: Path, tmp_path: Path) -> None:
    path.write_text("[initials.ZZ]\noccasional = true\n[initials.CD]\ndriver_id = 8\n", encoding="utf-8")
    rows = [
        HEADER,
        *(
            course(f"0{day}.10.2025 9h", "A", initials=name)
            for day, name in enumerate(("AB", "Z.Z", "C.D", "Q.Q", None), 1)
        ),
    ]
    source = write_xlsx(tmp_path / "a.xlsx", rows)
    said = read_driver_file(path)
    mapping = said.merge({"AB": 1, "EF": 8})
    inbox = parse_inbox([source], hash_key=KEY, driver_ids=mapping, occasional=said.occasional)
    assert list(inbox.courses["driver_id"].fillna(0)) == [1, 0, 8, 0, 0]
    assert inbox.initials == {"AB": 1, "CD": 1, "QQ": 1, "ZZ": 1}
    assert (inbox.unknown_initials, inbox.occasional_initials) == ({"": 1, "QQ": 1}, {"ZZ": 1})
    report, _ = check_workbook(
        source, gazetteer=Gazetteer.load(), hash_key=KEY, driver_ids=mapping, occasional=said.occasional
    )
    assert report["unknown_drivers"] == {"": 1, "QQ": 1}
    assert report["drivers"] == inbox.initials
    known = {name: count for name, count in inbox.initials.items() if name not in inbox.unknown_initials}
    update_driver_file(path, inbox.unknown_initials, known)
    assert {name: entry["seen"] for name, entry in tomllib.loads(path.read_text())["initials"].items()} == {
        "ZZ": 1,
        "CD": 1,
        "QQ": 1,
    }
