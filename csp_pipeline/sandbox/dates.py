"""Months and days of the made-up partner: plain calendar arithmetic on text months (`YYYY-MM`) and dates.

Only the calendar lives here; what is charged over a period belongs to `seats` and `drafts`.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import date, timedelta


def first_day(month: str) -> date:
    """The first day of a month given as `YYYY-MM`."""
    return date(int(month[:4]), int(month[5:]), 1)


def last_day(month: str) -> date:
    """The last day of a month given as `YYYY-MM`."""
    first = first_day(month)
    return first.replace(day=monthrange(first.year, first.month)[1])


def day_of(month: str, day: int) -> date:
    """A day of a month; days the month does not have become its last one."""
    return first_day(month).replace(day=min(day, last_day(month).day))


def month_of(on: date) -> str:
    """The month of a date as `YYYY-MM`."""
    return f"{on.year:04d}-{on.month:02d}"


def shift(month: str, by: int) -> str:
    """The month `by` months later (or earlier, when negative)."""
    number = int(month[:4]) * 12 + int(month[5:]) - 1 + by
    return f"{number // 12:04d}-{number % 12 + 1:02d}"


def months_through(first: str, last: str) -> tuple[str, ...]:
    """All months from `first` to `last`, both included."""
    months = [first]
    while months[-1] < last:
        months.append(shift(months[-1], 1))
    return tuple(months)


def anchored(month: str, day: int) -> date:
    """The day on which a cycle with this anchor day begins in a month (29 to 31 clamp to the month's end)."""
    return day_of(month, day)


def days_between(start: date, end: date) -> int:
    """Days from `start` to `end`, both included."""
    return (end - start).days + 1


def days_in(start: date, end: date, month: str) -> int:
    """How many days of the inclusive period `start` to `end` lie in `month`."""
    return max(0, days_between(max(start, first_day(month)), min(end, last_day(month))))


def each_day(month: str) -> list[date]:
    """Every day of a month, in order."""
    first = first_day(month)
    return [first + timedelta(days=offset) for offset in range(last_day(month).day)]
