"""One story on a real instance, told once for all tests: each chapter is a fixture that needs the one before."""

import os
from collections.abc import Generator, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from company import SETTINGS, Company
from pictures import browser_page, photograph_failed_gate, photograph_graph, photograph_report
from production import RUN_S, Production
from servers import tail, wait_for
from story import (
    DAYS_UNTIL_SEEN,
    EVENT_TAG,
    HOLDOUT,
    SCHEDULES,
    Chapter,
    night,
    registry,
    without_policy,
)

LOGS = pytest.StashKey[list[Path]]()


@pytest.fixture(scope="session")
def stage(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgresql_url: str
) -> Iterator[Production]:
    built = Production(tmp_path_factory.mktemp("production"), postgresql_url, **SETTINGS)
    request.config.stash[LOGS] = [built.logs]
    yield built
    built.stop_all()


@pytest.fixture(scope="session")
def company(stage: Production) -> Company:
    return Company(stage)


@pytest.fixture(scope="session")
def production(stage: Production, company: Company) -> Production:
    """The servers, with the clock stopped: the days pass by hand."""
    stage.environment.update(ATMR_HISTORY_START=company.first_day, ATMR_DAILY_CRON="* * * * *")
    stage.start("code")
    stage.start("webserver")
    for name in SCHEDULES:
        stage.switch(name, on=False)
    stage.start("daemon")
    return stage


@pytest.fixture(scope="session")
def first_training(production: Production, company: Company) -> Chapter:
    before = registry(production)
    assets = without_policy(production, "weekly_full_training")
    run = production.run("weekly_full_training", days=company.all_days, only=assets)
    return Chapter(run, before, registry(production))


@pytest.fixture(scope="session")
def two_days(production: Production, company: Company, first_training: Chapter) -> list[dg.DagsterRun]:
    """Two working days pass, each followed by its night."""
    return [night(production, company.live()) for _ in range(2)]


@pytest.fixture(scope="session")
def clock_tick(production: Production, two_days: list[dg.DagsterRun]) -> Chapter:
    """The daily schedule is switched on until it has asked for a run."""
    before = registry(production)
    production.switch("daily_retraining", on=True)

    # Only once the tick is over: the daemon writes the schedule's state at its end, and would switch it on again.
    def asked() -> list[str] | None:
        over = [tick for tick in production.ticks("daily_retraining") if tick["status"] == "SUCCESS"]
        return next((tick["runIds"] for tick in over), None)

    try:
        run_ids = wait_for("a tick of the schedule daily_retraining", asked, 150)
    finally:
        production.switch("daily_retraining", on=False)
    ended = [production.ended(run_id) for run_id in run_ids]
    # Older days that changed are read by runs of their own; the job itself has no selection.
    (run,) = (run for run in ended if run.asset_selection is None)
    return Chapter(run, before, registry(production))


@pytest.fixture(scope="session")
def roadworks(production: Production, company: Company, clock_tick: Chapter) -> list[tuple[str, str]]:
    """Days pass while the streets are dug up, until an alarm; the events of residual drift, id and model version."""
    for number in range(DAYS_UNTIL_SEEN):
        night(production, company.live(roadworks=number == 0))
        events = production.rows(
            "SELECT event_id, model_version FROM drift_event WHERE kind = 'residual_drift' ORDER BY created_at"
        )
        if events:
            return [(str(event), str(version)) for event, version in events]
    raise AssertionError(f"no residual drift was seen in {DAYS_UNTIL_SEEN} days of roadworks")


@pytest.fixture(scope="session")
def retraining(production: Production, roadworks: list[tuple[str, str]]) -> Chapter:
    """What the sensor asked for."""
    before, (event, _) = registry(production), roadworks[0]

    def asked() -> dg.DagsterRun | None:
        return next(iter(production.runs("drift_retraining", **{EVENT_TAG: event})), None)

    run = wait_for(f"the sensor drift to answer event {event}", asked, 180)
    return Chapter(production.ended(run.run_id), before, registry(production))


