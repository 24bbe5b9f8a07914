"""The dispatcher's figures: exact search, annealing, the learned policy, the running day, speed, and peers.

Every gap is measured against proven optima of the same 200 held-out days. Learned policies are trained here, on other
days, under a budget of processor time on one thread; what the same network reaches with zero weights is printed beside
them. ``python benchmarks/dispatch_policy.py --json`` prints one JSON line last; ``--quick`` trains one seed for two
minutes and leaves null what needs longer.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence

import dispatch_planners
import numpy as np
import running_day
import torch

from atmr_pipeline.dispatch.planners import plan
from atmr_pipeline.dispatch.problem import DayProblem
from atmr_pipeline.dispatch.simulator import CostWeights, simulate
from atmr_pipeline.dispatch.synthetic import synthetic_day, synthetic_days
from atmr_pipeline.models.policy import DispatchPolicy, PolicySettings, train
from atmr_pipeline.models.policy.bank import DayBank
from atmr_pipeline.models.policy.environment import advance, initial_state, is_over
from atmr_pipeline.models.policy.features import decide
from atmr_pipeline.models.policy.network import legal_only
from atmr_pipeline.models.policy.network_compiled import scorer
from atmr_pipeline.models.policy.polish import plan_polished
from atmr_pipeline.models.policy.served import serve_day
from atmr_pipeline.models.policy.shipped import shipped_policy

HELD_OUT_SEED, TRAINING_SEED, BIG_SEED = 999, 11, 7_000
TRAINING_DAYS = 600
BIG_FLEETS = (10, 20, 30, 40, 50)
BOOKINGS_PER_DRIVER = 4
WEIGHTS = CostWeights()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--cpu-min", type=float, default=10.0, help="of training, a seed")
    parser.add_argument("--days", type=int, default=200)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    seeds, cpu_min = (1, 2.0) if arguments.quick else (arguments.seeds, arguments.cpu_min)
    days = synthetic_days(arguments.days, seed=HELD_OUT_SEED)
    optima = np.array([_optimum(day) for day in days])
    say(f"{len(days)} held-out days, mean optimum {optima.mean():.2f}, all proven")
    figures: dict[str, float | None] = {
        "exact_ms_12x4": dispatch_planners.exact_ms(12, 4, days=50, seed=1),
        "exact_ms_25x5": dispatch_planners.exact_ms(25, 5, days=20 if arguments.quick else 50, seed=2),
        "anneal_gap_pct": gap_pct(_costs(days, lambda day: plan(day, "anneal").assignment), optima),
    }
    # Compilation is no training: two steps of everything before the clock starts.
    train(synthetic_days(60, seed=0), PolicySettings(gradient_steps=2, warmup_steps=2, generated_days=8, trust_days=8))
    policies = [_trained(seed, 60.0 * cpu_min) for seed in range(seeds)]
    widths = {"argmax": 1, "beam16": 16} | ({} if arguments.quick else {"beam64": 64})
    figures |= _of_plans(policies, days, optima, widths) | _speed(policies[0])
    longer = ("beam64_gap_pct", "load_gap_le1_pct", "mean_load_gap", "hybrid_vs_resolve_pct",
              "hybrid_vs_resolve_upper_pct", "hybrid_time_ratio", "big_fleet_vs_ls_pct", "sb3_gap_pct",
              "sb3_transitions_per_s", "ortools_gap_pct")  # fmt: skip
    more = {} if arguments.quick else _longer(policies, days, optima, 60.0 * cpu_min)
    figures = dict.fromkeys(longer, None) | figures | more
    figures["train_cpu_min"] = cpu_min
    if arguments.json:
        print(json.dumps({name: figures[name] for name in KEYS}))


KEYS = (
    "exact_ms_12x4", "exact_ms_25x5", "anneal_gap_pct", "argmax_gap_pct", "beam16_gap_pct", "beam64_gap_pct",
    "load_gap_le1_pct", "mean_load_gap", "hybrid_vs_resolve_pct", "hybrid_vs_resolve_upper_pct", "hybrid_time_ratio",
    "big_fleet_vs_ls_pct", "transitions_per_s", "single_per_s", "p99_ms", "batched_per_s", "train_cpu_min",
    "sb3_gap_pct", "sb3_transitions_per_s", "ortools_gap_pct",
)  # fmt: skip


def say(text: str) -> None:
    """A line for a person."""
    print(text, file=sys.stderr, flush=True)


def gap_pct(costs: np.ndarray, optima: np.ndarray) -> float:
    """How much dearer the days are than their optima, all together, in per cent."""
    return round(100.0 * (float(costs.sum() / optima.sum()) - 1.0), 3)


def _optimum(day: DayProblem) -> float:
    found = plan(day, "exact", time_limit_s=60.0)
    if not found.optimal:
        raise SystemExit("a held-out day has no proven optimum: gaps would mean nothing")
    return found.outcome.total


def _costs(days: Sequence[DayProblem], planner: Callable[[DayProblem], np.ndarray]) -> np.ndarray:
    return np.array([simulate(day, planner(day), weights=WEIGHTS).total for day in days])


def _batch_costs(days: Sequence[DayProblem], policy: DispatchPolicy, width: int) -> np.ndarray:
    plans = policy.plan_batch(days, beam_width=width)
    return np.array([simulate(day, drivers, weights=WEIGHTS).total for day, drivers in zip(days, plans, strict=True)])


def _trained(seed: int, cpu_s: float) -> DispatchPolicy:
    days = synthetic_days(TRAINING_DAYS, seed=TRAINING_SEED + seed)
    trained = train(days, PolicySettings(seed=seed), cpu_seconds=cpu_s)
    say(f"seed {seed}, {cpu_s / 60.0:g} CPU-min: {trained.summary()}")
    return DispatchPolicy.from_training(trained)


def _of_plans(
    policies: list[DispatchPolicy], days: list[DayProblem], optima: np.ndarray, widths: dict[str, int]
) -> dict[str, float]:
    found = {}
    for name, width in widths.items():
        gaps = [gap_pct(_batch_costs(days, policy, width), optima) for policy in policies]
        untrained = gap_pct(_batch_costs(days, policies[0].untrained(), width), optima)
        found[f"{name}_gap_pct"] = round(float(np.mean(gaps)), 3)
        say(f"{name}: {gaps} % above the optimum by seed; the same network with zero weights {untrained} %")
    return found


def _longer(
    policies: list[DispatchPolicy], days: list[DayProblem], optima: np.ndarray, cpu_s: float
) -> dict[str, float | None]:
    import dispatch_sb3  # a development dependency: --quick runs without

    figures: dict[str, float | None] = _of_served(policies[0], days)
    figures["big_fleet_vs_ls_pct"] = _big_fleets()
    running = running_day.running_day_figures(range(5), days=400, cpu_s_per_seed=60.0)
    figures |= {name: running[name] for name in ("hybrid_vs_resolve_pct", "hybrid_vs_resolve_upper_pct")}
    figures["hybrid_time_ratio"] = running["hybrid_time_ratio"]
    for name in ("risk_search_vs_resolve_pct", "hybrid_vs_risk_search_pct", "best_exact", "hybrid_vs_best_exact_pct",
                 "hybrid_vs_best_exact_upper_pct", "kept_share_by_seed"):  # fmt: skip
        say(f"running day, {name}: {running[name]}")
    peer = dispatch_sb3.trained_costs(synthetic_days(TRAINING_DAYS, seed=TRAINING_SEED), days, cpu_s=cpu_s, seed=0)
    figures["sb3_gap_pct"] = gap_pct(peer.costs, optima)
    figures["sb3_transitions_per_s"] = round(peer.transitions_per_s, 1)
    few = slice(0, 20)
    routed = _costs(days[few], lambda day: dispatch_planners.ortools_routing(day, WEIGHTS, time_limit_s=3.0))
    figures["ortools_gap_pct"] = gap_pct(routed, optima[few])
    return figures


def _of_served(policy: DispatchPolicy, days: list[DayProblem]) -> dict[str, float | None]:
    """Load gaps of the plans that are served; the mean over the days on which a gap of 0 is possible at all."""
    served = [serve_day(policy, day, beam_width=16) for day in days]
    outcomes = [simulate(day, one.assignment, weights=WEIGHTS) for day, one in zip(days, served, strict=True)]
    gaps = np.array([outcome.load_gap for outcome in outcomes])
    even = np.array([out.n_served % day.n_drivers == 0 for day, out in zip(days, outcomes, strict=True)])
    makers = {maker: sum(one.method == maker for one in served) for maker in sorted({one.method for one in served})}
    say(f"served by {makers}; mean load gap {gaps.mean():.2f} of all days, {gaps[even].mean():.2f} of the {even.sum()} "
        "whose bookings divide evenly")  # fmt: skip
    return {
        "load_gap_le1_pct": round(100.0 * float((gaps <= 1).mean()), 2),
        "mean_load_gap": round(float(gaps[even].mean()), 3),
    }


def _big_fleets() -> float:
    """The shipped policy, trained on mixed sizes, polished, against greedy + local search."""
    rng = np.random.default_rng(BIG_SEED)
    days = [synthetic_day(rng, n_bookings=BOOKINGS_PER_DRIVER * fleet, n_drivers=fleet) for fleet in BIG_FLEETS * 4]
    policy = shipped_policy()
    search = _costs(days, lambda day: plan(day, "local_search").assignment)
    for name, planner in (
        ("argmax", lambda day: policy.plan(day)),
        ("argmax, untrained", lambda day: policy.untrained().plan(day)),
        ("annealing", lambda day: plan(day, "anneal").assignment),
    ):
        say(f"10 to 50 drivers, {name}: {gap_pct(_costs(days, planner), search):+} % against local search")
    return gap_pct(_costs(days, lambda day: plan_polished(policy, day, beam_width=4)), search)


def _speed(policy: DispatchPolicy) -> dict[str, float]:
    """Transitions of the environment with its features, single decisions and batched ones; one thread."""
    days = synthetic_days(256, seed=HELD_OUT_SEED + 1)
    bank, ask = DayBank.from_problems(days, WEIGHTS), scorer(policy.network)
    states = list(_states(bank))
    generator = torch.Generator().manual_seed(0)
    steps, began = 0, time.perf_counter()
    for state in states:
        decision = decide(bank, state)
        weight = decision.choice.legal.float()
        advance(bank, state, torch.multinomial(weight, 1, generator=generator)[:, 0], decision.choice)
        steps += len(state.day)
    transitions_per_s = steps / (time.perf_counter() - began)
    began = time.perf_counter()
    for state in states:
        decision = decide(bank, state)
        legal_only(ask(decision), decision.choice.legal).argmax(1)
    batched_per_s = steps / (time.perf_counter() - began)
    single_ms = []
    for state in states:
        for row in range(0, len(state.day), 4):
            one = state.take(torch.tensor([row]))
            began = time.perf_counter()
            decision = decide(bank, one)
            legal_only(ask(decision), decision.choice.legal).argmax(1)
            single_ms.append(1000.0 * (time.perf_counter() - began))
    return {
        "transitions_per_s": round(transitions_per_s, 0),
        "batched_per_s": round(batched_per_s, 0),
        "single_per_s": round(1000.0 / float(np.mean(single_ms)), 0),
        "p99_ms": round(float(np.quantile(single_ms, 0.99)), 3),
    }


def _states(bank: DayBank):
    """Every decision of every day, along random legal plans."""
    generator = torch.Generator().manual_seed(1)
    state = initial_state(bank, torch.arange(bank.n_days))
    while not is_over(bank, state).all():
        state = state.take(~is_over(bank, state))
        yield state
        decision = decide(bank, state)
        action = torch.multinomial(decision.choice.legal.float(), 1, generator=generator)[:, 0]
        state, _ = advance(bank, state, action, decision.choice)


if __name__ == "__main__":
    main()
