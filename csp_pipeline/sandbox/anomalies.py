"""The planted anomalies in figures: what each must show up as, month by month.

Amounts are worked out here from the planted facts alone, exactly, and then given with six decimals. Each function
handles one cause; a planted item that has no effect in the generated months gives no entry.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from csp_pipeline.sandbox.cost_bases import cost_bases, recognised
from csp_pipeline.sandbox.dates import anchored, days_between, days_in, last_day, month_of, months_through, shift
from csp_pipeline.sandbox.drafts import Charge, conversion_rate, price_factor
from csp_pipeline.sandbox.facts import Seats
from csp_pipeline.sandbox.figures import Figure
from csp_pipeline.sandbox.legacy_facts import LegacyAzure
from csp_pipeline.sandbox.seats import charges_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from csp_pipeline.sandbox.facts import ContractLine, Planted
    from csp_pipeline.sandbox.provider_documents import ProviderDocument
    from csp_pipeline.sandbox.scenario import Scenario

NO_MATTER = random.Random(0)  # noqa: S311  (draws identifiers that nobody reads here)


@dataclass(frozen=True)
class Books:
    """Everything an anomaly's figures are taken from."""

    scenario: Scenario
    documents: Sequence[ProviderDocument]
    charges: Sequence[Charge]

    def revenue(self, line: ContractLine, kind: str = "") -> dict[str, Fraction]:
        """Recognised revenue of a contract line by service month."""
        sums: dict[str, Fraction] = {}
        for charge in self.charges:
            if charge.line is line and kind in ("", charge.kind):
                for month, part in recognised(charge.amount, charge.service_start_on, charge.service_end_on).items():
                    sums[month] = sums.get(month, Fraction(0)) + part
        return sums

    def cost(self, seats: Seats) -> dict[str, Fraction]:
        """Recognised provider cost of a subscription by service month."""
        sums: dict[str, Fraction] = {}
        for document in self.documents:
            for line, _ in document.lines:
                if line.subscription_id == seats.subscription_id:
                    for month, part in recognised(line.subtotal, line.charge_start_on, line.charge_end_on).items():
                        sums[month] = sums.get(month, Fraction(0)) + part
        return sums

    def expected(self, seats: Seats, line: ContractLine) -> dict[str, Fraction]:
        """Expected revenue by service month: provider quantities at our price over the provider's own days."""
        months = self.scenario.months
        until = anchored(months[-1], 31)
        sums: dict[str, Fraction] = {}
        for charge in charges_of(seats, until, NO_MATTER):
            if charge.billing_month in months:
                price = Fraction(line.price) * seats.cycle_months
                for month in months_through(month_of(charge.start_on), month_of(charge.cycle.end_on)):
                    days = days_in(charge.start_on, charge.cycle.end_on, month)
                    part = charge.quantity * price * days / charge.cycle.full_days
                    sums[month] = sums.get(month, Fraction(0)) + part
        return sums


@dataclass(frozen=True)
class Entry:
    """One difference that must be found."""

    planted: Planted
    service_month: str
    amount: Fraction
    quantity: int | None
    cause: str = ""
    expected_on_month: str = ""

    def as_json(self) -> dict[str, str | int | None]:
        """The entry as `expected.json` lists it."""
        planted = self.planted
        customer, line = planted.customer, planted.contract_line
        subscription_id = line.subscription_id if line else ""
        if planted.source is not None:
            subscription_id = planted.source.subscription_id
        figure = Figure(
            cause=self.cause or planted.cause,
            service_month=self.service_month,
            account_id=customer.account_id,
            customer_id=customer.customer_id,
            subscription_id=subscription_id,
            contract_line_id=line.contract_line_id if line else "",
            currency=line.currency if line else customer.currency.code,
            amount=self.amount,
            quantity=self.quantity,
            expected_on_month=self.expected_on_month,
        )
        return figure.as_json()


def planted_entries(
    scenario: Scenario, documents: Sequence[ProviderDocument], charges: Sequence[Charge]
) -> list[dict[str, str | int | None]]:
    """Every planted difference with its month, amount and quantity.

    Returns:
        One object per planted item and service month, in order of planting.
    """
    books = Books(scenario, documents, charges)
    worked_out = [
        entry.as_json()
        for planted in scenario.planted
        for entry in _BY_CAUSE[planted.cause](books, planted)
        if entry.amount
    ]
    return worked_out + [figure.as_json() for figure in scenario.figures]


def _unmapped(books: Books, planted: Planted) -> Iterator[Entry]:
    if isinstance(planted.source, Seats):
        yield from _unbilled(books, planted)
    for document in books.documents:
        for usage in document.usage:
            if usage.plan is planted.source:
                total = sum((Fraction(line.subtotal) for line, _ in usage.lines), Fraction(0))
                yield Entry(planted, usage.month, -total, None)


def _credit(books: Books, planted: Planted) -> Iterator[Entry]:
    for document in books.documents:
        for line, _ in document.lines:
            if line is planted.source:
                yield Entry(planted, document.month, -Fraction(line.subtotal), None)


