"""One value at a time, exactly: the slow path that decides about every text the fast path is not sure of.

What belongs here: the reading of a single number, date, instant or truth value, with the reason when it cannot be read.
Whole columns belong to `casting`.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import lru_cache

DECIMALS = 18
_LIMIT = Decimal(10) ** 20
_LAST_DIGIT = Decimal(1).scaleb(-DECIMALS)
_EXACT = Context(prec=400)
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
_DATE = r"(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})"
_US_DATE = r"(?P<month>\d{1,2})/(?P<day>\d{1,2})/(?P<year>\d{4})"
_TIME = r"(?P<hour>\d{1,2}): ?(?P<minute>\d{2})(?:: ?(?P<second>\d{2})(?:\.(?P<fraction>\d{1,9}))?)?"
_ISO = re.compile(rf"{_DATE}(?:[T ]{_TIME} ?(?P<zone>Z|z|UTC|[+-]\d{{2}}:?\d{{2}})?)?", re.ASCII)
_US = re.compile(rf"{_US_DATE}(?:[T ]{_TIME}(?: ?(?P<half>[AaPp][Mm]))?(?P<zone>Z)?)?", re.ASCII)
_EXPONENT_ID = re.compile(r"\d(?:[.,]\d+)?[eE]\+\d+", re.ASCII)
_NOON = 12


class UnreadableError(ValueError):
    """A value that cannot be read; the message is the reason, without the value."""


def parse_decimal(text: str, shift: int = 0) -> tuple[Decimal, bool]:
    """Read a number exactly.

    Args:
        text: what was sent; blanks around it and a spreadsheet's leading apostrophe are allowed.
        shift: powers of ten the figure still lacks (2 for a fraction that is kept as a percentage).

    Returns:
        The number with at most 18 decimals, and whether it had more and was rounded half away from zero.

    Raises:
        UnreadableError: when it is no number, or too large for 20 digits before the point.
    """
    plain = text.strip().removeprefix("'").strip()
    if not _NUMBER.fullmatch(plain):
        raise UnreadableError("expected a number like 1234.56")
    value = Decimal(plain).scaleb(shift, _EXACT)
    is_huge = value and value.adjusted() > _LIMIT.adjusted()
    kept = _LIMIT if is_huge else value.quantize(_LAST_DIGIT, ROUND_HALF_UP, _EXACT)
    if kept.copy_abs() >= _LIMIT:
        raise UnreadableError("expected at most 20 digits before the decimal point")
    return kept, kept != value


@lru_cache(maxsize=65536)
def parse_instant(text: str) -> datetime | None:
    """Read a date or a date and time as UTC; the placeholder 0001-01-01 is None.

    Args:
        text: ISO (with or without time, fraction, zone) or M/D/YYYY with or without time.

    Raises:
        UnreadableError: when it is neither, or no day of the calendar.
    """
    plain = text.strip().removeprefix("'")
    found = _ISO.fullmatch(plain) or _US.fullmatch(plain)
    if not found:
        raise UnreadableError("expected a date like 2026-10-31 or 10/31/2026")
    parts = found.groupdict()
    if int(parts["year"]) == 1:
        return None
    try:
        at = datetime(
            int(parts["year"]),
            int(parts["month"]),
            int(parts["day"]),
            _hour(parts),
            int(parts["minute"] or 0),
            int(parts["second"] or 0),
            int((parts.get("fraction") or "0").ljust(6, "0")[:6]),
            tzinfo=UTC,
        )
    except ValueError as reason:
        raise UnreadableError(f"no such day or time ({reason})") from reason
    return (at - _offset(parts["zone"])).replace(tzinfo=None)


def parse_date(text: str) -> date | None:
    """Read the UTC day of a date or a date and time; the placeholder 0001-01-01 is None.

    Raises:
        UnreadableError: when it is no date.
    """
    at = parse_instant(text)
    return at.date() if at else None


def parse_truth(text: str) -> bool:
    """Read true or false in any case.

    Raises:
        UnreadableError: when it is neither.
    """
    known = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}
    value = known.get(text.strip().lower())
    if value is None:
        raise UnreadableError("expected true or false")
    return value


def is_exponent_id(text: str) -> bool:
    """Whether an identifier was turned into a number like 1.23E+12 by a spreadsheet, its digits lost."""
    return _EXPONENT_ID.fullmatch(text.strip()) is not None


def _hour(parts: dict[str, str | None]) -> int:
    hour, half = int(parts["hour"] or 0), (parts.get("half") or "").lower()
    if half and not 1 <= hour <= _NOON:
        raise ValueError("hour must be in 1..12 with AM or PM")
    return hour % _NOON + (_NOON if half == "pm" else 0) if half else hour


def _offset(zone: str | None) -> timedelta:
    if not zone or zone[0] not in "+-":
        return timedelta()
    digits = zone[1:].replace(":", "")
    minutes = int(digits[:2]) * 60 + int(digits[2:])
    return timedelta(minutes=-minutes if zone[0] == "-" else minutes)
