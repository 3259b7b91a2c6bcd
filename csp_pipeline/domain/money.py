"""Exact amounts: rounding half away from zero, truncating as the provider does, and sharing an amount out.

What belongs here: the rules of arithmetic for one amount at a time, on decimals and whole numbers, never on floats.
They are the reference that the SQL macros and the polars expressions over many rows are held to. Which amount is
rounded when belongs to the rules that use it.
"""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_HALF_UP, Context, Decimal, localcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_WIDE = Context(prec=120)


def divide_half_away(numerator: int, denominator: int) -> int:
    """A quotient as a whole number, rounded half away from zero.

    Raises:
        ZeroDivisionError: when the denominator is 0.
    """
    quotient = (2 * abs(numerator) + abs(denominator)) // (2 * abs(denominator))
    return quotient if (numerator < 0) == (denominator < 0) else -quotient


def round_half_away(amount: Decimal, decimals: int) -> Decimal:
    """An amount rounded half away from zero: 2.325 gives 2.33, -2.325 gives -2.33."""
    return _quantized(amount, decimals, ROUND_HALF_UP)


def truncate(amount: Decimal, decimals: int) -> Decimal:
    """An amount without the digits after `decimals`, as the provider's published formulas have it."""
    return _quantized(amount, decimals, ROUND_DOWN)


def minor_units(amount: Decimal, decimals: int) -> int:
    """An amount in the currency's minor unit, rounded half away from zero: 12.345 EUR is 1235, 12.5 JPY is 13."""
    return int(round_half_away(amount, decimals).scaleb(decimals, _WIDE))


def usage_line_amount(pricing_amount: Decimal, fx_rate: Decimal, decimals: int) -> Decimal:
    """What a consumption line charges for the usage behind it, by the published formula.

    Truncated to cents in the pricing currency, converted, truncated to the billing currency's minor unit (Microsoft,
    "modern invoice reconciliation file": ROUNDDOWN(ROUNDDOWN(price x quantity, 2) x rate, 2)).
    """
    return truncate(_WIDE.multiply(truncate(pricing_amount, 2), fx_rate), decimals)


def earned_credit(net_amount: Decimal, percent: Decimal) -> Decimal:
    """The partner earned credit inside a net amount: net x p / (100 - p), ten decimals, half away from zero."""
    numerator, denominator = (_WIDE.multiply(net_amount, percent)).as_integer_ratio()
    share, whole = (100 - percent).as_integer_ratio()
    units = divide_half_away(numerator * whole * 10**10, denominator * share)
    return Decimal(units).scaleb(-10, _WIDE)


def percent_of(part: Decimal | None, whole: Decimal | None) -> Decimal | None:
    """A part in percent of the whole with 4 decimals, rounded half away from zero; None of nothing."""
    if part is None or not whole:
        return None
    numerator, per_part = part.as_integer_ratio()
    denominator, per_whole = whole.as_integer_ratio()
    return Decimal(divide_half_away(numerator * per_whole * 10**6, per_part * denominator)).scaleb(-4, _WIDE)


def largest_remainder(units: int, weights: Sequence[int]) -> list[int]:
    """Share whole units out in proportion to weights: every share is cut, the largest remainders take one unit more.

    Args:
        units: what is shared; its sign is taken off first and put back at the end.
        weights: in the order of their keys, which breaks ties; their absolute values count.

    Returns:
        One share per weight; they sum to `units`.

    Raises:
        ValueError: when there is no weight other than 0.
    """
    sizes = [abs(weight) for weight in weights]
    total = sum(sizes)
    if total == 0:
        raise ValueError("an amount cannot be shared out over weights that are all 0")
    shares = [abs(units) * size // total for size in sizes]
    remainders = [abs(units) * size % total for size in sizes]
    first = sorted(range(len(sizes)), key=lambda index: (-remainders[index], index))
    for index in first[: abs(units) - sum(shares)]:
        shares[index] += 1
    return shares if units >= 0 else [-share for share in shares]


def _quantized(amount: Decimal, decimals: int, rounding: str) -> Decimal:
    with localcontext(_WIDE) as context:
        context.rounding = rounding
        return amount.quantize(Decimal(1).scaleb(-decimals))
