"""The delay model's challenger as the assets use it: how its challenge stands, and its files, hashes checked."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from atmr_pipeline.domain.errors import ModelIntegrityError
from atmr_pipeline.resources.serving import Served, load_version
from atmr_pipeline.resources.workspace import Workspace

if TYPE_CHECKING:
    from atmr_pipeline.promotion.challenge import Challenges

ALIAS = "challenger"
STATE_KEY = "delay_challenges"
EXPERIMENT = "delay:{version}"
"""An A/B test divides bookings anew for each challenger."""

NO_TEST = {
    "off": "off: ATMR_AB_TEST is not set",
    "no_challenger": "on, but there is no challenger",
    "damaged": "on, but the challenger's files are missing or altered",
    "decided": "on, but the comparison with the challenger has ended",
    "not_judged": "on, but no gate has judged the challenger",
    "gates_failed": "on, but the challenger did not pass the gates",
    "rolled_back": "on, but the challenger was taken out of service before",
    "champion_damaged": "on, but the champion is damaged and the previous version serves",
}
"""Why no challenger acts, in words."""


@dataclass(frozen=True)
class Loaded:
    """The challenger, ready to predict; or nobody, and why.

    Parameters
    ----------
    served : Served or None
    missing : str or None
        ``no_challenger`` or ``damaged`` where there is none.
    detail : str
        What the registry says of damaged files.
    """

    served: Served | None
    missing: str | None = None
    detail: str = ""


def load_challenger(workspace: Workspace) -> Loaded:
    """Load the challenger of the delay model; that there is none, or that it is damaged, is an answer, not an error."""
    alias = workspace.registry.alias("delay", ALIAS)
    if alias is None:
        return Loaded(None, "no_challenger")
    try:
        model = load_version(workspace, "delay", alias.version_id)
        metrics = dict(workspace.registry.get(alias.version_id).metrics)
    except ModelIntegrityError as error:
        return Loaded(None, "damaged", str(error))
    return Loaded(Served(alias.version_id, model, metrics, is_fallback=False))


def read_challenges(workspace: Workspace) -> "Challenges":
    """The present challenge and those before it."""
    from atmr_pipeline.promotion.challenge import Challenges
    from atmr_pipeline.state.pipeline_state import get_state

    return Challenges.from_json(get_state(workspace.state, STATE_KEY))


def write_challenges(workspace: Workspace, challenges: "Challenges") -> None:
    """Keep them for the next run."""
    from atmr_pipeline.state.pipeline_state import set_state

    set_state(workspace.state, STATE_KEY, challenges.to_json())


def acting_challenger(workspace: Workspace, champion: Served) -> tuple[Served | None, str]:
    """The challenger that serves its arm of an A/B test; else None and a key of :data:`NO_TEST`.

    In the shadow any version may be scored. Acting takes what serving takes: the gates passed, and nobody has rolled
    it back.
    """
    if not workspace.settings.ab_test:
        return None, "off"
    loaded = load_challenger(workspace)
    if loaded.served is None:
        return None, str(loaded.missing)
    if champion.is_fallback:
        return None, "champion_damaged"
    present = read_challenges(workspace).present
    if present is None or present.version_id != loaded.served.version_id or present.passed_gates is None:
        return None, "not_judged"
    if not present.passed_gates:
        return None, "gates_failed"
    if present.is_decided:
        return None, "decided"
    from atmr_pipeline.promotion.rollbacks import rolled_back_because

    if rolled_back_because(workspace.registry.history("delay"), loaded.served.version_id) is not None:
        return None, "rolled_back"
    return loaded.served, "on"
