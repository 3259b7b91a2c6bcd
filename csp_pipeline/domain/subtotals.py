"""The published ways in which a provider's Subtotal follows from price, quantity and exchange rate, exactly.

What belongs here: the five rules, on fractions, so that a price of 12 x 29 / 31 is never cut before its time.
Microsoft's pages contradict each other, so none of them is *the* rule: the provider's amount is the truth, and these
say which rule reproduces it. `models/cost/line_rounding.sql` applies them to every line; tests hold the two together.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from decimal import Decimal

Rule = Literal["A", "B", "C", "D", "usage"]
SEAT_RULES: tuple[Rule, ...] = ("A", "B", "C", "D")
RULES: tuple[Rule, ...] = (*SEAT_RULES, "usage")
"""What each does, in words: `models/cost/rounding_rules.sql`."""
RULE_OF_CHARGE_TYPE: dict[str, Rule] = {
    "new": "A",
    "renew": "A",
    "cyclecharge": "A",
    "addquantity": "A",
    "removequantity": "A",
    "convert": "B",
    "cancelimmediate": "B",
}
"""The rule of the worked examples of the current edition, by charge type (NCE-101 to NCE-401)."""

CENTS = 2


def cut(amount: Fraction, decimals: int) -> Fraction:
    """An amount without the digits after `decimals`, towards zero, as ROUNDDOWN."""
    units = abs(amount) * 10**decimals
    return _signed(amount, Fraction(units.numerator // units.denominator, 10**decimals))


def half_up(amount: Fraction, decimals: int) -> Fraction:
    """An amount rounded half away from zero."""
    units = abs(amount) * 10**decimals
    return _signed(amount, Fraction((2 * units.numerator + units.denominator) // (2 * units.denominator), 10**decimals))


def seat_price(unit_price: Decimal | Fraction, billable_days: int, cycle_days: int) -> Fraction:
    """The effective price of a seat for a part of a cycle: unit price / cycle days x billable days (inclusive).

    Raises:
        ValueError: when the cycle has no days.
    """
    if cycle_days <= 0:
        raise ValueError(f"A cycle of at least one day was expected, {cycle_days} were given.")
    return Fraction(unit_price) * billable_days / cycle_days


def subtotal(
    rule: Rule,
    effective_unit_price: Decimal | Fraction,
    quantity: Decimal | Fraction,
    fx_rate: Decimal | Fraction = Fraction(1),
    decimals: int = CENTS,
) -> Fraction:
    """The Subtotal of a line under one published rule.

    Args:
        rule: one of `RULES`.
        effective_unit_price: in the pricing currency, with every digit, or as an exact fraction.
        quantity: billable quantity, in the sign the amount shall have.
        fx_rate: units of the billing currency for one of the pricing currency.
        decimals: of the billing currency's minor unit.

    Returns:
        The amount in the billing currency. Under B and D a broken quantity may leave digits below the minor unit.
    """
    price, count, rate = Fraction(effective_unit_price), Fraction(quantity), Fraction(fx_rate)
    match rule:
        case "A":
            return cut(price * rate * count, decimals)
        case "B":
            return cut(price * rate, decimals) * count
        case "C":
            return half_up(price * rate * count, decimals)
        case "D":
            return half_up(price * rate, decimals) * count
        case "usage":
            return cut(cut(price * count, CENTS) * rate, decimals)


def _signed(sign_of: Fraction, size: Fraction) -> Fraction:
    return size if sign_of >= 0 else -size
