"""Who is scored beside the champion, from when on, and when the next one takes its turn."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from typing import Any, Self

from atmr_pipeline.promotion.sequential import Verdict


@dataclass(frozen=True)
class Challenge:
    """One version's time as challenger.

    Parameters
    ----------
    version_id : str
    since : str or None
        First service day that counts, ISO date; None where no day had been driven yet.
    passed_gates : bool or None
        What the gates said of it; None while nobody has judged. A challenger acts in an A/B test only if True.
    verdict : str
        Of the sequential comparison, see :class:`~atmr_pipeline.promotion.sequential.Verdict`.
    summary : str
        The verdict in words.
    """

    version_id: str
    since: str | None
    passed_gates: bool | None = None
    verdict: str = str(Verdict.UNDECIDED)
    summary: str = "nothing compared yet"

    @property
    def since_day(self) -> date | None:
        """First service day that counts."""
        return None if self.since is None else date.fromisoformat(self.since)

    @property
    def is_decided(self) -> bool:
        """Whether the comparison has ended."""
        return self.verdict != Verdict.UNDECIDED


@dataclass(frozen=True)
class Challenges:
    """The present challenge and how those before it ended, as kept between runs.

    Parameters
    ----------
    present : Challenge or None
    ended : dict of str to str
        Version -> verdict, or why it ended without one. None of them comes back: a second turn would be a second
        chance to be wrong.
    """

    present: Challenge | None = None
    ended: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_json(cls, value: Mapping[str, Any] | None) -> Self:
        """From what :meth:`to_json` gave; nothing kept yet is no challenge."""
        if value is None:
            return cls()
        present = value["present"]
        return cls(None if present is None else Challenge(**present), dict(value["ended"]))

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {"present": None if self.present is None else asdict(self.present), "ended": dict(self.ended)}

    def end(self, why: str) -> Self:
        """Without the present challenge, which ended so."""
        if self.present is None:
            return self
        return replace(self, present=None, ended={**self.ended, self.present.version_id: why})


REASONS = {
    "running": "the comparison goes on",
    "first": "there was no challenger",
    "decided": "the challenger before it was decided",
    "too_old": "the challenger before it was not decided in time",
    "damaged": "the files of the challenger before it are missing or altered",
    "overdue": "undecided for long, and no newer version to take its place",
    "stays": "decided, and no newer version to take its place",
    "no_candidate": "no challenger: the newest version is the champion or has had its turn",
    "worse": "no challenger: the last one was worse, and there is no newer version",
    "lost": "no challenger: the files of the last one are missing or altered, and there is no newer version",
}
"""Reason codes of :class:`Choice` in words."""


@dataclass(frozen=True)
class Choice:
    """Who is to be challenger now.

    Parameters
    ----------
    version_id : str or None
        None: nobody.
    reason : str
        A key of :data:`REASONS`.
    is_new : bool
        Whether that is a new challenge.
    """

    version_id: str | None
    reason: str
    is_new: bool


def choose(
    challenges: Challenges, *, newest: str | None, champion: str | None, age_days: int, max_days: int, is_intact: bool
) -> Choice:
    """The newest evaluated version, unless another's comparison still runs.

    A new challenger each night would never gather evidence, so the present one stays until it is decided or older
    than ``max_days``.

    Parameters
    ----------
    challenges : Challenges
        The present one is not the champion.
    newest : str or None
        The version evaluated last, if its files are intact.
    champion : str or None
    age_days : int
        Service days driven since the present challenge began.
    max_days : int
        Service days after which an undecided challenger makes room.
    is_intact : bool
        Whether the present challenger's files are.
    """
    present = challenges.present
    taken = {champion, None, present.version_id if present else None} | set(challenges.ended)
    successor = newest if newest not in taken else None
    if present is None:
        return Choice(successor, "first", True) if successor else Choice(None, "no_candidate", False)
    if not is_intact:
        return Choice(successor, "damaged", True) if successor else Choice(None, "lost", False)
    if present.is_decided:
        if successor:
            return Choice(successor, "decided", True)
        is_worse = present.verdict == Verdict.WORSE
        return Choice(None, "worse", False) if is_worse else Choice(present.version_id, "stays", False)
    if age_days > max_days:
        return Choice(successor, "too_old", True) if successor else Choice(present.version_id, "overdue", False)
    return Choice(present.version_id, "running", False)
