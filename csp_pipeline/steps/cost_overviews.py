"""Tables over all months of cost: the open month, accruals, payables, disputes, restatements, prices, benefits, tags.

What belongs here: their order and what they need beside the warehouse. They are small, rest on the partitions of
`steps/cost.py` and on the reconciliation, and are made whole; what a row is stands in `models/cost/*.sql`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from csp_pipeline.models.catalogue import load_catalogue
from csp_pipeline.steps.benefits import carry_benefits_down
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
)
"""The tables over all months, in the order in which they are filled."""


def build_cost_overviews(con: duckdb.DuckDBPyConnection, settings: Settings) -> dict[str, int]:
    """Fill every table of `OVERVIEW_TABLES`.

    Args:
        con: a writing connection on which the staged views exist, unfiltered, after cost and reconciliation.
        settings: how many months later the earned credit is received.

    Returns:
        The number of rows by `schema.table`.
    """
    parameters = {"pec_credit_lag_months": settings.pec_credit_lag_months}
    rows: dict[str, int] = {}
    for key in OVERVIEW_TABLES:
        table = load_catalogue()[key]
        if key == "cost.benefit_allocations":
            rows[key] = carry_benefits_down(con)
        else:
            rows[key] = replace_rows(con, table, table.select() or "", parameters=parameters)
    return rows
