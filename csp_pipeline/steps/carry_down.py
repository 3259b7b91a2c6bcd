"""The billed amount of Azure plan lines, carried down to the usage rows they bill.

What belongs here: fetching the weights, giving out the units, handing the ties back to SQL. Where a line's amount goes
is in `models/cost/carry_down_*.sql`, the arithmetic in `domain.allocation`.
"""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

import polars as pl

from csp_pipeline.domain.allocation import floor_shares, left_over_places, whole_numbers
from csp_pipeline.models.catalogue import load_catalogue
from csp_pipeline.storage.warehouse import replace_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    import duckdb

ROWS_PER_BUCKET = 3_000_000
_TEMPORARY = ("carry_down_lines", "carry_down_targets", "carry_down_destinations")


def carry_down(
    con: duckdb.DuckDBPyConnection, partition: Mapping[str, str], *, rows_per_bucket: int = ROWS_PER_BUCKET
) -> int:
    """Fill `cost.resource_allocations` for one month and currency.

    Args:
        con: a writing connection; lines, usage and `cost.usage_groups` of the partition are filled.
        partition: `billing_month` and `currency`.
        rows_per_bucket: about how many usage rows are held in memory at a time.

    Returns:
        The number of rows written.
    """
    for name in _TEMPORARY:
        con.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {_sql(name)}", _named(_sql(name), partition))
    usage_rows = con.execute(
        """
        SELECT coalesce(sum(targets.usage_rows), 0)
        FROM carry_down_destinations AS destinations INNER JOIN carry_down_targets AS targets USING (target_number)
        """
    ).fetchone()
    buckets = 1 + int(usage_rows[0] if usage_rows else 0) // rows_per_bucket
    carried = pl.concat(
        [_units_of_bucket(con, {**partition, "buckets": buckets, "bucket": bucket}) for bucket in range(buckets)]
    )
    table = load_catalogue()["cost.resource_allocations"]
    con.register("carried_units", carried)
    try:
        return replace_rows(con, table, table.select() or "", where=partition, parameters=partition)
    finally:
        con.unregister("carried_units")
        for name in _TEMPORARY:
            con.execute(f"DROP TABLE {name}")


def _units_of_bucket(con: duckdb.DuckDBPyConnection, parameters: Mapping[str, object]) -> pl.DataFrame:
    """Units of 1E-10 by line and target (`line_number`, `target_number`, `units`) for one bucket of lines."""
    charges = con.execute(
        """
        SELECT
            lines.line_number,
            CAST(lines.units AS DECIMAL(38, 0)) AS units,
            any_value(destinations.line_weight) AS line_weight
        FROM carry_down_lines AS lines INNER JOIN carry_down_destinations AS destinations USING (line_number)
        WHERE lines.line_number % $buckets = $bucket
        GROUP BY lines.line_number, lines.units
        """,
        {"buckets": parameters["buckets"], "bucket": parameters["bucket"]},
    ).pl()
    charges = charges.with_columns(whole_numbers("units"), whole_numbers("line_weight"))
    weights = con.execute(_sql("carry_down_weights"), dict(parameters)).pl()
    shares = floor_shares(weights.with_columns(whole_numbers("weight")), charges)
    places = left_over_places(shares, charges)
    ranked = shares.join(places, on="line_number", how="left")
    taking = (pl.col("remainder") > pl.col("threshold")) | (
        (pl.col("remainder") == pl.col("threshold")) & (pl.col("places") == pl.col("tied_rows"))
    )
    units = ranked.group_by("line_number", "target_number").agg(
        units=pl.col("share").sum() + taking.fill_null(value=False).sum().cast(pl.Int128)
    )
    ties = ranked.filter((pl.col("remainder") == pl.col("threshold")) & (pl.col("places") < pl.col("tied_rows")))
    winners = _break_ties(con, ties.select("line_number", "target_number", "usage_row", "places"))
    return pl.concat([units.with_columns(pl.col("units").cast(pl.Decimal(38, 0))), winners])


def _break_ties(con: duckdb.DuckDBPyConnection, tied: pl.DataFrame) -> pl.DataFrame:
    con.register("tied", tied)
    try:
        winners = con.execute(_sql("carry_down_ties")).pl()
    finally:
        con.unregister("tied")
    return winners.with_columns(units=pl.lit(1).cast(pl.Decimal(38, 0)))


def _sql(name: str) -> str:
    return (resources.files("csp_pipeline.models") / "cost" / f"{name}.sql").read_text("utf-8")


def _named(sql: str, values: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if f"${name}" in sql}
