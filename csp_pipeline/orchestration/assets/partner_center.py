"""The group partner_center: customers, subscriptions and their changes."""

from collections.abc import Iterator

import dagster as dg

from csp_pipeline.orchestration.assets.tables import Materialised, keys_of, results, table_spec
from csp_pipeline.steps import run
from csp_pipeline.storage.file_catalogue import create_staged_views
from csp_pipeline.storage.warehouse import writing


def build(pool: str | None) -> list[dg.AssetsDefinition]:
    """The assets of the group."""
    tables = keys_of("partner_center")

    @dg.multi_asset(
        name="build_partner_center",
        specs=[table_spec(key, group="partner_center", upstream=["meta.files"]) for key in tables],
        required_resource_keys={"settings"},
        pool=pool,
    )
    def partner_center(context: dg.AssetExecutionContext) -> Iterator[Materialised]:
        """Rebuild what Partner Center knows of customers and seats from the staged files."""
        from csp_pipeline.steps.partner_center import build_partner_center  # noqa: PLC0415  (heavy)

        home = context.resources.settings.home
        with writing(home) as connection:
            run.blank(connection, run.PARTNER_CENTER)
            create_staged_views(connection, home)
            yield from results(build_partner_center(connection, home))

    return [partner_center]
