"""The group ingestion: what was fetched and the inbox are landed and staged; a catalogue tells of each row."""

from collections.abc import Iterator

import dagster as dg

from csp_pipeline.orchestration.assets.fetching import FETCHES, fetch_key
from csp_pipeline.orchestration.assets.tables import Materialised, results, row_counts, table_spec
from csp_pipeline.orchestration.partitions import register_currencies
from csp_pipeline.storage.file_catalogue import FILE_TABLES
from csp_pipeline.storage.warehouse import writing


def _spec(key: str) -> dg.AssetSpec:
    """A table of the catalogue of files, which follows from everything that is fetched."""
    return table_spec(key, group="ingestion").replace_attributes(deps=[fetch_key(one.name) for one in FETCHES])


def build(pool: str | None) -> list[dg.AssetsDefinition]:
    """The assets of the group."""

    @dg.multi_asset(
        name="take_files",
        specs=[_spec(key) for key in FILE_TABLES],
        required_resource_keys={"settings", "on_progress"},
        pool=pool,
    )
    def ingest(context: dg.AssetExecutionContext) -> Iterator[Materialised]:
        """Land and stage what was fetched and what is new in the inbox, and name the currencies found."""
        from csp_pipeline.steps.ingest import land_and_stage, load_file_catalogue  # noqa: PLC0415  (heavy)

        home = context.resources.settings.home.create()
        with writing(home) as connection:
            land_and_stage(home, on_progress=context.resources.on_progress)
            load_file_catalogue(connection, home)
            found = connection.execute("SELECT DISTINCT currency FROM meta.file_invoices WHERE currency IS NOT NULL")
            register_currencies(context.instance, [currency for (currency,) in found.fetchall()])
            yield from results(row_counts(connection, FILE_TABLES))

    return [ingest]