def _timing(books: Books, planted: Planted) -> Iterator[Entry]:
    event = planted.seats.events[-1]
    quantity = event.quantity_after - planted.seats.quantity_on(event.on)
    month = month_of(event.on)
    amount = books.revenue(planted.our_line, "change")[month]
    yield Entry(planted, month, amount, quantity, expected_on_month=shift(month, 1))


def _unbilled(books: Books, planted: Planted) -> Iterator[Entry]:
    for month, cost in books.cost(planted.seats).items():
        yield Entry(planted, month, -cost, -planted.seats.current_quantity())


def _without_cost(books: Books, planted: Planted) -> Iterator[Entry]:
    for month, revenue in books.revenue(planted.our_line).items():
        yield Entry(planted, month, revenue, planted.our_line.quantity)


def _mismatch(books: Books, planted: Planted) -> Iterator[Entry]:
    line, seats = planted.our_line, planted.seats
    expected = books.expected(seats, line)
    for month, revenue in books.revenue(line).items():
        yield Entry(planted, month, revenue - expected[month], (line.quantity or 0) - seats.current_quantity())


def _proration(books: Books, planted: Planted) -> Iterator[Entry]:
    """Two rhythms over the same days; less than a minor unit is the rounding of a short first cycle."""
    line, seats = planted.our_line, planted.seats
    revenue = books.revenue(line)
    for month, expected in books.expected(seats, line).items():
        difference = revenue.get(month, Fraction(0)) - expected
        if month in books.scenario.months:
            if abs(difference) >= planted.customer.currency.minor_unit:
                yield Entry(planted, month, difference, 0)
        else:
            yield Entry(planted, month, -expected, None, cause="period")


def _period(books: Books, planted: Planted) -> Iterator[Entry]:
    """Arrears not drafted yet, a year paid before the first invoice, and cost from before billing begins.

    A year that is renewed within the months is not listed: the snapshot then shows the new term only.
    """
    if isinstance(planted.source, LegacyAzure):
        yield from _cost_plus_tail(books, planted)
        return
    line, seats = planted.our_line, planted.seats
    first = books.scenario.months[0]
    revenue, expected = books.revenue(line), books.expected(seats, line)
    if seats.cycle_months > 1:
        renewal = month_of(anchored(shift(month_of(seats.starts_on), seats.cycle_months), seats.starts_on.day))
        if renewal > books.scenario.months[-1]:
            for month in books.scenario.months:
                yield Entry(planted, month, revenue[month], seats.quantity)
    elif seats.starts_on.day > 1:
        yield from _undrafted(books, planted, seats, line)
    else:
        for month in (month for month in expected if month < first):
            event = seats.events[0]
            yield Entry(planted, month, -expected[month], seats.quantity - event.quantity_after)


def _undrafted(books: Books, planted: Planted, seats: Seats, line: ContractLine) -> Iterator[Entry]:
    """The last provider cycle: ours ends in a month that has no draft."""
    last = books.scenario.months[-1]
    start = anchored(last, seats.starts_on.day)
    full_days = (anchored(shift(last, 1), seats.starts_on.day) - start).days
    in_last = days_between(start, last_day(last))
    price = seats.quantity * Fraction(line.price)
    yield Entry(planted, last, -price * in_last / full_days, -seats.quantity)
    yield Entry(planted, shift(last, 1), -price * (full_days - in_last) / full_days, None)


def _cost_plus_tail(books: Books, planted: Planted) -> Iterator[Entry]:
    """Cost of a billing period that reaches into a month without a draft."""
    line, scenario = planted.our_line, books.scenario
    for (line_id, service_month, _), base in cost_bases(scenario, books.documents).items():
        if line_id == line.contract_line_id and service_month not in scenario.months:
            amount = base * conversion_rate(scenario, line, service_month) * price_factor(line)
            yield Entry(planted, service_month, -amount, None)


def _rounding(books: Books, planted: Planted) -> Iterator[Entry]:
    """What rounding a cost-plus line to the minor unit leaves."""
    line = planted.our_line
    revenue = books.revenue(line)
    for (line_id, service_month, _), base in cost_bases(books.scenario, books.documents).items():
        if line_id == line.contract_line_id:
            yield Entry(planted, service_month, revenue[service_month] - base * price_factor(line), None)


def _fx_rate(books: Books, planted: Planted) -> Iterator[Entry]:
    """Cost converted for revenue at another month's rate than for the comparison, which keeps its document's."""
    line, scenario = planted.our_line, books.scenario
    for (line_id, service_month, billing_month), base in cost_bases(scenario, books.documents).items():
        if line_id == line.contract_line_id and service_month in scenario.months:
            used = conversion_rate(scenario, line, service_month)
            kept = conversion_rate(scenario, line, min(service_month, billing_month))
            yield Entry(planted, service_month, base * (used - kept) * price_factor(line), None)


_BY_CAUSE: dict[str, Callable[[Books, Planted], Iterator[Entry]]] = {
    "unmapped_customer": _unmapped,
    "credit": _credit,
    "timing": _timing,
    "unbilled_cost": _unbilled,
    "revenue_without_cost": _without_cost,
    "quantity_mismatch": _mismatch,
    "proration": _proration,
    "period": _period,
    "fx_rate": _fx_rate,
    "rounding": _rounding,
}
