"""What the tests of the outbox run in processes of their own."""

import os
import time
from pathlib import Path

from notification_examples import example

from atmr_pipeline.notifications.deliver import Channel, deliver
from atmr_pipeline.notifications.log_file import LogNotifier
from atmr_pipeline.notifications.notification import Notification
from atmr_pipeline.state.store import StateStore


class DiesAfterSending:
    """Delivers, then the process is gone before anybody can write that down."""

    def __init__(self, path: Path) -> None:
        self.file = LogNotifier(path)

    def send(self, notification: Notification) -> None:
        self.file.send(notification)
        os._exit(9)


class Slow(LogNotifier):
    """Takes long enough for the other processes to come while it sends."""

    def send(self, notification: Notification) -> None:
        time.sleep(0.15)
        super().send(notification)


def deliver_in_rounds(url: str, schema: str, path: str, rounds: int, barrier) -> None:
    """Each round the same new subject in every process at once."""
    store = StateStore(url, schema=schema)
    for number in range(rounds):
        barrier.wait()
        deliver(store, [example(f"drift:round{number}:opened")], [Channel("webhook", Slow(Path(path)))])
    store.close()


def deliver_and_die(url: str, schema: str, path: str) -> None:
    store = StateStore(url, schema=schema)
    deliver(store, [example()], [Channel("webhook", DiesAfterSending(Path(path)))])
