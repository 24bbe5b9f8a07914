"""The demo company: a fictional transporter with known truth."""

from datetime import date
from typing import Annotated, Any

import typer

from atmr_pipeline.cli.output import err, out
from atmr_pipeline.domain.errors import AtmrError, SettingsError
from atmr_pipeline.settings import load_settings

demo_app = typer.Typer(no_args_is_help=True, help=__doc__)


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
    try:
        scenarios = (Scenario(ScenarioName(scenario), begins),) if scenario else ()
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    manifest = advance(settings.root, days, scenarios=scenarios)
    out.print(f"lived until {manifest.last_day}; the coming day is {manifest.coming_day}", highlight=False)
