import numpy as np
import pytest
import torch
from policy_days import make_day

from atmr_pipeline.dispatch.problem import DayProblem
from atmr_pipeline.dispatch.simulator import CostWeights
from atmr_pipeline.models.policy import feature_contract as feature_contract_module
from atmr_pipeline.models.policy.bank import DayBank
from atmr_pipeline.models.policy.environment import DayState, advance, initial_state
from atmr_pipeline.models.policy.features import (
    DRIVER_FEATURES,
    STATE_FEATURES,
    Decision,
    decide,
    feature_contract,
)
from atmr_pipeline.models.policy.network import QNetwork, legal_only


def randomised_network() -> QNetwork:
    """Double precision and no zero heads, so that every input reaches every output."""
    torch.manual_seed(5)
    network = QNetwork().double().requires_grad_(False)
    for parameter in network.parameters():
        parameter.copy_(torch.randn_like(parameter) * 0.1)
    return network


def bank_of(*problems: DayProblem) -> DayBank:
    return DayBank.from_problems(problems, CostWeights(), dtype=torch.float64)


def midway(bank: DayBank, row: int) -> tuple[DayState, Decision]:
    state = initial_state(bank, torch.tensor([row]))
    for _ in range(3):
        decision = decide(bank, state)
        action = legal_only(decision.prior, decision.choice.legal).argmax(1)
        state, _ = advance(bank, state, action, decision.choice)
    return state, decide(bank, state)


def test_size_is_within_what_was_decided() -> None:
    assert 40_000 <= QNetwork().n_parameters() <= 90_000


def test_features_have_the_shapes_and_names_of_the_contract(days: list[DayProblem]) -> None:
    bank = bank_of(*days)
    decision = decide(bank, initial_state(bank, torch.arange(len(days))))
    assert decision.driver.shape == (len(days), bank.max_drivers, len(DRIVER_FEATURES))
    assert decision.state.shape == (len(days), len(STATE_FEATURES))
    assert bool(torch.isfinite(decision.driver).all())
    assert bool(torch.isfinite(decision.state).all())
    names = [feature.name for feature in (*DRIVER_FEATURES, *STATE_FEATURES)]
    assert len(set(names)) == len(names)
    assert all(feature.unit for feature in (*DRIVER_FEATURES, *STATE_FEATURES))


def test_no_driver_feature_is_a_constant(days: list[DayProblem]) -> None:
    bank = bank_of(*days)
    seen = []
    state = initial_state(bank, torch.arange(len(days)))
    for _ in range(6):
        decision = decide(bank, state)
        seen.append(decision.driver[decision.on_duty])
        action = legal_only(decision.prior, decision.choice.legal).argmax(1)
        state, _ = advance(bank, state, action, decision.choice)
    spread = torch.cat(seen).std(0)
    assert [feature.name for feature, sd in zip(DRIVER_FEATURES, spread, strict=True) if float(sd) == 0.0] == []


def test_the_contract_changes_with_what_features_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    before = feature_contract()
    monkeypatch.setattr(feature_contract_module, "GAP_MEMORY", 0.5)
    assert feature_contract()["sha256"] != before["sha256"]


def test_company_of_larger_days_changes_nothing() -> None:
    rng = np.random.default_rng(2)
    day, larger = make_day(rng, n_bookings=8, n_drivers=3), make_day(rng, n_bookings=20, n_drivers=6)
    network = randomised_network()
    alone, together = midway(bank_of(day), 0)[1], midway(bank_of(larger, day), 1)[1]
    torch.testing.assert_close(together.driver[:, :3], alone.driver)
    torch.testing.assert_close(together.state, alone.state)
    assert float(together.driver[:, 3:].abs().sum()) == 0.0
    expected, q = network(alone), network(together)
    torch.testing.assert_close(q[:, [0, 1, 2, 6]], expected)


def test_renaming_drivers_renames_their_values() -> None:
    day = make_day(np.random.default_rng(4), n_bookings=8, n_drivers=4)
    order = np.array([2, 0, 3, 1])
    shuffled = DayProblem(
        driver_ids=tuple(day.driver_ids[index] for index in order),
        **{
            name: getattr(day, name)[order]
            for name in ("shift_start_min", "shift_end_min", "is_emergency", "start_min", "start_km")
        },
        **{
            name: getattr(day, name)
            for name in (
                "booking_ids", "scheduled_min", "is_outbound", "is_urgent", "deadhead_min", "deadhead_km", "ride_min",
                "ride_km", "pickup_service_min", "dropoff_service_min",
            )
        },
    )  # fmt: skip
    network = randomised_network()
    q, renamed = network(midway(bank_of(day), 0)[1]), network(midway(bank_of(shuffled), 0)[1])
    torch.testing.assert_close(renamed, q[:, [*order, 4]])


def test_an_untrained_network_is_the_prior(days: list[DayProblem]) -> None:
    bank = bank_of(*days)
    decision = decide(bank, initial_state(bank, torch.arange(len(days))))
    with torch.no_grad():
        torch.testing.assert_close(QNetwork()(decision), decision.prior.float())


def test_the_prior_of_a_last_booking_is_its_cost() -> None:
    day = make_day(np.random.default_rng(6), n_bookings=1, n_drivers=3)
    bank = bank_of(day)
    decision = decide(bank, initial_state(bank, torch.tensor([0])))
    legal = decision.choice.legal
    torch.testing.assert_close(-20.0 * decision.prior[legal], decision.choice.cost[legal])
