"""Rows on their way from DuckDB to PostgreSQL: every value as its exact text, in batches, by COPY.

What belongs here: the text of values and the stream. Which rows of which table are sent is decided by
`steps/publish_postgres.py`.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import duckdb

    from csp_pipeline.models.catalogue import Table

BATCH_ROWS = 50_000
_CHUNK = 1 << 18
REPLACEMENT = "chr(65533)"
"""Of the character NUL, which PostgreSQL's text cannot hold."""


class CsvStream:
    """A file that COPY reads: the rows of a query as CSV, in which only NULL is without quotes.

    Attributes:
        rows: how many were handed out.
        failure: why reading stopped, when DuckDB could not go on.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, query: str, parameters: Sequence[object]) -> None:
        self._batches: Iterator[Any] = iter(connection.execute(query, parameters).to_arrow_reader(BATCH_ROWS))
        self._text = memoryview(b"")
        self.rows = 0
        self.failure: BaseException | None = None

    def read(self, size: int = _CHUNK) -> memoryview | bytes:
        """The next bytes; none at the end."""
        try:
            while not self._text:
                self._text = self._next()
        except StopIteration:
            return b""
        except BaseException as error:  # noqa: BLE001  (raised again where COPY ends; psycopg2 would hide it)
            self.failure = error
            raise RuntimeError from None  # its text goes to the server's log
        found, self._text = self._text[:size], self._text[size:]
        return bytes(found)

    def _next(self) -> memoryview:
        from pyarrow import csv  # noqa: PLC0415  (heavy, and only needed with a database)

        batch = next(self._batches)
        sink = io.BytesIO()
        options = csv.WriteOptions(include_header=False, quoting_style="all_valid")
        with csv.CSVWriter(sink, batch.schema, write_options=options) as writer:
            writer.write_batch(batch)
        self.rows += batch.num_rows
        return sink.getbuffer()


def copy_rows(
    source: duckdb.DuckDBPyConnection,
    cursor: Any,  # noqa: ANN401  (psycopg2 has no types)
    table: Table,
    *,
    part: str,
    parts: Sequence[str] | None,
) -> int:
    """Append rows of a table to the table of the same name in PostgreSQL.

    Args:
        source: a connection to the published copy.
        cursor: a cursor of the transaction.
        table: the table in both.
        part: the expression that says which part of the table a row belongs to.
        parts: the parts sent; None is all of them.

    Returns:
        The number of rows.
    """
    values = ", ".join(_as_text(column.name, column.type) for column in table.columns)
    where = "TRUE" if parts is None else f"list_contains(?, {part})"
    query = f"SELECT {values} FROM {table.key} WHERE {where}"
    stream = CsvStream(source, query, [] if parts is None else [list(parts)])
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    try:
        cursor.copy_expert(f"COPY {table.key} ({names}) FROM STDIN (FORMAT csv)", stream, _CHUNK)
    except Exception:
        if stream.failure is not None:
            raise stream.failure from None
        raise
    return stream.rows


def _as_text(name: str, type_: str) -> str:
    if type_ == "VARCHAR":
        return f'replace("{name}", chr(0), {REPLACEMENT}) AS "{name}"'
    return f'CAST("{name}" AS VARCHAR) AS "{name}"'
