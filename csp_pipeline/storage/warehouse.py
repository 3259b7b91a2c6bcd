"""The working DuckDB file: opened per step, held briefly, one writer at a time; partitions are replaced whole.

What belongs here: connections, the lock that covers Dagster steps and the CLI alike, and the one way rows are
written (delete a partition and insert it again, in one transaction). What the rows are belongs to `models/`.
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import duckdb
from filelock import FileLock, Timeout

from csp_pipeline.models.catalogue import SCHEMAS, Table, load_catalogue, macros

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from csp_pipeline.storage.home import Home

MEMORY_LIMIT = "1GB"
THREADS: int | None = None
"""Threads of a connection; None: as many as the machine has cores."""
_open: dict[Path, duckdb.DuckDBPyConnection] = {}


@contextmanager
def exclusive(
    home: Home, *, on_wait: Callable[[str], None] = print, waiting: timedelta = timedelta(hours=6)
) -> Iterator[None]:
    """Hold the lock of a CSP_HOME; re-entrant within a process.

    Args:
        home: the folders.
        on_wait: told one sentence when another process holds the lock.
        waiting: how long to wait for it.

    Raises:
        filelock.Timeout: when the other process did not finish in time.
    """
    home.root.mkdir(parents=True, exist_ok=True)
    lock = FileLock(home.lock, is_singleton=True)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        on_wait(f"Another csp-pipeline process is working on {home.root}; waiting for it to finish.")
        lock.acquire(timeout=waiting.total_seconds())
    try:
        yield
    finally:
        lock.release()


def configure(connection: duckdb.DuckDBPyConnection, scratch: Path | None = None) -> None:
    """Set the limits every connection works under, and define the macros of the exact arithmetic."""
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"SET memory_limit = '{MEMORY_LIMIT}'")
    connection.execute("SET preserve_insertion_order = false")
    if THREADS is not None:
        connection.execute(f"SET threads = {THREADS}")
    if scratch is not None:
        connection.execute("SET temp_directory = ?", [str(scratch)])
    connection.execute(macros())


@contextmanager
def writing(home: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that may write the warehouse; holds the lock of the home meanwhile.

    Nested uses in one process share the outer one's connection, so a run opens the file once.

    Yields:
        A connection with every schema and table of the catalogue in place.
    """
    with exclusive(home):
        shared = _open.get(home.warehouse)
        if shared is not None:
            yield shared
            return
        connection = duckdb.connect(str(home.warehouse))
        try:
            configure(connection, home.root / ".duckdb_tmp")
            make_tables(connection)
            _open[home.warehouse] = connection
            yield connection
        finally:
            _open.pop(home.warehouse, None)
            connection.close()


def make_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the tables of the catalogue that are missing, and again those of a version with other columns.

    Every row can be made again from landing and ledger, and the next run does so: its fingerprints hold the code.
    """
    columns = connection.execute(
        """
        SELECT schema_name || '.' || table_name, list((column_name, data_type) ORDER BY column_index)
        FROM duckdb_columns()
        WHERE NOT internal AND database_name = current_database()
        GROUP BY ALL
        """
    ).fetchall()
    there = dict(columns)
    wanted = {
        table.key: table
        for table in load_catalogue().values()
        if there.get(table.key) != [(column.name, column.type) for column in table.columns]
    }
    if not wanted:
        return
    connection.execute("BEGIN")
    for schema in SCHEMAS:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
    for key, table in wanted.items():
        connection.execute(f"DROP TABLE IF EXISTS {key}")
        connection.execute(table.ddl())
    connection.execute("COMMIT")


def replace_rows(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    select: str,
    *,
    where: Mapping[str, str | list[str]] | None = None,
    parameters: Mapping[str, object] | None = None,
) -> int:
    """Replace a table's rows, or those of one partition, by what a SELECT returns, in one transaction.

    Args:
        connection: a connection from `writing`.
        table: the table written; columns are matched by name.
        select: the SELECT; its named parameters come from `parameters`.
        where: the partition as column = value, or column = list of values; None replaces the whole table.
        parameters: values of `$name` in the SELECT; only those the SELECT names are passed.

    Returns:
        The number of rows inserted.
    """
    condition = " AND ".join(_condition(column, value) for column, value in where.items()) if where else "TRUE"
    given = {name: value for name, value in (parameters or {}).items() if f"${name}" in select}
    connection.execute("BEGIN")
    try:
        connection.execute(f"DELETE FROM {table.key} WHERE {condition}", dict(where or {}))
        inserted = connection.execute(
            f"INSERT INTO {table.key} BY NAME {select.rstrip().rstrip(';')}", given
        ).fetchone()
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    return int(inserted[0]) if inserted else 0


def _condition(column: str, value: str | list[str]) -> str:
    return f"list_contains(${column}, {column})" if isinstance(value, list) else f"{column} = ${column}"
