"""Fills the schema `reconciliation`: revenue beside cost by service month, the causes of every difference, sync health.

What belongs here: reading facts, calling the rules of `domain`, writing rows. Which rule applies is decided there.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from decimal import Decimal, localcontext
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from csp_pipeline.domain.calendar import first_day_of, last_day_of
from csp_pipeline.domain.conversions import allocate_conversions
from csp_pipeline.domain.explanations import explain
from csp_pipeline.domain.money import divide_half_away
from csp_pipeline.domain.proration import EXACT
from csp_pipeline.domain.recognition import UNITS_PER_ONE, from_units
from csp_pipeline.domain.reconciled import finish, status_and_cause
from csp_pipeline.domain.revenue_vs_cost import collect_rows
from csp_pipeline.garbage import collected_later
from csp_pipeline.models.catalogue import load_catalogue
from csp_pipeline.steps.billing_facts import billing_starts_on
from csp_pipeline.steps.periods import post
from csp_pipeline.steps.reconciliation_facts import read_books, read_charges, read_contracts, read_pieces
from csp_pipeline.steps.reconciliation_overviews import build_overviews
from csp_pipeline.storage.rows import as_arrow
from csp_pipeline.storage.warehouse import replace_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import date

    import duckdb

    from csp_pipeline.domain.books import Books, Finished
    from csp_pipeline.domain.difference_facts import Part
    from csp_pipeline.settings import Settings

REVENUE_VS_COST = "reconciliation.revenue_vs_cost"
DIFFERENCES = "reconciliation.differences"
ROWS_AT_A_TIME = 5_000


@dataclass(frozen=True)
class ReconciliationReport:
    """What was written."""

    months: tuple[str, ...]
    rows: int
    differences: int


@dataclass(frozen=True)
class _Names:
    """Names for people, and decisions taken, by their keys."""

    accounts: Mapping[str, str]
    customers: Mapping[str, str]
    resolutions: Mapping[tuple[str | None, ...], tuple[str, Decimal | None]]


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
    finished, books = _finished_rows(con, drafted_through, starts_on)
    names = _names(con)
    wanted = set(months)
    kept = (
        done
        for done in finished
        if done.row.key.service_month in wanted or not first_drafted <= done.row.key.service_month <= drafted_through
    )
    rows, differences = _as_tables(kept, books, names)
    reached = set(rows["service_month"].unique().to_pylist())
    written = sorted(wanted | reached | _outside(con, first_drafted, drafted_through))
    _write(con, REVENUE_VS_COST, rows, written)
    _write(con, DIFFERENCES, differences, written)
    post(con, settings.home)
    build_overviews(con, first_drafted, drafted_through)
    return ReconciliationReport(tuple(written), rows.num_rows, differences.num_rows)


def _as_tables(finished: Iterable[Finished], books: Books, names: _Names) -> tuple[pa.Table, pa.Table]:
    """The rows and their parts as columns; some thousand at a time, for as mappings they take ten times the space."""
    rows, differences = load_catalogue()[REVENUE_VS_COST], load_catalogue()[DIFFERENCES]
    row_tables, part_tables = [as_arrow(rows, ())], [as_arrow(differences, ())]
    left = iter(finished)
    while made := [_as_rows(done, books, names) for done in islice(left, ROWS_AT_A_TIME)]:
        row_tables.append(as_arrow(rows, (row for row, _ in made)))
        part_tables.append(as_arrow(differences, (part for _, parts in made for part in parts)))
    return pa.concat_tables(row_tables), pa.concat_tables(part_tables)


def _outside(con: duckdb.DuckDBPyConnection, first: str, last: str) -> set[str]:
    """Months written before that no draft reaches: their rows are replaced too."""
    found = con.execute(
        f"SELECT DISTINCT service_month FROM {REVENUE_VS_COST} WHERE service_month < $first OR service_month > $last",
        {"first": first, "last": last},
    ).fetchall()
    return {month for (month,) in found}


def _finished_rows(
    con: duckdb.DuckDBPyConnection, drafted_through: str, starts_on: date
) -> tuple[Iterator[Finished], Books]:
    """The rows one after another, for there are many, and the facts that they share."""
    pieces = read_pieces(con)
    contracts = read_contracts(con)
    charges = read_charges(con)
    books = read_books(con, pieces, contracts, charges, drafted_through=drafted_through, billing_starts_on=starts_on)
    currencies = dict(con.execute("SELECT account_id, currency FROM reference.accounts").fetchall())
    rows = collect_rows(pieces, charges, contracts, currencies, books.rates)
    allocate_conversions(rows.values(), books.decimals)
    return (done for row in rows.values() for done in finish(row, books)), books


def _names(con: duckdb.DuckDBPyConnection) -> _Names:
    resolutions = con.execute(
        """
        SELECT service_month, account_id, subscription_id, cause, decision, amount
        FROM reference.resolutions
        ORDER BY decided_at
        """
    ).fetchall()
    return _Names(
        accounts=dict(con.execute("SELECT account_id, name FROM reference.accounts").fetchall()),
        customers=dict(con.execute("SELECT customer_id, name FROM partner_center.customers").fetchall()),
        resolutions={
            (month, account, (subscription or "").lower(), cause): (decision, amount)
            for month, account, subscription, cause, decision, amount in resolutions
        },
    )


def _as_rows(done: Finished, books: Books, names: _Names) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The row of revenue_vs_cost and those of its parts."""
    key = done.row.key
    decisions = {part.cause: _resolution(done, part.cause, from_units(part.units), names) for part in done.parts}
    accepted = frozenset(cause for cause, decision in decisions.items() if decision == "accepted")
    status, cause = status_and_cause(done, accepted)
    product_name, product_family = _product(done, books)
    rate = done.row.rates.get(done.cost_currency or "")
    is_converted = rate is not None and done.cost_currency != key.currency
    margin = None if done.cost is None else done.revenue - done.cost
    subscription = books.subscriptions.get(((key.customer_id or "").lower(), (key.subscription_id or "").lower()))
    row = {
        "service_month": key.service_month,
        "account_id": key.account_id,
        "account_name": names.accounts.get(key.account_id or ""),
        "customer_id": key.customer_id,
        "subscription_id": key.subscription_id,
        "contract_line_id": key.contract_line_id,
        "product_id": key.product_id,
        "sku_id": key.sku_id,
        "product_name": product_name,
        "product_family": product_family,
        "currency": key.currency,
        "selling_price": done.selling_price,
        "provider_price": done.provider_price,
        "billed_quantity": done.billed_quantity,
        "provider_quantity": done.provider_quantity,
        "partner_center_quantity": subscription.quantity if subscription else None,
        "revenue_amount": done.revenue,
        "cost_amount": done.cost,
        "revenue_billed_amount": _revenue_billed(done),
        "cost_billed_amount": _cost_billed(done),
        "cost_original_amount": done.cost_original,
        "cost_currency": done.cost_currency,
        "fx_rate": None if rate is None else _decimal(rate.value.numerator, rate.value.denominator),
        "fx_rate_on": first_day_of(rate.month) if rate is not None and is_converted else None,
        "fx_source": rate.source if rate is not None and is_converted else None,
        "margin_amount": margin,
        "margin_percent": None if margin is None else _percent(margin, done.revenue),
        "expected_revenue_amount": done.expected,
        "difference_amount": done.difference,
        "quantity_difference": done.quantity_difference,
        "status": status,
        "cause": cause,
    }
    return row, [_part_row(row, part, decisions[part.cause], names) for part in done.parts]


