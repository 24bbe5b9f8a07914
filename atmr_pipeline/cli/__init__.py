"""The ``atmr`` command. Exit codes: 0 done, 1 the pipeline refused or failed (one clear line), 2 wrong use."""

import sys
from collections.abc import Callable

import typer

from atmr_pipeline.cli import cards, pipeline, registry
from atmr_pipeline.cli.data import excel_app, gazetteer_app
from atmr_pipeline.cli.demo import demo_app
from atmr_pipeline.cli.dispatch import dispatch_app
from atmr_pipeline.cli.notify import notify_app
from atmr_pipeline.cli.output import say
from atmr_pipeline.domain.errors import AtmrError, SettingsError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
COMMANDS: list[Callable[..., None]] = [
    pipeline.run,
    pipeline.status,
    pipeline.ui,
    cards.model_card,
    registry.versions,
    registry.history,
    registry.promote,
    registry.rollback,
    registry.anchor,
    registry.retrain,
]
for command in COMMANDS:
    app.command()(command)
app.add_typer(demo_app, name="demo")
app.add_typer(excel_app, name="excel")
app.add_typer(gazetteer_app, name="gazetteer")
app.add_typer(dispatch_app, name="dispatch")
app.add_typer(notify_app, name="notify")


def main() -> None:
    """Run the command line; our own errors end in one line and exit code 1, wrong settings and use in 2."""
    try:
        app()
    except SettingsError as error:
        say(f"settings: {error}", "red")
        sys.exit(2)
    except AtmrError as error:
        say(f"error: {error}", "red")
        sys.exit(1)
