"""The story of one customer's month in plain words, each sentence with the rows behind it.

What belongs here: what is read of the published copy, and how it is put into sentences. No figure is computed here that
is not a sum of published rows. How the story looks on a terminal is the command's business.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb

from csp_pipeline.errors import CspError

if TYPE_CHECKING:
    from decimal import Decimal

    from csp_pipeline.storage.home import Home

Row = dict[str, Any]


@dataclass(frozen=True)
class Sentence:
    """One sentence of a story; `rows` are (table, key) of what proves it."""

    text: str
    rows: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Story:
    """A customer's month.

    Attributes:
        customer_ids: one tenant, or several of one name.
        sentences: in the order in which a person asks: what was billed, what it cost, why both differ, what leaks.
    """

    customer_ids: tuple[str, ...]
    name: str
    month: str
    sentences: tuple[Sentence, ...]


def tell_story(home: Home, customer: str, month: str | None) -> Story:
    """Read the story of a customer's month from the published copy.

    Args:
        home: the folders.
        customer: the tenant's id, its name or a part of it, or its domain.
        month: YYYY-MM; None is the last month drafted.

    Raises:
        CspError: nothing is published, or the customer is none or several.
    """
    if not home.published.is_file():
        raise CspError("There is nothing to tell: nothing was published yet; run csp-pipeline run first.")
    with duckdb.connect(str(home.published), read_only=True) as connection:
        customers, name = _find(connection, customer)
        if month is None:
            found = connection.execute("SELECT max(billing_month) FROM billing.drafted_months").fetchone()
            month = str(found[0]) if found and found[0] else ""
        values = {"customers": [one.lower() for one in customers], "month": month}
        sentences = [
            *_rows(_ask(connection, _ROWS, values)),
            *_charged(_ask(connection, _LINES, values)),
            *_changes(_ask(connection, _CHANGES, values)),
            *_differences(_ask(connection, _DIFFERENCES, values)),
            *_leaks(_ask(connection, _LEAKS, values)),
        ]
    if not sentences:
        sentences = [Sentence(f"Nothing was billed, provided or changed for {name} in {month}.")]
    return Story(tuple(customers), name, month, tuple(sentences))


def _find(connection: duckdb.DuckDBPyConnection, customer: str) -> tuple[list[str], str]:
    """The tenants meant and their name; an account's name or id means all of its tenants."""
    rows = connection.execute(
        """
        WITH known AS (
            SELECT customer_id, name, domain, NULL AS account_id FROM partner_center.customers
            UNION ALL
            SELECT tenant.customer_id, account.name, NULL AS domain, account.account_id
            FROM reference.account_tenants AS tenant
            INNER JOIN reference.accounts AS account ON tenant.account_id = account.account_id
        ),

        found AS (
            SELECT
                *,
                CASE
                    WHEN lower($asked) IN (lower(customer_id), lower(name), lower(domain), lower(account_id)) THEN 1
                    WHEN contains(lower(name), lower($asked)) THEN 2
                END AS place
            FROM known
        )

        SELECT
            customer_id,
            arg_min(coalesce(name, customer_id), account_id IS NOT NULL) AS name
        FROM found
        WHERE place = (SELECT min(place) FROM found)
        GROUP BY customer_id
        ORDER BY name, customer_id
        """,
        {"asked": customer.strip()},
    ).fetchall()
    if not rows:
        raise CspError(f"No customer is called {customer!r}: give the id, the domain or a part of the name.")
    if len({name for _, name in rows}) > 1:
        named = ", ".join(f"{name} ({customer_id})" for customer_id, name in rows[:5])
        raise CspError(f"{len(rows)} customers are meant by {customer!r}: {named}; give the id.")
    return [customer_id for customer_id, _ in rows], rows[0][1]


def _ask(connection: duckdb.DuckDBPyConnection, select: str, values: Row) -> list[Row]:
    cursor = connection.execute(select, {name: value for name, value in values.items() if f"${name}" in select})
    names = [column[0] for column in cursor.description or []]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


