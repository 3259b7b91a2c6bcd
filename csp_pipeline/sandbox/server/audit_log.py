"""The activity log as it can be asked for: by days, at most 90 back, and by a filter.

What belongs here: reading the query and choosing records. The records themselves are in the state.
"""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from csp_pipeline.sandbox.server.answers import invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from csp_pipeline.sandbox.json_text import Json

KEPT_DAYS, USUAL_DAYS = 90, 30
_FIELDS = {
    "companyname": "customerName",
    "customerid": "customerId",
    "resourcetype": "resourceType",
    "operationtype": "operationType",
}


def chosen(records: list[Json], query: Mapping[str, str], now: datetime) -> list[Json]:
    """The records that a query asks for, oldest first.

    Args:
        records: The whole log.
        query: `startDate`, `endDate` (both inclusive) and `filter` (JSON with Field, Value and Operator).
        now: The present moment.

    Returns:
        The records.

    Raises:
        RefusedError: A date or the filter makes no sense, or the start is more than 90 days back.
    """
    today = now.date()
    end = _day(query, "endDate", today)
    start = _day(query, "startDate", end - timedelta(days=USUAL_DAYS))
    if start < today - timedelta(days=KEPT_DAYS):
        raise invalid(f"The parameter startDate must not be more than {KEPT_DAYS} days back.")
    if end < start:
        raise invalid("The parameter endDate must not be before startDate.")
    is_wanted = _condition(query.get("filter", ""))
    first, last = start.isoformat(), end.isoformat()
    found = [record for record in records if first <= record["operationDate"][:10] <= last and is_wanted(record)]
    return sorted(found, key=lambda record: str(record["operationDate"]))


def _day(query: Mapping[str, str], name: str, otherwise: date) -> date:
    text = query.get(name)
    if not text:
        return otherwise
    try:
        return datetime.fromisoformat(text).date()
    except ValueError:
        raise invalid(f"The parameter {name} must be a date such as 2026-01-31.") from None


def _condition(text: str) -> Callable[[Json], bool]:
    if not text:
        return lambda _: True
    try:
        condition = {name.lower(): str(value) for name, value in json.loads(text).items()}
        field, value, operator = _FIELDS[condition["field"].lower()], condition["value"], condition["operator"].lower()
    except (ValueError, AttributeError, KeyError):
        raise invalid("The filter must be JSON with a known Field, a Value and an Operator.") from None
    if operator == "equals":
        return lambda record: str(record.get(field, "")).lower() == value.lower()
    if operator == "substring":
        return lambda record: value.lower() in str(record.get(field, "")).lower()
    raise invalid("The Operator of the filter must be equals or substring.")
