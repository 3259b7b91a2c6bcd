"""Numbers: reading them, rounding them, sharing them out. Nothing here knows what an amount means."""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_HALF_UP, Context, Decimal
from fractions import Fraction
from math import floor, lcm
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

EXACT = Context(prec=150, rounding=ROUND_HALF_UP)
ZERO = Decimal(0)
FINEST = 10
"""Decimals of a derived amount at its finest grain."""

_MINOR_UNITS = dict.fromkeys(
    ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"), 0
) | dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3)


def minor_places(currency: str) -> int:
    """Decimals of the currency's minor unit (ISO 4217)."""
    return _MINOR_UNITS.get(currency, 2)


def minor_unit(currency: str) -> Decimal:
    """One minor unit: 0.01 EUR, 1 JPY."""
    return Decimal(1).scaleb(-minor_places(currency))


def parse_number(text: object) -> Decimal | None:
    """A received number, every digit: apostrophes and exponents parse, blank is None."""
    if text is None:
        return None
    cleaned = str(text).strip().lstrip("'").strip()
    if not cleaned:
        return None
    value = Decimal(cleaned)
    if value == 0:
        return ZERO
    if int(value.as_tuple().exponent) < -18:
        value = value.quantize(Decimal(1).scaleb(-18), context=EXACT)
    return value


def as_decimal(value: Fraction | Decimal | int, places: int) -> Decimal:
    """Round half away from zero to ``places`` decimals."""
    exact = Fraction(value)
    units = floor(abs(exact) * 10**places + Fraction(1, 2))
    return Decimal(-units if exact < 0 else units).scaleb(-places, context=EXACT)


def round_minor(value: Fraction | Decimal, currency: str) -> Decimal:
    """An amount on one of our documents."""
    return as_decimal(value, minor_places(currency))


def round_finest(value: Fraction | Decimal) -> Decimal:
    """A derived amount at its finest grain: 10 decimals."""
    return as_decimal(value, FINEST)


def truncate(value: Decimal, places: int) -> Decimal:
    """Cut towards zero, as the provider's published formulas do."""
    return value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_DOWN, context=EXACT)


def percent(part: Fraction | Decimal, whole: Fraction | Decimal) -> Decimal | None:
    """``part`` in percent of ``whole`` with 4 decimals, None when divided by zero."""
    return None if whole == 0 else as_decimal(Fraction(part) * 100 / Fraction(whole), 4)


def allocate(total: Decimal, weights: Sequence[Fraction | Decimal | int]) -> list[Decimal]:
    """Share ``total`` in units of 1E-10 by largest remainder; ``weights`` come in key order.

    Each share is cut towards zero on its absolute value, the sign restored; the units left over go one by one to the
    shares of the sign that is missing, largest remainder first, ties to the smallest key. Weights that sum to zero
    count with their absolute values, weights that are all zero count equally. What lies below a unit goes with the
    first unit, so that parts always sum to the whole.
    """
    parts = [Fraction(weight) for weight in weights]
    if not parts:
        return []
    if sum(parts) == 0:
        parts = [abs(part) for part in parts]
    if sum(parts) == 0:
        parts = [Fraction(1)] * len(parts)
    scale = lcm(*(part.denominator for part in parts))
    integers = [part.numerator * (scale // part.denominator) for part in parts]
    whole = sum(integers)
    if whole < 0:
        integers, whole = [-part for part in integers], -whole
    units_exact = Fraction(total) * 10**FINEST
    numerator, denominator = units_exact.numerator, units_exact.denominator
    shares: list[int] = []
    remainders: list[tuple[int, int, int]] = []
    divisor = whole * denominator
    for index, part in enumerate(integers):
        product = numerator * part
        cut, rest = divmod(abs(product), divisor)
        sign = -1 if product < 0 else 1
        shares.append(sign * cut)
        remainders.append((sign, rest, index))
    missing = units_exact - sum(shares)
    direction = -1 if missing < 0 else 1
    order = [i for sign, _, i in sorted((r for r in remainders if r[0] == direction), key=lambda r: (-r[1], r[2]))]
    for index in order[: floor(abs(missing))]:
        shares[index] += direction
    result = [Decimal(share).scaleb(-FINEST, context=EXACT) for share in shares]
    below = abs(missing) - floor(abs(missing))
    if below:
        exact_rest = EXACT.divide(Decimal(below.numerator), Decimal(below.denominator)).scaleb(-FINEST, context=EXACT)
        position = order[0] if order else 0
        result[position] = EXACT.add(result[position], exact_rest if direction > 0 else -exact_rest)
    return result
