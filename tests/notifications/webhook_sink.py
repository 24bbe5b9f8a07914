"""A real HTTP receiver on this machine that answers what a test tells it to, failures included."""

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Posted:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> dict[str, Any]:
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    """What to answer; ``hangs`` takes the request and answers nothing, ``drops`` closes the connection."""

    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    hangs: bool = False
    drops: bool = False


class WebhookSink:
    """Answers queued answers first, then ``always``."""

    def __init__(self, always: Answer | None = None) -> None:
        self.always = always or Answer()
        self.queued: list[Answer] = []
        self.posted: list[Posted] = []
        self._lock = threading.Lock()
        self._closing = threading.Event()

    def __enter__(self) -> "WebhookSink":
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                sink._serve(self)

            def do_GET(self) -> None:
                sink._serve(self)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/hooks/s3cr3t-path"

    def then(self, *answers: Answer) -> None:
        self.queued.extend(answers)

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length", "0")))
        with self._lock:
            self.posted.append(Posted(handler.path, dict(handler.headers), body))
            answer = self.queued.pop(0) if self.queued else self.always
        handler.close_connection = True
        if answer.hangs:
            self._closing.wait(30)
        if answer.hangs or answer.drops:
            return
        handler.send_response(answer.status)
        for name, value in answer.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()
