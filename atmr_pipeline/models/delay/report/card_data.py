"""The card's sections on what the model is and what it learned from."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from atmr_pipeline.models.delay.contract import NUMERIC
from atmr_pipeline.models.delay.report.markdown import table

NOT_DESCRIBED = "not described"


class FeatureMeaning(Protocol):
    """What a feature contract says of one column."""

    @property
    def name(self) -> str:
        """Column name."""
        ...

    @property
    def unit(self) -> str:
        """Unit, or the closed set of values."""
        ...

    @property
    def null_meaning(self) -> str:
        """What NULL says; ``never`` where it cannot be."""
        ...


def identity(manifest: Mapping[str, Any], version: str | None) -> str:
    """Name, task, choice and hashes."""
    params = manifest["params"]
    lines = [
        "# Model card: pickup delay",
        "",
        "Predicts, for a booking and a driver at decision time, the pickup delay in minutes (negative is early), a "
        f"{100 * params['interval_coverage']:.0f} % interval and the probability of a pickup more than "
        f"{params['late_after_min']:g} min late.",
        "",
        f"- version: `{version or 'not registered'}`",
        f"- chosen candidate: `{manifest['candidate']}`, out of {', '.join(params['candidates'])}",
        f"- data hash: `{manifest['data_hash'] or 'not recorded'}`",
        f"- content hash: `{manifest['content_hash']}`",
        f"- libraries: {', '.join(f'{name} {number}' for name, number in manifest['libraries'].items())}",
    ]
    return "\n".join(lines)


def intended_use(params: Mapping[str, Any]) -> str:
    """What it is for, and what it must not be used for."""
    return "\n".join(
        [
            "## Intended use",
            "",
            "- Rank the drivers who could take a booking by the delay to expect.",
            "- Tell the dispatcher ahead which pickups are likely to be more than "
            f"{params['late_after_min']:g} min late.",
            "- Read the interval with the mean: the mean alone says little about one pickup.",
            "",
            "## Not intended",
            "",
            "- Judging, ranking or paying drivers: their figures mix skill with the courses that they were given.",
            "- Promising a patient a time, or deciding who is driven at all.",
            "- Another company, or the same one after it changed how it plans, without training again.",
            "- A feature table from other code than the one that made the training set: the model refuses other "
            "columns and types, it cannot see another meaning.",
        ]
    )


def training_data(manifest: Mapping[str, Any], metrics: Mapping[str, Any]) -> str:
    """Windows, blocks and rows."""
    window, rows = metrics["window"], metrics["rows"]
    blocks = [
        [block["block"], f"{block['rows']:,}", block["first_decided_at"], block["last_decided_at"]]
        for block in manifest["blocks"]
    ]
    return "\n".join(
        [
            "## Training window",
            "",
            f"- trained on service days {window['train_first_day']} to {window['train_last_day']}: "
            f"{rows['train']:,} measured pickups",
            f"- judged on {window['holdout_first_day']} to {window['holdout_last_day']}: {rows['holdout']:,} pickups "
            "that no fit, choice or calibration has seen",
            f"- left out between them: {rows['gap']:,}, decided before the held-out days and measured within them",
            "",
            "The training rows follow each other in time:",
            "",
            table(["block", "rows", "first decision", "last decision"], blocks),
        ]
    )


def features(manifest: Mapping[str, Any], contract: Sequence[FeatureMeaning]) -> str:
    """The contract: unit and meaning of NULL of every feature; the categories are counted and not listed."""
    known = {feature.name: feature for feature in contract}
    lines = []
    for feature in manifest["features"]:
        meaning = known.get(feature["name"])
        told = [NOT_DESCRIBED] * 2 if meaning is None else [meaning.unit, meaning.null_meaning]
        kind = feature["kind"] + (f", {len(feature['categories'])} told apart" if feature["categories"] else "")
        lines.append([f"`{feature['name']}`", told[0], kind, told[1]])
    text = "## Features\n\nNULL is never replaced by a constant."
    if all(feature["kind"] == NUMERIC for feature in manifest["features"]):
        text += " All are numbers or flags: no name, address or note can be among them."
    text += "\n\n" + table(["feature", "unit", "kind", "NULL means"], lines)
    if manifest["null_features"]:
        text += f"\n\nWithout a single value in training: {', '.join(manifest['null_features'])}."
    return text


def limits(manifest: Mapping[str, Any], metrics: Mapping[str, Any]) -> str:
    """What the figures do not say."""
    fewest = min(manifest["residuals"]["chosen"]["rows"])
    return "\n".join(
        [
            "## Limits",
            "",
            "- It knows the delays of the training window; roadworks or another way of planning need a new fit.",
            f"- Every figure here is of {metrics['rows']['holdout']:,} pickups of one season; the bands say how much "
            "such a stretch varies, not how much seasons do.",
            "- Interval and probability hold on average over days like the calibration block, not for each patient; "
            f"each bin of the calibration holds {fewest} rows or more.",
            "- The effects that explain a prediction describe the model, not causes.",
            "- It learned from the driver who drove: what would have happened with another driver was never seen.",
            "- It sees the features listed above and nothing else.",
        ]
    )


def reproduction(manifest: Mapping[str, Any], metrics: Mapping[str, Any], reproduce: Sequence[str]) -> str:
    """How to come to the same model again."""
    lines = [
        "## How to reproduce",
        "",
        "The same training set (data hash above), parameters and library versions give the same content hash.",
    ]
    if reproduce:
        lines += ["", "```", *reproduce, "```"]
    last = metrics["window"]["holdout_last_day"]
    lines += ["", f"Seed of everything random: {manifest['params']['seed']}; the last held-out day is {last}."]
    return "\n".join(lines)
