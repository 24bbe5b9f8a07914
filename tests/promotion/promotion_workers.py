"""What the race and crash tests run in processes of their own."""

import importlib
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from atmr_pipeline.domain.errors import ModelIntegrityError, PromotionRefusedError
from atmr_pipeline.promotion.registry import ModelRegistry
from atmr_pipeline.state.store import StateStore

WON, REFUSED = "won", "refused"


def race_on_command(barrier, pipe) -> None:
    """Until told to end: take a list of moves, make each at the same moment as the other process, say what came."""
    while (command := pipe.recv()) is not None:
        url, schema, models_dir, moves = command
        store = StateStore(url, schema=schema)
        registry = ModelRegistry(store, models_dir)
        pipe.send([_raced(registry, barrier, *move) for move in moves])
        store.close()


def _raced(registry: ModelRegistry, barrier, action: str, *arguments: Any) -> str:
    barrier.wait(timeout=60)
    champion, challenger = registry.alias("delay"), registry.alias("delay", "challenger")
    seen = champion.seq if champion else 0
    barrier.wait(timeout=60)
    said = {"actor": "racer", "reason": "race"}
    try:
        if action == "promote":
            # The champion itself would be no move.
            version = next(v for v in arguments if champion is None or v != champion.version_id)
            registry.promote("delay", version, expected_seq=seen, evidence={}, **said)
        elif action == "rollback":
            registry.rollback("delay", expected_seq=seen, **said)
        elif action == "point":
            version = next(v for v in arguments if challenger is None or v != challenger.version_id)
            seq = challenger.seq if challenger else 0
            registry.point("delay", "challenger", version, expected_seq=seq, **said)
        else:
            registry.delete(*arguments, **said)
    except (PromotionRefusedError, ModelIntegrityError):
        return REFUSED
    return WON


def register_at_once(url: str, schema: str, models_dir: Path, directory: Path, barrier, results) -> None:
    store = StateStore(url, schema=schema)
    registry = ModelRegistry(store, models_dir)
    barrier.wait()
    results.put(registry.register("delay", directory, {}, training_fingerprint="f", metrics={}))
    store.close()


def die_after(point: str, url: str, schema: str, models_dir: Path, act: str, argument: Any) -> None:
    """Register, promote or delete, and be killed the moment ``point`` was reached."""
    registry = ModelRegistry(StateStore(url, schema=schema), models_dir)
    said = {"actor": "victim", "reason": "crash"}
    acts: dict[str, Callable[[], Any]] = {
        "register": lambda: registry.register("delay", argument, {}, training_fingerprint="f", metrics={}),
        "promote": lambda: registry.promote("delay", argument, expected_seq=1, evidence={}, **said),
        "delete": lambda: registry.delete(argument, **said),
    }
    target, name = _place(point)
    reached = getattr(target, name)

    def then_die(*arguments: Any, **named: Any) -> None:
        reached(*arguments, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    with patch.object(target, name, then_die):
        acts[act]()


def _place(point: str) -> tuple[Any, str]:
    """The module (or a module that it imported) and the name in it."""
    *path, name = point.split(".")
    target = importlib.import_module(".".join(path[:3]))
    for part in path[3:]:
        target = getattr(target, part)
    return target, name
