"""Runs the product's steps in order on a folder, without Dagster: the quick way to a warehouse in a test."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from csp_pipeline.settings import Settings
from csp_pipeline.steps import billing, commercial, cost, cost_overviews, ingest, partner_center, reconciliation
from csp_pipeline.steps.run import months_between
from csp_pipeline.storage.warehouse import writing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date
    from pathlib import Path

    import duckdb


@contextmanager
def warehouse_of(
    folder: Path,
    *,
    through_month: str | None = None,
    billing_starts_on: date | None = None,
    looks_over_cost: bool = True,
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Take in a folder's inbox and commercial terms and fill every table.

    Args:
        folder: a CSP_HOME with `inbox/` and `commercial/`.
        through_month: the last month drafted; by default the last one with a provider document.
        billing_starts_on: the setting of that name.
        looks_over_cost: whether to fill the tables over all months of cost too, which no other table reads.

    Yields:
        A connection to the working warehouse.
    """
    settings = Settings(CSP_HOME=folder, source="inbox", billing_starts_on=billing_starts_on, _env_file=None)
    home = settings.home.create()
    ingest.land_and_stage(home, on_progress=lambda _: None)
    with writing(home) as con:
        ingest.load_file_catalogue(con, home)
        commercial.load_commercial_terms(con, settings)
        ingest.create_staged_views(con, home)
        cost.build_invoices(con, home)
        partitions = con.execute("SELECT DISTINCT billing_month, currency FROM cost.invoices ORDER BY ALL").fetchall()
        open_months = con.execute("SELECT DISTINCT billing_month, currency FROM meta.open_month_files").fetchall()
        for month, currency in sorted({*partitions, *open_months}):
            cost.build_cost_partition(con, home, month, currency)
        ingest.create_staged_views(con, home)
        partner_center.build_partner_center(con, home)
        billing.build_cost_matches(con)
        first = min((month for month, _ in partitions), default=through_month or "2026-01")
        last = through_month or max(month for month, _ in partitions)
        months = months_between(min(first, last), last)
        billing.draft_invoices(con, settings, months)
        reconciliation.reconcile(con, settings, months)
        if looks_over_cost:
            cost_overviews.build_cost_overviews(con, settings)
        yield con


def rows_of(con: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    """The rows of a query as dictionaries."""
    result = con.execute(query)
    names = [column[0] for column in result.description]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]
