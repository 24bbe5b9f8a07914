"""The reports folder over HTTP, for the browser of whoever reads the UI: read-only, on the loopback interface."""

import http.server
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

from atmr_pipeline.domain.errors import AtmrError

HOST = "127.0.0.1"
OWN_NAMES = (HOST, "localhost")


class PortTakenError(AtmrError):
    """Another program listens there."""


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Files of one folder; no program, no other method than GET and HEAD, nothing outside it."""

    server_version, sys_version = "atmr-reports", ""

    def send_head(self) -> Any:
        # A page of another site may have its name point to this machine; its requests carry that name.
        name = self.headers.get("Host", "").rsplit(":", 1)[0]
        if name not in OWN_NAMES:
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
            return None
        root, wanted = Path(self.directory).resolve(), Path(self.translate_path(self.path)).resolve()
        if not wanted.is_relative_to(root):
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        return super().send_head()

    def end_headers(self) -> None:
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cache-Control", "no-cache")
        # Reports carry their scripts and pictures within them: nothing is fetched from elsewhere, nothing sent there.
        allowed = "'self' 'unsafe-inline' 'unsafe-eval' data: blob:"
        self.send_header("Content-Security-Policy", f"default-src {allowed}; form-action 'none'")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Who read which report is nobody's business."""


@contextmanager
def served(folder: Path, port: int) -> Iterator[str]:
    """Serve ``folder`` while the context lasts.

    Parameters
    ----------
    folder : Path
        Created where it is missing.
    port : int
        On the loopback interface; 0 takes any that is free.

    Yields
    ------
    str
        The address.

    Raises
    ------
    PortTakenError
        If another program listens on ``port``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        server = http.server.ThreadingHTTPServer((HOST, port), partial(_Handler, directory=str(folder)))
    except OSError:
        raise PortTakenError(f"port {port} is taken: set ATMR_REPORTS_PORT to another for the reports") from None
    thread = threading.Thread(target=server.serve_forever, name="reports", daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=10)


def main() -> None:
    """Serve the home's reports until SIGTERM or SIGINT: ``python -m atmr_pipeline.cli.reports``."""
    from atmr_pipeline.cli.output import out
    from atmr_pipeline.settings import load_settings

    settings, ended = load_settings(), threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with served(settings.reports_dir, settings.reports_port) as address:
        out.print(f"reports: {address}", highlight=False)
        ended.wait()


if __name__ == "__main__":
    main()
