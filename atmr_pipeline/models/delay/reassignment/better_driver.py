"""Another driver for one risky course: who could take it, and what it would gain."""

from dataclasses import dataclass

import pandas as pd

from atmr_pipeline.domain.errors import TableContractError
from atmr_pipeline.domain.travel import TravelProvider
from atmr_pipeline.models.delay.reassignment.duty_day import DutyDay, DutyTables, duty_day
from atmr_pipeline.models.delay.reassignment.offers import OfferSearch, refused_frame
from atmr_pipeline.models.delay.reassignment.params import ReassignmentParams
from atmr_pipeline.models.delay.reassignment.reliability import GainReliability
from atmr_pipeline.models.delay.reassignment.scoring import DelayPredictor, ModelScorer


@dataclass(frozen=True)
class BetterDriver:
    """The answer for one course.

    Parameters
    ----------
    candidates : DataFrame
        :data:`~atmr_pipeline.models.delay.reassignment.offers.OFFER_COLUMNS`, the best first. ``reason`` is NULL where
        the change is worth it, else why it is not.
    refused : DataFrame
        :data:`~atmr_pipeline.models.delay.reassignment.offers.REFUSED_COLUMNS`: drivers who are not offered, and why.
    """

    candidates: pd.DataFrame
    refused: pd.DataFrame

    @property
    def best_driver_id(self) -> int | None:
        """The best driver worth the change; None if nobody is."""
        worth = self.candidates[self.candidates["reason"].isna()]
        return int(worth["to_driver_id"].iloc[0]) if len(worth) else None


def find_better_driver(
    model: DelayPredictor,
    tables: DutyTables,
    assignment_id: int,
    *,
    travel: TravelProvider,
    decided_at: pd.Timestamp,
    reliability: GainReliability,
    params: ReassignmentParams | None = None,
) -> BetterDriver:
    """Rank the drivers who could take a course by what the whole day would gain.

    Parameters
    ----------
    model : DelayPredictor
        A fitted :class:`~atmr_pipeline.models.delay.model.DelayModel`.
    tables : DutyTables
        As known at ``decided_at``.
    assignment_id : int
        An assignment that has not begun.
    travel : TravelProvider
    decided_at : Timestamp
        UTC, now.
    reliability : GainReliability
        Of this model, from :func:`~atmr_pipeline.models.delay.reassignment.reliability.gain_reliability`.
    params : ReassignmentParams, optional

    Raises
    ------
    TableContractError
        The assignment does not exist or has begun, or a table or feature does not fit.
    InvalidProblemError, SourceError
        The day cannot be put together, or the travel provider does not answer.
    """
    params = params or ReassignmentParams()
    assignments, bookings = tables.sources.assignments, tables.sources.bookings
    booking_ids = assignments.loc[assignments["assignment_id"] == assignment_id, "booking_id"]
    booked = bookings[bookings["booking_id"].isin(booking_ids)]
    if booked.empty:
        raise TableContractError("the assignment or its booking is not in the tables")
    day = duty_day(tables, int(booked["company_id"].iloc[0]), booked["service_day"].iloc[0].date(), travel)
    ahead = courses_ahead(day, decided_at)
    if assignment_id not in set(ahead["assignment_id"]):
        raise TableContractError("the assignment has begun, has no time, or another one has taken its place")
    scorer = ModelScorer(model, tables.sources, ahead, decided_at)
    search = OfferSearch(day, scorer, params, reliability.share)
    reason = search.course_refusal(assignment_id, decided_at, {})
    offers, refused = search.search([] if reason else [assignment_id], {})
    if reason is not None:
        refused = refused_frame([search.refusal(assignment_id, None, reason)])
    verdicts = [search.verdict(offer) for _, offer in offers.iterrows()]
    return BetterDriver(
        offers.assign(reason=pd.Series([None if v is None else str(v) for v in verdicts], dtype="str")), refused
    )


def courses_ahead(day: DutyDay, decided_at: pd.Timestamp) -> pd.DataFrame:
    """Open courses whose scheduled pickup lies after ``decided_at``."""
    return day.open_courses[day.open_courses["scheduled_at"] > decided_at]
