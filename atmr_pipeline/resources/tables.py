"""Analytical tables as Parquet files under the home: written atomically, read whole or by service day."""

import json
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq

from atmr_pipeline.domain.errors import TableContractError
from atmr_pipeline.domain.files import write_atomically
from atmr_pipeline.domain.tables import TABLES, column_dtype, conform, empty

WHOLE = "table"


class Tables:
    """The Parquet tables of one home.

    A table with partitions is a folder of ``YYYY-MM-DD.parquet``, one service day each; any other is a folder with
    one ``table.parquet``. Results that are not tables are ``value.json``.

    Parameters
    ----------
    root : Path
        Folder of all tables.
    mode : int
        Permissions of the files.
    """

    def __init__(self, root: Path, *, mode: int = 0o644) -> None:
        self.root, self.mode = root, mode

    def write(self, name: str, frame: pd.DataFrame) -> None:
        """Replace a whole table; a table with a schema is conformed to it first (TableContractError)."""
        self._write_file(self.root / name / f"{WHOLE}.parquet", self._conformed(name, frame))

    def write_days(self, name: str, frame: pd.DataFrame, days: Iterable[date]) -> None:
        """Replace the files of ``days``; a day without rows becomes an empty file: extracted, and nothing there.

        Raises
        ------
        TableContractError
            If a row belongs to none of ``days``: writing it nowhere would lose it.
        """
        conformed = self._conformed(name, frame)
        days = list(days)
        wanted = {pd.Timestamp(day): day for day in days}
        stray = ~conformed["service_day"].isin(list(wanted))
        if stray.any():
            raise TableContractError(f"table {name}: {int(stray.sum())} rows lie outside the days being written")
        groups = dict(iter(conformed.groupby("service_day", sort=False)))
        for stamp, day in wanted.items():
            self._write_file(self._day_file(name, day), groups.get(stamp, conformed.iloc[:0]).reset_index(drop=True))
        self.leave_other_days(name, days)

    def write_day(self, name: str, day: date, frame: pd.DataFrame) -> None:
        """Replace one day's file with a frame that was conformed by whoever read it.

        Who writes days one by one calls :meth:`leave_other_days` once at the end.

        Raises
        ------
        TableContractError
            If the columns or dtypes are not the schema's, or a row belongs to another day.
        """
        expected = {column: column_dtype(spec) for column, spec in TABLES[name].columns.items()}
        if frame.dtypes.astype(str).to_dict() != expected:
            raise TableContractError(f"table {name}: the columns of the day being written are not the schema's")
        stray = int((frame["service_day"] != pd.Timestamp(day)).sum())
        if stray:
            raise TableContractError(f"table {name}: {stray} rows lie outside the day being written")
        self._write_file(self._day_file(name, day), frame.reset_index(drop=True))

    def leave_other_days(self, name: str, days: Iterable[date]) -> None:
        """Take the rows that now stand on ``days`` out of every other day: what moved must not stand twice."""
        schema, written = TABLES.get(name), set(days)
        if schema is None or all(day in written for day in self.days(name)):
            return
        key = str(schema.unique[0])
        stored = self.read_columns(name, [key, "service_day"])
        is_written = stored["service_day"].isin([pd.Timestamp(day) for day in written])
        here = stored.loc[is_written, key]
        moved = stored[~is_written & stored[key].isin(here)]
        for stamp in moved["service_day"].unique():
            path = self._day_file(name, pd.Timestamp(stamp).date())
            kept = pd.read_parquet(path)
            self._write_file(path, kept[~kept[key].isin(here)].reset_index(drop=True))

    def read(self, name: str, *, first_day: date | None = None, last_day: date | None = None) -> pd.DataFrame:
        """Read a table, or the inclusive range of its service days; empty with the right columns where none exists."""
        files = self._files(name, first_day, last_day)
        schema = TABLES.get(name)
        if not files:
            if schema is None:
                raise TableContractError(f"table {name}: not materialised yet")
            return empty(schema)
        frame = _read_files(name, files)
        return conform(frame, schema) if schema is not None else frame

    def read_columns(
        self, name: str, columns: list[str], *, first_day: date | None = None, last_day: date | None = None
    ) -> pd.DataFrame:
        """Read some columns of a table of the vocabulary as they lie, without the checks of its schema."""
        files = self._files(name, first_day, last_day)
        return _read_files(name, files, columns) if files else empty(TABLES[name])[columns]

    def is_readable(self, name: str, day: date) -> bool:
        """Whether a day's file is whole and has the columns of today's schema; a day without a file is not."""
        try:
            stored = set(pq.read_schema(self._day_file(name, day)).names)
        except (pa.ArrowInvalid, OSError):
            return False
        return name not in TABLES or set(TABLES[name].columns) <= stored

    def forget_days_before(self, name: str, first_day: date) -> int:
        """Remove the files of earlier days: what is no longer read from the source must not be learned from."""
        earlier = [day for day in self.days(name) if day < first_day]
        for day in earlier:
            self._day_file(name, day).unlink()
        return len(earlier)

    def write_value(self, name: str, value: Any) -> None:
        """Write a small JSON result."""
        text = json.dumps(value, indent=1, sort_keys=True, default=str)
        write_atomically(
            self.root / name / "value.json", lambda path: path.write_text(text, encoding="utf-8"), mode=self.mode
        )

    def read_value(self, name: str) -> Any:
        """Read a JSON result (TableContractError where it was never written)."""
        path = self.root / name / "value.json"
        if not path.exists():
            raise TableContractError(f"result {name}: not materialised yet")
        return json.loads(path.read_text(encoding="utf-8"))

    def has(self, name: str) -> bool:
        """Whether anything of this name has been written."""
        return (self.root / name).exists() and any(
            path.suffix in (".parquet", ".json") for path in (self.root / name).iterdir()
        )

    def days(self, name: str) -> list[date]:
        """Service days that have been written."""
        return [date.fromisoformat(file.stem) for file in sorted((self.root / name).glob("????-??-??.parquet"))]

    def _day_file(self, name: str, day: date) -> Path:
        return self.root / name / f"{day.isoformat()}.parquet"

    def _files(self, name: str, first_day: date | None = None, last_day: date | None = None) -> list[Path]:
        files = sorted((self.root / name).glob("*.parquet"))
        if first_day is None and last_day is None:
            return files
        low, high = (first_day or date.min).isoformat(), (last_day or date.max).isoformat()
        return [file for file in files if low <= file.stem <= high]

    def _conformed(self, name: str, frame: pd.DataFrame) -> pd.DataFrame:
        schema = TABLES.get(name)
        return conform(frame, schema) if schema is not None else frame.reset_index(drop=True)

    def _write_file(self, path: Path, frame: pd.DataFrame) -> None:
        write_atomically(path, lambda hidden: frame.to_parquet(hidden, index=False), mode=self.mode)


def _read_files(name: str, files: list[Path], columns: list[str] | None = None) -> pd.DataFrame:
    try:
        return pads.dataset([str(file) for file in files], format="parquet").to_table(columns=columns).to_pandas()
    except (pa.ArrowInvalid, OSError):
        raise TableContractError(f"table {name}: a file cannot be read, the disk may have damaged it") from None
