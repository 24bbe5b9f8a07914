"""What the race tests run in processes of their own."""

from pathlib import Path

from atmr_pipeline.domain.errors import PromotionRefusedError
from atmr_pipeline.promotion.registry import ModelRegistry
from atmr_pipeline.state.store import StateStore


def promote_in_rounds(
    url: str, schema: str, models_dir: Path, versions: list[str], rounds: int, barrier, results
) -> None:
    """Each round: read the champion's number together, then promote at once; say who won."""
    store = StateStore(url, schema=schema)
    registry = ModelRegistry(store, models_dir)
    for turn in range(rounds):
        barrier.wait()
        champion = registry.alias("delay")
        barrier.wait()
        mine = versions[turn % len(versions)]
        try:
            registry.promote(
                "delay",
                mine,
                expected_seq=champion.seq if champion else 0,
                actor=mine,
                reason="race",
                evidence={"turn": turn},
            )
            results.put((turn, mine))
        except PromotionRefusedError:
            results.put((turn, None))
    store.close()


def register_at_once(url: str, schema: str, models_dir: Path, directory: Path, barrier, results) -> None:
    store = StateStore(url, schema=schema)
    registry = ModelRegistry(store, models_dir)
    barrier.wait()
    results.put(registry.register("delay", directory, {}, training_fingerprint="f", metrics={}))
    store.close()
