"""The group cost: provider invoices, each cost table by billing month and currency, and the tables over all months."""

from collections.abc import Iterator

import dagster as dg

from csp_pipeline.orchestration.assets.tables import (
    Materialised,
    asset_key,
    note_partition_rows,
    quiet_beta_warnings,
    results,
    row_counts,
    single_run,
    table_spec,
)
from csp_pipeline.orchestration.checks import PROOF_CHECK, proof_check_result
from csp_pipeline.orchestration.partitions import month_and_currency
from csp_pipeline.orchestration.reconciliation_metadata import margin_by_month
from csp_pipeline.steps import run
from csp_pipeline.steps.cost import COST_TABLES, build_invoices, fill
from csp_pipeline.steps.cost_overviews import FILLED_FROM, OVERVIEW_TABLES, build_cost_overviews
from csp_pipeline.steps.totals import TOTALS, compute_totals
from csp_pipeline.storage.file_catalogue import create_staged_views
from csp_pipeline.storage.warehouse import writing

INVOICES = "cost.invoices"


def _build_invoices(pool: str | None) -> dg.AssetsDefinition:
    @dg.multi_asset(
        name="decide_provider_invoices",
        specs=[table_spec(INVOICES, group="cost", upstream=["meta.files", "meta.file_invoices"])],
        required_resource_keys={"settings"},
        pool=pool,
    )
    def cost_invoices(context: dg.AssetExecutionContext) -> Iterator[Materialised]:
        """Decide the billing month and currency of every provider invoice."""
        home = context.resources.settings.home
        with writing(home) as connection:
            run.blank(connection, run.INVOICES)
            create_staged_views(connection, home)
            build_invoices(connection, home)
            yield from results(row_counts(connection, [INVOICES]))

    return cost_invoices


def _build_partition(pool: str | None) -> dg.AssetsDefinition:
    with quiet_beta_warnings():

        @dg.multi_asset(
            name="fill_cost_partition",
            specs=[_spec(key) for key in COST_TABLES],
            check_specs=[PROOF_CHECK],
            can_subset=True,
            required_resource_keys={"settings"},
            pool=pool,
            backfill_policy=single_run(),
        )
        def cost_partition(context: dg.AssetExecutionContext) -> Iterator[Materialised | dg.AssetCheckResult]:
            """Replace the rows of each month and currency asked for, table by table."""
            home, partitions = context.resources.settings.home, month_and_currency(context)
            wanted = [key for key in COST_TABLES if asset_key(key) in context.selected_asset_keys]
            with writing(home) as connection:
                run.blank(connection, run.COST, map("|".join, partitions))
                for month, currency in partitions:
                    create_staged_views(connection, home, billing_month=month, currency=currency)
                    for key in wanted:
                        fill(connection, key, month, currency)
                note_partition_rows(context, connection, wanted)
                yield from results(row_counts(connection, wanted))
                if PROOF_CHECK.key in context.selected_asset_check_keys:
                    yield proof_check_result(connection)

    return cost_partition


def _build_overviews(pool: str | None) -> dg.AssetsDefinition:
    @dg.multi_asset(
        name="look_over_cost",
        specs=[table_spec(key, group=key.split(".")[0], upstream=FILLED_FROM.get(key, ())) for key in OVERVIEW_TABLES],
        required_resource_keys={"settings"},
        pool=pool,
    )
    def cost_overviews(context: dg.AssetExecutionContext) -> Iterator[Materialised]:
        """Forecast the open month, and show what is accrued, owed and restated."""
        settings = context.resources.settings
        with writing(settings.home) as connection:
            run.blank(connection, run.OVERVIEWS)
            create_staged_views(connection, settings.home)
            rows = build_cost_overviews(connection, settings)
            context.add_asset_metadata(
                {"margin_by_month": dg.MetadataValue.md(margin_by_month(compute_totals(connection, settings)))},
                asset_key=asset_key(TOTALS),
            )
            yield from results(rows)

    return cost_overviews


def _spec(key: str) -> dg.AssetSpec:
    spec = table_spec(key, group="cost", upstream=[INVOICES])
    return spec.replace_attributes(skippable=True)


def build(pool: str | None) -> list[dg.AssetsDefinition]:
    """The assets of the group."""
    return [_build_invoices(pool), _build_partition(pool), _build_overviews(pool)]
