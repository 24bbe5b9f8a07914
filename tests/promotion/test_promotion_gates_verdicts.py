"""Verdicts are judged once: kept with what they are about, shown in full, and used as they are."""

import json
import math
from pathlib import Path

import dagster as dg
import pytest

from atmr_pipeline.assets.promotion import DELAY_GATES, VERDICTS, _as_check, judged, promote
from atmr_pipeline.domain.errors import PromotionRefusedError
from atmr_pipeline.promotion.gates import GateVerdict, Judgement
from atmr_pipeline.resources.workspace import Workspace

GOOD = GateVerdict("coverage", True, 0.9, 0.95, 300, "fine")
BAD = GateVerdict("bias", False, 2.0, 1.0, 300, "too far off")
NAMES = ("coverage",)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("ATMR_HOME", str(tmp_path / "home"))
    return Workspace()


def registered(workspace: Workspace, text: str) -> str:
    folder = workspace.settings.root / f"model-{text}"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps({"name": text}))
    return workspace.registry.register("delay", folder, {}, training_fingerprint=text, metrics={})


def challenger(workspace: Workspace, text: str) -> str:
    version = registered(workspace, text)
    workspace.tables.write_value("delay_model", {"version_id": version})
    return version


def served(workspace: Workspace) -> str | None:
    state = workspace.registry.alias("delay")
    return state.version_id if state else None


def judge_as(workspace: Workspace, *verdicts: GateVerdict) -> Judgement:
    return judged(workspace, "delay", lambda _: list(verdicts), "r1", {})


def test_what_the_checks_kept_is_what_promotes(workspace: Workspace) -> None:
    first = challenger(workspace, "first")
    kept = judge_as(workspace, GOOD)
    assert (kept.version_id, kept.champion_seq, kept.champion) == (first, 0, None)
    assert promote(workspace, "delay", NAMES, "r2")["moved"]
    assert served(workspace) == first
    evidence = workspace.registry.history("delay")
    promoted = next(event for event in evidence if event.action == "promoted")
    assert promoted.evidence["gates"] == [GOOD.as_evidence()]
    assert not promote(workspace, "delay", NAMES, "r3")["moved"], "the champion already"
    second = challenger(workspace, "second")
    assert judge_as(workspace, GOOD).champion_seq == 1
    # Whatever a gate would say now, the kept verdicts decide.
    value = workspace.tables.read_value(VERDICTS["delay"])
    assert value["promote"] is True
    workspace.tables.write_value(VERDICTS["delay"], {**value, "verdicts": [BAD.as_evidence(), GOOD.as_evidence()]})
    with pytest.raises(PromotionRefusedError, match="bias: too far off"):
        promote(workspace, "delay", NAMES, "r4")
    assert served(workspace) == first != second


def test_verdicts_on_another_version_champion_or_fewer_gates_are_not_used(workspace: Workspace) -> None:
    first = challenger(workspace, "first")
    with pytest.raises(PromotionRefusedError, match="never judged"):
        promote(workspace, "delay", NAMES, "r1")
    judge_as(workspace, GOOD)
    with pytest.raises(PromotionRefusedError, match="not judged by latency, no_leak"):
        promote(workspace, "delay", ("coverage", "no_leak", "latency"), "r1")
    challenger(workspace, "second")
    with pytest.raises(PromotionRefusedError, match=f"the gates judged {first}"):
        promote(workspace, "delay", NAMES, "r1")
    judge_as(workspace, GOOD)
    workspace.registry.promote("delay", first, expected_seq=0, actor="person", reason="by hand", evidence={})
    with pytest.raises(PromotionRefusedError, match="the champion moved since the gates judged"):
        promote(workspace, "delay", NAMES, "r1")
    assert served(workspace) == first


def test_a_champion_that_moves_while_the_gates_judge_is_noticed(workspace: Workspace) -> None:
    other = registered(workspace, "other")
    challenger(workspace, "first")

    def judge(space: Workspace) -> list[GateVerdict]:
        space.registry.promote("delay", other, expected_seq=0, actor="person", reason="meanwhile", evidence={})
        return [GOOD]

    judged(workspace, "delay", judge, "r1", {})
    with pytest.raises(PromotionRefusedError, match="the champion moved"):
        promote(workspace, "delay", NAMES, "r1")


def test_by_hand_a_passed_challenger_waits_for_a_person(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATMR_PROMOTION_MODE", "by_hand")
    workspace = Workspace()
    version = challenger(workspace, "first")
    judge_as(workspace, GOOD)
    outcome = promote(workspace, "delay", NAMES, "r1")
    assert (outcome["moved"], outcome["waiting"], outcome["champion"]) == (False, version, None)
    assert f"atmr promote delay {version}" in outcome["reason"]
    assert served(workspace) is None
    judge_as(workspace, GOOD, BAD)
    with pytest.raises(PromotionRefusedError, match="bias"):
        promote(workspace, "delay", NAMES, "r1")


def test_a_refusal_is_written_once(workspace: Workspace) -> None:
    version = challenger(workspace, "first")
    for _ in range(2):
        judge_as(workspace, GOOD, BAD)
    refused = [event for event in workspace.registry.history("delay") if event.action == "refused"]
    assert [(event.to_version, event.reason) for event in refused] == [(version, "bias: too far off")]


def test_a_verdict_comes_back_as_it_was_written() -> None:
    unknown = GateVerdict.not_judged("slices", 0.05, "no champion yet", blocking=False)
    detailed = GateVerdict("slices", True, math.nan, 0.05, 0, "none", table=({"slice": "return", "p_value": None},))
    for verdict in (GOOD, BAD, unknown, detailed):
        text = json.dumps(verdict.as_evidence(), allow_nan=False)
        assert repr(GateVerdict.from_evidence(json.loads(text))) == repr(verdict)
    judgement = Judgement("delay", "v1", 3, (GOOD, BAD), champion="v0", run_id="r1")
    assert Judgement.from_value(json.loads(json.dumps(judgement.to_value()))) == judgement


def test_every_check_shows_number_threshold_n_and_verdict() -> None:
    table = ({"cut": "leg", "slice": "return", "n": 80, "p_value": None},)
    shown = _as_check(GateVerdict("slices", False, 0.01, 0.05, 80, "return", table=table), "delay_evaluation")
    assert {name: value.value for name, value in shown.metadata.items() if name != "table"} == {
        "value": 0.01,
        "threshold": 0.05,
        "n": 80,
        "verdict": "refused",
    }
    assert "return" in shown.metadata["table"].value
    assert shown.severity == dg.AssetCheckSeverity.ERROR
    noted = _as_check(GateVerdict("better_than_local_search", False, 0.02, 0.0, 14, "dearer", False), "x")
    assert (noted.severity, noted.metadata["verdict"].value) == (dg.AssetCheckSeverity.WARN, "noted")
    absent = _as_check(GateVerdict.not_judged("not_inferior_to_anchor", 0.05, "no anchor"), "x")
    assert (absent.metadata["value"].value, absent.metadata["verdict"].value) == ("unknown", "not judged")


def test_no_gate_is_named_twice() -> None:
    assert len(set(DELAY_GATES)) == len(DELAY_GATES)
