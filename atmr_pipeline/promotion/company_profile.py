"""The company's absolute figures for "late or not": a named profile that is off unless a setting switches it on."""

import math
from dataclasses import dataclass

import pandas as pd

from atmr_pipeline.promotion.verdict import GateVerdict

COMPANY_GATES = ("company_accuracy", "company_precision", "company_recall", "company_f1")
WHY_OFF = (
    "off (ATMR_COMPANY_GATES): even the true probabilities of the company's own year reach an accuracy of .775 only, "
    "so a fixed limit measures the noise of traffic and not the model"
)


@dataclass(frozen=True)
class CompanyProfile:
    """The company's absolute figures for "late or not", as a named profile that is off by default.

    It is off because the process that generates the delays cannot pass it: on the company's year even the true
    probabilities give an accuracy of .775, so a gate at .85 measures the noise of traffic and not the model.
    """

    min_accuracy: float = 0.85
    min_precision: float = 0.80
    min_recall: float = 0.75
    min_f1: float = 0.78


def company_profile_gates(
    late: pd.Series, predicted_late: pd.Series, profile: CompanyProfile | None = None
) -> list[GateVerdict]:
    """The company's absolute figures; add them to the list only where :class:`CompanyProfile` is switched on.

    Parameters
    ----------
    late, predicted_late : Series of bool
        Same rows.
    """
    profile = profile or CompanyProfile()
    actual, predicted = late.to_numpy(dtype=bool), predicted_late.to_numpy(dtype=bool)
    hits = int((actual & predicted).sum())
    precision, recall = _share(hits, int(predicted.sum())), _share(hits, int(actual.sum()))
    figures = {
        "accuracy": (_share(int((actual == predicted).sum()), len(actual)), profile.min_accuracy),
        "precision": (precision, profile.min_precision),
        "recall": (recall, profile.min_recall),
        "f1": (_share(2 * hits, int(actual.sum() + predicted.sum())), profile.min_f1),
    }
    return [
        GateVerdict(
            f"company_{name}", value >= limit, value, limit, len(actual), f"{name} {value:.3f}, at least {limit:.2f}"
        )
        for name, (value, limit) in figures.items()
    ]


def company_profile_off(profile: CompanyProfile | None = None) -> list[GateVerdict]:
    """The same gates as they are shown while the profile is switched off."""
    profile = profile or CompanyProfile()
    limits = (profile.min_accuracy, profile.min_precision, profile.min_recall, profile.min_f1)
    return [
        GateVerdict(name, True, math.nan, limit, 0, WHY_OFF, state="off")
        for name, limit in zip(COMPANY_GATES, limits, strict=True)
    ]


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan
