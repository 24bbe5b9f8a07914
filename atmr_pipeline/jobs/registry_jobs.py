"""Promotion, rollback and the anchor by hand, from the UI's launchpad: each a job of one op with its configuration."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field

from atmr_pipeline.domain.errors import AtmrError
from atmr_pipeline.resources.workspace import Workspace

if TYPE_CHECKING:
    from atmr_pipeline.promotion.aliases import AliasState

REASON = "Why; kept in the audit log with the run's id."


class ModelKind(Enum):
    """What can be promoted; names are values, since the launchpad shows the names."""

    delay = "delay"
    policy = "policy"


class KindConfig(dg.Config):
    """Which model, and why."""

    kind: ModelKind = Field(description="delay or policy")
    reason: str = Field(description=REASON)


class VersionConfig(KindConfig):
    """Which version of which model, and why."""

    version: str = Field(description="A registered version: 16 hex digits, see `atmr versions`.")


def _op(name: str, description: str) -> Callable[..., dg.OpDefinition]:
    # The pool is that of the assets that promote: one at a time moves an alias.
    return dg.op(name=name, description=description, out=dg.Out(dg.Nothing), pool="promotion")


@_op("promote", "Makes a registered version the champion, whatever the gates say.")
def promote_op(context: dg.OpExecutionContext, config: VersionConfig, workspace: Workspace) -> None:
    from atmr_pipeline.promotion.by_hand import promote_by_hand

    with _told():
        state = promote_by_hand(
            workspace.registry, config.kind.value, config.version, actor=_actor(context), reason=config.reason
        )
    _show(context, "champion", config, state)


@_op("rollback", "Serves the previous champion again.")
def rollback_op(context: dg.OpExecutionContext, config: KindConfig, workspace: Workspace) -> None:
    from atmr_pipeline.promotion.by_hand import rollback_by_hand

    with _told():
        state = rollback_by_hand(workspace.registry, config.kind.value, actor=_actor(context), reason=config.reason)
    _show(context, "champion", config, state)


@_op("anchor", "Makes a version the fixed point that every challenger is compared with.")
def anchor_op(context: dg.OpExecutionContext, config: VersionConfig, workspace: Workspace) -> None:
    from atmr_pipeline.promotion.by_hand import set_anchor_by_hand

    with _told():
        state = set_anchor_by_hand(
            workspace.registry, config.kind.value, config.version, actor=_actor(context), reason=config.reason
        )
    _show(context, "anchor", config, state)


@dg.job(description="Promotes a version by hand: the gates are not judged, the reason is the evidence.")
def promote_model() -> None:
    promote_op()


@dg.job(description="Takes the champion out of service and serves the one before it.")
def rollback_model() -> None:
    rollback_op()


@dg.job(description="Sets the version that small steps are measured from.")
def set_anchor() -> None:
    anchor_op()


REGISTRY_JOBS = [promote_model, rollback_model, set_anchor]


def _actor(context: dg.OpExecutionContext) -> str:
    return f"run:{context.run_id}"


@contextmanager
def _told() -> Iterator[None]:
    """A refusal is one clear line in the UI, and no retry changes it."""
    try:
        yield
    except AtmrError as error:
        raise dg.Failure(description=str(error), allow_retries=False) from None


def _show(context: dg.OpExecutionContext, alias: str, config: KindConfig, state: "AliasState") -> None:
    context.log.info(f"{alias} of {config.kind.value}: {state.version_id}")
    context.add_output_metadata({alias: state.version_id, "sequence number": state.seq})
