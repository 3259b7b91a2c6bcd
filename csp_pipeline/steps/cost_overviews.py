"""Tables over all months: of cost the open month, accruals, payables, restatements and more; totals and their lines.

What belongs here: their order and what they need beside the warehouse. They rest on the partitions of `steps/cost.py`
and on the reconciliation, and are made whole; what a row is stands in `models/`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from csp_pipeline.models.catalogue import load_catalogue
from csp_pipeline.steps.benefits import carry_benefits_down
from csp_pipeline.steps.drill_down import DRILL_DOWN, fill_drill_down
from csp_pipeline.steps.totals import TOTALS, TOTALS_BY_CURRENCY, fill_totals
from csp_pipeline.storage.warehouse import replace_rows

if TYPE_CHECKING:
    import duckdb

    from csp_pipeline.settings import Settings

OVERVIEW_TABLES = (
    "cost.payables",
    "cost.forecast",
    "cost.credit_accruals",
    "cost.lost_credit",
    "cost.restatements",
    "cost.disputes",
    "cost.price_sheet_prices",
    "cost.provider_exchange_rates",
    "cost.price_comparison",
    "cost.benefit_allocations",
    "cost.tag_allocations",
    "reconciliation.leaks",
    TOTALS_BY_CURRENCY,
    TOTALS,
    DRILL_DOWN,
)
"""The tables over all months, in the order in which they are filled."""
FILLED_FROM = {
    TOTALS_BY_CURRENCY: ("billing.drafted_months", "reference.accounts", "reference.exchange_rates"),
    TOTALS: (TOTALS_BY_CURRENCY,),
    DRILL_DOWN: (
        "billing.contract_terms",
        "billing.cost_matches",
        "billing.invoice_lines",
        "billing.invoices",
        "cost.invoice_lines",
        "cost.line_allocations",
        "reference.accounts",
        "reference.exchange_rates",
    ),
}
"""What is read for a table beside the tables that its SELECT names."""


def build_cost_overviews(con: duckdb.DuckDBPyConnection, settings: Settings) -> dict[str, int]:
    """Fill every table of `OVERVIEW_TABLES`.

    Args:
        con: a writing connection on which the staged views exist, unfiltered, after cost and reconciliation.
        settings: how many months later the earned credit is received, the reporting currency.

    Returns:
        The number of rows by `schema.table`.
    """
    parameters = {"pec_credit_lag_months": settings.pec_credit_lag_months}
    rows: dict[str, int] = {}
    for key in OVERVIEW_TABLES:
        table = load_catalogue()[key]
        if key == "cost.benefit_allocations":
            rows[key] = carry_benefits_down(con)
        elif key == TOTALS_BY_CURRENCY:
            rows |= fill_totals(con, settings)
        elif key == DRILL_DOWN:
            rows[key] = fill_drill_down(con)
        elif key not in rows:
            rows[key] = replace_rows(con, table, table.select() or "", parameters=parameters)
    return rows
