"""The channels of a home, made of its settings."""

from importlib.metadata import version
from typing import TYPE_CHECKING

from atmr_pipeline.domain.errors import SettingsError
from atmr_pipeline.settings import Settings

if TYPE_CHECKING:
    from atmr_pipeline.notifications.deliver import Channel

ALERTS_FILE = "alerts.jsonl"


def channels(settings: Settings) -> "list[Channel]":
    """The alert file, which gets everything, then what the settings name, from their severity on.

    Raises
    ------
    SettingsError
        If a setting cannot be used; the message never repeats a value that is secret.
    """
    found, problem = usable_channels(settings)
    if problem is not None:
        raise problem
    return found


def usable_channels(settings: Settings) -> "tuple[list[Channel], SettingsError | None]":
    """The channels that can be made, the alert file always, and what is wrong with the first that cannot.

    For sensors: a mistake in one channel's settings must not silence the others; say it after they were served.
    """
    from atmr_pipeline.notifications.deliver import LOG_CHANNEL, Channel
    from atmr_pipeline.notifications.log_file import LogNotifier

    found = [Channel(LOG_CHANNEL, LogNotifier(settings.root / ALERTS_FILE))]
    problem = None
    for make in (_webhook, _mail):
        try:
            channel = make(settings)
        except SettingsError as error:
            problem = problem or error
        else:
            found += [channel] if channel is not None else []
    return found, problem


def ui_url(settings: Settings) -> str:
    """Where readers of a notification reach the UI."""
    return (settings.ui_url or f"http://127.0.0.1:{settings.ui_port}").rstrip("/")


def _webhook(settings: Settings) -> "Channel | None":
    if settings.notify_webhook_url is None:
        return None
    from atmr_pipeline.notifications.deliver import Channel
    from atmr_pipeline.notifications.webhook import WebhookNotifier

    secret = settings.notify_webhook_secret
    webhook = WebhookNotifier(
        settings.notify_webhook_url.get_secret_value(),
        user_agent=f"atmr-pipeline/{version('atmr-pipeline')}",
        secret=secret.get_secret_value() if secret else None,
    )
    return Channel(webhook.channel, webhook, settings.notify_severity)


def _mail(settings: Settings) -> "Channel | None":
    if not settings.notify_smtp_host:
        return None
    from atmr_pipeline.notifications.deliver import Channel
    from atmr_pipeline.notifications.mail import MailNotifier

    password = settings.notify_smtp_password
    mail = MailNotifier(
        settings.notify_smtp_host,
        settings.notify_smtp_port,
        settings.notify_smtp_security,
        sender=settings.notify_from or "",
        receivers=[receiver for receiver in settings.notify_to.split(",") if receiver.strip()],
        user=settings.notify_smtp_user,
        password=password.get_secret_value() if password else None,
    )
    return Channel(mail.channel, mail, settings.notify_severity)
