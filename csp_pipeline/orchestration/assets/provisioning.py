"""The group provisioning: requests and what became of them, alerts, agreements that are missing."""

from collections.abc import Iterator

import dagster as dg

from csp_pipeline.orchestration.assets.tables import Materialised, keys_of, results, row_counts, table_spec
from csp_pipeline.orchestration.provisioning_check import PROVISIONING_CHECK, provisioning_check_result
from csp_pipeline.steps import run
from csp_pipeline.storage.file_catalogue import create_staged_views
from csp_pipeline.storage.warehouse import writing

MADE_FROM = (
    "cost.invoice_proof",
    "cost.invoices",
    "cost.lost_credit",
    "partner_center.customers",
    "partner_center.orders",
    "partner_center.provisioning",
    "partner_center.subscription_changes",
    "partner_center.subscriptions",
    "reconciliation.differences",
    "reconciliation.revenue_vs_cost",
    "reconciliation.sync_health",
    "reference.account_tenants",
    "reference.accounts",
    "reference.contract_lines",
    "reference.license_change_requests",
    "reference.seat_limits",
)


def build(pool: str | None) -> list[dg.AssetsDefinition]:
    """The assets of the group."""
    tables = keys_of("provisioning")

    @dg.multi_asset(
        name="build_provisioning",
        specs=[table_spec(key, group="provisioning", filled_from=MADE_FROM) for key in tables],
        check_specs=[PROVISIONING_CHECK],
        required_resource_keys={"settings"},
        pool=pool,
    )
    def provisioning(context: dg.AssetExecutionContext) -> Iterator[Materialised | dg.AssetCheckResult]:
        """Fill the tables from the ledger, the terms and what the provider reports; nothing is sent here."""
        from csp_pipeline.steps.alert_tables import build_alerts  # noqa: PLC0415  (heavy)
        from csp_pipeline.steps.provisioning_tables import build_provisioning  # noqa: PLC0415  (heavy)

        settings = context.resources.settings
        with writing(settings.home) as connection:
            run.blank(connection, run.PROVISIONING)
            create_staged_views(connection, settings.home)
            build_provisioning(connection, settings)
            build_alerts(connection, settings)
            yield from results(row_counts(connection, tables))
            yield provisioning_check_result(connection)

    return [provisioning]
