"""The published layouts, recognised by their columns, and what a row of each says."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from atmr_pipeline.domain.errors import SourceError
from atmr_pipeline.sources.geocoding.directory import COLUMNS
from atmr_pipeline.sources.geocoding.imports.containers import EAST, NORTH
from atmr_pipeline.sources.geocoding.words import number_key

ZIP_LABEL = re.compile(r"(\d{4})\s+(.+)")
LAST_NUMBER = re.compile(r"(.*\D)\s+(\d+\s?(?:bis|ter|quater|[a-z])?(?:[./-]\d+\s?[a-z]?)?)", re.IGNORECASE)
NO = frozenset({"non", "n", "no", "false", "0", "nein"})


@dataclass(frozen=True, slots=True)
class SourceRow:
    """An address or place as a directory has it; a point comes with it."""

    kind: str
    name: str
    street: str
    number: str
    postcode: str
    locality: str
    commune: str
    source: str


Cells = Mapping[str, str]
"""A row's cells by the layout's names; empty where the file has no such column."""


@dataclass(frozen=True)
class Layout:
    """A published layout.

    Parameters
    ----------
    name : str
    title : str
        For people.
    source, attribution : str
        Named in answers; and to be shown by whoever publishes what was made of it.
    needed, optional : dict of str to tuple of str
        Columns by our name for them, each with the names that it has had over the years, in lower case.
    east, north : tuple of str
        Names of the columns of coordinates.
    read : callable
        A row from its cells, or the reason for which it is left out.
    """

    name: str
    title: str
    source: str
    attribution: str
    needed: dict[str, tuple[str, ...]]
    optional: dict[str, tuple[str, ...]]
    east: tuple[str, ...]
    north: tuple[str, ...]
    read: Callable[[Cells, str], SourceRow | str]

    def columns(self) -> str:
        """The columns that the layout needs, for people."""
        names = [aliases[0].upper() for aliases in self.needed.values()]
        return ", ".join([*names, self.east[0].upper(), self.north[0].upper()])


def recognise(columns: Sequence[str]) -> Layout:
    """The layout of a table.

    Raises
    ------
    SourceError
        No layout has these columns, or one that most fit lacks some.
    """
    present = set(columns)
    missing = {layout.name: _missing(layout, present) for layout in LAYOUTS}
    for layout in LAYOUTS:
        if not missing[layout.name]:
            return layout
    likely = [layout for layout in LAYOUTS if len(missing[layout.name]) <= (len(layout.needed) + 2) // 2]
    if likely:
        best = min(likely, key=lambda layout: len(missing[layout.name]))
        names = ", ".join(missing[best.name])
        raise SourceError(f"it looks like {best.title}, but has no column {names}")
    expected = "; ".join(f"{layout.title} ({layout.columns()})" for layout in LAYOUTS)
    raise SourceError(f"its columns are of no known layout; expected one of: {expected}")


def _missing(layout: Layout, present: set[str]) -> list[str]:
    wanted = [*layout.needed.values(), layout.east, layout.north]
    return [aliases[0].upper() for aliases in wanted if not present.intersection(aliases)]


def text_of(value: Any) -> str:
    """A cell as text: ``1205.0`` is ``1205``, nothing is empty."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _read_cantonal(cells: Cells, source: str) -> SourceRow | str:
    # "Existante", "Projetée", "En construction".
    if cells["status"].lower().startswith("proj"):
        return "planned"
    if cells["postal"].lower() in NO:
        return "not_postal"
    street, number = _street_and_number(cells["address"], cells["number"])
    if not street:
        return "no_street"
    postcode = cells["postcode"].partition(".")[0][:4]
    kind = "house" if number else "street"
    return SourceRow(kind, street, street, number, postcode, cells["locality"], cells["commune"], source)


def _street_and_number(address: str, number: str) -> tuple[str, str]:
    """``Rue Exemple 12`` taken apart, whether or not the number stands in a column of its own, too."""
    found = LAST_NUMBER.fullmatch(address)
    if found and (not number or number_key(found[2]) == number_key(number)):
        return found[1].rstrip(" ,"), number or found[2]
    return address, number


def _read_federal(cells: Cells, source: str) -> SourceRow | str:
    status = cells["status"].lower()
    if status in {"planned", "projected"}:
        return "planned"
    if status not in {"", "real", "existing"}:
        return "not_existing"
    street, number = cells["street"], cells["number"]
    if not street:
        return "no_street"
    label = ZIP_LABEL.match(cells["zip_label"])
    postcode, locality = (label[1], label[2]) if label else ("", cells["zip_label"])
    kind = "house" if number else "street"
    return SourceRow(kind, street, street, number, postcode, locality, cells["commune"], source)


def _read_gazetteer(cells: Cells, source: str) -> SourceRow | str:
    if not cells["kind"] or not (cells["name"] or cells["street"]):
        return "no_name"
    return SourceRow(**{name: cells[name] for name in COLUMNS[:7]}, source=cells["source"] or source)


CANTONAL = Layout(
    name="sitg_cad_adresse",
    title="SITG CAD_ADRESSE",
    source="SITG CAD_ADRESSE",
    attribution="Source: Système d'information du territoire à Genève (SITG)",
    needed={
        "address": ("adresse", "nom_voie", "nomvoie", "voie", "rue"),
        "postcode": ("no_postal", "npa", "no_npa", "code_postal", "nopostal"),
        "commune": ("commune", "nom_commune", "nomcommune"),
    },
    optional={
        "number": ("no_adresse", "numero", "no_rue", "num_adresse"),
        "locality": ("nom_npa", "localite", "nom_localite", "lieu"),
        "status": ("type", "statut", "etat"),
        "postal": ("postale",),
    },
    east=(EAST, "e", "est", "coord_e", "x", "coord_x", "x_coord", "easting"),
    north=(NORTH, "n", "nord", "coord_n", "y", "coord_y", "y_coord", "northing"),
    read=_read_cantonal,
)
FEDERAL = Layout(
    name="federal_building_addresses",
    title="the federal directory of building addresses",
    source="swisstopo, official directory of building addresses",
    attribution="Source: Federal Office of Topography swisstopo",
    needed={
        "street": ("stn_label",),
        "number": ("adr_number",),
        "zip_label": ("zip_label",),
        "commune": ("com_name",),
    },
    optional={"status": ("adr_status",)},
    east=("adr_easting",),
    north=("adr_northing",),
    read=_read_federal,
)
GAZETTEER = Layout(
    name="gazetteer",
    title="a gazetteer table",
    source="",
    attribution="see the source of each row",
    needed={column: (column,) for column in COLUMNS if column not in {"lat", "lon", "precision"}},
    optional={},
    east=("lon",),
    north=("lat",),
    read=_read_gazetteer,
)
LAYOUTS = (GAZETTEER, FEDERAL, CANTONAL)
