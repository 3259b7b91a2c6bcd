"""What the partner should bill, worked out from the scenario's facts a second time.

A small, slow and exact calculation with fractions, kept apart from the pipeline on purpose: the totals in
`expected.json` are only worth something when they come from other code. Per unit, flat and cost-plus; nothing issued.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from fractions import Fraction
from typing import TYPE_CHECKING

from csp_pipeline.sandbox.catalogue import CURRENCIES
from csp_pipeline.sandbox.cost_bases import cost_bases
from csp_pipeline.sandbox.dates import anchored, days_between, month_of, shift
from csp_pipeline.sandbox.facts import round_fraction

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from decimal import Decimal

    from csp_pipeline.sandbox.cost_bases import Bases
    from csp_pipeline.sandbox.facts import ContractLine, SeatChange
    from csp_pipeline.sandbox.provider_documents import ProviderDocument
    from csp_pipeline.sandbox.scenario import Scenario

CYCLE_MONTHS = {"monthly": 1, "quarterly": 3, "annual": 12}
BEGINNING = datetime.combine(date(1900, 1, 1), time())


@dataclass(frozen=True)
class Charge:
    """One line of a draft: what is billed in `invoice_month` for the inclusive service period."""

    line: ContractLine
    invoice_month: str
    kind: str
    service_start_on: date
    service_end_on: date
    amount: Decimal


@dataclass(frozen=True)
class BillingCycle:
    """One cycle of a contract line, clipped to it; ends are inclusive, `full_days` those of the unclipped cycle."""

    start_on: date
    end_on: date
    full_days: int


def draft_charges(
    scenario: Scenario, documents: Sequence[ProviderDocument], changes: Sequence[SeatChange]
) -> list[Charge]:
    """All charges on the drafts of the scenario's months.

    Args:
        scenario: The facts.
        documents: The provider invoices with their lines and usage.
        changes: The licence change log.

    Returns:
        Charges with an amount; those whose service starts before billing does are left out.
    """
    bases = cost_bases(scenario, documents)
    charges: list[Charge] = []
    for line in scenario.contract_lines:
        if line.pricing_model == "cost_plus":
            charges += _cost_plus(scenario, line, bases)
        elif line.pricing_model == "flat":
            charges += _flat(scenario, line)
        else:
            charges += _per_unit(scenario, line, changes)
    return [
        charge
        for charge in charges
        if charge.amount and charge.service_start_on >= scenario.starts_on and charge.invoice_month in scenario.months
    ]


def billing_cycles(line: ContractLine, until: date) -> Iterator[BillingCycle]:
    """The cycles of a contract line that start on or before `until`."""
    months = CYCLE_MONTHS[line.billing_cycle]
    month = month_of(line.starts_on)
    if anchored(month, line.anchor_day) < line.starts_on:
        month = shift(month, 1)
    if anchored(month, line.anchor_day) > line.starts_on:
        month = shift(month, -months)
    while (full_start := anchored(month, line.anchor_day)) <= until:
        following = anchored(shift(month, months), line.anchor_day)
        start = max(full_start, line.starts_on)
        end = following - timedelta(days=1)
        if line.ends_on:
            end = min(end, line.ends_on)
        if start <= end:
            yield BillingCycle(start, end, (following - full_start).days)
        month = shift(month, months)


def _invoice_month(scenario: Scenario, line: ContractLine, cycle: BillingCycle) -> str:
    if line.billing_timing == "arrears":
        return month_of(cycle.end_on)
    return max(shift(month_of(cycle.start_on), -1), scenario.months[0])


def _horizon(scenario: Scenario) -> date:
    return anchored(shift(scenario.months[-1], 1), 31)


def _price(line: ContractLine) -> Fraction:
    return Fraction(line.price) * (1 - Fraction(line.discount_percent or 0) / 100)


def _flat(scenario: Scenario, line: ContractLine) -> Iterator[Charge]:
    quantum = CURRENCIES[line.currency].minor_unit
    for cycle in billing_cycles(line, _horizon(scenario)):
        share = Fraction(days_between(cycle.start_on, cycle.end_on), cycle.full_days)
        amount = round_fraction(_price(line) * share, quantum)
        month = _invoice_month(scenario, line, cycle)
        yield Charge(line, month, "recurring", cycle.start_on, cycle.end_on, amount)


def _per_unit(scenario: Scenario, line: ContractLine, changes: Sequence[SeatChange]) -> Iterator[Charge]:
    quantum = CURRENCIES[line.currency].minor_unit
    history = _history(scenario, line, changes)
    for cycle in billing_cycles(line, _horizon(scenario)):
        quantity = _quantity_at(history, datetime.combine(cycle.start_on, time()))
        share = Fraction(days_between(cycle.start_on, cycle.end_on), cycle.full_days)
        amount = round_fraction(quantity * _price(line) * share, quantum)
        month = _invoice_month(scenario, line, cycle)
        yield Charge(line, month, "recurring", cycle.start_on, cycle.end_on, amount)
        for day, change in _changes_by_day(history, cycle):
            left = Fraction(days_between(day, cycle.end_on), cycle.full_days)
            amount = round_fraction(change * _price(line) * left, quantum)
            yield Charge(line, month_of(day), "change", day, cycle.end_on, amount)


History = list[tuple[datetime, int]]


def _history(scenario: Scenario, line: ContractLine, changes: Sequence[SeatChange]) -> History:
    """Quantities from their instants on, the first from the beginning of time."""
    if line.quantity_source == "fixed":
        return [(BEGINNING, line.quantity or 0)]
    its_changes = [change for change in changes if change.subscription_id == line.subscription_id]
    if its_changes:
        before = [(BEGINNING, its_changes[0].quantity_before)]
        return before + [(change.changed_at, change.quantity_after) for change in its_changes]
    return [(BEGINNING, scenario.current_quantity(line.subscription_id))]


def _quantity_at(history: History, instant: datetime) -> int:
    return [quantity for at, quantity in history if at <= instant][-1]


def _changes_by_day(history: History, cycle: BillingCycle) -> Iterator[tuple[date, int]]:
    """The net change of every day of a cycle on which the quantity changes after the cycle's first instant."""
    days = sorted({at.date() for at, _ in history if cycle.start_on <= at.date() <= cycle.end_on})
    for day in days:
        midnight = datetime.combine(day, time())
        opening = midnight if day == cycle.start_on else midnight - timedelta(microseconds=1)
        change = _quantity_at(history, midnight + timedelta(days=1, microseconds=-1)) - _quantity_at(history, opening)
        if change:
            yield day, change


def _cost_plus(scenario: Scenario, line: ContractLine, bases: Bases) -> Iterator[Charge]:
    """One charge per service month: base x rate x (1 + markup) x (1 - discount), rounded once."""
    for month in scenario.months:
        converted = Fraction(0)
        for (line_id, service_month, _), base in bases.items():
            if line_id == line.contract_line_id and service_month == month:
                converted += base * conversion_rate(scenario, line, service_month)
        amount = round_fraction(converted * price_factor(line), CURRENCIES[line.currency].minor_unit)
        yield Charge(line, month, "usage", anchored(month, 1), anchored(month, 31), amount)


def price_factor(line: ContractLine) -> Fraction:
    """What a unit of cost is sold for under a cost-plus line."""
    markup = 1 + Fraction(line.markup_percent or 0) / 100
    return markup * (1 - Fraction(line.discount_percent or 0) / 100)


def conversion_rate(scenario: Scenario, line: ContractLine, month: str) -> Fraction:
    """The rate from the cost's currency to the contract line's."""
    customer = next(customer for customer in scenario.customers if customer.customer_id == line.customer_id)
    if customer.currency.code == line.currency:
        return Fraction(1)
    return Fraction(scenario.rate(customer.currency.code, line.currency, month))
