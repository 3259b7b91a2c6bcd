"""What our customers are charged: cycles, recurring, changes, flat, cost-plus."""

# ruff: noqa: PLR0913, PLR0917 - a rule's inputs are named one by one
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

from csp_pipeline_tests.reference.amounts import ZERO, round_minor
from csp_pipeline_tests.reference.commercial import ContractLine
from csp_pipeline_tests.reference.days import (
    ONE_DAY,
    anchored,
    each_month,
    first_day,
    last_day,
    midnight,
    month_of,
    next_month,
)

if TYPE_CHECKING:
    from datetime import date

    from csp_pipeline_tests.reference.seats import SeatHistory

Base = Callable[[ContractLine, str], tuple[dict[str, Fraction], bool]]
"""Cost base of a contract line in a service month: by cost currency, and whether it is an estimate."""
RateOf = Callable[[str, str, str], Fraction | None]


@dataclass(frozen=True)
class Cycle:
    """A billing cycle, half-open; ``full_days`` are those of the full cycle it is a part of."""

    start: date
    end: date
    full_days: int
    is_short_first: bool = False

    @property
    def days(self) -> int:
        """Days charged."""
        return (self.end - self.start).days


@dataclass(frozen=True)
class Charge:
    """One document line; ``end`` is exclusive, ``exact`` the amount before it is rounded."""

    contract: ContractLine
    kind: str
    start: date
    end: date
    quantity: Decimal | None
    unit_price: Decimal | None
    exact: Fraction
    net: Decimal
    invoice_month: str
    is_estimate: bool = False

    @property
    def days(self) -> int:
        """Days of the service period."""
        return (self.end - self.start).days


@dataclass(frozen=True)
class Drafting:
    """Through which month documents are drafted and from which day billing counts."""

    through_month: str
    starts_on: date

    @property
    def first_month(self) -> str:
        """The first billing month."""
        return month_of(self.starts_on)

    def cycle_month(self, contract: ContractLine, cycle: Cycle) -> str:
        """The month of the document that holds a cycle."""
        if contract.billing_timing == "advance":
            return max(next_month(month_of(cycle.start), -1), self.first_month)
        return month_of(cycle.end - ONE_DAY)

    def is_drafted(self, contract: ContractLine, cycle: Cycle) -> bool:
        """Whether the document of the cycle is drafted and the cycle is not from before billing began."""
        return cycle.start >= self.starts_on and self.cycle_month(contract, cycle) <= self.through_month


def cycles(contract: ContractLine) -> Iterator[Cycle]:
    """Rule 9.1: from ``starts_on`` at the anchor; endless where the contract line is open."""
    anchor_day = contract.anchor_day or contract.starts_on.day
    begin = contract.charged_from
    stop = None if contract.ends_on is None else contract.ends_on + ONE_DAY

    def clip(start: date, end: date, full: int, *, first: bool = False) -> Cycle:
        return Cycle(start, end if stop is None else min(end, stop), full, first)

    if stop is not None and stop <= begin:
        return
    anchor = anchored(begin, 0, anchor_day)
    if anchor < begin:
        anchor = anchored(begin, 1, anchor_day)
    if anchor > begin:
        before = anchored(anchor, -contract.months, anchor_day)
        yield clip(begin, anchor, (anchor - before).days, first=True)
    while stop is None or anchor < stop:
        end = anchored(anchor, contract.months, anchor_day)
        yield clip(anchor, end, (end - anchor).days)
        anchor = end


def cycle_of(contract: ContractLine, day: date) -> Cycle | None:
    """The cycle that holds a day, None outside of the contract line's time."""
    if day < contract.charged_from or (contract.ends_on is not None and day > contract.ends_on):
        return None
    return next(cycle for cycle in cycles(contract) if cycle.start <= day < cycle.end)


def contract_charges(
    contract: ContractLine,
    history: SeatHistory | None,
    drafting: Drafting,
    base: Base,
    rate_of: RateOf,
    refusals: list[str],
) -> list[Charge]:
    """All charges of a contract line on the documents through the last drafted month."""
    if contract.pricing_model == "cost_plus":
        charges = _cost_plus(contract, drafting, base, rate_of, refusals)
    elif contract.is_one_time:
        charges = _once(contract, history)
    elif contract.has_units or contract.pricing_model == "flat":
        charges = _by_cycle(contract, history, drafting)
    else:
        refusals.append(f"{contract.contract_line_id}: the reference does not know {contract.pricing_model}")
        charges = []
    return [
        charge
        for charge in charges
        if charge.start >= drafting.starts_on
        and drafting.first_month <= charge.invoice_month <= drafting.through_month
        and (charge.quantity or charge.net)
    ]


def _by_cycle(contract: ContractLine, history: SeatHistory | None, drafting: Drafting) -> list[Charge]:
    horizon = last_day(next_month(drafting.through_month))
    whole_cycles = contract.proration == "none"
    result: list[Charge] = []
    for cycle in cycles(contract):
        if cycle.start > horizon:
            break
        if whole_cycles and cycle.is_short_first:
            continue
        month = drafting.cycle_month(contract, cycle)
        share = Fraction(1) if whole_cycles else Fraction(cycle.days, cycle.full_days)
        seats = None if whole_cycles or contract.quantity_source == "fixed" else history
        own = list(_stretches(contract, history, seats, cycle, month, whole=whole_cycles))
        if cycle.start >= drafting.starts_on:
            result += own + _agreed(contract, own, cycle.start, cycle.end, share, month)
        else:
            result += [charge for charge in own if charge.kind == "change"]
    return result


