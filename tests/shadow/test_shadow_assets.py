"""Nights of a company with a challenger: real models, real state, the assets as the job runs them."""

import shutil

import dagster as dg
import pandas as pd
import pytest
from shadow_company import (
    BOOKINGS_A_DAY,
    LEARNED_DAYS,
    Night,
    choose,
    evaluated,
    lived,
    morning,
    plain,
    registered,
)

from atmr_pipeline.assets.challenger import delay_challenger, delay_challenger_usable
from atmr_pipeline.assets.feedback import delay_predictions, prediction_actuals
from atmr_pipeline.assets.risk_alerts import delay_risk_alerts
from atmr_pipeline.assets.shadow import (
    challenger_comparison,
    challenger_not_worse,
    shadow_predictions,
    shadow_predictions_complete,
)
from atmr_pipeline.domain.wallclock import ALL_DAYS
from atmr_pipeline.models.delay import DelayModel
from atmr_pipeline.promotion.arms import arms_of
from atmr_pipeline.resources.challenger import read_challenges
from atmr_pipeline.resources.io_manager import ParquetIOManager
from atmr_pipeline.resources.workspace import Workspace
from atmr_pipeline.state.predictions import read_predictions

DAY = LEARNED_DAYS + 1
CHALLENGE_DAY = "2026-04-03"
"""The first service day of a challenge that is chosen on the morning of ``DAY``: the day before."""


def kept(workspace: Workspace, role: str | None = None) -> pd.DataFrame:
    return read_predictions(workspace.state, *ALL_DAYS, role=role)


def damage(workspace: Workspace, version: str) -> None:
    file = next(path for path in sorted((workspace.settings.models_dir / "delay" / version).iterdir()))
    file.write_bytes(file.read_bytes() + b" ")


def compare(workspace: Workspace) -> dg.MaterializeResult:
    return plain(challenger_comparison)(workspace)


def test_a_challenger_is_scored_beside_the_champion_and_acts_on_nothing(workspace, challenged) -> None:
    champion, challenger = challenged
    first, second = Night(workspace, DAY), Night(workspace, DAY + 1)
    assert first.challenger.value["version_id"] == challenger
    assert first.challenger.value["reason"] == "first"
    assert second.challenger.value["reason"] == "running"
    assert set(first.served.value["model_version"]) == {champion}
    assert first.shadow.value["scored"] == BOOKINGS_A_DAY
    served, shadow = kept(workspace, "served"), kept(workspace, "shadow")
    assert set(served["model_version"]) == {champion}
    assert set(shadow["model_version"]) == {challenger}
    assert sorted(served["assignment_id"]) == sorted(shadow["assignment_id"])
    assert kept(workspace)["arm"].isna().all()
    assert second.comparison.value["courses"].tolist() == [BOOKINGS_A_DAY]
    day = second.comparison.value.iloc[0]
    both = served.merge(shadow, on="assignment_id", suffixes=("", "_shadow"))
    measured = both[both["actual_delay_min"].notna()]
    expected = (measured["expected_delay_min_shadow"] - measured["actual_delay_min"]).abs().sum()
    assert day["challenger_error_min"] == pytest.approx(expected)
    assert day["challenger"] == challenger
    assert second.comparison.metadata["compared_with"] == f"['{champion}']"
    assert second.comparison.metadata["ab_test"].startswith("off")
    assert second.comparison.metadata["comparison"].value.startswith("![challenger")


