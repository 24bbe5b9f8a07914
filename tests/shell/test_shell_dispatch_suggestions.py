"""The assets that plan: past days with depots and absences, served plans by their maker, held-out days side by side."""

from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd
import pytest
from dispatch_company import company_tables

from atmr_pipeline.assets.dispatch_policy import build_days, dispatch_days, dispatch_policies, past_bookings
from atmr_pipeline.assets.dispatch_report import evaluated, figures, pictures_of, pictures_of_a_day
from atmr_pipeline.assets.dispatch_suggestion import SUGGESTION_COLUMNS
from atmr_pipeline.assets.feedback import dispatch_suggestions, dispatch_suggestions_served
from atmr_pipeline.dispatch.planners import METHODS, plan
from atmr_pipeline.dispatch.simulator import CostWeights, simulate
from atmr_pipeline.dispatch.synthetic import synthetic_days
from atmr_pipeline.models.policy import DispatchPolicy
from atmr_pipeline.models.policy.evaluate import OPTIMUM_GAP
from atmr_pipeline.models.policy.network import QNetwork
from atmr_pipeline.models.policy.served import SERVED_BY
from atmr_pipeline.resources.io_manager import ParquetIOManager
from atmr_pipeline.resources.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("ATMR_HOME", str(tmp_path / "home"))
    return Workspace()


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    """The first exact search on a machine compiles, and that counts against its time limit."""
    for method in METHODS:
        plan(synthetic_days(1, seed=0)[0], method)


@pytest.fixture
def champion(workspace: Workspace, tmp_path: Path) -> str:
    policy = DispatchPolicy(QNetwork(), CostWeights())
    (tmp_path / "files").mkdir()
    manifest = policy.save(tmp_path / "files")
    version = workspace.registry.register(
        "policy", tmp_path / "files", manifest, training_fingerprint="none", metrics={}
    )
    workspace.registry.promote("policy", version, expected_seq=0, actor="test", reason="test", evidence={})
    return version


def days_of(workspace: Workspace, tables: dict[str, pd.DataFrame]) -> list:
    duty = [tables[name] for name in ("drivers", "driver_shifts", "driver_absences", "companies")]
    past = past_bookings(tables["bookings"], tables["assignments"])
    return build_days(workspace, past, tables["assignments"], *duty)[0]


def test_days_say_where_drivers_start_and_who_was_away(workspace: Workspace) -> None:
    result = dispatch_days(workspace=workspace, **company_tables(5))
    frame = result.value
    assert frame["drivers"].tolist() == [2, 3, 3, 3]
    assert frame["starts_at_depot"].tolist() == [2, 3, 3, 3]
    assert frame["starts_at_driver_position"].tolist() == [0, 0, 0, 0]
    assert "| driver_absent | 1 |" in result.metadata["set_aside"].value
    assert "| starts_at_depot | 11 |" in result.metadata["start_source"].value
    without = dispatch_days(workspace=workspace, **company_tables(5, with_depot=False)).value
    assert without["starts_at_driver_position"].tolist() == [2, 3, 3, 3]
    day = days_of(workspace, company_tables(5))[1]
    # The next noon lies within the 48 hours that a service day may run.
    assert day.problem.absences == ((0, 720.0, 780.0), (0, 2160.0, 2220.0))


def test_a_coming_day_is_served_by_the_cheapest_maker_that_the_guards_pass(workspace: Workspace, champion: str) -> None:
    result = dispatch_suggestions(workspace=workspace, **company_tables())
    frame = result.value
    assert list(frame.columns) == list(SUGGESTION_COLUMNS)
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == SUGGESTION_COLUMNS
    assert len(frame) == 6
    assert set(frame["method"]) <= set(SERVED_BY)
    assert set(frame["model_version"]) == {champion}
    assert (frame["served_cost"] <= frame["policy_cost"] + 1e-6).all()
    assert not frame["policy_refused"].any()
    assert frame["refused_because"].isna().all()
    assert frame["suggested_driver_id"].notna().all()
    assert frame["gap_to_optimum_pct"].notna().all() == ("exact" in METHODS)
    assert dispatch_suggestions_served(dispatch_suggestions=frame).passed


def test_changes_to_the_present_plan_are_listed_and_by_default_not_applied(workspace: Workspace, champion: str) -> None:
    tables = company_tables()
    frame = dispatch_suggestions(workspace=workspace, **tables).value
    present = tables["assignments"].set_index("booking_id")["driver_id"]
    assert frame["present_driver_id"].tolist() == present.loc[frame["booking_id"]].tolist()
    swaps = frame.dropna(subset=["swap"])
    assert len(swaps) > 0
    assert (swaps["swap_driver_id"] != swaps["present_driver_id"]).all()
    assert (swaps["swap_cost_saved"] > 0).all()
    assert swaps["swap_confidence"].between(0, 1).all()
    assert not swaps["swap_applied"].any()
    assert swaps["swap"].max() <= workspace.settings.optimizer_max_swaps
    assert frame["swap_fell_back"].isna().all()
    assert frame.loc[frame["swap"].isna(), "swap_driver_id"].isna().all()


