"""The check that the service team looks at: which changes failed, what each is worth and what to do, and what waits."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

import dagster as dg

from csp_pipeline.domain.currencies import minor_unit_decimals

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

PROVISIONING_CHECK = dg.AssetCheckSpec(
    "changes_are_provisioned",
    asset=dg.AssetKey(["provisioning", "events"]),
    description="No change failed: else the service team has work. What waits is listed beside it.",
    blocking=False,
)
LISTED = 50
_FAILED = """
SELECT
    strftime(events.occurred_at, '%Y-%m-%d %H:%M') AS occurred_at,
    coalesce(customers.name, events.customer_id) AS customer,
    coalesce(events.request_id, 'reported by the provider') AS request,
    events.request_id,
    events.subscription_id,
    replace(events.operation, '_', ' ') AS operation,
    replace(events.failure_class, '_', ' ') AS failure_class,
    events.code,
    events.message,
    requests.price_affected_amount,
    requests.currency,
    events.next_step
FROM provisioning.events AS events
LEFT JOIN provisioning.requests AS requests ON events.request_id = requests.request_id
LEFT JOIN partner_center.customers AS customers ON id_key(events.customer_id) = id_key(customers.customer_id)
WHERE
    events.outcome = 'failed'
    AND coalesce(events.code, '') <> 'cancelled'
    AND (requests.request_id IS NULL OR requests.state = 'failed')
QUALIFY row_number() OVER (
    PARTITION BY coalesce(events.request_id, events.event_id) ORDER BY events.occurred_at DESC, events.event_id
) = 1
ORDER BY events.occurred_at DESC, events.event_id
"""
_WAITING = """
SELECT
    coalesce(customers.name, requests.customer_id) AS customer,
    requests.request_id AS request,
    replace(requests.operation, '_', ' ') AS operation,
    requests.code,
    requests.message,
    requests.price_affected_amount,
    requests.currency,
    requests.next_step
FROM provisioning.requests AS requests
LEFT JOIN partner_center.customers AS customers ON id_key(requests.customer_id) = id_key(customers.customer_id)
WHERE requests.state = 'waiting'
ORDER BY requests.requested_at, requests.request_id
"""
_COLUMNS = {
    "occurred_at": "when (UTC)",
    "customer": "customer",
    "request": "request",
    "operation": "change",
    "failure_class": "class",
    "code": "code",
    "message": "what was said",
    "price": "worth a billing cycle",
    "next_step": "next step",
}


def provisioning_check_result(connection: duckdb.DuckDBPyConnection) -> dg.AssetCheckResult:
    """What the service team has to look at: the latest failed change in words, all of them and what waits as tables."""
    failed, waiting = _rows(connection, _FAILED), _rows(connection, _WAITING)
    waits = f"{len(waiting)} {'request waits' if len(waiting) == 1 else 'requests wait'}."
    return dg.AssetCheckResult(
        asset_key=PROVISIONING_CHECK.asset_key,
        check_name=PROVISIONING_CHECK.name,
        passed=not failed,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{_in_words(failed)} {waits}",
        metadata={
            "failed": len(failed),
            "waiting": len(waiting),
            "failed_changes": dg.MetadataValue.md(_table(failed)),
            "waiting_requests": dg.MetadataValue.md(_table(waiting)),
        },
    )


def _in_words(failed: Sequence[dict[str, Any]]) -> str:
    if not failed:
        return "No change failed."
    last = failed[0]
    what = f"request {last['request_id']}" if last["request_id"] else f"subscription {last['subscription_id']}"
    counted = "1 change failed: " if len(failed) == 1 else f"{len(failed)} changes failed; the latest is "
    marks = ", ".join(mark for mark in (last["failure_class"], last["code"] and f"code {last['code']}") if mark)
    worth = f" It is worth {last['price']} for each billing cycle." if last["price"] else ""
    step = f" Next step: {last['next_step']}" if last["next_step"] else ""
    return f"{counted}{what} of {last['customer']} ({marks}): {last['message']}{worth}{step}"


def _rows(connection: duckdb.DuckDBPyConnection, select: str) -> list[dict[str, Any]]:
    cursor = connection.execute(select)
    names = [column[0] for column in cursor.description or []]
    rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return [{**row, "price": _money(row["price_affected_amount"], row["currency"])} for row in rows]


def _money(amount: Decimal | None, currency: str | None) -> str:
    if amount is None or currency is None:
        return ""
    step = Decimal(1).scaleb(-minor_unit_decimals(currency))
    return f"{amount.quantize(step, rounding=ROUND_HALF_UP):f} {currency}"


def _table(rows: Sequence[dict[str, Any]]) -> str:
    """Rows as a table in Markdown, the first of them where there are many; a word where there is none."""
    if not rows:
        return "none"
    names = [name for name in _COLUMNS if name in rows[0]]
    lines = [[_COLUMNS[name] for name in names], ["---"] * len(names)]
    lines += [[_cell(row[name]) for name in names] for row in rows[:LISTED]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: object) -> str:
    return " ".join(str("" if value is None else value).split()).replace("|", "\\|")
