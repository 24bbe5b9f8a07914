"""The dispatcher's day as a Gymnasium environment, for learners from elsewhere.

``gymnasium.make("atmr/Dispatch-v0")`` works once this module was imported (or by
``gymnasium.make("atmr_pipeline.models.policy.gymnasium_env:atmr/Dispatch-v0")``). One episode is one day, one step one
booking in service order; days of any size are padded to one shape and what is padding is masked. With the reward
``cost`` the return of an episode is exactly minus the cost of the day over 20.
"""

from collections.abc import Sequence
from typing import Any, Literal

import gymnasium
import numpy as np
import numpy.typing as npt
import torch
from gymnasium import spaces

from atmr_pipeline.dispatch.problem import DayProblem
from atmr_pipeline.dispatch.simulator import UNASSIGNED, CostWeights
from atmr_pipeline.dispatch.synthetic import synthetic_days
from atmr_pipeline.domain.errors import InfeasiblePlanError, InvalidProblemError
from atmr_pipeline.models.policy.bank import BOOKING_COLUMNS, DayBank
from atmr_pipeline.models.policy.environment import DayState, advance, initial_state
from atmr_pipeline.models.policy.features import DRIVER_FEATURES, STATE_FEATURES, Decision, decide
from atmr_pipeline.models.policy.rewards import RewardProfile, StepOutcome, reward_profile

ENVIRONMENT_ID = "atmr/Dispatch-v0"
DEFAULT_DAYS, DEFAULT_SEED = 64, 0
"""Made-up days that the environment runs where none are given."""
OBSERVATION_LIMIT = 1e6
"""No feature comes near this, in its own unit."""
COST_PARTS = ("deadhead", "lateness", "lost", "load_gap", "emergency")

Observation = dict[str, npt.NDArray[Any]]


