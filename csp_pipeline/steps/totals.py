"""Totals of the reconciliation in the reporting currency: by month and currency, and by month.

What belongs here: reading sums and rates, calling the rules of `domain/totals`, writing rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from csp_pipeline.domain.calendar import first_day_of
from csp_pipeline.domain.currencies import minor_unit_decimals
from csp_pipeline.domain.money import divide_half_away, percent_of
from csp_pipeline.domain.proration import EXACT
from csp_pipeline.domain.totals import converted, difference_of, most_used, total_of
from csp_pipeline.models.catalogue import load_catalogue
from csp_pipeline.steps.reconciliation_facts import read_rates
from csp_pipeline.storage.rows import as_arrow
from csp_pipeline.storage.warehouse import replace_rows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from fractions import Fraction

    import duckdb

    from csp_pipeline.settings import Settings

Row = dict[str, Any]

TOTALS, TOTALS_BY_CURRENCY = "reconciliation.totals", "reconciliation.totals_by_currency"
SUMMED = (
    "revenue_amount",
    "cost_amount",
    "difference_amount",
    "unexplained_amount",
    "open_amount",
    "revenue_billed_amount",
    "cost_billed_amount",
)
"""The amounts that are converted; the margin follows from them."""


@dataclass(frozen=True)
class Totals:
    """The rows of both tables, by month, and the last month drafted."""

    by_currency: list[Row]
    by_month: list[Row]
    drafted_through: str | None


def reporting_currency(con: duckdb.DuckDBPyConnection, settings: Settings) -> str | None:
    """The currency of all totals: as set, else that of most accounts, without accounts of most provider lines."""
    if settings.reporting_currency:
        return settings.reporting_currency
    for select in (
        "SELECT currency, count(*) FROM reference.accounts WHERE currency IS NOT NULL GROUP BY currency",
        "SELECT currency, count(*) FROM cost.invoice_lines WHERE NOT is_estimate GROUP BY currency",
    ):
        found = most_used(dict(con.execute(select).fetchall()))
        if found is not None:
            return found
    return None


def compute_totals(con: duckdb.DuckDBPyConnection, settings: Settings) -> Totals:
    """The totals of the reconciliation that is in the warehouse.

    Args:
        con: a connection to the warehouse.
        settings: the reporting currency, where it is set.
    """
    reporting = reporting_currency(con, settings)
    if reporting is None:
        return Totals([], [], None)
    cursor = con.execute(load_catalogue()[TOTALS_BY_CURRENCY].select() or "")
    names = [column[0] for column in cursor.description or []]
    sums = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    last = con.execute("SELECT max(billing_month) FROM billing.drafted_months").fetchone()
    drafted_through = last[0] if last else None
    rates = read_rates(con)
    by_currency = []
    for row in sums:
        month = min(row["service_month"], drafted_through or row["service_month"])
        rate = rates.find(month, row["currency"], reporting)
        is_converted = rate is not None and row["currency"] != reporting
        by_currency.append(
            {
                **_with_margin(row),
                **_in_reporting_currency(row, reporting, rate.value if rate is not None else None),
                "fx_rate": None if rate is None else _decimal(rate.value),
                "fx_rate_on": first_day_of(rate.month) if rate is not None and is_converted else None,
                "fx_source": rate.source if rate is not None and is_converted else None,
            }
        )
    months = sorted({row["service_month"] for row in by_currency})
    by_month = [_month([row for row in by_currency if row["service_month"] == one]) for one in months]
    return Totals(by_currency, by_month, drafted_through)


def fill_totals(con: duckdb.DuckDBPyConnection, settings: Settings) -> dict[str, int]:
    """Fill both tables; returns their rows by `schema.table`."""
    totals = compute_totals(con, settings)
    written = {}
    for key, rows in ((TOTALS_BY_CURRENCY, totals.by_currency), (TOTALS, totals.by_month)):
        table = load_catalogue()[key]
        con.register("total_rows", as_arrow(table, rows))
        try:
            written[key] = replace_rows(con, table, "SELECT * FROM total_rows")
        finally:
            con.unregister("total_rows")
    return written


def _with_margin(row: Row) -> Row:
    margin = difference_of(row["revenue_amount"], row["cost_amount"])
    return {**row, "margin_amount": margin, "margin_percent": percent_of(margin, row["revenue_amount"])}


def _in_reporting_currency(row: Row, reporting: str, rate: Fraction | None) -> Row:
    """The amounts of a currency in the reporting currency; those that are in it already keep every digit."""
    decimals = minor_unit_decimals(reporting)
    worth = {
        name: row[name] if row["currency"] == reporting else converted(row[name], rate, decimals) for name in SUMMED
    }
    margin = difference_of(worth["revenue_amount"], worth["cost_amount"])
    return {
        "reporting_currency": reporting,
        **{f"reporting_{name}": amount for name, amount in worth.items()},
        "reporting_margin_amount": margin,
    }


def _month(rows: Sequence[Row]) -> Row:
    """One month over its currencies."""
    sums = {name: total_of(row[f"reporting_{name}"] for row in rows) for name in SUMMED}
    margin = difference_of(sums["revenue_amount"], sums["cost_amount"])
    reporting = rows[0]["reporting_currency"]
    missing = {
        (row["currency"], reporting)
        for row in rows
        if row["fx_rate"] is None and any(row[name] != 0 for name in SUMMED)
    }
    missing |= {(cost, row["currency"]) for row in rows for cost in row["unconverted_currencies"]}
    return {
        "service_month": rows[0]["service_month"],
        "reporting_currency": reporting,
        **sums,
        "margin_amount": margin,
        "margin_percent": percent_of(margin, sums["revenue_amount"]),
        "currencies": ", ".join(row["currency"] for row in rows),
        "is_complete": not missing,
        "missing_rates": ", ".join(f"{source} to {target}" for source, target in sorted(missing)) or None,
    }


def _decimal(rate: Fraction) -> Decimal:
    """A rate with 18 decimals, rounded half away from zero."""
    return Decimal(divide_half_away(rate.numerator * 10**18, rate.denominator)).scaleb(-18, EXACT)
