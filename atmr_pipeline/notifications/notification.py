"""What a person is told: one notification, in French and English, the same for every channel."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

SEVERITIES = ("info", "warning", "critical")
DOCUMENT_VERSION = 1
SUBJECT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+-]{0,127}")
"""Safe as an HTTP header, and as long as the column ``notification.subject_id``."""


def subject_id(*parts: str) -> str:
    """An id of its parts: readable, or hashed where it would be too long or hold other characters.

    The same parts always give the same id.
    """
    text = ":".join(parts)
    if SUBJECT_ID.fullmatch(text):
        return text
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


@dataclass(frozen=True)
class Line:
    """One thing that changed.

    Parameters
    ----------
    name : str
        Name for machines, with its unit (``shift_min``); once a notification.
    value : int, float, str, bool, tuple or None
        A number, a code, or a tuple of codes. None is unknown.
    fr, en : str
        The same for people, one line each.
    """

    name: str
    value: int | float | str | bool | tuple[str, ...] | None
    fr: str
    en: str


@dataclass(frozen=True)
class Notification:
    """What is told, whatever the channel.

    Parameters
    ----------
    subject_id : str
        Stable: the same subject gives the same id, so that it is told once. 128 letters, digits and ``._:+-`` at most.
    kind : str
        What happened, for instance ``drift_opened``.
    severity : str
        ``info``, ``warning`` or ``critical``.
    title_fr, title_en : str
        One line.
    lines : sequence of Line
        What changed: numbers and codes only.
    link : str
        Where to look in the UI.
    occurred_at : datetime
        Aware.

    Raises
    ------
    ValueError
        If a text has a line break or another control character, the severity is unknown, a line's name is used twice,
        or the instant is naive.
    """

    subject_id: str
    kind: str
    severity: str
    title_fr: str
    title_en: str
    lines: Sequence[Line]
    link: str
    occurred_at: datetime

    def __post_init__(self) -> None:
        if not SUBJECT_ID.fullmatch(self.subject_id):
            raise ValueError("a subject id is 1 to 128 letters, digits and ._:+-")
        if self.severity not in SEVERITIES:
            raise ValueError(f"a severity is one of {', '.join(SEVERITIES)}")
        if self.occurred_at.tzinfo is None:
            raise ValueError("a notification without a time zone cannot be placed")
        texts = [self.kind, self.title_fr, self.title_en, self.link]
        texts += [text for line in self.lines for text in (line.name, line.fr, line.en)]
        if not all(text.isprintable() for text in texts):
            raise ValueError("a notification's texts are single lines without control characters")
        if len({line.name for line in self.lines}) != len(self.lines):
            raise ValueError("a notification's lines have different names")

    def is_at_least(self, severity: str) -> bool:
        """Whether it is as severe as this, or more."""
        return SEVERITIES.index(self.severity) >= SEVERITIES.index(severity)

    def to_document(self) -> dict[str, Any]:
        """JSON values: what the webhook sends and the alert file keeps."""
        return {
            "version": DOCUMENT_VERSION,
            "subject_id": self.subject_id,
            "kind": self.kind,
            "severity": self.severity,
            "occurred_at": self.occurred_at.astimezone(UTC).isoformat(timespec="seconds"),
            "title": {"fr": self.title_fr, "en": self.title_en},
            "lines": {"fr": [line.fr for line in self.lines], "en": [line.en for line in self.lines]},
            "facts": {
                line.name: list(line.value) if isinstance(line.value, tuple) else line.value for line in self.lines
            },
            "link": self.link,
        }


class Notifier(Protocol):
    """Anything that can deliver a notification."""

    def send(self, notification: Notification) -> None:
        """Deliver it, or say why not.

        Raises
        ------
        TemporaryNotifyError
            If the same may pass later.
        PermanentNotifyError
            If it will not pass by itself.
        """
        ...
