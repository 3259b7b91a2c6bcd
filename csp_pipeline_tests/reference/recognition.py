"""Amounts recognised by day over their service period, and the full cycle of a provider line."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from csp_pipeline_tests.reference.amounts import ZERO, allocate
from csp_pipeline_tests.reference.days import ONE_DAY, anchored, each_day, month_of

if TYPE_CHECKING:
    from csp_pipeline_tests.reference.received import CostLine

FREQUENCIES = {"monthly": 1, "quarterly": 3, "annual": 12, "annually": 12, "yearly": 12, "triennial": 36}
ByDay = dict[date, Decimal]


def by_day(amount: Decimal, start: date, end: date) -> ByDay:
    """Equal days by largest remainder in units of 1E-10; an empty period counts on its first day."""
    days = list(each_day(start, end)) or [start]
    return dict(zip(days, allocate(amount, [1] * len(days)), strict=True))


def by_month(amount: Decimal, start: date, end: date) -> dict[str, Decimal]:
    """The same, summed by month."""
    if end <= start or month_of(start) == month_of(end - ONE_DAY):
        return {month_of(start): amount}
    months: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for day, part in by_day(amount, start, end).items():
        months[month_of(day)] += part
    return dict(months)


def charge_period(line: CostLine, document_start: date) -> tuple[date, date]:
    """Half-open period of a provider line; one-day and blank periods stand on one day."""
    start = line.charge_start_on or line.order_on or document_start
    end = line.charge_end_on
    if line.charge_start_on is None or end is None or end < start:
        return start, start + ONE_DAY
    return start, end + ONE_DAY


def cycle_around(day: date, term_start: date, months: int) -> tuple[date, date]:
    """The cycle of ``months`` counted from ``term_start`` that holds a day."""
    distance = (day.year - term_start.year) * 12 + day.month - term_start.month
    steps = distance // months + 1
    while anchored(term_start, steps * months, term_start.day) > day:
        steps -= 1
    start = anchored(term_start, steps * months, term_start.day)
    return start, anchored(term_start, (steps + 1) * months, term_start.day)


def full_cycle(line: CostLine, start: date, end: date) -> tuple[int, int]:
    """Months and days of the full cycle that a provider line charges all or a part of.

    The cycle is counted from the subscription's start; a charge that does not fit in it (a new term, a moved end)
    is taken to run to the end of its own cycle. A line without any frequency is its own cycle when it covers whole
    months, else a part of the shortest of 1, 3, 12 or 36 months that holds it.
    """
    if line.charge_start_on is None or line.charge_end_on is None:
        return 1, (end - start).days
    months = FREQUENCIES.get(line.billing_frequency.casefold())
    if months is None:
        for count in (1, 3, 12, 36):
            if anchored(start, count, start.day) == end:
                return count, (end - start).days
        months = next((n for n in (1, 3, 12, 36) if anchored(start, n, start.day) >= end), 36)
    if line.subscription_starts_on is not None and line.subscription_starts_on <= start:
        cycle_start, cycle_end = cycle_around(start, line.subscription_starts_on, months)
        if end <= cycle_end:
            return months, (cycle_end - cycle_start).days
    cycle_start = anchored(end, -months, end.day)
    if start < cycle_start:
        return months, (end - start).days
    return months, (end - cycle_start).days
