"""``atmr ui`` as a person uses it: two addresses, one end."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _wait(what: str, look: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.3)


def _answers(address: str) -> bool:
    try:
        return httpx.get(address, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.slow
@pytest.mark.integration
def test_the_ui_and_the_reports_come_and_go_together(tmp_path: Path) -> None:
    ui, reports = _free_port(), _free_port()
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "index.html").write_text("<h1>reports</h1>", encoding="utf-8")
    environment = {
        **os.environ,
        "ATMR_HOME": str(tmp_path),
        "ATMR_REPORTS_PORT": str(reports),
        "ATMR_DEMO_MONTHS": "1",
        "ATMR_DEMO_BOOKINGS_PER_DAY": "3",
        "ATMR_DEMO_DRIVERS": "2",
        "PYTHONUNBUFFERED": "1",
    }
    command = [sys.executable, "-c", "from atmr_pipeline.cli import main; main()", "ui", "--port", str(ui)]
    with (tmp_path / "ui.log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            _wait("the UI", lambda: process.poll() is None and _answers(f"http://127.0.0.1:{ui}/server_info"))
            assert httpx.get(f"http://127.0.0.1:{reports}/").text == "<h1>reports</h1>"
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=240) == 0
        finally:
            if process.poll() is None:
                process.kill()
                process.wait(timeout=30)
    said = (tmp_path / "ui.log").read_text()
    assert f"Dagster UI: http://127.0.0.1:{ui}/" in said
    assert f"Reports:    http://127.0.0.1:{reports}/" in said
    assert not _answers(f"http://127.0.0.1:{reports}/")
    _wait("the webserver to be gone", lambda: not _answers(f"http://127.0.0.1:{ui}/server_info"), 60)
