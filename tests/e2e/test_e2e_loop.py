"""The loop closes by itself on PostgreSQL, with webserver, daemon and code server: one story, asserted step by step."""

from pathlib import Path

import dagster as dg
import pytest
from company import Company
from pictures import HEIGHT, WIDTH
from production import Production
from servers import wait_for
from story import EVENT_TAG, Chapter

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]


def test_the_first_training_comes_through_the_queue_and_promotes_a_champion(
    production: Production, first_training: Chapter
) -> None:
    assert first_training.run.status == dg.DagsterRunStatus.SUCCESS, production.failed_checks(first_training.run.run_id)
    assert first_training.before["champion"] is None
    assert first_training.after["champion"] in first_training.after["versions"]
    # Through the queue: it was enqueued, and the daemon took it out.
    stats = production.instance.get_run_stats(first_training.run.run_id)
    assert stats.enqueued_time is not None
    assert stats.launch_time is not None


def test_the_company_lives_on_and_each_night_scores_and_measures(
    production: Production, company: Company, two_days: list[dg.DagsterRun]
) -> None:
    assert {run.status for run in two_days} == {dg.DagsterRunStatus.SUCCESS}
    ((scored, measured),) = production.rows("SELECT COUNT(*), COUNT(actual_delay_min) FROM ml_prediction")
    # The first night scored the day that the second one measured, and the second one the day that is coming.
    assert 0 < measured < scored


def test_a_tick_of_the_clock_retrains(clock_tick: Chapter, production: Production) -> None:
    assert clock_tick.run.tags["dagster/schedule_name"] == "daily_retraining"
    assert clock_tick.after["versions"] > clock_tick.before["versions"]
    _judged(production, clock_tick)


def test_roadworks_are_seen_in_the_residuals(
    clock_tick: Chapter, roadworks: list[tuple[str, str]], production: Production
) -> None:
    assert {version for _, version in roadworks} == {clock_tick.after["champion"]}


def test_the_alarm_retrains_and_the_gates_decide(production: Production, retraining: Chapter) -> None:
    assert retraining.after["versions"] > retraining.before["versions"]
    assert _judged(production, retraining), production.failed_checks(retraining.run.run_id)


def test_a_worse_challenger_is_refused_and_the_champion_stays(
    production: Production, worse_challenger: Chapter
) -> None:
    assert worse_challenger.run.status == dg.DagsterRunStatus.FAILURE
    (worse,) = worse_challenger.after["versions"] - worse_challenger.before["versions"]
    assert worse != worse_challenger.after["champion"]
    assert worse_challenger.after["champion"] == worse_challenger.before["champion"]
    assert worse_challenger.after["seq"] == worse_challenger.before["seq"]
    # What a person reads in the UI: the number, its limit, and how many pickups it is drawn from.
    failed = production.failed_checks(worse_challenger.run.run_id)
    assert "not_inferior_to_champion" in failed
    shown = failed["not_inferior_to_champion"].metadata
    assert {"value", "threshold", "n"} <= set(shown)
    assert ("refused", worse) in production.rows("SELECT action, to_version FROM model_event WHERE kind = 'delay'")


def test_a_rollback_in_the_ui_serves_the_previous_champion(production: Production, rollback: Chapter) -> None:
    assert rollback.run.status == dg.DagsterRunStatus.SUCCESS
    assert rollback.after["seq"] == rollback.before["seq"] + 1
    assert rollback.after["champion"] == rollback.before["previous"]
    events = production.rows("SELECT action, actor, reason FROM model_event ORDER BY id DESC LIMIT 1")
    assert events == [("rolled_back", f"run:{rollback.run.run_id}", "the drivers do not believe it")]


def test_a_run_that_dies_with_its_code_server_is_failed_frees_its_slots_and_the_next_succeeds(
    crashed_code: dict[str, dg.DagsterRun],
) -> None:
    assert crashed_code["failed"].status == dg.DagsterRunStatus.FAILURE
    assert crashed_code["next"].status == dg.DagsterRunStatus.SUCCESS


def test_a_daemon_that_dies_loses_no_run(production: Production, crashed_daemon: list[dg.DagsterRun]) -> None:
    assert [run.status for run in crashed_daemon] == [dg.DagsterRunStatus.SUCCESS] * 2


def test_each_alarm_was_answered_once_whatever_happened_since(
    production: Production, roadworks: list[tuple[str, str]], crashed_daemon: list[dg.DagsterRun]
) -> None:
    event, _ = roadworks[0]
    ticks = len(production.ticks("drift"))
    wait_for("two more ticks of the sensor drift", lambda: len(production.ticks("drift")) >= ticks + 2, 240)
    assert len(production.runs("drift_retraining", **{EVENT_TAG: event})) == 1


def test_a_browser_shows_the_graph_a_failed_gate_and_the_report_on_drift(pictures: list[Path]) -> None:
    assert [path.name for path in pictures] == ["asset-graph.png", "failed-gate.png", "drift-report.png"]
    for path in pictures:
        header = path.read_bytes()[:24]
        assert header[1:4] == b"PNG", path.name
        size = int.from_bytes(header[16:20], "big"), int.from_bytes(header[20:24], "big")
        assert size == (WIDTH, HEIGHT), path.name


def _judged(production: Production, chapter: Chapter) -> bool:
    """Whether the run promoted; if it did not, a gate said why, and nothing moved."""
    failed = production.failed_checks(chapter.run.run_id)
    promoted = chapter.run.status == dg.DagsterRunStatus.SUCCESS
    assert promoted == (not failed)
    assert (chapter.after["seq"] == chapter.before["seq"] + 1) == promoted
    assert (chapter.after["champion"] != chapter.before["champion"]) == promoted
    return promoted
