"""The channel that is always there: one line of JSON in a file of the home, and one in the process's log."""

import json
import logging
import os
from pathlib import Path

from atmr_pipeline.notifications.errors import TemporaryNotifyError
from atmr_pipeline.notifications.notification import Notification
from atmr_pipeline.state.types import utc_now

logger = logging.getLogger(__name__)

LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "critical": logging.CRITICAL}
FILE_MODE = 0o640


class LogNotifier:
    """Appends to a file of JSON lines; several processes may append at once.

    Parameters
    ----------
    path : Path
        Made with its folder where it is missing.
    """

    channel = "log"

    def __init__(self, path: Path) -> None:
        self.path = Path(path)

    def __repr__(self) -> str:
        return f"LogNotifier({self.path})"

    def send(self, notification: Notification) -> None:
        """Append one line: the document and the time of writing.

        Raises
        ------
        TemporaryNotifyError
            If the file cannot be written.
        """
        written = {"at": utc_now().isoformat(timespec="seconds"), **notification.to_document()}
        line = json.dumps(written, ensure_ascii=False) + "\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._append(line.encode())
        except OSError as error:
            raise TemporaryNotifyError(
                self.channel, f"{self.path.name} cannot be written ({error.strerror})", kind="file"
            ) from None
        logger.log(LEVELS[notification.severity], "%s (%s)", notification.title_en, notification.subject_id)

    def _append(self, line: bytes) -> None:
        # One write in append mode: lines of several processes never mix. A line cut by a full disk is ended before the
        # next one, so that it damages none but itself.
        descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        try:
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                line = b"\n" + line
            if os.write(descriptor, line) != len(line):
                raise OSError(28, "No space left on device")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
