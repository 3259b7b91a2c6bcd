"""Periods: which months are closed, in which month each line counts, what was posted when one was closed.

What belongs here: closed months from the ledger, the posting month of provider lines, and `reconciliation.postings`,
the view by posting month that never restates: what a closed month held is kept in the ledger, and whatever it would be
now, the rest posts to the first month still open. The rule of the posting month is `domain/posting`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from csp_pipeline.domain.calendar import shift_month
from csp_pipeline.domain.posting import posting_month
from csp_pipeline.errors import CspError
from csp_pipeline.models.catalogue import load_catalogue
from csp_pipeline.storage.ledger import append, catch_up_head, head_of, read_batches
from csp_pipeline.storage.rows import as_arrow
from csp_pipeline.storage.warehouse import replace_rows

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import duckdb

    from csp_pipeline.storage.home import Home

CLOSE = "close"
MONTH, POSTING = "month", "posting"
POSTINGS = "reconciliation.postings"
KEY = ("side", "provider", "document_id", "billing_month", "account_id", "customer_id", "product_family", "currency")
"""What a posting is about."""


@dataclass(frozen=True)
class ClosedMonth:
    """A closed month: when, and what it held."""

    month: str
    closed_at: datetime
    postings: tuple[Mapping[str, Any], ...]


def read_closed(home: Home) -> dict[str, ClosedMonth]:
    """The closed months, in the order in which they were closed.

    Raises:
        LedgerDamagedError: the ledger is damaged.
    """
    return _read(home.ledger, head_of(home.ledger))


@lru_cache(maxsize=2)
def _read(ledger: Path, _head: str) -> dict[str, ClosedMonth]:
    closed: dict[str, ClosedMonth] = {}
    for batch in read_batches(ledger):
        if batch.kind == CLOSE:
            months = [record["month"] for record in batch.records if record["type"] == MONTH]
            kept = tuple(record for record in batch.records if record["type"] == POSTING)
            for month in months:
                closed.setdefault(month, ClosedMonth(month, datetime.fromisoformat(batch.recorded_at), kept))
    return closed


def close_month(con: duckdb.DuckDBPyConnection, home: Home, month: str, now: datetime) -> ClosedMonth:
    """Close a month for posting: one batch of the ledger with what it holds. A month closed before stays as it is.

    Args:
        con: a connection to a warehouse that is up to date.
        home: the folders; whoever calls holds its lock.
        month: YYYY-MM.
        now: an aware time.

    Raises:
        CspError: the month is none of the books, or is not over.
    """
    closed = read_closed(home)
    if month in closed:
        return closed[month]
    known = con.execute("SELECT min(billing_month), max(billing_month) FROM billing.drafted_months").fetchone()
    first, last = known or (None, None)
    if first is None or not first <= month <= last:
        held = "no month is drafted yet" if first is None else f"the months drafted are {first} to {last}"
        raise CspError(f"{month} cannot be closed: {held}; run csp-pipeline run --month {month} first.")
    if f"{now.astimezone(UTC):%Y-%m}" <= month:
        raise CspError(f"{month} cannot be closed before it is over; close it from {shift_month(month, 1)}-01 on.")
    rows = con.execute(
        f"SELECT {', '.join(KEY)}, net_amount, tax_amount FROM {POSTINGS} "
        "WHERE posting_month = ? AND NOT is_draft ORDER BY ALL",
        [month],
    ).fetchall()
    records: list[dict[str, Any]] = [{"type": MONTH, "month": month}]
    records += [
        {
            "type": POSTING,
            **dict(zip(KEY, row, strict=False)),
            "net_amount": f"{row[-2]:f}",
            "tax_amount": f"{row[-1]:f}",
        }
        for row in rows
    ]
    catch_up_head(home.ledger)
    append(home.ledger, CLOSE, records, now)
    return read_closed(home)[month]


def post(con: duckdb.DuckDBPyConnection, home: Home) -> int:
    """Set the posting month of provider lines and fill `reconciliation.postings`.

    Args:
        con: a writing connection; cost and customer documents are in place.
        home: the folders.

    Returns:
        The number of postings.
    """
    closed = read_closed(home)
    _post_lines(con, closed)
    for month in closed:
        con.execute(
            "UPDATE billing.invoices SET posting_month = ? WHERE state = 'draft' AND billing_month = ?",
            [posting_month(month, closed), month],
        )
    frozen: dict[tuple[Any, ...], list[tuple[str, Decimal, Decimal]]] = {}
    for one in closed.values():
        for record in one.postings:
            key = tuple(record[name] for name in KEY)
            frozen.setdefault(key, []).append((one.month, Decimal(record["net_amount"]), Decimal(record["tax_amount"])))
    rows = [
        _posting(key, month, net, tax, is_draft=False, is_frozen=True)
        for key, kept in frozen.items()
        for month, net, tax in kept
    ]
    booked: dict[tuple[Any, ...], tuple[Decimal, Decimal, str]] = {}
    for *found, net, tax, month, is_draft in con.execute(_BOOKED).fetchall():
        key = tuple(found)
        if is_draft:
            rows.append(_posting(key, month, net, tax, is_draft=True, is_frozen=False))
        else:
            booked[key] = net, tax, month
    for key in {**dict.fromkeys(frozen), **dict.fromkeys(booked)}:
        net, tax, month = booked.get(key, (Decimal(0), Decimal(0), key[3]))
        net -= sum((part for _, part, _ in frozen.get(key, ())), Decimal(0))
        tax -= sum((part for _, _, part in frozen.get(key, ())), Decimal(0))
        if net or tax:
            rows.append(_posting(key, posting_month(month, closed), net, tax, is_draft=False, is_frozen=False))
    table = load_catalogue()[POSTINGS]
    con.register("posted_rows", as_arrow(table, rows))
    try:
        return replace_rows(con, table, "SELECT * FROM posted_rows")
    finally:
        con.unregister("posted_rows")


def _posting(  # noqa: PLR0913  (a row's columns)
    key: tuple[Any, ...], month: str, net: Decimal, tax: Decimal, *, is_draft: bool, is_frozen: bool
) -> dict[str, Any]:
    return {
        **dict(zip(KEY, key, strict=True)),
        "posting_month": month,
        "net_amount": net,
        "tax_amount": tax,
        "is_draft": is_draft,
        "is_closed": is_frozen,
        "is_late": month > key[3],
    }


_BOOKED = """
SELECT
    'cost' AS side,
    coalesce(provider, 'microsoft') AS provider,
    invoice_number AS document_id,
    billing_month,
    NULL AS account_id,
    customer_id,
    product_family,
    currency,
    CAST(sum(subtotal_amount) AS DECIMAL(38, 18)) AS net_amount,
    CAST(sum(coalesce(tax_amount, 0)) AS DECIMAL(38, 18)) AS tax_amount,
    billing_month AS posting_month,
    FALSE AS is_draft
