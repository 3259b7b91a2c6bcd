"""The published tables as PostgreSQL has them: types, comments, and the record of which tables are ours.

What belongs here: definitions. A table is never dropped and made again while this product publishes it, so that views,
grants and indexes that others made on it stay. `meta.postgres_tables`, which only that database has, lists what was
made there; nothing else is ever changed. The rows are `postgres_rows`.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from csp_pipeline.storage.postgres import PostgresError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from csp_pipeline.models.catalogue import Table

Cursor: TypeAlias = Any
"""A psycopg2 cursor, which has no types."""

RECORD = "meta.postgres_tables"
_TYPES = {
    "VARCHAR": "text",
    "DATE": "date",
    "TIMESTAMP": "timestamp without time zone",
    "BOOLEAN": "boolean",
    "INTEGER": "integer",
    "BIGINT": "bigint",
    "HUGEINT": "numeric(39,0)",
}
_DECIMAL = re.compile(r"DECIMAL\((\d+),\s*(\d+)\)")
_RECORD_DDL = f"""
    CREATE TABLE IF NOT EXISTS {RECORD} (
        schema_name text NOT NULL,
        table_name text NOT NULL,
        run_id text NOT NULL,
        row_count bigint NOT NULL,
        columns jsonb NOT NULL,
        comments_sha256 text NOT NULL,
        parts jsonb NOT NULL,
        PRIMARY KEY (schema_name, table_name)
    );
    COMMENT ON TABLE {RECORD} IS
    'The tables that csp-pipeline made in this database and what it last published into them; without its row here, a
