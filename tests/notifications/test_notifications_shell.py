"""The sensor, the failure sensor and the command, against real receivers: told once, and never what an error quoted."""

import json
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from smtp_sink import Behaviour, SmtpSink
from webhook_sink import Answer, WebhookSink

from atmr_pipeline.cli import main
from atmr_pipeline.domain.errors import SettingsError
from atmr_pipeline.promotion.aliases import ModelEvent, append_event
from atmr_pipeline.resources.notifiers import channels, ui_url
from atmr_pipeline.sensors import SENSORS, notifications, run_failure
from atmr_pipeline.settings import load_settings
from atmr_pipeline.state import StateStore
from atmr_pipeline.state.drift_events import DriftEvent, insert_drift_event

QUOTED = "Patient Fictif 12, Rue Imaginaire 3"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ATMR_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def state(home: Path):
    store = StateStore(load_settings().state_database_url)
    store.migrate()
    yield store
    store.close()


@pytest.fixture
def instance():
    with dg.instance_for_test() as made:
        yield made


class Ticks:
    """Evaluates the sensor tick after tick, carrying the cursor as the daemon does."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance, self.cursor = instance, None

    def next(self) -> str:
        context = dg.build_sensor_context(instance=self.instance, cursor=self.cursor, sensor_name="notifications")
        data = notifications.evaluate_tick(context)
        self.cursor = data.cursor
        assert not data.run_requests
        return data.skip_message or ""


def alarm(state: StateStore, event_id: str = "abc", severity: str = "critical") -> None:
    event = DriftEvent(event_id, "residual_drift", date(2026, 6, 1), severity, {"shift_min": 4.8})
    assert insert_drift_event(state, event)


def refusal(state: StateStore, at: datetime) -> None:
    event = ModelEvent("delay", "refused", "run:1", "coverage", from_version="aaaa", to_version="bbbb", at=at)
    with state.begin() as connection:
        append_event(connection, event)


def lines_of(home: Path) -> list[dict]:
    path = home / "alerts.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def failed_run(instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    @dg.op
    def breaks() -> None:
        raise ValueError(QUOTED)

    @dg.job(name="breaking")
    def breaking() -> None:
        breaks()

    return breaking.execute_in_process(instance=instance, raise_on_error=False)


def react(instance: dg.DagsterInstance, result: dg.ExecuteInProcessResult) -> None:
    context = dg.build_run_status_sensor_context(
        sensor_name="run_failure",
        dagster_event=result.get_run_failure_event(),
        dagster_instance=instance,
        dagster_run=result.dagster_run,
    )
    run_failure(context.for_run_failure())


def test_the_sensors_are_on_by_default():
    assert notifications in SENSORS
    assert notifications.default_status == dg.DefaultSensorStatus.RUNNING
    assert notifications.minimum_interval_seconds == 60


def test_what_happens_is_told_once_by_every_channel(home, state, instance, monkeypatch):
    ticks = Ticks(instance)
    assert ticks.next().startswith("0 sent")
    with WebhookSink() as webhook, SmtpSink() as mail:
        monkeypatch.setenv("ATMR_NOTIFY_WEBHOOK_URL", webhook.url)
        monkeypatch.setenv("ATMR_NOTIFY_SMTP_HOST", "127.0.0.1")
        monkeypatch.setenv("ATMR_NOTIFY_SMTP_PORT", str(mail.port))
        monkeypatch.setenv("ATMR_NOTIFY_SMTP_SECURITY", "none")
        monkeypatch.setenv("ATMR_NOTIFY_FROM", "atmr@transporteur.example")
        monkeypatch.setenv("ATMR_NOTIFY_TO", "a@transporteur.example, b@transporteur.example")
        monkeypatch.setenv("ATMR_UI_URL", "https://atmr.example/")
        alarm(state)
        refusal(state, datetime.now(UTC))
        assert ticks.next().startswith("4 sent, 0 waiting, 0 given up")
        assert ticks.next().startswith("0 sent, 0 waiting")
        assert Ticks(instance).next().startswith("0 sent, 0 waiting")
    assert [posted.document["kind"] for posted in webhook.posted] == ["drift_opened"]
    assert [posted.receivers for posted in mail.mails] == [("a@transporteur.example", "b@transporteur.example")]
    assert [line["kind"] for line in lines_of(home)] == ["drift_opened", "refused"]
    assert webhook.posted[0].document["link"] == "https://atmr.example/assets/residual_drift?view=events"


def test_the_first_tick_does_not_flood(home, state, instance):
    now = datetime.now(UTC)
    for days in (400, 30, 8, 6, 1):
        refusal(state, now - timedelta(days=days))
    Ticks(instance).next()
    assert len(lines_of(home)) == 2


def test_what_happened_while_the_daemon_was_away_is_told_when_it_is_back(home, state, instance):
    ticks = Ticks(instance)
    now = datetime.now(UTC)
    ticks.cursor = json.dumps({"since": (now - timedelta(days=40)).isoformat()})
    refusal(state, now - timedelta(days=30))
    ticks.next()
    assert len(lines_of(home)) == 1
    assert datetime.fromisoformat(json.loads(ticks.cursor)["since"]) >= now - timedelta(hours=2)


def test_what_was_not_delivered_keeps_the_cursor_and_the_channel_rests(home, state, instance, monkeypatch):
    ticks = Ticks(instance)
    with WebhookSink(Answer(503, {"Retry-After": "900"})) as webhook:
        monkeypatch.setenv("ATMR_NOTIFY_WEBHOOK_URL", webhook.url)
        alarm(state)
        assert "1 waiting" in ticks.next()
        assert "HTTP 503" not in ticks.next()
    assert len(webhook.posted) == 1
    assert len(lines_of(home)) == 1


def test_a_failed_run_is_told_once_by_both_sensors_and_never_what_the_error_quoted(home, instance, monkeypatch):
    with WebhookSink() as webhook:
        monkeypatch.setenv("ATMR_NOTIFY_WEBHOOK_URL", webhook.url)
        result = failed_run(instance)
        react(instance, result)
        react(instance, result)
        assert Ticks(instance).next().startswith("0 sent, 0 waiting")
    (line,) = lines_of(home)
    (posted,) = webhook.posted
    assert line["facts"] == posted.document["facts"]
    assert line["facts"] == {"job": "breaking", "run_id": result.run_id, "failed_steps": ["breaks"]}
    assert line["link"] == f"http://127.0.0.1:3000/runs/{result.run_id}"
    assert "Imaginaire" not in (home / "alerts.jsonl").read_text(encoding="utf-8")
    assert b"Imaginaire" not in posted.body


@pytest.mark.usefixtures("home")
def test_a_failed_run_that_its_own_sensor_missed_is_told_by_the_other(home, instance):
    result = failed_run(instance)
    assert Ticks(instance).next().startswith("1 sent")
    assert [line["facts"]["run_id"] for line in lines_of(home)] == [result.run_id]


def test_a_failure_is_said_even_without_the_state_database(home, instance, monkeypatch):
    monkeypatch.setenv("ATMR_STATE_URL", "postgresql://nobody@127.0.0.1:1/none")
    react(instance, failed_run(instance))
    assert [line["kind"] for line in lines_of(home)] == ["run_failed"]


@pytest.mark.parametrize(("step", "severity"), [("delay_evaluation_gates", "info"), ("schema_check", "warning")])
def test_a_run_that_a_check_stopped_is_not_called_broken(home, instance, step, severity):
    @dg.asset
    def table() -> None:
        pass

    @dg.multi_asset_check(name=step, specs=[dg.AssetCheckSpec("holds", asset=table, blocking=True)])
    def check():
        yield dg.AssetCheckResult(passed=False, asset_key="table", check_name="holds", description=QUOTED)

    job = dg.define_asset_job("checked", selection=[table]).resolve(
        asset_graph=dg.Definitions(assets=[table], asset_checks=[check]).resolve_asset_graph()
    )
    job.execute_in_process(instance=instance, raise_on_error=False)
    Ticks(instance).next()
    (line,) = lines_of(home)
    assert (line["severity"], line["title"]["en"]) == (severity, "Run of checked stopped by a check")
    assert line["facts"]["stopped_by"] == [step]
    assert line["facts"]["failed_steps"] == []


class Atmr:
    """Runs ``atmr notify`` in this process, as its entry point does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.monkeypatch, self.capsys = monkeypatch, capsys

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        self.monkeypatch.setattr(sys, "argv", ["atmr", "notify", *arguments])
        self.capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        shown = self.capsys.readouterr()
        return int(ended.value.code or 0), shown.out, shown.err


