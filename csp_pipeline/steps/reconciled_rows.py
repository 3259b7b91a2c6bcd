"""Finished rows of revenue versus cost, and the parts of their differences, as rows of the warehouse.

What belongs here: the columns, what a row's names and decisions are, and what is read off a finished row. How a row is
finished is decided in `domain`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from csp_pipeline.domain.calendar import first_day_of, last_day_of
from csp_pipeline.domain.explanations import explain
from csp_pipeline.domain.money import divide_half_away, percent_of
from csp_pipeline.domain.quantities import ZERO
from csp_pipeline.domain.recognition import UNITS_PER_ONE, from_units, rounded_to_units
from csp_pipeline.domain.reconciled import status_and_cause
from csp_pipeline.models.catalogue import load_catalogue
from csp_pipeline.storage.rows import as_arrow_columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    import duckdb

    from csp_pipeline.domain.books import Books, Finished
    from csp_pipeline.domain.difference_facts import Part
    from csp_pipeline.domain.revenue_vs_cost import CostPiece

REVENUE_VS_COST = "reconciliation.revenue_vs_cost"
DIFFERENCES = "reconciliation.differences"
ROWS_AT_A_TIME = 5_000
SHARED = (
    "service_month",
    "account_id",
    "customer_id",
    "subscription_id",
    "contract_line_id",
    "currency",
    "product_id",
    "sku_id",
    "cost_currency",
)
"""Columns of a row that its parts have too, in the order in which they and the cause make the id of a part."""


@dataclass(frozen=True)
class Names:
    """Names for people, and decisions taken, by their keys."""

    accounts: Mapping[str, str]
    customers: Mapping[str, str]
    resolutions: Mapping[tuple[str | None, ...], tuple[str, Decimal | None]]


def read_names(con: duckdb.DuckDBPyConnection) -> Names:
    """Names of accounts and customers, and what somebody decided on differences; the last decision counts."""
    resolutions = con.execute(
        """
        SELECT service_month, account_id, subscription_id, cause, decision, amount
        FROM reference.resolutions
        ORDER BY decided_at
        """
    ).fetchall()
    return Names(
        accounts=dict(con.execute("SELECT account_id, name FROM reference.accounts").fetchall()),
        customers=dict(con.execute("SELECT customer_id, name FROM partner_center.customers").fetchall()),
        resolutions={
            (month, account, (subscription or "").lower(), cause): (decision, amount)
            for month, account, subscription, cause, decision, amount in resolutions
        },
    )


def as_tables(finished: Iterable[Finished], books: Books, names: Names) -> tuple[pa.Table, pa.Table]:
    """The rows and their parts as columns; some thousand at a time, for as mappings they take ten times the space."""
    rows, differences = load_catalogue()[REVENUE_VS_COST], load_catalogue()[DIFFERENCES]
    row_tables, part_tables = [as_arrow_columns(rows, {})], [as_arrow_columns(differences, {})]
    left = iter(finished)
    while made := [_as_rows(done, books, names) for done in islice(left, ROWS_AT_A_TIME)]:
        row_tables.append(as_arrow_columns(rows, _columns([row for row, _ in made])))
        part_tables.append(as_arrow_columns(differences, _columns([part for _, parts in made for part in parts])))
    return pa.concat_tables(row_tables), pa.concat_tables(part_tables)


def _columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, tuple[Any, ...]]:
    """Rows that have the same names in the same order, turned into columns."""
    return dict(zip(rows[0], zip(*(row.values() for row in rows), strict=True), strict=True)) if rows else {}


def _as_rows(done: Finished, books: Books, names: Names) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The row of revenue_vs_cost and those of its parts."""
    key = done.row.key
    since, last = first_day_of(key.service_month), last_day_of(key.service_month)
    decisions = {part.cause: _resolution(done, part, names) for part in done.parts} if names.resolutions else {}
    status, cause = status_and_cause(done, {cause for cause, decision in decisions.items() if decision == "accepted"})
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
        "revenue_billed_amount": _revenue_billed(done, since, last),
        "cost_billed_amount": _cost_billed(done, since, last),
        "cost_original_amount": done.cost_original,
        "cost_currency": done.cost_currency,
        "fx_rate": None if rate is None else _decimal(rate.value.numerator, rate.value.denominator),
        "fx_rate_on": first_day_of(rate.month) if rate is not None and is_converted else None,
        "fx_source": rate.source if rate is not None and is_converted else None,
        "margin_amount": margin,
        "margin_percent": percent_of(margin, done.revenue),
        "expected_revenue_amount": done.expected,
        "difference_amount": done.difference,
        "quantity_difference": done.quantity_difference,
        "status": status,
        "cause": cause,
    }
    if not done.parts:
        return row, []
    shared = {name: row[name] for name in SHARED}
    customer = names.customers.get(key.customer_id or "", key.customer_id)
    return row, [_part_row(shared, part, customer, decisions.get(part.cause)) for part in done.parts]


@lru_cache(maxsize=4096)
def _decimal(numerator: int, denominator: int) -> Decimal:
    """A fraction with 18 decimals, rounded half away from zero."""
    return Decimal(divide_half_away(numerator * 10**18, denominator)).scaleb(-18)


def _part_row(shared: Mapping[str, Any], part: Part, customer: str | None, resolution: str | None) -> dict[str, Any]:
    identity = [*shared.values(), part.cause]
    return {
        **shared,
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


def _resolution(done: Finished, part: Part, names: Names) -> str | None:
    """What somebody decided on a part, while its amount is the one decided on."""
    key = done.row.key
    found = names.resolutions.get((key.service_month, key.account_id, (key.subscription_id or "").lower(), part.cause))
    return found[0] if found and (found[1] is None or found[1] == from_units(part.units)) else None


def _product(done: Finished, books: Books) -> tuple[str | None, str | None]:
    """Name and family of a row's product: its latest, dearest provider line's, else ours."""
    contract_line_id = done.row.key.contract_line_id or ""
    pieces = [piece for piece, _ in done.row.pieces] or books.contract_pieces.get(contract_line_id)
    if pieces:
        latest = pieces[0] if len(pieces) == 1 else max(pieces, key=_prominence)
        return latest.product_name, latest.product_family
    contract = books.contracts.get(contract_line_id)
    return (contract.description if contract else None), None


def _prominence(piece: CostPiece) -> tuple[bool, date, Decimal, tuple[str, ...]]:
    return not piece.is_credit, piece.start, abs(piece.amount), piece.line_ids


def _revenue_billed(done: Finished, since: date, last: date) -> Decimal:
    """Whole amounts of our lines whose service starts in the month; they stand on the row of the main currency."""
    if len(done.row.cost_amounts) > 1 and next(iter(done.row.originals())) != done.cost_currency:
        return ZERO
    return from_units(sum([line.units for line, _ in done.row.revenues if since <= line.start <= last]))


def _cost_billed(done: Finished, since: date, last: date) -> Decimal | None:
    """Whole amounts of the provider's lines whose service starts in the month, converted at the row's rate."""
    currency = done.cost_currency
    billed = [
        piece.amount for piece, _ in done.row.pieces if since <= piece.start <= last and piece.currency == currency
    ]
    total = sum(billed, ZERO)
    if not total:
        return ZERO
    if currency == done.row.key.currency:
        return rounded_to_units(total)
    rate = done.row.rates.get(currency or "")
    if rate is None or done.cost is None:
        return None
    whole, per_whole = total.as_integer_ratio()
    return from_units(
        divide_half_away(whole * rate.value.numerator * UNITS_PER_ONE, per_whole * rate.value.denominator)
    )
