"""Who is told: try the channels, and send again what was given up."""

import secrets
from typing import TYPE_CHECKING

import typer

from atmr_pipeline.cli.output import out, say
from atmr_pipeline.settings import load_settings

if TYPE_CHECKING:
    from atmr_pipeline.notifications.notification import Notification

notify_app = typer.Typer(no_args_is_help=True, help="Notifications.")


@notify_app.command("test")
def notify_test() -> None:
    """Send a test notification on every channel that is set, whatever its least severity, and say what came of it."""
    from atmr_pipeline.notifications.errors import NotifyError
    from atmr_pipeline.resources.notifiers import channels, ui_url

    settings = load_settings()
    targets = channels(settings)
    told = _test_notification(ui_url(settings))
    failed = 0
    for channel in targets:
        try:
            channel.notifier.send(told)
        except NotifyError as error:
            failed += 1
            say(f"failed: {error}", "red")
        else:
            out.print(f"{channel.name}: sent ({told.subject_id})", highlight=False)
    for name in sorted({"webhook", "smtp"} - {channel.name for channel in targets}):
        out.print(f"{name}: not set", highlight=False)
    if failed:
        raise typer.Exit(1)


@notify_app.command("resend")
def notify_resend() -> None:
    """Try again what was given up in the last 7 days, once its cause is mended; the daemon sends it."""
    from atmr_pipeline.resources.workspace import opened_state
    from atmr_pipeline.state.notifications import reopen

    with opened_state(load_settings()) as store:
        count = reopen(store)
    out.print(f"{count} notifications are tried again", highlight=False)


def _test_notification(ui: str) -> "Notification":
    from atmr_pipeline.notifications.notification import Notification
    from atmr_pipeline.notifications.texts import line
    from atmr_pipeline.state.types import utc_now

    now = utc_now()
    return Notification(
        # Another one each time: receivers that know the key would keep quiet about the second test.
        subject_id=f"test:{now:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}",
        kind="test",
        severity="info",
        title_fr="Essai des notifications",
        title_en="Test of the notifications",
        lines=(line("value", 1),),
        link=ui,
        occurred_at=now,
    )
