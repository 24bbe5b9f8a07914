"""From verdicts to a decision."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from atmr_pipeline.promotion.verdict import GateVerdict


@dataclass(frozen=True)
class Decision:
    """Promote or refuse, and why.

    Parameters
    ----------
    promote : bool
    reasons : tuple of str
        The failed blocking gates if refused; one line that says what passed if promoted.
    verdicts : tuple of GateVerdict
        All of them, for the audit log.
    """

    promote: bool
    reasons: tuple[str, ...]
    verdicts: tuple[GateVerdict, ...] = ()

    @property
    def reason(self) -> str:
        """The reasons in one line."""
        return "; ".join(self.reasons)

    def as_evidence(self) -> dict[str, Any]:
        """JSON values for the audit log."""
        return {"promote": self.promote, "gates": [verdict.as_evidence() for verdict in self.verdicts]}


def decide(verdicts: Sequence[GateVerdict]) -> Decision:
    """Promote if every blocking gate passed; never without any blocking gate."""
    blocking = [verdict for verdict in verdicts if verdict.blocking]
    failed = [f"{verdict.name}: {verdict.detail}" for verdict in blocking if not verdict.passed]
    if not blocking:
        return Decision(False, ("no gate was judged",), tuple(verdicts))
    if failed:
        return Decision(False, tuple(failed), tuple(verdicts))
    return Decision(True, (f"all {len(blocking)} gates passed",), tuple(verdicts))
