"""The group reconciliation: revenue against cost by service month, and the cause of every difference."""

from collections.abc import Iterator

import dagster as dg
import duckdb

from csp_pipeline.orchestration.assets.tables import (
    Materialised,
    asset_key,
    keys_of,
    note_partition_rows,
    quiet_beta_warnings,
    results,
    row_counts,
    single_run,
    table_spec,
)
from csp_pipeline.orchestration.reconciliation_metadata import (
    UNEXPLAINED_CHECK,
    differences_by_cause,
    margin_by_month,
    plotted,
    sync_health_by_day,
    unexplained_result,
)
from csp_pipeline.steps import run
from csp_pipeline.steps.cost_overviews import OVERVIEW_TABLES
from csp_pipeline.steps.totals import compute_totals
from csp_pipeline.storage.warehouse import writing

RECONCILED_FROM = (
    "billing.contract_terms",
    "billing.cost_matches",
    "billing.cycles",
    "billing.drafted_months",
    "billing.invoice_lines",
    "billing.invoices",
    "cost.invoice_lines",
    "cost.usage_by_sku",
    "partner_center.customers",
    "partner_center.subscription_changes",
    "partner_center.subscriptions",
    "reference.accounts",
    "reference.currencies",
    "reference.exchange_rates",
    "reference.resolutions",
)


def build(pool: str | None) -> list[dg.AssetsDefinition]:
    """The assets of the group."""
    tables = tuple(key for key in keys_of("reconciliation") if key not in OVERVIEW_TABLES)
    with quiet_beta_warnings():

        @dg.multi_asset(
            name="reconcile_month",
            specs=[table_spec(key, group="reconciliation", filled_from=RECONCILED_FROM) for key in tables],
            check_specs=[UNEXPLAINED_CHECK],
            required_resource_keys={"settings"},
            pool=pool,
            backfill_policy=single_run(),
        )
        def reconciled(context: dg.AssetExecutionContext) -> Iterator[Materialised | dg.AssetCheckResult]:
            """Compare revenue with cost for each service month asked for."""
            from csp_pipeline.steps.reconciliation import reconcile  # noqa: PLC0415  (heavy)

            settings = context.resources.settings
            with writing(settings.home) as connection:
                run.blank(connection, run.RECONCILIATION)
                reconcile(connection, settings, list(context.partition_keys))
                note_partition_rows(context, connection, tables)
                _show(context, connection)
                yield from results(row_counts(connection, tables))
                yield unexplained_result(connection)

    return [reconciled]


def _show(context: dg.AssetExecutionContext, connection: duckdb.DuckDBPyConnection) -> None:
    """Put onto the assets what a person looks at first: margin, differences, what only one side knows."""
    totals = compute_totals(connection, context.resources.settings)
    for table, name, text in (
        ("reconciliation.revenue_vs_cost", "margin_by_month", margin_by_month(totals)),
        ("reconciliation.differences", "differences_by_cause", differences_by_cause(connection)),
        ("reconciliation.sync_health_days", "by_day", sync_health_by_day(connection)),
    ):
        context.add_asset_metadata({name: dg.MetadataValue.md(text)}, asset_key=asset_key(table))
    for month in map(str, context.partition_keys):
        context.add_asset_metadata(
            plotted(totals, month), asset_key=asset_key("reconciliation.revenue_vs_cost"), partition_key=month
        )
