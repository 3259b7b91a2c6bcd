"""What a contract line should be charged, derived anew from the facts.

What belongs here: charges and the invoice month of each, as pure functions on frozen values. What is left after what
was issued is `deltas` (offered here as well, beside the charges it subtracts from), prices of quantities are `tiers`,
agreements on the total of a cycle `commitments`. Where the facts come from is SQL in `models/billing/`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING

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
from csp_pipeline.domain.charge import Charge, ChargeKind
from csp_pipeline.domain.contract_lines import ONE, ContractLine, CostBase, PricingModel, Window
from csp_pipeline.domain.deltas import DoubleBillingError, deltas
from csp_pipeline.domain.proration import EXACT, part_amount, recurring_part, round_half_away
from csp_pipeline.domain.quantities import ZERO, QuantityHistory

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import date

__all__ = [
    "ONE",
    "Charge",
    "ChargeKind",
    "ContractLine",
    "CostBase",
    "DoubleBillingError",
    "PricingModel",
    "Window",
    "cost_plus_charge",
    "cost_plus_charges",
    "deltas",
    "expected_charges",
    "service_cycle",
]

_PERCENT = Decimal(100)
_ONE_UNIT = QuantityHistory(ONE)
_WHOLE = Fraction(1)


def expected_charges(line: ContractLine, quantities: QuantityHistory, window: Window) -> tuple[Charge, ...]:
    """The charges of a contract line that is not priced on cost, on the invoices of a window.

    Args:
        line: the contract line; a flat one has a quantity of 1.
        quantities: its quantity over time.
        window: the invoice months, and where billing begins.

    Returns:
        Recurring charges (one per cycle), changes (one per UTC day with a net change) and the lines of its
        commitments, by service start; a single charge for a one-time line. Without those whose amount and quantity
        are both 0.

    Raises:
        ValueError: for a cost-plus line, whose charges follow its cost (`cost_plus_charges`).
    """
    if line.pricing_model == "cost_plus":
        msg = f"Contract line {line.contract_line_id} is priced on cost; its charge follows from its cost."
        raise ValueError(msg)
    history = _ONE_UNIT if line.pricing_model == "flat" else quantities
    if line.is_one_time:
        return tuple(charge for charge in _one_time(line, history, window) if charge.net_amount or charge.quantity)
    return tuple(
        charge
        for due in _due_cycles(line.calendar, line.timing, window, is_prorated=line.is_prorated)
        for charge in _cycle_charges(line, history, due, window)
        if charge.net_amount or charge.quantity
    )


@dataclass(frozen=True, slots=True)
class _DueCycle:
    """A cycle with the part of it that is charged (0 when not on these invoices), and on which month's invoice.

    Attributes:
        pieces: its pieces on one price each, with the part of the full cycle that is charged of each.
    """

    cycle: Cycle
    part: Fraction
    month: str
    pieces: tuple[tuple[Cycle, Fraction], ...] = ()


@lru_cache(maxsize=4096)
def _due_cycles(calendar: CycleCalendar, timing: Timing, window: Window, *, is_prorated: bool) -> tuple[_DueCycle, ...]:
    """The cycles that the invoices of a window charge, or in which their changes lie; many lines share them."""
    due: list[_DueCycle] = []
    for cycle in calendar.cycles(window.opens, window.closes_in_advance):
        month = invoice_month(cycle, timing, window.first_billed_month)
        is_charged = cycle.start >= window.billing_starts_on and window.has(month)
        pieces = tuple(
            (piece, recurring_part(piece, prorated=is_prorated) if is_charged else Fraction(0))
            for piece in calendar.pieces(cycle)
        )
        part = sum((part for _, part in pieces), Fraction(0))
        if part or (is_prorated and cycle.start < window.closes):
            due.append(_DueCycle(cycle, part, month, pieces))
    return tuple(due)


def _cycle_charges(line: ContractLine, history: QuantityHistory, due: _DueCycle, window: Window) -> Iterator[Charge]:
    yield from _recurring(line, history, due)
    if line.is_prorated:
        since = max(window.opens, window.billing_starts_on)
        for change in _changes(line, history, due, window.closes):
            if change.start >= since:
                yield change
    if due.part and line.commitments is not None:
        charges = [*_recurring(line, history, due)]
        if line.is_prorated:
            charges += _changes(line, history, due, due.cycle.end)
        yield from _commitment_lines(line, charges, due)


def _recurring(line: ContractLine, history: QuantityHistory, due: _DueCycle) -> Iterator[Charge]:
    """The charge of each piece of a cycle, all on the invoice that charges the cycle."""
    name = line.contract_line_id
    for piece, part in due.pieces:
        if part:
            priced = line.priced_on(piece.start)
            quantity = history.at_start_of(piece.start)
            numerator, denominator = part.as_integer_ratio()
            amount = _amount(priced, priced.full_price(quantity), numerator, denominator, due.cycle.start)
            yield Charge(name, "recurring", piece.start, piece.end, quantity, priced.price_on_line, amount, due.month)


def _changes(line: ContractLine, history: QuantityHistory, due: _DueCycle, before: date) -> Iterator[Charge]:
    """Changes of a cycle before a day: the price of what changed, for the days that are left of its piece."""
    name = line.contract_line_id
    for piece, _ in due.pieces:
        priced = line.priced_on(piece.start)
        for day, was, now in history.net_changes(piece.start, min(piece.end, before)):
            days = (piece.end - day).days
            amount = _amount(priced, priced.price_change(was, now), days, piece.full_days, due.cycle.start)
            yield Charge(name, "change", day, piece.end, now - was, priced.price_on_line, amount, month_of(day))


def _amount(line: ContractLine, full_price: Decimal, days: int, full_days: int, start: date) -> Decimal:
    """The cycle's start decides on the discount, so that seats are given back at the price they had."""
    return part_amount(full_price, days, full_days, line.discount_on(start), line.decimals)


