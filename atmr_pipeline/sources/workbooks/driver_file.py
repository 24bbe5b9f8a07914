"""``drivers.toml``: whose initials the workbooks use, as a person says, with what was seen beside it.

The pipeline adds initials that it does not know and counts them; everything a person wrote stays, comments included.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import ParseError, TOMLKitError

from atmr_pipeline.domain.errors import SourceError
from atmr_pipeline.domain.files import write_atomically
from atmr_pipeline.sources.workbooks.initials import MAX_INITIALS, driver_mapping, normalise_initials

SECTION = "initials"
DRIVER_ID, OCCASIONAL, SEEN = "driver_id", "occasional", "seen"
ENTRY_KEYS = frozenset({DRIVER_ID, OCCASIONAL, SEEN})
HEADING = """\
Initiales des chauffeurs dans les classeurs. Sous chaque initiales, écrivez l'une des deux lignes :
    driver_id = 3        le chauffeur de la base, par son numéro
    occasional = true    un vrai chauffeur hors de la flotte : la course est gardée, sans chauffeur
Sans l'une ni l'autre, les initiales restent inconnues. "seen" compte les trajets ; le programme le tient à jour.

Driver initials in the workbooks. Under each initials, write one of the two lines:
    driver_id = 3        the driver in the database, by number
    occasional = true    a real driver outside the fleet: the leg is kept, without a driver
