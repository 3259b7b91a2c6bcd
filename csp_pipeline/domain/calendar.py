"""Billing calendars: months, and the cycles of a contract line at its anchor day.

What belongs here: which day a cycle starts and ends. How much of a cycle is charged is `proration`, what is charged
in it is `charges`. Intervals are half-open throughout: `end` is the first day that no longer belongs.
"""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

MONTHS_PER_CYCLE = {"monthly": 1, "quarterly": 3, "annual": 12}
LAST_ANCHOR_DAY = 31
ONE_DAY = timedelta(days=1)

Timing = Literal["advance", "arrears"]


@lru_cache(maxsize=4096)
def month_of(day: date) -> str:
    """The month of a day as YYYY-MM."""
    return f"{day.year:04d}-{day.month:02d}"


@lru_cache(maxsize=4096)
def first_day_of(month: str) -> date:
    """The first day of a month given as YYYY-MM."""
    return date(int(month[:4]), int(month[5:7]), 1)


@lru_cache(maxsize=4096)
def shift_month(month: str, by: int) -> str:
    """The month `by` months later (earlier when negative)."""
    year, month0 = divmod(int(month[:4]) * 12 + int(month[5:7]) - 1 + by, 12)
    return f"{year:04d}-{month0 + 1:02d}"


@lru_cache(maxsize=4096)
def last_day_of(month: str) -> date:
    """The last day of a month given as YYYY-MM."""
    return first_day_of(shift_month(month, 1)) - ONE_DAY


@dataclass(frozen=True, slots=True)
class Cycle:
    """One cycle of a contract line, half-open, cut where the contract line starts or ends; or a piece of one.

    Attributes:
        start: first day charged.
        end: first day no longer charged.
        full_start: start of the uncut cycle.
        full_end: end of the uncut cycle.
    """

    start: date
    end: date
    full_start: date
    full_end: date

    @property
    def days(self) -> int:
        """Days charged."""
        return (self.end - self.start).days

    @property
    def full_days(self) -> int:
        """Days of the uncut cycle, the denominator of every proration in it."""
        return (self.full_end - self.full_start).days


@dataclass(frozen=True)
class CycleCalendar:
    """The cycles of a contract line.

    The first anchor is `anchor_day` in the month of the start or, where that day is already over, one cycle length
    later; a day that a month does not have is the month's last. (Kill Bill aligns in the same way: vectors of
    `TestProRation.testSinglePlan_WithPhaseChange_AfterBillCycleDay`, quarterly, and `testSinglePlan_ChangeBCDTo31`.)

    Attributes:
        start: the contract line's first day.
        end: the first day after it, or None while it is open.
        anchor_day: 1 to 31.
        months: length of a cycle: 1, 3 or 12.
        cuts: days from which other terms hold; a cycle that has one inside is charged in `pieces`.
    """

    start: date
    end: date | None
    anchor_day: int
    months: int
    cuts: tuple[date, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what is no calendar.

        Raises:
            ValueError: when it ends before it starts, or the anchor day or the length is none that exists.
        """
        if self.end is not None and self.end < self.start:
            raise ValueError(f"A contract line cannot end on {self.end - ONE_DAY}, before it starts on {self.start}.")
        if not 1 <= self.anchor_day <= LAST_ANCHOR_DAY:
            raise ValueError(f"An anchor day of 1 to {LAST_ANCHOR_DAY} was expected, {self.anchor_day} was given.")
        if self.months not in MONTHS_PER_CYCLE.values():
            raise ValueError(f"Cycles of 1, 3 or 12 months were expected, {self.months} was given.")

    @cached_property
    def _first_anchor_month(self) -> int:
        month = self.start.year * 12 + self.start.month - 1
        return month if _anchor(month, self.anchor_day) >= self.start else month + self.months

    def cycles(self, since: date, before: date) -> tuple[Cycle, ...]:
        """The cycles that have a day in [since, before), in order; the last answers are remembered.

        Args:
            since: first day asked for; may lie before the contract line.
            before: first day no longer asked for.

        Returns:
            Cycles without gap or overlap; the first and the last may be cut.
        """
        return _cycles(self, since, before)

    def _walk(self, since: date, before: date) -> Iterator[Cycle]:
        since = max(since, self.start)
        before = before if self.end is None else min(before, self.end)
        if since >= before:
            return
        month = self._first_anchor_month - self.months
        month += max(0, (since.year * 12 + since.month - 2 - month) // self.months) * self.months
        while (full_start := _anchor(month, self.anchor_day)) < before:
            full_end = _anchor(month + self.months, self.anchor_day)
            if full_end > since:
                end = full_end if self.end is None else min(full_end, self.end)
                if full_start < self.start:
                    full_start = _anchor(month, full_end.day)
                if end > since:
                    yield Cycle(max(full_start, self.start), end, full_start, full_end)
            month += self.months

    def pieces(self, cycle: Cycle) -> tuple[Cycle, ...]:
        """The parts of a cycle that are on the same terms each, in order; the cycle itself where none change inside."""
        inside = [cut for cut in self.cuts if cycle.start < cut < cycle.end]
        if not inside:
            return (cycle,)
        marks = [cycle.start, *inside, cycle.end]
        return tuple(replace(cycle, start=start, end=end) for start, end in pairwise(marks))


@lru_cache(maxsize=4096)
def _cycles(calendar: CycleCalendar, since: date, before: date) -> tuple[Cycle, ...]:
    return tuple(calendar._walk(since, before))  # noqa: SLF001  (the same module: the cache must not hold on to methods)


def _anchor(month: int, anchor_day: int) -> date:
    """The anchor of a month counted from year 0, clamped to the month's end."""
    year, month0 = divmod(month, 12)
    return date(year, month0 + 1, min(anchor_day, monthrange(year, month0 + 1)[1]))


def invoice_month(cycle: Cycle, timing: Timing, first_month: str) -> str:
    """The month whose invoice charges a cycle of a calendar.

    It is that of all its pieces, which are charged together whatever day each begins. In arrears it is the month in
    which the last day of the cycle lies; in advance the month before the cycle's start, but never one before the first
    month billed.
    """
    if timing == "arrears":
        return max(month_of(cycle.end - ONE_DAY), first_month)
    return max(shift_month(month_of(cycle.start), -1), first_month)
