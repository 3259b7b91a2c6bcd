"""What the reconciliation looks like in the UI: the check of unexplained money, margin by month, differences by cause.

What belongs here: reading the finished tables and putting them into Markdown, with charts and bars of characters for
size. Nothing is decided here.
"""

from __future__ import annotations

from decimal import Decimal
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

import dagster as dg

from csp_pipeline.domain.money import round_half_away
from csp_pipeline.orchestration.plots import bar_chart

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

    from csp_pipeline.steps.totals import Row, Totals

UNEXPLAINED_CHECK = dg.AssetCheckSpec(
    "no_money_is_unexplained",
    asset=dg.AssetKey(["reconciliation", "differences"]),
    description="Every difference between revenue and cost has a cause that rows prove. What has none is published all "
    "the same and needs a person.",
    blocking=False,
)
MONTHS_SHOWN, DAYS_SHOWN, LISTED, BAR = 24, 31, 20, 20


def unexplained_result(connection: duckdb.DuckDBPyConnection) -> dg.AssetCheckResult:
    """What no rule explains, in one sentence, with the share explained and the largest rows in the metadata."""
    rows = connection.execute(
        """
        SELECT
            part.currency, part.service_month, coalesce(account.name, part.account_id, customer.name, part.customer_id),
            coalesce(part.subscription_id, part.contract_line_id, part.product_id), part.amount, part.explanation
        FROM reconciliation.differences AS part
        LEFT JOIN reference.accounts AS account ON part.account_id = account.account_id
        LEFT JOIN partner_center.customers AS customer ON part.customer_id = customer.customer_id
        WHERE part.cause = 'unexplained'
        ORDER BY part.currency, abs(part.amount) DESC, part.service_month, part.difference_id
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
    explained = ", ".join(f"{_percent(part, whole)} of {whole:,.2f} {currency}" for currency, part, whole in shares)
    sentence = f"Explained: {explained or 'nothing differs'}."
    if rows:
        unexplained = (_unexplained(currency, list(parts)) for currency, parts in groupby(rows, key=itemgetter(0)))
        sentence = f"No rule explains {'; nor '.join(unexplained)}. {sentence}"
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
                    ("currency", "month", "customer", "service", "amount", "what to do"),
                    [(*map(str, row[:4]), f"{row[4].normalize():,f}", row[5]) for row in rows[:LISTED]],
                )
            ),
        },
    )


def _unexplained(currency: str, rows: Sequence[tuple[str, str, str, str, Decimal, str]]) -> str:
    """What is not explained in a currency; the largest part comes first."""
    total = sum((abs(row[4]) for row in rows), Decimal(0))
    _, month, customer, service, amount, _ = rows[0]
    where = f"{month} at {customer}, {service}"
    if len(rows) == 1:
        return f"{amount.normalize():,f} {currency} of {where}"
    largest = f"the largest {amount.normalize():,f} {currency} of {where}"
    return f"{total.normalize():,f} {currency} in {len(rows)} differences, {largest}"


def margin_by_month(totals: Totals) -> str:
    """Revenue, cost and margin of the last months drafted, as a chart of the margin and Markdown tables with bars.

    Over all currencies in the reporting currency where there are several, then in each currency. The bars of a table
    are those of one currency.
    """
    through = totals.drafted_through or ""
    known = [
        (row["service_month"], row["margin_amount"])
        for row in totals.by_month
        if row["service_month"] <= through and row["margin_amount"] is not None
    ]
    currencies = sorted({row["currency"] for row in totals.by_currency})
    tables = [
        _margins([row for row in totals.by_currency if row["currency"] == currency], currency, through)
        for currency in currencies
    ]
    if totals.by_month and currencies != [totals.by_month[0]["reporting_currency"]]:
        tables.insert(0, _margins(totals.by_month, f"all in {totals.by_month[0]['reporting_currency']}", through))
    if known:
        title = f"Margin by month in {totals.by_month[0]['reporting_currency']}"
        tables.insert(0, bar_chart(title, known[-MONTHS_SHOWN:]))
    return "\n\n".join(tables)


def _margins(rows: Sequence[Row], currency: str, through: str) -> str:
    shown = [row for row in reversed(rows) if row["service_month"] <= through][:MONTHS_SHOWN]
    largest = max((abs(row["margin_amount"] or 0) for row in shown), default=0)
    return _table(
        ("month", "currency", "revenue", "cost", "margin", "percent", ""),
        [
            (
                row["service_month"],
                currency,
                *(_shown(row[name]) for name in ("revenue_amount", "cost_amount", "margin_amount", "margin_percent")),
                _bar(row["margin_amount"], largest) if row["margin_amount"] is not None else _without_rate(row),
            )
            for row in shown
        ],
    )


def _without_rate(row: Row) -> str:
    missing = row.get("missing_rates") or row.get("unconverted_costs")
    return f"without a rate: {missing}"


def plotted(totals: Totals, month: str) -> dict[str, dg.FloatMetadataValue]:
    """The figures of a month over all currencies that the UI draws by partition; what lacks a rate is left out."""
    found = next((row for row in totals.by_month if row["service_month"] == month), None)
    if found is None:
        return {}
    figures = {"margin": "margin_amount", "margin_percent": "margin_percent", "differences_for_a_person": "open_amount"}
    # the UI plots floats alone; the tables have every digit
    return {
        (name if name == "margin_percent" else f"{name}_{found['reporting_currency']}"): dg.MetadataValue.float(
            float(found[column])
        )
        for name, column in figures.items()
        if found[column] is not None
    }


def differences_by_cause(connection: duckdb.DuckDBPyConnection) -> str:
    """The parts of all differences by cause, as a chart for each currency and a Markdown table with bars to scale."""
    rows = connection.execute(
        """
        SELECT cause, currency, count(*), sum(amount), sum(abs(amount))
        FROM reconciliation.differences
        GROUP BY ALL
        ORDER BY currency, sum(abs(amount)) DESC, cause
        """
    ).fetchall()
    largest = {currency: max(row[4] for row in rows if row[1] == currency) for _, currency, *_ in rows}
    charts = [
        bar_chart(
            f"Differences by cause in {currency}, without signs",
            [(row[0], row[4]) for row in rows if row[1] == currency],
        )
        for currency in largest
    ]
    table = _table(
        ("cause", "currency", "parts", "amount", "without signs", ""),
        [
            (cause, currency, str(count), _shown(amount), _shown(absolute), _bar(absolute, largest[currency]))
            for cause, currency, count, amount, absolute in rows
        ],
    )
    return "\n\n".join([*charts, table])


def sync_health_by_day(connection: duckdb.DuckDBPyConnection) -> str:
    """What only one side knows, day by day, as a Markdown table with bars: subscriptions, and what a day is worth."""
    rows = connection.execute(
        """
        SELECT as_of_on, side_missing, currency, subscription_count, daily_amount
        FROM reconciliation.sync_health_days
        WHERE as_of_on > (SELECT max(as_of_on) FROM reconciliation.sync_health_days) - $days
        ORDER BY as_of_on DESC, side_missing, currency
        """,
        {"days": DAYS_SHOWN},
    ).fetchall()
    largest = max((row[3] for row in rows), default=0)
    return _table(
        ("day", "missing in", "currency", "subscriptions", "worth a day", ""),
        [
            (str(day), side, currency, str(count), _shown(amount), _bar(count, largest))
            for day, side, currency, count, amount in rows
        ],
    )


def _shown(value: Decimal | None) -> str:
    return "-" if value is None else f"{round_half_away(value, 2) + 0:,f}"  # never -0.00


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
