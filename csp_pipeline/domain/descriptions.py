"""The plain sentence on an invoice line: what, how much of it changed, and for which days.

What belongs here: wording only. The words depend on nothing but the charge, so the same charge always reads the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from csp_pipeline.domain.calendar import ONE_DAY

if TYPE_CHECKING:
    from datetime import date
    from decimal import Decimal

    from csp_pipeline.domain.charges import Charge

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


def number_text(number: Decimal) -> str:
    """A number without exponent and without zeros at its end."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def describe(charge: Charge, name: str, unit: str) -> str:
    """The description of an invoice line.

    Args:
        charge: the charge.
        name: what the customer calls it: the contract line's description or the product's name.
        unit: what is counted, in the singular: "seat" or "unit".

    Returns:
        For instance "Contoso E3, 1 to 30 September 2026" or "Contoso E3, 3 seats added from 11 to 30 September 2026".
    """
    period = period_text(charge.start, charge.end)
    if charge.is_correction:
        return f"{name}, correction for {period}"
    if charge.kind == "usage":
        return f"{name}, consumption {period}"
    if charge.kind == "change" and charge.quantity:
        count = abs(charge.quantity)
        noun = unit if count == 1 else f"{unit}s"
        verb = "added" if charge.quantity > 0 else "removed"
        return f"{name}, {number_text(count)} {noun} {verb} from {period}"
    return f"{name}, {period}"