FROM cost.invoice_lines
WHERE NOT is_estimate
GROUP BY ALL
UNION ALL
SELECT
    'revenue' AS side,
    NULL AS provider,
    coalesce(invoice_number, invoice_id) AS document_id,
    billing_month,
    account_id,
    NULL AS customer_id,
    NULL AS product_family,
    currency,
    CAST(net_amount AS DECIMAL(38, 18)) AS net_amount,
    CAST(tax_amount AS DECIMAL(38, 18)) AS tax_amount,
    posting_month,
    state = 'draft' AS is_draft
FROM billing.invoices
"""


def _post_lines(con: duckdb.DuckDBPyConnection, closed: Mapping[str, ClosedMonth]) -> None:
    """Lines of a closed month that came in a file found after it was closed post to the first month open then."""
    con.execute(
        "UPDATE cost.invoice_lines SET posting_month = billing_month WHERE posting_month IS DISTINCT FROM billing_month"
    )
    if not closed:
        return
    files = con.execute(
        """
        SELECT DISTINCT line.billing_month, line.file_sha256, file.scanned_at
        FROM cost.invoice_lines AS line
        INNER JOIN meta.files AS file ON line.file_sha256 = file.file_sha256
        WHERE NOT line.is_estimate AND list_contains($months, line.billing_month)
        """,
        {"months": list(closed)},
    ).fetchall()
    for month, file_sha256, scanned_at in files:
        known_at = scanned_at.replace(tzinfo=UTC)
        posted = posting_month(month, {one.month for one in closed.values() if one.closed_at < known_at})
        if posted != month:
            con.execute(
                "UPDATE cost.invoice_lines SET posting_month = ? WHERE billing_month = ? AND file_sha256 = ?",
                [posted, month, file_sha256],
            )
