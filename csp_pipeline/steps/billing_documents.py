"""Writing documents into `billing`: issued ones as the ledger has them, drafts as they were made, and what was paid.

What belongs here: rows. What a document says is decided in `domain/documents` and `domain/issuing`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from csp_pipeline.domain.calendar import ONE_DAY
from csp_pipeline.domain.issuing import REVERSE_CHARGE_NOTE
from csp_pipeline.domain.payments import Payment, Settlement, settle
from csp_pipeline.domain.posting import posting_month
from csp_pipeline.errors import CspError
from csp_pipeline.models.catalogue import load_catalogue
from csp_pipeline.storage.warehouse import replace_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import duckdb

    from csp_pipeline.domain.documents import Document
    from csp_pipeline.domain.issued import Issued, IssuedDocument

_ARROW_TYPES = {
    "VARCHAR": pa.string(),
    "BIGINT": pa.int64(),
    "INTEGER": pa.int32(),
    "BOOLEAN": pa.bool_(),
    "DATE": pa.date32(),
    "DECIMAL(38,10)": pa.decimal128(38, 10),
    "DECIMAL(38,18)": pa.decimal128(38, 18),
    "DECIMAL(18,4)": pa.decimal128(18, 4),
}


def write_documents(
    con: duckdb.DuckDBPyConnection,
    drafts: Sequence[Document],
    issued: Issued,
    settlements: Mapping[str, Settlement],
    months: Iterable[str],
) -> tuple[dict[str, int], dict[str, int]]:
    """Replace the documents of some months: those issued, byte for byte, and the drafts.

    Args:
        con: a connection from `writing`.
        drafts: of any months.
        issued: of any months.
        settlements: what is paid, by number of the issued document.
        months: billing months to replace.

    Returns:
        Documents and lines written, by month.
    """
    invoices, lines = {}, {}
    for month in sorted(set(months)):
        there = [document for document in issued.documents if document.billing_month == month]
        drafted = [document for document in drafts if document.billing_month == month]
        rows = [_issued_row(document, settlements[document.invoice_number]) for document in there]
        invoices[month] = write_rows(con, "invoices", [*rows, *map(_draft_row, drafted)], month)
        lines[month] = write_rows(con, "invoice_lines", [*_issued_lines(there), *_draft_lines(drafted)], month)
    return invoices, lines


def write_drafted_months(
    con: duckdb.DuckDBPyConnection, drafts: Sequence[Document], issued: Issued, months: Iterable[str]
) -> None:
    """Note which months are drafted, before their documents are written: a killed run is then done again for them.

    A month after the last one may hold corrections; that does not make it drafted.
    """
    for month in sorted(set(months)):
        counts = [sum(one.billing_month == month for one in documents) for documents in (issued.documents, drafts)]
        write_rows(con, "drafted_months", [(month, *counts)], month)


def require_whole_ledger(con: duckdb.DuckDBPyConnection, issued: Issued) -> None:
    """Stop where the warehouse knows an issued document that the ledger does not have.

    Raises:
        CspError: batches were lost, or another ledger lies in the folder.
    """
    known = con.execute("SELECT invoice_number FROM billing.invoices WHERE state <> 'draft' ORDER BY 1").fetchall()
    lost = [number for (number,) in known if number not in issued.by_number]
    if lost:
        raise CspError(
            f"{len(lost)} documents that were issued, the first is {lost[0]}, are not in the ledger any more; restore "
            "the folder ledger/ from a backup. Nothing was drafted, as they would be billed again."
        )


def read_settlements(
    con: duckdb.DuckDBPyConnection, issued: Issued
) -> tuple[dict[str, Settlement], list[tuple[str, str]]]:
    """What is paid on each issued document, by number, and (account_id, sentence) for what does not fit."""
    payments = [
        Payment(*row)
        for row in con.execute(
            """
            SELECT payment_id, account_id, invoice_number, coalesce(amount, 0), currency
            FROM reference.payments
            WHERE payment_id IS NOT NULL
            """
        ).fetchall()
    ]
    settlements, told = settle(issued, payments)
    return settlements, [(subject.account_id, sentence) for subject, sentence in told]


def write_rows(
    con: duckdb.DuckDBPyConnection, name: str, rows: Iterable[tuple[Any, ...]], month: str | None = None
) -> int:
    """Replace a table of `billing`, or a month of it; rows hold the columns in the catalogue's order."""
    table = load_catalogue()[f"billing.{name}"]
    columns = {column.name: _ARROW_TYPES[column.type] for column in table.columns}
    con.register("drafted_rows", as_columns(columns, list(rows)))
    where = {table.month_column: month} if month is not None else None
    written = replace_rows(con, table, "SELECT * FROM drafted_rows", where=where)
    con.unregister("drafted_rows")
    return written


