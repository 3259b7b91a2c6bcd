"""The catalogue of files: what was landed when, what was staged of it, and which version of each document counts.

What belongs here: `meta.files`, `meta.file_invoices` and `meta.quarantine`, made from manifests, sidecars and
quarantine lists alone, so that a rebuild gives the same rows; and the temporary views over the Parquet files concerned.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

import pyarrow as pa

from csp_pipeline.formats.recognition import FORMATS
from csp_pipeline.models.catalogue import load_catalogue
from csp_pipeline.storage.landing import read_scans
from csp_pipeline.storage.staging import parquet_path, quarantine_path, read_sidecars
from csp_pipeline.storage.warehouse import replace_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import duckdb

    from csp_pipeline.formats.columns import WireFormat
    from csp_pipeline.storage.home import Home
    from csp_pipeline.storage.landing import LandedFile, Scan

SQL_TYPES = {
    "text": "VARCHAR",
    "id": "VARCHAR",
    "decimal": "DECIMAL(38,18)",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "boolean": "BOOLEAN",
}
_SNAPSHOTS = ("customers", "subscriptions", "agreements")
_AMOUNTS = ("amount_file", "amount_staged", "amount_quarantined", "tax_staged", "total_staged")
_ARROW = {
    "VARCHAR": pa.string(),
    "BIGINT": pa.int64(),
    "TIMESTAMP": pa.timestamp("us"),
    "BOOLEAN": pa.bool_(),
    "DECIMAL(38,18)": pa.decimal128(38, 18),
}


def load_file_catalogue(connection: duckdb.DuckDBPyConnection, home: Home) -> None:
    """Replace `meta.files`, `meta.file_invoices` and `meta.quarantine` by what lies on the disk.

    Args:
        connection: a connection from `warehouse.writing`.
        home: the folders.
    """
    sidecars = read_sidecars(home)
    listed = list(_first_listed(read_scans(home)))
    files = [_file_row(scan, file, sidecars.get(file.sha256)) for scan, file in listed]
    held = [(scan, sidecars[file.sha256]) for scan, file in listed if file.sha256 in sidecars]
    _replace(connection, "meta.files", files)
    _replace(connection, "meta.file_invoices", _with_current(list(_invoice_rows(held))))
    _load_quarantine(connection, [(sidecar, _quarantine_of(home, sidecar)) for _, sidecar in held])


def create_staged_views(
    connection: duckdb.DuckDBPyConnection, home: Home, billing_month: str | None = None, currency: str | None = None
) -> None:
    """Make the temporary views `staged_<kind>` over the Parquet files that count.

    The views of reconciliation and usage hold the rows of the invoices of one month and currency (as `cost.invoices`
    says) or of all; a month's view reads that month's files only. A kind without files gives a typed, empty view.

    Args:
        connection: a connection from `warehouse.writing`, after `load_file_catalogue`.
        home: the folders.
        billing_month: `YYYY-MM`, or None for all.
        currency: ISO 4217, or None for all.
    """
    for wire_format in FORMATS.values():
        if wire_format.invoice is None:
            select = _accumulated(connection, home, wire_format)
        elif wire_format.kind == "invoice_headers":
            select = _current_headers(connection, home, wire_format)
        else:
            select = _of_invoices(connection, home, wire_format, billing_month, currency)
        connection.execute(f"CREATE OR REPLACE TEMP VIEW staged_{wire_format.kind} AS {select}")


def _first_listed(scans: Iterable[Scan]) -> Iterable[tuple[Scan, LandedFile]]:
    """Each content once, at the scan that found it first."""
    seen: set[str] = set()
    for scan in scans:
        for file in scan.files:
            if file.sha256 not in seen:
                seen.add(file.sha256)
                yield scan, file


def _file_row(scan: Scan, file: LandedFile, sidecar: Mapping[str, object] | None) -> dict[str, object]:
    known = {} if sidecar is None else {**sidecar, "status": "staged"}
    return {
        "kind": file.kind,
        "status": file.status,
        "message": file.message,
        **known,
        "file_sha256": file.sha256,
        "source_file": file.name,
        "scan_number": scan.number,
        "scanned_at": scan.scanned_at,
        "size_bytes": file.size,
    }


def _invoice_rows(held: Iterable[tuple[Scan, Mapping[str, object]]]) -> Iterable[dict[str, object]]:
    for scan, sidecar in held:
        invoices = sidecar["invoices"]
        for invoice in invoices if isinstance(invoices, list) else ():
            amounts = {name: Decimal(invoice[name]) for name in _AMOUNTS}
            yield {**sidecar, **invoice, **amounts, "scan_number": scan.number, "scanned_at": scan.scanned_at}


def _with_current(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """Mark the version that counts: a file of a later scan supersedes, files of one scan are parts of one version."""
    latest: dict[tuple[object, str], int] = {}
    for row in rows:
        key = (row["kind"], str(row["invoice_number"]).upper())
        latest[key] = max(latest.get(key, 0), int(str(row["scan_number"])))
    return [
        {**row, "is_current": latest[row["kind"], str(row["invoice_number"]).upper()] == row["scan_number"]}
        for row in rows
    ]


def _replace(connection: duckdb.DuckDBPyConnection, key: str, rows: Sequence[Mapping[str, object]]) -> None:
    table = load_catalogue()[key]
    schema = pa.schema([(column.name, _ARROW[column.type]) for column in table.columns])
    connection.register("catalogue_rows", pa.Table.from_pylist([dict(row) for row in rows], schema=schema))
    replace_rows(connection, table, "SELECT * FROM catalogue_rows")
    connection.unregister("catalogue_rows")


def _quarantine_of(home: Home, sidecar: Mapping[str, object]) -> Path:
    return quarantine_path(home, str(sidecar["file_sha256"]))


def _load_quarantine(connection: duckdb.DuckDBPyConnection, lists: Sequence[tuple[Mapping[str, object], Path]]) -> None:
    parts = [
        f"SELECT {_literal(sidecar['file_sha256'])} AS file_sha256, {_literal(sidecar['kind'])} AS kind, listed.* "
        f"REPLACE (CAST(source_row AS BIGINT) AS source_row) FROM read_csv({_literal(path)}, header = TRUE, "
        "all_varchar = TRUE, delim = ',', quote = '\"', escape = '\"', max_line_size = 16000000) AS listed"
        for sidecar, path in lists
        if path.is_file()
    ]
    empty = "SELECT NULL AS file_sha256 WHERE FALSE"
    replace_rows(connection, load_catalogue()["meta.quarantine"], " UNION ALL BY NAME ".join(parts) or empty)


def _literal(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"


def _list(paths: Iterable[Path]) -> str:
    return "[" + ", ".join(_literal(path) for path in sorted(paths)) + "]"


def _columns(wire_format: WireFormat) -> str:
    return ", ".join(
        [*(f'"{column.name}"' for column in wire_format.columns), "source_file", "file_sha256", "source_row"]
    )


def _empty(wire_format: WireFormat, *more: tuple[str, str]) -> str:
    typed = [(column.name, SQL_TYPES[column.type]) for column in wire_format.columns]
    typed += [("source_file", "VARCHAR"), ("file_sha256", "VARCHAR"), ("source_row", "BIGINT"), *more]
    return "SELECT " + ", ".join(f'CAST(NULL AS {kind}) AS "{name}"' for name, kind in typed) + " WHERE FALSE"


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The files of a kind that hold wanted invoices: those wanted whole, and those wanted in part."""

    whole: tuple[str, ...]
    partly: Mapping[str, tuple[str, ...]]


