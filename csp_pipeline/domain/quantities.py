"""The quantity of a contract line over time: what it is at an instant, and by how much each day changes it.

What belongs here: reading a history that is already known day by day. Where the history comes from (change log,
snapshot, provider lines, a fixed number) is decided in `models/billing/quantity_history.sql`.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import date

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class DayQuantity:
    """A day on which the quantity changed.

    Attributes:
        day: the UTC day.
        at_start: quantity at 00:00:00, changes at exactly that instant included.
        at_end: quantity after the last change of the day.
    """

    day: date
    at_start: Decimal
    at_end: Decimal


@dataclass(frozen=True, slots=True)
class QuantityHistory:
    """A quantity over time.

    Attributes:
        opening: quantity before the first change.
        changes: the days with changes, in order, one entry a day.
    """

    opening: Decimal
    changes: tuple[DayQuantity, ...] = ()

    def at_start_of(self, day: date) -> Decimal:
        """The quantity at 00:00:00 of a day, changes at exactly that instant included."""
        position = bisect_left(self.changes, day, key=_day)
        if position < len(self.changes) and self.changes[position].day == day:
            return self.changes[position].at_start
        return self.changes[position - 1].at_end if position else self.opening

    def at_end_of(self, day: date) -> Decimal:
        """The quantity after the last change of a day."""
        position = bisect_left(self.changes, day, key=_day)
        if position < len(self.changes) and self.changes[position].day == day:
            return self.changes[position].at_end
        return self.changes[position - 1].at_end if position else self.opening

    def net_changes(self, since: date, before: date) -> Iterator[tuple[date, Decimal, Decimal]]:
        """The days in [since, before) whose changes do not cancel out.

        The first day starts from its quantity at 00:00:00 (what changed at that instant is the opening of the
        period), every other from the quantity at the end of the day before.

        Yields:
            Day, quantity before, quantity after.
        """
        if not self.changes:
            return
        quantity = self.at_start_of(since)
        for change in self.changes[bisect_left(self.changes, since, key=_day) :]:
            if change.day >= before:
                return
            if change.at_end != quantity:
                yield change.day, quantity, change.at_end
            quantity = change.at_end


def _day(change: DayQuantity) -> date:
    return change.day


def between(history: QuantityHistory, start: date | None, end: date | None) -> QuantityHistory:
    """A history that is 0 before a day and from another day on; None leaves that side as it is."""
    if start is None and end is None:
        return history
    if start is not None and end is not None and end <= start:
        return QuantityHistory(ZERO)
    changes = [
        change
        for change in history.changes
        if (start is None or change.day > start) and (end is None or change.day < end)
    ]
    if start is not None:
        changes.insert(0, DayQuantity(start, history.at_start_of(start), history.at_end_of(start)))
    if end is not None:
        changes.append(DayQuantity(end, ZERO, ZERO))
    return QuantityHistory(history.opening if start is None else ZERO, tuple(changes))


def sum_of(histories: Sequence[QuantityHistory]) -> QuantityHistory:
    """The history of the total of several quantities; the order of the parts does not matter."""
    if len(histories) == 1:
        return histories[0]
    days = sorted({change.day for history in histories for change in history.changes})
    return QuantityHistory(
        opening=_total(history.opening for history in histories),
        changes=tuple(
            DayQuantity(
                day,
                _total(history.at_start_of(day) for history in histories),
                _total(history.at_end_of(day) for history in histories),
            )
            for day in days
        ),
    )


def _total(quantities: Iterable[Decimal]) -> Decimal:
    return sum(quantities, ZERO)
