"""Courses on which a challenger and what was served can be compared: both scored before the pickup."""

from dataclasses import dataclass
from datetime import date

import pandas as pd

from atmr_pipeline.domain.errors import TableContractError
from atmr_pipeline.domain.vocabulary import LATE_AFTER_MIN
from atmr_pipeline.promotion.arms import CHALLENGER_ARM

NEEDED = (
    "assignment_id", "booking_id", "service_day", "model_version", "role", "arm", "decided_at", "predicted_at",
    "expected_delay_min", "p_late", "actual_delay_min",
)  # fmt: skip
PAIR_COLUMNS = (
    "assignment_id", "booking_id", "service_day", "arm", "served_version", "actual_delay_min", "challenger_error_min",
    "served_error_min",
)  # fmt: skip
ARM_COLUMNS = ("arm", "courses", "days", "mae_min", "bias_min", "late_share", "brier", "paired_relative")


@dataclass(frozen=True)
class Pairs:
    """Pairs of absolute errors, and what could not be paired.

    Parameters
    ----------
    courses : DataFrame
        One row an assignment: :data:`PAIR_COLUMNS`, ordered by day; errors are absolute, minutes. ``served_*`` is the
        other model: what was served, or what would have been where the challenger itself was.
    set_aside : dict of str to int
        Scored by the challenger and not compared: ``pickup_unknown`` (not yet, or never measured),
        ``no_other_prediction``, ``other_decision`` (the two were asked about different plans).
    """

    courses: pd.DataFrame
    set_aside: dict[str, int]


def pair_courses(scored: pd.DataFrame, challenger: str, *, since: date | None = None) -> Pairs:
    """Pair a challenger's predictions with those of whatever was served beside it.

    The champion may change during a challenge; the challenger is compared with the model that was in service for each
    course, which is what it would have replaced.

    Parameters
    ----------
    scored : DataFrame
        Predictions of every role, as :func:`atmr_pipeline.state.predictions.read_predictions` gives them.
    challenger : str
        Its version.
    since : date, optional
        First service day of the challenge; earlier rows of this version are not part of it.

    Raises
    ------
    TableContractError
        If columns are missing.
    """
    missing = [name for name in NEEDED if name not in scored.columns]
    if missing:
        raise TableContractError(f"pairs: missing columns {', '.join(missing)}")
    if since is not None:
        scored = scored[scored["service_day"] >= pd.Timestamp(since)]
    its_arm = scored["arm"] == CHALLENGER_ARM
    is_ours = scored["model_version"] == challenger
    shadow = scored["role"] == "shadow"
    # Served without an arm, the version was the champion itself at the time: that is no challenge.
    ours = scored[is_ours & (shadow | its_arm)]
    theirs = scored[~is_ours & (~shadow | its_arm)].sort_values("predicted_at", kind="stable")
    theirs = theirs.drop_duplicates("assignment_id", keep="last")
    other = theirs[["assignment_id", "model_version", "decided_at", "expected_delay_min"]]
    both = ours.merge(other, on="assignment_id", how="left", suffixes=("", "_other"), validate="one_to_one")
    unknown, alone = both["actual_delay_min"].isna(), both["model_version_other"].isna()
    differs = both["decided_at"] != both["decided_at_other"]
    reasons = {
        "pickup_unknown": unknown,
        "no_other_prediction": ~unknown & alone,
        "other_decision": ~unknown & ~alone & differs,
    }
    usable = both[~unknown & ~alone & ~differs].sort_values(["service_day", "assignment_id"], ignore_index=True)
    courses = usable.assign(
        served_version=usable["model_version_other"],
        challenger_error_min=(usable["expected_delay_min"] - usable["actual_delay_min"]).abs(),
        served_error_min=(usable["expected_delay_min_other"] - usable["actual_delay_min"]).abs(),
    )
    return Pairs(courses[list(PAIR_COLUMNS)], {name: int(mask.sum()) for name, mask in reasons.items() if mask.any()})


def days_of(courses: pd.DataFrame) -> pd.DataFrame:
    """Sums of absolute errors by service day, oldest first: what the sequential comparison takes."""
    return (
        courses.groupby("service_day")
        .agg(
            courses=("assignment_id", "size"),
            challenger_error_min=("challenger_error_min", "sum"),
            served_error_min=("served_error_min", "sum"),
        )
        .reset_index()
    )


def arm_figures(scored: pd.DataFrame, pairs: Pairs) -> pd.DataFrame:
    """What was served in each arm of an A/B test and came of it, and the paired difference within the arm.

    Served predictions act (alerts, calls) and so change delays. The arms show that: their late shares are those of two
    ways of working. Which model predicts better is for the pairs to say, on the same courses.

    Returns
    -------
    DataFrame
        One row an arm that measured courses were in: :data:`ARM_COLUMNS`; ``bias_min`` is expected minus actual.
        Empty if there was no test.
    """
    ids = pairs.courses.loc[pairs.courses["arm"].notna(), "assignment_id"]
    served = scored[(scored["role"] == "served") & scored["assignment_id"].isin(ids)]
    served = served.sort_values("predicted_at", kind="stable").drop_duplicates("assignment_id", keep="last")
    rows = [_arm(str(arm), part, pairs.courses) for arm, part in served.groupby("arm")]
    return pd.DataFrame(rows, columns=list(ARM_COLUMNS))


def _arm(
    arm: str, served: pd.DataFrame, courses: pd.DataFrame
) -> tuple[str, int, int, float, float, float, float, float]:
    error = served["expected_delay_min"] - served["actual_delay_min"]
    late = served["actual_delay_min"] > LATE_AFTER_MIN
    paired = courses[courses["assignment_id"].isin(served["assignment_id"])]
    other_sum = float(paired["served_error_min"].sum())
    return (
        arm,
        len(served),
        served["service_day"].nunique(),
        float(error.abs().mean()),
        float(error.mean()),
        float(late.mean()),
        float(((served["p_late"] - late) ** 2).mean()),
        float(paired["challenger_error_min"].sum()) / other_sum - 1.0 if other_sum > 0.0 else float("nan"),
    )
