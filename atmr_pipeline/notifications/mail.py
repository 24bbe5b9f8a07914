"""Mail through a server of the operator's: encrypted unless it is on this machine, recognisable when sent again."""

import hashlib
import logging
import smtplib
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Literal

from atmr_pipeline.domain.errors import SettingsError
from atmr_pipeline.notifications.errors import NotifyError, PermanentNotifyError, TemporaryNotifyError
from atmr_pipeline.notifications.mail_text import LABELS, text_of
from atmr_pipeline.notifications.notification import Notification
from atmr_pipeline.notifications.webhook import is_loopback
from atmr_pipeline.state.types import utc_now

logger = logging.getLogger(__name__)

Security = Literal["starttls", "tls", "none"]
TIMEOUT_S = 8.0


class MailNotifier:
    """Sends each notification as one mail to all receivers, the text in French and in English.

    Parameters
    ----------
    host : str
    port : int
    security : str
        ``starttls`` or ``tls``: the certificate is checked, and a server that offers no encryption gets nothing.
        ``none`` only for a server on this machine.
    sender : str
        ``name@example.org`` or ``Name <name@example.org>``.
    receivers : sequence of str
        At least one, in the same form.
    user, password : str, optional
        Both or neither.
    timeout_s : float
        Longest wait for each answer of the server.
    tls : ssl.SSLContext, optional
        In place of the system's authorities.
    now : callable
        For tests.

    Raises
    ------
    SettingsError
        If an address cannot be used, a password is missing, or the connection would leave this machine in clear.
    """

    channel = "smtp"

    def __init__(
        self,
        host: str,
        port: int,
        security: Security,
        *,
        sender: str,
        receivers: Sequence[str],
        user: str | None = None,
        password: str | None = None,
        timeout_s: float = TIMEOUT_S,
        tls: ssl.SSLContext | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        if not host or not host.isascii() or not host.isprintable() or " " in host:
            raise SettingsError("ATMR_NOTIFY_SMTP_HOST: must be a host name or an address")
        if security == "none" and not is_loopback(host):
            raise SettingsError("ATMR_NOTIFY_SMTP_SECURITY: none is for a server on this machine only")
        if (user is None) != (password is None):
            raise SettingsError("ATMR_NOTIFY_SMTP_USER and ATMR_NOTIFY_SMTP_PASSWORD: set both or neither")
        if not (user or "").isascii() or not (password or "").isascii():
            # The library's error would quote it.
            raise SettingsError("ATMR_NOTIFY_SMTP_USER, ATMR_NOTIFY_SMTP_PASSWORD: must be ASCII to log in by SMTP")
        if not receivers:
            raise SettingsError("ATMR_NOTIFY_TO: names nobody")
        self._sender = _address(sender, "ATMR_NOTIFY_FROM")
        self._receivers = [_address(receiver, "ATMR_NOTIFY_TO") for receiver in receivers]
        self._host, self._port, self._security = host, port, security
        self._user, self._password, self._timeout_s = user, password, timeout_s
        self._tls, self._now = tls, now

    def __repr__(self) -> str:
        return f"MailNotifier({self._host}:{self._port}, {self._security}, {len(self._receivers)} receivers)"

    def message(self, notification: Notification) -> EmailMessage:
        """The mail: its ``Message-ID`` depends on the subject and the sender's domain alone."""
        mail = EmailMessage(policy=SMTP)
        mail["From"] = self._sender
        mail["To"] = self._receivers
        label = LABELS[notification.severity]
        mail["Subject"] = f"[ATMR {label.fr}] {notification.title_fr} / {notification.title_en}"
        mail["Date"] = format_datetime(self._now().astimezone(UTC))
        mail["Message-ID"] = message_id(notification.subject_id, self._sender.domain)
        mail["Auto-Submitted"] = "auto-generated"
        mail["X-Atmr-Subject-Id"] = notification.subject_id
        mail["X-Atmr-Severity"] = notification.severity
        mail["MIME-Version"] = "1.0"
        mail.make_mixed()
        for language in ("fr", "en"):
            part = EmailMessage(policy=SMTP)
            part.set_content(text_of(notification, language), charset="utf-8", disposition="inline")
            part["Content-Language"] = language
            mail.attach(part)
        return mail

    def send(self, notification: Notification) -> None:
        """Hand the mail to the server; a receiver that the server refuses while it takes others is logged as a count.

        Raises
        ------
        TemporaryNotifyError
            The server cannot be reached, breaks off, or answers 4xx.
        PermanentNotifyError
            It answers 5xx, offers no encryption or no login, or its certificate is not trusted.
        """
        try:
            mail = self.message(notification)
        except (MessageError, ValueError, UnicodeError):
            raise PermanentNotifyError(self.channel, "the mail cannot be written", kind="message") from None
        server: smtplib.SMTP | None = None
        try:
            server = self._connect()
            refused = server.send_message(mail)
        except (smtplib.SMTPException, OSError) as error:
            raise self._error_of(error) from None
        finally:
            if server is not None:
                # What happens to the farewell says nothing about the mail.
                with suppress(smtplib.SMTPException, OSError):
                    server.quit()
                server.close()
        if refused:
            logger.warning(
                "smtp: %s took %s for %d of %d receivers only",
                self._host,
                notification.subject_id,
                len(self._receivers) - len(refused),
                len(self._receivers),
            )

    def _connect(self) -> smtplib.SMTP:
        server: smtplib.SMTP
        if self._security == "tls":
            server = smtplib.SMTP_SSL(self._host, self._port, timeout=self._timeout_s, context=self._context())
        else:
            server = smtplib.SMTP(self._host, self._port, timeout=self._timeout_s)
        try:
            if self._security == "starttls":
                server.starttls(context=self._context())
            if self._user is not None and self._password is not None:
                server.login(self._user, self._password)
        except (smtplib.SMTPException, OSError):
            server.close()
            raise
        return server

    def _context(self) -> ssl.SSLContext:
        return self._tls or ssl.create_default_context()

    def _error_of(self, error: smtplib.SMTPException | OSError) -> NotifyError:
        # The server's own words may quote receivers or the login.
        where = f"{self._host}:{self._port}"
        if isinstance(error, smtplib.SMTPNotSupportedError):
            return PermanentNotifyError(
                self.channel,
                f"{where} does not offer the encryption or login that is set; nothing was sent",
                kind="not_offered",
            )
        if isinstance(error, ssl.SSLCertVerificationError):
            return PermanentNotifyError(self.channel, f"the certificate of {where} is not trusted", kind="certificate")
        code = _code_of(error)
        if code is not None:
            doing = _doing(error)
            if code >= 500:
                return PermanentNotifyError(self.channel, f"{where} refuses {doing} ({code})", kind=f"smtp_{code}")
            return TemporaryNotifyError(self.channel, f"{where} puts off {doing} ({code})", kind=f"smtp_{code}")
        return TemporaryNotifyError(
            self.channel, f"{where} cannot be reached or broke off ({type(error).__name__})", kind=_lost(error)
        )


def message_id(subject_id: str, domain: str) -> str:
    """The same subject from the same domain has the same id, so that a mail sent twice is recognised."""
    return f"<{hashlib.sha256(subject_id.encode()).hexdigest()[:32]}@{domain}>"


def _code_of(error: smtplib.SMTPException | OSError) -> int | None:
    """The answer's code; of several refused receivers the mildest, since one who may be reached later is worth it."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return min(code for code, _ in error.recipients.values())
    if isinstance(error, smtplib.SMTPResponseException):
        # Older servers and broken ones answer what is no code at all: smtplib says -1.
        return error.smtp_code if 400 <= error.smtp_code < 600 else None
    return None


def _lost(error: smtplib.SMTPException | OSError) -> str:
    # The library makes one error of a connection that was closed and of one that went silent.
    if isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError):
        return "timeout"
    return "broken_off" if isinstance(error, smtplib.SMTPServerDisconnected) else "unreachable"


def _doing(error: smtplib.SMTPException | OSError) -> str:
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return "the login"
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return "every receiver"
    if isinstance(error, smtplib.SMTPSenderRefused):
        return "the sender"
    return "the connection" if isinstance(error, smtplib.SMTPConnectError | smtplib.SMTPHeloError) else "the mail"


def _address(text: str, setting: str) -> Address:
    """The one address that a text holds; nothing in it can grow a second line of a header."""
    try:
        if not text.strip().isprintable():
            raise ValueError
        header = SMTP.header_factory("To", text.strip())
        (address,) = header.addresses
        if header.defects or not (address.username and address.domain) or not address.addr_spec.isascii():
            raise ValueError
    except (ValueError, IndexError, MessageError):
        raise SettingsError(f"{setting}: holds what is not an e-mail address (name@example.org)") from None
    return Address(display_name=address.display_name, addr_spec=address.addr_spec)
