"""Re-optimisation of a day's risky courses: one change after another, each the best that is left."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import pandas as pd
from sklearn.exceptions import NotFittedError

from atmr_pipeline.domain.errors import AtmrError
from atmr_pipeline.domain.travel import TravelProvider
from atmr_pipeline.models.delay.model import DelayModel
from atmr_pipeline.models.delay.reassignment.better_driver import courses_ahead
from atmr_pipeline.models.delay.reassignment.duty_day import DutyDay, DutyTables, days_ahead, duty_day
from atmr_pipeline.models.delay.reassignment.offers import (
    OFFER_COLUMNS,
    REFUSED_COLUMNS,
    OfferSearch,
    refused_frame,
)
from atmr_pipeline.models.delay.reassignment.params import ReassignmentParams, Refusal
from atmr_pipeline.models.delay.reassignment.reliability import GainReliability, gain_reliability
from atmr_pipeline.models.delay.reassignment.scoring import DayScorer, DelayPredictor, ModelScorer

DAY_COLUMNS = {"company_id": "int64", "service_day": "datetime64[us]"}
FALLBACKS = (AtmrError, NotFittedError)
"""What ends in no change; anything else is a fault of the program and is raised."""


@dataclass(frozen=True)
class Reassignment:
    """What is suggested for one or more days.

    Parameters
    ----------
    suggestions : DataFrame
        ``company_id, service_day``, then :data:`~atmr_pipeline.models.delay.reassignment.offers.OFFER_COLUMNS` in the
        order of decision; ``reason`` says what was risky: ``expected_delay``, ``p_late`` or both joined by ``+``.
    refused : DataFrame
        ``company_id, service_day``, then :data:`~atmr_pipeline.models.delay.reassignment.offers.REFUSED_COLUMNS`, of
        the courses that stay as they are.
    days, scored, risky : int
        Company days looked at, courses scored, courses beyond a threshold.
    fallbacks : tuple of (company_id, ISO date, why)
        Days left unchanged because something raised; company -1 and an empty date where it concerned all.
    reliability : GainReliability or None
        None if it could not be judged.
    """

    suggestions: pd.DataFrame
    refused: pd.DataFrame
    days: int = 0
    scored: int = 0
    risky: int = 0
    fallbacks: tuple[tuple[int, str, str], ...] = ()
    reliability: GainReliability | None = None

    def refused_by_reason(self) -> dict[str, int]:
        """Refusals of each reason: pairs of a course and a driver, and courses as such."""
        return dict(sorted(Counter(self.refused["reason"].tolist()).items()))


def reassign_risky(
    model: DelayPredictor,
    tables: DutyTables,
    *,
    company_id: int,
    service_day: date,
    travel: TravelProvider,
    decided_at: pd.Timestamp,
    reliability: GainReliability,
    params: ReassignmentParams | None = None,
) -> Reassignment:
    """Suggest changes of driver for one company's day.

    The best change is made on paper, everything is predicted again, and so on until no change is worth it or
    ``max_changes`` are made. A course changes hands at most once. Nothing is written anywhere.

    Parameters
    ----------
    model, tables, travel, decided_at, reliability, params
        As for :func:`~atmr_pipeline.models.delay.reassignment.better_driver.find_better_driver`.
    company_id : int
    service_day : date

    Returns
    -------
    Reassignment
        Without suggestions and with the reason in ``fallbacks`` if model, features, day or travel raised a typed error.
    """
    params = params or ReassignmentParams()
    try:
        day = duty_day(tables, company_id, service_day, travel)
        ahead = courses_ahead(day, decided_at)
        scorer = ModelScorer(model, tables.sources, ahead, decided_at)
        return improve_day(day, scorer, params, decided_at=decided_at, reliability=reliability)
    except FALLBACKS as error:
        why = (company_id, service_day.isoformat(), f"{type(error).__name__}: {error}")
        return Reassignment(*_day_frames(None, [], []), days=1, fallbacks=(why,), reliability=reliability)


def reassign_days_ahead(
    model: DelayModel,
    training_set: pd.DataFrame,
    tables: DutyTables,
    *,
    travel: TravelProvider,
    decided_at: pd.Timestamp,
    params: ReassignmentParams | None = None,
) -> Reassignment:
    """Suggest changes for every company and day that lies ahead.

    Parameters
    ----------
    model : DelayModel
        The champion.
    training_set : DataFrame
        DELAY_TRAINING_SET: says how far the model's differences between drivers came true after its fit.
    tables, travel, decided_at, params
        As for :func:`reassign_risky`.
    """
    try:
        reliability = gain_reliability(model, training_set, tables.sources)
    except FALLBACKS as error:
        why = (-1, "", f"{type(error).__name__}: {error}")
        return Reassignment(*_day_frames(None, [], []), fallbacks=(why,))
    parts = [
        reassign_risky(
            model, tables, company_id=company_id, service_day=day, travel=travel, decided_at=decided_at,
            reliability=reliability, params=params,
        )
        for company_id, day in days_ahead(tables, decided_at)
    ]  # fmt: skip
    return Reassignment(
        suggestions=_joined([part.suggestions for part in parts], OFFER_COLUMNS),
        refused=_joined([part.refused for part in parts], REFUSED_COLUMNS),
        days=len(parts),
        scored=sum(part.scored for part in parts),
        risky=sum(part.risky for part in parts),
        fallbacks=tuple(why for part in parts for why in part.fallbacks),
        reliability=reliability,
    )


def improve_day(
    day: DutyDay,
    scorer: DayScorer,
    params: ReassignmentParams,
    *,
    decided_at: pd.Timestamp,
    reliability: GainReliability | None = None,
) -> Reassignment:
    """The search itself, whoever predicts.

    Parameters
    ----------
    day : DutyDay
    scorer : DayScorer
    params : ReassignmentParams
    decided_at : Timestamp
    reliability : GainReliability, optional
        None: predictions are believed in full, as an oracle's may be.
    """
    search = OfferSearch(day, scorer, params, 1.0 if reliability is None else reliability.share)
    changes: dict[int, int] = {}
    made: list[pd.Series] = []
    unchanged = scorer.whole_days([{}])[0]
    while True:
        risk = risk_of(scorer.whole_days([changes])[0], params)
        reasons = {course: search.course_refusal(course, decided_at, changes) for course in risk.index}
        left = [course for course, reason in reasons.items() if reason is None]
        refused = [search.refusal(course, None, reason) for course, reason in reasons.items() if reason is not None]
        if len(made) >= params.max_changes:
            refused += [search.refusal(course, None, Refusal.CHANGES_USED_UP) for course in left]
            break
        offers, not_offered = search.search(left, changes)
        verdicts = [search.verdict(offer) for _, offer in offers.iterrows()]
        if None not in verdicts:
            refused += [{str(name): value for name, value in row.items()} for row in not_offered.to_dict("records")]
            refused += [
                search.refusal(int(offer["assignment_id"]), int(offer["to_driver_id"]), verdict)
                for (_, offer), verdict in zip(offers.iterrows(), verdicts, strict=True)
                if verdict is not None
            ]
            break
        best = offers.iloc[verdicts.index(None)].copy()
        best["reason"] = risk.loc[best["assignment_id"]]
        made.append(best)
        changes[int(best["assignment_id"])] = int(best["to_driver_id"])
    refused = [row for row in refused if row["reason"] != Refusal.ALREADY_CHANGED.value]
    frames = _day_frames(day, made, refused)
    return Reassignment(
        *frames, days=1, scored=len(unchanged), risky=len(risk_of(unchanged, params)), reliability=reliability
    )


def risk_of(predicted: pd.DataFrame, params: ReassignmentParams) -> "pd.Series[str]":
    """What is risky about each risky course, by ``assignment_id``, the least likely to be on time first."""
    by_delay = predicted["expected_delay_min"] >= params.risky_expected_delay_min
    by_chance = predicted["p_late"] >= params.risky_p_late
    risky = predicted[by_delay | by_chance].sort_index().sort_values("p_late", ascending=False, kind="stable")
    names = [
        "+".join(name for name, hit in (("expected_delay", by_delay), ("p_late", by_chance)) if hit.loc[course])
        for course in risky.index
    ]
    return pd.Series(names, index=risky.index, dtype="str")


def _day_frames(
    day: DutyDay | None, made: Sequence[pd.Series], refused: Sequence[dict[str, object]]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    suggestions = pd.DataFrame(made, columns=list(OFFER_COLUMNS)).astype(OFFER_COLUMNS).reset_index(drop=True)
    frames = suggestions, refused_frame(refused)
    if day is None:
        return _joined([], OFFER_COLUMNS), _joined([], REFUSED_COLUMNS)
    for frame in frames:
        frame.insert(0, "company_id", day.company_id)
        frame.insert(1, "service_day", pd.Timestamp(day.service_day).as_unit("us"))
    return frames


def _joined(parts: Sequence[pd.DataFrame], columns: dict[str, str]) -> pd.DataFrame:
    if parts:
        return pd.concat(parts, ignore_index=True)
    return pd.DataFrame(columns=[*DAY_COLUMNS, *columns]).astype({**DAY_COLUMNS, **columns})