def _of_invoices(
    connection: duckdb.DuckDBPyConnection,
    home: Home,
    wire_format: WireFormat,
    billing_month: str | None,
    currency: str | None,
) -> str:
    chosen = _choose(connection, wire_format.kind, billing_month, currency)
    columns = _columns(wire_format)
    parts = []
    if chosen.whole:
        paths = [parquet_path(home, wire_format.kind, sha256) for sha256 in chosen.whole]
        parts.append(f"SELECT {columns} FROM read_parquet({_list(paths)})")
    for sha256, invoices in chosen.partly.items():
        path = parquet_path(home, wire_format.kind, sha256)
        wanted = ", ".join(_literal(invoice) for invoice in invoices)
        parts.append(f"SELECT {columns} FROM read_parquet({_list([path])}) WHERE {wire_format.invoice} IN ({wanted})")
    return " UNION ALL ".join(parts) or _empty(wire_format)


def _choose(
    connection: duckdb.DuckDBPyConnection, kind: str, billing_month: str | None, currency: str | None
) -> _Chosen:
    wanted = "TRUE"
    parameters: dict[str, object] = {"kind": kind}
    if billing_month is not None or currency is not None:
        wanted = """upper(invoice_number) IN (
            SELECT upper(invoice_number) FROM cost.invoices
            WHERE ($month IS NULL OR billing_month = $month) AND ($currency IS NULL OR currency = $currency))"""
        parameters |= {"month": billing_month, "currency": currency}
    found = connection.execute(
        f"SELECT file_sha256, bool_and(is_current AND {wanted}), "
        f"list(invoice_number ORDER BY invoice_number) FILTER (WHERE is_current AND {wanted}) "
        "FROM meta.file_invoices WHERE kind = $kind AND rows_staged > 0 GROUP BY file_sha256 ORDER BY file_sha256",
        parameters,
    ).fetchall()
    return _Chosen(
        tuple(sha256 for sha256, is_whole, _ in found if is_whole),
        {sha256: tuple(invoices) for sha256, is_whole, invoices in found if invoices and not is_whole},
    )