@pytest.fixture
def atmr(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Atmr:
    return Atmr(monkeypatch, capsys)


def test_the_test_command_tries_every_channel_whatever_its_severity(home, atmr, monkeypatch):
    with WebhookSink() as webhook:
        monkeypatch.setenv("ATMR_NOTIFY_WEBHOOK_URL", webhook.url)
        monkeypatch.setenv("ATMR_NOTIFY_SEVERITY", "critical")
        for _ in range(2):
            code, out, err = atmr("test")
            assert (code, err) == (0, "")
            assert "webhook: sent" in out
            assert "smtp: not set" in out
    keys = [posted.headers["Idempotency-Key"] for posted in webhook.posted]
    assert len(set(keys)) == 2
    assert [line["kind"] for line in lines_of(home)] == ["test", "test"]


def test_the_test_command_says_what_failed_and_exits_with_one(atmr, monkeypatch):
    with WebhookSink(Answer(404)) as webhook, SmtpSink(Behaviour(answers={"MAIL": "550 no"})) as mail:
        monkeypatch.setenv("ATMR_NOTIFY_WEBHOOK_URL", webhook.url)
        monkeypatch.setenv("ATMR_NOTIFY_SMTP_HOST", "127.0.0.1")
        monkeypatch.setenv("ATMR_NOTIFY_SMTP_PORT", str(mail.port))
        monkeypatch.setenv("ATMR_NOTIFY_SMTP_SECURITY", "none")
        monkeypatch.setenv("ATMR_NOTIFY_FROM", "atmr@transporteur.example")
        monkeypatch.setenv("ATMR_NOTIFY_TO", "a@transporteur.example")
        code, out, err = atmr("test")
    assert code == 1
    assert "log: sent" in out
    assert "HTTP 404" in err
    assert "550" in err
    assert "s3cr3t-path" not in out + err


def test_a_wrong_setting_exits_with_two_and_does_not_repeat_it(atmr, monkeypatch):
    monkeypatch.setenv("ATMR_NOTIFY_WEBHOOK_URL", "http://hooks.example/s3cr3t-path")
    code, out, err = atmr("test")
    assert code == 2
    assert "ATMR_NOTIFY_WEBHOOK_URL" in err
    assert "s3cr3t" not in out + err


def test_what_was_given_up_is_sent_again_on_request(state, atmr, instance, monkeypatch):
    with WebhookSink() as webhook:
        webhook.then(Answer(404))
        monkeypatch.setenv("ATMR_NOTIFY_WEBHOOK_URL", webhook.url)
        alarm(state)
        assert "1 given up" in Ticks(instance).next()
        assert Ticks(instance).next().startswith("0 sent, 0 waiting")
        code, out, _ = atmr("resend")
        assert (code, out.strip()) == (0, "1 notifications are tried again")
        assert "1 waiting" in Ticks(instance).next()


def test_an_address_of_the_ui_that_is_none_is_refused(home, monkeypatch):
    assert ui_url(load_settings()) == "http://127.0.0.1:3000"
    monkeypatch.setenv("ATMR_UI_URL", "javascript:alert(1)")
    with pytest.raises(SettingsError, match="ATMR_UI_URL"):
        load_settings()


def test_a_mistake_in_one_channel_is_said_and_silences_no_other(home, state, instance, monkeypatch):
    with SmtpSink() as mail:
        monkeypatch.setenv("ATMR_NOTIFY_WEBHOOK_URL", "http://hooks.example/s3cr3t-path")
        monkeypatch.setenv("ATMR_NOTIFY_SMTP_HOST", "127.0.0.1")
        monkeypatch.setenv("ATMR_NOTIFY_SMTP_PORT", str(mail.port))
        monkeypatch.setenv("ATMR_NOTIFY_SMTP_SECURITY", "none")
        monkeypatch.setenv("ATMR_NOTIFY_FROM", "atmr@transporteur.example")
        monkeypatch.setenv("ATMR_NOTIFY_TO", "a@transporteur.example")
        alarm(state)
        for _ in range(2):
            with pytest.raises(SettingsError, match="ATMR_NOTIFY_WEBHOOK_URL"):
                notifications.evaluate_tick(dg.build_sensor_context(instance=instance, sensor_name="notifications"))
    assert len(lines_of(home)) == len(mail.mails) == 1


def test_nothing_leaves_the_machine_unless_a_place_to_send_to_is_set(home):
    assert [channel.name for channel in channels(load_settings())] == ["log"]
