"""The challenger and the anchor: aliases that serve nothing, with the audit and the protection of the champion."""

import pytest
from registry_cases import promote, register

from atmr_pipeline.domain.errors import ModelIntegrityError, PromotionRefusedError
from atmr_pipeline.promotion.aliases import ANCHOR, CHALLENGER, append_event
from atmr_pipeline.promotion.registry import ModelRegistry

SAID = {"actor": "test", "reason": "a test"}


def named(registry: ModelRegistry) -> dict[str, str]:
    return {alias: state.version_id for alias, state in registry.aliases("delay").items()}


def events_of(registry: ModelRegistry, alias: str) -> list[tuple]:
    return [
        (event.action, event.from_version, event.to_version, event.seq)
        for event in registry.history("delay")
        if event.alias == alias
    ]


@pytest.mark.parametrize("alias", [CHALLENGER, ANCHOR])
def test_an_alias_is_pointed_moved_and_removed_with_an_audit_row_each(registry, tmp_path, alias):
    a, b = (register(registry, tmp_path, name) for name in "ab")
    assert registry.point("delay", alias, a, **SAID).seq == 1
    assert registry.point("delay", alias, a, **SAID).seq == 1
    assert registry.point("delay", alias, b, **SAID).seq == 2
    registry.unpoint("delay", alias, **SAID)
    registry.unpoint("delay", alias, **SAID)
    assert registry.aliases("delay") == {}
    # Numbers go on: whoever read number 1 before the removal is not taken for up to date.
    assert registry.point("delay", alias, a, **SAID).seq == 4
    assert events_of(registry, alias) == [
        ("pointed", None, a, 1),
        ("pointed", a, b, 2),
        ("unpointed", b, None, 3),
        ("pointed", None, a, 4),
    ]
    assert registry.alias("policy", alias) is None


def test_a_stale_number_is_refused_and_changes_nothing(registry, tmp_path):
    a, b = (register(registry, tmp_path, name) for name in "ab")
    registry.point("delay", CHALLENGER, a, expected_seq=0, **SAID)
    for stale in (0, 2):
        with pytest.raises(PromotionRefusedError, match="challenger moved meanwhile"):
            registry.point("delay", CHALLENGER, b, expected_seq=stale, **SAID)
        with pytest.raises(PromotionRefusedError, match="challenger moved meanwhile"):
            registry.unpoint("delay", CHALLENGER, expected_seq=stale, **SAID)
    assert named(registry) == {CHALLENGER: a}
    assert len(events_of(registry, CHALLENGER)) == 1
    registry.point("delay", CHALLENGER, b, expected_seq=1, **SAID)
    registry.unpoint("delay", CHALLENGER, expected_seq=2, **SAID)


def test_what_serves_is_moved_by_promotion_only(registry, tmp_path):
    a = register(registry, tmp_path, "a")
    for alias in ("champion", "previous", "favourite"):
        with pytest.raises(ValueError, match="promote and rollback"):
            registry.point("delay", alias, a, **SAID)
        with pytest.raises(ValueError, match="promote and rollback"):
            registry.unpoint("delay", alias, **SAID)
    assert registry.aliases("delay") == {}


def test_only_intact_versions_of_the_kind_can_be_pointed_at(registry, tmp_path):
    policy, damaged = register(registry, tmp_path, "p", kind="policy"), register(registry, tmp_path, "d")
    (registry.path(damaged) / "manifest.json").write_text("{}")
    for version, told in ((policy, "is a policy model"), (damaged, "altered"), ("0" * 16, "no model version")):
        with pytest.raises(ModelIntegrityError, match=told):
            registry.point("delay", ANCHOR, version, **SAID)
    assert registry.aliases("delay") == {}


def test_the_first_promotion_sets_the_anchor_and_later_ones_leave_it(registry, tmp_path):
    a, b, c = (register(registry, tmp_path, name) for name in "abc")
    promote(registry, a)
    promote(registry, b)
    assert named(registry) == {"anchor": a, "champion": b, "previous": a}
    registry.point("delay", ANCHOR, b, **SAID)
    promote(registry, c)
    assert named(registry)[ANCHOR] == b
    registry.unpoint("delay", ANCHOR, **SAID)
    promote(registry, a)
    assert ANCHOR not in named(registry), "who removed the anchor by hand does not get it back"
    assert registry.alias("policy", ANCHOR) is None


def test_a_home_from_before_there_was_an_anchor_anchors_the_champion_that_it_had(registry, tmp_path, monkeypatch):
    a, b = (register(registry, tmp_path, name) for name in "ab")
    with monkeypatch.context() as patch:
        patch.setattr("atmr_pipeline.promotion.champion.anchor_first", lambda *_, **__: None)
        promote(registry, a)
    assert ANCHOR not in named(registry)
    promote(registry, b)
    assert named(registry)[ANCHOR] == a


def test_anchor_and_champion_are_one_transaction(registry, tmp_path, monkeypatch):
    a = register(registry, tmp_path, "a")

    def fail_after(connection, event):
        append_event(connection, event)
        raise RuntimeError("disk full")

    monkeypatch.setattr("atmr_pipeline.promotion.champion.append_event", fail_after)
    with pytest.raises(RuntimeError, match="disk full"):
        promote(registry, a)
    assert registry.aliases("delay") == {}
    assert [event.action for event in registry.history("delay")] == ["registered"]


def test_a_challenger_that_becomes_the_champion_is_no_challenger_any_more(registry, tmp_path):
    a, b, c = (register(registry, tmp_path, name) for name in "abc")
    promote(registry, a)
    with pytest.raises(PromotionRefusedError, match="its own challenger"):
        registry.point("delay", CHALLENGER, a, **SAID)
    registry.point("delay", CHALLENGER, b, **SAID)
    promote(registry, c)
    assert named(registry)[CHALLENGER] == b, "another version's promotion leaves the challenger"
    promote(registry, b)
    assert CHALLENGER not in named(registry)
    registry.point("delay", CHALLENGER, c, **SAID)
    registry.rollback("delay", **SAID)
    assert named(registry) == {"anchor": a, "champion": c, "previous": a}
    assert [event[0] for event in events_of(registry, CHALLENGER)] == ["pointed", "unpointed"] * 2


def test_versions_under_any_alias_cannot_be_deleted(registry, tmp_path):
    a, b, c, d = (register(registry, tmp_path, name) for name in "abcd")
    for version in (a, b, c):
        promote(registry, version)
    registry.point("delay", CHALLENGER, d, **SAID)
    for version, alias in ((a, "anchor"), (b, "previous"), (c, "champion"), (d, "challenger")):
        with pytest.raises(PromotionRefusedError, match=f"is the {alias}"):
            registry.delete(version, **SAID)
        assert registry.path(version).is_dir()
    registry.unpoint("delay", CHALLENGER, **SAID)
    registry.delete(d, **SAID)
    assert [version.version_id for version in registry.list_versions("delay")] == [a, b, c]


def test_everything_by_hand_needs_a_reason(registry, tmp_path):
    a = register(registry, tmp_path, "a")
    nobody = {"actor": "test", "reason": " \n"}
    acts = [
        lambda: registry.promote("delay", a, expected_seq=0, evidence={}, **nobody),
        lambda: registry.rollback("delay", **nobody),
        lambda: registry.point("delay", ANCHOR, a, **nobody),
        lambda: registry.unpoint("delay", ANCHOR, **nobody),
        lambda: registry.delete(a, **nobody),
    ]
    for act in acts:
        with pytest.raises(PromotionRefusedError, match="a reason is needed"):
            act()
    assert len(registry.history("delay")) == 1
