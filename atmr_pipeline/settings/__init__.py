"""Every knob of the pipeline: typed, from the environment (prefix ``ATMR_``), with its default and its valid range."""

import difflib
import os
from datetime import date
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from atmr_pipeline.domain.errors import SettingsError
from atmr_pipeline.settings.loop import LoopSettings

DEMO_HASH_KEY = "demo-company-has-no-real-patients"
"""Used only while the source is the demo company, whose patients do not exist. A real source needs its own secret."""

ONLINE_GEOCODERS = ("nominatim", "geoadmin")


class Settings(LoopSettings):
    """Settings of one home. Names below, upper-cased and prefixed with ``ATMR_``, are the environment variables."""

    model_config = SettingsConfigDict(env_prefix="ATMR_", extra="ignore", frozen=True)

    home: Path = Field(Path(".atmr"), description="folder under which everything a run writes lives")
    database_url: SecretStr | None = Field(
        None, description="operations database, SQLAlchemy URL; unset means the demo company in this home"
    )
    state_url: SecretStr | None = Field(
        None, description="database of predictions, drift events and the registry; unset means SQLite in this home"
    )
    hash_key: SecretStr | None = Field(
        None, description="secret for the keyed hashes of patients and addresses, 16 characters or more"
    )
    history_start: date | None = Field(
        None, description="first service day to extract, YYYY-MM-DD; needed with ATMR_DATABASE_URL"
    )
    inbox: Path | None = Field(None, description="folder watched for workbooks; unset means <home>/inbox")
    weather_file: Path | None = Field(
        None, description="hourly forecasts, Parquet or CSV; unset means the demo's, or no weather (NULL features)"
    )
    elevation_file: Path | None = Field(
        None,
        description="CSV of heights (lat, lon, elevation_m) of the service area; unset means not known",
    )
    gazetteer: Path | None = Field(
        None,
        description="address directory made by `atmr gazetteer build`, or a CSV of its layout; unset means the small "
        "built-in one (public places, main streets)",
    )
    drivers_file: Path | None = Field(
        None, description="who the initials in workbooks are, TOML; unset means <home>/drivers.toml"
    )
    online_geocoders: str = Field(
        "", description="nominatim, geoadmin or both, in the order of asking; empty means no address leaves the machine"
    )
    nominatim_url: str | None = Field(None, description="a Nominatim server of your own; unset means the public one")
    geoadmin_url: str | None = Field(None, description="another address of geo.admin.ch; unset means the public one")
    weather_online: bool = Field(
        False, description="ask Open-Meteo for the weather at the depot; the depot's position leaves the machine"
    )
    open_meteo_key: SecretStr | None = Field(
        None, description="key of an Open-Meteo subscription; without one its free service is for non-commercial use"
    )
    osrm_url: str | None = Field(
        None, description="OSRM server for travel times, e.g. http://127.0.0.1:5000; unset means great circle x detour"
    )
    contact: str | None = Field(
        None, description="e-mail or web page of the operator; online services want to know who asks"
    )
    seed: Annotated[int, Field(ge=0, le=2**31 - 1, description="seed of the demo company and of training")] = 7

    demo_months: Annotated[int, Field(ge=1, le=60, description="months the demo company has lived")] = 12
    demo_end: date | None = Field(
        None, description="first day the demo company has not lived yet, YYYY-MM-DD; unset means today"
    )
    demo_bookings_per_day: Annotated[float, Field(ge=1, le=500, description="mean bookings on a demo day")] = 11.5
    demo_drivers: Annotated[int, Field(ge=2, le=100, description="drivers of the demo company")] = 4

    late_window_days: Annotated[
        int, Field(ge=0, le=90, description="days before the watermark re-read for corrections, days")
    ] = 14
    delay_holdout_days: Annotated[
        int, Field(ge=7, le=180, description="last calendar days no tuning touches, delay model")
    ] = 28
    delay_holdout_rows: Annotated[
        int,
        Field(
            ge=0,
            le=100_000,
            description="held-out pickups wanted: up to three times the days above are held out to have them",
        ),
    ] = 300
    delay_minimum_rows: Annotated[
        int, Field(ge=100, le=100_000, description="labelled rows needed before the held-out block")
    ] = 300
    delay_minimum_days: Annotated[
        int, Field(ge=14, le=365, description="service days needed before the held-out block")
    ] = 20
    policy_holdout_days: Annotated[
        int,
        Field(
            ge=5,
            le=180,
            description="last service days no training touches, dispatch policy (a third of all, if fewer)",
        ),
    ] = 40
    policy_minimum_days: Annotated[int, Field(ge=10, le=365, description="service days needed to train a policy")] = 20
    policy_gradient_steps: Annotated[
        int, Field(ge=10, le=1_000_000, description="gradient steps of the dispatch policy")
    ] = 1_600
    policy_generated_days: Annotated[
        int, Field(ge=16, le=20_000, description="training days drawn from the real ones, dispatch policy")
    ] = 2_048
    running_training_s: Annotated[
        float, Field(gt=0, le=7_200, description="processor time in which training days are lived, seconds")
    ] = 60.0
    policy_beam_width: Annotated[
        int, Field(ge=1, le=256, description="partial plans the dispatch policy keeps while it plans a day")
    ] = 16
    optimizer_mode: Annotated[
        Literal["suggestions_only", "semi_auto", "fully_auto"],
        Field(description="changes to the plan that exists: list them, apply the sure ones, or apply all that pay"),
    ] = "suggestions_only"
    optimizer_max_swaps: Annotated[
        int, Field(ge=0, le=50, description="changes to the plan that exists, a company and day; 0 switches them off")
    ] = 5
    optimizer_min_confidence: Annotated[
        float,
        Field(ge=0, le=1, description="share of random executions of the day in which a change must not be dearer"),
    ] = 0.8
    optimizer_timeout_s: Annotated[
        float, Field(gt=0, le=600, description="time a policy has to propose changes to a day's plan, seconds")
    ] = 10.0
    reassign_max_changes: Annotated[
        int, Field(ge=0, le=50, description="other drivers suggested a company and day; 0 switches suggestions off")
    ] = 3
    alert_high: Annotated[float, Field(gt=0, le=1, description="P(late) from which a risk is high")] = 0.15
    alert_critical: Annotated[float, Field(gt=0, le=1, description="P(late) from which a risk is critical")] = 0.30
    alert_impossible: Annotated[float, Field(gt=0, le=1, description="P(late) from which on time is impossible")] = 0.80
    alert_recall: Annotated[
        float, Field(gt=0, le=1, description="share of late pickups that the alert threshold is chosen to reach")
    ] = 0.80
    alert_debounce_min: Annotated[
        float, Field(ge=0, le=60, description="minutes after an alert in which a changed plan no worse is not alerted")
    ] = 15.0
    alert_max_per_hour: Annotated[int, Field(ge=1, le=10, description="alerts of a booking within any 60 minutes")] = 10
    workbook_max_file_mb: Annotated[int, Field(ge=1, le=1_000, description="largest workbook that is read, MiB")] = 50
    workbook_max_uncompressed_mb: Annotated[
        int, Field(ge=1, le=10_000, description="largest size a zipped workbook may unpack to, MiB")
    ] = 400
    workbook_max_rows: Annotated[
        int, Field(ge=1, le=1_048_576, description="last row of a sheet that may hold a value")
    ] = 200_000
    workbook_max_columns: Annotated[
        int, Field(ge=1, le=16_384, description="last column of a sheet that may hold a value")
    ] = 200
    workbook_max_cells: Annotated[int, Field(ge=1, le=100_000_000, description="cells of a workbook, all sheets")] = (
        6_000_000
    )
    workbook_max_sheets: Annotated[int, Field(ge=1, le=1_000, description="sheets of a workbook")] = 60
    travel_detour: Annotated[float, Field(ge=1.0, le=3.0, description="road km over great-circle km")] = 1.35
    ui_port: Annotated[int, Field(ge=1024, le=65535, description="port of the Dagster UI, loopback only")] = 3000

    @model_validator(mode="after")
    def _real_source_needs_its_own(self) -> "Settings":
        if self.hash_key is not None and len(self.hash_key.get_secret_value()) < 16:
            raise ValueError("ATMR_HASH_KEY: needs 16 characters or more")
        if self.database_url is None:
            return self
        if self.hash_key is None:
            raise ValueError("ATMR_HASH_KEY: needed with ATMR_DATABASE_URL, 16 characters or more, kept secret")
        if self.history_start is None:
            raise ValueError("ATMR_HISTORY_START: needed with ATMR_DATABASE_URL, first service day as YYYY-MM-DD")
        return self

    @model_validator(mode="after")
    def _alert_levels_rise(self) -> "Settings":
        if not self.alert_high < self.alert_critical < self.alert_impossible:
            raise ValueError("ATMR_ALERT_HIGH, ATMR_ALERT_CRITICAL and ATMR_ALERT_IMPOSSIBLE must rise in this order")
        return self

    @model_validator(mode="after")
    def _who_asks(self) -> "Settings":
        public = [name for name in self.geocoder_names if getattr(self, f"{name}_url") is None]
        if (public or self.weather_online) and not (self.contact or "").strip():
            raise ValueError("ATMR_CONTACT: needed with public online services, an e-mail address or a web page")
        return self

    @field_validator("online_geocoders")
    @classmethod
    def _geocoders_are_known(cls, names: str) -> str:
        unknown = [name for name in _listed(names) if name not in ONLINE_GEOCODERS]
        if unknown:
            raise ValueError(f"knows {' and '.join(ONLINE_GEOCODERS)}, separated by commas")
        return names

    @field_validator("history_start")
    @classmethod
    def _history_has_begun(cls, day: date | None) -> date | None:
        if day is not None and day > date.today():
            raise ValueError(f"must not lie in the future, today is {date.today()}")
        return day

    @property
    def is_demo(self) -> bool:
        """Whether the source is the demo company of this home."""
        return self.database_url is None

    @cached_property
    def root(self) -> Path:
        """Absolute home."""
        return self.home.expanduser().absolute()

    @property
    def operations_url(self) -> str:
        """URL of the operations database."""
        return self.database_url.get_secret_value() if self.database_url else f"sqlite:///{self.demo_database}"

    @property
    def state_database_url(self) -> str:
        """URL of the transactional state."""
        return self.state_url.get_secret_value() if self.state_url else f"sqlite:///{self.root / 'state.db'}"

    @property
    def hash_key_bytes(self) -> bytes:
        """Secret of the keyed hashes."""
        return (self.hash_key.get_secret_value() if self.hash_key else DEMO_HASH_KEY).encode()

    @property
    def demo_database(self) -> Path:
        """SQLite file of the demo company."""
        return self.root / "demo" / "operations.db"

    @property
    def inbox_dir(self) -> Path:
        """Folder watched for workbooks."""
        return self.inbox.expanduser().absolute() if self.inbox else self.root / "inbox"

    @property
    def weather_path(self) -> Path | None:
        """Forecast file, or None where there is none: weather features are then NULL."""
        if self.weather_file is not None:
            return self.weather_file.expanduser().absolute()
        return self.root / "demo" / "weather_forecast.parquet" if self.is_demo else None

    @property
    def drivers_path(self) -> Path:
        """Who the initials in workbooks are; need not exist."""
        return self.drivers_file.expanduser().absolute() if self.drivers_file else self.root / "drivers.toml"

    @property
    def geocoder_names(self) -> list[str]:
        """Online geocoders that are switched on, in the order of asking."""
        return _listed(self.online_geocoders)

    @property
    def user_agent(self) -> str:
        """How the pipeline names itself to online services."""
        return f"atmr-pipeline/{version('atmr-pipeline')} ({self.contact or 'no contact given'})"

    @property
    def tables_dir(self) -> Path:
        """Analytical tables, Parquet."""
        return self.root / "tables"

    @property
    def models_dir(self) -> Path:
        """Content-addressed model files."""
        return self.root / "models"

    @property
    def reports_dir(self) -> Path:
        """Reports and exports for people."""
        return self.root / "reports"

    @property
    def dagster_home(self) -> Path:
        """Dagster's own storage in this home."""
        return self.root / "dagster"


def _listed(names: str) -> list[str]:
    return [name.strip().lower() for name in names.split(",") if name.strip()]


def load_settings(**overrides: Any) -> Settings:
    """Read the settings from the environment.

    Raises
    ------
    SettingsError
        One line a problem: the variable, what is wrong, its meaning and valid range. Values are not repeated,
        since some are secrets.
    """
    known = {f"ATMR_{name.upper()}" for name in Settings.model_fields}
    for name in sorted(os.environ):
        if name.startswith("ATMR_") and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise SettingsError(f"{name}: no such setting" + (f"; did you mean {near[0]}?" if near else ""))
    try:
        return Settings(**overrides)
    except ValidationError as error:
        lines = []
        for problem in error.errors(include_input=False, include_url=False):
            name = str(problem["loc"][0]) if problem["loc"] else ""
            described = Settings.model_fields[name].description if name in Settings.model_fields else ""
            text = problem["msg"].removeprefix("Value error, ")
            lines.append(f"ATMR_{name.upper()}: {text} ({described})" if name else text)
        raise SettingsError("; ".join(lines)) from None