_ROWS = """
SELECT
    coalesce(product_name, product_id, contract_line_id, 'a service without name') AS product,
    contract_line_id, subscription_id, currency, revenue_amount, cost_amount, margin_amount, margin_percent,
    billed_quantity, provider_quantity, partner_center_quantity, selling_price, provider_price, cost_currency,
    cost_original_amount, fx_rate, status
FROM reconciliation.revenue_vs_cost
WHERE list_contains($customers, lower(customer_id)) AND service_month = $month
ORDER BY revenue_amount DESC, product
"""
_LINES = """
SELECT
    coalesce(document.invoice_number, 'the draft of ' || line.billing_month) AS document,
    line.currency,
    count(*) AS lines,
    sum(line.net_amount) AS amount,
    list(line.invoice_id || ':' || line.line_number ORDER BY line.line_number) AS keys
FROM billing.invoice_lines AS line
INNER JOIN billing.invoices AS document ON line.invoice_id = document.invoice_id
WHERE list_contains($customers, lower(line.customer_id)) AND line.billing_month = $month
GROUP BY ALL
ORDER BY document, line.currency
"""
_CHANGES = """
SELECT change_id, subscription_id, changed_at, event, quantity_before, quantity_after, actor
FROM partner_center.subscription_changes
WHERE
    list_contains($customers, lower(customer_id))
    AND strftime(changed_at, '%Y-%m') = $month
    AND quantity_before IS DISTINCT FROM quantity_after
ORDER BY changed_at, change_id
"""
_DIFFERENCES = """
SELECT cause, amount, quantity, currency, explanation, resolution, evidence, contract_line_id, subscription_id
FROM reconciliation.differences
WHERE list_contains($customers, lower(customer_id)) AND service_month = $month
ORDER BY abs(amount) DESC, cause
"""
_LEAKS = """
SELECT kind, monthly_amount, currency, finding, what_to_do, evidence
FROM reconciliation.leaks
WHERE
    list_contains($customers, lower(customer_id))
    AND $month = (SELECT max(billing_month) FROM billing.drafted_months)
ORDER BY rank
"""


def _rows(rows: list[Row]) -> list[Sentence]:
    return [
        Sentence(
            f"{row['product']}: {_seats(row)}we earned {_money(row['revenue_amount'])} {row['currency']} and "
            f"{_cost(row)}{_margin(row)}.",
            tuple(
                (table, row[name])
                for table, name in (
                    ("reference.contract_lines", "contract_line_id"),
                    ("partner_center.subscriptions", "subscription_id"),
                )
                if row[name]
            ),
        )
        for row in rows
    ]


def _seats(row: Row) -> str:
    if row["billed_quantity"] is None and row["provider_quantity"] is None:
        return ""
    seen = row["partner_center_quantity"]
    now = "" if seen is None else f", Partner Center shows {_number(seen)} now"
    ours, provider = _number(row["billed_quantity"] or 0), _number(row["provider_quantity"] or 0)
    return f"we billed {ours} and the provider {provider}{now}; "


def _cost(row: Row) -> str:
    if row["cost_amount"] is None:
        return f"it cost {_money(row['cost_original_amount'])} {row['cost_currency']}, without a rate to compare by"
    original = (
        f" ({_money(row['cost_original_amount'])} {row['cost_currency']} at {_number(row['fx_rate'])})"
        if row["cost_currency"] not in {None, row["currency"]}
        else ""
    )
    return f"it cost us {_money(row['cost_amount'])} {row['currency']}{original}"


def _margin(row: Row) -> str:
    if row["margin_amount"] is None:
        return ""
    share = "" if row["margin_percent"] is None else f", {_number(row['margin_percent'])} percent"
    return f", a margin of {_money(row['margin_amount'])}{share}"


def _charged(rows: list[Row]) -> list[Sentence]:
    return [
        Sentence(
            f"{row['document'][:1].upper()}{row['document'][1:]} charges {_money(row['amount'])} {row['currency']} in "
            f"{row['lines']} line{'s' if row['lines'] > 1 else ''}.",
            tuple(("billing.invoice_lines", key) for key in row["keys"]),
        )
        for row in rows
    ]


def _changes(rows: list[Row]) -> list[Sentence]:
    return [
        Sentence(
            f"On {row['changed_at']:%d %B %Y at %H:%M} UTC {row['actor'] or 'somebody'} changed the seats of "
            f"{row['subscription_id']} from {_number(row['quantity_before'])} to {_number(row['quantity_after'])}.",
            (("partner_center.subscription_changes", row["change_id"]),),
        )
        for row in rows
    ]


def _differences(rows: list[Row]) -> list[Sentence]:
    return [
        Sentence(
            f"{_money(row['amount'])} {row['currency']} differ from what the provider's lines say "
            f"({row['cause'].replace('_', ' ')}): {row['explanation']}"
            + (f" Somebody decided: {row['resolution']}." if row["resolution"] else ""),
            _proofs(row["evidence"]),
        )
        for row in rows
    ]


def _leaks(rows: list[Row]) -> list[Sentence]:
    return [
        Sentence(
            f"{_money(row['monthly_amount'])} {row['currency']} a month leak ({row['kind'].replace('_', ' ')}): "
            f"{row['finding']} What to do: {row['what_to_do']}.",
            _proofs(row["evidence"]),
        )
        for row in rows
    ]


def _proofs(evidence: str | None) -> tuple[tuple[str, str], ...]:
    return tuple((row["table"], row["key"]) for row in json.loads(evidence or "[]"))


def _money(amount: Decimal) -> str:
    """An amount with every digit that is not a zero at its end, and at least two decimals."""
    whole, _, decimals = f"{amount:f}".partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"


def _number(number: Decimal | int | None) -> str:
    if number is None:
        return "an unknown number"
    whole, _, decimals = f"{number:f}".partition(".")
    return f"{whole}.{decimals.rstrip('0')}".rstrip(".")
