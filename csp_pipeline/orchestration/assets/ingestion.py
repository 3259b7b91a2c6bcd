"""The group ingestion: the inbox is landed and staged, and the catalogue of files says what became of each row."""

from collections.abc import Iterator

import dagster as dg

from csp_pipeline.orchestration.assets.tables import Materialised, results, row_counts, table_spec
from csp_pipeline.orchestration.partitions import register_currencies
from csp_pipeline.storage.warehouse import writing

TABLES = ("meta.files", "meta.file_invoices", "meta.quarantine")


def build(pool: str | None) -> list[dg.AssetsDefinition]:
    """The assets of the group."""

    @dg.multi_asset(
        name="take_files",
        specs=[table_spec(key, group="ingestion") for key in TABLES],
        required_resource_keys={"settings", "on_progress"},
        pool=pool,
    )
    def ingest(context: dg.AssetExecutionContext) -> Iterator[Materialised]:
        """Land and stage what is new in the inbox, and name the currencies found."""
        from csp_pipeline.steps.ingest import land_and_stage, load_file_catalogue  # noqa: PLC0415  (heavy)

        home = context.resources.settings.home.create()
        with writing(home) as connection:
            land_and_stage(home, on_progress=context.resources.on_progress)
            load_file_catalogue(connection, home)
            found = connection.execute("SELECT DISTINCT currency FROM meta.file_invoices WHERE currency IS NOT NULL")
            register_currencies(context.instance, [currency for (currency,) in found.fetchall()])
            yield from results(row_counts(connection, TABLES))

    return [ingest]
