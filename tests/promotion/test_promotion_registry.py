import logging

import pytest
import sqlalchemy as sa
from registry_cases import aliases, model_directory, promote, register

from atmr_pipeline.domain.errors import ModelIntegrityError, PromotionRefusedError
from atmr_pipeline.promotion.aliases import append_event
from atmr_pipeline.promotion.files import content_hash
from atmr_pipeline.state.schema import model_version


def test_registration_is_content_addressed_and_idempotent(registry, tmp_path):
    first = register(registry, tmp_path, "a")
    path = registry.path(first)
    written = (path / "weights" / "net.safetensors").stat()
    again = registry.register(
        "delay", model_directory(tmp_path / "other", "a"), {}, training_fingerprint="fingerprint-a", metrics={}
    )
    assert again == first
    assert (path / "weights" / "net.safetensors").stat() == written
    assert path == tmp_path / "models" / "delay" / first
    assert [event.action for event in registry.history("delay")] == ["registered"]
    assert registry.get(first).metrics == {"mae": 2.0}
    assert register(registry, tmp_path, "b") != first
    assert register(registry, tmp_path, "a", kind="policy") != first
    assert [version.kind for version in registry.list_versions("policy")] == ["policy"]


def test_the_hash_depends_on_names_and_on_where_bytes_belong(tmp_path):
    def hashed(name: str, files: dict[str, str]) -> str:
        directory = tmp_path / name
        directory.mkdir()
        for file, text in files.items():
            (directory / file).write_text(text)
        return content_hash("delay", directory)

    hashes = [
        hashed("one", {"a": "xy", "b": "z"}),
        hashed("two", {"a": "x", "b": "yz"}),
        hashed("three", {"a": "xy", "c": "z"}),
        hashed("four", {"a": "xyz"}),
    ]
    assert len(set(hashes)) == 4
    assert content_hash("policy", tmp_path / "one") != hashes[0]
    assert hashed("five", {"b": "z", "a": "xy"}) == hashes[0]


def test_a_fingerprint_finds_what_was_already_trained(registry, tmp_path):
    version = register(registry, tmp_path, "a")
    assert registry.find_by_fingerprint("delay", "fingerprint-a") == version
    assert registry.find_by_fingerprint("policy", "fingerprint-a") is None
    registry.register("delay", model_directory(tmp_path, "a"), {}, training_fingerprint="newer data", metrics={})
    assert registry.find_by_fingerprint("delay", "newer data") == version


def test_pickles_links_and_empty_directories_are_refused(registry, tmp_path):
    directory = model_directory(tmp_path, "a")
    (directory / "model.pkl").write_bytes(b"x")
    with pytest.raises(ModelIntegrityError, match="pickle"):
        registry.register("delay", directory, {}, training_fingerprint="f", metrics={})
    (directory / "model.pkl").unlink()
    (directory / "link").symlink_to("/etc/hostname")
    with pytest.raises(ModelIntegrityError, match="link"):
        registry.register("delay", directory, {}, training_fingerprint="f", metrics={})
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelIntegrityError, match="empty"):
        registry.register("delay", tmp_path / "empty", {}, training_fingerprint="f", metrics={})
    with pytest.raises(ModelIntegrityError, match="missing"):
        registry.register("delay", tmp_path / "nowhere", {}, training_fingerprint="f", metrics={})
    assert registry.list_versions("delay") == []