def _commitment_lines(line: ContractLine, charges: Iterable[Charge], due: _DueCycle) -> Iterator[Charge]:
    """The lines that keep the agreements on a cycle's total, on the invoice that charges the cycle.

    There is one of each for all pieces of the cycle together. They look at all that is known of the cycle; a change
    that becomes known later changes them, and the difference is billed with their period.
    """
    if line.commitments is None:
        return
    cycle, charges = due.cycle, tuple(charges)
    agreed = line.commitments.lines(
        (charge.net_amount for charge in charges),
        due.part,
        line.decimals,
        is_discounted=line.is_discounted_on(cycle.start),
    )
    is_estimate = any(charge.is_estimate for charge in charges)
    kinds: tuple[ChargeKind, ...] = ("discount", "maximum", "minimum")
    for kind, amount in zip(kinds, agreed, strict=True):
        if amount:
            yield Charge(
                line.contract_line_id, kind, cycle.start, cycle.end, None, None, amount, due.month, is_estimate
            )


def _one_time(line: ContractLine, history: QuantityHistory, window: Window) -> Iterator[Charge]:
    """The whole price once, for the quantity at the end of the day, on the invoice of the day's month."""
    day = line.calendar.start
    month = month_of(day)
    if day < window.billing_starts_on or not window.has(month):
        return
    quantity = history.at_end_of(day)
    amount = _amount(line, line.full_price(quantity), 1, 1, day)
    charge = Charge(line.contract_line_id, "one_time", day, day + ONE_DAY, quantity, line.price_on_line, amount, month)
    yield charge
    cycle = Cycle(day, day + ONE_DAY, day, day + ONE_DAY)
    yield from _commitment_lines(line, (charge,), _DueCycle(cycle, _WHOLE, month))


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


def cost_plus_charges(line: ContractLine, month: str, bases: Iterable[CostBase], window: Window) -> tuple[Charge, ...]:
    """The charge of a cost-plus line for a service month with the lines of its commitments.

    A minimum is owed for a month without any cost too; it is an estimate when some of the cost is, even where that
    cost rounds to nothing. Arguments as for `cost_plus_charge`.
    """
    cycle = service_cycle(line, month, window)
    if cycle is None:
        return ()
    bases = tuple(bases)
    charge = cost_plus_charge(line, month, bases, window)
    charges = () if charge is None else (charge,)
    due = _DueCycle(cycle, recurring_part(cycle, prorated=True), month)
    is_estimate = any(base.is_estimate for base in bases)
    agreed = (replace(one, is_estimate=is_estimate) for one in _commitment_lines(line, charges, due))
    return (*charges, *agreed)
