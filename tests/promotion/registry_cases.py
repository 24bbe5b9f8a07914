"""Obviously fictional models, registered and promoted."""

from pathlib import Path

from atmr_pipeline.promotion.aliases import PREVIOUS
from atmr_pipeline.promotion.registry import ModelRegistry


def model_directory(folder: Path, content: str) -> Path:
    directory = folder / f"trained-{content}"
    (directory / "weights").mkdir(parents=True, exist_ok=True)
    (directory / "manifest.json").write_text(f'{{"name": "{content}"}}')
    (directory / "weights" / "net.safetensors").write_bytes(content.encode() * 100)
    return directory


def register(registry: ModelRegistry, folder: Path, content: str, kind: str = "delay") -> str:
    directory = model_directory(folder, content)
    fingerprint = f"fingerprint-{content}"
    return registry.register(kind, directory, {"n": 1}, training_fingerprint=fingerprint, metrics={"mae": 2.0})


def promote(registry: ModelRegistry, version_id: str, kind: str = "delay") -> int:
    champion = registry.alias(kind)
    seq = champion.seq if champion else 0
    state = registry.promote(kind, version_id, expected_seq=seq, actor="test", reason="better", evidence={"mae": 1.9})
    return state.seq


def aliases(registry: ModelRegistry) -> tuple[str | None, str | None]:
    states = (registry.alias("delay"), registry.alias("delay", PREVIOUS))
    return tuple(state.version_id if state else None for state in states)
