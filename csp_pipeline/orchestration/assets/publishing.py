"""The group publishing: the data dictionary, the record of publications, and the copy that BI tools read."""

from collections.abc import Iterator

import dagster as dg

from csp_pipeline import __version__
from csp_pipeline.orchestration.assets.tables import OWNER, Materialised, asset_key, results, row_counts, table_spec
from csp_pipeline.quality.identities import IDENTITIES
from csp_pipeline.steps.cost_overviews import OVERVIEW_TABLES
from csp_pipeline.storage.warehouse import writing

POSTGRES = "published.postgres"
TABLES = ("meta.runs", "meta.periods", "meta.tables", "meta.columns")
AUDITED = tuple(identity.table for identity in IDENTITIES)
LAST_TABLES = (
    "billing.invoices",
    "cost.invoice_proof",
    "cost.partner_earned_credit",
    "cost.credit_comparison",
    "reconciliation.sync_health",
    "provisioning.events",
    "provisioning.alerts",
    *OVERVIEW_TABLES,
)


def build(pool: str | None) -> list[dg.AssetsDefinition]:
    """The assets of the group."""
    upstream = {*AUDITED, *LAST_TABLES}

    @dg.multi_asset(
        name="publish_copy",
        specs=[table_spec(key, group="publishing", upstream=upstream) for key in TABLES],
        required_resource_keys={"settings"},
        pool=pool,
    )
    def published(context: dg.AssetExecutionContext) -> Iterator[Materialised]:
        """Check the identities once more, fill the data dictionary, and swap the published copy."""
        from csp_pipeline.steps.publish import publish  # noqa: PLC0415  (heavy)

        settings = context.resources.settings
        publish(settings)
        with writing(settings.home) as connection:
            yield from results(row_counts(connection, TABLES))

    return [published]


def build_postgres(pool: str | None) -> list[dg.AssetsDefinition]:
    """The asset that a code location has when `CSP_POSTGRES_URL` is set."""

    @dg.asset(
        key=asset_key(POSTGRES),
        deps=[asset_key(key) for key in TABLES],
        group_name="publishing",
        owners=[OWNER],
        kinds={"postgres", "python"},
        code_version=__version__,
        required_resource_keys={"settings"},
        pool=pool,
    )
    def published_to_postgres(context: dg.AssetExecutionContext) -> Materialised:
        """The tables of the published copy in the PostgreSQL database of `CSP_POSTGRES_URL`, in one transaction."""
        from csp_pipeline.steps.publish_postgres import publish_to_postgres  # noqa: PLC0415  (heavy)

        report = publish_to_postgres(context.resources.settings)
        return dg.MaterializeResult(
            metadata={
                "database": report.place,
                "tables": report.tables,
                "dagster/row_count": report.rows,
                "tables_written": len(report.changed),
                "rows_written": sum(report.changed.values()),
                "rows_written_by_table": dg.MetadataValue.json(dict(report.changed)),
            }
        )

    return [published_to_postgres]
