"""The champions as the assets use them: loaded after their hashes were checked."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from atmr_pipeline.domain.errors import AtmrError, ModelIntegrityError, OutdatedModelError
from atmr_pipeline.resources.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd


class NoChampionError(AtmrError):
    """Nothing has been promoted yet, so there is nothing to serve with."""


@dataclass(frozen=True)
class Served:
    """A loaded champion.

    Parameters
    ----------
    version_id : str
        Its version.
    model : DelayModel or DispatchPolicy
        Ready to predict or plan.
    metrics : dict
        Its held-out figures at training time.
    is_fallback : bool
        Not the champion: its files are damaged and this is the previous version, or its features are of an older
        version and this is the policy in the package.
    """

    version_id: str
    model: Any
    metrics: dict[str, Any]
    is_fallback: bool


def champion(workspace: Workspace, kind: str) -> Served:
    """Load the champion of ``delay`` or ``policy``.

    Raises
    ------
    NoChampionError
        If none was promoted yet.
    ModelIntegrityError
        If its files and those of the previous version are damaged.
    """
    registry = workspace.registry
    if registry.alias(kind, "champion") is None:
        raise NoChampionError(f"no {kind} model has been promoted yet: see the gates of the last training run")
    served = registry.champion_path(kind)
    if served is None:
        raise NoChampionError(f"no {kind} model can be served: its alias names no version")
    version = registry.get(served.version_id)
    return Served(served.version_id, _load(kind, served.path), dict(version.metrics), served.is_fallback)


def planning_policy(workspace: Workspace) -> Served:
    """The champion of the dispatch policies; where it was trained on older features, the policy in the package.

    Raises
    ------
    NoChampionError
        If none was promoted yet.
    ModelIntegrityError
        If the champion's files and those of the previous version are damaged.
    """
    from atmr_pipeline.models.policy.shipped import NAME, shipped_policy

    try:
        return champion(workspace, "policy")
    except OutdatedModelError:
        policy = shipped_policy()
        return Served(f"{NAME} {policy.version}", policy, {}, is_fallback=True)


def features_for(model: Any, frame: "pd.DataFrame") -> "pd.DataFrame":
    """The columns that a delay model was fitted on.

    Raises
    ------
    ModelIntegrityError
        If a feature that it knows is no longer made.
    """
    gone = [name for name in model.feature_names_ if name not in frame.columns]
    if gone:
        raise ModelIntegrityError(f"it knows features that are no longer made: {', '.join(gone)}; train it again")
    return frame[list(model.feature_names_)]


def predicted(model: Any, frame: "pd.DataFrame", history: "pd.DataFrame | None" = None) -> "pd.DataFrame":
    """What a delay model says of past decisions, each with the level that was known when it was taken.

    Parameters
    ----------
    frame : DataFrame
        The model's features, ``decided_at`` and ``service_day``.
    history : DataFrame, optional
        Measured pickups in the layout of the training set, that levels are seen in; ``frame`` where not given.

    Returns
    -------
    DataFrame
        On the index of ``frame``; see :meth:`DelayModel.predict_as_known`.
    """
    features_for(model, frame)
    return model.predict_as_known(frame, frame if history is None else history).set_axis(frame.index)


def load_version(workspace: Workspace, kind: str, version_id: str) -> Any:
    """Load any registered version after its hashes were checked (ModelIntegrityError)."""
    return _load(kind, workspace.registry.path(version_id))


def _load(kind: str, path: Any) -> Any:
    if kind == "delay":
        from atmr_pipeline.models.delay import DelayModel

        return DelayModel.load(path)
    from atmr_pipeline.models.policy import DispatchPolicy

    return DispatchPolicy.load(path)
