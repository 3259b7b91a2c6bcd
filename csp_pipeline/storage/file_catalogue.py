"""The catalogue of files: what was landed when, what was staged of it, and which version of each document counts.

What belongs here: the tables of schema meta that tell of files, made from manifests, sidecars and quarantine lists
alone, so that a rebuild gives the same rows. The rules for versions are in `versions`, `document_versions` and
`open_months`, the views over the files that count in `staged_views`.
"""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING

import pyarrow as pa

from csp_pipeline.formats.open_month import BILLED_OF
from csp_pipeline.models.catalogue import load_catalogue
from csp_pipeline.storage.document_versions import document_version_rows
from csp_pipeline.storage.landing import read_scans
from csp_pipeline.storage.open_months import open_month_rows
from csp_pipeline.storage.quarantine import HEADER, LINE_BYTES
from csp_pipeline.storage.sql_text import path_list
from csp_pipeline.storage.staged_views import SNAPSHOTS, create_staged_views
from csp_pipeline.storage.staging import parquet_path, quarantine_path, read_sidecars
from csp_pipeline.storage.unnamed_documents import Header, name_documents
from csp_pipeline.storage.versions import invoice_rows, listings, snapshot_rows
from csp_pipeline.storage.warehouse import replace_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import duckdb

    from csp_pipeline.storage.home import Home
    from csp_pipeline.storage.landing import LandedFile, Scan
    from csp_pipeline.storage.versions import Listing

__all__ = ["FILE_TABLES", "create_staged_views", "load_file_catalogue"]

FILE_TABLES = (
    "meta.files",
    "meta.file_invoices",
    "meta.document_versions",
    "meta.snapshots",
    "meta.open_month_files",
    "meta.quarantine",
)
"""The tables that `load_file_catalogue` fills."""
_ARROW = {
    "VARCHAR": pa.string(),
    "BIGINT": pa.int64(),
    "DATE": pa.date32(),
    "TIMESTAMP": pa.timestamp("us"),
    "BOOLEAN": pa.bool_(),
    "DECIMAL(38,18)": pa.decimal128(38, 18),
}


def load_file_catalogue(connection: duckdb.DuckDBPyConnection, home: Home) -> None:
    """Replace the tables that tell of files by what lies on the disk.

    Args:
        connection: a connection from `warehouse.writing`.
        home: the folders.
    """
    scans, staged = read_scans(home), read_sidecars(home)
    sidecars = name_documents(staged, lambda: _read_headers(connection, home, list(listings(scans, staged))))
    first = list(_first_listed(scans))
    listed = list(listings(scans, sidecars))
    invoices = invoice_rows(listed)
    billed_of = {kind: billed.kind for kind, billed in BILLED_OF.items()}
    held = [sidecars[file.sha256] for _, file in first if file.sha256 in sidecars]
    _replace(connection, "meta.files", [_file_row(scan, file, sidecars.get(file.sha256)) for scan, file in first])
    _replace(connection, "meta.file_invoices", invoices)
    _replace(connection, "meta.document_versions", document_version_rows(listed))
    _replace(connection, "meta.snapshots", snapshot_rows(listed, SNAPSHOTS))
    _replace(connection, "meta.open_month_files", open_month_rows(listed, billed_of, invoices))
    load_quarantine(connection, [quarantine_path(home, str(sidecar["file_sha256"])) for sidecar in held])


def _read_headers(connection: duckdb.DuckDBPyConnection, home: Home, listed: Sequence[Listing]) -> list[Header]:
    """What the headers that count say, for documents whose lines do not name them."""
    known = ("invoice_headers", "legacy_usage")
    current = [row for row in invoice_rows(one for one in listed if one.kind in known) if row["is_current"]]
    counted = {(str(row["file_sha256"]), str(row["invoice_number"])) for row in current if row["kind"] == known[0]}
    named: dict[str, Decimal] = defaultdict(Decimal)
    for row in current:
        if row["kind"] == known[1]:
            named[str(row["invoice_number"]).upper()] += Decimal(str(row["total_staged"]))
    paths = [str(parquet_path(home, known[0], sha256)) for sha256 in sorted({sha256 for sha256, _ in counted})]
    if not paths:
        return []
    found = connection.execute(
        """
        SELECT DISTINCT
            file_sha256,
            invoice_number,
            currency_code,
            billing_period_start_date,
            billing_period_end_date,
            total_charges
        FROM read_parquet(?)
        ORDER BY ALL
        """,
        [paths],
    ).fetchall()
    return [
        Header(number, currency, start, end, total, named[number.upper()])
        for sha256, number, currency, start, end, total in found
        if (sha256, number) in counted
    ]


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
        "source": file.origin.source if file.origin else "inbox",
        "version": file.origin.version if file.origin else None,
        "scan_number": scan.number,
        "scanned_at": scan.scanned_at,
        "size_bytes": file.size,
    }


def _replace(connection: duckdb.DuckDBPyConnection, key: str, rows: Sequence[Mapping[str, object]]) -> None:
    table = load_catalogue()[key]
    schema = pa.schema([(column.name, _ARROW[column.type]) for column in table.columns])
    decimals = [column.name for column in table.columns if column.type.startswith("DECIMAL")]
    typed = [{**row, **{name: Decimal(str(row[name])) for name in decimals}} for row in rows]
    connection.register("catalogue_rows", pa.Table.from_pylist(typed, schema=schema))
    replace_rows(connection, table, "SELECT * FROM catalogue_rows")
    connection.unregister("catalogue_rows")


def load_quarantine(connection: duckdb.DuckDBPyConnection, lists: Sequence[Path]) -> None:
    """Read all lists in one scan, one buffer after the other, so that many files need no more memory than one."""
    select = "SELECT NULL AS file_sha256 WHERE FALSE"
    if found := [path for path in lists if path.is_file()]:
        select = f"""
            SELECT files.kind, listed.* EXCLUDE (list_path) REPLACE (CAST(source_row AS BIGINT) AS source_row),
                files.file_sha256
            FROM read_csv({path_list(found)}, auto_detect = FALSE, header = TRUE, delim = ',', quote = '"',
                escape = '"', columns = {dict.fromkeys(HEADER, "VARCHAR")}, max_line_size = {LINE_BYTES},
                buffer_size = {16 * LINE_BYTES}, parallel = FALSE, filename = 'list_path') AS listed
            INNER JOIN meta.files AS files ON files.file_sha256 = parse_filename(list_path, TRUE)"""
    replace_rows(connection, load_catalogue()["meta.quarantine"], select)
