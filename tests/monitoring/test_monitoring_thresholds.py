"""Windows from the environment: read in any order, refused with the variable's name."""

import pytest

from atmr_pipeline.domain.errors import SettingsError
from atmr_pipeline.monitoring.thresholds import DriftSettings, DriftWindow, parse_days, parse_windows
from atmr_pipeline.settings import load_settings


def test_the_defaults_of_the_settings_are_the_defaults_of_the_monitoring():
    assert DriftSettings.from_knobs(load_settings()) == DriftSettings()


def test_windows_are_read_and_sorted():
    assert parse_windows(" 28:0.005, 7:0.002 ,") == (DriftWindow(7, 0.002), DriftWindow(28, 0.005))
    assert parse_days("84, 7,28") == (7, 28, 84)


@pytest.mark.parametrize(
    "text", ["", ",", "7", "7:", "7:x", "x:0.1", "0:0.1", "7:0", "7:1", "-7:0.1", "7.5:0.1", "7:nan", "7:0.1,7:0.2"]
)
def test_nonsense_windows_are_refused_by_name_and_not_repeated(monkeypatch, text):
    monkeypatch.setenv("ATMR_DRIFT_WINDOWS", text)
    with pytest.raises(SettingsError, match=r"^ATMR_DRIFT_WINDOWS: must be days:alpha pairs"):
        load_settings()


@pytest.mark.parametrize("text", ["", "x", "0", "7,7", "-7", "7.5", "²"])
def test_nonsense_label_windows_are_refused_by_name(monkeypatch, text):
    monkeypatch.setenv("ATMR_DRIFT_LABEL_WINDOWS", text)
    with pytest.raises(SettingsError, match=r"^ATMR_DRIFT_LABEL_WINDOWS: must be days"):
        load_settings()


def test_knobs_reach_the_monitoring(monkeypatch):
    for name, value in {
        "DRIFT_WINDOWS": "14:0.01",
        "DRIFT_LABEL_WINDOWS": "14",
        "DRIFT_LABEL_ALPHA": "0.01",
        "DRIFT_CUSUM_ALLOWANCE": "0.5",
        "DRIFT_CUSUM_LIMIT": "10",
        "DRIFT_SEVERITY_WASSERSTEIN": "0.4",
        "DRIFT_SEVERITY_JENSEN_SHANNON": "0.1",
        "DRIFT_QUIET_DAYS": "3",
    }.items():
        monkeypatch.setenv(f"ATMR_{name}", value)
    settings = DriftSettings.from_knobs(load_settings())
    assert settings.feature_windows == (DriftWindow(14, 0.01),)
    assert (settings.label_windows, settings.confirming_windows) == ((14,), (14,))
    assert (settings.label_alpha, settings.cusum_allowance, settings.cusum_limit) == (0.01, 0.5, 10.0)
    assert (settings.severity_wasserstein, settings.severity_jensen_shannon) == (0.4, 0.1)
    assert settings.quiet_days_to_close == 3


def test_the_week_and_the_month_confirm():
    assert DriftSettings().confirming_windows == (7, 28)
