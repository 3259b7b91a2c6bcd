"""The group publishing: the data dictionary, the record of publications, and the copy that BI tools read."""

from collections.abc import Iterator

import dagster as dg

from csp_pipeline.orchestration.assets.tables import Materialised, results, row_counts, table_spec
from csp_pipeline.quality.identities import IDENTITIES
from csp_pipeline.steps.cost_overviews import OVERVIEW_TABLES
from csp_pipeline.storage.warehouse import writing

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
