"""Publishing: the identities are checked, the data dictionary is filled, and a finished copy takes the old one's place.

What belongs here: the order write, audit, publish, and the rows of `meta.periods`, `meta.tables`, `meta.columns` and
`meta.runs`. What the identities are is in `quality/identities.py`; how a file is swapped, in `storage/publishing.py`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import polars as pl

from csp_pipeline import __version__
from csp_pipeline.models.catalogue import load_catalogue, published_macros
from csp_pipeline.quality.identities import read_footers, require_all
from csp_pipeline.steps.ingest import create_staged_views
from csp_pipeline.steps.periods import read_closed
from csp_pipeline.steps.run import PUBLISH, blank, is_known, months_between, publish_fingerprint
from csp_pipeline.storage.publishing import swap
from csp_pipeline.storage.warehouse import exclusive, replace_rows, writing

if TYPE_CHECKING:
    import duckdb

    from csp_pipeline.settings import Settings
    from csp_pipeline.storage.home import Home


def prepare_audit(connection: duckdb.DuckDBPyConnection, home: Home) -> None:
    """Make what the identities read beside the warehouse: the staged rows, and what their Parquet footers say."""
    create_staged_views(connection, home)
    read_footers(connection, home.staging)


def audit(settings: Settings) -> None:
    """Evaluate the identities on the working warehouse.

    Raises:
        IdentityBrokenError: an identity does not hold.
    """
    with writing(settings.home) as connection:
        prepare_audit(connection, settings.home)
        require_all(connection)


def publish(settings: Settings, *, now: datetime | None = None) -> None:
    """Audit the warehouse and publish it.

    Args:
        settings: the home whose warehouse is published.
        now: the time written into `meta.runs`; the clock's when None.

    Raises:
        IdentityBrokenError: an identity does not hold; the published copy stays as it was.
    """
    home = settings.home
    with exclusive(home):
        with writing(home) as connection:
            prepare_audit(connection, home)
            require_all(connection)
            blank(connection, PUBLISH)
            fill_dictionary(connection)
            _fill_periods(connection, home)
            _record_publication(connection, now or datetime.now(UTC))
            _count_rows(connection)
            connection.execute(published_macros())
            connection.execute("CHECKPOINT")
        swap(home.warehouse, home.published)


def fill_dictionary(connection: duckdb.DuckDBPyConnection) -> None:
    """Write the catalogue into `meta.tables` and `meta.columns`; rows are counted separately, last."""
    tables = [
        {
            "schema_name": table.schema,
            "table_name": table.name,
            "description": table.description,
            "grain": table.grain,
            "row_count": None,
        }
        for table in load_catalogue().values()
    ]
    columns = [
        {
            "schema_name": table.schema,
            "table_name": table.name,
            "column_name": column.name,
            "ordinal": ordinal,
            "data_type": column.type,
            "description": column.description,
            "unit": column.unit,
            "source": column.source,
        }
        for table in load_catalogue().values()
        for ordinal, column in enumerate(table.columns, start=1)
    ]
    for key, rows in (("meta.tables", tables), ("meta.columns", columns)):
        connection.register("dictionary_rows", pl.DataFrame(rows))
        try:
            replace_rows(connection, load_catalogue()[key], "SELECT * FROM dictionary_rows")
        finally:
            connection.unregister("dictionary_rows")


def _fill_periods(connection: duckdb.DuckDBPyConnection, home: Home) -> None:
    """The months from the first to the last provider document; one with a wrong date makes no months between."""
    rows = connection.execute(
        "SELECT DISTINCT billing_month FROM cost.invoices WHERE billing_month IS NOT NULL"
    ).fetchall()
    documented = {month for (month,) in rows}
    known = sorted(filter(is_known, documented))
    closed = read_closed(home)
    months = sorted(documented.union(months_between(known[0], known[-1]) if known else []).union(closed))
    connection.execute("BEGIN")
    connection.execute("DELETE FROM meta.periods")
    for month in months:
        closed_at = closed[month].closed_at.astimezone(UTC).replace(tzinfo=None) if month in closed else None
        connection.execute(
            "INSERT INTO meta.periods VALUES (?, ?, ?)", [month, "closed" if month in closed else "open", closed_at]
        )
    connection.execute("COMMIT")


def _record_publication(connection: duckdb.DuckDBPyConnection, now: datetime) -> None:
    """Add this publication to `meta.runs`; one of the same facts, left by a killed process, is replaced."""
    found = publish_fingerprint(connection)
    connection.execute("BEGIN")
    connection.execute("DELETE FROM meta.runs WHERE fingerprint = ?", [found])
    connection.execute(
        """
        INSERT INTO meta.runs BY NAME
        WITH publication AS (
            SELECT
                $run_id AS run_id,
                CAST($published_at AS TIMESTAMP) AS published_at,
                (SELECT max(billing_month) FROM billing.drafted_months) AS billing_month,
                $version AS version,
                $fingerprint AS fingerprint
        )

        SELECT
            publication.*,
            files.source_file,
            files.file_sha256,
            files.rows_total,
            files.rows_quarantined
        FROM publication
        LEFT JOIN meta.files ON files.status = 'staged'
        """,
        {
            "run_id": f"{now:%Y%m%dT%H%M%SZ}-{found[:8]}",
            "published_at": now.replace(tzinfo=None),
            "version": __version__,
            "fingerprint": found,
        },
    )
    connection.execute("COMMIT")


def _count_rows(connection: duckdb.DuckDBPyConnection) -> None:
    counts = " UNION ALL ".join(
        f"SELECT '{table.schema}' AS schema_name, '{table.name}' AS table_name, count(*) AS row_count FROM {key}"
        for key, table in load_catalogue().items()
    )
    connection.execute(
        f"""
        UPDATE meta.tables AS told
        SET row_count = counted.row_count
        FROM ({counts}) AS counted
        WHERE told.schema_name = counted.schema_name AND told.table_name = counted.table_name
        """
    )
