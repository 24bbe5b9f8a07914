"""Settings: a wrong one is named, with its range, before anything runs."""

import pytest

from atmr_pipeline.domain.errors import SettingsError
from atmr_pipeline.settings import load_settings


def test_defaults_mean_the_demo_company() -> None:
    settings = load_settings()
    assert settings.is_demo
    assert settings.operations_url.endswith("demo/operations.db")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("ATMR_SEED", "-1", "greater than or equal to 0"),
        ("ATMR_UI_PORT", "80", "1024"),
        ("ATMR_DELAY_HOLDOUT_DAYS", "six", "integer"),
        ("ATMR_HISTORY_START", "yesterday", "date"),
        ("ATMR_HASH_KEY", "short", "16 characters"),
    ],
)
def test_a_wrong_value_names_the_variable_and_its_range(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, expected: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as error:
        load_settings()
    assert name in str(error.value)
    assert expected in str(error.value)


def test_a_misspelt_variable_is_refused_with_the_nearest_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATMR_DATABSE_URL", "sqlite://")
    with pytest.raises(SettingsError, match="did you mean ATMR_DATABASE_URL"):
        load_settings()


def test_a_real_source_needs_its_own_secret_and_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATMR_DATABASE_URL", "postgresql://reader@localhost/ops")
    with pytest.raises(SettingsError, match="ATMR_HASH_KEY: needed"):
        load_settings()
    monkeypatch.setenv("ATMR_HASH_KEY", "a-secret-of-more-than-16")
    with pytest.raises(SettingsError, match="ATMR_HISTORY_START: needed"):
        load_settings()


def test_secrets_never_appear_in_errors_or_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATMR_DATABASE_URL", "postgresql://reader:s3cr3t-passphrase@localhost/ops")
    monkeypatch.setenv("ATMR_HASH_KEY", "another-s3cr3t-value")
    with pytest.raises(SettingsError) as error:
        load_settings()
    assert "s3cr3t" not in str(error.value)
    monkeypatch.setenv("ATMR_HISTORY_START", "2025-01-01")
    assert "s3cr3t" not in repr(load_settings())


def test_nothing_goes_online_by_default() -> None:
    settings = load_settings()
    assert settings.geocoder_names == []
    assert not settings.weather_online
    assert settings.osrm_url is None


def test_public_services_want_to_know_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATMR_ONLINE_GEOCODERS", "nominatim")
    with pytest.raises(SettingsError, match="ATMR_CONTACT"):
        load_settings()
    monkeypatch.setenv("ATMR_CONTACT", "operations@transporteur.example")
    assert "operations@transporteur.example" in load_settings().user_agent
    monkeypatch.delenv("ATMR_CONTACT")
    monkeypatch.setenv("ATMR_NOMINATIM_URL", "http://127.0.0.1:8080")
    assert load_settings().geocoder_names == ["nominatim"]


def test_an_unknown_geocoder_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATMR_ONLINE_GEOCODERS", "nominatim, somewhere")
    with pytest.raises(SettingsError, match="nominatim and geoadmin"):
        load_settings()


def test_alert_levels_must_rise(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().alert_max_per_hour == 10
    monkeypatch.setenv("ATMR_ALERT_HIGH", "0.5")
    with pytest.raises(SettingsError, match="must rise in this order"):
        load_settings()


def test_no_more_than_ten_alerts_an_hour_can_be_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATMR_ALERT_MAX_PER_HOUR", "11")
    with pytest.raises(SettingsError, match="ATMR_ALERT_MAX_PER_HOUR"):
        load_settings()
