"""A home belongs to one source; what moved at the source stands once; what was rolled back stays out."""

from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest

from atmr_pipeline.domain.errors import SettingsError
from atmr_pipeline.jobs.pipeline import bind_to_source
from atmr_pipeline.promotion.rollbacks import hold_until, rolled_back_because
from atmr_pipeline.resources.tables import Tables
from atmr_pipeline.resources.workspace import Workspace
from atmr_pipeline.settings import load_settings


def _runs(*rows: tuple[int, str]) -> pd.DataFrame:
    days = pd.to_datetime([day for _, day in rows]).astype("datetime64[us]")
    unknown = pd.Series([pd.NaT] * len(rows), dtype="datetime64[us, UTC]")
    return pd.DataFrame(
        {
            "dispatch_run_id": [identifier for identifier, _ in rows],
            "company_id": 1,
            "service_day": days,
            "status": "PENDING",
            "started_at": unknown,
            "completed_at": unknown,
        }
    )


def test_a_row_that_moved_to_another_day_leaves_the_day_it_stood_on(tmp_path: Path) -> None:
    tables = Tables(tmp_path)
    both = [date(2026, 3, 2), date(2026, 3, 20)]
    tables.write_days("dispatch_runs", _runs((1, "2026-03-02"), (2, "2026-03-02"), (3, "2026-03-20")), both)
    tables.write_days("dispatch_runs", _runs((1, "2026-03-20"), (3, "2026-03-20")), [date(2026, 3, 20)])
    back = tables.read("dispatch_runs").set_index("dispatch_run_id")["service_day"]
    assert {key: day.day for key, day in back.items()} == {1: 20, 2: 2, 3: 20}
    assert tables.days("dispatch_runs") == both


def test_private_tables_are_for_their_owner_only(tmp_path: Path) -> None:
    tables = Tables(tmp_path / "private", mode=0o600)
    tables.write("workbook_addresses", pd.DataFrame({"address_key": ["a"], "address_text": ["Rue Fictive 1"]}))
    path = tmp_path / "private" / "workbook_addresses" / "table.parquet"
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0


def test_a_home_refuses_another_source_and_another_hash_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATMR_HOME", str(tmp_path))
    bind_to_source(load_settings(), Workspace())
    bind_to_source(load_settings(), Workspace())
    monkeypatch.setenv("ATMR_HASH_KEY", "quite-another-secret-key")
    with pytest.raises(SettingsError, match="another source"):
        bind_to_source(load_settings(), Workspace())


def test_a_version_that_a_person_rolled_back_is_not_promoted_again_by_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATMR_HOME", str(tmp_path))
    workspace = Workspace()
    versions = [_registered(workspace, tmp_path, text) for text in ("first", "second")]
    for seq, version in enumerate(versions):
        workspace.registry.promote("delay", version, expected_seq=seq, actor="test", reason="passed", evidence={})
    assert rolled_back_because(workspace.registry.history("delay"), versions[1]) is None
    assert hold_until(workspace.registry.history("delay"), 7) is None
    workspace.registry.rollback("delay", actor="person", reason="misbehaves")
    at = workspace.registry.history("delay")[-1].at
    assert at is not None
    assert hold_until(workspace.registry.history("delay"), 7) == at + timedelta(days=7)
    assert rolled_back_because(workspace.registry.history("delay"), versions[1]) == "misbehaves"
    assert rolled_back_because(workspace.registry.history("delay"), versions[0]) is None
    state = workspace.registry.alias("delay")
    assert state is not None
    workspace.registry.promote(
        "delay", versions[1], expected_seq=state.seq, actor="person", reason="again", evidence={}
    )
    assert hold_until(workspace.registry.history("delay"), 7) is None
    assert rolled_back_because(workspace.registry.history("delay"), versions[1]) is None


def _registered(workspace: Workspace, folder: Path, text: str) -> str:
    directory = folder / f"model-{text}"
    directory.mkdir()
    (directory / "manifest.json").write_text(f'{{"name": "{text}"}}')
    return workspace.registry.register("delay", directory, {}, training_fingerprint=text, metrics={})
