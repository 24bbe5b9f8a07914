"""Processes killed in the middle, and files that the disk or a person damaged: nothing half is ever served."""

import logging
import multiprocessing
import signal

import pytest
from promotion_workers import die_after
from registry_cases import aliases, model_directory, promote, register

from atmr_pipeline.domain.errors import ModelIntegrityError
from atmr_pipeline.promotion.files import store_directory
from atmr_pipeline.promotion.registry import ModelRegistry


def killed(registry: ModelRegistry, point: str, act: str, argument) -> None:
    """Run ``act`` in a process that is killed as soon as ``point`` was reached."""
    url = registry.store.url.render_as_string(hide_password=False)
    arguments = (f"atmr_pipeline.promotion.{point}", url, registry.store.schema, registry.models_dir, act, argument)
    process = multiprocessing.get_context("spawn").Process(target=die_after, args=arguments)
    process.start()
    process.join(timeout=120)
    assert process.exitcode == -signal.SIGKILL


def intact(registry: ModelRegistry) -> list[str]:
    versions = registry.list_versions("delay")
    return [registry.path(version.version_id).name for version in versions]


@pytest.mark.parametrize(
    ("point", "left"),
    [("files._sync_tree", ".tmp-"), ("registry.store_directory", ""), ("registry.write_version", "")],
    ids=["while_copying", "between_files_and_row", "before_the_row_is_committed"],
)
def test_killed_while_registering_nothing_is_known_and_the_next_registration_ends_well(registry, tmp_path, point, left):
    directory = model_directory(tmp_path, "a")
    killed(registry, point, "register", directory)
    (orphan,) = (registry.models_dir / "delay").iterdir()
    assert orphan.name.startswith(left)
    assert registry.list_versions("delay") == registry.history("delay") == []
    assert registry.champion_path("delay") is None
    version = register(registry, tmp_path, "a")
    assert intact(registry) == [version]
    assert promote(registry, version) == 1


def test_killed_between_row_and_alias_the_champion_stays_and_the_version_is_found_again(registry, tmp_path):
    a = register(registry, tmp_path, "a")
    promote(registry, a)
    killed(registry, "registry.append_event", "register", model_directory(tmp_path, "b"))
    assert intact(registry) == [a], "killed within the transaction: no row"
    b = register(registry, tmp_path, "b")
    killed(registry, "registry.verified_path", "promote", b)
    assert aliases(registry) == (a, None)
    assert registry.find_by_fingerprint("delay", "fingerprint-b") == b
    assert promote(registry, b) == 2


@pytest.mark.parametrize("point", ["champion.swap_alias", "champion.set_previous", "champion.append_event"])
def test_killed_within_a_promotion_nothing_moved_and_the_next_one_is_not_blocked(registry, tmp_path, point):
    a, b = (register(registry, tmp_path, name) for name in "ab")
    promote(registry, a)
    lines = len(registry.history("delay"))
    killed(registry, point, "promote", b)
    assert aliases(registry) == (a, None)
    assert len(registry.history("delay")) == lines
    assert promote(registry, b) == 2
    assert aliases(registry) == (b, a)


def test_killed_while_deleting_the_version_is_there_or_gone_and_can_be_registered_again(registry, tmp_path):
    a = register(registry, tmp_path, "a")
    killed(registry, "deletion.append_event", "delete", a)
    assert intact(registry) == [a]
    killed(registry, "deletion.hide", "delete", a)
    with pytest.raises(ModelIntegrityError, match="missing"):
        registry.path(a)
    assert register(registry, tmp_path, "a") == a
    assert intact(registry) == [a]
    killed(registry, "deletion.shutil.rmtree", "delete", a)
    assert registry.list_versions("delay") == []
    assert register(registry, tmp_path, "a") == a
    assert intact(registry) == [a]


def damage(registry: ModelRegistry, version: str, how: str) -> None:
    file = registry.models_dir / "delay" / version / "weights" / "net.safetensors"
    data = file.read_bytes()
    if how == "corrupted":
        file.write_bytes(bytes([data[0] ^ 1]) + data[1:])
    elif how == "truncated":
        file.write_bytes(data[:-1])
    elif how == "file_missing":
        file.unlink()
    elif how == "file_added":
        (file.parent / "more.json").write_text("{}")
    else:
        (registry.models_dir / "delay" / version).rename(registry.models_dir / "lost")


DAMAGES = ["corrupted", "truncated", "file_missing", "file_added", "folder_missing"]


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_champion_is_not_served_but_loudly_the_previous_one(registry, tmp_path, caplog, how):
    a, b = (register(registry, tmp_path, name) for name in "ab")
    promote(registry, a), promote(registry, b)
    damage(registry, b, how)
    with caplog.at_level(logging.ERROR):
        served = [registry.champion_path("delay") for _ in range(3)]
    assert {(model.version_id, model.is_fallback) for model in served} == {(a, True)}
    told = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(told) == 3
    assert all(version in record.getMessage() for record in told for version in (a, b))
    (event,) = [event for event in registry.history("delay") if event.action == "fell_back"]
    assert (event.from_version, event.to_version, event.seq) == (b, a, 2)
    assert aliases(registry) == (b, a)


@pytest.mark.parametrize("how", DAMAGES)
def test_with_nothing_intact_serving_fails_and_names_both(registry, tmp_path, how):
    a, b = (register(registry, tmp_path, name) for name in "ab")
    promote(registry, a)
    damage(registry, a, how)
    with pytest.raises(ModelIntegrityError, match=f"{a}.*no previous version"):
        registry.champion_path("delay")
    assert register(registry, tmp_path, "a") == a
    assert registry.champion_path("delay").version_id == a
    promote(registry, b)
    (registry.path(a) / "manifest.json").unlink()
    if how == "folder_missing":
        (registry.models_dir / "lost").rename(registry.models_dir / "lost before")
    damage(registry, b, how)
    with pytest.raises(ModelIntegrityError, match=f"{b}.*nor can the previous.*{a}"):
        registry.champion_path("delay")
    assert "fell_back" not in {event.action for event in registry.history("delay")}


def test_registering_what_another_process_deletes_meanwhile_keeps_the_files(registry, tmp_path, monkeypatch):
    version = register(registry, tmp_path, "a")
    stored = []

    def delete_after_the_first(*arguments):
        store_directory(*arguments)
        if not stored:
            stored.append(version)
            registry.delete(version, actor="test", reason="tidy")

    monkeypatch.setattr("atmr_pipeline.promotion.registry.store_directory", delete_after_the_first)
    assert register(registry, tmp_path, "a") == version
    assert intact(registry) == [version]
    assert [event.action for event in registry.history("delay")] == ["registered", "deleted", "registered"]