def _percent(part: Decimal, whole: Decimal) -> Decimal | None:
    """A share in percent with 4 decimals, rounded half away from zero; None of nothing."""
    if not whole:
        return None
    numerator, per_part = part.as_integer_ratio()
    denominator, per_whole = whole.as_integer_ratio()
    return Decimal(divide_half_away(numerator * per_whole * 10**6, per_part * denominator)).scaleb(-4)


@lru_cache(maxsize=4096)
def _decimal(numerator: int, denominator: int) -> Decimal:
    """A fraction with 18 decimals, rounded half away from zero."""
    return Decimal(divide_half_away(numerator * 10**18, denominator)).scaleb(-18)


def _part_row(row: Mapping[str, Any], part: Part, resolution: str | None, names: _Names) -> dict[str, Any]:
    shared = ("service_month", "account_id", "customer_id", "subscription_id", "contract_line_id", "currency")
    identity = [row[name] for name in (*shared, "product_id", "sku_id", "cost_currency")] + [part.cause]
    customer = names.customers.get(row["customer_id"] or "", row["customer_id"])
    return {
        **{name: row[name] for name in (*shared, "product_id", "sku_id", "cost_currency")},
        "difference_id": hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:32],
        "cause": part.cause,
        "quantity": part.quantity,
        "amount": from_units(part.units),
        "expected_on_month": part.expected_on_month,
        "evidence": json.dumps([{"table": table, "key": name} for table, name in part.evidence]),
        "explanation": explain(
            part.cause, customer=customer, quantity=part.quantity, expected_on_month=part.expected_on_month
        ),
        "resolution": resolution,
    }


