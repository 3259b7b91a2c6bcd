"""What Partner Center knows: from snapshots, the activity and change logs, and the provider's lines.

What belongs here: the order of the tables. What a row is stands in `models/partner_center/*.sql`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from csp_pipeline.models.catalogue import load_catalogue
from csp_pipeline.storage.warehouse import replace_rows

if TYPE_CHECKING:
    import duckdb

    from csp_pipeline.storage.home import Home

PARTNER_CENTER_TABLES = (
    "partner_center.agreements",
    "partner_center.customers",
    "partner_center.subscriptions",
    "partner_center.subscription_changes",
    "partner_center.orders",
    "partner_center.azure_entitlements",
    "partner_center.provisioning",
)


def build_partner_center(con: duckdb.DuckDBPyConnection, home: Home) -> dict[str, int]:  # noqa: ARG001  (every builder takes a home)
    """Fill the tables of schema partner_center.

    Args:
        con: a writing connection on which the staged views exist, unfiltered.
        home: the folders.

    Returns:
        The number of rows by `schema.table`.
    """
    catalogue = load_catalogue()
    written = {}
    for key in PARTNER_CENTER_TABLES:
        select = catalogue[key].select()
        if select is None:
            raise LookupError(f"models/{key.replace('.', '/')}.sql is missing")
        written[key] = replace_rows(con, catalogue[key], select)
    return written
