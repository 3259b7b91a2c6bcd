"""Drafting customer invoices: which cost feeds which contract line, what each is charged, the documents of a month.

What belongs here: the order of the work and the writing of `billing`. The rules are `domain/charges` and
`domain/documents`, the set logic is in `models/billing/`, facts are read by `billing_facts`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from csp_pipeline.domain.calendar import (
    ONE_DAY,
    CycleCalendar,
    Timing,
    first_day_of,
    invoice_month,
    month_of,
    shift_month,
)
from csp_pipeline.domain.charges import (
    ONE,
    Charge,
    CostBase,
    Window,
    cost_plus_charges,
    deltas,
    expected_charges,
    service_cycle,
)
from csp_pipeline.domain.descriptions import describe
from csp_pipeline.domain.documents import Document, DraftLine, draft_documents
from csp_pipeline.domain.quantities import ZERO, QuantityHistory
from csp_pipeline.models.catalogue import load_catalogue
from csp_pipeline.steps.billing_facts import (
    BaseAmount,
    ContractTerms,
    Rates,
    billing_starts_on,
    convertible,
    read_cost_bases,
    read_exchange_rates,
    read_quantities,
    read_tax_rates,
    read_terms,
)
from csp_pipeline.steps.commercial import missing_required_tables
from csp_pipeline.storage.warehouse import replace_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import duckdb

    from csp_pipeline.settings import Settings

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


@dataclass(frozen=True, slots=True)
class BillingNotice:
    """Why a contract line was not charged, or has nothing to charge."""

    account_id: str
    contract_line_id: str
    billing_month: str | None
    severity: str
    message: str


@dataclass(frozen=True)
class DraftReport:
    """What was drafted.

    Attributes:
        invoices: documents by month.
        lines: lines by month.
        billing_starts_on: where billing begins; None when nothing says so, and then nothing is drafted.
        missing: required commercial tables that are not there; with one missing nothing is drafted.
        notices: as in billing.notices.
    """

    invoices: dict[str, int]
    lines: dict[str, int]
    billing_starts_on: date | None
    missing: tuple[str, ...]
    notices: tuple[BillingNotice, ...]


def build_cost_matches(con: duckdb.DuckDBPyConnection) -> int:
    """Match every provider line, Azure plan lines by Azure subscription, to the contract line that takes its cost.

    Args:
        con: a connection from `writing`; reads reference and cost.

    Returns:
        The number of rows of billing.cost_matches.
    """
    return _fill(con, "cost_matches")


def draft_invoices(con: duckdb.DuckDBPyConnection, settings: Settings, months: Sequence[str]) -> DraftReport:
    """Draft the invoices of some months from the facts; the drafts of other months stay as they are.

    Args:
        con: a connection from `writing`; reads reference, partner_center, cost and billing.cost_matches.
        settings: where billing begins.
        months: the months (YYYY-MM); those before billing begins get no drafts.

    Returns:
        What was drafted. The same facts give the same rows, to the byte of each document's content_sha256.
    """
    missing = tuple(missing_required_tables(con))
    start = billing_starts_on(con, settings)
    for table in ("contract_terms", "quantity_history", "line_subscriptions", "cost_bases"):
        _fill(con, table)
    notices: list[BillingNotice] = []
    documents: list[Document] = []
    if start is not None and months:
        _fill_cycles(con, start, max([*months, *_drafted(con)]))
        if not missing:
            documents = _draft(con, start, sorted(months), notices)
    notices += _untaxed(documents)
    _write_notices(con, notices, months)
    invoices, lines = {}, {}
    for month in sorted(set(months)):
        drafted = [document for document in documents if document.billing_month == month]
        invoices[month] = _write(con, "invoices", map(_invoice_row, drafted), month)
        lines[month] = _write(con, "invoice_lines", _line_rows(drafted), month)
    return DraftReport(invoices, lines, start, missing, tuple(notices))


def _drafted(con: duckdb.DuckDBPyConnection) -> list[str]:
    """The months with drafts."""
    return [month for (month,) in con.execute("SELECT DISTINCT billing_month FROM billing.invoices").fetchall()]


def _untaxed(documents: Iterable[Document]) -> list[BillingNotice]:
    """Say where an account has a tax rate that does not reach a line: no tax is charged on it."""
    found: dict[tuple[str, str, str], BillingNotice] = {}
    for document in documents:
        for line, percent in zip(document.lines, document.tax_percents, strict=True):
            if percent is None and line.tax_rate_id is not None:
                category = line.tax_category or "without category"
                message = (
                    f"Account {document.account_id}: tax rate {line.tax_rate_id} has no percentage for {category} at "
                    f"the end of {document.billing_month}: no tax is charged on it; add a row to tax_rates."
                )
                key = (document.account_id, document.billing_month, category)
                found.setdefault(
                    key,
                    BillingNotice(
                        document.account_id, line.contract_line_id, document.billing_month, "refused", message
                    ),
                )
    return list(found.values())


def _write_notices(con: duckdb.DuckDBPyConnection, notices: Sequence[BillingNotice], months: Sequence[str]) -> None:
    """Replace the notices of some months and those of no month; the notices of other months stay."""
    kept = con.execute(
        """
        SELECT account_id, contract_line_id, billing_month, severity, message
        FROM billing.notices
        WHERE billing_month IS NOT NULL AND NOT list_contains($months, billing_month)
        """,
        {"months": list(months)},
    ).fetchall()
    made = [(n.account_id, n.contract_line_id, n.billing_month, n.severity, n.message) for n in notices]
    _write(con, "notices", [*kept, *made])


def _fill(con: duckdb.DuckDBPyConnection, name: str) -> int:
    table = load_catalogue()[f"billing.{name}"]
    return replace_rows(con, table, table.select() or "")


def _fill_cycles(con: duckdb.DuckDBPyConnection, start: date, last_month: str) -> None:
    """Make billing.cycles; a calendar that many contract lines share is made once."""
    row = con.execute(
        "SELECT max(greatest(charge_start_on, charge_end_on)) FROM cost.invoice_lines WHERE NOT is_estimate"
    ).fetchone()
    before = max(first_day_of(shift_month(last_month, 2)), row[0] + ONE_DAY if row and row[0] else date.min)
    calendars = con.execute(
        """
        SELECT DISTINCT charges_start_on, ends_on, anchor_day, months_per_cycle, billing_timing
        FROM billing.contract_terms
        """
    ).fetchall()
    rows = [(*calendar, *cycle) for calendar in calendars for cycle in _calendar_cycles(calendar, before, start)]
    columns = {
        "starts_on": pa.date32(),
        "ends_on": pa.date32(),
        "anchor_day": pa.int32(),
        "months_per_cycle": pa.int32(),
        "billing_timing": pa.string(),
        "cycle_start_on": pa.date32(),
        "cycle_end_on": pa.date32(),
        "full_cycle_start_on": pa.date32(),
        "full_cycle_end_on": pa.date32(),
        "invoice_month": pa.string(),
        "counts_as_issued": pa.bool_(),
    }
    con.register("calendar_cycles", _arrow(columns, rows))
    _fill(con, "cycles")
    con.unregister("calendar_cycles")


def _calendar_cycles(
    terms: tuple[date, date | None, int, int, Timing], before: date, billing_starts_on: date
) -> Iterator[tuple[date, date, date, date, str, bool]]:
    starts_on, ends_on, anchor_day, months, timing = terms
    calendar = CycleCalendar(starts_on, ends_on + ONE_DAY if ends_on else None, anchor_day, months)
    for cycle in calendar.cycles(starts_on, before):
        yield (
            cycle.start,
            cycle.end - ONE_DAY,
            cycle.full_start,
            cycle.full_end - ONE_DAY,
            invoice_month(cycle, timing, month_of(billing_starts_on)),
            cycle.start < billing_starts_on,
        )


@dataclass(frozen=True)
class _Facts:
    """What the charges of all contract lines are made of."""

    window: Window
    months: tuple[str, ...]
    quantities: dict[str, QuantityHistory]
    bases: dict[tuple[str, str], list[BaseAmount]]
    rates: Rates


def _draft(
    con: duckdb.DuckDBPyConnection, start: date, months: list[str], notices: list[BillingNotice]
) -> list[Document]:
    facts = _Facts(
        Window(months[0], months[-1], start),
        tuple(months),
        read_quantities(con),
        read_cost_bases(con, months),
        read_exchange_rates(con),
    )
    lines = [
        _draft_line(terms, charge)
        for terms in read_terms(con)
        for charge in deltas(_charges(terms, facts, notices), issued=())
        if charge.invoice_month in facts.months
    ]
    return draft_documents(lines, read_tax_rates(con))


def _charges(terms: ContractTerms, facts: _Facts, notices: list[BillingNotice]) -> tuple[Charge, ...]:
    if terms.line.pricing_model == "cost_plus":
        return tuple(_cost_plus_charges(terms, facts, notices))
    return expected_charges(terms.line, _quantity_of(terms, facts, notices), facts.window)


def _quantity_of(terms: ContractTerms, facts: _Facts, notices: list[BillingNotice]) -> QuantityHistory:
    if terms.line.pricing_model == "flat":
        return QuantityHistory(ONE)
    if terms.fixed_quantity is not None:
        return QuantityHistory(terms.fixed_quantity)
    line_id = terms.line.contract_line_id
    found = facts.quantities.get(line_id)
    if found is not None:
        return found
    what = f"subscription {terms.subscription_id}" if terms.subscription_id else "any subscription it matches"
    message = f"Contract line {line_id}: no quantity of {what} is known, so nothing is charged."
    notices.append(BillingNotice(terms.account_id, line_id, None, "notice", message))
    return QuantityHistory(ZERO)


def _cost_plus_charges(terms: ContractTerms, facts: _Facts, notices: list[BillingNotice]) -> Iterator[Charge]:
    line = terms.line
    for month in facts.months:
        if service_cycle(line, month, facts.window) is None:
            continue
        converted: list[CostBase] = []
        for base in facts.bases.get((line.contract_line_id, month), ()):
            cost = convertible(base, terms.currency, facts.rates)
            if cost is None:
                message = (
                    f"Contract line {line.contract_line_id} is not charged for {month}: its cost is in "
                    f"{base.cost_currency}, and exchange_rates has no rate of {base.service_month} between "
                    f"{base.cost_currency} and {terms.currency}."
                )
                notices.append(BillingNotice(terms.account_id, line.contract_line_id, month, "refused", message))
                break
            converted.append(cost)
        else:
            yield from cost_plus_charges(line, month, converted, facts.window)


def _draft_line(terms: ContractTerms, charge: Charge) -> DraftLine:
    return DraftLine(
        account_id=terms.account_id,
        billing_month=charge.invoice_month,
        currency=terms.currency,
        decimals=terms.line.decimals,
        contract_line_id=charge.contract_line_id,
        customer_id=terms.customer_id,
        subscription_id=terms.subscription_id,
        charge_kind=charge.charge_kind,
        description=describe(charge, terms.name, terms.unit_name),
        service_start=charge.start,
        service_end=charge.end,
        quantity=charge.quantity,
        unit_price=charge.unit_price,
        net_amount=charge.net_amount,
        tax_rate_id=terms.tax_rate_id,
        tax_category=terms.tax_category,
        is_estimate=charge.is_estimate,
    )


def _invoice_row(document: Document) -> tuple[Any, ...]:
    gross = document.gross_amount
    return (
        document.invoice_id,
        None,
        document.account_id,
        document.billing_month,
        None,
        None,
        document.billing_month,
        None,
        document.currency,
        document.net_amount,
        document.tax_amount,
        gross,
        0,
        gross,
        document.is_estimate,
        "draft",
        "credit_note" if gross < 0 else "invoice",
        document.content_sha256,
    )


def _line_rows(documents: Iterable[Document]) -> Iterator[tuple[Any, ...]]:
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
            )


def _write(con: duckdb.DuckDBPyConnection, name: str, rows: Iterable[tuple[Any, ...]], month: str | None = None) -> int:
    table = load_catalogue()[f"billing.{name}"]
    columns = {column.name: _ARROW_TYPES[column.type] for column in table.columns}
    con.register("drafted_rows", _arrow(columns, list(rows)))
    where = {table.month_column: month} if month is not None else None
    written = replace_rows(con, table, "SELECT * FROM drafted_rows", where=where)
    con.unregister("drafted_rows")
    return written


def _arrow(columns: dict[str, pa.DataType], rows: list[tuple[Any, ...]]) -> pa.Table:
    values = zip(*rows, strict=True) if rows else [()] * len(columns)
    return pa.table(
        {name: pa.array(cells, type_) for (name, type_), cells in zip(columns.items(), values, strict=True)}
    )
