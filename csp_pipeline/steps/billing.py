"""Drafting customer invoices: which cost feeds which contract line, what each is charged, the documents of a month.

What belongs here: the order of the work and the writing of `billing`. The rules are `domain/charges` and
`domain/documents`, the set logic is in `models/billing/`, facts are read by `billing_facts`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

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
    expected_charges,
    service_cycle,
)
from csp_pipeline.domain.documents import Document, DraftLine, draft_documents
from csp_pipeline.domain.quantities import QuantityHistory
from csp_pipeline.garbage import collected_later
from csp_pipeline.models.catalogue import load_catalogue
from csp_pipeline.steps.billing_documents import (
    as_columns,
    read_settlements,
    require_whole_ledger,
    write_documents,
    write_drafted_months,
    write_rows,
)
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
from csp_pipeline.steps.issued import read_issued, read_payers
from csp_pipeline.steps.issued_side import Untold, lines_without_terms, open_lines
from csp_pipeline.steps.run import last_drafted_month, months_between
from csp_pipeline.storage.warehouse import replace_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import duckdb

    from csp_pipeline.domain.issued import Issued
    from csp_pipeline.settings import Settings


@dataclass(frozen=True, slots=True)
class BillingNotice:
    """Why a contract line was not charged, or has nothing to charge."""

    account_id: str
    contract_line_id: str | None
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

    Which subscriptions took the place of others is found first, in `billing.subscription_links`.

    Args:
        con: a connection from `writing`; reads reference and cost.

    Returns:
        The number of rows of billing.cost_matches.
    """
    _fill(con, "subscription_links")
    return _fill(con, "cost_matches")


@collected_later()
def draft_invoices(con: duckdb.DuckDBPyConnection, settings: Settings, months: Sequence[str]) -> DraftReport:
    """Write the documents of some months: those issued as they are, and drafts of what is left to bill.

    Everything since billing began is derived anew and what was issued is subtracted, whatever months are asked for.
    What came to light after a document was issued goes to the account's next open month; after the last month drafted
    that is one with nothing else in it, written along with the last.

    Args:
        con: a connection from `writing`; reads reference, partner_center, cost and billing.cost_matches.
        settings: where billing begins, and where the ledger is.
        months: the months (YYYY-MM) written; those before billing begins get no drafts.

    Returns:
        What was written. The same facts and ledger give the same rows, to the byte of each content_sha256.

    Raises:
        LedgerDamagedError: the ledger is damaged.
    """
    issued = read_issued(settings.home)
    require_whole_ledger(con, issued)
    drawn = draw_up(con, settings, issued, months)
    settlements, payments_told = read_settlements(con, issued)
    notices = [
        *drawn.notices,
        *(BillingNotice(account_id, None, None, "notice", sentence) for account_id, sentence in payments_told),
    ]
    asked = set(months)
    later = {document.billing_month for document in drawn.documents} | set(_written(con))
    if drawn.last_month is not None and drawn.last_month in asked:
        asked |= {month for month in later if month > drawn.last_month}
    notices = [notice for notice in notices if notice.billing_month is None or notice.billing_month in asked]
    _write_notices(con, notices, sorted(asked))
    write_drafted_months(con, drawn.documents, issued, months)
    invoices, lines = write_documents(con, drawn.documents, issued, settlements, asked)
    return DraftReport(invoices, lines, drawn.billing_starts_on, drawn.missing, tuple(notices))


@dataclass(frozen=True)
class Drawn:
    """Drafts of everything that is left to bill, not written yet.

    Attributes:
        documents: by account, month and currency.
        last_month: the last month whose charges are in them; None without any.
    """

    documents: tuple[Document, ...]
    billing_starts_on: date | None
    last_month: str | None
    missing: tuple[str, ...]
    notices: tuple[BillingNotice, ...]


def draw_up(con: duckdb.DuckDBPyConnection, settings: Settings, issued: Issued, months: Sequence[str] = ()) -> Drawn:
    """Draft all that should have been billed to date and was not issued.

    Args:
        con: a connection from `writing`.
        settings: as for `draft_invoices`.
        issued: what was issued.
        months: further months to be drafted beside those drafted or issued before.
    """
    missing = tuple(missing_required_tables(con))
    start = billing_starts_on(con, settings)
    for table in ("contract_terms", "quantity_history", "line_subscriptions", "cost_bases", "unproven_costs"):
        _fill(con, table)
    last = max(filter(None, (*months, last_drafted_month(con), issued.last_month)), default=None)
    notices: list[BillingNotice] = []
    documents: list[Document] = []
    if start is not None and last is not None:
        _fill_cycles(con, start, last)
        if not missing and last >= month_of(start):
            documents = _draft(con, settings, Window(month_of(start), last, start), issued, notices)
    notices += _untaxed(documents)
    return Drawn(tuple(documents), start, last, missing, tuple(notices))


