"""A real HTTP server on this machine that answers what a test tells it to, failures included."""

import json
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Seen:
    """One request as the server got it."""

    path: str
    params: dict[str, str]
    headers: dict[str, str]


@dataclass(frozen=True)
class Reply:
    """What to answer; ``declared`` is a Content-Length other than the true one, ``hangs`` answers nothing at all."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    declared: int | None = None
    hangs: bool = False
    drips: bool = False


def as_json(value: Any, status: int = 200, **headers: str) -> Reply:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Reply(status, json.dumps(value).encode(), {"Content-Type": "application/json", **named})


HTML = Reply(200, b"<html><body>Please log in</body></html>", {"Content-Type": "text/html"})


class ScriptedService:
    """Answers queued replies first, then what ``answer`` says; remembers every request."""

    def __init__(self, answer: Callable[[Seen], Reply] | None = None) -> None:
        self.answer = answer or (lambda seen: as_json({"ok": True}))
        self.queued: list[Reply] = []
        self.requests: list[Seen] = []
        self._lock = threading.Lock()
        self._closing = threading.Event()

    def __enter__(self) -> "ScriptedService":
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                service._serve(self)

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
        return f"http://127.0.0.1:{self._server.server_port}"

    def then(self, *replies: Reply) -> None:
        self.queued.extend(replies)

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        seen = Seen(parts.path, dict(parse_qsl(parts.query, keep_blank_values=True)), dict(handler.headers))
        with self._lock:
            self.requests.append(seen)
            reply = self.queued.pop(0) if self.queued else None
        reply = reply or self.answer(seen)
        if reply.hangs:
            handler.close_connection = True
            self._closing.wait(60)
            return
        handler.send_response(reply.status)
        for name, value in reply.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(reply.body) if reply.declared is None else reply.declared))
        handler.end_headers()
        try:
            self._send_body(handler, reply)
        except OSError:
            handler.close_connection = True

    def _send_body(self, handler: BaseHTTPRequestHandler, reply: Reply) -> None:
        if not reply.drips:
            handler.wfile.write(reply.body)
        for at in range(len(reply.body) if reply.drips else 0):
            handler.wfile.write(reply.body[at : at + 1])
            if self._closing.wait(0.02):
                break
        if reply.declared is not None:
            handler.close_connection = True


def closed_port_url() -> str:
    """A URL on this machine where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"
