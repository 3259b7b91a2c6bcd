"""Reads the facts that reconciliation compares: provider cost, our charges, contracts, documents, rates.

What belongs here: SELECTs into the domain's values. No rule is applied here.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from importlib import resources
from typing import TYPE_CHECKING

from csp_pipeline.domain.agreed_prices import Contract
from csp_pipeline.domain.books import Books, Subscription, whole_units
from csp_pipeline.domain.conversions import ExchangeRates
from csp_pipeline.domain.counterparts import SubscriptionLink, linked_contracts, price_versions, replacements
from csp_pipeline.domain.difference_facts import OwnCycle, RevenueLine
from csp_pipeline.domain.provider_cycle import cycle_months, inferred_frequency
from csp_pipeline.domain.quantities import ZERO
from csp_pipeline.domain.revenue_vs_cost import MICROSOFT, CostPiece
from csp_pipeline.steps.billing_facts import read_price_steps, read_tiers
from csp_pipeline.storage.rows import read_rows

if TYPE_CHECKING:
    from datetime import date
    from decimal import Decimal

    import duckdb

MONTHS_PREPAID = 12
"""From this length of a billing cycle on, a term counts as prepaid."""

Charge = tuple[str, str, str, RevenueLine]


def _sql(name: str) -> str:
    return (resources.files("csp_pipeline.models") / "reconciliation" / f"{name}.sql").read_text("utf-8")


def make_billed_pieces(con: duckdb.DuckDBPyConnection) -> None:
    """Make the temporary view `billed_pieces`: every billed provider amount with the contract line that takes it."""
    con.execute(f"CREATE OR REPLACE TEMP VIEW billed_pieces AS {_sql('billed_pieces')}")


def read_pieces(con: duckdb.DuckDBPyConnection) -> list[CostPiece]:
    """Every billed provider amount with the contract line that takes it, ordered by its keys."""
    make_billed_pieces(con)
    pieces = [CostPiece._make((tuple(row[0]), *row[1:])) for row in read_rows(con, _sql("cost_pieces"))]
    return [
        piece._replace(billing_frequency=inferred_frequency(piece.start, piece.end))
        if piece.product_family == "licence" and not (piece.billing_frequency or "").strip() and not piece.is_credit
        else piece
        for piece in pieces
    ]


def read_contracts(con: duckdb.DuckDBPyConnection) -> dict[str, Contract]:
    """Contract lines by id."""
    tiers, steps = read_tiers(con), read_price_steps(con)
    rows = read_rows(con, _sql("contracts"))
    return {row[0]: Contract._make((*row, tiers.get(row[0]), steps.get(row[0], ()))) for row in rows}


def read_charges(con: duckdb.DuckDBPyConnection) -> list[Charge]:
    """Our invoice lines as (account, contract line, currency, charge); a correction counts as the kind it corrects."""
    rows = read_rows(
        con,
        """
        SELECT
            account_id, contract_line_id, currency, invoice_id || ':' || line_number AS line_key,
            coalesce(corrected_kind, charge_kind) AS charge_kind,
            service_start_on, service_end_on, quantity, net_amount
        FROM billing.invoice_lines
        ORDER BY ALL
        """,
    )
    return [
        (
            account,
            contract,
            currency,
            RevenueLine(key, kind, start, max(end, start), quantity or ZERO, whole_units(net)),
        )
        for account, contract, currency, key, kind, start, end, quantity, net in rows
    ]


def read_books(  # noqa: PLR0913  (the facts are read once and shared)
    con: duckdb.DuckDBPyConnection,
    pieces: list[CostPiece],
    contracts: dict[str, Contract],
    charges: list[Charge],
    *,
    drafted_through: str,
    billing_starts_on: date,
) -> Books:
    """Everything that the rows share.

    Args:
        con: a connection to the warehouse.
        pieces: from `read_pieces`.
        contracts: from `read_contracts`.
        charges: from `read_charges`.
        drafted_through: the last month drafted.
        billing_starts_on: the first day that is billed.
    """
    contract_pieces: dict[str, list[CostPiece]] = defaultdict(list)
    for piece in pieces:
        if piece.contract_line_id is not None:
            contract_pieces[piece.contract_line_id].append(piece)
    loaded = {
        (provider, currency): (first, last)
        for provider, currency, first, last in con.execute(
            """
            SELECT coalesce(provider, 'microsoft') AS provider, currency, min(billing_month), max(billing_month)
            FROM cost.invoice_lines
            WHERE NOT is_estimate
            GROUP BY ALL
            """
        ).fetchall()
    }
    links = _links(con)
    replaced, successors = replacements(contracts.values(), links)
    unmatched: dict[tuple[str, str], list[CostPiece]] = defaultdict(list)
    for piece in pieces:
        if piece.contract_line_id is None and piece.account_id is not None:
            subscription = (piece.subscription_id or "").lower()
            if subscription in replaced:
                unmatched[piece.account_id, subscription].append(piece)
    charged: dict[str, list[RevenueLine]] = defaultdict(list)
    for account_id, contract_line_id, currency, line in charges:
        contract = contracts.get(contract_line_id)
        if contract is not None and (contract.account_id, contract.currency) == (account_id, currency):
            charged[contract_line_id].append(line)
    return Books(
        contracts=contracts,
        contract_pieces=contract_pieces,
        cycles=_cycles(con, contracts, pieces, charges),
        changes=_changes(con),
        subscriptions=_subscriptions(con),
        loaded=loaded,
        main_sources=_main_sources(pieces),
        decimals=dict(con.execute("SELECT currency, decimals FROM reference.currencies").fetchall()),
        rates=read_rates(con),
        gross_credit=_gross_credit(con),
        drafted_through=drafted_through,
        billing_starts_on=billing_starts_on,
        charges=charged,
        versions=price_versions(contracts.values()),
        linked=linked_contracts(contracts.values(), links),
        replaced=replaced,
        successors=successors,
        unmatched=unmatched,
    )


def _links(con: duckdb.DuckDBPyConnection) -> list[SubscriptionLink]:
    """The links between subscriptions that are followed."""
    rows = con.execute(
        """
        SELECT link_id, from_subscription_id, to_subscription_id, valid_from
        FROM billing.subscription_links
        WHERE is_followed
        ORDER BY ALL
        """
    ).fetchall()
    return [SubscriptionLink(*row) for row in rows]


def _main_sources(pieces: list[CostPiece]) -> dict[tuple[str | None, bool], tuple[str, str]]:
    """The provider and currency in which most of an account's lines come, and under None of all lines.

    Distributors and the provider itself are told apart: a contract line takes cost of one of the two.
    """
    counts: dict[tuple[str | None, bool], Counter[tuple[str, str]]] = defaultdict(Counter)
    for piece in pieces:
        is_distributed = piece.provider != MICROSOFT
        for account in {piece.account_id, None}:
            counts[account, is_distributed][piece.provider, piece.currency] += len(piece.line_ids)
    return {key: min(found, key=lambda source: (-found[source], source)) for key, found in counts.items()}


def read_rates(con: duckdb.DuckDBPyConnection) -> ExchangeRates:
    """The partner's exchange rates."""
    return ExchangeRates(
        con.execute(
            "SELECT rate_month, from_currency, to_currency, rate, source FROM reference.exchange_rates"
        ).fetchall()
    )


