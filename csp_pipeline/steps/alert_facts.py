"""What there is to tell: outcomes of changes here, what was found in money and figures in `alert_findings`.

What belongs here: the questions put to the warehouse, and who is told. Words are templates; whether something was told
before is known by the outbox.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from csp_pipeline.domain.provisioning import event_id_of
from csp_pipeline.domain.provisioning_gates import LIFTED_BY_A_PERSON
from csp_pipeline.steps.alert_findings import findings
from csp_pipeline.steps.news import CUSTOMER, SERVICE_TEAM, News, money, rows
from csp_pipeline.steps.provisioning_tables import TOLD_WITHIN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    import duckdb

    from csp_pipeline.settings import Settings

_OUTCOMES = """
SELECT
    events.*,
    requests.account_id,
    requests.requested_by,
    strftime(requests.requested_at, '%Y-%m-%d %H:%M') AS requested_at,
    requests.quantity_before,
    requests.price_affected_amount,
    requests.currency,
    accounts.name AS account_name,
    customers.name AS customer_name,
    coalesce(accounts.service_email, accounts.billing_email) AS email,
    subscriptions.product_name AS product
FROM provisioning.events AS events
LEFT JOIN provisioning.requests AS requests ON events.request_id = requests.request_id
LEFT JOIN reference.account_tenants AS tenants ON id_key(events.customer_id) = id_key(tenants.customer_id)
LEFT JOIN reference.accounts AS accounts ON coalesce(requests.account_id, tenants.account_id) = accounts.account_id
LEFT JOIN partner_center.customers AS customers ON id_key(events.customer_id) = id_key(customers.customer_id)
LEFT JOIN partner_center.subscriptions AS subscriptions
    ON
        id_key(events.subscription_id) = id_key(subscriptions.subscription_id)
        AND id_key(events.customer_id) = id_key(subscriptions.customer_id)
WHERE
    events.outcome <> 'pending'
    AND coalesce(events.code, '') NOT IN ('cancelled', 'earlier_request', 'not_sent', 'provisioning_off')
    AND coalesce(requests.is_told, TRUE)
    AND events.occurred_at >= $since
ORDER BY events.occurred_at, events.event_id
"""


def read_news(
    con: duckdb.DuckDBPyConnection, settings: Settings, now: datetime, problems: Sequence[str] = ()
) -> list[News]:
    """Everything there is to tell now.

    Args:
        con: a connection to the working warehouse, brought up to date.
        settings: the limit of forgone credit.
        now: UTC without zone.
        problems: what the run could not fetch, one sentence each.
    """
    return [*outcomes(con, now), *findings(con, settings, now, problems)]


def outcomes(con: duckdb.DuckDBPyConnection, now: datetime) -> Iterator[News]:
    """Success to the customer, failure and waiting to the service team; an unknown code is raised by itself."""
    for row in rows(con, _OUTCOMES, {"since": now - TOLD_WITHIN}):
        kind = f"provisioning_{row['outcome']}"
        topic = row["request_id"] or row["event_id"]
        audience = CUSTOMER if row["outcome"] == "succeeded" else SERVICE_TEAM
        if audience == CUSTOMER and row["request_id"] is None:
            continue
        said = {"price_affected": _price(row), "may_be_released": row["code"] in LIFTED_BY_A_PERSON}
        shared = {"values": row | said, "account_id": row["account_id"], "occurred_at": row["occurred_at"]}
        yield News(kind, audience, row["event_id"], topic, email=row["email"], **shared)
        if row["needs_triage"]:
            event_id = event_id_of("unknown_code", row["code"])
            yield News("unknown_code", SERVICE_TEAM, event_id, str(row["code"]), **shared)


def _price(row: Mapping[str, Any]) -> str:
    """What a change is worth, in words."""
    amount = row["price_affected_amount"]
    if amount is None:
        return "not known"
    return f"{money(abs(amount), row['currency'])} {'more' if amount >= 0 else 'less'} for each billing cycle"
