"""The billed amount of reservations and savings plans, carried down to the usage that they covered.

What belongs here: giving out the units of each day among the usage of that day. Which days a line pays for, which usage
it covered and by what weight is in `models/cost/benefit_*.sql`, the arithmetic in `domain.allocation`.
"""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

import polars as pl

from csp_pipeline.domain.allocation import floor_shares, left_over_places, whole_numbers
from csp_pipeline.models.catalogue import load_catalogue
from csp_pipeline.storage.warehouse import replace_rows

if TYPE_CHECKING:
    import duckdb

_TARGET = ("entitlement_id", "resource_group", "resource_id", "tags")


def carry_benefits_down(con: duckdb.DuckDBPyConnection) -> int:
    """Fill `cost.benefit_allocations` for all months.

    Args:
        con: a writing connection; lines, covered usage and usage by day of every month are filled.

    Returns:
        The number of rows written.
    """
    con.execute(f"CREATE OR REPLACE TEMP TABLE benefit_days AS {_sql('benefit_days')}")
    table = load_catalogue()["cost.benefit_allocations"]
    con.register("benefit_parts", _parts(con))
    try:
        return replace_rows(con, table, table.select() or "")
    finally:
        con.unregister("benefit_parts")
        con.execute("DROP TABLE benefit_days")


def _parts(con: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """Units of 1E-10 by day of a line and covered usage: `line_number`, the columns of `_TARGET`, `units`."""
    weights = con.execute(_sql("benefit_weights")).pl().with_columns(whole_numbers("weight"))
    sums = weights.group_by("line_number").agg(line_weight=pl.col("weight").sum())
    days = con.execute("SELECT line_number, units FROM benefit_days").pl().with_columns(whole_numbers("units"))
    charges = days.join(sums, on="line_number")
    shares = floor_shares(weights, charges)
    places = left_over_places(shares, charges)
    ranked = shares.join(places, on="line_number", how="left").with_columns(
        rank=pl.when(pl.col("remainder") == pl.col("threshold"))
        .then(pl.col("place").rank("ordinal").over("line_number", "remainder"))
        .otherwise(None)
    )
    takes_one = (pl.col("remainder") > pl.col("threshold")) | (pl.col("rank") <= pl.col("places"))
    units = pl.col("share") + takes_one.fill_null(value=False).cast(pl.Int128)
    return ranked.select("line_number", *_TARGET, units=units.cast(pl.Decimal(38, 0)))


def _sql(name: str) -> str:
    return (resources.files("csp_pipeline.models") / "cost" / f"{name}.sql").read_text("utf-8")
