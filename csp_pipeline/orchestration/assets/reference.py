"""The group reference: the partner's own commercial terms, typed, with a notice for what could not be used."""

from collections.abc import Iterator

import dagster as dg

from csp_pipeline.orchestration.assets.tables import Materialised, keys_of, results, row_counts, table_spec
from csp_pipeline.steps import run
from csp_pipeline.storage.warehouse import writing


def build(pool: str | None) -> list[dg.AssetsDefinition]:
    """The assets of the group."""
    tables = keys_of("reference")

    @dg.multi_asset(
        name="load_commercial_terms",
        specs=[table_spec(key, group="reference") for key in tables],
        required_resource_keys={"settings"},
        pool=pool,
    )
    def commercial_terms(context: dg.AssetExecutionContext) -> Iterator[Materialised]:
        """Read the commercial terms from the CSV folder or the database."""
        from csp_pipeline.steps.commercial import load_commercial_terms  # noqa: PLC0415  (heavy)

        settings = context.resources.settings
        with writing(settings.home) as connection:
            run.blank(connection, run.TERMS)
            load_commercial_terms(connection, settings)
            yield from results(row_counts(connection, tables))

    return [commercial_terms]
