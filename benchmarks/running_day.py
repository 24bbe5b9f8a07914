"""Does learning pay on a running day? The hybrid against an exact plan made again at every decision.

    python benchmarks/running_day.py [--json] [--quick] [--seeds 5] [--cpu-s 120]

Made-up days of a small company run under uncertain travel (lognormal, sigma .3), with 15 % of their bookings coming in
30 to 60 minutes ahead. Every method meets the same chance (common random numbers), on days that no training has seen
and under fresh noise. Time is that of the process, per decision. The hybrid is trained once for each seed; its interval
is a bootstrap over seeds and days. Exact and local search are also tried with safety margins on every way, and the
hybrid's search without its network, so that what learning adds can be told from what reckoning with chance adds.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import numpy.typing as npt

from atmr_pipeline.dispatch.problem import DayProblem
from atmr_pipeline.dispatch.running.methods import RunningMethod, run_day, running_method
from atmr_pipeline.dispatch.running.noise import Noise, Realisation, draw
from atmr_pipeline.dispatch.synthetic import synthetic_days
from atmr_pipeline.models.policy.running import RunningDayPolicy, RunningSettings, train

FloatArray = npt.NDArray[np.float64]

TEST_SEED, NOISE_SEED, TRAINING_SEED = 20_261, 20_262, 40_000
TRAINING_DAYS = 2_000
TEST_DAYS, DRAWS_PER_DAY = 400, 6
MARGINS = (0.1, 0.2)
RESAMPLES = 4_000


def main() -> None:
    arguments = _arguments()
    if arguments.quick:
        figures = running_day_figures(range(1), days=30, cpu_s_per_seed=5.0, draws_per_day=2, margins=())
    else:
        figures = running_day_figures(range(arguments.seeds), days=TEST_DAYS, cpu_s_per_seed=arguments.cpu_s)
    for name, value in figures.items():
        print(f"{name:36s} {value}", file=sys.stderr)
    if arguments.json:
        print(json.dumps(figures, allow_nan=False))


def running_day_figures(
    seeds: Sequence[int],
    days: int,
    cpu_s_per_seed: float,
    *,
    draws_per_day: int = DRAWS_PER_DAY,
    margins: Sequence[float] = MARGINS,
) -> dict[str, Any]:
    """Train one hybrid for each seed and run every method.

    Returns
    -------
    dict
        ``hybrid_vs_resolve_pct``: mean cost of the hybrid against exact re-solve, negative is cheaper;
        ``hybrid_vs_resolve_upper_pct``: upper end of its 95 % interval; ``hybrid_time_ratio``: time of a decision
        against exact re-solve; for each method ``cost_*`` and ``decision_us_*``; the hybrid against its own search.
    """
    noise = Noise()
    problems = synthetic_days(days, seed=TEST_SEED)
    rng = np.random.default_rng(NOISE_SEED)
    chances = [[draw(problem, noise, rng) for _ in range(draws_per_day)] for problem in problems]
    methods = {
        name: running_method(name, noise) for name in ("static", "greedy", "local_search", "exact", "risk_search")
    }
    methods["exact_hopeful"] = running_method("exact", noise, hopeful=True)
    for margin in margins:
        for name in ("local_search", "exact"):
            methods[f"{name}_margin_{100 * margin:.0f}"] = running_method(name, noise, margin=margin)
    figures: dict[str, Any] = {}
    costs = {name: _run_all(name, method, problems, chances, noise, figures) for name, method in methods.items()}
    hybrids, us, kept = [], [], []
    for seed in seeds:
        policy = trained_hybrid(seed, cpu_s_per_seed, noise)
        kept.append(policy.training["kept_share"])
        hybrids.append(_run_all("hybrid", policy.method, problems, chances, noise, figures))
        us.append(figures["decision_us_hybrid"])
    hybrid = np.stack(hybrids)
    figures["kept_share_by_seed"] = kept
    figures["cost_hybrid"], figures["decision_us_hybrid"] = round(float(hybrid.mean()), 3), round(float(np.mean(us)), 1)
    figures["hybrid_time_ratio"] = round(figures["decision_us_hybrid"] / figures["decision_us_exact"], 4)
    figures["hybrid_vs_resolve_pct"], figures["hybrid_vs_resolve_upper_pct"] = _against(hybrid, costs["exact"])
    figures["hybrid_vs_risk_search_pct"], figures["hybrid_vs_risk_search_upper_pct"] = _against(
        hybrid, costs["risk_search"]
    )
    figures["risk_search_vs_resolve_pct"], figures["risk_search_vs_resolve_upper_pct"] = _against(
        costs["risk_search"][None], costs["exact"]
    )
    best_exact = min((name for name in costs if name.startswith("exact")), key=lambda name: costs[name].mean())
    figures["best_exact"] = best_exact
    figures["hybrid_vs_best_exact_pct"], figures["hybrid_vs_best_exact_upper_pct"] = _against(hybrid, costs[best_exact])
    return figures


def trained_hybrid(seed: int, cpu_s: float, noise: Noise) -> RunningDayPolicy:
    """A hybrid trained for ``cpu_s`` seconds of living days (fitting comes on top) on days of its own seed."""
    settings = RunningSettings(seed=seed, noise=noise, cpu_seconds=cpu_s, lives_per_day=100)
    return RunningDayPolicy.from_training(train(synthetic_days(TRAINING_DAYS, seed=TRAINING_SEED + seed), settings))


def _run_all(
    name: str,
    method: RunningMethod,
    problems: Sequence[DayProblem],
    chances: Sequence[Sequence[Realisation]],
    noise: Noise,
    figures: dict[str, Any],
) -> FloatArray:
    """Cost of each day, mean over its draws (days,)."""
    run_day(problems[0], chances[0][0], noise, method)
    outcomes = [
        [run_day(problem, chance, noise, method) for chance in draws]
        for problem, draws in zip(problems, chances, strict=True)
    ]
    seconds = sum(outcome.decision_s for row in outcomes for outcome in row)
    decisions = sum(outcome.decisions for row in outcomes for outcome in row)
    costs = np.array([[outcome.total for outcome in row] for row in outcomes]).mean(1)
    figures[f"cost_{name}"] = round(float(costs.mean()), 3)
    figures[f"decision_us_{name}"] = round(1e6 * seconds / decisions, 1)
    print(f"{name:24s} cost {costs.mean():8.3f}  {1e6 * seconds / decisions:8.1f} us a decision", file=sys.stderr)
    return costs


def _against(ours: FloatArray, theirs: FloatArray) -> tuple[float, float]:
    """Difference of the means in per cent, and the upper end of its 95 % interval: resampled seeds and days.

    ``ours`` (seeds, days), ``theirs`` (days,).
    """
    rng = np.random.default_rng(0)
    seeds = rng.integers(len(ours), size=(RESAMPLES, len(ours)))
    days = rng.integers(len(theirs), size=(RESAMPLES, len(theirs)))
    resampled = np.array(
        [100.0 * (ours[s][:, d].mean() / theirs[d].mean() - 1.0) for s, d in zip(seeds, days, strict=True)]
    )
    return round(float(100.0 * (ours.mean() / theirs.mean() - 1.0)), 3), round(float(np.quantile(resampled, 0.975)), 3)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON line last on standard output")
    parser.add_argument("--quick", action="store_true", help="one seed, few days, seconds of training")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--cpu-s", type=float, default=120.0, help="of living days, for each seed")
    return parser.parse_args()


if __name__ == "__main__":
    main()
