"""The plain sentence on an invoice line: what, how much of it changed, and for which days.

What belongs here: wording only. The words depend on nothing but the charge and the terms that made it, so the same
charge always reads the same.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from csp_pipeline.domain.calendar import ONE_DAY

if TYPE_CHECKING:
    from datetime import date

    from csp_pipeline.domain.charge import Charge, Correction

MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)

_WORDS = {
    "usage": "consumption ",
    "one_time": "charged once, ",
    "discount": "discount for ",
    "maximum": "amount above the agreed maximum for ",
    "minimum": "difference to the agreed minimum for ",
}
_AMOUNTS = {
    "usage": "cost",
    "discount": "discount",
    "maximum": "amount above the agreed maximum",
    "minimum": "difference to the agreed minimum",
}
_CENTS = Decimal("0.01")


def period_text(start: date, end: date) -> str:
    """A half-open period in words, its last day named: "11 to 30 September 2026".

    Args:
        start: first day.
        end: first day after it.
    """
    last = end - ONE_DAY
    until = f"{last.day} {MONTHS[last.month - 1]} {last.year}"
    if start == last:
        return until
    if start.year != last.year:
        return f"{start.day} {MONTHS[start.month - 1]} {start.year} to {until}"
    if start.month != last.month:
        return f"{start.day} {MONTHS[start.month - 1]} to {until}"
    return f"{start.day} to {until}"


def day_text(day: date) -> str:
    """A day as people write it: 8 October 2026."""
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def number_text(number: Decimal) -> str:
    """A number without exponent and without zeros at its end."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def price_text(price: Decimal) -> str:
    """A price with at least two decimals and no zeros after them: 9.5 is "9.50", 0.0125 stays."""
    shortest = Decimal(number_text(price))
    exponent = shortest.as_tuple().exponent
    has_cents = isinstance(exponent, int) and exponent <= -2  # noqa: PLR2004  (two decimals)
    return f"{shortest if has_cents else shortest.quantize(_CENTS):f}"


def describe(charge: Charge, name: str, unit: str, *, priced: str = "", ended_on: date | None = None) -> str:
    """The description of an invoice line.

    Args:
        charge: the charge.
        name: what the customer calls it: the contract line's description or the product's name.
        unit: what is counted, in the singular: "seat" or "unit".
        priced: what made the price, in words (`priced_words`).
        ended_on: the first day after a contract line that ended inside the charge's cycle, or before its days.

    Returns:
        For instance "Contoso E3, 1 to 30 September 2026", "Contoso E3, 3 seats added from 11 to 30 September 2026" or
        "Contoso E3, price corrected from 10.00 to 9.50 for 1 to 30 September 2026".
    """
    text = _sentence(charge, name, unit, ended_on)
    if ended_on is not None and not charge.is_correction:
        text = f"{text}, no longer charged from {day_text(ended_on)}"
    return f"{text} ({priced})" if priced else text


def _sentence(charge: Charge, name: str, unit: str, ended_on: date | None) -> str:
    period = period_text(charge.start, charge.end)
    if charge.correction is not None and charge.correction.reason == "ended" and ended_on is not None:
        return f"{name}, no longer charged from {day_text(ended_on)}: what was issued for {period} is taken back"
    if charge.correction is not None:
        return f"{name}, {_correction_text(charge, charge.correction, unit, period)}"
    if charge.is_correction:
        return f"{name}, correction for {period}"
    if charge.kind == "change" and charge.quantity:
        return f"{name}, {_count_text(charge.quantity, unit)} {_verb(charge.quantity)} from {period}"
    return f"{name}, {_WORDS.get(charge.kind, '')}{period}"


def _correction_text(charge: Charge, found: Correction, unit: str, period: str) -> str:
    """What was corrected, and on which of the two lines of a correction this is said."""
    if found.reason == "ended":
        return _ended_text(charge, unit, period)
    if found.reason in {"cost", "amount"} or found.before is None or found.after is None:
        text = f"{_AMOUNTS.get(charge.kind, 'amount')} corrected for {period}"
    elif found.reason == "price":
        text = f"price corrected from {price_text(found.before)} to {price_text(found.after)} for {period}"
    else:
        what = "change of quantity" if charge.kind == "change" else "quantity"
        text = f"{what} corrected from {number_text(found.before)} to {number_text(found.after)} for {period}"
    return f"{text}: what was issued is taken back" if found.takes_back else text


def _ended_text(charge: Charge, unit: str, period: str) -> str:
    """Days that are no longer charged."""
    if charge.kind == "change" and charge.quantity:
        was = -charge.quantity
        return f"{_count_text(was, unit)} {_verb(was)} from {period}: no longer so, what was issued is taken back"
    if charge.kind == "recurring" and charge.quantity:
        return f"{_count_text(charge.quantity, unit)} no longer charged for {period}"
    return f"{_WORDS.get(charge.kind, '')}{period}: no longer charged, what was issued is taken back"


def _verb(quantity: Decimal) -> str:
    return "added" if quantity > 0 else "removed"


def _count_text(quantity: Decimal, unit: str) -> str:
    count = abs(quantity)
    return f"{number_text(count)} {unit if count == 1 else f'{unit}s'}"
