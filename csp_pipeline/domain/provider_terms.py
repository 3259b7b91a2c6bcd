"""Terms of the provider's subscriptions: how long they run, and how an aligned end date shortens the first one.

What belongs here: term dates, inclusive as the provider writes them. Charge cycles within a term are `provider_cycle`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from csp_pipeline.domain.calendar import ONE_DAY, last_day_of, month_of, shift_month
from csp_pipeline.domain.provider_cycle import shift_months

if TYPE_CHECKING:
    from datetime import date

MONTHS_PER_YEAR = 12


def term_end(start: date, months: int) -> date:
    """The last day of a term: a month from 31 January ends on 27 February, a year from it on 30 January."""
    return shift_months(start, months, start.day) - ONE_DAY


def next_term(end: date, months: int) -> tuple[date, date]:
    """First and last day of the full term that follows a term."""
    start = end + ONE_DAY
    return start, term_end(start, months)


def end_aligned_to(bought_on: date, months: int, other_end: date) -> date:
    """The last day of a first term that is aligned with the end of another subscription.

    It is that end, or, where that is further away than one term, the same day in an earlier year (for a term of a
    month: in an earlier month) that is not.

    Args:
        bought_on: first day of the new subscription.
        months: length of its full term: 1, 12 or 36.
        other_end: last day of the other subscription's term.

    Raises:
        ValueError: when the other subscription ends before the purchase.
    """
    latest, step = term_end(bought_on, months), 1 if months == 1 else MONTHS_PER_YEAR
    end, steps = other_end, 0
    while end > latest:
        steps += 1
        end = shift_months(other_end, -step * steps, other_end.day)
    if end < bought_on:
        raise ValueError(f"No end of a term on {other_end} lies between {bought_on} and {latest}.")
    return end


def end_aligned_to_calendar(bought_on: date, months: int) -> date:
    """The last day of a first term that is aligned with the calendar: the last month end within one full term."""
    latest = term_end(bought_on, months)
    end = last_day_of(month_of(latest))
    return end if end <= latest else last_day_of(shift_month(month_of(latest), -1))


def whole_months(start: date, end: date) -> int:
    """Full months from a first to a last day, the last day counted."""
    until = end + ONE_DAY
    months = (until.year - start.year) * MONTHS_PER_YEAR + until.month - start.month
    return months if shift_months(start, months, start.day) <= until else months - 1
