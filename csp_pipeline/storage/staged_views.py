"""Views over what is staged: one per kind, holding the rows of the versions that count.

What belongs here: the temporary views `staged_<kind>` over the Parquet files concerned. Which files count is decided in
`versions` and `open_months`, and written down by `file_catalogue`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from csp_pipeline.formats import distributor
from csp_pipeline.formats.open_month import BILLED_OF, OPEN_OF
from csp_pipeline.formats.recognition import FORMATS
from csp_pipeline.storage.sql_text import literal, path_list
from csp_pipeline.storage.staging import parquet_path
from csp_pipeline.storage.version_views import create_version_views

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import duckdb

    from csp_pipeline.formats.columns import WireFormat
    from csp_pipeline.storage.home import Home

SQL_TYPES = {
    "text": "VARCHAR",
    "id": "VARCHAR",
    "decimal": "DECIMAL(38,18)",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "boolean": "BOOLEAN",
}
CHANGES = "subscription_changes"
SNAPSHOTS = tuple(kind for kind, wire_format in FORMATS.items() if wire_format.invoice is None and kind != CHANGES)
"""The kinds that tell the state of a day, or the events of one."""


def create_staged_views(
    connection: duckdb.DuckDBPyConnection, home: Home, billing_month: str | None = None, currency: str | None = None
) -> None:
    """Make the temporary views `staged_<kind>` over the Parquet files that count.

    The views of reconciliation and usage hold the rows of the invoices of one month and currency (as `cost.invoices`
    says), with those that a derived one reverses, or of all, those of the open kinds the rows of the open months; a
    month's view reads that month's files only.
    `staged_latest_<open kind>` keeps what an open month held last when it is billed; `version_views` adds what earlier
    versions of documents held.
    Snapshots stand under each day they were seen on. A kind without files gives a typed, empty view.

    Args:
        connection: a connection from `warehouse.writing`, after `load_file_catalogue`.
        home: the folders.
        billing_month: `YYYY-MM`, or None for all.
        currency: ISO 4217, or None for all.
    """
    for wire_format in (*FORMATS.values(), *OPEN_OF.values()):
        if wire_format.kind in BILLED_OF:
            latest = _open_files(connection, wire_format.kind, billing_month, currency)
            select = _open_rows(home, wire_format, [one for one in latest if one[3]])
            last_held = _open_rows(home, wire_format, latest)
            connection.execute(f"CREATE OR REPLACE TEMP VIEW staged_latest_{wire_format.kind} AS {last_held}")
        elif wire_format.kind == CHANGES:
            select = _changes(connection, home, wire_format)
        elif wire_format.kind in SNAPSHOTS:
            select = _snapshots(connection, home, wire_format)
        elif wire_format.kind == "invoice_headers":
            select = _current_headers(connection, home, wire_format)
        elif wire_format.unnamed:
            select = _of_named_invoices(connection, home, wire_format, billing_month, currency)
        else:
            select = _of_invoices(connection, home, wire_format, billing_month, currency)
        connection.execute(f"CREATE OR REPLACE TEMP VIEW staged_{wire_format.kind} AS {select}")
    distributed = _of_distributors(connection, home, billing_month, currency)
    connection.execute(f"CREATE OR REPLACE TEMP VIEW staged_{distributor.FORMAT.kind} AS {distributed}")
    create_version_views(connection, home, billing_month, currency)


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
        parts.append(f"SELECT {columns} FROM read_parquet({path_list(paths)})")
    for sha256, invoices in chosen.partly.items():
        path = parquet_path(home, wire_format.kind, sha256)
        wanted = ", ".join(literal(invoice) for invoice in invoices)
        parts.append(
            f"SELECT {columns} FROM read_parquet({path_list([path])}) WHERE {wire_format.invoice} IN ({wanted})"
        )
    return " UNION ALL ".join(parts) or _empty(wire_format)


def _of_named_invoices(
    connection: duckdb.DuckDBPyConnection,
    home: Home,
    wire_format: WireFormat,
    billing_month: str | None,
    currency: str | None,
) -> str:
    """The same for rows that need not name their document: under the number that the catalogue of files has for it."""
    chosen = _choose(connection, wire_format.kind, billing_month, currency)
    found = {*chosen.whole, *chosen.partly}
    if not found:
        return _empty(wire_format)
    paths = path_list([parquet_path(home, wire_format.kind, sha256) for sha256 in found])
    limits = [
        f"cost.invoices.{name} = {literal(value)}"
        for name, value in (("billing_month", billing_month), ("currency", currency))
        if value is not None
    ]
    wanted = f"""
        WHERE EXISTS (
            FROM cost.invoices
            WHERE
                upper(held.invoice_number) IN (upper(invoices.invoice_number), upper(invoices.reverses_invoice_number))
                AND {" AND ".join(limits)})"""
    return f"""
        SELECT staged.* REPLACE (held.invoice_number AS invoice_number)
        FROM (SELECT {_columns(wire_format)} FROM read_parquet({paths})) AS staged
        INNER JOIN meta.file_invoices AS held
            ON held.kind = {literal(wire_format.kind)} AND held.is_current AND held.file_sha256 = staged.file_sha256
            AND coalesce(held.number_in_rows, held.invoice_number) = staged.invoice_number
        {wanted if limits else ""}"""


def _of_distributors(
    connection: duckdb.DuckDBPyConnection, home: Home, billing_month: str | None, currency: str | None
) -> str:
    """The rows of every distributor's invoices, with the name of the provider."""
    kinds = connection.execute(
        "SELECT DISTINCT kind FROM meta.file_invoices WHERE starts_with(kind, ?) ORDER BY kind", [distributor.PREFIX]
    ).fetchall()
    parts = [
        f"SELECT *, {literal(distributor.provider_of(kind))} AS provider FROM "
        f"({_of_invoices(connection, home, replace(distributor.FORMAT, kind=kind), billing_month, currency)})"
        for (kind,) in kinds
    ]
    return " UNION ALL ".join(parts) or _empty(distributor.FORMAT, ("provider", "VARCHAR"))


