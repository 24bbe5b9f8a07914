"""The pipeline: run it, look at it, open its UI."""

import signal
import socket
import subprocess
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
    """Open the Dagster UI (webserver and daemon) and the reports of this home, on the loopback interface."""
    from atmr_pipeline.cli.reports import served
    from atmr_pipeline.jobs.pipeline import ensure_demo
    from atmr_pipeline.jobs.runner import prepare_dagster_home

    settings = load_settings()
    chosen = port or settings.ui_port
    _refuse_taken(chosen)
    ensure_demo(settings)
    prepare_dagster_home(settings)
    with served(settings.reports_dir, settings.reports_port) as reports:
        out.print(f"Dagster UI: http://127.0.0.1:{chosen}/ (Ctrl-C ends it)", highlight=False)
        out.print(f"Reports:    {reports}", highlight=False)
        dev = ["dagster", "dev", "-m", "atmr_pipeline.definitions", "-h", "127.0.0.1", "-p", str(chosen)]
        code = _run_to_its_end([sys.executable, "-m", *dev])
    raise typer.Exit(code)


def _refuse_taken(port: int) -> None:
    """Say it before anything is started: Dagster would say it in forty lines, after its daemon has begun to work."""
    from atmr_pipeline.cli.reports import HOST, PortTakenError

    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError:
            raise PortTakenError(f"port {port} is taken: choose another with --port or ATMR_UI_PORT") from None


def _run_to_its_end(command: list[str]) -> int:
    """Run a command whose end is ours; a signal that asks us to end is passed on, and waited for."""
    # In a session of its own it gets each signal once: a terminal would send Ctrl-C to both.
    process = subprocess.Popen(command, start_new_session=True)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: process.send_signal(received))
    code = process.wait()
    return 0 if code in (-signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP) else code
