"""Workbooks and address directories."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atmr_pipeline.cli.output import AsJson, out, print_json
from atmr_pipeline.settings import Settings, load_settings

if TYPE_CHECKING:
    from atmr_pipeline.sources.workbooks.driver_file import DriverFile

excel_app = typer.Typer(no_args_is_help=True, help="Workbooks.")
gazetteer_app = typer.Typer(no_args_is_help=True, help="Address directories, for geocoding without going online.")


@excel_app.command("check")
def excel_check(
    file: Annotated[Path, typer.Argument(help="workbook: xlsx, xlsm, xls, xlsb, ods or csv")],
    legs: Annotated[Path | None, typer.Option(help="also write the legs to this CSV file")] = None,
    as_json: AsJson = False,
) -> None:
    """Read a workbook as the pipeline would, change nothing, and say what would come of each row."""
    from atmr_pipeline.resources.inbox import workbook_limits
    from atmr_pipeline.sources.geocoding import Gazetteer
    from atmr_pipeline.sources.workbooks import check_workbook
    from atmr_pipeline.sources.workbooks.driver_file import read_driver_file
    from atmr_pipeline.summary import render_workbook

    settings = load_settings()
    gazetteer = Gazetteer.load(settings.gazetteer)
    said = read_driver_file(settings.drivers_path)
    report, frame = check_workbook(
        file,
        gazetteer=gazetteer,
        hash_key=settings.hash_key_bytes,
        driver_ids=_driver_ids(settings, said),
        occasional=said.occasional,
        limits=workbook_limits(settings),
    )
    if legs is not None:
        frame.to_csv(legs, index=False)
    if as_json:
        print_json(report)
    else:
        render_workbook(report, out)


def _driver_ids(settings: Settings, said: "DriverFile") -> dict[str, int]:
    """The fleet's initials as last extracted, and what the drivers file says; without a fleet the file alone."""
    from atmr_pipeline.resources.inbox import driver_ids
    from atmr_pipeline.resources.tables import Tables

    tables = Tables(settings.tables_dir)
    if not tables.has("drivers"):
        return dict(said.driver_ids)
    fleet = tables.read("drivers")
    return said.merge(driver_ids(fleet), fleet_ids=set(fleet["driver_id"]))


@gazetteer_app.command("build")
def gazetteer_build(
    inputs: Annotated[list[Path], typer.Option("--input", help="published directory; may be given several times")],
    output: Annotated[Path, typer.Option(help="file to write; set ATMR_GAZETTEER to it")],
    more: Annotated[list[Path] | None, typer.Argument(help="more inputs", metavar="FILE...")] = None,
    as_json: AsJson = False,
) -> None:
    """Make one searchable address directory of the published ones: SITG CAD_ADRESSE, the federal one, or our layout."""
    from atmr_pipeline.cli.output import err
    from atmr_pipeline.sources.geocoding.build import build_gazetteer
    from atmr_pipeline.summary import progress, render_mapping

    with progress(err) as report:
        built = build_gazetteer([*inputs, *(more or [])], output, on_progress=report.reading)
    if as_json:
        print_json(built.to_dict())
    else:
        render_mapping(built.to_dict(), out)


@gazetteer_app.command("info")
def gazetteer_info(
    file: Annotated[Path | None, typer.Argument(help="default ATMR_GAZETTEER, else the built-in one")] = None,
    as_json: AsJson = False,
) -> None:
    """What an address directory holds, and where it comes from."""
    from atmr_pipeline.sources.geocoding import Gazetteer
    from atmr_pipeline.summary import render_mapping

    info = Gazetteer.load(file or load_settings().gazetteer).info()
    if as_json:
        print_json(info)
    else:
        render_mapping(info, out)
