"""Several providers as one geocoder: each distinct address is asked once, and every answer is kept."""

import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Protocol, Self

from atmr_pipeline.domain.vocabulary import AddressPrecision
from atmr_pipeline.sources.geocoding.gazetteer import Answer
from atmr_pipeline.sources.geocoding.online.verdict import unresolved
from atmr_pipeline.sources.services import CircuitOpenError, RateLimitedError, ServiceError
from atmr_pipeline.sources.services.limits import PATIENCE_S
from atmr_pipeline.state.geocode_cache import (
    CachedAnswer,
    claim_question,
    read_answers,
    release_question,
    write_answer,
)
from atmr_pipeline.state.store import StateStore
from atmr_pipeline.state.types import utc_now

POSITIVE_DAYS, NEGATIVE_DAYS = 180.0, 14.0
CLAIM_S, POLL_S = 120.0, 1.0
"""How long a process may take to ask, retries included, and how often another looks whether it has done so."""
UNAVAILABLE = "service_unavailable"
ASKED_ELSEWHERE = "asked_elsewhere"


class Provider(Protocol):
    """One online geocoder."""

    name: str

    def locate(self, text: str) -> Answer:
        """Ask for one address; raises :class:`ServiceError` where the answer says nothing about it."""
        ...

    def close(self) -> None:
        """Close connections."""
        ...


