"""Everything that the next step of a run depends on, as tensors and as what JSON can hold."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn

from atmr_pipeline.models.dqn.environment import part
from atmr_pipeline.models.dqn.learner import CurvePoint, Learner


def memory_of(learner: Learner) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Networks, optimizer, replays, running episodes, waiting n-step transitions, generators, and the curve so far."""
    tensors = {"rng.own": learner.generator.get_state(), "rng.torch": torch.get_rng_state()}
    for name, network in _networks(learner).items():
        tensors |= {f"{name}.{key}": value for key, value in network.state_dict().items()}
    for index, values in learner.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{key}": value for key, value in values.items()}
    replays = []
    for index, running in enumerate(learner.running):
        rows, numbers = running.replay.memory()
        parts = {
            "state": running.state, "n_step": running.n_step.memory(), "replay": rows,
            "environment": running.group.environment.memory(),
        }  # fmt: skip
        for name, values in parts.items():
            tensors |= {f"group.{index}.{name}.{key}": value for key, value in values.items()}
        replays.append(numbers)
    facts = {
        "step": learner.step, "environment_steps": learner.environment_steps, "losses": learner.losses,
        "replays": replays, "curve": [asdict(point) for point in learner.curve], "cpu_s": learner.cpu_s(),
    }  # fmt: skip
    return tensors, facts


def remember(learner: Learner, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Put a fresh learner of the same run where :func:`memory_of` found the old one."""
    learner.step, learner.environment_steps = facts["step"], facts["environment_steps"]
    learner.losses, learner.spent_s = list(facts["losses"]), float(facts["cpu_s"])
    learner.curve = [CurvePoint(**point) for point in facts["curve"]]
    learner.finished = learner.is_budget_spent()
    for name, network in _networks(learner).items():
        network.load_state_dict(part(tensors, name))
    kept = learner.optimizer.state_dict()
    indices = {name.split(".")[0] for name in part(tensors, "optimizer")}
    kept["state"] = {int(index): part(tensors, f"optimizer.{index}") for index in indices}
    learner.optimizer.load_state_dict(kept)
    for index, running in enumerate(learner.running):
        own = part(tensors, f"group.{index}")
        running.state = part(own, "state")
        running.n_step.remember(part(own, "n_step"))
        running.replay.remember(part(own, "replay"), facts["replays"][index])
        running.group.environment.remember(part(own, "environment"))
    learner.generator.set_state(tensors["rng.own"])
    torch.set_rng_state(tensors["rng.torch"])


def _networks(learner: Learner) -> dict[str, nn.Module]:
    return {"online": learner.online, "target": learner.target, "averaged": learner.averaged}
