"""The verdicts on one challenger, kept with what they were judged against: judged once, and used as they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from atmr_pipeline.domain.errors import PromotionRefusedError
from atmr_pipeline.promotion.decide import Decision, decide
from atmr_pipeline.promotion.verdict import GateVerdict

EVALUATION = {"delay": "delay_evaluation", "policy": "dispatch_evaluation"}
"""The table whose checks are the gates of each kind."""


@dataclass(frozen=True)
class Judgement:
    """Every gate's verdict on one challenger.

    Parameters
    ----------
    kind : str
        ``delay`` or ``policy``.
    version_id : str
        The challenger.
    champion_seq : int
        Sequence number of the alias ``champion`` when the gates were judged; 0 without a champion.
    verdicts : tuple of GateVerdict
    champion, anchor : str or None
        Versions that it was held against.
    run_id : str
        The run that judged.
    """

    kind: str
    version_id: str
    champion_seq: int
    verdicts: tuple[GateVerdict, ...]
    champion: str | None = None
    anchor: str | None = None
    run_id: str = ""

    def decision(self) -> Decision:
        """Promote or refuse."""
        return decide(self.verdicts)

    def to_value(self) -> dict[str, Any]:
        """JSON values, with the decision for whoever reads only that."""
        decision = self.decision()
        return {
            "kind": self.kind,
            "version_id": self.version_id,
            "champion_seq": self.champion_seq,
            "champion": self.champion,
            "anchor": self.anchor,
            "run_id": self.run_id,
            "promote": decision.promote,
            "reason": decision.reason,
            "verdicts": [verdict.as_evidence() for verdict in self.verdicts],
        }

    @classmethod
    def from_value(cls, value: Mapping[str, Any]) -> Self:
        """The judgement that :meth:`to_value` wrote."""
        names = ("kind", "version_id", "champion_seq", "champion", "anchor", "run_id")
        verdicts = tuple(GateVerdict.from_evidence(figures) for figures in value["verdicts"])
        return cls(**{name: value[name] for name in names}, verdicts=verdicts)

    def check_valid_for(self, version_id: str, champion_seq: int, gates: Sequence[str]) -> None:
        """Refuse to act on verdicts about another version, another champion, or fewer gates than there are now.

        Raises
        ------
        PromotionRefusedError
            Saying what to do.
        """
        again = f"materialise the checks of {EVALUATION[self.kind]} again"
        if self.version_id != version_id:
            raise PromotionRefusedError(f"{self.kind} {version_id}: the gates judged {self.version_id}; {again}")
        if self.champion_seq != champion_seq:
            raise PromotionRefusedError(
                f"{self.kind} {version_id}: the champion moved since the gates judged (from number "
                f"{self.champion_seq} to {champion_seq}); {again}"
            )
        missing = sorted(set(gates) - {verdict.name for verdict in self.verdicts})
        if missing:
            raise PromotionRefusedError(f"{self.kind} {version_id}: not judged by {', '.join(missing)}; {again}")