class OnlineGeocoder:
    """Asks providers in order until one places the address.

    Parameters
    ----------
    providers : sequence of Provider
        In order of preference.
    cache : StateStore
        Migrated; keeps answers by address key and provider, never the address. Answers are written one by one, so that
        a run that breaks off loses none. Errors are not kept.
    positive_days, negative_days : float
        How long an answer and the lack of one are believed.
    now, sleep : callable
        For tests.
    """

    def __init__(
        self,
        providers: Sequence[Provider],
        cache: StateStore,
        *,
        positive_days: float = POSITIVE_DAYS,
        negative_days: float = NEGATIVE_DAYS,
        now: Callable[[], datetime] = utc_now,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if not providers or len({provider.name for provider in providers}) < len(providers):
            raise ValueError("an online geocoder needs providers, each of them once")
        if not (positive_days > 0 and negative_days > 0):
            raise ValueError(f"answers must be kept for more than {min(positive_days, negative_days)} days")
        self._providers, self._cache = list(providers), cache
        self._positive, self._negative = timedelta(days=positive_days), timedelta(days=negative_days)
        self._now, self._sleep = now, sleep
        self._owner = uuid.uuid4().hex
        self._left_alone_until: dict[str, datetime] = {}
        self._counts: Counter[str] = Counter()
        self._placed_by: Counter[str] = Counter()
        self._errors: dict[str, Counter[str]] = {provider.name: Counter() for provider in providers}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the providers' connections."""
        for provider in self._providers:
            provider.close()

    def locate_many(self, pairs: Sequence[tuple[str, str]]) -> dict[str, Answer]:
        """Place addresses.

        Parameters
        ----------
        pairs : sequence of (address_key, address_text)
            The first text of a key counts.

        Returns
        -------
        dict
            One answer a key. Unresolved: the first telling reason of the providers, else ``not_found``; but
            ``service_unavailable`` where one of them could not be heard, since it may know the address.
        """
        texts: dict[str, str] = {}
        for key, text in pairs:
            texts.setdefault(key, text)
        at, names = self._now(), [provider.name for provider in self._providers]
        known = {name: read_answers(self._cache, list(texts), name, at=at) for name in names}
        answers: dict[str, Answer] = {}
        busy: list[str] = []
        for key, text in texts.items():
            try:
                answers[key] = self._locate(key, text, known, waits=False)
            except _AskedElsewhereError:
                busy.append(key)
        # What other processes asked for at that moment they have answered by now, or soon will.
        answers.update((key, self._locate(key, texts[key], known, waits=True)) for key in busy)
        self._count(answers.values())
        return answers

    def report(self) -> dict[str, Any]:
        """Counts since the start, for metadata.

        Returns
        -------
        dict
            ``asked``: questions that providers answered; ``cached``: answers that were known already. Addresses by
            outcome: ``answered``, ``not_found``, ``ambiguous``, ``rejected`` (something was found that the address
            cannot mean), ``unavailable``. ``placed_by``: addresses by provider. ``errors``: provider, kind, count.
        """
        names = ("asked", "cached", "answered", "not_found", "ambiguous", "rejected", "unavailable")
        errors = {provider: dict(kinds) for provider, kinds in self._errors.items() if kinds}
        return {**{name: self._counts[name] for name in names}, "placed_by": dict(self._placed_by), "errors": errors}

    def _locate(self, key: str, text: str, known: dict[str, dict[str, CachedAnswer]], *, waits: bool) -> Answer:
        reasons: list[str] = []
        all_heard = True
        for provider in self._providers:
            kept = known[provider.name].get(key)
            if kept is not None:
                self._counts["cached"] += 1
            else:
                kept = self._ask(provider, key, text, waits=waits)
            if kept is None:
                all_heard = False
            elif kept.lat is not None:
                return _answer(kept)
            else:
                reasons.append(kept.reason or "not_found")
        if not all_heard:
            return unresolved(UNAVAILABLE)
        return unresolved(next((reason for reason in reasons if reason != "not_found"), "not_found"))

    def _ask(self, provider: Provider, key: str, text: str, *, waits: bool) -> CachedAnswer | None:
        """Ask one provider and keep what it says; None if it could not be heard."""
        until = self._left_alone_until.get(provider.name)
        if until is not None and self._now() < until:
            self._errors[provider.name][CircuitOpenError.default_kind] += 1
            return None
        claim = self._claim(provider.name, key, waits=waits)
        if not isinstance(claim, bool):
            self._counts["cached"] += 1
            return claim
        if not claim:
            self._errors[provider.name][ASKED_ELSEWHERE] += 1
            return None
        kept: CachedAnswer | None = None
        try:
            kept = self._kept(key, provider.name, provider.locate(text))
            write_answer(self._cache, kept, owner=self._owner)
            self._counts["asked"] += 1
        except ServiceError as error:
            self._note(provider.name, error)
        finally:
            if kept is None:
                release_question(self._cache, key, provider.name, owner=self._owner)
        return kept

    def _claim(self, provider: str, key: str, *, waits: bool) -> CachedAnswer | bool:
        for _ in range(int(CLAIM_S / POLL_S) + 1):
            at = self._now()
            until = at + timedelta(seconds=CLAIM_S)
            claim = claim_question(self._cache, key, provider, owner=self._owner, at=at, until=until)
            if claim is not False:
                return claim
            if not waits:
                raise _AskedElsewhereError
            self._sleep(POLL_S)
        return False

    def _kept(self, key: str, provider: str, answer: Answer) -> CachedAnswer:
        at = self._now()
        return CachedAnswer(
            address_key=key,
            provider=provider,
            lat=answer.lat,
            lon=answer.lon,
            precision=answer.precision.value,
            score=answer.score,
            reason=answer.reason,
            entry_key=answer.entry_key,
            answered_at=at,
            expires_at=at + (self._negative if answer.lat is None else self._positive),
        )

    def _note(self, provider: str, error: ServiceError) -> None:
        self._errors[provider][error.kind] += 1
        if isinstance(error, CircuitOpenError):
            self._left_alone_until[provider] = error.until
        elif isinstance(error, RateLimitedError) and (error.retry_after_s or 0.0) > PATIENCE_S:
            self._left_alone_until[provider] = self._now() + timedelta(seconds=error.retry_after_s or 0.0)

    def _count(self, answers: Iterable[Answer]) -> None:
        for answer in answers:
            self._counts[_outcome(answer)] += 1
            if answer.source is not None:
                self._placed_by[answer.source] += 1


class _AskedElsewhereError(Exception):
    """Another process is asking for this address."""


def _answer(kept: CachedAnswer) -> Answer:
    precision = AddressPrecision(kept.precision)
    return Answer(kept.lat, kept.lon, precision, kept.provider, kept.score or 0.0, kept.reason, kept.entry_key)


def _outcome(answer: Answer) -> str:
    if answer.lat is not None:
        return "answered"
    if answer.reason == UNAVAILABLE:
        return "unavailable"
    return answer.reason if answer.reason in ("not_found", "ambiguous") else "rejected"
