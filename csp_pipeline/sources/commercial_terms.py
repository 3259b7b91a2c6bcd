"""Where commercial terms come from: the CSV files under `commercial/`, or tables of the same names in a database.

What belongs here: taking rows out as text. What the cells mean is `formats/commercial_rows`.
"""

from __future__ import annotations

import csv
import io
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import polars as pl

from csp_pipeline.errors import CspError, InputFileError
from csp_pipeline.formats.commercial_rows import Notice, RawRows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sqlalchemy import Engine

BATCH_ROWS = 20_000
_OTHER_DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "bars"}


def find_csv_files(folder: Path) -> dict[str, Path]:
    """The CSV files of a folder by their lower-case stem; empty when there is no folder."""
    if not folder.is_dir():
        return {}
    return {
        path.stem.lower(): path for path in sorted(folder.iterdir()) if path.suffix.lower() == ".csv" and path.is_file()
    }


def read_csv_table(path: Path, table_name: str) -> RawRows:
    """Take the rows out of a CSV file; BOM, CRLF, quotes and line breaks within quotes are understood.

    Args:
        path: the file.
        table_name: the commercial table it holds.

    Returns:
        All rows but those whose number of cells is not that of the header, which are refused.

    Raises:
        InputFileError: when the file is no comma-separated text; the sentence says what it seems to be.
    """
    reader = csv.reader(io.StringIO(_text_of(path), newline=""), strict=True)
    try:
        header = next(reader, [])
        _check_header(path, header)
        names = [name.strip() or f"(column {number} without a name)" for number, name in enumerate(header, 1)]
        schema = dict.fromkeys(names, pl.String()) | {"source_row": pl.Int64()}
        frames = [pl.DataFrame(schema=schema)]
        notices: list[Notice] = []
        rows: list[list[str | int]] = []
        end_of_row = reader.line_num
        for cells in reader:
            start_of_row, end_of_row = end_of_row + 1, reader.line_num
            if len(cells) == len(names):
                rows.append([*cells, start_of_row])
            elif any(cells):
                found = f"{len(names)} cells were expected, {len(cells)} were found"
                message = f"{path.name}, line {start_of_row}: {found}; this row is not used."
                notices.append(Notice(table_name, path.name, start_of_row, None, "refused", message))
            if len(rows) == BATCH_ROWS:
                frames.append(pl.DataFrame(rows, schema=schema, orient="row"))
                rows = []
    except csv.Error as error:
        place = f"{path.name}, line {reader.line_num}"
        message = f"{place}: the quotes do not close or do not belong ({error}); the file is not used."
        raise InputFileError(message) from error
    frames.append(pl.DataFrame(rows, schema=schema, orient="row"))
    return RawRows(path.name, pl.concat(frames), tuple(notices))


def _text_of(path: Path) -> str:
    content = path.read_bytes()
    if b"\x00" in content[:4096] and not content.startswith((b"\xff\xfe", b"\xfe\xff")):
        message = f"{path.name} is not text, so it is no CSV file; save the table as CSV and put it in its place."
        raise InputFileError(message)
    encoding = "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        message = f"{path.name} is not UTF-8 text (byte {error.start}); save the table as CSV in UTF-8."
        raise InputFileError(message) from error


def _check_header(path: Path, header: Sequence[str]) -> None:
    if not any(name.strip() for name in header):
        message = f"{path.name} is empty; a header with the column names was expected in its first line."
        raise InputFileError(message)
    for delimiter, name in _OTHER_DELIMITERS.items():
        if len(header) == 1 and delimiter in header[0]:
            message = (
                f"{path.name} separates its columns by {name}; commas were expected. Save it as comma-separated CSV."
            )
            raise InputFileError(message)
    names = [name.strip().lower() for name in header]
    repeated = sorted({name for name in names if name and names.count(name) > 1})
    if repeated:
        message = f"{path.name} has the column {', '.join(repeated)} twice; each column may stand once."
        raise InputFileError(message)


def connect_terms_database(url: str) -> Engine:
    """An engine for the database of commercial terms.

    Raises:
        CspError: when the address cannot be understood or its driver is missing; the address is not repeated.
    """
    from sqlalchemy import create_engine  # noqa: PLC0415  (heavy, and only needed with a database)
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError  # noqa: PLC0415

    try:
        return create_engine(url)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        message = (
            "CSP_COMMERCIAL_URL is no SQLAlchemy address that can be used; expected for instance sqlite:///terms.db."
        )
        raise CspError(message) from error


def read_database_table(engine: Engine, table_name: str) -> RawRows | None:
    """Take the rows out of a database table, ordered by all its columns so that row numbers stay the same.

    Returns:
        The rows as text, or None when the database has no such table.

    Raises:
        CspError: when the database cannot be reached or read.
    """
    from sqlalchemy import MetaData, Numeric, String, Table, cast, inspect, select  # noqa: PLC0415
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

    try:
        if not inspect(engine).has_table(table_name):
            return None
        with engine.connect() as connection:
            table = Table(table_name, MetaData(), autoload_with=connection)
            cells = [cast(column, String) if isinstance(column.type, Numeric) else column for column in table.columns]
            rows = connection.execute(select(*cells).order_by(*table.columns)).all()
    except SQLAlchemyError as error:
        found = f"table {table_name}, {type(error).__name__}"
        message = f"The database of CSP_COMMERCIAL_URL could not be read ({found}); check its address and rights."
        raise CspError(message) from error
    names = [column.name for column in table.columns]
    schema = dict.fromkeys(names, pl.String()) | {"source_row": pl.Int64()}
    texts = [[*map(_cell_text, row), number] for number, row in enumerate(rows, 1)]
    return RawRows(f"database table {table_name}", pl.DataFrame(texts, schema=schema, orient="row"))


def _cell_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value:f}"
    return str(value)
