import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_days import make_day, make_days
from safetensors.torch import load_file, save_file

from atmr_pipeline.dispatch.problem import DayProblem
from atmr_pipeline.dispatch.simulator import UNASSIGNED, CostWeights, simulate
from atmr_pipeline.domain.errors import ModelIntegrityError
from atmr_pipeline.models.policy import policy as policy_module
from atmr_pipeline.models.policy.learner import TrainedPolicy
from atmr_pipeline.models.policy.network import QNetwork
from atmr_pipeline.models.policy.policy import MANIFEST_FILE, WEIGHTS_FILE, DispatchPolicy


@pytest.fixture(scope="session")
def policy(trained: TrainedPolicy) -> DispatchPolicy:
    return DispatchPolicy.from_training(trained)


@pytest.fixture
def saved(policy: DispatchPolicy, tmp_path: Path) -> Path:
    policy.save(tmp_path / "policy", metrics={"mean_cost": 91.5})
    return tmp_path / "policy"


def arbitrary_policy(seed: int) -> DispatchPolicy:
    """A network that has learned nothing and prefers anything."""
    generator = torch.Generator().manual_seed(seed)
    network = QNetwork()
    for parameter in network.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator)
    return DispatchPolicy(network, CostWeights())


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), width=st.sampled_from([1, 3]))
def test_no_network_makes_an_infeasible_plan(seed: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    days = [
        make_day(rng, n_bookings=int(rng.integers(0, 20)), n_drivers=int(rng.integers(0, 5)), absence_share=0.4)
        for _ in range(3)
    ]
    for day, assignment in zip(days, arbitrary_policy(seed).plan_batch(days, beam_width=width), strict=True):
        outcome = simulate(day, assignment)
        # Whoever is sent arrives in time: nothing is lost but what was dropped.
        assert np.array_equal(outcome.driver, assignment)


def test_a_batch_plans_as_one_by_one(policy: DispatchPolicy, days: list[DayProblem]) -> None:
    together = policy.plan_batch(days[:12])
    assert all(np.array_equal(plan, policy.plan(day)) for plan, day in zip(together, days, strict=False))


def test_a_batch_larger_than_one_chunk(
    policy: DispatchPolicy, days: list[DayProblem], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = policy.plan_batch(days)
    monkeypatch.setattr(policy_module, "MAX_DAYS_AT_ONCE", 5)
    assert all(np.array_equal(a, b) for a, b in zip(policy.plan_batch(days), expected, strict=True))
    assert policy.plan_batch([]) == []


def test_a_beam_is_never_dearer_and_mostly_cheaper(policy: DispatchPolicy, days: list[DayProblem]) -> None:
    alone = np.array([simulate(day, plan).total for day, plan in zip(days, policy.plan_batch(days), strict=True)])
    beam = policy.plan_batch(days, beam_width=8)
    wide = np.array([simulate(day, plan).total for day, plan in zip(days, beam, strict=True)])
    assert np.all(wide <= alone + 1e-9)
    assert wide.mean() < 0.97 * alone.mean()


def test_a_beam_as_wide_as_the_tree_finds_the_optimum() -> None:
    day = make_day(np.random.default_rng(8), n_bookings=5, n_drivers=2)
    every = [np.array(np.unravel_index(code, (3,) * 5)) - 1 for code in range(3**5)]
    feasible = []
    for assignment in every:
        plan = simulate(day, assignment, enforce_shifts=False)
        if np.all(np.nan_to_num(plan.dropoff_end_min) <= day.shift_end_min[assignment]):
            feasible.append(plan.total)
    found = simulate(day, arbitrary_policy(0).plan(day, beam_width=600)).total
    assert found == pytest.approx(min(feasible))


@pytest.mark.parametrize(("bookings", "drivers"), [(0, 0), (0, 3), (4, 0), (1, 1)])
def test_days_with_next_to_nothing(policy: DispatchPolicy, bookings: int, drivers: int) -> None:
    day = make_day(np.random.default_rng(1), n_bookings=bookings, n_drivers=drivers)
    for width in (1, 4):
        plan = policy.plan(day, beam_width=width)
        assert plan.shape == (bookings,)
        if not drivers:
            assert np.all(plan == UNASSIGNED)


def test_a_beam_of_nothing_is_refused(policy: DispatchPolicy, days: list[DayProblem]) -> None:
    with pytest.raises(ValueError, match="beam_width"):
        policy.plan(days[0], beam_width=0)


def test_what_is_loaded_plans_as_what_was_saved(policy: DispatchPolicy, saved: Path, days: list[DayProblem]) -> None:
    loaded = DispatchPolicy.load(saved)
    assert all(np.array_equal(a, b) for a, b in zip(loaded.plan_batch(days), policy.plan_batch(days), strict=True))
    assert loaded.weights == policy.weights
    assert loaded.training == json.loads(json.dumps(policy.training))


def test_the_manifest_says_what_the_policy_is(policy: DispatchPolicy, tmp_path: Path) -> None:
    manifest = policy.save(tmp_path, metrics={"mean_cost": 91.5})
    assert manifest == json.loads((tmp_path / MANIFEST_FILE).read_text())
    assert manifest["metrics"] == {"mean_cost": 91.5}
    assert manifest["training"]["data_sha256"] == policy.training["data_sha256"]
    assert manifest["training"]["settings"]["gradient_steps"] == 6
    assert {"torch", "numpy", "python", "atmr-pipeline"} <= manifest["versions"].keys()
    assert len(manifest["feature_contract"]["driver"]) == policy.network.driver_in.in_features
    assert {path.name for path in tmp_path.iterdir()} == {MANIFEST_FILE, WEIGHTS_FILE}


def test_saving_twice_writes_the_same_bytes(policy: DispatchPolicy, saved: Path, tmp_path: Path) -> None:
    policy.save(tmp_path / "again", metrics={"mean_cost": 91.5})
    for name in (MANIFEST_FILE, WEIGHTS_FILE):
        assert (tmp_path / "again" / name).read_bytes() == (saved / name).read_bytes()


def test_the_manifest_names_no_booking_and_no_driver(policy: DispatchPolicy, saved: Path) -> None:
    assert "driver 1" not in (saved / MANIFEST_FILE).read_text()


def edited(directory: Path, **changes: object) -> None:
    path = directory / MANIFEST_FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def other_features(directory: Path) -> None:
    contract = json.loads((directory / MANIFEST_FILE).read_text())["feature_contract"]
    contract["driver"][0][1] = "other unit"
    edited(directory, feature_contract=contract)


def altered_weights(directory: Path) -> None:
    tensors = load_file(directory / WEIGHTS_FILE)
    save_file({name: value + 1.0 for name, value in tensors.items()}, directory / WEIGHTS_FILE)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (shutil.rmtree, "no policy here"),
        (lambda path: (path / WEIGHTS_FILE).unlink(), "is missing beside"),
        (altered_weights, "does not match"),
        (other_features, "other features"),
        (lambda path: edited(path, architecture={"hidden": 32, "layers": 2}), "do not fit"),
        (lambda path: edited(path, kind="delay_model"), "does not describe"),
        (lambda path: edited(path, format=99), "format 99"),
        (lambda path: (path / MANIFEST_FILE).write_text("{"), "not valid JSON"),
        (lambda path: (path / MANIFEST_FILE).write_text('{"kind": "dispatch_policy", "format": 1}'), "lacks"),
    ],
)
def test_a_policy_that_is_not_what_it_says_is_refused(saved: Path, damage: object, message: str) -> None:
    damage(saved)  # type: ignore[operator]
    with pytest.raises(ModelIntegrityError, match=message):
        DispatchPolicy.load(saved)


