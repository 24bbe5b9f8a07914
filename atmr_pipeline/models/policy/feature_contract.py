"""The feature contract: names, units and order of what the policy sees.

Its hash is saved with every policy and checked when one is loaded. A booking or driver that does not exist is masked
and announced by a presence flag; nothing unknown is replaced by a constant.
"""

import hashlib
import json
from dataclasses import dataclass

from torch import Tensor

from atmr_pipeline.models.policy.environment import REWARD_SCALE, Options
from atmr_pipeline.models.policy.rollout import DEAREST_WAY, ROLLOUT_BOOKINGS, RULES

HORIZON = 8
"""Bookings in view: the current one and the next seven."""

HOUR_MIN = 60.0
DISTANCE_SCALE_KM = 10.0
GAP_MEMORY = 0.3
"""With this many bookings left per driver, half of a load gap should close by itself (tuned on synthetic days)."""
REGRET_LIMIT = 5.0
"""An action worse than the best by more than this is simply bad; so is one that is not legal. In 20 cost units."""
EXPECTED_LIMIT = 25.0
"""A rest of a day dearer than this is simply dear. In 20 cost units."""
LATENESS_BOUNDS_H = (-3.0, 1.5)
"""Earlier or later than this makes no difference to a decision."""


@dataclass(frozen=True)
class Feature:
    """One input of the network: its name and the unit in which it arrives."""

    name: str
    unit: str


def _each(name: str, unit: str, first: int) -> tuple[Feature, ...]:
    return tuple(Feature(f"{name}_{ahead}", unit) for ahead in range(first, HORIZON))


DRIVER_FEATURES: tuple[Feature, ...] = (
    Feature("load", "10 bookings"),
    Feature("load_above_least", "bookings"),
    Feature("load_above_mean", "bookings"),
    Feature("is_emergency", "flag"),
    Feature("shift_left_after", "h"),
    Feature("step_cost", "20 cost units"),
    *(Feature(f"rollout_regret_{rule}", "20 cost units") for rule in range(len(RULES))),
    Feature("potential_regret", "20 cost units"),
    *_each("lateness", "h", 0),
    *_each("deadhead", "10 km", 0),
    *_each("feasible", "flag", 0),
    *_each("lateness_after_serving", "h", 1),
    *_each("feasible_after_serving", "flag", 1),
)
"""Per driver; ``_k`` is the k-th booking from the current one (0)."""

STATE_FEATURES: tuple[Feature, ...] = (
    Feature("time_of_day", "24 h"),
    Feature("bookings_left", "10 bookings"),
    Feature("drivers_on_duty", "10 drivers"),
    Feature("bookings_left_per_driver", "bookings"),
    Feature("load_gap", "bookings"),
    Feature("mean_load", "10 bookings"),
    *(Feature(f"rollout_cost_{rule}", "20 cost units") for rule in range(len(RULES))),
    Feature("potential_cost", "20 cost units"),
    *_each("exists", "flag", 0),
    *_each("starts_in", "h", 0),
    *_each("ride", "h", 0),
    *_each("is_outbound", "flag", 0),
    *_each("is_urgent", "flag", 0),
    *_each("cheapest_arc", "20 cost units", 1),
    *_each("deadhead_after_serving", "10 km", 1),
)
"""Per decision, the same for every driver."""


def feature_contract() -> dict[str, object]:
    """Names and units in order, the scales, and a SHA-256 over them."""
    body: dict[str, object] = {
        "driver": [[feature.name, feature.unit] for feature in DRIVER_FEATURES],
        "state": [[feature.name, feature.unit] for feature in STATE_FEATURES],
        "horizon": HORIZON,
        "gap_memory": GAP_MEMORY,
        "rollout": {"rules": [list(rule) for rule in RULES], "bookings": ROLLOUT_BOOKINGS, "dearest_way": DEAREST_WAY},
        "limits": [REGRET_LIMIT, EXPECTED_LIMIT],
        "lateness_bounds_h": list(LATENESS_BOUNDS_H),
        "reward_scale": REWARD_SCALE,
    }
    return {**body, "sha256": hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()}


@dataclass(frozen=True)
class Decision:
    """Everything a policy needs to choose an action in N days with D drivers each."""

    driver: Tensor
    """(N, D, len(DRIVER_FEATURES))"""
    state: Tensor
    """(N, len(STATE_FEATURES))"""
    on_duty: Tensor
    """(N, D) bool: which rows are drivers at all."""
    prior: Tensor
    """(N, D + 1) value of each legal action by rule, in reward units: minus its cost and the cheaper rollout's."""
    choice: Options
