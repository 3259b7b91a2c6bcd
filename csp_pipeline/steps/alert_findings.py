"""News of what was found: unexplained money, lost credit, late invoices, broken synchronisation.

What belongs here: the questions put to the warehouse, and the sentences that say what it costs and what to do.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING

from csp_pipeline.domain.calendar import month_of, shift_month
from csp_pipeline.domain.provisioning import event_id_of
from csp_pipeline.steps.news import SERVICE_TEAM, News, count, money, rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import duckdb

    from csp_pipeline.settings import Settings

INVOICE_DUE_DAY = 9
"""The provider's documents are there by the 8th."""
_LISTED = 10
_LARGEST = 3
_MISSING = {"billing": "no contract line bills it", "provider": "the provider has nothing behind it"}


def findings(
    con: duckdb.DuckDBPyConnection, settings: Settings, now: datetime, problems: Sequence[str]
) -> Iterator[News]:
    """Everything that was found; arguments as in `alert_facts.read_news`."""
    yield from _unproven(con, now)
    yield from _unexplained(con, now)
    yield from _forgone(con, settings, now)
    yield from _late(con, now)
    yield from _out_of_sync(con, now)
    yield from _not_fetched(problems, now)


def _unproven(con: duckdb.DuckDBPyConnection, now: datetime) -> Iterator[News]:
    found = rows(
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
    for row in found:
        number, amount = row["invoice_number"], row["unexplained_amount"]
        sentence = (
            f"Provider invoice {number} is {row['proof_state']}: header, lines, usage and predicted rounding leave "
            f"{money(amount, row['currency'])} over."
        )
        step = "Look at cost.unexplained_rows and cost.contradictions; dispute what is the provider's error."
        values = {"amount": money(amount, row["currency"]), "what": f"provider invoice {number}"}
        yield News(
            "unexplained_money",
            SERVICE_TEAM,
            event_id_of("unexplained_money", number, row["currency"], amount),
            str(number),
            datetime.combine(row["issued_on"], time()),
            {**values, "sentence": sentence, "next_step": step},
        )


def _unexplained(con: duckdb.DuckDBPyConnection, now: datetime) -> Iterator[News]:
    found = rows(
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
    for row in found:
        month, amount = row["service_month"], row["amount"]
        sentence = (
            f"{count(row['differences'], 'difference')} between revenue and cost of {month} "
            f"{'has' if row['differences'] == 1 else 'have'} no cause: {money(amount, row['currency'])} in all."
        )
        yield News(
            "unexplained_money",
            SERVICE_TEAM,
            event_id_of("unexplained_difference", month, row["currency"], amount),
            f"{month} {row['currency']}",
            now,
            {
                "amount": money(amount, row["currency"]),
                "what": f"revenue and cost of {month}",
                "sentence": "\n".join([sentence, *_largest_differences(con, month, row["currency"])]),
                "next_step": "Look at reconciliation.differences with that cause, and decide each in resolutions.",
            },
        )


def _largest_differences(con: duckdb.DuckDBPyConnection, month: str, currency: str) -> list[str]:
    found = rows(
        con,
        """
        SELECT
            differences.amount,
            coalesce(differences.subscription_id, 'without subscription') AS subscription_id,
            coalesce(accounts.name, differences.account_id, differences.customer_id, 'without account') AS account,
            differences.explanation
        FROM reconciliation.differences
        LEFT JOIN reference.accounts ON differences.account_id = accounts.account_id
        WHERE
            differences.cause = 'unexplained' AND differences.amount <> 0
            AND differences.resolution IS DISTINCT FROM 'accepted'
            AND differences.service_month = $month AND differences.currency = $currency
        ORDER BY abs(differences.amount) DESC, differences.difference_id
        """,
        {"month": month, "currency": currency},
    )
    return [
        f"- {money(row['amount'], currency)}: subscription {row['subscription_id']}, {row['account']}"
        f"{': ' + row['explanation'] if row['explanation'] else ''}"
        for row in found[:_LARGEST]
    ]


def _largest_losses(con: duckdb.DuckDBPyConnection, currency: str) -> list[str]:
    found = rows(
        con,
        """
        SELECT
            any_value(coalesce(customers.name, lost_credit.customer_id)) AS customer,
            sum(lost_credit.monthly_amount) AS amount,
            count(*) AS resources
        FROM cost.lost_credit
        LEFT JOIN partner_center.customers ON id_key(lost_credit.customer_id) = id_key(customers.customer_id)
        WHERE lost_credit.monthly_amount > 0 AND lost_credit.currency = $currency
        GROUP BY id_key(lost_credit.customer_id)
        ORDER BY amount DESC, customer
        """,
        {"currency": currency},
    )
    return [
        f"- {row['customer']}: {money(row['amount'], currency)} a month, {count(row['resources'], 'resource')}"
        for row in found[:_LARGEST]
    ]


def _forgone(con: duckdb.DuckDBPyConnection, settings: Settings, now: datetime) -> Iterator[News]:
    found = rows(
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
    for row in found:
        amount, currency = row["amount"], row["currency"]
        sentence = (
            f"{count(row['resources'], 'resource')} of {count(row['customers'], 'customer')} "
            f"{'earns' if row['resources'] == 1 else 'earn'} no partner earned credit, which costs "
            f"{money(amount, currency)} a month at the rate of {row['rated_on']}; the limit is "
            f"{settings.alert_forgone_limit_amount} {currency}."
        )
        yield News(
            "forgone_credit",
            SERVICE_TEAM,
            event_id_of("forgone_credit", currency, month_of(row["rated_on"])),
            str(currency),
            datetime.combine(row["rated_on"] or now.date(), time()),
            {
                "amount": money(amount, currency),
                "sentence": "\n".join([sentence, *_largest_losses(con, currency)]),
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
    found = rows(
        con,
        """
        SELECT sync_health.*, coalesce(customers.name, sync_health.customer_id, 'an unknown customer') AS customer
        FROM reconciliation.sync_health
        LEFT JOIN partner_center.customers ON id_key(sync_health.customer_id) = id_key(customers.customer_id)
        ORDER BY abs(monthly_amount) DESC NULLS LAST, customer_id, subscription_id, side_missing
        """,
        {},
    )
    if not found:
        return
    known = sorted((row["customer_id"] or "", row["subscription_id"], row["side_missing"]) for row in found)
    lines = [
        f"- {row['subscription_id']}{_in_brackets(row['product_name'])} of {row['customer']}: "
        f"{_MISSING[row['side_missing']]}, {money(row['monthly_amount'], row['currency'])} a month"
        + (f"; {row['what_to_do']}" if row["what_to_do"] else "")
        for row in found[:_LISTED]
    ]
    more = [f"- and {len(found) - _LISTED} more in reconciliation.sync_health"] if len(found) > _LISTED else []
    yield News(
        "sync_broken",
        SERVICE_TEAM,
        event_id_of("sync_broken", known),
        "sync",
        datetime.combine(found[0]["as_of_on"] or now.date(), time()),
        {
            "subject": f"{count(len(found), 'subscription is', 'subscriptions are')} known to one side only",
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
            "subject": f"{count(len(problems), 'thing')} could not be fetched from the provider",
            "sentence": "\n".join(f"- {problem}" for problem in problems[:_LISTED]),
            "next_step": "csp-pipeline doctor tests credentials and permissions; the next run asks again.",
        },
    )
