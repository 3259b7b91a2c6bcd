"""Days and months: inside the code every period is half-open, a day is a UTC date."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ONE_DAY = timedelta(days=1)
_US = re.compile(r"^(\d{1,2})/(\d{1,2})/(\d{4})(?:\s+(\d{1,2}):(\d{2})(?::(\d{2}))?\s*([AaPp][Mm])?)?$")
_ISO = re.compile(r"^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d+))?)?)?\s*(Z|z|[+-]\d{2}:?\d{2})?$")


def parse_instant(text: object) -> datetime | None:
    """An instant in UTC from ISO or US text; blank and the year 0001 placeholder are None."""
    cleaned = "" if text is None else str(text).strip().lstrip("'").strip()
    if not cleaned:
        return None
    us_style = _US.match(cleaned)
    if us_style:
        month, day, year, hour, minute, second, half = us_style.groups()
        if int(year) == 1:
            return None
        hours = int(hour or 0)
        if half:
            hours = hours % 12 + (12 if half.lower() == "pm" else 0)
        return datetime(int(year), int(month), int(day), hours, int(minute or 0), int(second or 0), tzinfo=UTC)
    iso = _ISO.match(cleaned)
    if not iso:
        raise ValueError(f"expected a date in ISO or M/D/YYYY style, found {cleaned!r}")
    day_text, hour, minute, second, fraction, zone = iso.groups()
    micro = int(((fraction or "0") + "000000")[:6])
    moment = datetime.fromisoformat(day_text).replace(
        hour=int(hour or 0), minute=int(minute or 0), second=int(second or 0), microsecond=micro, tzinfo=UTC
    )
    if moment.year == 1:
        return None
    if zone and zone not in "Zz":
        sign = 1 if zone[0] == "+" else -1
        moment -= sign * timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
    return moment


def parse_day(text: object) -> date | None:
    """The UTC date of an instant."""
    moment = parse_instant(text)
    return None if moment is None else moment.date()


def midnight(day: date) -> datetime:
    """The instant at which a UTC day begins."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def month_of(day: date) -> str:
    """``YYYY-MM`` of a day."""
    return f"{day.year:04d}-{day.month:02d}"


def first_day(month: str) -> date:
    """First day of ``YYYY-MM``."""
    return date(int(month[:4]), int(month[5:7]), 1)


def next_month(month: str, count: int = 1) -> str:
    """``month`` moved by ``count`` months."""
    index = int(month[:4]) * 12 + int(month[5:7]) - 1 + count
    return f"{index // 12:04d}-{index % 12 + 1:02d}"


def last_day(month: str) -> date:
    """Last day of ``YYYY-MM``."""
    return first_day(next_month(month)) - ONE_DAY


def anchored(day: date, months: int, anchor_day: int) -> date:
    """The anchor date ``months`` after the month of ``day``; 29 to 31 clamp to the month's end."""
    target = first_day(next_month(month_of(day), months))
    return target.replace(day=min(anchor_day, monthrange(target.year, target.month)[1]))


def each_day(start: date, end: date) -> Iterator[date]:
    """The days of the half-open interval."""
    day = start
    while day < end:
        yield day
        day += ONE_DAY


def each_month(start: str, end: str) -> Iterator[str]:
    """The months from ``start`` through ``end``."""
    month = start
    while month <= end:
        yield month
        month = next_month(month)