def _cycles(
    con: duckdb.DuckDBPyConnection, contracts: dict[str, Contract], pieces: list[CostPiece], charges: list[Charge]
) -> dict[str, list[OwnCycle]]:
    """Our cycles by contract line, as far as any line of either side reaches: no day outside is compared.

    They have no price yet: few rows need it.
    """
    starts = [piece.start for piece in pieces] + [charge[3].start for charge in charges]
    ends = [piece.end for piece in pieces] + [charge[3].end for charge in charges]
    if not starts:
        return {}
    first, last = min(starts), max(starts)
    cycles: dict[str, list[OwnCycle]] = defaultdict(list)
    rows = read_rows(
        con,
        """
        SELECT
            contract_line_id, cycle_start_on, cycle_end_on, invoice_month, counts_as_issued, full_cycle_days,
            whole_start_on
        FROM (
            SELECT
                *,
                min(cycle_start_on) OVER (PARTITION BY contract_line_id, full_cycle_start_on, full_cycle_end_on)
                    AS whole_start_on
            FROM billing.cycles
        )
        WHERE cycle_start_on <= $last AND cycle_end_on >= $first
        ORDER BY contract_line_id, cycle_start_on
        """,
        {"first": first, "last": max(last, *ends)},
    )
    for contract_line_id, start, end, invoice_month, counts_as_issued, full_days, whole_start in rows:
        if contract_line_id in contracts:
            cycle = OwnCycle(start, end, invoice_month, counts_as_issued, full_days, whole_start=whole_start)
            cycles[contract_line_id].append(cycle)
    return cycles


def _changes(con: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], list[tuple[str, date, Decimal, Decimal]]]:
    changes: dict[tuple[str, str], list[tuple[str, date, Decimal, Decimal]]] = defaultdict(list)
    rows = read_rows(
        con,
        """
        SELECT
            customer_id, subscription_id, change_id, CAST(changed_at AS DATE) AS changed_on,
            quantity_before, quantity_after
        FROM partner_center.subscription_changes
        WHERE quantity_before IS NOT NULL AND quantity_after IS NOT NULL
        ORDER BY changed_at, change_id
        """,
    )
    for customer_id, subscription_id, change_id, changed_on, before, after in rows:
        changes[(customer_id or "").lower(), (subscription_id or "").lower()].append(
            (change_id, changed_on, before, after)
        )
    return changes


def _subscriptions(con: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], Subscription]:
    rows = read_rows(
        con,
        "SELECT customer_id, subscription_id, quantity, billing_cycle, started_on FROM partner_center.subscriptions",
    )
    return {
        ((customer_id or "").lower(), (subscription_id or "").lower()): Subscription(
            quantity, started_on if cycle_months(billing_cycle) >= MONTHS_PREPAID else None
        )
        for customer_id, subscription_id, quantity, billing_cycle, started_on in rows
    }


def _gross_credit(con: duckdb.DuckDBPyConnection) -> dict[tuple[str, str, str], Decimal]:
    """Earned credit in the base of each contract line, by service month and cost currency."""
    rows = con.execute(
        "SELECT contract_line_id, service_month, cost_currency, sum(pec_amount) FROM billing.cost_bases GROUP BY ALL"
    ).fetchall()
    return {(contract, month, currency): credit for contract, month, currency, credit in rows}
