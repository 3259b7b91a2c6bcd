"""Parts of a cycle, and the one way an amount on our documents is rounded.

What belongs here: exact arithmetic on decimals, day counts into amounts. No calendar, no contract.
"""

from __future__ import annotations

from decimal import Context, Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from csp_pipeline.domain.calendar import Cycle

EXACT = Context(prec=200)
"""Wide enough that no product or quotient on a document is ever cut before it is rounded."""

_PERCENT = Decimal(100)


def round_half_away(numerator: Decimal, denominator: Decimal, decimals: int) -> Decimal:
    """The quotient of two numbers, rounded once, half away from zero (2.325 to 2.33, -2.325 to -2.33).

    Args:
        numerator: exact.
        denominator: exact, positive.
        decimals: of the currency's minor unit.

    Raises:
        ValueError: when the denominator is not positive.
    """
    if denominator <= 0:
        raise ValueError(f"A denominator above zero was expected, {denominator} was given.")
    units = EXACT.scaleb(EXACT.abs(numerator), decimals)
    quotient, remainder = EXACT.divmod(units, denominator)
    if EXACT.multiply(remainder, Decimal(2)) >= denominator:
        quotient = EXACT.add(quotient, Decimal(1))
    rounded = quotient.scaleb(-decimals, EXACT)
    return rounded.copy_negate() if numerator < 0 and rounded else rounded


def cycle_amount(
    price: Decimal, quantity: Decimal, part: Fraction, discount_percent: Decimal, decimals: int
) -> Decimal:
    """What a quantity costs for a part of a cycle: price, times quantity, times part, less discount, rounded once.

    Microsoft's worked examples NCE-102, 104, 105 and 110 have the same amounts before rounding;
    Microsoft cuts them, our documents round half away from zero.

    Args:
        price: of one unit for a full cycle.
        quantity: signed.
        part: days charged as a fraction of the days of the uncut cycle.
        discount_percent: 10 for ten percent.
        decimals: of the currency's minor unit.
    """
    return part_amount(EXACT.multiply(price, quantity), part.numerator, part.denominator, discount_percent, decimals)


def part_amount(full_price: Decimal, days: int, full_days: int, discount_percent: Decimal, decimals: int) -> Decimal:
    """The same for the price of the whole quantity and for days of a cycle.

    Args:
        full_price: of everything for a full cycle.
        days: charged.
        full_days: of the uncut cycle.
        discount_percent: 10 for ten percent.
        decimals: of the currency's minor unit.
    """
    if days != full_days:
        full_price = EXACT.multiply(full_price, Decimal(days))
    if discount_percent:
        full_price = EXACT.multiply(full_price, _PERCENT - discount_percent)
        full_days = full_days * 100 if days != full_days else 100
    elif days == full_days:
        full_days = 1
    return round_half_away(full_price, Decimal(full_days), decimals)


def recurring_part(cycle: Cycle, *, prorated: bool) -> Fraction:
    """The part of a cycle that is charged: its own days, or without proration all or nothing.

    Without proration a start counts from the next cycle, so a cycle cut at its start is free, and a begun cycle is
    charged in full, so one cut only at its end is whole.
    """
    if prorated:
        return Fraction(cycle.days, cycle.full_days)
    return Fraction(0) if cycle.start > cycle.full_start else Fraction(1)
