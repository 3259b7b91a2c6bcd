"""Holds a PostgreSQL database against the published DuckDB copy, row by row, by the values that a reader gets."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import duckdb

from csp_pipeline.models.catalogue import load_catalogue

if TYPE_CHECKING:
    from collections.abc import Iterable

    from csp_pipeline.storage.home import Home
    from csp_pipeline_tests.postgres_server import Database

Rows = dict[str, "Counter[tuple[Any, ...]]"]


def rows_of(database: Database, tables: Iterable[str]) -> Rows:
    """How often each row of some published tables is in PostgreSQL."""
    with database.server.connected(database.name) as ask:
        return {key: Counter(ask(f"SELECT {_columns(key)} FROM {key}")) for key in tables}


def differing_tables(home: Home, database: Database) -> list[str]:
    """The tables of the published copy whose rows are not the same in both, or whose decimals have another scale."""
    with duckdb.connect(str(home.published), read_only=True) as connection:
        named = connection.execute("SELECT schema_name || '.' || table_name FROM meta.tables").fetchall()
        there = rows_of(database, [key for (key,) in named])
        return [
            key
            for key, found in there.items()
            if _with_scale(connection.execute(f"SELECT {_columns(key)} FROM {key}").fetchall()) != _with_scale(found)
        ]


def _with_scale(rows: Iterable[tuple[Any, ...]]) -> Counter[tuple[str, ...]]:
    """Rows with their numbers as text: 1.0 and 1.00 are equal to Python, and an integer may come as a decimal."""
    elements = rows.elements() if isinstance(rows, Counter) else rows
    return Counter(tuple(str(one) if isinstance(one, int | Decimal) else repr(one) for one in row) for row in elements)


def _columns(key: str) -> str:
    return ", ".join(f'"{name}"' for name in load_catalogue()[key].column_names)
