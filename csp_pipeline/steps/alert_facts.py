"""What there is to tell: outcomes of changes, unexplained money, lost credit, late invoices, broken synchronisation.

What belongs here: the questions put to the warehouse, and who is told. Words are templates; whether something was told
before is known by the outbox.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

from csp_pipeline.domain.calendar import month_of, shift_month
from csp_pipeline.domain.currencies import minor_unit_decimals
from csp_pipeline.domain.provisioning import event_id_of
from csp_pipeline.domain.provisioning_gates import LIFTED_BY_A_PERSON
from csp_pipeline.steps.provisioning_tables import TOLD_WITHIN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import duckdb

    from csp_pipeline.settings import Settings

CUSTOMER, SERVICE_TEAM = "customer", "service_team"
INVOICE_DUE_DAY = 9
"""The provider's documents are there by the 8th."""
_LISTED = 10
_MISSING = {"billing": "no contract line bills it", "provider": "the provider has nothing behind it"}


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
    return [
        *_outcomes(con, now),
        *_unproven(con, now),
        *_unexplained(con, now),
        *_forgone(con, settings, now),
        *_late(con, now),
        *_out_of_sync(con, now),
        *_not_fetched(problems, now),
    ]


def _money(amount: Decimal | None, currency: str | None) -> str:
    """An amount as people read it: rounded half away from zero to the minor unit, or every digit where that is 0."""
    if amount is None or currency is None:
        return "an unknown amount"
    rounded = amount.quantize(Decimal(1).scaleb(-minor_unit_decimals(currency)), rounding=ROUND_HALF_UP)
    return f"{rounded or amount.normalize():f} {currency}"


def _count(number: int, one: str, more: str = "") -> str:
    """A number of things in words."""
    return f"{number} {one if number == 1 else more or one + 's'}"


def _rows(con: duckdb.DuckDBPyConnection, select: str, values: dict[str, object]) -> list[dict[str, Any]]:
    cursor = con.execute(select, {name: value for name, value in values.items() if f"${name}" in select})
    names = [column[0] for column in cursor.description or []]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _outcomes(con: duckdb.DuckDBPyConnection, now: datetime) -> Iterator[News]:
    """Success to the customer, failure and waiting to the service team; an unknown code is raised by itself."""
    for row in _rows(con, _OUTCOMES, {"since": now - TOLD_WITHIN}):
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
    return f"{_money(abs(amount), row['currency'])} {'more' if amount >= 0 else 'less'} for each billing cycle"


def _unproven(con: duckdb.DuckDBPyConnection, now: datetime) -> Iterator[News]:
    rows = _rows(
        con,
        """
        SELECT
            proof.invoice_number,
            proof.currency,
            proof.unexplained_amount,
            proof.proof_state,
            coalesce(max(invoices.issued_on), CAST($now AS DATE)) AS issued_on
        FROM cost.invoice_proof AS proof
        LEFT JOIN cost.invoices AS invoices ON proof.invoice_number = invoices.invoice_number
        WHERE proof.unexplained_amount <> 0
        GROUP BY ALL
        ORDER BY proof.invoice_number
        """,
        {"now": now},
    )
    for row in rows:
        number, amount = row["invoice_number"], row["unexplained_amount"]
        sentence = (
            f"Provider invoice {number} is {row['proof_state']}: header, lines, usage and predicted rounding leave "
            f"{_money(amount, row['currency'])} over."
        )
        step = "Look at cost.unexplained_rows and cost.contradictions; dispute what is the provider's error."
        values = {"amount": _money(amount, row["currency"]), "what": f"provider invoice {number}"}
        yield News(
            "unexplained_money",
            SERVICE_TEAM,
            event_id_of("unexplained_money", number, row["currency"], amount),
            str(number),
            datetime.combine(row["issued_on"], time()),
            {**values, "sentence": sentence, "next_step": step},
        )


def _unexplained(con: duckdb.DuckDBPyConnection, now: datetime) -> Iterator[News]:
    rows = _rows(
        con,
        """
        SELECT
            service_month,
            currency,
            sum(amount) AS amount,
            count(*) AS differences
        FROM reconciliation.differences
        WHERE cause = 'unexplained' AND amount <> 0 AND resolution IS DISTINCT FROM 'accepted'
        GROUP BY service_month, currency
        ORDER BY service_month, currency
        """,
        {},
    )
    for row in rows:
        month, amount = row["service_month"], row["amount"]
        sentence = (
            f"{_count(row['differences'], 'difference')} between revenue and cost of {month} "
            f"{'has' if row['differences'] == 1 else 'have'} no cause: {_money(amount, row['currency'])} in all."
        )
        yield News(
            "unexplained_money",
            SERVICE_TEAM,
            event_id_of("unexplained_difference", month, row["currency"], amount),
            f"{month} {row['currency']}",
            now,
            {
                "amount": _money(amount, row["currency"]),
                "what": f"revenue and cost of {month}",
                "sentence": sentence,
                "next_step": "Look at reconciliation.differences with that cause, and decide each in resolutions.",
            },
        )