Without either, the initials stay unknown. "seen" counts legs; the program keeps it up to date.
"""


@dataclass(frozen=True)
class DriverFile:
    """What a person said about initials.

    Parameters
    ----------
    driver_ids : dict of str to int
        Driver of each initials that have one.
    occasional : frozenset of str
        Initials of drivers outside the fleet.
    undecided : frozenset of str
        Initials about which nothing is said yet.
    """

    driver_ids: Mapping[str, int] = field(default_factory=dict)
    occasional: frozenset[str] = frozenset()
    undecided: frozenset[str] = frozenset()

    def merge(self, fleet: Mapping[str, int], *, fleet_ids: AbstractSet[int] | None = None) -> dict[str, int]:
        """Driver of each initials: the file's word goes before the fleet's own initials.

        Parameters
        ----------
        fleet : mapping of str to int
            Driver of each initials in the operations database; shared initials name nobody.
        fleet_ids : set of int, optional
            Every driver id there is, those without initials of their own included; ``fleet``'s ids by default.

        Raises
        ------
        SourceError
            If the file names a driver id that the fleet does not have.
        """
        known = set(fleet.values()) if fleet_ids is None else fleet_ids
        for initials, driver_id in self.driver_ids.items():
            if driver_id not in known:
                raise SourceError(
                    f"drivers.toml: initials {initials} name driver_id {driver_id}, and the fleet has no such driver. "
                    "Correct the number, or remove the line."
                )
        from_fleet = {name: number for name, number in driver_mapping(fleet).items() if name not in self.occasional}
        return from_fleet | dict(self.driver_ids)


def read_driver_file(path: Path) -> DriverFile:
    """Read the file; a missing one says nothing.

    Raises
    ------
    SourceError
        If it cannot be read or is no TOML (naming the line), or an entry is impossible (naming the initials).
    """
    if not path.exists():
        return DriverFile()
    return _checked(path, _parse(path, _read(path)))


def update_driver_file(path: Path, unknown: Mapping[str, int], known: Mapping[str, int]) -> bool:
    """Enter initials that nobody has explained yet, and the counts of one whole import.

    The file appears with the first unknown initials, changes only where a count or a new entry does, and is written
    whole or not at all. Blank and unreadable initials have no entry.

    Parameters
    ----------
    unknown, known : mapping of str to int
        Legs by initials, for instance ``unknown_initials`` of a parsed inbox, and all its other initials
        (occasional ones included). Initials of the file that stand in neither were not seen: 0.

    Returns
    -------
    bool
        Whether the file was written.

    Raises
    ------
    SourceError
        If the file that is there cannot be read; it is left alone.
    """
    fresh = {name: count for name, count in sorted(unknown.items()) if _is_initials(name)}
    if not path.exists():
        if not fresh:
            return False
        before, document = "", _new_document()
    else:
        before = _read(path)
        document = _parse(path, before)
        _checked(path, document)
    section = document.get(SECTION)
    if section is None:
        section = document[SECTION] = tomlkit.table(is_super_table=True)
    spelt = {normalise_initials(key): key for key in section}
    seen = dict(known) | dict(unknown)
    for name, key in spelt.items():
        entry, count = section[key], int(seen.get(name, 0))
        if entry.get(SEEN) != count:
            entry[SEEN] = count
    for name, count in fresh.items():
        if name not in spelt:
            entry = tomlkit.table()
            entry[SEEN] = count
            section[name] = entry
    after = tomlkit.dumps(document)
    if after == before:
        return False
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
    write_atomically(path, lambda hidden: hidden.write_bytes(after.encode()), mode=mode)
    return True


def _is_initials(name: str) -> bool:
    return 0 < len(name) <= MAX_INITIALS and normalise_initials(name) == name


def _new_document() -> tomlkit.TOMLDocument:
    document = tomlkit.document()
    for line in HEADING.splitlines():
        document.add(tomlkit.comment(line) if line else tomlkit.nl())
    return document


def _read(path: Path) -> str:
    try:
        # Windows editors put a mark in front; it would not survive the next reading.
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise SourceError(f"{path.name}: {error.strerror or 'cannot be opened'}. Check that it may be read.") from None
    except UnicodeDecodeError:
        raise SourceError(f"{path.name}: it is not UTF-8 text. Save it as UTF-8.") from None


def _parse(path: Path, text: str) -> tomlkit.TOMLDocument:
    try:
        return tomlkit.parse(text)
    except ParseError as error:
        raise SourceError(
            f"{path.name}: line {error.line} is not valid TOML. Correct it, or restore the file."
        ) from None
    except (TOMLKitError, ValueError):
        raise SourceError(f"{path.name}: it is not valid TOML, an entry may stand twice. Correct it.") from None


def _checked(path: Path, document: tomlkit.TOMLDocument) -> DriverFile:
    stray = sorted(set(document) - {SECTION})
    if stray:
        raise SourceError(f"{path.name}: unknown key {stray[0]!r}. Entries look like [initials.AB].")
    section = document.get(SECTION, {})
    if not isinstance(section, Mapping):
        raise SourceError(f"{path.name}: {SECTION!r} must be a table. Entries look like [initials.AB].")
    driver_ids: dict[str, int] = {}
    occasional: set[str] = set()
    undecided: set[str] = set()
    for number, (key, entry) in enumerate(section.items(), start=1):
        name = normalise_initials(key)
        if not 0 < len(name) <= MAX_INITIALS:
            # Not quoted: it may be a name.
            raise SourceError(
                f"{path.name}: entry {number} has no initials of 1 to {MAX_INITIALS} letters. Write [initials.AB]."
            )
        if name in driver_ids or name in occasional or name in undecided:
            raise SourceError(f"{path.name}: initials {name} stand twice, in two spellings. Keep one entry.")
        _check_entry(path, name, entry)
        if DRIVER_ID in entry:
            driver_ids[name] = int(entry[DRIVER_ID])
        elif entry.get(OCCASIONAL):
            occasional.add(name)
        else:
            undecided.add(name)
    return DriverFile(driver_ids, frozenset(occasional), frozenset(undecided))


def _check_entry(path: Path, name: str, entry: Any) -> None:
    if not isinstance(entry, Mapping):
        raise SourceError(f"{path.name}: initials {name} must be a table. Entries look like [initials.{name}].")
    stray = sorted(set(entry) - ENTRY_KEYS)
    if stray:
        raise SourceError(
            f"{path.name}: initials {name} have an unknown key {stray[0]!r}; known: {sorted(ENTRY_KEYS)}."
        )
    for key in (DRIVER_ID, SEEN):
        value = entry.get(key, 0)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise SourceError(f"{path.name}: {key} of initials {name} must be a whole number.")
    if not isinstance(entry.get(OCCASIONAL, False), bool):
        raise SourceError(f"{path.name}: {OCCASIONAL} of initials {name} must be true or false.")
    if DRIVER_ID in entry and entry.get(OCCASIONAL):
        raise SourceError(f"{path.name}: initials {name} have a driver_id and are occasional. Keep one of them.")
