"""The pipeline: run it, look at it, open its UI."""

import os
import sys
from typing import Annotated

import typer

from atmr_pipeline.cli.output import AsJson, err, out, print_json, say
from atmr_pipeline.settings import load_settings


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
        print_json(summary)
    else:
        render(summary, out, unchanged=outcome.unchanged)
    for check, text in outcome.refused.items():
        say(f"refused: {check}: {text}", "yellow")
    causes: dict[str, list[str]] = {}
    for step, text in outcome.failures.items():
        causes.setdefault(text, []).append(step)
    for text, steps in causes.items():
        say(f"failed: {', '.join(steps)}: {text}", "red")
    if outcome.failures or outcome.refused:
        raise typer.Exit(1)


def status(as_json: AsJson = False) -> None:
    """What is known, what is served, what was refused: from this home, without running anything."""
    from atmr_pipeline.summary import collect, render

    summary = collect(load_settings())
    if as_json:
        print_json(summary)
    else:
        render(summary, out)


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