def test_the_graph_runs_the_night_in_order_with_its_check(workspace, challenged) -> None:
    tables = morning(DAY)
    for name, frame in tables.items():
        workspace.tables.write(name, frame)
    ours = [delay_challenger, delay_predictions, shadow_predictions, prediction_actuals, challenger_comparison]
    checks = [delay_challenger_usable, shadow_predictions_complete, challenger_not_worse]
    with dg.instance_for_test() as instance:
        result = dg.materialize(
            [*(dg.AssetSpec(name) for name in tables), *ours, *checks],
            selection=[*ours],
            instance=instance,
            resources={"workspace": workspace, "io_manager": ParquetIOManager(workspace=workspace)},
        )
    assert result.success
    judged = result.get_asset_check_evaluations()
    assert {check.check_name for check in judged} == {
        "delay_challenger_usable",
        "shadow_predictions_complete",
        "challenger_not_worse",
    }
    assert all(check.passed for check in judged)
    with workspace.state.begin() as connection:
        connection.exec_driver_sql("DELETE FROM ml_prediction WHERE role = 'shadow'")
    assert not shadow_predictions_complete(workspace).passed
    assert workspace.tables.read_value("shadow_predictions")["scored"] == BOOKINGS_A_DAY


def test_without_a_challenger_the_night_says_so_and_goes_on(workspace, tmp_path, good) -> None:
    version = registered(workspace, good, tmp_path / "champion")
    workspace.registry.promote("delay", version, expected_seq=0, actor="test", reason="test", evidence={})
    evaluated(workspace, version, passed=True)
    night = Night(workspace, DAY)
    assert night.challenger.value["version_id"] is None
    assert night.challenger.value["reason"] == "no_candidate"
    assert (night.shadow.value["status"], night.shadow.value["scored"]) == ("no challenger", 0)
    assert night.shadow.metadata["status"] == "no challenger"
    assert night.comparison.metadata["summary"] == "no challenger: nothing is compared"
    assert night.comparison.value.empty
    assert challenger_not_worse(workspace).passed
    workspace.tables.write_value("shadow_predictions", night.shadow.value)
    assert shadow_predictions_complete(workspace).description == "no challenger: there is no challenger"
    assert kept(workspace, "shadow").empty


def test_a_damaged_challenger_is_no_failure_and_makes_room(workspace, challenged, tmp_path, good) -> None:
    _, challenger = challenged
    choose(workspace, DAY)
    assert delay_challenger_usable(workspace).passed
    damage(workspace, challenger)
    assert not delay_challenger_usable(workspace).passed
    shadow = plain(shadow_predictions)(
        workspace, **morning(DAY), delay_predictions=plain(delay_predictions)(workspace, **morning(DAY)).value
    )
    assert (shadow.value["status"], shadow.value["scored"]) == ("no challenger", 0)
    assert "missing or altered" in shadow.value["why"]
    assert challenger in shadow.value["detail"]
    assert choose(workspace, DAY)["reason"] == "lost"
    assert workspace.registry.alias("delay", "challenger") is None
    again = registered(workspace, _nudged(good), tmp_path / "again")
    evaluated(workspace, again)
    assert choose(workspace, DAY)["version_id"] == again


def _nudged(model: DelayModel) -> DelayModel:
    """The same predictions under another version."""
    import copy

    other = copy.copy(model)
    other.candidates_ = model.candidates_.assign(validation_mae=model.candidates_["validation_mae"] + 1.0)
    return other


def test_a_verdict_ends_the_challenge_and_the_next_version_takes_its_turn(workspace, challenged, tmp_path, good):
    champion, challenger = challenged
    choose(workspace, DAY)
    lived(workspace, {champion: 1.5, challenger: 0.2}, days=20, first=CHALLENGE_DAY)
    result = compare(workspace)
    assert result.metadata["verdict"] == "challenger_better"
    assert result.metadata["summary"].startswith("challenger is better: MAE -")
    assert len(result.value) == 20
    assert challenger_not_worse(workspace).passed
    assert read_challenges(workspace).present.verdict == "challenger_better"
    assert choose(workspace, DAY + 20)["reason"] == "stays"
    newer = registered(workspace, _nudged(good), tmp_path / "newer")
    evaluated(workspace, newer)
    told = choose(workspace, DAY + 20)
    assert (told["version_id"], told["reason"]) == (newer, "decided")
    assert read_challenges(workspace).ended == {challenger: "challenger_better"}
    last = [event for event in workspace.registry.history("delay") if event.alias == "challenger"][-1]
    assert last.to_version == newer
    assert f"{challenger}: challenger is better: MAE -" in last.reason
    assert compare(workspace).value.empty
    evaluated(workspace, challenger)
    assert choose(workspace, DAY + 20)["version_id"] == newer


