"""The ``atmr`` command. Exit codes: 0 done, 1 the pipeline refused or failed (one clear line), 2 wrong use."""

import json
import os
import sys
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from atmr_pipeline.domain.errors import AtmrError, SettingsError, SourceError
from atmr_pipeline.settings import Settings, load_settings

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
demo_app = typer.Typer(no_args_is_help=True, help="The demo company: a fictional transporter with known truth.")
excel_app = typer.Typer(no_args_is_help=True, help="Workbooks.")
dispatch_app = typer.Typer(no_args_is_help=True, help="Plans for a day.")
app.add_typer(demo_app, name="demo")
app.add_typer(excel_app, name="excel")
app.add_typer(dispatch_app, name="dispatch")

out = Console()
err = Console(stderr=True)

AsJson = Annotated[bool, typer.Option("--json", help="print one JSON object")]
Kind = Annotated[str, typer.Argument(help="delay or policy")]


@app.command()
def run(
    as_json: Annotated[bool, typer.Option("--json", help="print the summary as one JSON object")] = False,
) -> None:
    """Build the demo company if there is no other source, bring every asset up to date, print what was learned."""
    from atmr_pipeline.jobs.pipeline import ensure_demo, run_pipeline
    from atmr_pipeline.summary import collect, progress, render

    settings = load_settings()
    with progress(err) as report:
        ensure_demo(settings, report.demo)
        outcome = run_pipeline(settings, report.step)
    summary = collect(settings)
    if as_json:
        _print_json(summary)
    else:
        render(summary, out, unchanged=outcome.unchanged)
    for check, text in outcome.refused.items():
        _say(f"refused: {check}: {text}", "yellow")
    causes: dict[str, list[str]] = {}
    for step, text in outcome.failures.items():
        causes.setdefault(text, []).append(step)
    for text, steps in causes.items():
        _say(f"failed: {', '.join(steps)}: {text}", "red")
    if outcome.failures or outcome.refused:
        raise typer.Exit(1)


@app.command()
def status(as_json: AsJson = False) -> None:
    """What is known, what is served, what was refused: from this home, without running anything."""
    from atmr_pipeline.summary import collect, render

    summary = collect(load_settings())
    if as_json:
        _print_json(summary)
    else:
        render(summary, out)


@app.command()
def ui(port: Annotated[int | None, typer.Option(help="port; default ATMR_UI_PORT")] = None) -> None:
    """Open the Dagster UI (webserver and daemon) on this home, on the loopback interface."""
    from atmr_pipeline.jobs.pipeline import ensure_demo
    from atmr_pipeline.jobs.runner import prepare_dagster_home

    settings = load_settings()
    ensure_demo(settings)
    prepare_dagster_home(settings)
    chosen = str(port or settings.ui_port)
    out.print(f"Dagster UI: http://127.0.0.1:{chosen} (Ctrl-C ends it)", highlight=False)
    arguments = ["dev", "-m", "atmr_pipeline.definitions", "-h", "127.0.0.1", "-p", chosen]
    os.execv(sys.executable, [sys.executable, "-m", "dagster", *arguments])


@demo_app.command("build")
def demo_build(
    months: Annotated[int | None, typer.Option(min=1, max=60, help="months the company has lived")] = None,
    bookings_per_day: Annotated[float | None, typer.Option(min=1, max=500, help="mean bookings a day")] = None,
    drivers: Annotated[int | None, typer.Option(min=2, max=100, help="drivers")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="seed of the world")] = None,
    end: Annotated[str | None, typer.Option(help="first day not lived yet, YYYY-MM-DD; default today")] = None,
    scenario: Annotated[str | None, typer.Option(help="roadworks, rush_shift or longer_trips")] = None,
    scenario_from: Annotated[str | None, typer.Option("--from", help="first day of the scenario, YYYY-MM-DD")] = None,
    database_url: Annotated[str | None, typer.Option(help="SQLAlchemy URL; default SQLite in the home")] = None,
    replace: Annotated[bool, typer.Option(help="replace a demo company that was built otherwise")] = False,
) -> None:
    """Build the demo company: operations database, workbooks, weather and the truth behind them."""
    from atmr_pipeline.simulation import Scenario, ScenarioName, WorldConfig, build_demo
    from atmr_pipeline.summary import progress

    settings = load_settings()
    if (scenario is None) != (scenario_from is None):
        raise typer.BadParameter("--scenario and --from go together")
    try:
        options: dict[str, Any] = {"end": date.fromisoformat(end)} if end else {}
        if scenario and scenario_from:
            options["scenario"] = (Scenario(ScenarioName(scenario), date.fromisoformat(scenario_from)),)
        config = WorldConfig(
            months=months or settings.demo_months,
            bookings_per_day=bookings_per_day or settings.demo_bookings_per_day,
            drivers=drivers or settings.demo_drivers,
            seed=settings.seed if seed is None else seed,
            **options,
        )
    except (ValueError, SettingsError) as error:
        raise typer.BadParameter(str(error)) from None
    with progress(err) as report:
        manifest = build_demo(
            config, settings.root, database_url=database_url, on_progress=report.demo, replace=replace
        )
    out.print_json(data=manifest.to_dict())


