"""What a contract line should be charged, derived anew from the facts, and what is left after what was issued.

What belongs here: charges, the invoice month of each and deltas, as pure functions on
frozen values. How charges become documents is `documents`; where the facts come from is SQL in `models/billing/`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Literal

from csp_pipeline.domain.calendar import (
    ONE_DAY,
    Cycle,
    CycleCalendar,
    Timing,
    first_day_of,
    invoice_month,
    month_of,
    shift_month,
)
from csp_pipeline.domain.proration import EXACT, cycle_amount, recurring_part, round_half_away
from csp_pipeline.domain.quantities import ZERO, QuantityHistory

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import date

PricingModel = Literal["per_unit", "flat", "cost_plus"]
ChargeKind = Literal["recurring", "change", "usage"]

ONE = Decimal(1)
_PERCENT = Decimal(100)
_ONE_UNIT = QuantityHistory(ONE)


@dataclass(frozen=True, slots=True)
class ContractLine:
    """The terms of a contract line that decide its charges.

    Attributes:
        calendar: its cycles; those of a cost-plus line are calendar months.
        timing: in advance or in arrears; not used by cost-plus, which follows its cost.
        is_prorated: days count (`proration daily`), or only whole cycles do (`none`).
        unit_price: price of a unit, or of everything (flat), for a full cycle.
        discount_ends_on: last day on which a charge may start and still be discounted.
        decimals: of the currency's minor unit.
    """

    contract_line_id: str
    pricing_model: PricingModel
    calendar: CycleCalendar
    decimals: int
    timing: Timing = "advance"
    is_prorated: bool = True
    unit_price: Decimal = ZERO
    discount_percent: Decimal = ZERO
    markup_percent: Decimal = ZERO
    discount_ends_on: date | None = None

    def discount_on(self, start: date) -> Decimal:
        """The discount, in percent, of a charge whose service starts on a day."""
        is_over = self.discount_ends_on is not None and start > self.discount_ends_on
        return ZERO if is_over else self.discount_percent


@dataclass(frozen=True, slots=True)
class CostBase:
    """Provider cost of one service month that a cost-plus line takes, in the currency of the provider's document.

    Attributes:
        amount: net or gross as the contract says, unrounded.
        rate: units of the contract line's currency for `rate_divisor` units of the cost's (an inverse rate divides).
        rate_divisor: 1 for a direct rate.
        is_estimate: some of it comes from open-month data.
    """

    amount: Decimal
    rate: Decimal = ONE
    rate_divisor: Decimal = ONE
    is_estimate: bool = False


@dataclass(frozen=True, slots=True)
class Charge:
    """An amount for a service period, half-open; the key of delta billing is contract line, kind and period."""

    contract_line_id: str
    kind: ChargeKind
    start: date
    end: date
    quantity: Decimal | None
    unit_price: Decimal | None
    net_amount: Decimal
    invoice_month: str
    is_estimate: bool = False
    is_correction: bool = False

    @property
    def key(self) -> tuple[str, ChargeKind, date, date]:
        """What may be charged only once."""
        return (self.contract_line_id, self.kind, self.start, self.end)


@dataclass(frozen=True)
class Window:
    """The invoice months asked for, and where billing begins.

    Attributes:
        first: first invoice month, YYYY-MM.
        last: last invoice month, YYYY-MM.
        billing_starts_on: charges whose service starts earlier count as issued.
    """

    first: str
    last: str
    billing_starts_on: date

    @cached_property
    def first_billed_month(self) -> str:
        """No document has an earlier billing month."""
        return month_of(self.billing_starts_on)

    @cached_property
    def opens(self) -> date:
        """First day of the first month."""
        return first_day_of(self.first)

    @cached_property
    def closes(self) -> date:
        """First day after the last month."""
        return first_day_of(shift_month(self.last, 1))

    @cached_property
    def closes_in_advance(self) -> date:
        """First day whose cycles no invoice of the window charges in advance."""
        return first_day_of(shift_month(self.last, 2))

    def has(self, month: str) -> bool:
        """Whether a month's invoice was asked for."""
        return self.first <= month <= self.last


def expected_charges(line: ContractLine, quantities: QuantityHistory, window: Window) -> tuple[Charge, ...]:
    """The charges of a per-unit or flat contract line on the invoices of a window.

    Args:
        line: the contract line; a flat one has a quantity of 1.
        quantities: its quantity over time.
        window: the invoice months, and where billing begins.

    Returns:
        Recurring charges (one per cycle) and changes (one per UTC day with a net change), by service start; without
        those whose amount and quantity are both 0.

    Raises:
        ValueError: for a cost-plus line, whose charges follow its cost (`cost_plus_charge`).
    """
    if line.pricing_model == "cost_plus":
        msg = f"Contract line {line.contract_line_id} is priced on cost; its charge follows from its cost."
        raise ValueError(msg)
    history = _ONE_UNIT if line.pricing_model == "flat" else quantities
    return tuple(
        charge
        for due in _due_cycles(line.calendar, line.timing, window, is_prorated=line.is_prorated)
        for charge in _cycle_charges(line, history, due, window)
        if charge.net_amount or charge.quantity
    )


@dataclass(frozen=True, slots=True)
class _DueCycle:
    """A cycle with the part of it that is charged (0 when not on these invoices), and on which month's invoice."""

    cycle: Cycle
    part: Fraction
    month: str


