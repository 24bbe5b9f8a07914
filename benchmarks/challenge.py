"""How often a daily look at two models is wrong, and how soon it sees a real difference.

``python benchmarks/challenge.py --json`` simulates challenges of up to 400 service days: 11.5 courses a day on average
(few on Sundays), skewed heavy-tailed delays that share their day's luck, and two models whose errors do too. Each is
looked at every day, by the sequential comparison of the pipeline and by a plain t-test of the daily mean differences.
The last line of the output is one JSON object.
"""

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from atmr_pipeline.promotion.sequential import (
    SequentialRules,
    Verdict,
    compare_sequentially,
    confidence_path,
    verdicts_of,
)

FloatArray = npt.NDArray[np.float64]
COURSES_A_DAY = 11.5
SUNDAY_COURSES = 2
OWN_ERROR_MIN, ALIKE_MIN = 0.8, 0.25
"""What a model adds to the error that both share: of two kinds of model, and of two trainings of one kind."""


@dataclass(frozen=True)
class World:
    """What two models' errors are like.

    Parameters
    ----------
    relative : float
        Challenger's error over the champion's, less 1.
    memory : float
        Correlation of one day's luck with the day before, for the delays and for each model.
    own_error_min : float
        Standard deviation of what each model adds to the error that both share, minutes.
    """

    relative: float = 0.0
    memory: float = 0.0
    own_error_min: float = OWN_ERROR_MIN

    def days(self, challenges: int, days: int, seed: int) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Sums over the courses of each day: difference of absolute errors, served model's, and courses.

        Returns
        -------
        tuple of ndarray
            Each of shape (challenges, days).
        """
        rng = np.random.default_rng(seed)
        courses = np.clip(rng.negative_binomial(8, 8 / (8 + COURSES_A_DAY), (challenges, days)), 1, 30)
        sunday = np.arange(days) % 7 == 6
        courses[:, sunday] = np.minimum(courses[:, sunday], SUNDAY_COURSES)
        day, n = np.repeat(np.arange(courses.size), courses.ravel()), int(courses.sum())
        skewed = 1.3 * (rng.lognormal(0.0, 0.9, n) - np.exp(0.405)) + 0.6 * rng.standard_t(3, n)
        shared = self._luck(rng, courses.shape, 1.0).ravel()[day] + skewed
        errors = []
        for _ in range(2):
            own = self._luck(rng, courses.shape, 0.5 * self.own_error_min).ravel()[day]
            errors.append(np.abs(shared + own + self.own_error_min * rng.standard_normal(n)))
        ours, theirs = errors[0] * (1.0 + self.relative), errors[1]
        ours, theirs = (np.bincount(day, part, courses.size).reshape(courses.shape) for part in (ours, theirs))
        return ours - theirs, theirs, courses.astype(np.float64)

    def _luck(self, rng: np.random.Generator, shape: tuple[int, int], sd: float) -> FloatArray:
        luck = rng.standard_normal(shape)
        for day in range(1, shape[1]):
            luck[:, day] = self.memory * luck[:, day - 1] + np.sqrt(1.0 - self.memory**2) * luck[:, day]
        return sd * luck


def first_verdicts(
    difference: FloatArray, served: FloatArray, rules: SequentialRules
) -> tuple[npt.NDArray[np.object_], FloatArray]:
    """Verdict of each challenge and the number of days it took (NaN without one)."""
    path = confidence_path(difference, served, alpha=rules.alpha, effect_sd=rules.effect_sd)
    verdicts = verdicts_of(path.lower, path.upper, rules.margin)
    verdicts[:, : rules.minimum_days - 1] = Verdict.UNDECIDED
    decided = verdicts != Verdict.UNDECIDED
    first = decided.argmax(axis=1)
    taken = np.where(decided.any(axis=1), first + 1.0, np.nan)
    return verdicts[np.arange(len(verdicts)), np.where(decided.any(axis=1), first, -1)], taken


def ever_different(difference: FloatArray, served: FloatArray, rules: SequentialRules) -> npt.NDArray[np.bool_]:
    """Whether the interval ever excludes "no difference", for whoever goes on looking after a verdict."""
    path = confidence_path(difference, served, alpha=rules.alpha, effect_sd=rules.effect_sd)
    return ((path.lower > 0.0) | (path.upper < 0.0))[:, rules.minimum_days - 1 :].any(axis=1)


def ever_significant(difference: FloatArray, courses: FloatArray, rules: SequentialRules) -> npt.NDArray[np.bool_]:
    """Whether a two-sided t-test of the days' mean differences, made anew each day, ever said so."""
    means, n = difference / courses, np.arange(1, difference.shape[1] + 1, dtype=np.float64)
    mean = np.cumsum(means, axis=1) / n
    with np.errstate(divide="ignore", invalid="ignore"):
        sd = np.sqrt((np.cumsum(means**2, axis=1) - n * mean**2) / (n - 1.0))
        t = np.abs(mean) / sd * np.sqrt(n)
        limit = stats.t.ppf(1.0 - rules.alpha / 2.0, n - 1.0)
    return (t[:, rules.minimum_days - 1 :] > limit[rules.minimum_days - 1 :]).any(axis=1)