def test_a_worse_challenger_warns_and_leaves(workspace, challenged) -> None:
    champion, challenger = challenged
    choose(workspace, DAY)
    lived(workspace, {champion: 0.2, challenger: 1.5}, days=20, first=CHALLENGE_DAY)
    assert compare(workspace).metadata["verdict"] == "challenger_worse"
    check = challenger_not_worse(workspace)
    assert not check.passed
    assert check.severity is dg.AssetCheckSeverity.WARN
    assert "challenger is worse" in check.description
    assert choose(workspace, DAY + 20)["reason"] == "worse"
    assert workspace.registry.alias("delay", "challenger") is None


def test_a_verdict_stands_when_records_are_corrected(workspace, challenged) -> None:
    champion, challenger = challenged
    choose(workspace, DAY)
    lived(workspace, {champion: 0.2, challenger: 1.5}, days=20, first=CHALLENGE_DAY)
    said = compare(workspace).metadata["summary"]
    with workspace.state.begin() as connection:
        connection.exec_driver_sql("UPDATE ml_prediction SET actual_delay_min = NULL, actual_recorded_at = NULL")
    after = compare(workspace)
    assert (after.metadata["verdict"], after.metadata["summary"]) == ("challenger_worse", said)
    assert after.value.empty


def test_a_challenge_that_takes_too_long_makes_room_only_for_a_newer_version(
    workspace, challenged, tmp_path, good, monkeypatch
) -> None:
    _, challenger = challenged
    monkeypatch.setenv("ATMR_SHADOW_MAX_DAYS", "7")
    workspace = Workspace()
    assert choose(workspace, DAY)["since"] == CHALLENGE_DAY
    assert choose(workspace, DAY + 7)["reason"] == "running"
    assert choose(workspace, DAY + 8)["reason"] == "overdue"
    newer = registered(workspace, _nudged(good), tmp_path / "newer")
    evaluated(workspace, newer)
    assert choose(workspace, DAY + 8)["reason"] == "too_old"
    assert read_challenges(workspace).ended == {challenger: "too_old"}


def test_promotion_and_people_end_a_challenge(workspace, challenged, tmp_path, good) -> None:
    _, challenger = challenged
    choose(workspace, DAY)
    seq = workspace.registry.alias("delay", "champion").seq
    workspace.registry.promote("delay", challenger, expected_seq=seq, actor="test", reason="test", evidence={})
    assert choose(workspace, DAY + 1)["reason"] == "no_candidate"
    assert read_challenges(workspace).ended == {challenger: "promoted"}
    by_hand = registered(workspace, _nudged(good), tmp_path / "by-hand")
    workspace.registry.point("delay", "challenger", by_hand, actor="cli:somebody", reason="looks promising")
    told = choose(workspace, DAY + 1)
    assert (told["version_id"], told["reason"]) == (by_hand, "running")
    workspace.registry.unpoint("delay", "challenger", actor="cli:somebody", reason="enough")
    assert choose(workspace, DAY + 2)["version_id"] is None
    assert read_challenges(workspace).ended[by_hand] == "withdrawn"


@pytest.fixture
def ab_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATMR_AB_TEST", "true")


