"""Tables inside the files that offices publish: CSV, gzipped CSV, shapefile, and a zip of either."""

import codecs
import csv
import gzip
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

import shapefile

from atmr_pipeline.domain.errors import SourceError

MAX_UNPACKED_BYTES = 4 * 1024**3
"""A zip that says it unpacks to more is refused; the federal directory has 0.5 GB."""
MAX_LINE_BYTES = 64 * 1024
DELIMITERS = ";,\t|"
EAST, NORTH = "geometry_east", "geometry_north"
"""Columns that a shapefile's points are given as."""
SHAPE_PARTS = (".shp", ".dbf", ".shx", ".cpg")
POINTS = (shapefile.POINT, shapefile.POINTZ, shapefile.POINTM)
ZIP_MAGIC, GZIP_MAGIC, SHAPE_MAGIC = b"PK", b"\x1f\x8b", b"\x00\x00\x27\x0a"


@dataclass(frozen=True)
class Table:
    """Columns in lower case, and rows of the same length; a row of another length is None."""

    columns: tuple[str, ...]
    rows: Iterator[Sequence[Any] | None]


@contextmanager
def open_table(path: Path) -> Iterator[Table]:
    """Open the table in a file, whatever the file is called.

    Raises
    ------
    SourceError
        The file holds no table, more than one, or is too large.
    """
    with ExitStack() as stack:
        with path.open("rb") as stream:
            magic = stream.read(16)
        if magic.startswith(ZIP_MAGIC):
            yield _in_zip(path, stack)
        elif magic.startswith(SHAPE_MAGIC):
            yield _shapefile(path, stack)
        elif magic.startswith(GZIP_MAGIC):
            yield _csv(stack.enter_context(gzip.GzipFile(path)))
        else:
            yield _csv(stack.enter_context(path.open("rb")))


def files_of(path: Path) -> list[Path]:
    """The file, or all the files that make a shapefile, that its fingerprint is taken over."""
    beside = {other.suffix.lower(): other for other in sorted(path.parent.glob(f"{path.stem}.*"))}
    if path.suffix.lower() != ".shp":
        return [path]
    return [path, *(beside[part] for part in SHAPE_PARTS[1:] if part in beside)]


def _in_zip(path: Path, stack: ExitStack) -> Table:
    archive = stack.enter_context(zipfile.ZipFile(path))
    members = [item for item in archive.infolist() if not item.is_dir()]
    if sum(item.file_size for item in members) > MAX_UNPACKED_BYTES:
        raise SourceError(f"it unpacks to more than {MAX_UNPACKED_BYTES // 1024**3} GiB")
    if any(item.flag_bits & 1 for item in members):
        raise SourceError("it is protected by a password; unpack it")
    suffixes = {item: PurePosixPath(item.filename.lower()).suffix for item in members}
    shapes = [item for item in members if suffixes[item] == ".shp"]
    tables = shapes or [item for item in members if suffixes[item] in {".csv", ".txt"}]
    if len(tables) != 1:
        raise SourceError(f"it holds {len(tables)} tables; give a zip with one shapefile or one CSV file")
    if not shapes:
        return _csv(stack.enter_context(archive.open(tables[0])))
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    stem = tables[0].filename[:-4].lower()
    for item in members:
        if item.filename[:-4].lower() == stem and suffixes[item] in SHAPE_PARTS:
            (folder / f"table{suffixes[item]}").write_bytes(archive.read(item))
    return _shapefile(folder / "table.shp", stack)


def _csv(stream: IO[bytes] | gzip.GzipFile) -> Table:
    lines = _lines(stream)
    first = next(lines, "")
    delimiter = max(DELIMITERS, key=first.count)
    columns = tuple(name.strip().lower() for name in next(csv.reader([first], delimiter=delimiter), []))
    reader = csv.reader(lines, delimiter=delimiter)
    return Table(columns, (row if len(row) == len(columns) else None for row in reader if row))


def _lines(stream: IO[bytes] | gzip.GzipFile) -> Iterator[str]:
    """Lines as text, UTF-8 or else Windows-1252, one by one: one odd line does not spoil the others."""
    for number, raw in enumerate(iter(lambda: stream.readline(MAX_LINE_BYTES + 1), b"")):
        if len(raw) > MAX_LINE_BYTES or b"\x00" in raw:
            raise SourceError("it is no text; give a CSV file, a shapefile, or a zip of one")
        line = raw.removeprefix(codecs.BOM_UTF8) if number == 0 else raw
        try:
            yield line.decode("utf-8")
        except UnicodeDecodeError:
            yield line.decode("cp1252", errors="replace")


def _shapefile(path: Path, stack: ExitStack) -> Table:
    parts = {part.suffix.lower(): part for part in files_of(path)}
    if ".dbf" not in parts:
        raise SourceError("its .dbf file is not beside it; keep the parts of a shapefile together")
    shapes, records = (stack.enter_context(parts[suffix].open("rb")) for suffix in (".shp", ".dbf"))
    reader = shapefile.Reader(shp=shapes, dbf=records, encoding=_dbf_encoding(parts))
    if reader.shapeType not in POINTS:
        raise SourceError("its shapes are not points; give the layer of address points")
    fields = [field[0].lower() for field in reader.fields[1:]]
    return Table((*fields, EAST, NORTH), _shapes(reader))


def _shapes(reader: Any) -> Iterator[Sequence[Any]]:
    for item in reader.iterShapeRecords():
        point = item.shape.points[0] if item.shape.points else (None, None)
        yield (*item.record, point[0], point[1])


def _dbf_encoding(parts: dict[str, Path]) -> str:
    """The encoding of the records: UTF-8 if all of them are, whatever the .cpg file says, which is often wrong."""
    named = parts[".cpg"].read_text("ascii", errors="replace").strip() if ".cpg" in parts else ""
    named = f"cp{named}" if named.isdigit() else named.removeprefix("ANSI ")
    candidates = ["utf-8", *([named] if _is_codec(named) else []), "cp1252"]
    return next((encoding for encoding in candidates if _decodes(parts[".dbf"], encoding)), "latin-1")


def _decodes(dbf: Path, encoding: str) -> bool:
    with dbf.open("rb") as stream:
        # Bytes 8 and 9 of a dBASE file say where its records begin.
        stream.seek(int.from_bytes(stream.read(10)[8:], "little"))
        decoder = codecs.getincrementaldecoder(encoding)()
        try:
            for block in iter(lambda: stream.read(1 << 20), b""):
                decoder.decode(block)
        except UnicodeDecodeError:
            return False
    return True


def _is_codec(name: str) -> bool:
    try:
        return isinstance(codecs.lookup(name).decode(b"")[0], str)
    except (LookupError, UnicodeError):
        return False
