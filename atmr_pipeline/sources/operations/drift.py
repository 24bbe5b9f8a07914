"""How the source differs from what the pipeline relies on, found in its catalogue and in one pass over each table."""

from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Boolean, Date, DateTime, Float, Integer, Numeric, String, case, cast, column, func, inspect
from sqlalchemy import select as sql_select
from sqlalchemy import table as sql_table
from sqlalchemy.dialects.postgresql import DOMAIN
from sqlalchemy.engine import Connection
from sqlalchemy.engine.reflection import ObjectKind
from sqlalchemy.types import TypeEngine

from atmr_pipeline.sources.operations.expected import EXPECTED, Kind, Needed

ProblemKind = Literal["missing_table", "missing_column", "wrong_type", "unknown_value", "unexpected_null"]

_TYPES: dict[Kind, tuple[type[TypeEngine[Any]], ...]] = {
    Kind.INTEGER: (Integer,),
    Kind.NUMBER: (Integer, Numeric, Float),
    Kind.BOOLEAN: (Boolean,),
    Kind.TEXT: (String,),
    Kind.DAY: (Date,),
    Kind.WALL_CLOCK: (DateTime,),
    Kind.INSTANT: (DateTime,),
}
_LONGEST_VALUE = 40


@dataclass(frozen=True)
class SchemaProblem:
    """One difference. It never holds a value: one that is not known may be free text.

    Parameters
    ----------
    where : str
        ``table`` or ``table.column``.
    kind : str
        ``missing_table``, ``missing_column``, ``wrong_type``, ``unknown_value`` or ``unexpected_null``.
    rows : int or None
        How many rows have it; None where the table or column itself is the problem.
    """

    where: str
    kind: ProblemKind
    rows: int | None = None

    def __str__(self) -> str:
        match self.kind:
            case "missing_table":
                return f"{self.where}: table is missing"
            case "missing_column":
                return f"{self.where}: column is missing"
            case "wrong_type":
                table, _, name = self.where.partition(".")
                return f"{self.where}: type has changed, it must be {EXPECTED[table][name].kind}"
            case "unknown_value":
                return f"{self.where}: value that is not known in {_rows(self.rows)}"
            case "unexpected_null":
                return f"{self.where}: NULL where a value is required in {_rows(self.rows)}"


def find_problems(connection: Connection) -> list[SchemaProblem]:
    """Every difference, table by table in the order of :data:`EXPECTED`; within a table first the catalogue's.

    Values are looked at wherever the columns that hold them are there, in one pass over each table.
    """
    found = inspect(connection).get_multi_columns(kind=ObjectKind.ANY, filter_names=list(EXPECTED))
    present = {name: {str(each["name"]): each["type"] for each in columns} for (_, name), columns in found.items()}
    problems = []
    for name, needed in EXPECTED.items():
        if name not in present:
            problems.append(SchemaProblem(name, "missing_table"))
            continue
        in_catalogue = _catalogue_problems(name, present[name], typed=connection.dialect.name != "sqlite")
        broken = {problem.where.partition(".")[2] for problem in in_catalogue}
        readable = {key: each for key, each in needed.items() if key not in broken}
        problems += in_catalogue + _value_problems(connection, name, readable)
    return problems


def _catalogue_problems(table: str, present: dict[str, TypeEngine[Any]], *, typed: bool) -> list[SchemaProblem]:
    problems = []
    for name, needed in EXPECTED[table].items():
        if name not in present:
            problems.append(SchemaProblem(f"{table}.{name}", "missing_column"))
        elif typed and not _is_of(present[name], needed.kind):
            problems.append(SchemaProblem(f"{table}.{name}", "wrong_type"))
    return problems


def _is_of(found: TypeEngine[Any], kind: Kind) -> bool:
    plain = found.data_type if isinstance(found, DOMAIN) else found
    if isinstance(plain, DateTime) and kind in (Kind.WALL_CLOCK, Kind.INSTANT):
        return bool(plain.timezone) == (kind == Kind.INSTANT)
    return isinstance(plain, _TYPES[kind])


def _value_problems(connection: Connection, table: str, columns: dict[str, Needed]) -> list[SchemaProblem]:
    source = sql_table(table, *(column(name) for name in columns))
    wanted: list[tuple[str, ProblemKind, Any]] = []
    for name, needed in columns.items():
        held = source.c[name]
        if needed.required:
            wanted.append((name, "unexpected_null", func.count() - func.count(held)))
        if needed.values is not None:
            # As text: comparing an enumeration of the server with a value that it lacks would be an error.
            unknown = cast(held, String(_LONGEST_VALUE)).not_in([str(value) for value in needed.values])
            wanted.append((name, "unknown_value", func.count(case((unknown, 1)))))
    if not wanted:
        return []
    counts = connection.execute(sql_select(*(count for _, _, count in wanted)).select_from(source)).one()
    return [
        SchemaProblem(f"{table}.{name}", kind, int(rows))
        for (name, kind, _), rows in zip(wanted, counts, strict=True)
        if rows
    ]


def _rows(count: int | None) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"
