"""What a run refuses: sources that cannot be read, and data too few to learn from."""

import re
import socket
from pathlib import Path

import pytest
from pipeline_home import SMALL_DEMO, Home

pytestmark = pytest.mark.timeout(1800)

REAL_SOURCE = {"ATMR_HASH_KEY": "a-secret-of-the-tests-only", "ATMR_HISTORY_START": "2026-09-01"}


def _closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _refused_before_anything(root: Path, url: str) -> str:
    done = Home(root, ATMR_DATABASE_URL=url, **REAL_SOURCE).atmr("run")
    assert (done.code, done.out) == (1, "")
    (line,) = done.err.splitlines()
    assert line.startswith("error: ")
    assert not (root / "tables").exists()
    assert not (root / "demo").exists()
    assert not (root / "models").exists()
    return line


def test_a_database_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    line = _refused_before_anything(tmp_path / "home", f"sqlite:///{tmp_path / 'missing.db'}")
    assert "does not exist" in line
    assert not (tmp_path / "missing.db").exists()


def test_a_server_that_does_not_listen_is_one_line_without_the_password(tmp_path: Path) -> None:
    url = f"postgresql://reader:s3cr3t-passphrase@127.0.0.1:{_closed_port()}/operations"
    line = _refused_before_anything(tmp_path / "home", url)
    assert "127.0.0.1" in line
    assert "s3cr3t" not in line


def test_a_file_that_is_no_database_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "notes.db").write_bytes(b"not a database" * 100)
    line = _refused_before_anything(tmp_path / "home", f"sqlite:///{tmp_path / 'notes.db'}")
    assert "not a SQLite database" in line


@pytest.mark.slow
def test_too_few_rows_are_said_with_numbers_and_nothing_is_promoted(tmp_path: Path) -> None:
    few = {"ATMR_DEMO_MONTHS": "1", "ATMR_DEMO_BOOKINGS_PER_DAY": "3", "ATMR_DEMO_DRIVERS": "2"}
    home = Home(tmp_path / "home", **{**SMALL_DEMO, **few})
    done = home.run()
    assert done.code == 1
    lines = done.err.strip().splitlines()
    assert all(line.startswith(("refused: ", "failed: ")) for line in lines)
    (refusal,) = [line for line in lines if "delay_training_set.delay_training_set_enough" in line]
    assert re.search(r"needs 300 rows and \d+ days.*, has \d+ and \d+", refusal)
    assert done.versions["delay"] == set()
    assert "delay" not in done.champions
    assert not home.tables.has("delay_model")
    assert len(home.tables.read("bookings")) > 0