def _forgone(con: duckdb.DuckDBPyConnection, settings: Settings, now: datetime) -> Iterator[News]:
    rows = _rows(
        con,
        """
        SELECT
            currency,
            sum(monthly_amount) AS amount,
            count(*) AS resources,
            count(DISTINCT id_key(customer_id)) AS customers,
            max(rated_on) AS rated_on
        FROM cost.lost_credit
        WHERE monthly_amount > 0
        GROUP BY currency
        HAVING sum(monthly_amount) > $limit
        ORDER BY currency
        """,
        {"limit": settings.alert_forgone_limit_amount},
    )
    for row in rows:
        amount, currency = row["amount"], row["currency"]
        sentence = (
            f"{_count(row['resources'], 'resource')} of {_count(row['customers'], 'customer')} "
            f"{'earns' if row['resources'] == 1 else 'earn'} no partner earned credit, which costs "
            f"{_money(amount, currency)} a month at the rate of {row['rated_on']}; the limit is "
            f"{settings.alert_forgone_limit_amount} {currency}."
        )
        yield News(
            "forgone_credit",
            SERVICE_TEAM,
            event_id_of("forgone_credit", currency, month_of(row["rated_on"])),
            str(currency),
            datetime.combine(row["rated_on"] or now.date(), time()),
            {
                "amount": _money(amount, currency),
                "sentence": sentence,
                "next_step": "Restore the admin access that earns the credit; cost.lost_credit names the resources.",
            },
        )


def _late(con: duckdb.DuckDBPyConnection, now: datetime) -> Iterator[News]:
    """The documents of the month before, when they are not there by the 9th although earlier ones are."""
    month = shift_month(month_of(now.date()), -1)
    found = con.execute(
        "SELECT max(billing_month) FROM cost.invoices WHERE provider = 'microsoft' AND billing_month <= ?", [month]
    ).fetchone()
    latest = found[0] if found else None
    is_expected = latest is not None and latest >= shift_month(month, -1)
    if now.day < INVOICE_DUE_DAY or not is_expected or latest == month:
        return
    yield News(
        "invoice_late",
        SERVICE_TEAM,
        event_id_of("invoice_late", month),
        month,
        datetime.combine(now.date().replace(day=INVOICE_DUE_DAY), time()),
        {
            "month": month,
            "sentence": f"It was expected by {now:%Y-%m}-08; the latest one is of {latest}.",
            "next_step": "Look in Partner Center under Billing whether it is there, and run csp-pipeline run again.",
        },
    )


def _out_of_sync(con: duckdb.DuckDBPyConnection, now: datetime) -> Iterator[News]:
    rows = _rows(
        con,
        """
        SELECT sync_health.*, coalesce(customers.name, sync_health.customer_id, 'an unknown customer') AS customer
        FROM reconciliation.sync_health
        LEFT JOIN partner_center.customers ON id_key(sync_health.customer_id) = id_key(customers.customer_id)
        ORDER BY abs(monthly_amount) DESC NULLS LAST, customer_id, subscription_id, side_missing
        """,
        {},
    )
    if not rows:
        return
    known = sorted((row["customer_id"] or "", row["subscription_id"], row["side_missing"]) for row in rows)
    lines = [
        f"- {row['subscription_id']}{_in_brackets(row['product_name'])} of {row['customer']}: "
        f"{_MISSING[row['side_missing']]}, {_money(row['monthly_amount'], row['currency'])} a month"
        + (f"; {row['what_to_do']}" if row["what_to_do"] else "")
        for row in rows[:_LISTED]
    ]
    more = [f"- and {len(rows) - _LISTED} more in reconciliation.sync_health"] if len(rows) > _LISTED else []
    yield News(
        "sync_broken",
        SERVICE_TEAM,
        event_id_of("sync_broken", known),
        "sync",
        datetime.combine(rows[0]["as_of_on"] or now.date(), time()),
        {
            "subject": f"{_count(len(rows), 'subscription is', 'subscriptions are')} known to one side only",
            "sentence": "\n".join(["The provider and the contract lines do not agree on:", *lines, *more]),
            "next_step": "Add the contract line that is missing, or end the one that has nothing behind it.",
        },
    )


def _in_brackets(words: str | None) -> str:
    return f" ({words})" if words else ""


def _not_fetched(problems: Sequence[str], now: datetime) -> Iterator[News]:
    if not problems:
        return
    day = now.date() - timedelta(days=now.weekday())
    yield News(
        "sync_broken",
        SERVICE_TEAM,
        event_id_of("not_fetched", day, sorted(problems)),
        "not_fetched",
        now,
        {
            "subject": f"{_count(len(problems), 'thing')} could not be fetched from the provider",
            "sentence": "\n".join(f"- {problem}" for problem in problems[:_LISTED]),
            "next_step": "csp-pipeline doctor tests credentials and permissions; the next run asks again.",
        },
    )
