"""What the reconciliation looks like in the UI: the check of unexplained money, margin by month, differences by cause.

What belongs here: reading the finished tables and putting them into Markdown, with a bar of characters for size.
Nothing is decided here.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import dagster as dg

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

UNEXPLAINED_CHECK = dg.AssetCheckSpec(
    "no_money_is_unexplained",
    asset=dg.AssetKey(["reconciliation", "differences"]),
    description="Every difference between revenue and cost has a cause that rows prove. What has none is published all "
    "the same and needs a person.",
    blocking=False,
)
MONTHS_SHOWN, BAR = 24, 20


def unexplained_result(connection: duckdb.DuckDBPyConnection) -> dg.AssetCheckResult:
    """What no rule explains, in one sentence, with the share explained and the largest rows in the metadata."""
    rows = connection.execute(
        """
        SELECT service_month, account_id, coalesce(subscription_id, contract_line_id, ''), amount, currency, explanation
        FROM reconciliation.differences
        WHERE cause = 'unexplained'
        ORDER BY abs(amount) DESC, service_month
        """
    ).fetchall()
    shares = connection.execute(
        """
        SELECT currency, sum(explained_amount), sum(absolute_amount)
        FROM reconciliation.explained_share
        GROUP BY currency
        ORDER BY currency
        """
    ).fetchall()
    told = ", ".join(f"{_percent(part, whole)} of {whole:.2f} {currency}" for currency, part, whole in shares)
    sentence = f"Explained: {told or 'nothing differs'}."
    if rows:
        month, account, subscription, amount, currency, _ = rows[0]
        sentence = (
            f"{len(rows)} differences have no cause; the largest is {amount:f} {currency} of {month}, "
            f"account {account}, {subscription}. {sentence}"
        )
    return dg.AssetCheckResult(
        asset_key=UNEXPLAINED_CHECK.asset_key,
        check_name=UNEXPLAINED_CHECK.name,
        passed=not rows,
        severity=dg.AssetCheckSeverity.WARN,
        description=sentence,
        metadata={
            "sentence": sentence,
            "unexplained": len(rows),
            "largest": dg.MetadataValue.md(
                _table(
                    ("month", "account", "subscription", "amount", "currency", "explanation"),
                    [tuple(map(str, row)) for row in rows[:20]],
                )
            ),
        },
    )


def margin_by_month(connection: duckdb.DuckDBPyConnection) -> str:
    """Revenue, cost and margin of the last months by currency, as a Markdown table with bars."""
    rows = connection.execute(
        """
        SELECT service_month, currency, sum(revenue_amount), sum(cost_amount), sum(margin_amount)
        FROM reconciliation.revenue_vs_cost
        WHERE service_month <= (SELECT max(billing_month) FROM billing.drafted_months)
        GROUP BY ALL
        ORDER BY service_month DESC, currency
        LIMIT ?
        """,
        [MONTHS_SHOWN],
    ).fetchall()
    largest = max((abs(row[4] or 0) for row in rows), default=0)
    return _table(
        ("month", "currency", "revenue", "cost", "margin", ""),
        [
            (month, currency, *(f"{value or 0:,.2f}" for value in (revenue, cost, margin)), _bar(margin or 0, largest))
            for month, currency, revenue, cost, margin in rows
        ],
    )


def differences_by_cause(connection: duckdb.DuckDBPyConnection) -> str:
    """The parts of all differences by cause and currency, as a Markdown table with bars."""
    rows = connection.execute(
        """
        SELECT cause, currency, count(*), sum(amount), sum(abs(amount))
        FROM reconciliation.differences
        GROUP BY ALL
        ORDER BY sum(abs(amount)) DESC, cause, currency
        """
    ).fetchall()
    largest = max((row[4] for row in rows), default=0)
    return _table(
        ("cause", "currency", "parts", "amount", "without signs", ""),
        [
            (cause, currency, str(count), f"{amount:,.2f}", f"{absolute:,.2f}", _bar(absolute, largest))
            for cause, currency, count, amount, absolute in rows
        ],
    )


def _percent(part: Decimal, whole: Decimal) -> str:
    return "100 %" if not whole else f"{100 * part / whole:.2f} %"


def _bar(value: Decimal | int, largest: Decimal | int) -> str:
    share = abs(Decimal(value)) / Decimal(largest) if largest else Decimal(0)
    length = int(share * BAR + Decimal("0.5"))
    character = "▒" if value < 0 else "█"
    return character * length


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [" | ".join(cell.replace("|", "/") for cell in row) for row in rows]
    return "\n".join(f"| {line} |" for line in (" | ".join(header), " | ".join("---" for _ in header), *lines))
