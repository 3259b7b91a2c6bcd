"""A piece of news: what there is to tell one audience, and the words that all news share.

What belongs here: the shape, amounts and counts as people read them. Which news there is, is in `alert_facts`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

from csp_pipeline.domain.currencies import minor_unit_decimals

if TYPE_CHECKING:
    from datetime import datetime

    import duckdb

CUSTOMER, SERVICE_TEAM = "customer", "service_team"


@dataclass(frozen=True)
class News:
    """Something to tell one audience.

    Attributes:
        event_id: identifies what happened; the same news is told once.
        topic: what it is about; news of the same kind and topic within a day are repeats.
        values: what the template may name.
    """

    kind: str
    audience: str
    event_id: str
    topic: str
    occurred_at: datetime
    values: dict[str, Any] = field(default_factory=dict)
    account_id: str | None = None
    email: str | None = None


def money(amount: Decimal | None, currency: str | None) -> str:
    """An amount as people read it: rounded half away from zero to the minor unit, or every digit where that is 0."""
    if amount is None or currency is None:
        return "an unknown amount"
    rounded = amount.quantize(Decimal(1).scaleb(-minor_unit_decimals(currency)), rounding=ROUND_HALF_UP)
    return f"{rounded or amount.normalize():f} {currency}"


def count(number: int, one: str, more: str = "") -> str:
    """A number of things in words."""
    return f"{number} {one if number == 1 else more or one + 's'}"


def rows(con: duckdb.DuckDBPyConnection, select: str, values: dict[str, object]) -> list[dict[str, Any]]:
    """The rows of a SELECT by column; only the values that it names are passed."""
    cursor = con.execute(select, {name: value for name, value in values.items() if f"${name}" in select})
    names = [column[0] for column in cursor.description or []]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