class DispatchEnv(gymnasium.Env[Observation, np.int64]):
    """Who drives the current booking? Action d is driver d; the last action drops the booking.

    Observations hold ``driver`` (D, features), ``state`` (features), ``prior`` (D + 1, value by rule of each action, 0
    where it is not legal) and ``on_duty`` (D,): what the package's own policy sees. ``info`` holds ``action_mask``
    (D + 1, int8), ``costs`` (increase of each part of the cost in this step), ``total_cost`` so far, ``day`` (which of
    the days runs), ``illegal_actions`` (of this episode), and at the end ``assignment`` (B,).

    Parameters
    ----------
    problems : sequence of DayProblem, optional
        An episode takes one of them at random, or ``reset(options={"day": index})``. Made-up days unless given.
    weights : CostWeights, optional
    reward : str or RewardProfile
        ``cost`` or ``company``, or a profile of one's own.
    illegal : {"raise", "drop"}
        What an action outside the mask does: raise InfeasiblePlanError, or drop the booking and be counted in ``info``;
        the latter for learners that know no masks.
    max_drivers : int, optional
        Pad to this fleet; the largest of the days unless said.

    Raises
    ------
    InvalidProblemError
        There is no day, a day has no bookings or more drivers than ``max_drivers``.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012

    def __init__(
        self,
        problems: Sequence[DayProblem] | None = None,
        *,
        weights: CostWeights | None = None,
        reward: str | RewardProfile = "cost",
        illegal: Literal["raise", "drop"] = "raise",
        max_drivers: int | None = None,
        render_mode: None = None,
    ) -> None:
        if illegal not in ("raise", "drop"):
            raise ValueError(f"illegal must be raise or drop, got {illegal!r}")
        if render_mode is not None:
            raise ValueError("this environment draws nothing: render_mode must be None")
        days = synthetic_days(DEFAULT_DAYS, seed=DEFAULT_SEED) if problems is None else list(problems)
        if not days or not all(day.n_bookings for day in days):
            raise InvalidProblemError("an environment needs days, and each of them a booking")
        self.problems = tuple(days)
        self.weights, self.illegal, self.reward = weights or CostWeights(), illegal, reward_profile(reward)
        largest = max(1, *(day.n_drivers for day in days))
        self.max_drivers = largest if max_drivers is None else max_drivers
        if self.max_drivers < largest:
            raise InvalidProblemError(f"a day has {largest} drivers, more than max_drivers {self.max_drivers}")
        self.render_mode = None
        self.action_space = spaces.Discrete(self.max_drivers + 1)
        self._spaces = _spaces(self.max_drivers)
        self.observation_space = spaces.Dict(self._spaces)  # type: ignore[assignment]
        self._banks: dict[int, DayBank] = {}
        self._day: int | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin a day, drawn at random unless ``options["day"]`` names it."""
        super().reset(seed=seed)
        chosen = (options or {}).get("day")
        if chosen is None:
            chosen = int(self.np_random.integers(len(self.problems)))
        if not isinstance(chosen, int | np.integer) or not 0 <= chosen < len(self.problems):
            raise InvalidProblemError(f"options['day'] must be a whole number from 0 to {len(self.problems) - 1}")
        self._day = int(chosen)
        if self._day not in self._banks:
            self._banks[self._day] = DayBank.from_problems(
                [self.problems[self._day]], self.weights, dtype=torch.float64
            )
        self._bank = self._banks[self._day]
        self._state = initial_state(self._bank, torch.zeros(1, dtype=torch.int64))
        self._decision = decide(self._bank, self._state)
        self._total, self._illegal_actions = 0.0, 0
        self._taken = np.full(self._problem.n_bookings, UNASSIGNED, dtype=np.int64)
        return self._observe(), self._info(dict.fromkeys(COST_PARTS, 0.0))

    def step(self, action: np.int64 | int) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Give the current booking to a driver, or drop it.

        Raises
        ------
        InfeasiblePlanError
            The action is outside the mask and ``illegal`` is ``raise``.
        gymnasium.error.ResetNeeded
            The day is over.
        """
        if self._day is None or self._over:
            raise gymnasium.error.ResetNeeded("no day runs: call reset()")
        driver = self._legal_driver(int(action))
        before, decision = self._state, self._decision
        taken = torch.tensor([self._bank.max_drivers if driver is None else driver])
        self._state, cost = advance(self._bank, before, taken, decision.choice)
        self._taken[int(before.step)] = UNASSIGNED if driver is None else driver
        self._total += float(cost)
        outcome, costs = self._outcome(before, decision, driver, float(cost))
        if not self._over:
            self._decision = decide(self._bank, self._state)
        return self._observe(), self.reward.step(outcome), self._over, False, self._info(costs)

    def action_masks(self) -> npt.NDArray[np.bool_]:
        """Which actions are legal now (D + 1,); none once the day is over."""
        mask = np.zeros(self.max_drivers + 1, dtype=bool)
        if not self._over:
            legal = self._decision.choice.legal[0].numpy()
            mask[: self._problem.n_drivers] = legal[: self._problem.n_drivers]
            mask[-1] = legal[-1]
        return mask

    @property
    def _problem(self) -> DayProblem:
        assert self._day is not None
        return self.problems[self._day]

    @property
    def _over(self) -> bool:
        return int(self._state.step) >= self._problem.n_bookings

    def _legal_driver(self, action: int) -> int | None:
        """The driver that an action means, None for a drop."""
        if 0 <= action <= self.max_drivers and self.action_masks()[action]:
            return None if action == self.max_drivers else action
        if self.illegal == "raise":
            raise InfeasiblePlanError(f"action {action} is not legal now: take one of action_masks()")
        self._illegal_actions += 1
        return None

    def _outcome(
        self, before: DayState, decision: Decision, driver: int | None, cost: float
    ) -> tuple[StepOutcome, dict[str, float]]:
        """What a step led to, and the parts of its cost."""
        rank, drivers = int(before.step), self._problem.n_drivers
        booking = int(self._problem.service_order[rank])
        costs = dict.fromkeys(COST_PARTS, 0.0)
        lateness, km = None, 0.0
        if driver is None:
            costs["lost"] = cost
        else:
            way = self._bank.travel[0, before.position[0, driver], rank]
            scheduled = self._bank.bookings[0, rank, BOOKING_COLUMNS.index("scheduled_min")]
            lateness = max(0.0, float(before.free_min[0, driver] + way[0] - scheduled))
            km = float(way[1])
            first_use = bool(self._problem.is_emergency[driver]) and int(before.load[0, driver]) == 0
            costs["deadhead"] = self.weights.empty_km * km
            costs["load_gap"] = float(decision.choice.gap_cost[0, driver])
            costs["emergency"] = self.weights.emergency_use * first_use
            costs["lateness"] = cost - sum(costs.values())
        outcome = StepOutcome(
            cost=cost,
            lateness_min=lateness,
            is_outbound=bool(self._problem.is_outbound[booking]),
            is_urgent=bool(self._problem.is_urgent[booking]),
            deadhead_km=km,
            loads_before=before.load[0, :drivers].numpy(),
            loads_after=self._state.load[0, :drivers].numpy(),
        )
        return outcome, costs

    def _observe(self) -> Observation:
        drivers = self._problem.n_drivers
        seen: Observation = {
            name: np.zeros(space.shape or (), dtype=space.dtype) for name, space in self._spaces.items()
        }
        if self._over:
            return seen
        mask = self.action_masks()
        seen["driver"][:drivers] = self._decision.driver[0, :drivers].numpy()
        seen["state"][:] = self._decision.state[0].numpy()
        prior = self._decision.prior[0].numpy()
        seen["prior"][:drivers], seen["prior"][-1] = prior[:drivers], prior[-1]
        seen["prior"][~mask] = 0.0
        seen["on_duty"][:drivers] = 1
        return seen

    def _info(self, costs: dict[str, float]) -> dict[str, Any]:
        info: dict[str, Any] = {
            "action_mask": self.action_masks().astype(np.int8),
            "costs": costs,
            "total_cost": self._total,
            "day": self._day,
            "illegal_actions": self._illegal_actions,
        }
        if self._over:
            assignment = np.empty_like(self._taken)
            assignment[self._problem.service_order] = self._taken
            info["assignment"] = assignment
        return info


def _spaces(drivers: int) -> dict[str, spaces.Space[Any]]:
    def real(*shape: int) -> spaces.Box:
        return spaces.Box(-OBSERVATION_LIMIT, OBSERVATION_LIMIT, shape, dtype=np.float32)

    return {
        "driver": real(drivers, len(DRIVER_FEATURES)),
        "state": real(len(STATE_FEATURES)),
        "prior": real(drivers + 1),
        "on_duty": spaces.MultiBinary(drivers),
    }


if ENVIRONMENT_ID not in gymnasium.registry:
    gymnasium.register(ENVIRONMENT_ID, entry_point=f"{__name__}:{DispatchEnv.__name__}")
