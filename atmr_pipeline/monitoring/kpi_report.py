"""Short Markdown summaries of drift, performance and data quality, for whoever reads the run's metadata."""

import pandas as pd

from atmr_pipeline.monitoring.assessment import DriftAssessment
from atmr_pipeline.monitoring.events import SEVERITIES, alarms_of
from atmr_pipeline.monitoring.performance import FIGURES

MAX_ROWS = 20


def markdown_table(frame: pd.DataFrame, columns: list[str] | None = None, max_rows: int = MAX_ROWS) -> str:
    """A small Markdown table; says how many rows were left out, and shows what is not known as a dash."""
    shown = frame[columns] if columns else frame
    lines = ["| " + " | ".join(map(str, shown.columns)) + " |", "|" + " --- |" * len(shown.columns)]
    for row in shown.head(max_rows).itertuples(index=False):
        lines.append("| " + " | ".join(_cell(value) for value in row) + " |")
    if len(shown) > max_rows:
        lines.append(f"\n{len(shown) - max_rows} more rows are not shown.")
    return "\n".join(lines)


def drift_markdown(found: DriftAssessment) -> str:
    """Verdict first, company by company, then the alarms, then what was not judged."""
    parts = [f"**{found.verdict.summary()}**", found.cusum.summary()]
    for company, verdict in found.verdicts.items():
        if company is not None:
            parts.append(f"company {company}: {verdict.summary()}; {found.cusums[company].summary()}")
    parts += [f"company {company}: not looked at by itself, {why}" for company, why in found.not_looked_at.items()]
    alarmed = pd.concat([alarms_of(found.label), alarms_of(found.features)], ignore_index=True)
    if len(alarmed):
        order = alarmed["severity"].map(SEVERITIES.index).sort_values(ascending=False, kind="stable").index
        columns = ["company_id", "feature", "aspect", "window_days", "n_current", "p_value", "threshold", "distance"]
        parts.append(markdown_table(alarmed.loc[order], [*columns, "severity"]))
    if found.verdict.not_judged:
        listed = [f"- {line}" for line in found.verdict.not_judged[:MAX_ROWS]]
        rest = len(found.verdict.not_judged) - len(listed)
        more = [f"- and {rest} more"] if rest > 0 else []
        parts.append("Not judged:\n\n" + "\n".join(listed + more))
    return "\n\n".join(parts)


def performance_markdown(performance: pd.DataFrame) -> str:
    """The windows as a table, with what was not judged and why."""
    columns = ["window_days", "n", "mae", "mae_ratio", "bias", "accuracy", "worse_than_validation", "degraded"]
    columns += ["company_thresholds_broken", "n_without_validation", "skipped_reason"]
    figures = [
        {
            "window_days": row["window_days"],
            "figure": name,
            "live": row[name],
            "98 % low": row[f"{name}_low"],
            "98 % high": row[f"{name}_high"],
            "validation": row[f"validation_{name}"],
        }
        for row in performance.to_dict("records")
        for name in FIGURES
    ]
    note = (
        "Degraded means that the whole interval of the MAE lies above the margin over validation. The validation "
        "figures are those of the versions that served, weighted by the courses each served."
    )
    return f"{markdown_table(performance, columns)}\n\n{markdown_table(pd.DataFrame(figures))}\n\n{note}"


def quality_markdown(quality: pd.DataFrame) -> str:
    """Checks that failed or could not be made first; informative figures are left out."""
    judged = quality[quality["passed"].notna() | quality["skipped_reason"].notna()]
    failed = judged[~judged["passed"].fillna(False).astype(bool)]
    head = f"{len(judged) - len(failed)} of {len(judged)} checks passed"
    return head if failed.empty else f"{head}\n\n{markdown_table(failed)}"


def _cell(value: object) -> str:
    if value is None or value is pd.NA or (isinstance(value, float) and value != value):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3g}"
    return str(value).replace("|", "/").replace("\n", " ")