@pytest.fixture(scope="session")
def worse_challenger(production: Production, company: Company, retraining: Chapter) -> Chapter:
    """A training on labels that someone spoilt at the source, judged on days that are as they were."""
    before = registry(production)
    with company.with_false_pickups(before=date.fromisoformat(company.coming_day) - HOLDOUT):
        run = production.run("daily_retraining", days=company.all_days)
    return Chapter(run, before, registry(production))


@pytest.fixture(scope="session")
def rollback(production: Production, worse_challenger: Chapter, failed_gate_picture: Path) -> Chapter:
    """A person takes the champion out of service in the UI."""
    before = registry(production)
    config = {"ops": {"rollback": {"config": {"kind": "delay", "reason": "the drivers do not believe it"}}}}
    run = production.run("rollback_model", config=config)
    return Chapter(run, before, registry(production))


@pytest.fixture(scope="session")
def crashed_code(production: Production, company: Company, rollback: Chapter) -> dict[str, Any]:
    """The code server and the run in it die in the middle of a training, as when a machine loses power."""
    run_id = _training_under_way(production, company)
    production.kill("code", whole_group=True)
    production.start("code")
    failed = production.ended(run_id)
    wait_for("the pool slots of the dead run to be free", lambda: not production.slots_of(run_id), 90)
    return {"failed": failed, "next": production.ended(_launch_training(production, company))}


@pytest.fixture(scope="session")
def crashed_daemon(production: Production, company: Company, crashed_code: dict[str, Any]) -> list[dg.DagsterRun]:
    """The daemon dies in the middle of a training, with another run in its queue."""
    under_way = _training_under_way(production, company)
    production.kill("daemon")
    assets = without_policy(production, "nightly_feedback")
    queued = production.launch("nightly_feedback", days=company.last_days, only=assets)
    first = production.ended(under_way)
    assert production.instance.get_run_by_id(queued).status == dg.DagsterRunStatus.QUEUED
    production.start("daemon")
    return [first, production.ended(queued, 2 * RUN_S)]


@pytest.fixture(scope="session")
def pictures_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pictures go: aside, unless E2E_SCREENSHOTS names a folder."""
    chosen = os.environ.get("E2E_SCREENSHOTS")
    folder = Path(chosen) if chosen else tmp_path_factory.mktemp("pictures")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def failed_gate_picture(production: Production, worse_challenger: Chapter, pictures_folder: Path) -> Path:
    """While the refusal is the last verdict."""
    path = pictures_folder / "failed-gate.png"
    with browser_page() as page:
        photograph_failed_gate(page, production.ui, "not_inferior_to_champion", path)
    return path


@pytest.fixture(scope="session")
def pictures(
    production: Production, failed_gate_picture: Path, crashed_daemon: list[dg.DagsterRun], pictures_folder: Path
) -> list[Path]:
    """What a person sees."""
    graph, report = pictures_folder / "asset-graph.png", pictures_folder / "drift-report.png"
    production.start("reports")
    with browser_page() as page:
        photograph_graph(page, production.ui, graph)
        photograph_report(page, production.reports, report)
    return [graph, failed_gate_picture, report]


def _training_under_way(production: Production, company: Company) -> str:
    """Launch a training on data that no version knows and return while it learns."""
    company.live()
    run_id = _launch_training(production, company)
    wait_for("the training to begin", lambda: production.has_begun(run_id, "train_delay_model"), RUN_S, every=0.1)
    return run_id


def _launch_training(production: Production, company: Company) -> str:
    """Everything up to the challenger's evaluation, without the gates: what is asked is whether it ends."""
    assets = without_policy(production, "daily_retraining") - {"promoted_delay_model"}
    return production.launch("daily_retraining", days=company.all_days, only=assets, checks=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure shows what the servers said last; their logs stay in the folder that is named."""
    report = yield
    if report.failed:
        for log in [log for folder in item.config.stash.get(LOGS, []) for log in sorted(folder.glob("*.log"))]:
            report.sections.append((str(log), tail(log)))
    return report
