"""The facts that charges are made of, read out of the warehouse as the frozen values that `domain/` understands.

What belongs here: queries and the making of values. No rule: what a blank cell means stands in
`models/billing/contract_terms.sql`, what is charged in `domain/charges`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from csp_pipeline.domain.calendar import ONE_DAY, CycleCalendar, first_day_of
from csp_pipeline.domain.charges import ONE, ContractLine, CostBase
from csp_pipeline.domain.commitments import Commitments
from csp_pipeline.domain.contract_lines import PriceStep
from csp_pipeline.domain.documents import TaxRate, TaxRates
from csp_pipeline.domain.quantities import ZERO, DayQuantity, QuantityHistory, between, sum_of
from csp_pipeline.domain.tiers import PriceTiers, Tier, TierMode
from csp_pipeline.steps.issued import read_issued
from csp_pipeline.steps.run import first_month

if TYPE_CHECKING:
    from datetime import date

    import duckdb

    from csp_pipeline.settings import Settings


@dataclass(frozen=True, slots=True)
class ContractTerms:
    """A row of billing.contract_terms: the line that is charged, and what its invoice lines carry along."""

    line: ContractLine
    account_id: str
    customer_id: str | None
    subscription_id: str | None
    name: str
    unit_name: str
    currency: str
    fixed_quantity: Decimal | None
    tax_rate_id: str | None
    tax_category: str | None


def billing_starts_on(con: duckdb.DuckDBPyConnection, settings: Settings) -> date | None:
    """The day billing begins: fixed by the first issue; before it the setting, else the first month with an invoice.

    Returns:
        The day, or None when nothing says so. Of the months with a provider invoice only those worked with count.
    """
    fixed = read_issued(settings.home).billing_starts_on
    if fixed is not None:
        return fixed
    if settings.billing_starts_on is not None:
        return settings.billing_starts_on
    month = first_month(con)
    return first_day_of(month) if month else None


def read_terms(con: duckdb.DuckDBPyConnection) -> Iterator[ContractTerms]:
    """The contract lines that are charged, by contract_line_id."""
    tiers, steps = read_tiers(con), read_price_steps(con)
    cursor = con.cursor().execute(
        """
        SELECT
            contract_line_id, pricing_model, charges_start_on, ends_on, anchor_day, months_per_cycle, decimals,
            billing_timing, is_prorated, unit_price, discount_percent, markup_percent, discount_ends_on,
            discount_amount, maximum_amount, minimum_amount, is_one_time, account_id,
            customer_id, subscription_id, name, unit_name, currency,
            CASE WHEN quantity_source = 'fixed' THEN quantity END, tax_rate_id, tax_category
        FROM billing.contract_terms
        ORDER BY contract_line_id
        """
    )
    calendars: dict[tuple[date, date | None, int, int, tuple[date, ...]], CycleCalendar] = {}
    while rows := cursor.fetchmany(10_000):
        for row in rows:
            contract_line_id, model, starts_on, ends_on, anchor_day, months, decimals, timing, is_prorated, *others = (
                row
            )
            prices_over_time = steps.get(contract_line_id, ())
            cuts = tuple(step.from_on for step in prices_over_time[1:])
            key = (starts_on, ends_on, anchor_day, months, cuts)
            if key not in calendars:
                end = ends_on + ONE_DAY if ends_on else None
                calendars[key] = CycleCalendar(starts_on, end, anchor_day, months, cuts)
            prices, agreed, is_one_time, rest = others[:4], others[4:7], others[7], others[8:]
            commitments = Commitments(*agreed) if any(amount is not None for amount in agreed) else None
            terms = (*prices, tiers.get(contract_line_id), commitments, is_one_time, prices_over_time)
            line = ContractLine(contract_line_id, model, calendars[key], decimals, timing, is_prorated, *terms)
            yield ContractTerms(line, *rest)


def read_price_steps(con: duckdb.DuckDBPyConnection) -> dict[str, tuple[PriceStep, ...]]:
    """The prices over time of the components of bundles, by contract_line_id."""
    found: defaultdict[str, list[PriceStep]] = defaultdict(list)
    rows = con.execute(
        "SELECT contract_line_id, from_on, unit_price FROM reference.bundle_prices ORDER BY contract_line_id, from_on"
    ).fetchall()
    for contract_line_id, *step in rows:
        found[contract_line_id].append(PriceStep(*step))
    return {line_id: tuple(steps) for line_id, steps in found.items()}


def read_tiers(con: duckdb.DuckDBPyConnection) -> dict[str, PriceTiers]:
    """The tiers of the contract lines that are charged by them, by contract_line_id."""
    found: defaultdict[tuple[str, TierMode], list[Tier]] = defaultdict(list)
    rows = con.execute(
        """
        SELECT
            tier.contract_line_id, terms.pricing_model, tier.from_quantity, tier.unit_price, tier.flat_amount,
            tier.package_size
        FROM reference.price_tiers AS tier
        INNER JOIN billing.contract_terms AS terms ON tier.contract_line_id = terms.contract_line_id
        ORDER BY tier.contract_line_id, tier.from_quantity
        """
    ).fetchall()
    for contract_line_id, model, *tier in rows:
        found[contract_line_id, model].append(Tier(*tier))
    return {line_id: PriceTiers(mode, tuple(tiers)) for (line_id, mode), tiers in found.items()}


def read_quantities(con: duckdb.DuckDBPyConnection) -> dict[str, QuantityHistory]:
    """The quantity over time of each contract line that follows subscriptions, by contract_line_id."""
    parts: defaultdict[str, list[QuantityHistory]] = defaultdict(list)
    cursor = con.cursor().execute(
        """
        SELECT
            line.contract_line_id, line.customer_id, line.subscription_id,
            line.from_on, line.until_on, past.from_on, past.quantity_at_start, past.quantity
        FROM billing.line_subscriptions AS line
        INNER JOIN billing.quantity_history AS past USING (customer_id, subscription_id)
        ORDER BY 1, 2, 3, line.from_on NULLS FIRST, line.until_on NULLS LAST, past.from_on NULLS FIRST
        """
    )
    key: tuple[Any, ...] | None = None
    opening, changes = ZERO, list[DayQuantity]()
    while rows := cursor.fetchmany(10_000):
        for *head, day, at_start, at_end in rows:
            if key is not None and key != tuple(head):
                parts[key[0]].append(between(QuantityHistory(opening, tuple(changes)), *key[3:]))
            if day is None:
                opening, changes = at_end, []
            else:
                changes.append(DayQuantity(day, at_start, at_end))
            key = tuple(head)
    if key is not None:
        parts[key[0]].append(between(QuantityHistory(opening, tuple(changes)), *key[3:]))
    return {line_id: sum_of(histories) for line_id, histories in parts.items()}


@dataclass(frozen=True, slots=True)
class BaseAmount:
    """A row of billing.cost_bases."""

    service_month: str
    cost_currency: str
    amount: Decimal
    is_estimate: bool


def read_cost_bases(con: duckdb.DuckDBPyConnection, months: list[str]) -> dict[tuple[str, str], list[BaseAmount]]:
    """The cost that cost-plus lines take, by contract_line_id and service month."""
    bases: defaultdict[tuple[str, str], list[BaseAmount]] = defaultdict(list)
    rows = con.execute(
        """
        SELECT contract_line_id, service_month, cost_currency, base_amount, is_estimate
        FROM billing.cost_bases
        WHERE list_contains($months, service_month)
        ORDER BY ALL
        """,
        {"months": months},
    ).fetchall()
    for line_id, month, *base in rows:
        bases[line_id, month].append(BaseAmount(month, *base))
    return dict(bases)


Rates = Mapping[tuple[str, str, str], Decimal]


def read_exchange_rates(con: duckdb.DuckDBPyConnection) -> Rates:
    """Exchange rates above 0 by month, from and to currency."""
    rows = con.execute(
        "SELECT rate_month, from_currency, to_currency, rate FROM reference.exchange_rates WHERE rate > 0"
    ).fetchall()
    return {(month, source, target): rate for month, source, target, rate in rows}


def convertible(base: BaseAmount, currency: str, rates: Rates) -> CostBase | None:
    """A cost base with its rate into a currency: 1, the month's direct rate, else the inverse one; None without any."""
    if base.cost_currency == currency:
        return CostBase(base.amount, is_estimate=base.is_estimate)
    direct = rates.get((base.service_month, base.cost_currency, currency))
    if direct is not None:
        return CostBase(base.amount, direct, ONE, base.is_estimate)
    inverse = rates.get((base.service_month, currency, base.cost_currency))
    return None if inverse is None else CostBase(base.amount, ONE, inverse, base.is_estimate)


def read_tax_rates(con: duckdb.DuckDBPyConnection) -> TaxRates:
    """Tax rates by tax rate id and category ('' for none), the latest first."""
    rates: defaultdict[tuple[str, str], list[TaxRate]] = defaultdict(list)
    rows = con.execute(
        """
        SELECT tax_rate_id, coalesce(tax_category, ''), rate_percent, valid_from, valid_to
        FROM reference.tax_rates
        ORDER BY tax_rate_id, tax_category, valid_from DESC NULLS LAST
        """
    ).fetchall()
    for tax_rate_id, category, *rate in rows:
        rates[tax_rate_id, category].append(TaxRate(*rate))
    return dict(rates)
