"""Plans for a day."""

import json
import sys
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from atmr_pipeline.cli.output import AsJson, out
from atmr_pipeline.domain.errors import InvalidProblemError, SourceError
from atmr_pipeline.settings import Settings, load_settings

dispatch_app = typer.Typer(no_args_is_help=True, help=__doc__)

POLICY_METHODS = ("policy", "policy_beam")
"""Planned by a trained network rather than a planner."""
BEAM_WIDTH = 16


@dispatch_app.command("plan")
def dispatch_plan(
    file: Annotated[Path, typer.Option("--input", help="one JSON day, or JSON Lines")],
    method: Annotated[
        str,
        typer.Option(
            help="greedy, nearest, least_loaded, insertion, local_search, anneal, exact, policy or policy_beam"
        ),
    ],
    beam_width: Annotated[
        int | None, typer.Option(min=1, max=256, help="partial plans that policy_beam keeps; 16 unless said")
    ] = None,
    time_limit_s: Annotated[
        float | None, typer.Option(min=0.0, help="after which exact settles for its best plan; 10 unless said")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Plan a day with one method; one JSON answer a day."""
    from atmr_pipeline.dispatch.plan_io import answer, parse_day_and_travel, read_days
    from atmr_pipeline.dispatch.planners import plan

    _check_method(method)
    if time_limit_s is not None and method != "exact":
        raise typer.BadParameter("only --method exact takes a time limit", param_hint="--time-limit-s")
    if beam_width is not None and method != "policy_beam":
        raise typer.BadParameter("only --method policy_beam has a beam", param_hint="--beam-width")
    policy, model = _policy(load_settings()) if method in POLICY_METHODS else (None, None)
    width = (beam_width or BEAM_WIDTH) if method == "policy_beam" else 1
    for raw in read_days(_read_text(file)):
        has_matrices = "travel" in raw
        problem, ways = parse_day_and_travel(raw, None if has_matrices else _travel())
        if policy is None:
            result = plan(problem, method, time_limit_s=time_limit_s)
        else:
            result = _plan_with(policy, problem, method, width)
        reply = answer(problem, result, None if has_matrices else ways) | ({"model": model} if model else {})
        if as_json:
            sys.stdout.write(json.dumps(reply) + "\n")
        else:
            out.print_json(data=reply)


@dispatch_app.command("explain")
def dispatch_explain(
    file: Annotated[Path, typer.Option("--input", help="one JSON day")],
    booking: Annotated[str, typer.Option(help="id of the booking to explain")],
    method: Annotated[str, typer.Option(help="who makes the plan, as for `atmr dispatch plan`")] = "exact",
    language: Annotated[Literal["fr", "en"], typer.Option("--language", help="of the text")] = "en",
    as_json: AsJson = False,
) -> None:
    """Why this driver has that booking: what speaks for it, and what the others would cost."""
    from dataclasses import asdict

    from atmr_pipeline.dispatch.plan_io import parse_day_and_travel, read_days
    from atmr_pipeline.dispatch.planners import plan
    from atmr_pipeline.models.policy.explain import explain

    _check_method(method)
    policy, model = _policy(load_settings())
    days = list(islice(read_days(_read_text(file)), 2))
    if len(days) != 1:
        raise InvalidProblemError("an explanation is of one day: the input must hold exactly one")
    (raw,) = days
    problem, _ = parse_day_and_travel(raw, None if "travel" in raw else _travel())
    if method in POLICY_METHODS:
        result = _plan_with(policy, problem, method, BEAM_WIDTH if method == "policy_beam" else 1)
    else:
        result = plan(problem, method)
    explanation = explain(policy, problem, result.assignment, booking)
    if as_json:
        sys.stdout.write(json.dumps({"method": method, "model": model, **asdict(explanation)}) + "\n")
    else:
        sys.stdout.write(explanation.text(language) + "\n")


def _check_method(method: str) -> None:
    from atmr_pipeline.dispatch.planners import METHODS

    known = (*METHODS, *POLICY_METHODS)
    if method not in known:
        raise typer.BadParameter(f"{method!r} is none of {', '.join(known)}", param_hint="--method")


@cache
def _travel() -> Any:
    """The home's travel provider, looked for only where a day brings no matrices of its own."""
    from atmr_pipeline.resources.providers import travel_provider
    from atmr_pipeline.resources.workspace import Workspace

    return travel_provider(Workspace())


def _read_text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise SourceError(f"{file} cannot be read: {reason}") from None


def _policy(settings: Settings) -> tuple[Any, dict[str, Any]]:
    """The champion of this home; where nothing was promoted yet, the policy in the package. And which of them it is."""
    from atmr_pipeline.models.policy.shipped import NAME, shipped_policy
    from atmr_pipeline.resources.serving import NoChampionError, planning_policy
    from atmr_pipeline.resources.workspace import Workspace

    if (settings.root / "state.db").exists() or settings.state_url is not None:
        try:
            served = planning_policy(Workspace())
        except NoChampionError:
            pass
        else:
            if served.model is shipped_policy():
                reason = "the champion was trained on features of an older version"
                return served.model, {"source": NAME, "version": served.model.version, "reason": reason}
            source = "previous champion" if served.is_fallback else "champion"
            return served.model, {"source": source, "version": served.version_id}
    policy = shipped_policy()
    return policy, {"source": NAME, "version": policy.version}


def _plan_with(policy: Any, problem: Any, method: str, beam_width: int) -> Any:
    import time

    from atmr_pipeline.dispatch.planners import Plan
    from atmr_pipeline.dispatch.simulator import simulate

    policy.warm_up()
    began = time.perf_counter()
    assignment = policy.plan(problem, beam_width=beam_width)
    runtime_ms = 1000.0 * (time.perf_counter() - began)
    return Plan(method, assignment, simulate(problem, assignment), runtime_ms)
