"""Model cards: what a version is, what it learned from, what it is worth."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from atmr_pipeline.cli.output import out
from atmr_pipeline.domain.errors import AtmrError
from atmr_pipeline.domain.files import write_atomically


def model_card(
    version: Annotated[str | None, typer.Argument(help="version of the delay model; default the champion")] = None,
    output: Annotated[Path | None, typer.Option(help="file to write; default standard output")] = None,
) -> None:
    """Show the card that was written when the version was trained, or copy it to a file."""
    from atmr_pipeline.models.delay.report.card import CARDS_FOLDER, card_path
    from atmr_pipeline.settings import load_settings

    settings = load_settings()
    folder = settings.reports_dir / CARDS_FOLDER
    wanted = version if version is not None else _champion()
    path = card_path(folder, wanted)
    if not path.is_file():
        raise AtmrError(
            f"there is no model card of {wanted} in {folder}: a card is written when its version is trained"
        )
    text = path.read_text(encoding="utf-8")
    if output is None:
        sys.stdout.write(text)
        return
    write_atomically(output, lambda hidden: hidden.write_text(text, encoding="utf-8"))
    out.print(f"model card of {wanted}: {output}", highlight=False, soft_wrap=True)


def _champion() -> str:
    from atmr_pipeline.resources.workspace import Workspace

    current = Workspace().registry.alias("delay", "champion")
    if current is None:
        raise AtmrError("no delay model has been promoted: name the version whose card you want, see `atmr status`")
    return current.version_id
