"""What a home knows, in one dictionary (`atmr status --json`) and on the terminal."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from atmr_pipeline.settings import Settings

if TYPE_CHECKING:
    from atmr_pipeline.resources.workspace import Workspace

EXTRACTED = ("bookings", "assignments", "dispatch_runs", "drivers", "driver_shifts", "weather_forecast")
NOTHING_PROMOTED: dict[str, Any] = {"champion": None, "moves": 0, "last_decision": None}
DELAY_FIGURES = ("mae_min", "rmse_min", "r2", "bias_min", "coverage_pct", "brier", "auc")


def collect(settings: Settings) -> dict[str, Any]:
    """Read the summary from the home; parts that were never materialised are None, not zero.
    Looking creates nothing: where there is no state yet, nothing ran and nothing was promoted.
    """
    from atmr_pipeline.resources.workspace import Workspace

    workspace = Workspace()
    tables = workspace.tables
    return {
        "last_run": _last_run(workspace) if _has_state(settings) else None,
        "home": str(settings.root),
        "source": "demo company" if settings.is_demo else "operations database",
        "extraction": {name: len(tables.read(name)) if tables.has(name) else None for name in EXTRACTED},
        "excel": _excel(workspace),
        "delay_model": _delay(workspace),
        "dispatch_policy": _policy(workspace),
        "drift": tables.read_value("drift_verdict") if tables.has("drift_verdict") else None,
        "promotion": {
            kind: _promotion(workspace, kind) if _has_state(settings) else dict(NOTHING_PROMOTED)
            for kind in ("delay", "policy")
        },
        "feedback": _feedback(workspace),
        "look_further": {
            "ui": f"http://127.0.0.1:{settings.ui_port} after `make ui`",
            "tables": str(settings.tables_dir),
            "reports": str(settings.reports_dir),
            "inbox": str(settings.inbox_dir),
        },
    }


def _has_state(settings: Settings) -> bool:
    return settings.state_url is not None or (settings.root / "state.db").exists()


def _last_run(workspace: "Workspace") -> dict[str, Any] | None:
    from atmr_pipeline.jobs.pipeline import LAST_RUN
    from atmr_pipeline.state.pipeline_state import get_state

    record: dict[str, Any] | None = get_state(workspace.state, LAST_RUN)
    return record


def _excel(workspace: "Workspace") -> dict[str, Any] | None:
    from atmr_pipeline.state.frames import count_values

    tables = workspace.tables
    if not tables.has("geocoded_courses"):
        return None
    courses, quarantined = tables.read("geocoded_courses"), tables.read("quarantined_courses")
    account = tables.read_value("workbook_account") if tables.has("workbook_account") else {}
    precision = pd.concat([courses["pickup_precision"], courses["dropoff_precision"]])
    return {
        "rows": account.get("rows"),
        "legs": len(courses),
        "geocoded": int(courses["distance_km"].notna().sum()),
        "set_aside": count_values(courses["set_aside_reason"]),
        "quarantined": count_values(quarantined["reason"]),
        "precision": count_values(precision),
        "unknown_initials": account.get("unknown_initials"),
        "addresses_to_review": len(tables.read("address_review")),
        "review_workbook": account.get("review_workbook"),
    }


def _delay(workspace: "Workspace") -> dict[str, Any] | None:
    if not workspace.tables.has("delay_model"):
        return None
    record = workspace.tables.read_value("delay_model")
    metrics = record["metrics"]
    return {
        "challenger": record["version_id"],
        "candidate": record["candidate"],
        "held_out": metrics["evaluation"],
        "baselines": metrics["baselines"],
        "floor": metrics.get("floor"),
        "comparisons": metrics["comparisons"],
        "window": metrics.get("window"),
    }


def _policy(workspace: "Workspace") -> dict[str, Any] | None:
    if not workspace.tables.has("dispatch_evaluation"):
        return None
    table = workspace.tables.read("dispatch_evaluation")
    methods = {
        str(method): {
            "mean_cost": float(part["cost"].mean()),
            "mean_load_gap": float(part["load_gap"].mean()),
            "load_gap_at_most_1": float((part["load_gap"] <= 1).mean()),
            "deadhead_km": float(part["deadhead_km"].mean()),
            "lost": int(part["lost"].sum()),
        }
        for method, part in table.groupby("method")
    }
    record = workspace.tables.read_value("dispatch_policy")
    days = table.drop_duplicates(["company_id", "service_day"])
    return {"challenger": record["version_id"], "held_out_days": len(days), "methods": methods}


def _promotion(workspace: "Workspace", kind: str) -> dict[str, Any]:
    alias = workspace.registry.alias(kind, "champion")
    events = workspace.registry.history(kind)
    last = [event for event in events if event.action in ("promoted", "refused", "rolled_back", "fell_back")]
    shown = last[-1] if last else None
    return {
        "champion": alias.version_id if alias else None,
        "moves": alias.seq if alias else 0,
        "last_decision": None
        if shown is None
        else {"action": shown.action, "version": shown.to_version, "reason": shown.reason, "actor": shown.actor},
    }


def _feedback(workspace: "Workspace") -> dict[str, Any] | None:
    tables = workspace.tables
    if not tables.has("delay_predictions"):
        return None
    predictions = tables.read("delay_predictions")
    alerts = tables.read_value("delay_risk_alerts") if tables.has("delay_risk_alerts") else {}
    actuals = tables.read_value("prediction_actuals") if tables.has("prediction_actuals") else {}
    return {
        "scored_ahead": len(predictions),
        "days_ahead": sorted({day.date().isoformat() for day in predictions["service_day"]}),
        "alerts": alerts.get("alerts"),
        "measured_pickups": actuals.get("measured_pickups"),
    }


def render(summary: dict[str, Any], console: Console, *, unchanged: bool = False) -> None:
    """Print the summary for a person; ``unchanged`` says that this run found nothing new to do."""
    console.rule("[bold]atmr_pipeline")
    console.print(f"home {escape(summary['home'])} · source: {summary['source']}", highlight=False, soft_wrap=True)
    if unchanged:
        console.print("nothing changed since the last run: nothing was run, nothing was retrained", soft_wrap=True)
    last = summary["last_run"]
    if last is None:
        console.print("no run has ended in this home yet")
    else:
        refused = ", ".join(sorted(last["refused"]))
        verdict = "failed" if last["failures"] else f"refused by {refused}" if refused else "succeeded"
        console.print(f"last run {last['at']}: {verdict}", highlight=False, soft_wrap=True)
    _print_data(summary, console)
    _print_delay(summary["delay_model"], console)
    _print_policy(summary["dispatch_policy"], console)
    _print_loop(summary, console)
    look = summary["look_further"]
    console.print(
        f"\nlook further: {look['ui']}\n  reports {look['reports']}\n  tables  {look['tables']}", highlight=False
    )


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 else "right")
    return table


def _print_data(summary: dict[str, Any], console: Console) -> None:
    table = _table("\nextracted", "table", "rows")
    for name, count in summary["extraction"].items():
        table.add_row(name, "never" if count is None else f"{count:,}")
    console.print(table)
    excel = summary["excel"]
    if excel is None:
        console.print("\nworkbooks: none imported")
        return
    table = _table("\nworkbooks", "what", "count")
    for name, count in (excel["rows"] or {}).items():
        table.add_row(f"rows {name}", f"{count:,}")
    table.add_row("legs", f"{excel['legs']:,}")
    table.add_row("legs geocoded at both ends", f"{excel['geocoded']:,}")
    for title, counts in (("leg set aside", excel["set_aside"]), ("row quarantined", excel["quarantined"])):
        for reason, count in counts.items():
            table.add_row(f"{title}: {reason}", f"{count:,}")
    for initials, count in (excel["unknown_initials"] or {}).items():
        table.add_row(f"legs without a known driver: {escape(str(initials)) or 'initials blank'}", f"{count:,}")
    console.print(table)
    if excel["review_workbook"]:
        console.print(f"for a clerk to correct: {excel['review_workbook']}", highlight=False, soft_wrap=True)


def _print_delay(delay: dict[str, Any] | None, console: Console) -> None:
    if delay is None:
        console.print("\ndelay model: never trained")
        return
    held_out = delay["held_out"]
    title = f"\ndelay model {delay['challenger']} ({delay['candidate']}), {held_out['n']:,} held-out pickups"
    table = _table(title, "", *DELAY_FIGURES)
    for name, figures in ({"this model": held_out} | delay["baselines"]).items():
        table.add_row(name, *(_figure(figures.get(key)) for key in DELAY_FIGURES))
    if floor := delay["floor"]:
        known = {"mae_min": floor["mae"], "rmse_min": floor["rmse"], "r2": floor["r2"], "brier": floor["p_late_brier"]}
        table.add_row("floor (replay)", *(_figure(known[key]) if key in known else "" for key in DELAY_FIGURES))
    console.print(table)


def _figure(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"


def _print_policy(policy: dict[str, Any] | None, console: Console) -> None:
    if policy is None:
        console.print("\ndispatch policy: never trained")
        return
    title = f"\ndispatch policy {policy['challenger']}, {policy['held_out_days']} held-out days"
    table = _table(title, "", "mean cost", "load gap", "days gap <= 1", "empty km", "lost")
    for name, row in sorted(policy["methods"].items(), key=lambda item: item[1]["mean_cost"]):
        table.add_row(
            name,
            f"{row['mean_cost']:.1f}",
            f"{row['mean_load_gap']:.2f}",
            f"{row['load_gap_at_most_1']:.0%}",
            f"{row['deadhead_km']:.1f}",
            f"{row['lost']}",
        )
    console.print(table)
    ours, search = policy["methods"]["policy"]["mean_cost"], policy["methods"]["local_search"]["mean_cost"]
    console.print(
        f"the policy costs {100.0 * (ours / search - 1.0):+.1f} % against greedy + local search; untrained is the same "
        "search without learning",
        highlight=False,
        soft_wrap=True,
    )


def _print_loop(summary: dict[str, Any], console: Console) -> None:
    drift, feedback = summary["drift"], summary["feedback"]
    console.print("\n[bold]drift[/bold]")
    if drift is None:
        console.print("  not assessed yet")
    else:
        console.print(f"  {escape(drift['summary'])}\n  {escape(drift['residuals'])}", highlight=False, soft_wrap=True)
        if drift.get("report"):
            console.print(f"  report {escape(drift['report'])}", highlight=False, soft_wrap=True)
    console.print("\n[bold]promotion[/bold]")
    for kind, state in summary["promotion"].items():
        last = state["last_decision"]
        why = f"; last decision: {last['action']} {last['version']} ({escape(last['reason'])})" if last else ""
        console.print(f"  {kind}: champion {state['champion'] or 'none'}{why}", highlight=False, soft_wrap=True)
    if feedback is not None:
        days = ", ".join(feedback["days_ahead"]) or "none"
        console.print(
            f"\n[bold]ahead[/bold]\n  {feedback['scored_ahead']} courses scored on {days}; alerts {feedback['alerts']}",
            highlight=False,
            soft_wrap=True,
        )


def render_workbook(report: dict[str, Any], console: Console) -> None:
    """Print what would come of a workbook."""
    for part, counts in report.items():
        table = _table(f"\n{part.replace('_', ' ')}", "", "count")
        for name, count in counts.items():
            table.add_row(escape(str(name)), f"{count:,}")
        console.print(table)


def render_mapping(values: dict[str, Any], console: Console, indent: str = "") -> None:
    """Print nested names and values, one a line."""
    for name, value in values.items():
        label = escape(f"{indent}{str(name).replace('_', ' ')}")
        if isinstance(value, dict):
            console.print(label, highlight=False)
            render_mapping(value, console, indent + "  ")
        elif isinstance(value, list | tuple):
            for number, item in enumerate(value, start=1):
                nested = item if isinstance(item, dict) else {"": item}
                render_mapping({f"{name} {number}": nested}, console, indent)
        else:
            shown = f"{value:,}" if isinstance(value, int) else str(value)
            console.print(f"{label}  {escape(shown)}", highlight=False, soft_wrap=True)


@dataclass
class ProgressReport:
    """Callbacks that feed one progress line."""

    bar: Progress
    task: Any

    def step(self, working: str, done: int, planned: int) -> None:
        """A step of a job."""
        self.bar.update(self.task, description=working, completed=done, total=planned or None)

    def reading(self, name: str, rows: int) -> None:
        """Rows of a file read so far."""
        self.bar.update(self.task, description=f"{name}: {rows:,} rows")

    def demo(self, *state: Any) -> None:
        """A step of the demo company's construction."""
        self.bar.update(self.task, description=f"demo company: {' '.join(str(part) for part in state)}")


@contextmanager
def progress(console: Console) -> Iterator[ProgressReport]:
    """Show a progress line on a terminal while the block runs; nothing on a pipe."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        yield ProgressReport(bar, bar.add_task("starting", total=None))
