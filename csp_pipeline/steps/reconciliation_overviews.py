"""Tables on top of the reconciliation: the explained share, sync health and its trend, what is deferred.

What belongs here: their order and parameters; what a row is stands in `models/reconciliation/*.sql`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from csp_pipeline.domain.calendar import last_day_of
from csp_pipeline.domain.difference_facts import NEEDS_A_PERSON
from csp_pipeline.models.catalogue import load_catalogue
from csp_pipeline.storage.warehouse import replace_rows

if TYPE_CHECKING:
    import duckdb


def build_overviews(con: duckdb.DuckDBPyConnection, first: str, through: str) -> None:
    """Fill the tables over all months.

    Args:
        con: a writing connection; revenue_vs_cost and differences are in place.
        first: the first month drafted.
        through: the last one, for which sync health is told.
    """
    as_of_on = last_day_of(through)
    parameters: dict[str, dict[str, object]] = {
        "explained_share": {"starred": sorted(NEEDS_A_PERSON)},
        "sync_health": {"month": through, "as_of_on": as_of_on},
        "sync_health_days": {"first": first, "as_of_on": as_of_on},
        "deferrals": {"first": first, "through": through},
    }
    for name, values in parameters.items():
        table = load_catalogue()[f"reconciliation.{name}"]
        replace_rows(con, table, table.select() or "", parameters=values)
