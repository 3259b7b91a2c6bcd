"""Asset specs made from the catalogue: what every table asset has in common.

What belongs here: key, description, column schema, kinds, owner, code version, partitions and the upstream tables named
in a table's SELECT. How a table is filled does not.
"""

from __future__ import annotations

import hashlib
import re
import warnings
from typing import TYPE_CHECKING, TypeAlias

import dagster as dg

from csp_pipeline import __version__
from csp_pipeline.models.catalogue import Table, load_catalogue
from csp_pipeline.orchestration.partitions import partitions_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import duckdb

Materialised: TypeAlias = dg.MaterializeResult[None]

OWNER = "team:finance-data"
WRITER_POOL = "duckdb_writer"
FILES = "meta.files"
_TABLE_NAME = re.compile(r"\b(?:FROM|JOIN)\s+([a-z_]+\.[a-z_]+|staged_[a-z_]+)\b")


def asset_key(table: str) -> dg.AssetKey:
    """The asset key of `schema.table`."""
    return dg.AssetKey(table.split("."))


def _columns(table: Table) -> dg.TableSchema:
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                column.name, column.type, f"{column.description} ({column.unit})" if column.unit else column.description
            )
            for column in table.columns
        ]
    )


def tables_read(select: str) -> set[str]:
    """The catalogue tables that a SELECT reads; the views over staged files count as `meta.files`."""
    known = load_catalogue()
    read = {FILES if name.startswith("staged_") else name for name in _TABLE_NAME.findall(select)}
    return {name for name in read if name in known}


def _dependency(table: Table, upstream: str) -> dg.AssetDep:
    """A table rests on the same partition of tables of its own schema, and on every partition of the others.

    One without partitions rests on every partition of all.
    """
    other = load_catalogue()[upstream]
    partitioned, is_alone = partitions_of(other) is not None, partitions_of(table) is None
    mapping = dg.AllPartitionMapping() if partitioned and (is_alone or other.schema != table.schema) else None
    return dg.AssetDep(asset_key(upstream), partition_mapping=mapping)


def table_spec(key: str, *, group: str, upstream: Iterable[str] = (), filled_from: Iterable[str] = ()) -> dg.AssetSpec:
    """The asset of one catalogue table.

    Args:
        key: `schema.table`.
        group: the group it is shown in.
        upstream: tables it is made from, beside those its SELECT names.
        filled_from: tables it is made from if Python fills it.
    """
    table = load_catalogue()[key]
    select = table.select() or ""
    version = hashlib.sha256(select.encode()).hexdigest()[:12] if select else __version__
    return dg.AssetSpec(
        asset_key(key),
        deps=[
            _dependency(table, name)
            for name in sorted({*upstream, *(tables_read(select) if select else filled_from)} - {key})
        ],
        description=f"{table.description.rstrip('.')}.\n\nGrain: {table.grain}.",
        metadata={"dagster/column_schema": _columns(table), "dagster/table_name": f"csp.{key}"},
        group_name=group,
        code_version=version,
        owners=[OWNER],
        kinds={"duckdb", "sql" if select else "python"},
        partitions_def=partitions_of(table),
    )


def keys_of(schema: str, partition: str | None = None) -> tuple[str, ...]:
    """The catalogue keys of a schema, in its order, or those with one kind of partition."""
    return tuple(
        table.key
        for table in load_catalogue().values()
        if table.schema == schema and partition in {None, table.partition}
    )


def single_run() -> dg.BackfillPolicy:
    """The policy that a range of partitions is made in one run; Dagster still calls it beta."""
    return dg.BackfillPolicy.single_run()


def quiet_beta_warnings() -> warnings.catch_warnings[None]:
    """A context in which Dagster does not warn that backfill policies are beta."""
    return warnings.catch_warnings(action="ignore", category=dg.BetaWarning)


def row_counts(connection: duckdb.DuckDBPyConnection, keys: Sequence[str]) -> dict[str, int]:
    """Rows now in each table."""
    counts = {}
    for key in keys:
        found = connection.execute(f"SELECT count(*) FROM {key}").fetchone()
        counts[key] = int(found[0]) if found else 0
    return counts


def results(counts: Mapping[str, int]) -> list[Materialised]:
    """One materialisation per table, with the rows it has now."""
    return [
        dg.MaterializeResult(asset_key=asset_key(key), metadata={"dagster/row_count": rows})
        for key, rows in counts.items()
    ]


def note_partition_rows(
    context: dg.AssetExecutionContext, connection: duckdb.DuckDBPyConnection, keys: Sequence[str]
) -> None:
    """Put on each partition that was made the rows it has now; one run may make a range of them."""
    made_now = [str(partition) for partition in context.partition_keys]
    for key in keys:
        table = load_catalogue()[key]
        if table.partition == "none":
            continue
        columns = [table.month_column, *(["currency"] if table.partition == "month_currency" else [])]
        partition = " || '|' || ".join(columns)
        rows = dict(connection.execute(f"SELECT {partition}, count(*) FROM {key} GROUP BY ALL").fetchall())
        for made in made_now:
            metadata = {"dagster/partition_row_count": rows.get(made, 0)}
            context.add_asset_metadata(metadata, asset_key=asset_key(key), partition_key=made)