def _resolution(done: Finished, cause: str, amount: Decimal, names: _Names) -> str | None:
    """What somebody decided on a part, while its amount is the one decided on."""
    key = done.row.key
    found = names.resolutions.get((key.service_month, key.account_id, (key.subscription_id or "").lower(), cause))
    return found[0] if found and (found[1] is None or found[1] == amount) else None


def _product(done: Finished, books: Books) -> tuple[str | None, str | None]:
    """Name and family of a row's product: its latest, dearest provider line's, else ours."""
    contract_line_id = done.row.key.contract_line_id or ""
    pieces = [piece for piece, _ in done.row.pieces] or list(books.contract_pieces.get(contract_line_id, ()))
    if pieces:
        latest = max(pieces, key=lambda piece: (not piece.is_credit, piece.start, abs(piece.amount), piece.line_ids))
        return latest.product_name, latest.product_family
    contract = books.contracts.get(contract_line_id)
    return (contract.description if contract else None), None


def _revenue_billed(done: Finished) -> Decimal:
    since, last = first_day_of(done.row.key.service_month), last_day_of(done.row.key.service_month)
    currencies = {piece.currency for piece, _ in done.row.pieces}
    is_main = len(currencies) <= 1 or next(iter(done.row.originals()), None) == done.cost_currency
    units = sum(line.units for line, _ in done.row.revenues if since <= line.start <= last) if is_main else 0
    return from_units(units)


def _cost_billed(done: Finished) -> Decimal | None:
    """Whole amounts of the provider's lines whose service starts in the month, converted at the row's rate."""
    since, last = first_day_of(done.row.key.service_month), last_day_of(done.row.key.service_month)
    rate = done.row.rates.get(done.cost_currency or "")
    total = sum(
        (
            piece.amount
            for piece, _ in done.row.pieces
            if piece.currency == done.cost_currency and since <= piece.start <= last
        ),
        Decimal(0),
    )
    if not total:
        return Decimal(0)
    if rate is None or done.cost is None:
        return None
    whole, per_whole = total.as_integer_ratio()
    return from_units(
        divide_half_away(whole * rate.value.numerator * UNITS_PER_ONE, per_whole * rate.value.denominator)
    )


def _write(con: duckdb.DuckDBPyConnection, key: str, rows: pa.Table, months: list[str]) -> None:
    """Replace months of a table by rows."""
    table = load_catalogue()[key]
    con.register("reconciled_rows", rows)
    try:
        replace_rows(con, table, "SELECT * FROM reconciled_rows", where={table.month_column: months})
    finally:
        con.unregister("reconciled_rows")
