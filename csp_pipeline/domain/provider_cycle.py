"""The full billing cycle to which a provider's seat line belongs, from its dates and billing frequency.

A prorated line (a seat change, a cancellation) covers the rest of a cycle: it ends where the cycle ends, and the
cycle began one, three, twelve or thirty-six months before. The free text of term and billing cycle is not parsed.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import date, timedelta

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


def cycle_months(billing_frequency: str | None) -> int:
    """Months of a billing frequency as the provider spells it; 0 for one-time, blank or unknown."""
    return MONTHS_BY_FREQUENCY.get((billing_frequency or "").strip().lower(), 0)


def full_cycle(
    charge_start: date, charge_end: date, billing_frequency: str | None, subscription_start: date | None
) -> ProviderCycle:
    """Find the full cycle of a charge.

    Args:
        charge_start: first day charged.
        charge_end: last day charged (inclusive), which is the cycle's last day.
        billing_frequency: `Monthly`, `Annual`, …; blank for one-time charges.
        subscription_start: gives the anchor day where the end alone is clamped (a cycle from the 31st).

    Returns:
        The cycle; for a one-time charge the charge's own period, with 0 months.
    """
    months = cycle_months(billing_frequency)
    until = charge_end + timedelta(days=1)
    charged_days = (until - charge_start).days
    if months == 0:
        return ProviderCycle(charge_start, max(charged_days, 1), 0)
    anchor = until.day
    if subscription_start is not None:
        clamped = min(subscription_start.day, calendar.monthrange(until.year, until.month)[1])
        anchor = subscription_start.day if clamped == until.day else until.day
    start = shift_months(until, -months, anchor)
    start = min(start, charge_start)
    return ProviderCycle(start, (until - start).days, months)


def inferred_frequency(charge_start: date, charge_end: date) -> str:
    """The billing frequency of a seat line that states none, from the length of its charge period."""
    days = (charge_end - charge_start).days + 1
    if days <= LONGEST_MONTH:
        return "monthly"
    return "annual" if days <= LONGEST_YEAR else "triennial"