def test_planning_does_not_depend_on_the_order_of_bookings(policy: DispatchPolicy) -> None:
    day = make_days(1, seed=9)[0]
    order = np.random.default_rng(0).permutation(day.n_bookings)
    by_booking = (
        "scheduled_min", "is_outbound", "is_urgent", "ride_min", "ride_km", "pickup_service_min", "dropoff_service_min",
    )  # fmt: skip
    shuffled = DayProblem(
        driver_ids=day.driver_ids,
        booking_ids=tuple(day.booking_ids[index] for index in order),
        **{name: getattr(day, name) for name in ("shift_start_min", "shift_end_min", "is_emergency")},
        **{name: getattr(day, name)[order] for name in by_booking},
        **{name: getattr(day, name)[:, order] for name in ("start_min", "start_km")},
        **{name: getattr(day, name)[np.ix_(order, order)] for name in ("deadhead_min", "deadhead_km")},
    )
    assert np.array_equal(policy.plan(shuffled), policy.plan(day)[order])


def test_the_untrained_policy_has_the_same_search_and_no_learned_weight(policy: DispatchPolicy) -> None:
    before = [parameter.clone() for parameter in policy.network.parameters()]
    untrained = policy.untrained()
    assert all(not parameter.any() for parameter in untrained.network.parameters())
    assert all(torch.equal(old, new) for old, new in zip(before, policy.network.parameters(), strict=True))
    day = make_days(1, seed=3)[0]
    assert simulate(day, untrained.plan(day)).n_lost <= day.n_bookings


def test_a_plan_keeps_limits_that_it_just_keeps_by_the_simulator_s_arithmetic():
    # Times with one decimal, shifts and absences that begin or end exactly when a service does: a sum taken in another
    # order would be off by a rounding, and the simulator would refuse the plan.
    policy, rng, kept = DispatchPolicy(QNetwork(), CostWeights()), np.random.default_rng(0), 0
    for _ in range(150):
        day = _tenths(rng)
        ends = simulate(day, policy.plan(day)).dropoff_end_min
        limit = np.round(np.nanmax(np.append(ends, 480.0)), 1)
        tight = replace(day, shift_end_min=np.full(2, limit), absences=((0, float(np.round(limit, 1)), 900.0),))
        for width in (1, 4):
            outcome = simulate(tight, policy.plan(tight, beam_width=width))
            kept += outcome.n_served
    assert kept > 500


def _tenths(rng: np.random.Generator) -> DayProblem:
    def tenths(shape: int | tuple[int, int], high: float) -> np.ndarray:
        return np.round(rng.uniform(0.0, high, shape), 1)

    return DayProblem(
        driver_ids=("1", "2"),
        booking_ids=("1", "2", "3", "4"),
        shift_start_min=np.full(2, 470.0),
        shift_end_min=np.full(2, 900.0),
        is_emergency=np.zeros(2, dtype=bool),
        scheduled_min=480.0 + tenths(4, 120.0),
        is_outbound=rng.random(4) < 0.5,
        is_urgent=np.zeros(4, dtype=bool),
        start_min=tenths((2, 4), 20.0),
        start_km=tenths((2, 4), 9.0),
        deadhead_min=tenths((4, 4), 20.0),
        deadhead_km=tenths((4, 4), 9.0),
        ride_min=tenths(4, 20.0),
        ride_km=tenths(4, 9.0),
        pickup_service_min=tenths(4, 8.0),
        dropoff_service_min=tenths(4, 8.0),
    )