def figures(challenges: int, days: int, seed: int = 1) -> dict[str, float | int | None]:
    """Error rates of equal models and power for real differences; percentages."""
    rules = SequentialRules()
    wrong = (Verdict.BETTER, Verdict.WORSE)
    found: dict[str, float | int | None] = {"challenges": challenges, "days": days}
    for name, memory in (("", 0.0), ("_memory_30", 0.3), ("_memory_50", 0.5)):
        difference, served, courses = World(memory=memory).days(challenges, days, seed)
        verdicts, taken = first_verdicts(difference, served, rules)
        found[f"wrong_verdicts_pct{name}"] = _pct(np.isin(verdicts, wrong))
        found[f"different_pct{name}"] = _pct(ever_different(difference, served, rules))
        found[f"t_test_different_pct{name}"] = _pct(ever_significant(difference, courses, rules))
        if not memory:
            equal = verdicts == Verdict.EQUIVALENT
            found["equal_called_equivalent_pct"] = _pct(equal)
            found["median_days_to_equivalent"] = int(np.nanmedian(taken[equal])) if equal.any() else None
    for name, relative, own in (
        ("better5", -0.05, OWN_ERROR_MIN),
        ("worse5", 0.05, OWN_ERROR_MIN),
        ("better10", -0.10, OWN_ERROR_MIN),
        ("worse10", 0.10, OWN_ERROR_MIN),
        ("alike_better10", -0.10, ALIKE_MIN),
        ("alike_worse10", 0.10, ALIKE_MIN),
    ):
        difference, served, _ = World(relative=relative, own_error_min=own).days(challenges, days, seed + 1)
        verdicts, taken = first_verdicts(difference, served, rules)
        right = verdicts == (Verdict.BETTER if relative < 0 else Verdict.WORSE)
        for limit in (28, 90, 180, days):
            found[f"{name}_in_{limit}_days_pct"] = _pct(right & (taken <= limit))
        found[f"{name}_median_days"] = int(np.median(np.where(right, taken, days + 1)))
    difference, served, _ = World(own_error_min=ALIKE_MIN).days(challenges, days, seed)
    verdicts, taken = first_verdicts(difference, served, rules)
    found["alike_different_pct"] = _pct(ever_different(difference, served, rules))
    found["alike_called_equivalent_pct"] = _pct(verdicts == Verdict.EQUIVALENT)
    found["alike_median_days_to_equivalent"] = int(np.nanmedian(taken[verdicts == Verdict.EQUIVALENT]))
    return found


def _pct(those: npt.NDArray[np.bool_]) -> float:
    return round(100.0 * float(those.mean()), 2)


def example(seed: int = 4, days: int = 120) -> pd.DataFrame:
    """One simulated challenge, 10 % better, as the comparison takes it."""
    difference, served, courses = (part[0] for part in World(relative=-0.10).days(1, days, seed))
    return pd.DataFrame(
        {
            "service_day": pd.date_range("2026-01-05", periods=days),
            "courses": courses.astype(np.int64),
            "challenger_error_min": served + difference,
            "served_error_min": served,
        }
    )


def main() -> None:
    """Print the figures."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--json", action="store_true", help="one JSON line last")
    arguments.add_argument("--quick", action="store_true", help="fewer challenges")
    arguments.add_argument("--picture", type=Path, help="also draw a simulated challenge into this PNG")
    asked = arguments.parse_args()
    if asked.picture:
        from atmr_pipeline.promotion.challenge_picture import comparison_picture

        asked.picture.write_bytes(comparison_picture(compare_sequentially(example()), note="simulated, 10 % better: "))
    found = figures(500 if asked.quick else 2_000, 400)
    for name, value in found.items():
        print(f"{name:36} {value}", file=sys.stderr)
    if asked.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