def _current_headers(connection: duckdb.DuckDBPyConnection, home: Home, wire_format: WireFormat) -> str:
    """A header as the latest scan has it; repeated within a scan (once alone, once as an amendment) it counts once."""
    chosen = _choose(connection, wire_format.kind, None, None)
    found = [parquet_path(home, wire_format.kind, sha256) for sha256 in (*chosen.whole, *chosen.partly)]
    if not found:
        return _empty(wire_format)
    return f"""
        SELECT {", ".join("staged." + name for name in _columns(wire_format).split(", "))}
        FROM read_parquet({_list(found)}) AS staged
        INNER JOIN meta.file_invoices AS held
            ON held.kind = 'invoice_headers' AND held.file_sha256 = staged.file_sha256
            AND held.invoice_number = staged.invoice_number AND held.is_current
        QUALIFY row_number() OVER (
            PARTITION BY upper(staged.invoice_number)
            ORDER BY staged.source_file, staged.file_sha256, staged.source_row) = 1"""


def _accumulated(connection: duckdb.DuckDBPyConnection, home: Home, wire_format: WireFormat) -> str:
    """All files of a kind that has no versions; a change sent again under its id counts as it was sent last."""
    is_snapshot = wire_format.kind in _SNAPSHOTS
    more = [("scan_number", "BIGINT"), *([("snapshot_on", "DATE")] if is_snapshot else [])]
    staged = connection.execute(
        "SELECT file_sha256 FROM meta.files WHERE kind = ? AND status = 'staged' AND rows_staged > 0",
        [wire_format.kind],
    ).fetchall()
    if not staged:
        return _empty(wire_format, *more)
    paths = [parquet_path(home, wire_format.kind, sha256) for (sha256,) in staged]
    snapshot = ", CAST(files.scanned_at AS DATE) AS snapshot_on" if is_snapshot else ""
    latest = (
        "QUALIFY change_id IS NULL OR files.scan_number = max(files.scan_number) OVER (PARTITION BY change_id)"
        if wire_format.kind == "subscription_changes"
        else ""
    )
    return f"""
        SELECT {", ".join("staged." + name for name in _columns(wire_format).split(", "))}, files.scan_number {snapshot}
        FROM read_parquet({_list(paths)}) AS staged
        INNER JOIN meta.files AS files ON files.file_sha256 = staged.file_sha256
        {latest}"""