def test_in_an_ab_test_each_arm_is_served_by_its_model(ab_test, workspace, challenged) -> None:
    champion, challenger = challenged
    evaluated(workspace, challenger, passed=True)
    first, second = Night(workspace, DAY), Night(workspace, DAY + 1)
    for night in (first, second):
        table = night.served.value
        arms = arms_of(f"delay:{challenger}", table["booking_id"], 0.5)
        assert table["model_version"].tolist() == arms.map({"champion": champion, "challenger": challenger}).tolist()
        assert night.served.metadata["ab_test"].startswith(f"on: version {challenger} serves")
    rows = kept(workspace)
    assert len(rows) == 2 * 2 * BOOKINGS_A_DAY
    assert rows["arm"].notna().all()
    served = rows[rows["role"] == "served"]
    assert ((served["model_version"] == challenger) == (served["arm"] == "challenger")).all()
    shadow = rows[rows["role"] == "shadow"]
    assert ((shadow["model_version"] == challenger) == (shadow["arm"] == "champion")).all()
    assert served["assignment_id"].is_unique
    assert sorted(shadow["assignment_id"]) == sorted(served["assignment_id"])
    assert second.comparison.value["courses"].tolist() == [BOOKINGS_A_DAY]
    arms = second.comparison.metadata["arms"].value
    assert "| champion |" in arms
    assert "| challenger |" in arms
    suggested = pd.DataFrame({"assignment_id": [], "gain_min": []}, dtype="float64")
    alerts = plain(delay_risk_alerts)(workspace, second.served.value, suggested)
    assert set(alerts.value["thresholds"]) == {champion, challenger}


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("gates_failed", "did not pass the gates"),
        ("not_judged", "no gate has judged"),
        ("decided", "has ended"),
        ("damaged", "missing or altered"),
        ("no_challenger", "there is no challenger"),
        ("rolled_back", "taken out of service"),
        ("champion_damaged", "the champion is damaged"),
    ],
)
def test_no_challenger_acts_that_may_not(ab_test, workspace, challenged, case, said) -> None:
    champion, challenger = challenged
    if case == "not_judged":
        shutil.rmtree(workspace.settings.tables_dir / "delay_verdicts")
    elif case != "gates_failed":
        evaluated(workspace, challenger, passed=True)
    if case in ("rolled_back", "champion_damaged"):
        seq = workspace.registry.alias("delay", "champion").seq
        workspace.registry.promote("delay", challenger, expected_seq=seq, actor="t", reason="t", evidence={})
        workspace.registry.rollback("delay", actor="test", reason="test")
    if case != "no_challenger":
        assert choose(workspace, DAY)["version_id"] == challenger
    if case == "decided":
        lived(workspace, {champion: 1.5, challenger: 0.2}, days=20, first=CHALLENGE_DAY)
        compare(workspace)
    if case == "damaged":
        damage(workspace, challenger)
    serving = champion
    if case == "champion_damaged":
        seq = workspace.registry.alias("delay", "champion").seq
        workspace.registry.promote("delay", challenger, expected_seq=seq, actor="t", reason="t", evidence={})
        workspace.registry.point("delay", "challenger", champion, actor="t", reason="t")
        damage(workspace, challenger)
    result = plain(delay_predictions)(workspace, **morning(DAY))
    assert said in result.metadata["ab_test"]
    assert set(result.value["model_version"]) == {serving}
    rows = kept(workspace).query("assignment_id < 50000")
    assert rows["arm"].isna().all()
    assert set(rows["role"]) == {"served"}


def test_switching_the_test_off_gives_every_booking_back_to_the_champion(workspace, challenged, monkeypatch) -> None:
    champion, challenger = challenged
    evaluated(workspace, challenger, passed=True)
    monkeypatch.setenv("ATMR_AB_TEST", "true")
    Night(Workspace(), DAY)
    assert set(kept(workspace)["arm"]) == {"champion", "challenger"}
    monkeypatch.setenv("ATMR_AB_TEST", "false")
    off = Workspace()
    night = Night(off, DAY)
    assert set(night.served.value["model_version"]) == {champion}
    rows = kept(off)
    assert rows["arm"].isna().all()
    assert set(rows.loc[rows["role"] == "served", "model_version"]) == {champion}
    assert len(rows) == 2 * BOOKINGS_A_DAY
