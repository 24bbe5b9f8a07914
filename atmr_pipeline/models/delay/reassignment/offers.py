"""Candidate drivers of risky courses with what each would gain, the rest of the day included."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from atmr_pipeline.models.delay.reassignment.availability import PlanCheck
from atmr_pipeline.models.delay.reassignment.duty_day import DutyDay
from atmr_pipeline.models.delay.reassignment.params import ReassignmentParams, Refusal
from atmr_pipeline.models.delay.reassignment.scoring import DayScorer

OFFER_COLUMNS = {
    "assignment_id": "int64",
    "booking_id": "int64",
    "from_driver_id": "int64",
    "to_driver_id": "int64",
    "gain_min": "float64",
    "gain_low_min": "float64",
    "own_gain_min": "float64",
    "knock_on_min": "float64",
    "gain_p_late": "float64",
    "expected_delay_before_min": "float64",
    "expected_delay_after_min": "float64",
    "p_late_before": "float64",
    "p_late_after": "float64",
    "reason": "str",
}
"""Gains count the whole day and are positive if things get better: minutes of expected lateness (early counts as on
time), and the expected number of late pickups. ``gain_low_min`` is what may be counted on, ``own_gain_min`` is the
course's own part and ``knock_on_min`` the rest. ``p_late_*`` and ``expected_delay_*`` are the course's own."""

REFUSED_COLUMNS = {"assignment_id": "int64", "booking_id": "int64", "driver_id": "Int64", "reason": "str"}
"""``driver_id`` is NULL where the course as such is left alone."""


class OfferSearch:
    """Looks for offers on one day.

    Parameters
    ----------
    day : DutyDay
    scorer : DayScorer
    params : ReassignmentParams
    gain_share : float
        Share of a predicted gain that may be counted on, 0 to 1.
    """

    def __init__(self, day: DutyDay, scorer: DayScorer, params: ReassignmentParams, gain_share: float) -> None:
        self._day, self._scorer, self._params, self._share = day, scorer, params, gain_share
        self._courses: dict[int, dict[Any, Any]] = {
            int(course["assignment_id"]): course for course in day.open_courses.to_dict("records")
        }

    def course_refusal(
        self, assignment_id: int, decided_at: pd.Timestamp, changes: Mapping[int, int]
    ) -> Refusal | None:
        """Why a course as such is left alone; None if it may be given to another driver."""
        course = self._courses[assignment_id]
        notice_min = (course["scheduled_at"] - decided_at).total_seconds() / 60.0
        reasons = {
            Refusal.ALREADY_CHANGED: assignment_id in changes,
            Refusal.NO_DRIVER: pd.isna(course["driver_id"]),
            Refusal.TOO_SOON: notice_min < self._params.min_notice_min,
            Refusal.COURSE_NOT_PLACED: self._day.problem is None or course["position"] < 0,
        }
        return next((reason for reason, applies in reasons.items() if applies), None)

    def search(self, assignment_ids: Sequence[int], changes: Mapping[int, int]) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Offers for courses that may be changed, the best first, and the drivers who are not offered.

        Parameters
        ----------
        assignment_ids : sequence of int
            Courses that :meth:`course_refusal` lets through.
        changes : mapping of int to int
            Assignment to driver: what has been changed already.

        Returns
        -------
        (DataFrame, DataFrame)
            :data:`OFFER_COLUMNS` with an empty ``reason``, by falling gain; :data:`REFUSED_COLUMNS`.
        """
        before = self._scorer.whole_days([changes])[0]
        pairs, refused = self._available(assignment_ids, changes)
        if pairs.empty:
            return offers_frame([]), refused_frame(refused)
        scored = self._scorer.pairs(pairs, changes)
        now = before.loc[pairs["assignment_id"]]
        pairs["own"] = now["lateness_min"].to_numpy() - scored["lateness_min"].to_numpy()
        less_known = scored["unknown_history"].to_numpy() > now["unknown_history"].to_numpy()
        no_gain = ~less_known & (pairs["own"] <= 0.0)
        refused += self._refusals(pairs[less_known], Refusal.LESS_KNOWN)
        refused += self._refusals(pairs[no_gain], Refusal.NO_OWN_GAIN)
        pairs = pairs[~less_known & ~no_gain]
        pairs = pairs.sort_values(["assignment_id", "own", "driver_id"], ascending=[True, False, True])
        place = pairs.groupby("assignment_id").cumcount()
        refused += self._refusals(pairs[place >= self._params.evaluated_candidates], Refusal.NOT_EVALUATED)
        chosen = pairs[place < self._params.evaluated_candidates]
        moves = [(int(course), int(driver)) for course, driver in chosen[["assignment_id", "driver_id"]].to_numpy()]
        days = self._scorer.whole_days([{**changes, course: driver} for course, driver in moves])
        rows = [self._offer(*move, before, after) for move, after in zip(moves, days, strict=True)]
        return offers_frame(rows), refused_frame(refused)

    def verdict(self, offer: pd.Series) -> Refusal | None:
        """Why an offer is not worth a change; None if it is."""
        params = self._params
        enough = offer["gain_min"] >= params.min_gain_min and offer["gain_p_late"] >= params.min_gain_p_late
        if not enough or offer["gain_min"] <= 0.0:
            return Refusal.GAIN_TOO_SMALL
        counted_on = self._low(offer["gain_p_late"]) >= params.min_gain_p_late
        if not counted_on or offer["gain_low_min"] < params.min_gain_min or offer["gain_low_min"] <= 0.0:
            return Refusal.NOT_CONFIDENT
        return None

    def refusal(self, assignment_id: int, driver_id: int | None, reason: Refusal) -> dict[str, object]:
        """One row of :data:`REFUSED_COLUMNS`."""
        booking_id = int(self._courses[assignment_id]["booking_id"])
        return {
            "assignment_id": assignment_id, "booking_id": booking_id, "driver_id": driver_id, "reason": str(reason),
        }  # fmt: skip

    def _available(
        self, assignment_ids: Sequence[int], changes: Mapping[int, int]
    ) -> tuple[pd.DataFrame, list[dict[str, object]]]:
        pairs: list[tuple[int, int]] = []
        refused: list[dict[str, object]] = []
        if assignment_ids:
            check = PlanCheck(self._day, changes, self._params)
            for assignment_id in assignment_ids:
                answer = check.candidates(assignment_id, int(self._courses[assignment_id]["driver_id"]))
                pairs += [(assignment_id, driver_id) for driver_id in answer.available]
                refused += [self.refusal(assignment_id, *item) for item in answer.refused.items()]
        return pd.DataFrame(pairs, columns=["assignment_id", "driver_id"], dtype="int64"), refused

    def _refusals(self, pairs: pd.DataFrame, reason: Refusal) -> list[dict[str, object]]:
        rows = zip(pairs["assignment_id"].tolist(), pairs["driver_id"].tolist(), strict=True)
        return [self.refusal(assignment_id, driver_id, reason) for assignment_id, driver_id in rows]

    def _offer(
        self, assignment_id: int, driver_id: int, before: pd.DataFrame, after: pd.DataFrame
    ) -> dict[str, object]:
        after = after.loc[before.index]
        saved_min = before["lateness_min"] - after["lateness_min"]
        gain_min, own_min = float(saved_min.sum()), float(saved_min.loc[assignment_id])
        course = self._courses[assignment_id]
        return {
            "assignment_id": assignment_id,
            "booking_id": int(course["booking_id"]),
            "from_driver_id": int(course["driver_id"]),
            "to_driver_id": driver_id,
            "gain_min": gain_min,
            "gain_low_min": self._low(gain_min),
            "own_gain_min": own_min,
            "knock_on_min": gain_min - own_min,
            "gain_p_late": float((before["p_late"] - after["p_late"]).sum()),
            "expected_delay_before_min": float(before["expected_delay_min"].loc[assignment_id]),
            "expected_delay_after_min": float(after["expected_delay_min"].loc[assignment_id]),
            "p_late_before": float(before["p_late"].loc[assignment_id]),
            "p_late_after": float(after["p_late"].loc[assignment_id]),
            "reason": None,
        }

    def _low(self, gain: float) -> float:
        # A loss is believed in full.
        return gain * self._share if gain > 0.0 else gain


def offers_frame(rows: Sequence[Mapping[str, object]]) -> pd.DataFrame:
    """Offers by falling gain; ties in order of assignment, then driver."""
    frame = pd.DataFrame(rows, columns=list(OFFER_COLUMNS)).astype(OFFER_COLUMNS)
    order = np.lexsort((frame["to_driver_id"], frame["assignment_id"], -frame["gain_low_min"].round(9)))
    return frame.iloc[order].reset_index(drop=True)


def refused_frame(rows: Sequence[Mapping[str, object]]) -> pd.DataFrame:
    """Refusals in order of assignment, then driver."""
    frame = pd.DataFrame(rows, columns=list(REFUSED_COLUMNS)).astype(REFUSED_COLUMNS)
    return frame.sort_values(["assignment_id", "driver_id"], ignore_index=True)