def as_columns(columns: dict[str, pa.DataType], rows: list[tuple[Any, ...]]) -> pa.Table:
    """Rows as an Arrow table with these columns."""
    values = zip(*rows, strict=True) if rows else [()] * len(columns)
    return pa.table(
        {name: pa.array(cells, type_) for (name, type_), cells in zip(columns.items(), values, strict=True)}
    )


def _draft_row(document: Document) -> tuple[Any, ...]:
    gross = document.gross_amount
    return (
        document.invoice_id,
        None,
        document.account_id,
        document.billing_month,
        None,
        None,
        posting_month(document.billing_month),
        document.corrects_invoice_number,
        document.currency,
        document.net_amount,
        document.tax_amount,
        gross,
        0,
        gross,
        document.is_estimate,
        "draft",
        document.document_type,
        document.content_sha256,
        REVERSE_CHARGE_NOTE if document.payer.is_reverse_charged else None,
    )


def _issued_row(document: IssuedDocument, settlement: Settlement) -> tuple[Any, ...]:
    return (
        document.invoice_id,
        document.invoice_number,
        document.account_id,
        document.billing_month,
        document.issued_on,
        document.due_on,
        document.posting_month,
        document.corrects_invoice_number,
        document.currency,
        document.net_amount,
        document.tax_amount,
        document.gross_amount,
        settlement.paid_amount,
        settlement.balance_amount,
        False,
        settlement.state,
        document.document_type,
        document.content_sha256,
        document.tax_note or None,
    )


def _draft_lines(documents: Iterable[Document]) -> Iterator[tuple[Any, ...]]:
    for document in documents:
        for number, (line, percent) in enumerate(zip(document.lines, document.tax_percents, strict=True), 1):
            yield (
                document.invoice_id,
                number,
                line.account_id,
                line.contract_line_id,
                line.customer_id,
                line.subscription_id,
                line.charge_kind,
                line.description,
                line.service_start,
                line.service_end - ONE_DAY,
                line.quantity,
                line.unit_price,
                line.net_amount,
                line.tax_category,
                percent,
                line.currency,
                line.is_estimate,
                line.billing_month,
                line.charge.invoice_month,
                line.charge.stated_kind if line.charge.is_correction else None,
                line.corrects_invoice_number,
            )


def _issued_lines(documents: Iterable[IssuedDocument]) -> Iterator[tuple[Any, ...]]:
    for document in documents:
        for number, line in enumerate(document.lines, 1):
            charge = line.charge
            yield (
                document.invoice_id,
                number,
                document.account_id,
                line.contract_line_id,
                line.customer_id,
                line.subscription_id,
                line.charge_kind,
                line.description,
                charge.start,
                charge.end - ONE_DAY,
                charge.quantity,
                charge.unit_price,
                charge.net_amount,
                line.tax_category,
                line.tax_percent,
                document.currency,
                False,
                document.billing_month,
                charge.invoice_month,
                charge.stated_kind if charge.is_correction else None,
                line.corrects_invoice_number,
            )
