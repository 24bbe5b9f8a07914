"""Numbers and tables as Markdown."""

import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

WIDTH = 140
NOT_DEFINED = "not defined"


def number(value: object) -> str:
    """A figure with three decimals, a count with thousands separated, text as it is; what is not known says so."""
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return NOT_DEFINED
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def band(low: object, high: object) -> str:
    """An interval in words."""
    return NOT_DEFINED if NOT_DEFINED in (number(low), number(high)) else f"{number(low)} to {number(high)}"


def table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A Markdown table; what would break a cell is replaced."""
    body = [header, ["---"] * len(header), *lines]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in body)


def records(data: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table as plain values by column name."""
    return [{str(name): value for name, value in line.items()} for line in data.to_dict(orient="records")]


def frame(data: pd.DataFrame, columns: Mapping[str, str]) -> str:
    """The named columns of a table under readable headers; a column that is not there is left out."""
    shown = {name: title for name, title in columns.items() if name in data.columns}
    lines = [[number(_plain(line[name])) for name in shown] for line in records(data)]
    return table(list(shown.values()), lines)


def wrapped(text: str, width: int = WIDTH) -> str:
    """The text with long lines broken, but for tables and blocks of code."""
    lines, in_code = [], False
    for line in text.split("\n"):
        in_code ^= line.startswith("```")
        if in_code or line.startswith(("|", "```")) or len(line) <= width:
            lines.append(line)
            continue
        indent = "  " if line.startswith("- ") else ""
        lines += textwrap.wrap(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return "\n".join(lines)


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def _cell(text: str) -> str:
    return text.replace("|", "/").replace("\n", " ")
