"""The account of the data: of what each stage was given, how much it could not use, and why.

Nothing disappears between a source and a model without a line here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd
from matplotlib.figure import Figure

from atmr_pipeline.drawing import png, say
from atmr_pipeline.monitoring.pictures import ALARM_COLOUR, CURRENT_COLOUR, REFERENCE_COLOUR

ACCOUNT_COLUMNS = {
    "stage": "str",
    "reason": "str",
    "rows": "int64",
    "of": "int64",
    "share": "float64",
    "effect": "str",
}
MAX_BARS = 28


@dataclass(frozen=True)
class Stage:
    """What a stage was given, and what it set aside.

    Parameters
    ----------
    name : str
        In the words of the business, for instance ``"workbook rows"``.
    given : int
        Rows that came in.
    set_aside : mapping of str to int
        Rows that cannot be used as they are, by reason code.
    unknown : mapping of str to int
        Rows that are used although something about them is not known (NULL), by what is not known.
    no_course : mapping of str to int
        Rows that are no course of their own: copies, titles, totals, notes.
    """

    name: str
    given: int
    set_aside: Mapping[str, int] = field(default_factory=dict)
    unknown: Mapping[str, int] = field(default_factory=dict)
    no_course: Mapping[str, int] = field(default_factory=dict)


def data_account(stages: Sequence[Stage]) -> pd.DataFrame:
    """One row a stage and reason: ``stage, reason, rows, of, share, effect``; nothing with a count of 0.

    ``effect`` is ``set aside``, ``used, unknown is NULL`` or ``no course of its own``; ``share`` is NaN where a stage
    was given nothing.
    """
    records = []
    for stage in stages:
        for effect, counts in (
            ("set aside", stage.set_aside),
            ("used, unknown is NULL", stage.unknown),
            ("no course of its own", stage.no_course),
        ):
            for reason, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
                if count:
                    share = count / stage.given if stage.given else float("nan")
                    records.append((stage.name, str(reason), int(count), int(stage.given), share, effect))
    return pd.DataFrame(records, columns=list(ACCOUNT_COLUMNS)).astype(ACCOUNT_COLUMNS)


def account_picture(account: pd.DataFrame) -> bytes:
    """Share of each stage's rows by reason, set aside and unknown in two colours, as a PNG.

    The largest :data:`MAX_BARS` lines are drawn, in the order of the stages; the others are counted in the title.
    """
    largest = account.nlargest(MAX_BARS, "share").index
    drawn = account[account.index.isin(largest)].iloc[::-1]
    figure = Figure(figsize=(9.0, 0.9 + 0.26 * max(len(drawn), 4)), layout="constrained")
    axes = figure.subplots()
    if drawn.empty:
        say(axes, "nothing was set aside, nothing is unknown")
        return png(figure)
    colours = drawn["effect"].map({"set aside": ALARM_COLOUR, "used, unknown is NULL": CURRENT_COLOUR})
    places = range(len(drawn))
    axes.barh(places, 100.0 * drawn["share"], color=list(colours.fillna(REFERENCE_COLOUR)))
    axes.set_yticks(places, [f"{row.stage}: {row.reason}" for row in drawn.itertuples()], fontsize=7)
    for place, (share, count, given) in enumerate(zip(drawn["share"], drawn["rows"], drawn["of"], strict=True)):
        axes.text(100.0 * float(share), place, f"  {count:,} of {given:,}", va="center", fontsize=7)
    axes.set_xlim(0, max(1.0, 118.0 * float(drawn["share"].max())))
    axes.set_xlabel("% of the rows that the stage was given", fontsize=8)
    axes.tick_params(axis="x", labelsize=7)
    axes.grid(axis="x", color=REFERENCE_COLOUR, alpha=0.3)
    rest = len(account) - len(drawn)
    more = f"; {rest} smaller lines not drawn" if rest else ""
    axes.set_title(f"red: set aside; blue: used, something unknown; grey: no course of its own{more}", fontsize=9)
    return png(figure)
