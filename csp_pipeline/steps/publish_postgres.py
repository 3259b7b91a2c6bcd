"""Publishing to PostgreSQL too: the tables of the published copy, row by row, in one transaction.

What belongs here: what is compared and what is sent. Readers see the last publication until this one is whole, and go
on reading meanwhile: rows are deleted and written, tables are never emptied or swapped. A part of a table (the whole
table, a month, or a month and a currency) whose rows are those it held is left alone. How tables and rows look there
is in `storage/postgres_tables.py` and `storage/postgres_rows.py`.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb

from csp_pipeline.errors import CspError
from csp_pipeline.models.catalogue import Column, Table, load_catalogue
from csp_pipeline.storage import postgres_tables as tables
from csp_pipeline.storage.postgres import Address, address_of, hold_lock, transaction
from csp_pipeline.storage.postgres_rows import copy_rows
from csp_pipeline.storage.warehouse import MEMORY_LIMIT, THREADS, exclusive

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic import SecretStr

    from csp_pipeline.settings import Settings
    from csp_pipeline.storage.home import Home


@dataclass(frozen=True)
class PostgresReport:
    """What the database holds now.

    Attributes:
        place: host and database.
        tables: how many are published there.
        rows: rows in all of them.
        changed: the tables that were written, with the rows written.
    """

    place: str
    tables: int
    rows: int
    changed: Mapping[str, int]


def publish_to_postgres(settings: Settings) -> PostgresReport:
    """Make the PostgreSQL database of `CSP_POSTGRES_URL` equal to the published copy.

    Raises:
        PostgresError: it could not be done; the database holds what it held.
        CspError: nothing is published yet, or no database is set.
    """
    url = _url_of(settings)
    with (
        exclusive(settings.home),
        _published_copy(settings.home) as source,
        transaction(url) as cursor,
    ):
        hold_lock(cursor, url)
        return _publish(source, cursor, address_of(url))


def is_up_to_date(settings: Settings) -> bool:
    """Whether the database holds what was published last; its rows are not read.

    Raises:
        PostgresError: it cannot be reached.
        CspError: nothing is published yet, or no database is set.
    """
    url = _url_of(settings)
    with _published_copy(settings.home) as source, transaction(url) as cursor:
        return tables.published_run(cursor, len(_tables(source))) == _run_id(source)


def _url_of(settings: Settings) -> SecretStr:
    if settings.postgres_url is None:
        raise CspError("CSP_POSTGRES_URL is not set, so there is no PostgreSQL database to publish to.")
    return settings.postgres_url


@contextmanager
def _published_copy(home: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    if not home.published.is_file():
        raise CspError(f"{home.published} is not there yet; run csp-pipeline run first.")
    with duckdb.connect(str(home.published), read_only=True) as connection:
        connection.execute(f"SET memory_limit = '{MEMORY_LIMIT}'; SET TimeZone = 'UTC'")
        connection.execute("SET preserve_insertion_order = false")
        connection.execute("SET temp_directory = ?", [str(home.root / ".duckdb_tmp")])
        if THREADS is not None:
            connection.execute(f"SET threads = {THREADS}")
        yield connection


def _publish(source: duckdb.DuckDBPyConnection, cursor: Any, address: Address) -> PostgresReport:  # noqa: ANN401
    published = {table.key: table for table in _tables(source)}
    held, run_id = tables.read_held(cursor), _run_id(source)
    tables.refuse_others(cursor, address.place, published, held)
    tables.make_schemas(cursor, (table.schema for table in published.values()))
    tables.drop_former(cursor, [key for key in held if key not in published])
    tables.forget(cursor, published)
    rows, changed = 0, {}
    for key, table in published.items():
        before = held.get(key, tables.Held())
        is_new = tables.shape(cursor, table, before)
        if is_new or before.comments != tables.comments_hash(table):
            tables.comment(cursor, table)
        parts, counted = _parts(source, table)
        written = _write(source, cursor, table, {} if is_new else before.parts, parts)
        if written is not None:
            changed[key] = written
        tables.keep(cursor, table, run_id, counted, parts)
        rows += counted
    return PostgresReport(address.place, len(published), rows, changed)


def _write(
    source: duckdb.DuckDBPyConnection,
    cursor: Any,  # noqa: ANN401  (psycopg2 has no types)
    table: Table,
    before: Mapping[str, str],
    now: Mapping[str, str],
) -> int | None:
    """Replace the parts of a table whose rows changed; None when there is none."""
    part = _part(table)
    same = [one for one, found in now.items() if before.get(one) == found]
    if len(same) == len(now) == len(before):
        return None
    if same:
        cursor.execute(f"DELETE FROM {table.key} WHERE NOT {part} = ANY(%s)", [same])
    else:
        cursor.execute(f"DELETE FROM {table.key}")
    missing = [one for one in now if one not in same]
    written = copy_rows(source, cursor, table, part=part, parts=missing if same else None) if missing else 0
    cursor.execute(f"ANALYZE (SKIP_LOCKED) {table.key}")
    return written


def _part(table: Table) -> str:
    """The expression, the same in both databases, that says which part of its table a row belongs to."""
    columns = {"none": [], "month": [table.month_column], "month_currency": [table.month_column, "currency"]}
    named = columns[table.partition]
    return f"concat_ws('|', {', '.join(named)})" if named else "''"


def _parts(source: duckdb.DuckDBPyConnection, table: Table) -> tuple[dict[str, str], int]:
    """Each part of a table with a hash of its rows, whatever their order, and the rows in all.

    Signs are hashed once more: DuckDB gives an integer of 128 bits, which a decimal is, the same hash for 0 and -1.
    """
    wide = [f'"{column.name}" < 0' for column in table.columns if column.type.startswith(("DECIMAL", "HUGEINT"))]
    found = source.execute(
        f"""
        SELECT {_part(table)}, count(*), CAST(sum(CAST(hash({", ".join(["t", *wide])}) AS HUGEINT)) AS VARCHAR)
        FROM {table.key} AS t
        GROUP BY ALL
        """
    ).fetchall()
    return {part: f"{count} {hashed}" for part, count, hashed in found}, sum(count for _, count, _ in found)


def _run_id(source: duckdb.DuckDBPyConnection) -> str:
    found = source.execute("SELECT max_by(run_id, published_at) FROM meta.runs").fetchone()
    return str(found[0]) if found else ""


def _tables(source: duckdb.DuckDBPyConnection) -> list[Table]:
    """The tables of the copy as its own data dictionary describes them."""
    columns: dict[tuple[str, str], list[Column]] = defaultdict(list)
    for schema, name, *column in source.execute(
        """
        SELECT schema_name, table_name, column_name, data_type, description, unit, source
        FROM meta.columns
        ORDER BY schema_name, table_name, ordinal
        """
    ).fetchall():
        columns[schema, name].append(Column(*column))
    described = source.execute("SELECT schema_name, table_name, description, grain FROM meta.tables").fetchall()
    texts = {(schema, name): (description, grain) for schema, name, description, grain in described}
    return [_table(*key, *texts[key], tuple(of_it)) for key, of_it in columns.items()]


def _table(schema: str, name: str, description: str, grain: str, columns: tuple[Column, ...]) -> Table:
    known = load_catalogue().get(f"{schema}.{name}")
    partition, month_column = (known.partition, known.month_column) if known else ("none", "billing_month")
    return Table(schema, name, description, grain, partition, month_column, columns, ())
