"""The full billing cycle to which a provider's seat line belongs, from its dates and billing frequency.

A prorated line (a seat change, a cancellation) covers the rest of a cycle: it ends where the cycle ends, and the
cycle began one, three, twelve or thirty-six months before. The free text of term and billing cycle is not parsed.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

MONTHS_BY_FREQUENCY = {
    "monthly": 1,
    "month": 1,
    "quarterly": 3,
    "semiannual": 6,
    "annual": 12,
    "annually": 12,
    "yearly": 12,
    "triennial": 36,
    "triennially": 36,
}


LONGEST_MONTH, LONGEST_YEAR = 31, 366
"""Days."""


@dataclass(frozen=True, slots=True)
class ProviderCycle:
    """A cycle of the provider: its first day, its length in days and in months (0 months for a one-time charge)."""

    start: date
    days: int
    months: int


def shift_months(day: date, months: int, anchor_day: int) -> date:
    """The date `months` months away, on `anchor_day` clamped to the month's end."""
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    return date(year, month + 1, min(anchor_day, calendar.monthrange(year, month + 1)[1]))


def cycle_start(subscription_start: date, months: int) -> date:
    """The first day of the charge cycle that begins `months` months into a subscription's term.

    What was bought on a month's last day is charged on the last day of each; what was bought on the 30th of a month
    with 31 days, on the last day but one (30 January, 27 February, 30 March, 29 April). Source: Microsoft, charge cycle
    calendar of annual terms billed monthly.
    """
    day = shift_months(subscription_start, months, subscription_start.day)
    if subscription_start.day != LONGEST_MONTH - 1 or _days_in_month(subscription_start) < LONGEST_MONTH:
        return day
    return min(day, day.replace(day=_days_in_month(day) - 1))


def cycle_months(billing_frequency: str | None) -> int:
    """Months of a billing frequency as the provider spells it; 0 for one-time, blank or unknown."""
    return MONTHS_BY_FREQUENCY.get((billing_frequency or "").strip().lower(), 0)


@lru_cache(maxsize=1 << 16)
def full_cycle(
    charge_start: date, charge_end: date, billing_frequency: str | None, subscription_start: date | None
) -> ProviderCycle:
    """Find the full cycle of a charge.

    Args:
        charge_start: first day charged.
        charge_end: last day charged (inclusive), which is the cycle's last day.
        billing_frequency: `Monthly`, `Annual`, …; blank for one-time charges.
        subscription_start: gives the calendar of the term where the end alone does not (a cycle from the 30th or 31st).

    Returns:
        The cycle; for a one-time charge the charge's own period, with 0 months.
    """
    months = cycle_months(billing_frequency)
    until = charge_end + timedelta(days=1)
    charged_days = (until - charge_start).days
    if months == 0:
        return ProviderCycle(charge_start, max(charged_days, 1), 0)
    starts = _possible_starts(until, months, subscription_start)
    start = charge_start if charge_start in starts else min(starts[0], charge_start)
    return ProviderCycle(start, (until - start).days, months)


def _possible_starts(until: date, months: int, subscription_start: date | None) -> list[date]:
    """Where a cycle that ends on a day may have begun: by the term's calendar, by its clamped anchor or the end."""
    if subscription_start is None:
        return [shift_months(until, -months, until.day)]
    starts: list[date] = []
    into_term = (until.year - subscription_start.year) * 12 + until.month - subscription_start.month
    if cycle_start(subscription_start, into_term) == until:
        starts.append(cycle_start(subscription_start, into_term - months))
    clamped = min(subscription_start.day, _days_in_month(until))
    anchor = subscription_start.day if clamped == until.day else until.day
    return [*starts, shift_months(until, -months, anchor)]


def _days_in_month(day: date) -> int:
    return calendar.monthrange(day.year, day.month)[1]


def inferred_frequency(charge_start: date, charge_end: date) -> str:
    """The billing frequency of a seat line that states none, from the length of its charge period."""
    days = (charge_end - charge_start).days + 1
    if days <= LONGEST_MONTH:
        return "monthly"
    return "annual" if days <= LONGEST_YEAR else "triennial"
