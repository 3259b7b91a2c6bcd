"""Provider cost: documents, then one month and currency at a time, table by table.

What belongs here: the order of the tables and their partitions. What a row is stands in `models/cost/*.sql`; how the
staged files become views belongs to the step that ingests them, and must have happened on the same connection.
"""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from csp_pipeline.domain.currencies import minor_unit_decimals
from csp_pipeline.models.catalogue import load_catalogue
from csp_pipeline.steps.carry_down import carry_down
from csp_pipeline.storage.warehouse import replace_rows

if TYPE_CHECKING:
    import duckdb

    from csp_pipeline.storage.home import Home

COST_TABLES = (
    "cost.daily_usage",
    "cost.invoice_lines",
    "cost.legacy_usage_days",
    "cost.usage_groups",
    "cost.usage_row_gaps",
    "cost.proof_parts",
    "cost.line_rounding",
    "cost.rounding_rules",
    "cost.unexplained_rows",
    "cost.customer_proof",
    "cost.invoice_proof",
    "cost.contradictions",
    "cost.covered_usage",
    "cost.resource_allocations",
    "cost.line_allocations",
    "cost.usage_by_sku",
    "cost.azure_plan_costs",
    "cost.partner_earned_credit",
    "cost.usage_by_day",
    "cost.credit_comparison",
    "cost.unbilled_accruals",
    "cost.open_costs",
    "cost.invoice_versions",
    "cost.reseller_costs",
)
"""The tables of a month and currency, in the order in which they are filled: each reads only what stands before it."""


def build_invoices(con: duckdb.DuckDBPyConnection, home: Home) -> int:  # noqa: ARG001  (every builder takes a home)
    """Fill `cost.invoices`: one row per provider document, which decides the partition of its lines and usage.

    Args:
        con: a writing connection on which the staged views exist, unfiltered.
        home: the folders.

    Returns:
        The number of documents.
    """
    return _replace(con, "cost.invoices", None)


def build_cost_partition(
    con: duckdb.DuckDBPyConnection,
    home: Home,  # noqa: ARG001  (every builder takes a home)
    billing_month: str,
    currency: str,
) -> dict[str, int]:
    """Fill every table of `COST_TABLES` for one month and currency.

    Args:
        con: a writing connection on which the staged views exist, at least with the rows of this partition.
        home: the folders.
        billing_month: `YYYY-MM`.
        currency: ISO 4217.

    Returns:
        The number of rows by `schema.table`.
    """
    return {key: fill(con, key, billing_month, currency) for key in COST_TABLES}


def fill(con: duckdb.DuckDBPyConnection, key: str, billing_month: str, currency: str) -> int:
    """Replace one table's rows of a month and currency.

    The day on which a resource lost access to the credit concerns all its months, so filling
    `cost.partner_earned_credit` also corrects that one column of the other months.

    Args:
        con: a writing connection on which the staged views and the tables before this one are ready.
        key: one of `COST_TABLES`.
        billing_month: `YYYY-MM`.
        currency: ISO 4217.

    Returns:
        The number of rows in the partition.

    Raises:
        ValueError: when the key is not one of `COST_TABLES`.
    """
    if key not in COST_TABLES:
        raise ValueError(f"{key} is not a table of a cost partition; expected one of {', '.join(COST_TABLES)}")
    if key == "cost.resource_allocations":
        return carry_down(con, {"billing_month": billing_month, "currency": currency})
    rows = _replace(con, key, (billing_month, currency))
    if key == "cost.partner_earned_credit":
        _mark_lost_access(con, currency)
    return rows


def _mark_lost_access(con: duckdb.DuckDBPyConnection, currency: str) -> None:
    """Bring `access_lost_on` up to date on every month of a currency: a new month may move it on earlier ones."""
    select = (resources.files("csp_pipeline.models") / "cost" / "access_lost.sql").read_text("utf-8")
    con.execute(
        f"""
        UPDATE cost.partner_earned_credit AS credit
        SET access_lost_on = changed.access_lost_on
        FROM ({select}) AS changed
        WHERE credit.rowid = changed.row_number
        """,
        {"currency": currency},
    )


def _replace(con: duckdb.DuckDBPyConnection, key: str, partition: tuple[str, str] | None) -> int:
    table = load_catalogue()[key]
    select = table.select()
    if select is None:
        raise LookupError(f"models/{key.replace('.', '/')}.sql is missing")
    if partition is None:
        return replace_rows(con, table, select)
    billing_month, currency = partition
    where = {"billing_month": billing_month, "currency": currency}
    return replace_rows(
        con, table, select, where=where, parameters={**where, "minor_decimals": minor_unit_decimals(currency)}
    )
