"""The asset of the risk alerts: the threshold of the model that answered, or the company's, which is then said."""

from pathlib import Path

import pandas as pd
import pytest

from atmr_pipeline.assets.risk_alerts import (
    delay_risk_alerts,
    delay_risk_alerts_accounted,
    delay_risk_alerts_readable,
)
from atmr_pipeline.domain.wallclock import ALL_DAYS
from atmr_pipeline.resources.workspace import Workspace
from atmr_pipeline.state.alerts import read_alerts, read_suppressed


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("ATMR_HOME", str(tmp_path))
    return Workspace()


def model(workspace: Workspace, folder: Path, metrics: dict) -> str:
    """A registered version whose files do not matter here."""
    files = folder / f"files{len(list(folder.glob('files*')))}"
    files.mkdir()
    (files / "manifest.json").write_text(repr(metrics))
    return workspace.registry.register("delay", files, {}, training_fingerprint=repr(metrics), metrics=metrics)


def predictions(version: str, **changes: object) -> pd.DataFrame:
    columns = {
        "assignment_id": [1, 2, 3, 4], "booking_id": [101, 102, 103, 104],
        "driver_id": pd.array([5, 5, 6, None], dtype="Int64"), "service_day": pd.Timestamp("2026-03-02"),
        "model_version": version, "decided_at": pd.Timestamp("2026-03-01T12:00Z"),
        "expected_delay_min": [12.0, 6.5, 3.0, -1.0], "low_min": -4.0, "high_min": 20.0,
        "p_late": [0.85, 0.5, 0.2, 0.02],
    }  # fmt: skip
    return pd.DataFrame({**columns, **changes})


def materialise(workspace: Workspace, frame: pd.DataFrame, gains: dict[int, float] | None = None):
    gains = gains or {}
    suggested = pd.DataFrame({"assignment_id": gains.keys(), "gain_min": gains.values()}, dtype="float64")
    result = delay_risk_alerts(workspace=workspace, delay_predictions=frame, driver_suggestions=suggested)
    workspace.tables.write_value("delay_risk_alerts", result.value)
    return result


def test_a_suggested_driver_is_advised(workspace: Workspace, tmp_path: Path) -> None:
    version = model(workspace, tmp_path, {"alerts": {"threshold": 0.43, "reason": None}})
    result = materialise(workspace, predictions(version, slack_min=[4.0, None, 9.0, 9.0]), {2: 3.5})
    assert result.value["by_advice"]["other_driver"] == 1
    assert result.value["advice_unknown"] == {"slack_min": 1, "gain_min": 1}


def test_the_threshold_stored_with_the_model_is_used_and_kept(workspace: Workspace, tmp_path: Path) -> None:
    version = model(workspace, tmp_path, {"alerts": {"threshold": 0.43, "reason": None}})
    result = materialise(workspace, predictions(version, slack_min=[4.0, None, 9.0, 9.0]))
    assert result.value["thresholds"] == {version: {"threshold": 0.43, "source": "model", "reason": None}}
    assert result.value["alerts"] == {"impossible": 1, "critical": 1}
    assert result.value["suppressed"] == {"below_threshold": 2}
    assert result.value["by_advice"] == {"call_patient": 2, "leave_earlier": 1}
    assert result.value["advice_unknown"] == {"slack_min": 1, "gain_min": 2}
    alerts = read_alerts(workspace.state, *ALL_DAYS)
    assert alerts["threshold"].tolist() == [0.43, 0.43]
    assert alerts["threshold_source"].tolist() == ["model", "model"]
    assert alerts["advice"].iloc[0] == [
        {"code": "leave_earlier", "minutes": 4},
        {"code": "call_patient", "minutes": None},
    ]
    table = result.metadata["alerts"].value
    assert "| 1 | impossible | 0.85 | sent | leave_earlier, call_patient |" in table
    assert "| 3 |" not in table


@pytest.mark.parametrize(
    ("metrics", "reason"),
    [({"evaluation": {}}, "not_stored"), ({"alerts": {"threshold": None, "reason": "too_few_late"}}, "too_few_late")],
)
def test_where_the_model_has_no_threshold_the_company_high_stands_in_and_says_so(
    workspace: Workspace, tmp_path: Path, metrics: dict, reason: str
) -> None:
    version = model(workspace, tmp_path, metrics)
    result = materialise(workspace, predictions(version))
    assert result.value["thresholds"] == {version: {"threshold": 0.15, "source": "company", "reason": reason}}
    assert reason in result.metadata["threshold"].value
    assert result.value["alerts"] == {"impossible": 1, "critical": 1, "high": 1}
    assert set(read_alerts(workspace.state, *ALL_DAYS)["threshold_source"]) == {"company"}
    assert set(read_suppressed(workspace.state, *ALL_DAYS)["threshold_source"]) == {"company"}


def test_another_run_and_another_model_repeat_nothing(workspace: Workspace, tmp_path: Path) -> None:
    for metrics in ({"alerts": {"threshold": 0.43}}, {"alerts": {"threshold": 0.43}}, {"alerts": {"threshold": 0.4}}):
        last = materialise(workspace, predictions(model(workspace, tmp_path, metrics)))
    assert last.value["new"] == 0
    assert last.value["suppressed"] == {"below_threshold": 2, "not_escalated": 2}
    assert last.value["alerts"] == {"impossible": 1, "critical": 1}
    assert len(read_alerts(workspace.state, *ALL_DAYS)) == 2
    assert delay_risk_alerts_accounted(workspace).passed


def test_levels_and_limits_are_settings(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"HIGH": "0.1", "CRITICAL": "0.6", "IMPOSSIBLE": "0.9", "MAX_PER_HOUR": "1"}.items():
        monkeypatch.setenv(f"ATMR_ALERT_{name}", value)
    version = model(workspace, tmp_path, {})
    assert materialise(workspace, predictions(version)).value["alerts"] == {"high": 2, "critical": 1}
    worse = materialise(workspace, predictions(version, p_late=[0.95, 0.5, 0.2, 0.02]))
    assert worse.value["suppressed"] == {"below_threshold": 1, "not_escalated": 2, "hourly_cap": 1}


def test_nothing_ahead_is_nothing_told(workspace: Workspace, tmp_path: Path) -> None:
    result = materialise(workspace, predictions(model(workspace, tmp_path, {})).iloc[:0])
    assert (result.value["new"], result.value["scored"], result.value["alerts"]) == (0, 0, {})
    assert delay_risk_alerts_accounted(workspace).passed
    assert delay_risk_alerts_readable(workspace).passed


def test_too_many_alerts_warn_and_rows_that_vanish_fail(workspace: Workspace) -> None:
    value = {"alerts": {"high": 6}, "new": 6, "scored": 10, "suppressed": {"below_threshold": 3}}
    workspace.tables.write_value("delay_risk_alerts", value)
    assert not delay_risk_alerts_readable(workspace).passed
    assert not delay_risk_alerts_accounted(workspace).passed
