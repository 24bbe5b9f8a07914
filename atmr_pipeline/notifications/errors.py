"""Why a notification was not delivered, told apart by whether another try can help.

A message names the channel, the host and what happened. It never holds an address of a webhook, a password, a receiver
or what the other side answered: these carry secrets, or quote what was sent.
"""

from atmr_pipeline.domain.errors import AtmrError


class NotifyError(AtmrError):
    """A notification was not delivered.

    Parameters
    ----------
    channel : str
        ``log``, ``webhook`` or ``smtp``.
    detail : str
        What happened, and what to do if a person can do something.
    kind : str
        Code for counts, 40 characters at most.
    """

    def __init__(self, channel: str, detail: str, *, kind: str) -> None:
        super().__init__(f"{channel}: {detail}")
        self.channel, self.kind = channel, kind


class TemporaryNotifyError(NotifyError):
    """The same notification may well pass later.

    Parameters
    ----------
    retry_after_s : float, optional
        What the other side asked for, seconds from now.
    """

    def __init__(self, channel: str, detail: str, *, kind: str, retry_after_s: float | None = None) -> None:
        super().__init__(channel, detail, kind=kind)
        self.retry_after_s = retry_after_s


class PermanentNotifyError(NotifyError):
    """Nothing changes by itself: a setting is wrong, or the other side does not want this."""
