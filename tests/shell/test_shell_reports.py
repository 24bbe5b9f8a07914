"""Reports over HTTP: the folder's files, to this machine's own browser, and nothing else."""

import http.client
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from atmr_pipeline.cli.reports import PortTakenError, served


@pytest.fixture
def reports(tmp_path: Path) -> Iterator[str]:
    folder = tmp_path / "reports"
    (folder / "drift").mkdir(parents=True)
    (folder / "index.html").write_text("<h1>reports</h1>", encoding="utf-8")
    (folder / "drift" / "2026-10-05.html").write_text("<h1>drift</h1>", encoding="utf-8")
    (tmp_path / "state.db").write_text("not for readers", encoding="utf-8")
    (folder / "leak.html").symlink_to(tmp_path / "state.db")
    with served(folder, 0) as address:
        yield address


def _raw(address: str, path: str, *, method: str = "GET", **headers: str) -> tuple[int, bytes]:
    """A request whose path no client has tidied up."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    read = answer.read()
    connection.close()
    return answer.status, read


def test_reports_are_read_from_the_index_down(reports: str) -> None:
    assert httpx.get(reports).text == "<h1>reports</h1>"
    page = httpx.get(f"{reports}drift/2026-10-05.html")
    assert page.text == "<h1>drift</h1>"
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "path",
    ["/../state.db", "/drift/../../state.db", "/%2e%2e/state.db", "/..%2fstate.db", "//../state.db", "/leak.html"],
)
def test_nothing_above_the_folder_is_read(reports: str, path: str) -> None:
    status, body = _raw(reports, path)
    assert status == 404
    assert b"not for readers" not in body


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_is_written(reports: str, method: str) -> None:
    assert _raw(reports, "/index.html", method=method)[0] == 501


def test_a_page_of_another_site_cannot_read_through_a_name_that_points_here(reports: str) -> None:
    status, body = _raw(reports, "/index.html", Host="evil.example:80")
    assert (status, b"reports</h1>" in body) == (421, False)


def test_a_taken_port_is_said_in_one_line_before_anything_is_started(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(PortTakenError, match=f"port {port} is taken"), served(tmp_path, port):
            raise AssertionError("served on a port of another")
        done = subprocess.run(
            [sys.executable, "-c", "from atmr_pipeline.cli import main; main()", "ui", "--port", str(port)],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"error: port {port} is taken: choose another with --port or ATMR_UI_PORT\n"
