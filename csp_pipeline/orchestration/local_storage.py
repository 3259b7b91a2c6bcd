"""Dagster's SQLite storages with one SQLAlchemy engine each, instead of a new one for every connection.

A run asks for thousands of connections; making an engine costs more than the query it is made for, and the last
connection that closes empties the write-ahead log onto the disk. What belongs here is how connections are opened; what
is stored stays Dagster's. `dagster.yaml` names these classes.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

import sqlalchemy
from dagster._core.storage.event_log import ConsolidatedSqliteEventLogStorage
from dagster._core.storage.runs import SqliteRunStorage
from sqlalchemy.pool import QueuePool

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from sqlite3 import Connection as SqliteConnection
    from typing import Self

    from dagster._serdes import ConfigurableClassData

_BUSY_TIMEOUT_SECONDS = 30


def _engine(url: str) -> sqlalchemy.Engine:
    """An engine that keeps a connection open until it is disposed of, and leaves flushing to the log's checkpoints.

    A power cut may lose the last events of the log of runs; it loses no file and no amount.
    """
    engine = sqlalchemy.create_engine(
        url, poolclass=QueuePool, pool_size=1, max_overflow=-1, connect_args={"timeout": _BUSY_TIMEOUT_SECONDS}
    )

    @sqlalchemy.event.listens_for(engine, "connect")
    def _relax(connection: SqliteConnection, _record: object) -> None:
        connection.execute("PRAGMA synchronous=NORMAL")

    return engine


class EventLog(ConsolidatedSqliteEventLogStorage):
    """All runs' events in one SQLite file."""

    @cached_property
    def _engine(self) -> sqlalchemy.Engine:
        return _engine(self._conn_string)

    @contextmanager
    def _connect(self) -> Iterator[sqlalchemy.Connection]:
        with self._engine.begin() as connection:
            yield connection

    @cached_property
    def _tables_seen(self) -> set[str]:
        return set()

    def has_table(self, table_name: str) -> bool:
        """Whether a table exists; one that was seen once is not asked for with every event."""
        if table_name not in self._tables_seen and super().has_table(table_name):
            self._tables_seen.add(table_name)
        return table_name in self._tables_seen

    def dispose(self) -> None:
        """Close what is open."""
        self._engine.dispose()
        super().dispose()  # type: ignore[no-untyped-call]  # Dagster's own has no types


class RunStorage(SqliteRunStorage):
    """The list of runs in one SQLite file."""

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, str]) -> Self:  # type: ignore[override]  # Dagster's own override is narrower than its base
        """What `dagster.yaml` asks for; Dagster's own answers with its own class whatever class is named."""
        return cls.from_local(base_dir=config_value["base_dir"], inst_data=inst_data)

    @cached_property
    def _engine(self) -> sqlalchemy.Engine:
        return _engine(self._conn_string)

    @contextmanager
    def connect(self) -> Iterator[sqlalchemy.Connection]:
        """A connection in a transaction that ends with the block."""
        with self._engine.begin() as connection:
            yield connection

    def dispose(self) -> None:
        """Close what is open."""
        self._engine.dispose()
        super().dispose()
