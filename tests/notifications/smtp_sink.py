"""A real SMTP server (RFC 5321) on this machine, with STARTTLS, login, and the failures that a test asks for."""

import base64
import datetime as dt
import ipaddress
import socketserver
import ssl
import threading
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Mail:
    """One mail that was taken."""

    sender: str
    receivers: tuple[str, ...]
    data: bytes
    was_encrypted: bool

    @property
    def message(self) -> EmailMessage:
        parsed = message_from_bytes(self.data, policy=policy.default)
        assert isinstance(parsed, EmailMessage)
        return parsed


@dataclass
class Behaviour:
    """How the server behaves.

    ``answers`` replaces the answer to a command (``"RCPT"``, or ``"END"`` for the end of the data); ``drops_at`` closes
    the connection instead; ``refuses`` are receivers answered 550.
    """

    answers: dict[str, str] = field(default_factory=dict)
    drops_at: str | None = None
    greets: bool = True
    offers_starttls: bool = False
    offers_login: bool = False
    speaks_tls_at_once: bool = False
    refuses: tuple[str, ...] = ()


class SmtpSink:
    """Takes mails; remembers them and every command."""

    def __init__(self, behaviour: Behaviour | None = None, *, tls: ssl.SSLContext | None = None) -> None:
        self.behaviour, self.tls = behaviour or Behaviour(), tls
        self.mails: list[Mail] = []
        self.commands: list[str] = []
        self.logins: list[str] = []
        self.closing = threading.Event()

    def __enter__(self) -> "SmtpSink":
        sink = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                try:
                    _Conversation(sink, self.request).run()
                except OSError:
                    # The client went away: that is its right.
                    return

        socketserver.ThreadingTCPServer.allow_reuse_address = True
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])


class _Conversation:
    def __init__(self, sink: SmtpSink, connection) -> None:
        self.sink, self.how, self.encrypted = sink, sink.behaviour, False
        self.sender, self.receivers = "", []
        self._use(connection)
        if self.how.speaks_tls_at_once:
            self._encrypt()

    def run(self) -> None:
        if not self.how.greets:
            self.sink.closing.wait(30)
            return
        self.say(self.how.answers.get("CONNECT", "220 sink.example ready"))
        while line := self.file.readline():
            text = line.decode("ascii").strip()
            verb = text.split(" ")[0].upper()
            self.sink.commands.append(verb)
            if verb == self.how.drops_at:
                return
            if verb == "QUIT":
                self.say("221 bye")
                return
            getattr(self, f"on_{verb.lower()}", self.on_other)(verb, text)
            if verb == "DATA" and self.how.drops_at == "END":
                return

    def on_other(self, verb: str, text: str) -> None:
        self.say(self.how.answers.get(verb, "502 not known"))

    def on_ehlo(self, verb: str, text: str) -> None:
        offers = ["sink.example", "SIZE 1000000"]
        offers += ["STARTTLS"] if self.how.offers_starttls and not self.encrypted else []
        offers += ["AUTH PLAIN"] if self.how.offers_login else []
        self.say(*[f"250-{offer}" for offer in offers[:-1]], f"250 {offers[-1]}")

    def on_starttls(self, verb: str, text: str) -> None:
        self.say(self.how.answers.get(verb, "220 go on"))
        if verb not in self.how.answers:
            self._encrypt()

    def on_auth(self, verb: str, text: str) -> None:
        if verb not in self.how.answers:
            self.sink.logins.append(base64.b64decode(text.split(" ")[2]).decode())
        self.say(self.how.answers.get(verb, "235 welcome"))

    def on_mail(self, verb: str, text: str) -> None:
        self.sender, self.receivers = text.split("<")[1].split(">")[0], []
        self.say(self.how.answers.get(verb, "250 ok"))

    def on_rcpt(self, verb: str, text: str) -> None:
        receiver = text.split("<")[1].split(">")[0]
        if receiver in self.how.refuses:
            self.say("550 nobody of this name")
            return
        self.receivers.append(receiver)
        self.say(self.how.answers.get(verb, "250 ok"))

    def on_rset(self, verb: str, text: str) -> None:
        self.say("250 ok")

    def on_data(self, verb: str, text: str) -> None:
        if verb in self.how.answers:
            self.say(self.how.answers[verb])
            return
        self.say("354 go on")
        lines = []
        while (line := self.file.readline()) not in (b".\r\n", b""):
            lines.append(line[1:] if line.startswith(b".") else line)
        if self.how.drops_at == "END":
            return
        answer = self.how.answers.get("END", "250 taken")
        if answer.startswith("250"):
            self.sink.mails.append(Mail(self.sender, tuple(self.receivers), b"".join(lines), self.encrypted))
        self.say(answer)

    def say(self, *lines: str) -> None:
        self.connection.sendall("".join(f"{line}\r\n" for line in lines).encode())

    def _use(self, connection) -> None:
        self.connection, self.file = connection, connection.makefile("rb")

    def _encrypt(self) -> None:
        assert self.sink.tls is not None
        self._use(self.sink.tls.wrap_socket(self.connection, server_side=True))
        self.encrypted = True


def tls_pair(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context with a certificate for 127.0.0.1, and a client's that trusts it; made anew for each test."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sink.example")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "sink.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    client = ssl.create_default_context(cadata=certificate.public_bytes(serialization.Encoding.PEM).decode())
    return server, client