def test_the_knobs_of_the_optimizer_are_heard(
    workspace: Workspace, champion: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATMR_OPTIMIZER_MODE", "fully_auto")
    monkeypatch.setenv("ATMR_OPTIMIZER_MAX_SWAPS", "1")
    frame = dispatch_suggestions(workspace=Workspace(), **company_tables()).value
    assert frame["swap"].dropna().unique().tolist() == [1]
    assert frame["swap_applied"].dropna().all()


def test_a_day_that_no_plan_can_serve_says_so_of_every_maker(workspace: Workspace, champion: str) -> None:
    result = dispatch_suggestions(workspace=workspace, **company_tables(drivers=1, bookings=30))
    frame = result.value
    assert frame["policy_refused"].all()
    assert frame["all_refused"].all()
    assert set(frame["swap_fell_back"]) == {"infeasible_input"}
    assert "policy: completion" in frame["refused_because"].iloc[0]
    verdict = dispatch_suggestions_served(dispatch_suggestions=frame)
    assert not verdict.passed
    assert "1 of 1 days" in verdict.description


def test_no_coming_day_is_an_empty_table(workspace: Workspace, champion: str) -> None:
    tables = company_tables()
    tables["assignments"] = tables["assignments"].query("status != 'SCHEDULED'")
    frame = dispatch_suggestions(workspace=workspace, **tables).value
    assert len(frame) == 0
    assert list(frame.columns) == list(SUGGESTION_COLUMNS)
    assert dispatch_suggestions_served(dispatch_suggestions=frame).passed


def test_held_out_days_are_shown_beside_every_method(workspace: Workspace) -> None:
    days = days_of(workspace, company_tables(6))
    policy = DispatchPolicy(QNetwork(), CostWeights())
    table = evaluated(policy, None, days, 4).assign(model_version="v1")
    methods = {"policy", "policy_argmax", "untrained", "served", "greedy", "least_loaded", "nearest", "local_search"}
    methods |= {"insertion"} | ({"exact"} & set(METHODS))
    assert set(table["method"]) == methods
    assert len(table) == len(days) * len(methods)
    costs = table.groupby("method")["cost"].mean()
    assert costs["served"] <= min(costs["policy"], costs["local_search"]) + 1e-6
    assert table[OPTIMUM_GAP].notna().all() == ("exact" in METHODS)
    shown = figures(table)
    assert "policy_argmax" in shown["figures"].value
    assert "local_search" in shown["policy_against"].value
    assert len(shown["served_against"].value.splitlines()) == 2 + len(methods) - 1
    pictures = pictures_of(table) | pictures_of_a_day(policy, days, 4)
    assert set(pictures) == {"load_gap", "load_gap_served", "cost_by_method", "plan_of_a_day", "map_of_a_day"}
    assert all(picture.value.startswith("![") for picture in pictures.values())
    with_champion = evaluated(policy, policy, days[:2], 1)
    pair = with_champion.pivot(index="service_day", columns="method", values="cost")
    assert np.allclose(pair["champion"], pair["policy"])


def test_the_served_plan_costs_what_it_says(workspace: Workspace, champion: str) -> None:
    tables = company_tables()
    frame = dispatch_suggestions(workspace=workspace, **tables).value
    coming = tables["bookings"][tables["bookings"]["booking_id"].isin(frame["booking_id"])]
    duty = [tables[name] for name in ("drivers", "driver_shifts", "driver_absences", "companies")]
    (day,), _ = build_days(workspace, coming, tables["assignments"], *duty)
    index = {name: place for place, name in enumerate(day.problem.driver_ids)}
    suggested = frame.set_index(frame["booking_id"].astype(str))["suggested_driver_id"]
    drivers = [index[str(suggested[name])] for name in day.problem.booking_ids]
    assert simulate(day.problem, drivers).total == pytest.approx(frame["served_cost"].iloc[0])


@pytest.mark.slow
def test_a_training_run_shows_its_curve_its_figures_and_a_day(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATMR_POLICY_GRADIENT_STEPS", "10")
    monkeypatch.setenv("ATMR_POLICY_MINIMUM_DAYS", "10")
    monkeypatch.setenv("ATMR_POLICY_BEAM_WIDTH", "2")
    tables = company_tables(19)
    tables["dispatch_days"] = dispatch_days(workspace=workspace, **tables).value
    for name, frame in tables.items():
        if name in ("bookings", "assignments"):
            workspace.tables.write_days(name, frame, sorted({day.date() for day in frame["service_day"]}))
        else:
            workspace.tables.write(name, frame)
    shown = materialised(Workspace(), list(tables))
    assert {"figures", "policy_against", "served_against", "map_of_a_day", "plan_of_a_day"} <= set(shown)
    table = workspace.tables.read("dispatch_evaluation")
    assert table["service_day"].nunique() == 6
    assert {"policy", "policy_argmax", "served", "exact", "untrained"} <= set(table["method"])


def materialised(workspace: Workspace, inputs: list[str]) -> dict[str, dg.MetadataValue]:
    """Run the training; the evaluation's metadata."""
    with dg.instance_for_test() as instance:
        result = dg.materialize(
            [*(dg.AssetSpec(name) for name in inputs), dispatch_policies],
            selection=[dispatch_policies],
            instance=instance,
            resources={"workspace": workspace, "io_manager": ParquetIOManager(workspace=workspace)},
        )
    assert result.success
    (shown,) = (
        event.step_materialization_data.materialization.metadata
        for event in result.get_asset_materialization_events()
        if event.asset_key.path[-1] == "dispatch_evaluation"
    )
    return dict(shown)
