"""Fictional address directories in the published layouts."""

import csv
import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import shapefile

EAST, NORTH = 2_494_278.54, 1_120_679.36
"""A point in Geneva, EPSG:2056."""
LAT, LON = 46.22923, 6.068229
"""The same, WGS84, as the canton's own geocoder publishes it."""
FEDERAL_COLUMNS = (
    "ADR_EGAID;STR_ESID;BDG_EGID;ADR_EDID;STN_LABEL;ADR_NUMBER;BDG_CATEGORY;BDG_NAME;ZIP_LABEL;COM_FOSNR;COM_NAME;"
    "COM_CANTON;ADR_STATUS;ADR_OFFICIAL;ADR_MODIFIED;ADR_EASTING;ADR_NORTHING"
)


@dataclass(frozen=True)
class Address:
    """An address; ``east`` and ``north`` in metres from :data:`EAST` and :data:`NORTH`."""

    street: str
    number: str
    postcode: str = "1205"
    locality: str = "Genève"
    commune: str = "Genève"
    east: float = 0.0
    north: float = 0.0
    status: str = "real"


STREET = [Address("Rue de l'Exemple", str(number), east=10.0 * number) for number in range(1, 10)]


def moved(address: Address, east: float) -> Address:
    return replace(address, east=address.east + east)


def federal_text(addresses: Sequence[Address]) -> str:
    lines = [FEDERAL_COLUMNS]
    for index, item in enumerate(addresses):
        place = f"{item.postcode} {item.locality};6621;{item.commune};GE;{item.status};true;01.01.2026"
        point = f"{EAST + item.east:.3f};{NORTH + item.north:.3f}"
        lines.append(f"{index};{index};{index};0;{item.street};{item.number};residential;;{place};{point}")
    return "\n".join(lines) + "\n"


def write_federal(path: Path, addresses: Sequence[Address], *, encoding: str = "utf-8-sig") -> Path:
    data = federal_text(addresses).encode(encoding)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("amtliches-gebaeudeadressverzeichnis_ch_2056.csv", data)
            archive.writestr("readme.pdf", b"%PDF")
    else:
        path.write_bytes(data)
    return path


def write_cantonal_csv(
    path: Path, addresses: Sequence[Address], *, columns: str = "ADRESSE;NO_POSTAL;COMMUNE;E;N", encoding: str = "utf-8"
) -> Path:
    """CAD_ADRESSE as CSV, with the columns named; ``Y`` and ``X`` are the old Swiss names of easting and northing."""
    stream = io.StringIO()
    names = columns.split(";")
    writer = csv.DictWriter(stream, names, delimiter=";", extrasaction="ignore")
    writer.writeheader()
    for item in addresses:
        cells = {
            "ADRESSE": f"{item.street} {item.number}".strip(),
            "NOM_VOIE": item.street,
            "NO_ADRESSE": item.number,
            "NUMERO": item.number,
            "NO_POSTAL": item.postcode,
            "NPA": item.postcode,
            "NOM_NPA": item.locality,
            "COMMUNE": item.commune,
            "TYPE": {"real": "Existante", "planned": "Projetée"}.get(item.status, item.status),
            "E": EAST + item.east,
            "N": NORTH + item.north,
            "X": NORTH - 1_000_000 + item.north,
            "Y": EAST - 2_000_000 + item.east,
        }
        writer.writerow(cells)
    path.write_bytes(stream.getvalue().encode(encoding))
    return path


def write_cantonal_shapefile(
    folder: Path, addresses: Sequence[Address], *, encoding: str = "utf-8", cpg: str | None = "UTF-8"
) -> Path:
    path = folder / "CAD_ADRESSE.shp"
    with shapefile.Writer(str(path), shapeType=shapefile.POINT, encoding=encoding) as writer:
        for name, size in (("IDPADR", 20), ("ADRESSE", 100), ("NO_ADRESSE", 10), ("NOM_NPA", 40), ("COMMUNE", 40)):
            writer.field(name, "C", size)
        writer.field("NO_POSTAL", "N", 6, 0)
        writer.field("TYPE", "C", 20)
        for index, item in enumerate(addresses):
            writer.point(EAST + item.east, NORTH + item.north)
            status = {"real": "Existante", "planned": "Projetée"}[item.status]
            label = f"{item.street} {item.number}".strip()
            writer.record(f" {index}", label, item.number, item.locality, item.commune, int(item.postcode), status)
    path.with_suffix(".cpg").unlink(missing_ok=True)
    if cpg:
        path.with_suffix(".cpg").write_text(cpg)
    return path


def zipped(path: Path, *parts: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for part in parts:
            archive.write(part, f"folder/{part.name}")
    return path


def write_gazetteer_csv(path: Path, rows: Sequence[dict[str, object]]) -> Path:
    columns = (
        "kind",
        "name",
        "street",
        "number",
        "postcode",
        "locality",
        "commune",
        "lat",
        "lon",
        "precision",
        "source",
    )
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, columns)
        writer.writeheader()
        writer.writerows(rows)
    return path
