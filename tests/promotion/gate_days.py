"""Held-out days with known truth, for the gates' tests."""

import numpy as np
import pandas as pd


def delay_holdout(
    seed: int, *, rows: int = 1_000, worse: float = 0.0, bias_min: float = 0.0, champion: bool = True
) -> pd.DataFrame:
    """Errors of a challenger, a champion of the same make and the baselines on the same rows.

    Traffic shifts whole days; the noise of a row is skewed and common to all models; each model adds an error of its
    own. ``worse`` = 0.1 scales the challenger's errors by 1.1.
    """
    rng = np.random.default_rng(seed)
    per_day = 12
    days = pd.Timestamp("2026-01-05") + pd.to_timedelta(np.arange(rows) // per_day, unit="D")
    shared = rng.normal(0.0, 0.5, rows // per_day + 1)[np.arange(rows) // per_day]
    noise = shared + rng.gamma(2.0, 1.8, rows) - 3.6

    def errors() -> np.ndarray:
        return noise + rng.normal(0.0, 0.6, rows)

    challenger = errors() * (1.0 + worse) + bias_min
    late = rng.random(rows) < 0.25
    frame = pd.DataFrame(
        {
            "service_day": days,
            "error_challenger_min": challenger,
            "abs_error_constant_mean_min": np.abs(noise + rng.normal(0.0, 3.0, rows)),
            "abs_error_constant_median_min": np.abs(noise + np.random.default_rng([seed, 1]).normal(0.0, 2.5, rows)),
            "abs_error_spline_ridge_min": np.abs(errors()),
            "covered_challenger": rng.random(rows) < 0.9,
            "brier_challenger": np.where(late, 0.45, 0.08),
            "brier_constant": np.where(late, 0.56, 0.06),
        }
    )
    if not champion:
        return frame
    return frame.assign(
        abs_error_champion_min=np.abs(errors()),
        abs_error_anchor_min=np.abs(errors()),
        brier_champion=frame["brier_challenger"],
    )


def slices(rows: int, seed: int = 0) -> dict[str, pd.Series]:
    """Slices of the rows: two legs, three areas of which one is small, and a handful of urgent courses."""
    rng = np.random.default_rng([seed, 2])
    area = rng.choice(["Commune Fictive", "Village Fictif", "Hameau Fictif"], rows, p=[0.7, 0.26, 0.04])
    return {
        "leg": pd.Series(np.where(np.arange(rows) % 2 == 0, "outbound", "return")),
        "pickup_area": pd.Series(area),
        "driver": pd.Series(np.where(np.arange(rows) < 7, 2, 1)),
    }


def policy_costs(seed: int, *, days: int = 60, against_greedy: float = -0.1) -> pd.DataFrame:
    """Costs of planners on the same days: easy and hard days shared, a little noise of each planner's own."""
    rng = np.random.default_rng(seed)
    day = rng.gamma(6.0, 12.0, days)

    def cost(relative: float) -> np.ndarray:
        return day * (1.0 + relative) * rng.lognormal(0.0, 0.05, days)

    return pd.DataFrame(
        {
            "service_day": pd.Timestamp("2026-01-05") + pd.to_timedelta(np.arange(days), unit="D"),
            "cost_challenger": cost(against_greedy),
            "cost_greedy": cost(0.0),
            "cost_least_loaded": cost(0.02),
            "cost_local_search": cost(against_greedy + 0.05),
            "cost_untrained": cost(against_greedy + 0.05),
            "bookings": 12,
            "completed": 12,
            "max_delay_min": 22.0,
            "late": 0,
            "load_gap": 1,
            "invalid_action_rate": 0.0,
            "guards_refused": False,
            "decision_ms": 2.0,
            "completed_local_search": 12,
            "late_local_search": 0,
            "load_gap_local_search": 1,
            "guards_refused_local_search": False,
        }
    )
