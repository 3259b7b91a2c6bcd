"""Fills the schema `reconciliation`: revenue beside cost by service month, the causes of every difference, sync health.

What belongs here: reading facts, calling the rules of `domain`, writing rows. Which rule applies is decided there.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import localcontext
from typing import TYPE_CHECKING

from csp_pipeline.domain.calendar import first_day_of
from csp_pipeline.domain.conversions import allocate_conversions
from csp_pipeline.domain.proration import EXACT
from csp_pipeline.domain.reconciled import finish
from csp_pipeline.domain.revenue_vs_cost import collect_rows
from csp_pipeline.garbage import collected_later
from csp_pipeline.models.catalogue import load_catalogue
from csp_pipeline.steps.billing_facts import billing_starts_on
from csp_pipeline.steps.periods import post
from csp_pipeline.steps.reconciled_rows import DIFFERENCES, REVENUE_VS_COST, as_tables, read_names
from csp_pipeline.steps.reconciliation_facts import read_books, read_charges, read_contracts, read_pieces
from csp_pipeline.steps.reconciliation_overviews import build_overviews
from csp_pipeline.storage.warehouse import replace_rows

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import date

    import duckdb
    import pyarrow as pa

    from csp_pipeline.domain.books import Books
    from csp_pipeline.domain.revenue_vs_cost import Row
    from csp_pipeline.settings import Settings


@dataclass(frozen=True)
class ReconciliationReport:
    """What was written."""

    months: tuple[str, ...]
    rows: int
    differences: int


@collected_later()
def reconcile(con: duckdb.DuckDBPyConnection, settings: Settings, months: Sequence[str]) -> ReconciliationReport:
    """Compare revenue with cost by service month and name the cause of every difference.

    Args:
        con: a connection from `storage.warehouse.writing`; cost and drafts are in place.
        settings: for the day billing begins.
        months: the months drafted whose partitions are written. Months before the first drafted one and after the
            last, to which only prepaid terms reach, are written as well.

    Returns:
        The months and the numbers of rows.
    """
    with localcontext(EXACT):
        return _reconcile(con, settings, months)


def _reconcile(con: duckdb.DuckDBPyConnection, settings: Settings, months: Sequence[str]) -> ReconciliationReport:
    known = con.execute("SELECT min(billing_month), max(billing_month) FROM billing.drafted_months").fetchone() or (
        None,
        None,
    )
    first_drafted = min([*months, *([known[0]] if known[0] else [])])
    drafted_through = max([*months, *([known[1]] if known[1] else [])])
    starts_on = billing_starts_on(con, settings) or first_day_of(first_drafted)
    gathered, books = _gathered_rows(con, drafted_through, starts_on)
    wanted = set(months)
    kept = (
        row
        for row in gathered
        if row.key.service_month in wanted or not first_drafted <= row.key.service_month <= drafted_through
    )
    rows, differences = as_tables((done for row in kept for done in finish(row, books)), books, read_names(con))
    reached = set(rows["service_month"].unique().to_pylist())
    written = sorted(wanted | reached | _outside(con, first_drafted, drafted_through))
    _write(con, REVENUE_VS_COST, rows, written)
    _write(con, DIFFERENCES, differences, written)
    post(con, settings.home)
    build_overviews(con, first_drafted, drafted_through)
    return ReconciliationReport(tuple(written), rows.num_rows, differences.num_rows)


def _outside(con: duckdb.DuckDBPyConnection, first: str, last: str) -> set[str]:
    """Months written before that no draft reaches: their rows are replaced too."""
    found = con.execute(
        f"SELECT DISTINCT service_month FROM {REVENUE_VS_COST} WHERE service_month < $first OR service_month > $last",
        {"first": first, "last": last},
    ).fetchall()
    return {month for (month,) in found}


def _gathered_rows(
    con: duckdb.DuckDBPyConnection, drafted_through: str, starts_on: date
) -> tuple[Collection[Row], Books]:
    """The rows of all months with their converted costs, and the facts that they share."""
    pieces = read_pieces(con)
    contracts = read_contracts(con)
    charges = read_charges(con)
    books = read_books(con, pieces, contracts, charges, drafted_through=drafted_through, billing_starts_on=starts_on)
    currencies = dict(con.execute("SELECT account_id, currency FROM reference.accounts").fetchall())
    rows = collect_rows(pieces, charges, contracts, currencies, books.rates)
    allocate_conversions(rows.values(), books.decimals)
    return rows.values(), books


def _write(con: duckdb.DuckDBPyConnection, key: str, rows: pa.Table, months: list[str]) -> None:
    """Replace months of a table by rows."""
    table = load_catalogue()[key]
    con.register("reconciled_rows", rows)
    try:
        replace_rows(con, table, "SELECT * FROM reconciled_rows", where={table.month_column: months})
    finally:
        con.unregister("reconciled_rows")
