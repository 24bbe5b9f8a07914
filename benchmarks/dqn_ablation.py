"""Which part of the learner helps on dispatch? One part changed at a time, at equal processor time.

    python benchmarks/dqn_ablation.py [--json] [--quick] [--seeds 3] [--cpu-s 60] [--only base no_prior]

Every variant learns from the same made-up usual days, on one thread, for the same processor time, demonstrations
included; then the network plans days that nobody learned from, always taking its best action, without a beam. The gap
is that of its mean cost to the mean cost of the best plans that the exact planner knows (nearly all proven optimal;
the share is reported).
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from atmr_pipeline.dispatch.planners import plan
from atmr_pipeline.dispatch.problem import DayProblem
from atmr_pipeline.dispatch.simulator import CostWeights
from atmr_pipeline.dispatch.synthetic import synthetic_days
from atmr_pipeline.models.dqn.determinism import one_thread
from atmr_pipeline.models.dqn.distributions import distribution_of
from atmr_pipeline.models.policy.demonstrations import DemonstrationSettings
from atmr_pipeline.models.policy.learner import MeanCost, PolicySettings, train
from atmr_pipeline.models.policy.network import Architecture, QNetwork
from atmr_pipeline.models.policy.variants import variant

TRAINING_DAYS, QUICK_DAYS, TRAINING_SEED = 1_000, 200, 1
HELD_OUT_DAYS, HELD_OUT_SEED = 100, 999
NOBODY = DemonstrationSettings(margin_weight=0.0, value_weight=0.0)


@dataclass(frozen=True)
class Variant:
    """The base with one part changed."""

    what: str
    settings: dict[str, Any] = field(default_factory=dict)
    network: Callable[[PolicySettings], QNetwork] | None = None


VARIANTS = {
    "base": Variant("double, dueling, prioritised, 1-step, average of weights, prior, exact demonstrations"),
    "no_double": Variant("the target network chooses the next action as well", {"double": False}),
    "no_priorities": Variant("uniform replay", {"prioritised": False}),
    "n_step_3": Variant("3-step targets", {"n_step": 3}),
    "noisy": Variant(
        "noise on the heads' weights instead of epsilon", {"noisy": True, "epsilon": (0.0, 0.0)}, variant()
    ),
    "c51": Variant("51 atoms around the prior", {"distribution": "c51", "v_min": -5.0, "v_max": 5.0}, variant()),
    "qr": Variant("32 quantiles", {"distribution": "qr"}, variant()),
    "no_dueling": Variant("one head for each action", {}, variant(dueling=False)),
    "no_average": Variant("the last weights instead of their average", {"ema_decay": 0.0}),
    "no_demonstrations": Variant("experience alone", {"demonstrations": NOBODY}),
    "margin_only": Variant(
        "demonstrated values are not told", {"demonstrations": DemonstrationSettings(value_weight=0.0)}
    ),
    "local_search_shows": Variant(
        "demonstrations by local search", {"demonstrations": DemonstrationSettings(planner="local_search")}
    ),
    "no_prior": Variant("the value by rule is not added", {}, variant(prior=False)),
    "attention": Variant("drivers attend to each other", {"architecture": Architecture(attention_heads=4)}),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON line last")
    parser.add_argument("--quick", action="store_true", help="5 s, 200 training days and one seed each")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--cpu-s", type=float, default=60.0, help="processor time of each training run")
    parser.add_argument("--only", nargs="+", choices=list(VARIANTS), default=list(VARIANTS), help="which of them")
    options = parser.parse_args()
    if options.quick:
        result = measure(options.only, seeds=1, cpu_s=5.0, training_days=QUICK_DAYS)
    else:
        result = measure(options.only, seeds=options.seeds, cpu_s=options.cpu_s, training_days=TRAINING_DAYS)
    print(table(result), file=sys.stderr)
    if options.json:
        print(json.dumps(result))


def measure(names: Sequence[str], *, seeds: int, cpu_s: float, training_days: int) -> dict[str, Any]:
    """Train and judge every variant."""
    training = synthetic_days(training_days, seed=TRAINING_SEED)
    held_out = synthetic_days(HELD_OUT_DAYS, seed=HELD_OUT_SEED)
    best = [plan(day, "exact") for day in held_out]
    optimum = float(np.mean([known.outcome.total for known in best]))
    result: dict[str, Any] = {
        "cpu_s": cpu_s, "seeds": seeds, "held_out_days": len(held_out), "training_days": len(training),
        "proven_pct": 100.0 * float(np.mean([known.optimal for known in best])), "variants": {},
    }  # fmt: skip
    for name in names:
        # What is compiled or loaded at first use is no part of learning.
        judged(VARIANTS[name], training[:60], held_out[:2], optimum, seed=0, cpu_s=0.01)
        runs = []
        for seed in range(seeds):
            runs.append(judged(VARIANTS[name], training, held_out, optimum, seed=seed, cpu_s=cpu_s))
            print(f"{name} seed {seed}: {runs[-1]}", file=sys.stderr, flush=True)
        gaps = [run["gap_pct"] for run in runs]
        result["variants"][name] = {
            "gap_pct": round(float(np.mean(gaps)), 2),
            "gap_pct_of_seeds": gaps,
            "gradient_steps": round(float(np.mean([run["gradient_steps"] for run in runs]))),
            "cpu_s": round(float(np.mean([run["cpu_s"] for run in runs])), 1),
        }
    return result


def judged(
    changed: Variant, training: Sequence[DayProblem], held_out: Sequence[DayProblem], optimum: float, *, seed: int,
    cpu_s: float,
) -> dict[str, float]:  # fmt: skip
    """One training run, and the gap of its plans to the optimum."""
    # No curve on the way: looking at validation days costs processor time.
    plain = PolicySettings(
        seed=seed, generated_days=0, log_every=1_000_000, validation_share=0.0, trust_days=60, trust_beam_days=40
    )
    settings = replace(plain, **changed.settings)
    started_s = time.process_time()
    trained = train(training, settings, cpu_seconds=cpu_s, network=changed.network)
    spent_s = time.process_time() - started_s
    with one_thread():
        cost = MeanCost(held_out, CostWeights(), distribution_of(settings))(trained.network)
    return {
        "gap_pct": round(100.0 * (cost / optimum - 1.0), 2),
        "gradient_steps": trained.curve[-1].step,
        "cpu_s": round(spent_s, 1),
    }


def table(result: dict[str, Any]) -> str:
    """The figures as a Markdown table, best first."""
    rows = sorted(result["variants"].items(), key=lambda item: item[1]["gap_pct"])
    lines = [
        f"| variant | what is different | gap to optimum, mean of {result['seeds']} | of each seed | gradient steps |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, figures in rows:
        each = ", ".join(f"{gap:.1f}" for gap in figures["gap_pct_of_seeds"])
        lines.append(
            f"| {name} | {VARIANTS[name].what} | {figures['gap_pct']:.1f} % | {each} | {figures['gradient_steps']:,} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
