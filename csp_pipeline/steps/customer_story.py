"""The story of one customer's month: what is read of the published copy, in the order in which a person asks.

What belongs here: which customer is meant, and the rows of each sentence. No figure is computed here that is not a sum
of published rows. The words are those of `story_sentences`; how they look on a terminal is the command's business.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb

from csp_pipeline.errors import CspError
from csp_pipeline.steps import story_sentences as words

if TYPE_CHECKING:
    from csp_pipeline.steps.story_sentences import Row, Sentence
    from csp_pipeline.storage.home import Home


@dataclass(frozen=True)
class Story:
    """A customer's month.

    Attributes:
        customer_ids: one tenant, or several of one name.
        sentences: in the order in which a person asks: what is left, what was earned and what it cost, which documents
            say so, why both differ, what leaks.
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
            *map(words.outcome, _ask(connection, _OUTCOME, values)),
            *map(words.service, _ask(connection, _ROWS, values)),
            *map(words.provider_document, _ask(connection, _PROVIDER_DOCUMENTS, values)),
            *map(words.our_document, _ask(connection, _LINES, values)),
            *map(words.change, _ask(connection, _CHANGES, values)),
            *map(words.difference, _ask(connection, _DIFFERENCES, values)),
            *map(words.leak, _ask(connection, _LEAKS, values)),
        ]
    if not sentences:
        sentences = [words.Sentence(f"Nothing was billed, provided or changed for {name} in {month}.")]
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
            arg_min(customer_id, account_id IS NOT NULL) AS customer_id,
            arg_min(coalesce(name, customer_id), account_id IS NOT NULL) AS name
        FROM found
        WHERE place = (SELECT min(place) FROM found)
        GROUP BY lower(customer_id)
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


_OUTCOME = """
SELECT
    row_.currency,
    sum(row_.revenue_amount) AS revenue_amount,
    CASE WHEN count(row_.cost_amount) = count(*) THEN sum(row_.cost_amount) END AS cost_amount,
    count(*) AS services,
    count(*) FILTER (WHERE row_.status = 'matched') AS matched,
    count(*) FILTER (WHERE row_.status = 'explained') AS explained,
    count(*) FILTER (WHERE row_.status = 'action_needed') AS action_needed,
    count(*) FILTER (WHERE row_.status = 'unexplained') AS unexplained
FROM reconciliation.revenue_vs_cost AS row_
WHERE list_contains($customers, lower(row_.customer_id)) AND row_.service_month = $month
GROUP BY row_.currency
ORDER BY revenue_amount DESC, row_.currency
"""
_ROWS = """
WITH lines AS (
    SELECT
        opened.account_id, opened.contract_line_id, opened.customer_id, opened.subscription_id, opened.product_id,
        opened.sku_id, opened.currency, opened.cost_currency, opened.side, opened.line_id,
        max(cost.source_file) AS source_file,
        max(cost.source_row) AS source_row,
        sum(abs(opened.margin_amount)) AS amount
    FROM reconciliation.drill_down AS opened
    LEFT JOIN cost.invoice_lines AS cost
        ON opened.side = 'cost' AND opened.line_id = cost.line_id AND NOT cost.is_estimate
    WHERE
        opened.level = 'line' AND opened.line_id IS NOT NULL AND opened.service_month = $month
        AND list_contains($customers, lower(opened.customer_id))
    GROUP BY ALL
),

behind AS (
    SELECT
        account_id, contract_line_id, customer_id, subscription_id, product_id, sku_id, currency, cost_currency,
        list({'side': side, 'key': line_id, 'file': source_file, 'row': source_row}
            ORDER BY side DESC, amount DESC NULLS LAST, line_id) AS proofs
    FROM lines
    GROUP BY ALL
)

SELECT
    coalesce(row_.product_name, row_.product_id, row_.contract_line_id, 'a service without name') AS product,
    row_.* EXCLUDE (product_name),
    behind.proofs
FROM reconciliation.revenue_vs_cost AS row_
LEFT JOIN behind
    ON
        row_.account_id IS NOT DISTINCT FROM behind.account_id
        AND row_.contract_line_id IS NOT DISTINCT FROM behind.contract_line_id
        AND row_.customer_id IS NOT DISTINCT FROM behind.customer_id
        AND row_.subscription_id IS NOT DISTINCT FROM behind.subscription_id
        AND row_.product_id IS NOT DISTINCT FROM behind.product_id
        AND row_.sku_id IS NOT DISTINCT FROM behind.sku_id
        AND row_.currency = behind.currency
        AND coalesce(row_.cost_currency, behind.cost_currency) = behind.cost_currency
WHERE list_contains($customers, lower(row_.customer_id)) AND row_.service_month = $month
ORDER BY row_.revenue_amount DESC, product
"""
_PROVIDER_DOCUMENTS = """
SELECT
    provider, invoice_number, currency,
    count(*) AS lines,
    sum(subtotal_amount) AS amount,
    list({'key': line_id, 'file': source_file, 'row': source_row} ORDER BY abs(subtotal_amount) DESC, line_id) AS proofs
FROM cost.invoice_lines
WHERE list_contains($customers, lower(customer_id)) AND billing_month = $month AND NOT is_estimate
GROUP BY provider, invoice_number, currency
ORDER BY provider, invoice_number, currency
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