@lru_cache(maxsize=4096)
def _due_cycles(calendar: CycleCalendar, timing: Timing, window: Window, *, is_prorated: bool) -> tuple[_DueCycle, ...]:
    """The cycles that the invoices of a window charge, or in which their changes lie; many lines share them."""
    due: list[_DueCycle] = []
    for cycle in calendar.cycles(window.opens, window.closes_in_advance):
        month = invoice_month(cycle, timing, window.first_billed_month)
        is_charged = cycle.start >= window.billing_starts_on and window.has(month)
        part = recurring_part(cycle, prorated=is_prorated) if is_charged else Fraction(0)
        if part or (is_prorated and cycle.start < window.closes):
            due.append(_DueCycle(cycle, part, month))
    return tuple(due)


def _cycle_charges(line: ContractLine, history: QuantityHistory, due: _DueCycle, window: Window) -> Iterator[Charge]:
    cycle = due.cycle

    def charge(kind: ChargeKind, start: date, quantity: Decimal, part: Fraction, month: str) -> Charge:
        amount = cycle_amount(line.unit_price, quantity, part, line.discount_on(start), line.decimals)
        return Charge(line.contract_line_id, kind, start, cycle.end, quantity, line.unit_price, amount, month)

    if due.part:
        yield charge("recurring", cycle.start, history.at_start_of(cycle.start), due.part, due.month)
    if not line.is_prorated:
        return
    since = max(window.opens, window.billing_starts_on)
    for day, before, after in history.net_changes(cycle.start, min(cycle.end, window.closes)):
        if day >= since:
            part = Fraction((cycle.end - day).days, cycle.full_days)
            yield charge("change", day, after - before, part, month_of(day))


def service_cycle(line: ContractLine, month: str, window: Window) -> Cycle | None:
    """The days of a service month that a cost-plus line charges; None when it is not active or counts as issued."""
    cycle = next(iter(line.calendar.cycles(first_day_of(month), first_day_of(shift_month(month, 1)))), None)
    return None if cycle is None or cycle.start < window.billing_starts_on else cycle


def cost_plus_charge(line: ContractLine, month: str, bases: Iterable[CostBase], window: Window) -> Charge | None:
    """The one charge of a cost-plus line for a service month, rounded once after rate, markup and discount.

    Args:
        line: a cost-plus contract line.
        month: the service month, YYYY-MM.
        bases: its cost in that month, one per cost currency and rate.
        window: where billing begins.

    Returns:
        The charge, or None when there is no cycle to charge (`service_cycle`) or it comes to 0.
    """
    cycle = service_cycle(line, month, window)
    if cycle is None:
        return None
    bases = tuple(bases)
    numerator, denominator = ZERO, ONE
    for base in bases:
        part = EXACT.multiply(EXACT.multiply(base.amount, base.rate), denominator)
        numerator = EXACT.add(EXACT.multiply(numerator, base.rate_divisor), part)
        denominator = EXACT.multiply(denominator, base.rate_divisor)
    numerator = EXACT.multiply(numerator, _PERCENT + line.markup_percent)
    numerator = EXACT.multiply(numerator, _PERCENT - line.discount_on(cycle.start))
    amount = round_half_away(numerator, EXACT.multiply(denominator, _PERCENT * _PERCENT), line.decimals)
    if not amount:
        return None
    is_estimate = any(base.is_estimate for base in bases)
    return Charge(line.contract_line_id, "usage", cycle.start, cycle.end, None, None, amount, month, is_estimate)


def deltas(expected: Sequence[Charge], issued: Sequence[Charge]) -> tuple[Charge, ...]:
    """What should be billed minus what was issued, key by key.

    Args:
        expected: charges derived from the facts.
        issued: charges on issued documents, corrections included.

    Returns:
        New charges as they are; for a changed quantity or amount the reversal of what was issued and the new charge,
        for a changed cost one line with the difference; for what should not have been issued its reversal. Nothing
        when there is no news.

    Raises:
        ValueError: when the same charge for the same period is expected twice.
    """
    billed: defaultdict[tuple[str, ChargeKind, date, date], list[Charge]] = defaultdict(list)
    for charge in issued:
        billed[charge.key].append(charge)
    lines: list[Charge] = []
    seen: set[tuple[str, ChargeKind, date, date]] = set()
    for charge in expected:
        if charge.key in seen:
            msg = (
                f"Contract line {charge.contract_line_id} would be charged twice ({charge.kind}) for "
                f"{charge.start} to {charge.end - ONE_DAY}."
            )
            raise ValueError(msg)
        seen.add(charge.key)
        lines.extend(_difference(charge, billed.pop(charge.key, [])))
    lines.extend(reversal for charges in billed.values() for reversal in _reversal(charges))
    return tuple(lines)


def _difference(charge: Charge, issued: Sequence[Charge]) -> Iterator[Charge]:
    if not issued:
        yield charge
        return
    amount, quantity = _net_of(issued)
    if amount == charge.net_amount and quantity == (charge.quantity or ZERO):
        return
    if charge.kind == "usage":
        yield replace(charge, net_amount=charge.net_amount - amount, is_correction=True)
        return
    yield from _reversal(issued)
    yield charge


def _reversal(issued: Sequence[Charge]) -> Iterator[Charge]:
    amount, quantity = _net_of(issued)
    if amount or quantity:
        last = issued[-1]
        reversed_quantity = None if last.quantity is None else -quantity
        yield replace(last, quantity=reversed_quantity, net_amount=-amount, is_correction=True)


def _net_of(charges: Sequence[Charge]) -> tuple[Decimal, Decimal]:
    amount = sum((charge.net_amount for charge in charges), ZERO)
    return amount, sum((charge.quantity or ZERO for charge in charges), ZERO)
