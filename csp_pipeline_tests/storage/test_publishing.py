"""The published copy is swapped in one step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb

from csp_pipeline.storage.publishing import swap

if TYPE_CHECKING:
    from pathlib import Path


def _file(path: Path, number: int) -> Path:
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"CREATE OR REPLACE TABLE t AS SELECT {number} AS n")
    return path


def _read(connection: duckdb.DuckDBPyConnection) -> object:
    return connection.execute("SELECT n FROM t").fetchall()


def test_a_reader_with_the_old_copy_open_keeps_reading_it(tmp_path: Path) -> None:
    published = tmp_path / "published" / "csp.duckdb"
    swap(_file(tmp_path / "one.duckdb", 1), published)
    with duckdb.connect(str(published), read_only=True) as reader:
        swap(_file(tmp_path / "two.duckdb", 2), published)
        assert _read(reader) == [(1,)]
    with duckdb.connect(str(published), read_only=True) as reader:
        assert _read(reader) == [(2,)]


def test_a_copy_left_unfinished_is_replaced_and_never_read(tmp_path: Path) -> None:
    published = tmp_path / "published" / "csp.duckdb"
    published.parent.mkdir()
    (published.parent / "csp.duckdb.tmp").write_bytes(b"half of a file")
    swap(_file(tmp_path / "one.duckdb", 1), published)
    assert sorted(path.name for path in published.parent.iterdir()) == ["csp.duckdb"]


def test_the_copy_is_the_file_byte_for_byte(tmp_path: Path) -> None:
    source = _file(tmp_path / "one.duckdb", 1)
    swap(source, tmp_path / "csp.duckdb")
    assert (tmp_path / "csp.duckdb").read_bytes() == source.read_bytes()