table is never changed. A table that is deleted here is made and filled again by the next run.'
"""


@dataclass(frozen=True)
class Held:
    """What this product made of a table in the database.

    Attributes:
        columns: the names of the columns it made.
        comments: the hash of the comments it set.
        parts: what each part of the table held, as a hash of its rows.
    """

    columns: tuple[str, ...] = ()
    comments: str = ""
    parts: Mapping[str, str] = field(default_factory=dict)


def postgres_type(type_: str) -> str:
    """The PostgreSQL type of a DuckDB type, as PostgreSQL writes it; a decimal keeps precision and scale.

    Raises:
        KeyError: the type has no exact counterpart here; a test holds the catalogue to those that have.
    """
    decimal = _DECIMAL.fullmatch(type_)
    return f"numeric({decimal[1]},{decimal[2]})" if decimal else _TYPES[type_]


def published_run(cursor: Cursor, tables: int) -> str | None:
    """The publication that all of the tables hold; None when there is none, or not of all of them."""
    cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [RECORD])
    if not cursor.fetchone()[0]:
        return None
    cursor.execute(
        f"SELECT min(run_id), max(run_id), count(*) FROM {RECORD} "
        "WHERE to_regclass(quote_ident(schema_name) || '.' || quote_ident(table_name)) IS NOT NULL"
    )
    first, last, count = cursor.fetchone()
    return str(first) if first == last and count == tables else None


def read_held(cursor: Cursor) -> dict[str, Held]:
    """What was made in the database, by `schema.table`, without tables that somebody deleted or replaced by a view."""
    cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [RECORD])
    if not cursor.fetchone()[0]:
        return {}
    cursor.execute(f"SELECT schema_name || '.' || table_name, columns, comments_sha256, parts FROM {RECORD}")
    held = {key: Held(tuple(columns), comments, parts) for key, columns, comments, parts in cursor.fetchall()}
    there = existing(cursor, held, kinds="rp")
    return {key: one for key, one in held.items() if key in there}


def existing(cursor: Cursor, keys: Iterable[str], *, kinds: str = "rpvmfiSct") -> set[str]:
    """Those of the names that a relation has, of any kind or of some, as letters of `pg_class.relkind`."""
    cursor.execute(
        "SELECT n.nspname || '.' || c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace "
        "WHERE n.nspname || '.' || c.relname = ANY(%s) AND strpos(%s, c.relkind::text) > 0",
        [list(keys), kinds],
    )
    return {key for (key,) in cursor.fetchall()}


def refuse_others(cursor: Cursor, place: str, keys: Iterable[str], held: Collection[str]) -> None:
    """Stop where a name is taken by a table that this product did not make.

    Raises:
        PostgresError: names the first.
    """
    taken = sorted(existing(cursor, keys) - set(held))
    if taken:
        more = f" and {len(taken) - 1} more" if len(taken) > 1 else ""
        found = f"{taken[0]}{more} is there and was not made by csp-pipeline"
        raise PostgresError(place, found, "give csp-pipeline a database of its own, or rename what is there")


def make_schemas(cursor: Cursor, schemas: Iterable[str]) -> None:
    """Make the schemas that are missing, and the record."""
    wanted = sorted({*schemas, "meta"})
    cursor.execute("SELECT nspname FROM pg_namespace WHERE nspname = ANY(%s)", [wanted])
    there = {name for (name,) in cursor.fetchall()}
    for schema in wanted:
        if schema not in there:
            cursor.execute(f'CREATE SCHEMA "{schema}"')
    cursor.execute(_RECORD_DDL)


def drop_former(cursor: Cursor, former: Iterable[str]) -> None:
    """Drop tables that this product made and publishes no more; the database refuses where something depends on one."""
    cursor.execute(
        f"SELECT format('DROP TABLE %%I.%%I', schema_name, table_name) FROM {RECORD} "
        "WHERE schema_name || '.' || table_name = ANY(%s)",
        [list(former)],
    )
    for (statement,) in cursor.fetchall():
        cursor.execute(statement)


def shape(cursor: Cursor, table: Table, held: Held) -> bool:
    """Give a table its columns.

    Columns that others added stay. One of another type is dropped and added, which rewrites no row that a reader sees.

    Returns:
        Whether anything was changed, so that every row has to be written anew.
    """
    wanted = {column.name: postgres_type(column.type) for column in table.columns}
    cursor.execute(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
        "WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped",
        [table.key],
    )
    there = dict(cursor.fetchall())
    if not there:
        columns = ", ".join(f'"{name}" {type_}' for name, type_ in wanted.items())
        cursor.execute(f"CREATE TABLE {table.key} ({columns})")
        return True
    wrong = [
        name for name, type_ in there.items() if (name in wanted or name in held.columns) and wanted.get(name) != type_
    ]
    missing = [name for name, type_ in wanted.items() if there.get(name) != type_]
    actions = [f'DROP COLUMN "{name}"' for name in wrong] + [f'ADD COLUMN "{name}" {wanted[name]}' for name in missing]
    if actions:
        cursor.execute(f"ALTER TABLE {table.key} {', '.join(actions)}")
    return bool(actions)


def comments_of(table: Table) -> dict[str, str]:
    """What the data dictionary says, by the object it is said of."""
    comments = {f"TABLE {table.key}": f"{table.description.rstrip('.')}. Grain: {table.grain}."}
    for column in table.columns:
        unit = f" ({column.unit})" if column.unit else ""
        comments[f'COLUMN {table.key}."{column.name}"'] = f"{column.description}{unit}"
    return comments


def comments_hash(table: Table) -> str:
    """Changes when a comment does."""
    return hashlib.sha256(json.dumps(comments_of(table)).encode()).hexdigest()


def comment(cursor: Cursor, table: Table) -> None:
    """Set the comments of a table and its columns."""
    statements = [
        cursor.mogrify(f"COMMENT ON {subject} IS %s", [said]).decode() for subject, said in comments_of(table).items()
    ]
    cursor.execute("; ".join(statements))


def keep(cursor: Cursor, table: Table, run_id: str, rows: int, parts: Mapping[str, str]) -> None:
    """Write down what a table holds now."""
    cursor.execute(f"DELETE FROM {RECORD} WHERE schema_name = %s AND table_name = %s", [table.schema, table.name])
    columns = json.dumps([column.name for column in table.columns])
    cursor.execute(
        f"INSERT INTO {RECORD} VALUES (%s, %s, %s, %s, %s, %s, %s)",
        [table.schema, table.name, run_id, rows, columns, comments_hash(table), json.dumps(parts)],
    )


def forget(cursor: Cursor, keys: Iterable[str]) -> None:
    """Take tables that are no more out of the record."""
    cursor.execute(f"DELETE FROM {RECORD} WHERE NOT schema_name || '.' || table_name = ANY(%s)", [list(keys)])
