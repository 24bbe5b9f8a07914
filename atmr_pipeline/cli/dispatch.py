"""Plans for a day."""

import json
import sys
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer

from atmr_pipeline.cli.output import AsJson, out
from atmr_pipeline.domain.errors import AtmrError, SourceError
from atmr_pipeline.settings import Settings, load_settings

dispatch_app = typer.Typer(no_args_is_help=True, help=__doc__)


@dispatch_app.command("plan")
def dispatch_plan(
    file: Annotated[Path, typer.Option("--input", help="one JSON day, or JSON Lines")],
    method: Annotated[
        str, typer.Option(help="nearest, least_loaded, greedy, insertion, local_search, policy or policy_beam")
    ],
    beam_width: Annotated[int, typer.Option(min=1, max=256, help="partial plans that policy_beam keeps")] = 16,
    as_json: AsJson = False,
) -> None:
    """Plan a day with one method; one JSON answer a day."""
    from atmr_pipeline.dispatch.plan_io import answer, parse_day_and_travel, read_days
    from atmr_pipeline.dispatch.planners import METHODS, plan

    known = (*METHODS, "policy", "policy_beam")
    if method not in known:
        raise typer.BadParameter(f"{method!r} is none of {', '.join(known)}", param_hint="--method")
    settings = load_settings()
    policy, version = _champion_policy(settings) if method.startswith("policy") else (None, None)
    width = beam_width if method == "policy_beam" else 1
    for raw in read_days(_read_text(file)):
        has_matrices = "travel" in raw
        problem, ways = parse_day_and_travel(raw, None if has_matrices else _travel())
        result = plan(problem, method) if policy is None else _plan_with(policy, problem, method, width)
        reply = answer(problem, result, None if has_matrices else ways) | ({"model": version} if version else {})
        if as_json:
            sys.stdout.write(json.dumps(reply) + "\n")
        else:
            out.print_json(data=reply)


@cache
def _travel() -> Any:
    """The home's travel provider, looked for only where a day brings no matrices of its own."""
    from atmr_pipeline.resources.providers import travel_provider
    from atmr_pipeline.resources.workspace import Workspace

    return travel_provider(Workspace())


def _read_text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise SourceError(f"{file} cannot be read: {reason}") from None


def _champion_policy(settings: Settings) -> tuple[Any, str]:
    from atmr_pipeline.resources.serving import champion
    from atmr_pipeline.resources.workspace import Workspace

    if not (settings.root / "state.db").exists() and settings.state_url is None:
        raise AtmrError(f"no dispatch policy has been promoted in {settings.root}: run `atmr run` first")
    served = champion(Workspace(), "policy")
    return served.model, served.version_id


def _plan_with(policy: Any, problem: Any, method: str, beam_width: int) -> Any:
    import time

    from atmr_pipeline.dispatch.planners import Plan
    from atmr_pipeline.dispatch.simulator import simulate

    began = time.perf_counter()
    assignment = policy.plan(problem, beam_width=beam_width)
    runtime_ms = 1000.0 * (time.perf_counter() - began)
    return Plan(method, assignment, simulate(problem, assignment), runtime_ms)