def _written(con: duckdb.DuckDBPyConnection) -> list[str]:
    """The months with documents."""
    return [month for (month,) in con.execute("SELECT DISTINCT billing_month FROM billing.invoices").fetchall()]


def _untaxed(documents: Iterable[Document]) -> list[BillingNotice]:
    """Say where an account has a tax rate that does not reach a line: no tax is charged on it."""
    found: dict[tuple[str, str, str], BillingNotice] = {}
    for document in documents:
        for line, percent in zip(document.lines, document.tax_percents, strict=True):
            if percent is None and line.tax_rate_id is not None and not line.is_taxed_as_issued:
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
    write_rows(con, "notices", [*kept, *made])


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
        SELECT DISTINCT charges_start_on, ends_on, anchor_day, months_per_cycle, billing_timing, price_changes_on
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
        "price_changes_on": pa.string(),
        "cycle_start_on": pa.date32(),
        "cycle_end_on": pa.date32(),
        "full_cycle_start_on": pa.date32(),
        "full_cycle_end_on": pa.date32(),
        "invoice_month": pa.string(),
        "counts_as_issued": pa.bool_(),
    }
    con.register("calendar_cycles", as_columns(columns, rows))
    _fill(con, "cycles")
    con.unregister("calendar_cycles")


def _calendar_cycles(
    terms: tuple[date, date | None, int, int, Timing, str | None], before: date, billing_starts_on: date
) -> Iterator[tuple[date, date, date, date, str, bool]]:
    starts_on, ends_on, anchor_day, months, timing, price_changes_on = terms
    cuts = tuple(map(date.fromisoformat, price_changes_on.split(","))) if price_changes_on else ()
    calendar = CycleCalendar(starts_on, ends_on + ONE_DAY if ends_on else None, anchor_day, months, cuts)
    for cycle in calendar.cycles(starts_on, before):
        month = invoice_month(cycle, timing, month_of(billing_starts_on))
        for piece in calendar.pieces(cycle):
            yield (
                piece.start,
                piece.end - ONE_DAY,
                cycle.full_start,
                cycle.full_end - ONE_DAY,
                month,
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
    con: duckdb.DuckDBPyConnection, settings: Settings, window: Window, issued: Issued, notices: list[BillingNotice]
) -> list[Document]:
    months = months_between(window.first, window.last)
    facts = _Facts(window, tuple(months), read_quantities(con), read_cost_bases(con, months), read_exchange_rates(con))
    lines: list[DraftLine] = []
    stopped: set[str] = set()
    known: set[str] = set()
    for terms in read_terms(con):
        line_id = terms.line.contract_line_id
        known.add(line_id)
        told = len(notices)
        expected = [charge for charge in _charges(terms, facts, notices) if charge.invoice_month in facts.months]
        try:
            lines += open_lines(terms, expected, issued, _untold(notices[told:]))
        except ValueError as error:
            stopped.add(terms.account_id)
            message = f"Account {terms.account_id} is not billed: {error} Correct its terms; other accounts go on."
            notices.append(BillingNotice(terms.account_id, line_id, None, "refused", message))
    for account_id, line_id in lines_without_terms(issued, known):
        message = (
            f"Contract line {line_id} was billed and is not in the terms any more, or was refused: what was issued for "
            "it stays as it is. To end a contract line set its ends_on; to take it back set its price to 0."
        )
        notices.append(BillingNotice(account_id, line_id, None, "notice", message))
    payers, faults = read_payers(con, settings)
    notices += [BillingNotice(account_id, None, None, "notice", told) for account_id, told in sorted(faults.items())]
    return draft_documents((line for line in lines if line.account_id not in stopped), read_tax_rates(con), payers)


def _untold(notices: Sequence[BillingNotice]) -> Untold:
    """What the facts do not tell of a contract line, by the notices of it."""
    months = {notice.billing_month for notice in notices if notice.billing_month is not None}
    return Untold(is_all=any(notice.billing_month is None for notice in notices), months=months)


def _charges(terms: ContractTerms, facts: _Facts, notices: list[BillingNotice]) -> tuple[Charge, ...]:
    if terms.line.pricing_model == "cost_plus":
        return tuple(_cost_plus_charges(terms, facts, notices))
    quantity = _quantity_of(terms, facts, notices)
    return () if quantity is None else expected_charges(terms.line, quantity, facts.window)


def _quantity_of(terms: ContractTerms, facts: _Facts, notices: list[BillingNotice]) -> QuantityHistory | None:
    """The quantity over time; None, with a notice, when nothing tells it: a minimum is not charged either."""
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
    return None


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
