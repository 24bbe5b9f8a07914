"""What a person does to the aliases: no gate is judged, so who and why is the evidence."""

from atmr_pipeline.promotion.aliases import ANCHOR, CHAMPION, AliasState
from atmr_pipeline.promotion.answers import answer_alarms
from atmr_pipeline.promotion.registry import ModelRegistry

NOT_JUDGED = {"gates": "not judged: promoted by hand"}


def promote_by_hand(registry: ModelRegistry, kind: str, version_id: str, *, actor: str, reason: str) -> AliasState:
    """Make a registered version the champion, whatever the gates say; it answers the alarms that it has learned from.

    Raises
    ------
    PromotionRefusedError
        If the champion moved meanwhile, or no reason is given.
    ModelIntegrityError
        If the version is not registered, of another kind, or damaged.
    """
    state = registry.promote(
        kind, version_id, expected_seq=_seq(registry, kind), actor=actor, reason=reason, evidence=NOT_JUDGED
    )
    if kind == "delay":
        answer_alarms(registry, version_id)
    return state


def rollback_by_hand(registry: ModelRegistry, kind: str, *, actor: str, reason: str) -> AliasState:
    """Serve the previous champion again (PromotionRefusedError if there is none, or the champion moved meanwhile)."""
    return registry.rollback(kind, actor=actor, reason=reason, expected_seq=_seq(registry, kind))


def set_anchor_by_hand(registry: ModelRegistry, kind: str, version_id: str, *, actor: str, reason: str) -> AliasState:
    """Make a version the fixed point that challengers are compared with; see :meth:`ModelRegistry.point`."""
    return registry.point(kind, ANCHOR, version_id, actor=actor, reason=reason)


def _seq(registry: ModelRegistry, kind: str) -> int:
    champion = registry.alias(kind, CHAMPION)
    return champion.seq if champion else 0
