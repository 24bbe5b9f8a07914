"""Settings of the loop that closes by itself: drift, retraining, promotion, shadow, who is told."""

from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings

from atmr_pipeline.monitoring.thresholds import parse_days, parse_windows

CRON_FIELDS = 5


class DriftKnobs(BaseSettings):
    """When data or errors are called changed; the defaults are measured, see monitoring/thresholds.py."""

    drift_windows: str = Field(
        "7:0.002,28:0.005,84:0.005",
        description="trailing windows of the feature tests, days:alpha, each alpha shared by the window's tests",
    )
    drift_label_windows: str = Field("7,28,84", description="trailing windows of the label test, days")
    drift_label_alpha: Annotated[float, Field(gt=0, lt=1, description="error rate of the label test")] = 0.001
    drift_cusum_allowance: Annotated[
        float, Field(gt=0, le=2, description="k of the residual CUSUM, standard deviations")
    ] = 0.25
    drift_cusum_limit: Annotated[
        float, Field(ge=2, le=100, description="h of the residual CUSUM, standard deviations")
    ] = 16.0
    drift_severity_wasserstein: Annotated[
        float, Field(gt=0, description="normed Wasserstein distance from which an alarm is critical")
    ] = 0.3
    drift_severity_jensen_shannon: Annotated[
        float, Field(gt=0, le=1, description="Jensen-Shannon distance from which an alarm is critical")
    ] = 0.2
    drift_quiet_days: Annotated[
        int, Field(ge=1, le=60, description="days without alarm after which an event is over")
    ] = 7
    report_keep_days: Annotated[
        int, Field(ge=7, le=3_650, description="days for which HTML drift reports are kept")
    ] = 180
    report_json_keep_days: Annotated[
        int, Field(ge=7, le=3_650, description="days for which the small daily drift reports are kept")
    ] = 730
    reports_port: Annotated[
        int, Field(ge=1024, le=65535, description="port on which `atmr ui` shows reports, loopback only")
    ] = 3001
    reports_url: str | None = Field(
        None, description="where reports are reached by those who read the UI; unset means the loopback port"
    )

    @field_validator("drift_windows")
    @classmethod
    def _are_windows(cls, text: str) -> str:
        parse_windows(text)
        return text

    @field_validator("drift_label_windows")
    @classmethod
    def _are_days(cls, text: str) -> str:
        parse_days(text)
        return text


class RetrainingKnobs(BaseSettings):
    """When the clock or an alarm retrains."""

    nightly_cron: str = Field("0 2 * * *", description="nightly_feedback, cron, Geneva wall clock")
    daily_cron: str = Field("0 3 * * *", description="daily_retraining, cron, Geneva wall clock")
    weekly_cron: str = Field("30 3 * * 1", description="weekly_full_training, cron, Geneva wall clock")
    retrain_cooldown_days: Annotated[
        int, Field(ge=0, le=60, description="service days between two retrainings that alarms ask for")
    ] = 3
    retrain_max_per_week: Annotated[
        int, Field(ge=1, le=7, description="retrainings that alarms may ask for within 7 service days")
    ] = 2

    @field_validator("nightly_cron", "daily_cron", "weekly_cron")
    @classmethod
    def _is_cron(cls, text: str) -> str:
        if len(text.split()) != CRON_FIELDS:
            raise ValueError("must be a cron line of five fields")
        return text


class PromotionKnobs(BaseSettings):
    """What a challenger must show, and who decides."""

    promotion_mode: Literal["automatic", "by_hand"] = Field(
        "automatic", description="move the champion when every gate passes, or wait for a person"
    )
    rollback_hold_days: Annotated[
        int, Field(ge=0, le=365, description="days after a rollback in which only a person promotes")
    ] = 7
    company_gates: bool = Field(
        False,
        description="also demand the company's absolute figures of a delay model; see docs/promotion.md",
    )
    shadow_max_days: Annotated[
        int, Field(ge=7, le=365, description="service days after which an undecided challenger is replaced")
    ] = 28
    ab_ratio: Annotated[
        float, Field(ge=0, le=1, description="share of bookings scored by the challenger while an A/B test is on")
    ] = 0.5
    ab_test: bool = Field(False, description="let the challenger's predictions act for its share of bookings")
    training_sets_keep: Annotated[
        int, Field(ge=1, le=10_000, description="training sets kept besides those of versions under an alias")
    ] = 60


class NotifyKnobs(BaseSettings):
    """Who is told, and how; nothing is sent unless a place to send to is set."""

    notify_webhook_url: SecretStr | None = Field(None, description="HTTPS address that gets events as JSON; secret")
    notify_webhook_secret: SecretStr | None = Field(
        None, description="key of the HMAC-SHA256 signature of webhook bodies; secret"
    )
    notify_smtp_host: str | None = Field(None, description="mail server; unset means no mail")
    notify_smtp_port: Annotated[int, Field(ge=1, le=65535, description="its port")] = 587
    notify_smtp_security: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="how the mail connection is secured; none only for a server on this machine"
    )
    notify_smtp_user: str | None = Field(None, description="user of the mail server")
    notify_smtp_password: SecretStr | None = Field(None, description="password of the mail server; secret")
    notify_from: str | None = Field(None, description="sender of mails")
    notify_to: str = Field("", description="receivers of mails, separated by commas")
    notify_severity: Literal["info", "warning", "critical"] = Field(
        "warning", description="least severity that is sent by webhook or mail"
    )
    ui_url: str | None = Field(
        None, description="where readers of notifications reach the UI; unset means the loopback port"
    )

    @field_validator("ui_url")
    @classmethod
    def _is_web_address(cls, url: str | None) -> str | None:
        if url is not None and not (url.startswith(("http://", "https://")) and url.isprintable() and " " not in url):
            raise ValueError("must be a web address, written as https://host/path")
        return url

    @model_validator(mode="after")
    def _mail_is_whole(self) -> "NotifyKnobs":
        if self.notify_smtp_host and not (self.notify_from and self.notify_to.strip()):
            raise ValueError("ATMR_NOTIFY_SMTP_HOST: needs ATMR_NOTIFY_FROM and ATMR_NOTIFY_TO")
        return self


class LoopSettings(DriftKnobs, RetrainingKnobs, PromotionKnobs, NotifyKnobs):
    """All of them."""
