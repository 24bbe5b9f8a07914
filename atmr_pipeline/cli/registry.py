"""Promotion and rollback by hand; the audit log keeps who and why."""

import os
from typing import Annotated

import typer

from atmr_pipeline.cli.output import out

Kind = Annotated[str, typer.Argument(help="delay or policy")]


def promote(
    kind: Kind,
    version: Annotated[str, typer.Argument(help="version to serve")],
    reason: Annotated[str, typer.Option(help="why; kept in the audit log")],
) -> None:
    """Make a registered version the champion, whatever the gates say; the audit log keeps who and why."""
    from atmr_pipeline.resources.workspace import Workspace

    registry = Workspace().registry
    current = registry.alias(_kind(kind), "champion")
    registry.promote(
        kind,
        version,
        expected_seq=current.seq if current else 0,
        actor=_actor(),
        reason=reason,
        evidence={"gates": "not judged: promoted by hand"},
    )
    out.print(f"champion of {kind}: {version}", highlight=False)


def rollback(kind: Kind, reason: Annotated[str, typer.Option(help="why; kept in the audit log")]) -> None:
    """Serve the previous champion again."""
    from atmr_pipeline.resources.workspace import Workspace

    state = Workspace().registry.rollback(_kind(kind), actor=_actor(), reason=reason)
    out.print(f"champion of {kind}: {state.version_id}", highlight=False)


def _kind(kind: str) -> str:
    if kind not in ("delay", "policy"):
        raise typer.BadParameter(f"{kind!r} is neither delay nor policy")
    return kind


def _actor() -> str:
    return f"cli:{os.environ.get('USER') or os.getuid()}"
