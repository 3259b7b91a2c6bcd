"""What a warehouse holds, in a form that two warehouses can be compared by: a count and a hash per table.

What belongs here: which columns and tables tell of the way files came or of the clock, and are left out on purpose.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb

from csp_pipeline.storage.file_catalogue import FILE_TABLES

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

Contents = dict[str, tuple[int, int]]

LOGS = frozenset({"meta.runs", "meta.steps"})
"""What was done when."""
HISTORY = frozenset({"cost.invoice_versions", "cost.restatements"})
"""What was known when."""
FILES = frozenset({*LOGS, *FILE_TABLES, *HISTORY, "meta.tables"})
"""What came in which file and which scan, and the counts of those tables."""
PLACES = frozenset({"source_file", "source_row", "file_sha256"})
"""Where a row stands in the files."""
MADE_AT = frozenset({"as_of_at"})
"""When open-month data were made, which of files of the inbox is when they were found."""
SCAN_DAYS = frozenset({"first_seen_on", "last_seen_on", "seen_on", *MADE_AT})
"""The day a snapshot was found."""


def contents(
    connection: duckdb.DuckDBPyConnection,
    *,
    without_tables: Collection[str] = LOGS,
    without_columns: Collection[str] = (),
) -> Contents:
    """Count and hash, whatever the order of rows, of every table.

    Args:
        connection: a warehouse or its published copy.
        without_tables: tables left out, as schema.table.
        without_columns: names of columns left out wherever they occur.
    """
    tables = connection.execute(
        "SELECT schema_name || '.' || table_name, list(column_name ORDER BY column_index) FROM duckdb_columns() "
        "WHERE NOT internal AND database_name = current_database() AND schema_name <> 'main' GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    found: Contents = {}
    for table, columns in tables:
        if table in without_tables:
            continue
        kept = ", ".join(f'"{column}"' for column in columns if column not in without_columns)
        count, digest = connection.execute(
            f"SELECT count(*), coalesce(sum(CAST(hash(t) AS HUGEINT)), 0) FROM (SELECT {kept} FROM {table}) AS t"
        ).fetchall()[0]
        found[table] = (count, digest)
    return found


def published(home: Path, *, without_tables: Collection[str] = LOGS, without_columns: Collection[str] = ()) -> Contents:
    """The contents of a home's published copy."""
    with duckdb.connect(str(home / "published" / "csp.duckdb"), read_only=True) as connection:
        return contents(connection, without_tables=without_tables, without_columns=without_columns)


def differing(one: Contents, other: Contents) -> list[str]:
    """The tables in which two warehouses differ, with both counts; empty when they are the same."""
    return [
        f"{table}: {one.get(table, (None,))[0]} and {other.get(table, (None,))[0]} rows"
        for table in sorted({*one, *other})
        if one.get(table) != other.get(table)
    ]
