"""Recognition by day: an amount belongs evenly to the days of its service period, to the last unit.

A unit is 1E-10 of a currency unit. N units over D days give each day N // D, and the earliest N mod D days one more
(largest remainder with equal weights; ties go to the earliest day); the sign is restored at the end. The SQL macro
`first_days_units` states the same split for set logic; a property test holds the two together.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

from csp_pipeline.domain.calendar import first_day_of, month_of, shift_month
from csp_pipeline.domain.proration import EXACT

if TYPE_CHECKING:
    from datetime import date

UNITS_PER_ONE = 10**10
_UNIT = Decimal(1).scaleb(-10)
_HALF_AWAY = Context(prec=EXACT.prec, rounding=ROUND_HALF_UP)


def to_units(amount: Decimal) -> tuple[int, Decimal]:
    """Split an amount into whole units of 1E-10 and the rest below a unit (same sign, usually 0)."""
    scaled = EXACT.scaleb(amount, 10)
    units = int(scaled)
    return units, EXACT.scaleb(EXACT.subtract(scaled, Decimal(units)), -10)


@lru_cache(maxsize=1 << 16)
def from_units(units: int) -> Decimal:
    """Turn whole units of 1E-10 into a Decimal with 10 decimals, exactly; remembered, as amounts repeat."""
    return EXACT.scaleb(Decimal(units), -10)


def rounded_to_units(amount: Decimal) -> Decimal:
    """An amount with 10 decimals, rounded half away from zero."""
    return amount.quantize(_UNIT, context=_HALF_AWAY)


def first_days_units(units: int, days: int, first_days: int) -> int:
    """Of `units` spread evenly over `days` days, the part that belongs to the first `first_days` days.

    Args:
        units: signed whole units.
        days: length of the service period, at least 1.
        first_days: how many of its days, from 0 to `days`.
    """
    quotient, remainder = divmod(abs(units), days)
    part = quotient * first_days + min(remainder, first_days)
    return part if units >= 0 else -part


def units_between(units: int, start: date, end: date, since: date, until: date) -> int:
    """The units of a period that belong to the days since <= day < until.

    Args:
        units: the whole amount, in units.
        start: first day of the service period.
        end: last day of the service period (inclusive).
        since: first day asked for.
        until: the day after the last one asked for.
    """
    if since <= start and end < until:
        return units
    days = (end - start).days + 1
    low = min(max((since - start).days, 0), days)
    high = min(max((until - start).days, 0), days)
    return first_days_units(units, days, high) - first_days_units(units, days, low) if high > low else 0


def by_month(amount: Decimal, start: date, end: date) -> dict[str, Decimal]:
    """Recognise an amount by day and sum it by month.

    Args:
        amount: signed, any number of decimals.
        start: first day of the service period.
        end: last day (inclusive); a day before `start` counts as a period of one day.

    Returns:
        Month -> amount; the amounts sum to `amount` exactly. What lies below 1E-10 goes to the first day.
    """
    if end <= start or (start.year == end.year and start.month == end.month):
        return {month_of(start): amount}
    units, rest = to_units(amount)
    months: dict[str, Decimal] = {}
    month = month_of(start)
    last = month_of(end)
    while month <= last:
        following = shift_month(month, 1)
        months[month] = from_units(units_between(units, start, end, first_day_of(month), first_day_of(following)))
        month = following
    months[month_of(start)] = EXACT.add(months[month_of(start)], rest)
    return months