def _choose(
    connection: duckdb.DuckDBPyConnection, kind: str, billing_month: str | None, currency: str | None
) -> _Chosen:
    wanted = "TRUE"
    parameters: dict[str, object] = {"kind": kind}
    if billing_month is not None or currency is not None:
        wanted = """upper(invoice_number) IN (
            SELECT upper(unnest([invoice_number, reverses_invoice_number])) FROM cost.invoices
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
    """A header as its latest date has it; repeated within a scan (once alone, once as an amendment) it counts once."""
    chosen = _choose(connection, wire_format.kind, None, None)
    found = [parquet_path(home, wire_format.kind, sha256) for sha256 in (*chosen.whole, *chosen.partly)]
    if not found:
        return _empty(wire_format)
    return f"""
        SELECT {_prefixed(wire_format)}
        FROM read_parquet({path_list(found)}) AS staged
        INNER JOIN meta.file_invoices AS held
            ON held.kind = 'invoice_headers' AND held.file_sha256 = staged.file_sha256
            AND held.invoice_number = staged.invoice_number AND held.is_current
        QUALIFY row_number() OVER (
            PARTITION BY upper(staged.invoice_number)
            ORDER BY
                staged.invoice_date DESC NULLS LAST, staged.source_file, staged.file_sha256, staged.source_row) = 1"""


def _open_files(
    connection: duckdb.DuckDBPyConnection, kind: str, billing_month: str | None, currency: str | None
) -> list[tuple[str, str, str, bool]]:
    """The latest files of open months: SHA-256, month, currency, and whether they count."""
    return connection.execute(
        """
        SELECT file_sha256, billing_month, currency, is_current
        FROM meta.open_month_files
        WHERE
            kind = $kind AND is_latest AND rows_staged > 0
            AND ($month IS NULL OR billing_month = $month) AND ($currency IS NULL OR currency = $currency)
        ORDER BY ALL
        """,
        {"kind": kind, "month": billing_month, "currency": currency},
    ).fetchall()


def _open_rows(home: Home, wire_format: WireFormat, files: Iterable[tuple[str, str, str, bool]]) -> str:
    """The rows of files of open months, each with the month it is billed in."""
    found = [one[:3] for one in files]
    if not found:
        return _empty(wire_format, ("billing_month", "VARCHAR"))
    paths = {parquet_path(home, wire_format.kind, sha256) for sha256, _, _ in found}
    chosen = ", ".join("(" + ", ".join(map(literal, one)) + ")" for one in found)
    return f"""
        SELECT {_prefixed(wire_format)}, counted.billing_month
        FROM read_parquet({path_list(paths)}) AS staged
        INNER JOIN (VALUES {chosen}) AS counted (file_sha256, billing_month, currency)
            ON counted.file_sha256 = staged.file_sha256 AND counted.currency = staged.{wire_format.currency}"""


def _snapshots(connection: duckdb.DuckDBPyConnection, home: Home, wire_format: WireFormat) -> str:
    """The rows of every day's snapshot that counts; a file seen on two days gives its rows for each."""
    found = connection.execute(
        """
        SELECT DISTINCT snapshots.file_sha256
        FROM meta.snapshots AS snapshots
        INNER JOIN meta.files AS files ON files.file_sha256 = snapshots.file_sha256
        WHERE snapshots.kind = ? AND snapshots.is_current AND files.rows_staged > 0
        """,
        [wire_format.kind],
    ).fetchall()
    if not found:
        return _empty(wire_format, ("scan_number", "BIGINT"), ("snapshot_on", "DATE"))
    paths = [parquet_path(home, wire_format.kind, sha256) for (sha256,) in found]
    return f"""
        SELECT {_prefixed(wire_format)}, snapshots.scan_number, snapshots.snapshot_on
        FROM read_parquet({path_list(paths)}) AS staged
        INNER JOIN meta.snapshots AS snapshots
            ON snapshots.kind = {literal(wire_format.kind)} AND snapshots.is_current
            AND snapshots.file_sha256 = staged.file_sha256"""


def _changes(connection: duckdb.DuckDBPyConnection, home: Home, wire_format: WireFormat) -> str:
    """All files of the change log; a change sent again under its id counts as it was sent last."""
    found = connection.execute(
        "SELECT file_sha256 FROM meta.files WHERE kind = ? AND status = 'staged' AND rows_staged > 0",
        [wire_format.kind],
    ).fetchall()
    if not found:
        return _empty(wire_format, ("scan_number", "BIGINT"))
    paths = [parquet_path(home, wire_format.kind, sha256) for (sha256,) in found]
    return f"""
        SELECT {_prefixed(wire_format)}, files.scan_number
        FROM read_parquet({path_list(paths)}) AS staged
        INNER JOIN meta.files AS files ON files.file_sha256 = staged.file_sha256
        QUALIFY change_id IS NULL OR files.scan_number = max(files.scan_number) OVER (PARTITION BY change_id)"""


def _prefixed(wire_format: WireFormat) -> str:
    return ", ".join("staged." + name for name in _columns(wire_format).split(", "))