def test_a_crash_between_files_and_row_is_harmless(registry, tmp_path, monkeypatch):
    def crash(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("atmr_pipeline.promotion.registry.write_version", crash)
        with pytest.raises(KeyboardInterrupt):
            register(registry, tmp_path, "a")
    (orphan,) = (tmp_path / "models" / "delay").iterdir()
    assert registry.list_versions("delay") == []
    assert registry.champion_path("delay") is None
    assert register(registry, tmp_path, "a") == orphan.name
    assert registry.path(orphan.name) == orphan


def test_a_crash_while_copying_leaves_no_half_model(registry, tmp_path, monkeypatch):
    def crash(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("atmr_pipeline.promotion.files._sync_tree", crash)
        with pytest.raises(KeyboardInterrupt):
            register(registry, tmp_path, "a")
    # What a killed process leaves, which cannot clean up after itself.
    half = tmp_path / "models" / "delay" / ".tmp-killed"
    half.mkdir()
    (half / "manifest.json").write_text("{")
    version = register(registry, tmp_path, "a")
    assert sorted(path.name for path in half.parent.iterdir()) == [".tmp-killed", version]


def test_damaged_files_are_detected_and_repaired_by_registering_again(registry, tmp_path):
    version = register(registry, tmp_path, "a")
    path = registry.path(version)
    (path / "extra").write_text("")
    with pytest.raises(ModelIntegrityError, match="altered"):
        registry.path(version)
    with pytest.raises(ModelIntegrityError, match="altered"):
        promote(registry, version)
    assert registry.alias("delay") is None
    assert register(registry, tmp_path, "a") == version
    assert registry.path(version) == path
    assert not (path / "extra").exists()


def test_promotion_moves_the_champion_and_keeps_the_previous(registry, tmp_path):
    a, b = (register(registry, tmp_path, name) for name in "ab")
    assert aliases(registry) == (None, None)
    assert promote(registry, a) == 1
    assert aliases(registry) == (a, None)
    assert promote(registry, b) == 2
    assert aliases(registry) == (b, a)
    assert promote(registry, b) == 2
    assert aliases(registry) == (b, a)
    promotions = [event for event in registry.history("delay") if event.action == "promoted"]
    assert [(event.from_version, event.to_version, event.seq) for event in promotions] == [(None, a, 1), (a, b, 2)]
    assert promotions[-1].evidence == {"mae": 1.9}
    assert registry.alias("policy") is None


def test_a_stale_number_is_refused_and_changes_nothing(registry, tmp_path):
    a, b = (register(registry, tmp_path, name) for name in "ab")
    promote(registry, a)
    lines = len(registry.history("delay"))
    for stale in (0, 2):
        with pytest.raises(PromotionRefusedError, match="moved meanwhile"):
            registry.promote("delay", b, expected_seq=stale, actor="test", reason="late", evidence={})
    assert aliases(registry) == (a, None)
    assert len(registry.history("delay")) == lines


def test_alias_and_audit_row_are_one_transaction(registry, tmp_path, monkeypatch):
    a, b = (register(registry, tmp_path, name) for name in "ab")
    promote(registry, a)

    def fail_after(connection, event):
        append_event(connection, event)
        raise RuntimeError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr("atmr_pipeline.promotion.champion.append_event", fail_after)
        with pytest.raises(RuntimeError, match="disk full"):
            promote(registry, b)
    assert aliases(registry) == (a, None)
    assert registry.history("delay")[-1].to_version == a


def test_a_version_of_another_kind_or_unknown_is_refused(registry, tmp_path):
    policy = register(registry, tmp_path, "a", kind="policy")
    with pytest.raises(ModelIntegrityError, match="is a policy model"):
        promote(registry, policy, kind="delay")
    with pytest.raises(ModelIntegrityError, match="no model version"):
        promote(registry, "0" * 16)
    with pytest.raises(ValueError, match="kind must be"):
        registry.alias("weather")


def test_rollback_goes_back_step_by_step_and_never_to_what_was_left(registry, tmp_path):
    a, b, c = (register(registry, tmp_path, name) for name in "abc")
    with pytest.raises(PromotionRefusedError, match="no previous"):
        registry.rollback("delay", actor="test", reason="none")
    for version in (a, b, c):
        promote(registry, version)
    assert registry.rollback("delay", actor="test", reason="late pickups").seq == 4
    assert aliases(registry) == (b, a)
    registry.rollback("delay", actor="test", reason="still late")
    assert aliases(registry) == (a, None)
    with pytest.raises(PromotionRefusedError, match="no previous"):
        registry.rollback("delay", actor="test", reason="again")
    assert promote(registry, c) == 6
    assert aliases(registry) == (c, a)
    rolled = [event for event in registry.history("delay") if event.action == "rolled_back"]
    assert [(event.from_version, event.to_version) for event in rolled] == [(c, b), (b, a)]


def test_rollback_to_damaged_files_is_refused(registry, tmp_path):
    a, b = (register(registry, tmp_path, name) for name in "ab")
    promote(registry, a), promote(registry, b)
    (registry.path(a) / "manifest.json").unlink()
    with pytest.raises(ModelIntegrityError):
        registry.rollback("delay", actor="test", reason="x")
    assert aliases(registry) == (b, a)


def test_a_refusal_is_in_the_history(registry, tmp_path):
    a, b = (register(registry, tmp_path, name) for name in "ab")
    promote(registry, a)
    registry.refuse("delay", b, "coverage: 70 %", {"coverage": 0.7, "not_measured": float("nan")})
    last = registry.history("delay")[-1]
    assert (last.action, last.from_version, last.to_version) == ("refused", a, b)
    assert last.evidence == {"coverage": 0.7, "not_measured": None}
    assert aliases(registry) == (a, None)


@pytest.mark.parametrize("damage", ["altered", "missing"])
def test_a_damaged_champion_falls_back_loudly_and_is_told_once(registry, tmp_path, caplog, damage):
    a, b = (register(registry, tmp_path, name) for name in "ab")
    promote(registry, a), promote(registry, b)
    intact = registry.champion_path("delay")
    assert (intact.version_id, intact.is_fallback) == (b, False)
    file = intact.path / "weights" / "net.safetensors"
    if damage == "altered":
        file.write_bytes(file.read_bytes()[:-1] + b"?")
    else:
        intact.path.rename(tmp_path / "lost")
    with caplog.at_level(logging.ERROR):
        served = [registry.champion_path("delay") for _ in range(3)][-1]
    assert (served.version_id, served.is_fallback, served.path.is_dir()) == (a, True, True)
    assert damage in caplog.text
    assert [event.action for event in registry.history("delay")].count("fell_back") == 1
    assert aliases(registry) == (b, a)
    (registry.path(a) / "manifest.json").unlink()
    with pytest.raises(ModelIntegrityError):
        registry.champion_path("delay")


def test_a_damaged_first_champion_has_nothing_to_fall_back_on(registry, tmp_path):
    a = register(registry, tmp_path, "a")
    promote(registry, a)
    (registry.path(a) / "manifest.json").unlink()
    with pytest.raises(ModelIntegrityError, match="altered"):
        registry.champion_path("delay")


def test_only_a_version_without_alias_can_be_deleted(registry, tmp_path):
    a, b, c = (register(registry, tmp_path, name) for name in "abc")
    promote(registry, a), promote(registry, b)
    for version, alias in ((b, "champion"), (a, "previous")):
        with pytest.raises(PromotionRefusedError, match=alias):
            registry.delete(version, actor="test", reason="tidy")
        assert registry.path(version).is_dir()
    with pytest.raises(sa.exc.IntegrityError), registry.store.begin() as connection:
        connection.execute(sa.delete(model_version).where(model_version.c.version_id == b))
    registry.delete(c, actor="test", reason="tidy")
    assert not (tmp_path / "models" / "delay" / c).exists()
    assert registry.history("delay")[-1].action == "deleted"
    with pytest.raises(ModelIntegrityError):
        registry.path(c)