@demo_app.command("live")
def demo_live(
    days: Annotated[int, typer.Option(min=1, max=366, help="working days to live")] = 1,
    scenario: Annotated[
        str | None, typer.Option(help="roadworks, rush_shift or longer_trips, from these days on")
    ] = None,
) -> None:
    """Let the demo company live on: the coming day happens, and the next one is booked and planned."""
    from atmr_pipeline.simulation import DemoManifest, Scenario, ScenarioName, advance

    settings = load_settings()
    standing = DemoManifest.read(settings.root)
    if standing is None:
        raise AtmrError(f"there is no demo company in {settings.root}: run `atmr demo build` first")
    begins = date.fromisoformat(standing.coming_day)
    scenarios = (Scenario(ScenarioName(scenario), begins),) if scenario else ()
    manifest = advance(settings.root, days, scenarios=scenarios)
    out.print(f"lived until {manifest.last_day}; the coming day is {manifest.coming_day}", highlight=False)


@excel_app.command("check")
def excel_check(
    file: Annotated[Path, typer.Argument(help="workbook: xlsx, xlsm, xls, xlsb, ods or csv")],
    legs: Annotated[Path | None, typer.Option(help="also write the legs to this CSV file")] = None,
    as_json: AsJson = False,
) -> None:
    """Read a workbook as the pipeline would, change nothing, and say what would come of each row."""
    from atmr_pipeline.sources.geocoding import Gazetteer
    from atmr_pipeline.sources.workbooks import check_workbook
    from atmr_pipeline.summary import render_workbook

    settings = load_settings()
    gazetteer = Gazetteer.load(settings.gazetteer)
    report, frame = check_workbook(
        file, gazetteer=gazetteer, hash_key=settings.hash_key_bytes, driver_ids=_driver_ids(settings)
    )
    if legs is not None:
        frame.to_csv(legs, index=False)
    if as_json:
        _print_json(report)
    else:
        render_workbook(report, out)


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
    from atmr_pipeline.dispatch.plan_io import answer, parse_day, read_days
    from atmr_pipeline.dispatch.planners import METHODS, plan
    from atmr_pipeline.sources.travel import HaversineTravel

    known = (*METHODS, "policy", "policy_beam")
    if method not in known:
        raise typer.BadParameter(f"{method!r} is none of {', '.join(known)}", param_hint="--method")
    settings = load_settings()
    travel = HaversineTravel(detour=settings.travel_detour)
    policy, version = _champion_policy(settings) if method.startswith("policy") else (None, None)
    width = beam_width if method == "policy_beam" else 1
    for raw in read_days(_read_text(file)):
        problem = parse_day(raw, travel)
        result = plan(problem, method) if policy is None else _plan_with(policy, problem, method, width)
        reply = answer(problem, result) | ({"model": version} if version else {})
        if as_json:
            sys.stdout.write(json.dumps(reply) + "\n")
        else:
            out.print_json(data=reply)


@app.command()
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


@app.command()
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


def _driver_ids(settings: Settings) -> dict[str, int]:
    from atmr_pipeline.assets.excel import driver_ids
    from atmr_pipeline.resources.tables import Tables

    tables = Tables(settings.tables_dir)
    return driver_ids(tables.read("drivers")) if tables.has("drivers") else {}


def _say(line: str, style: str) -> None:
    err.print(line, style=style, markup=False, highlight=False, soft_wrap=True)


def _print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, default=str) + "\n")


def main() -> None:
    """Run the command line; our own errors end in one line and exit code 1, wrong settings and use in 2."""
    try:
        app()
    except SettingsError as error:
        _say(f"settings: {error}", "red")
        sys.exit(2)
    except AtmrError as error:
        _say(f"error: {error}", "red")
        sys.exit(1)
