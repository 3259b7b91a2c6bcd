"""The group billing: which contract line each cost feeds, and the draft invoices of each month."""

from collections.abc import Iterator

import dagster as dg

from csp_pipeline.orchestration.assets.tables import (
    Materialised,
    keys_of,
    note_partition_rows,
    quiet_beta_warnings,
    results,
    row_counts,
    single_run,
    table_spec,
)
from csp_pipeline.steps import run
from csp_pipeline.storage.warehouse import writing

LINKS, MATCHES = "billing.subscription_links", "billing.cost_matches"
DRAFTED_FROM = (
    "billing.contract_terms",
    "billing.cost_bases",
    "billing.cycles",
    "billing.line_subscriptions",
    "billing.quantity_history",
    "reference.accounts",
    "reference.exchange_rates",
    "reference.payments",
    "reference.tax_rates",
)


def build(pool: str | None) -> list[dg.AssetsDefinition]:
    """The assets of the group."""
    drafted = tuple(key for key in keys_of("billing") if key not in {LINKS, MATCHES})

    @dg.multi_asset(
        name="match_cost",
        specs=[table_spec(key, group="billing") for key in (LINKS, MATCHES)],
        required_resource_keys={"settings"},
        pool=pool,
    )
    def cost_matches(context: dg.AssetExecutionContext) -> Iterator[Materialised]:
        """Find the contract line of every billed cost line."""
        from csp_pipeline.steps.billing import build_cost_matches  # noqa: PLC0415  (heavy)

        with writing(context.resources.settings.home) as connection:
            run.blank(connection, run.MATCHES)
            build_cost_matches(connection)
            yield from results(row_counts(connection, [LINKS, MATCHES]))

    with quiet_beta_warnings():

        @dg.multi_asset(
            name="draft_customer_invoices",
            specs=[table_spec(key, group="billing", filled_from=DRAFTED_FROM) for key in drafted],
            required_resource_keys={"settings"},
            pool=pool,
            backfill_policy=single_run(),
        )
        def drafts(context: dg.AssetExecutionContext) -> Iterator[Materialised]:
            """Draft the customer invoices of each month asked for."""
            from csp_pipeline.steps.billing import draft_invoices  # noqa: PLC0415  (heavy)

            settings, months = context.resources.settings, list(context.partition_keys)
            with writing(settings.home) as connection:
                run.blank(connection, run.DRAFTS)
                draft_invoices(connection, settings, months)
                note_partition_rows(context, connection, drafted)
                yield from results(row_counts(connection, drafted))

    return [cost_matches, drafts]
