"""The text of a mail, in one language."""

from dataclasses import dataclass
from typing import Literal
from zoneinfo import ZoneInfo

from atmr_pipeline.domain.vocabulary import LOCAL_TIMEZONE
from atmr_pipeline.notifications.notification import Notification

Language = Literal["fr", "en"]


@dataclass(frozen=True)
class Label:
    """One word in both languages."""

    fr: str
    en: str


LABELS = {
    "info": Label("info", "info"),
    "warning": Label("attention", "warning"),
    "critical": Label("critique", "critical"),
}
_WORDS = {
    "severity": Label("Gravité", "Severity"),
    "at": Label("Quand", "When"),
    "look": Label("Voir", "Look at"),
    "subject": Label("Référence", "Reference"),
}


def text_of(notification: Notification, language: Language) -> str:
    """Title, when, what changed, and where to look."""
    french = language == "fr"

    def word(label: Label) -> str:
        return label.fr if french else label.en

    at = notification.occurred_at.astimezone(ZoneInfo(LOCAL_TIMEZONE))
    colon = " :" if french else ":"
    lines = [
        notification.title_fr if french else notification.title_en,
        "",
        f"{word(_WORDS['severity'])}{colon} {word(LABELS[notification.severity])}",
        f"{word(_WORDS['at'])}{colon} {at:%Y-%m-%d %H:%M} ({LOCAL_TIMEZONE})",
        "",
        *(f"- {line.fr if french else line.en}" for line in notification.lines),
        "",
        f"{word(_WORDS['look'])}{colon} {notification.link}",
        f"{word(_WORDS['subject'])}{colon} {notification.subject_id}",
        "",
    ]
    return "\n".join(lines)