def _stretches(
    contract: ContractLine,
    history: SeatHistory | None,
    changing: SeatHistory | None,
    cycle: Cycle,
    month: str,
    *,
    whole: bool,
) -> Iterator[Charge]:
    """The charges of one cycle, stretch by stretch of one price: a joint bill however often the price changes in it."""
    is_flat = contract.pricing_model == "flat"
    marks = [cycle.start, *(day for day, _ in contract.steps if cycle.start < day < cycle.end), cycle.end]
    for start, end in pairwise(marks):
        line = contract.at(start)
        quantity = Decimal(1) if is_flat else _quantity(contract, history, start)
        share = Fraction(1) if whole else Fraction((end - start).days, cycle.full_days)
        exact = line.price_of(Fraction(quantity)) * share
        yield _charge(line, "recurring", start, end, quantity, exact, month, cycle.start)
        if changing is None or is_flat:
            continue
        for day, before, after in changing.change_days(start, end):
            full = line.price_of(Fraction(after)) - line.price_of(Fraction(before))
            exact = full * Fraction((end - day).days, cycle.full_days)
            yield _charge(line, "change", day, end, after - before, exact, month_of(day), cycle.start)


def _once(contract: ContractLine, history: SeatHistory | None) -> list[Charge]:
    """A line of one day without a cycle: whole, for the quantity when the day is over."""
    day, end = contract.starts_on, contract.starts_on + ONE_DAY
    quantity = Decimal(1) if contract.pricing_model == "flat" else _quantity(contract, history, end)
    price = contract.price_of(Fraction(quantity))
    own = [_charge(contract, "one_time", day, end, quantity, price, month_of(day), day)]
    return own + _agreed(contract, own, day, end, Fraction(1), month_of(day))


def _agreed(
    contract: ContractLine, own: list[Charge], start: date, end: date, share: Fraction, month: str
) -> list[Charge]:
    """Rule 9.3: an amount off (never below 0), what is then over the maximum, then what is missing to the minimum."""

    def part(amount: Fraction | None) -> Decimal | None:
        return None if amount is None else round_minor(amount * share, contract.currency)

    total = sum((charge.net for charge in own), ZERO)
    off, most, least = part(contract.discount_amount), part(contract.maximum), part(contract.minimum)
    left = total
    if off is not None and (contract.discount_ends_on is None or start <= contract.discount_ends_on):
        left -= min(off, max(left, ZERO))
    off_line = left - total
    over_line = min(most - left, ZERO) if most is not None else ZERO
    left += over_line
    lines = [
        ("discount", off_line),
        ("discount", over_line),
        ("minimum", max((least or ZERO) - left, ZERO) if least else ZERO),
    ]
    is_estimate = any(charge.is_estimate for charge in own)
    return [
        Charge(contract, kind, start, end, None, None, Fraction(amount), amount, month, is_estimate)
        for kind, amount in lines
        if amount
    ]


def _quantity(contract: ContractLine, history: SeatHistory | None, start: date) -> Decimal:
    if contract.quantity_source != "fixed" and history is not None:
        return history.at(midnight(start))
    return contract.quantity or ZERO


def _charge(
    contract: ContractLine,
    kind: str,
    start: date,
    end: date,
    quantity: Decimal,
    price: Fraction,
    month: str,
    cycle_start: date,
) -> Charge:
    """The price of a part of a cycle, discounted if the cycle is, then rounded once."""
    exact = price * contract.discount_factor(cycle_start)
    net = round_minor(exact, contract.currency)
    unit_price = None if contract.tiers else contract.unit_price
    return Charge(contract, kind, start, end, quantity, unit_price, exact, net, month)


def cost_plus_factor(contract: ContractLine, month: str) -> Fraction:
    """(1 + markup) x (1 - discount) of a cost-plus line."""
    return (1 + Fraction(contract.markup_percent) / 100) * contract.discount_factor(first_day(month))


def _cost_plus(
    contract: ContractLine, drafting: Drafting, base: Base, rate_of: RateOf, refusals: list[str]
) -> list[Charge]:
    """Rule 9.4: one line per service month, in the cost currency until the rate is applied."""
    if contract.anchor_day not in (None, 1) or contract.months != 1:
        refusals.append(f"{contract.contract_line_id}: cost_plus bills calendar months only")
        return []
    result: list[Charge] = []
    for month in each_month(drafting.first_month, drafting.through_month):
        if not contract.is_in_force(first_day(month), last_day(month)):
            continue
        if last_day(month) < contract.charged_from:
            continue
        by_currency, is_estimate = base(contract, month)
        if not by_currency and contract.minimum is None:
            continue
        converted = convert(by_currency, month, contract.currency, rate_of)
        if converted is None:
            missing = "/".join(sorted(by_currency))
            refusals.append(f"{contract.contract_line_id}: no rate {missing} to {contract.currency} in {month}")
            continue
        exact = converted * cost_plus_factor(contract, month)
        start = max(first_day(month), contract.starts_on)
        end = last_day(month) + ONE_DAY
        if contract.ends_on is not None:
            end = min(end, contract.ends_on + ONE_DAY)
        net = round_minor(exact, contract.currency)
        own = [Charge(contract, "usage", start, end, None, None, exact, net, month, is_estimate)] if net else []
        days = (last_day(month) + ONE_DAY - first_day(month)).days
        result += own + _agreed(contract, own, start, end, Fraction((end - start).days, days), month)
    return result


def convert(by_currency: Mapping[str, Fraction], month: str, target: str, rate_of: RateOf) -> Fraction | None:
    """Sum of amounts by currency in the target currency at the rates of the month; None when a rate is missing."""
    total = Fraction(0)
    for currency, amount in sorted(by_currency.items()):
        rate = rate_of(month, currency, target)
        if rate is None:
            return None
        total += amount * rate
    return total
