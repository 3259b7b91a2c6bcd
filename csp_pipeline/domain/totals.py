"""Totals over several currencies: which one they are in, what an amount is worth in it, when there is no total.

What belongs here: the rules. An amount is converted once, as a sum, and rounded to the minor unit of the reporting
currency; what is unknown makes the total unknown, never smaller.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from csp_pipeline.domain.money import divide_half_away
from csp_pipeline.domain.proration import EXACT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from fractions import Fraction


def most_used(counts: Mapping[str, int]) -> str | None:
    """The currency that is counted most, of several the first by name; None of none."""
    return min(counts, key=lambda currency: (-counts[currency], currency), default=None)


def converted(amount: Decimal | None, rate: Fraction | None, decimals: int) -> Decimal | None:
    """An amount at a rate, rounded half away from zero to a minor unit.

    Args:
        amount: of any sign; None is unknown and stays so.
        rate: exact; without one nothing but 0 can be converted.
        decimals: of the minor unit.
    """
    if not amount:
        return amount
    if rate is None:
        return None
    whole, per_whole = amount.as_integer_ratio()
    units = divide_half_away(whole * rate.numerator * 10**decimals, per_whole * rate.denominator)
    return Decimal(units).scaleb(-decimals, EXACT)


def total_of(amounts: Iterable[Decimal | None]) -> Decimal | None:
    """The exact sum; None when one of the amounts is unknown."""
    total = Decimal(0)
    for amount in amounts:
        if amount is None:
            return None
        total = EXACT.add(total, amount)
    return total


def difference_of(amount: Decimal | None, other: Decimal | None) -> Decimal | None:
    """`amount` - `other`, exactly; None when one of them is unknown."""
    return None if amount is None or other is None else EXACT.subtract(amount, other)
