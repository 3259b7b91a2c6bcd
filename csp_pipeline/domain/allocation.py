"""Allocation of amounts over millions of weighted rows: largest remainder on whole numbers, in polars.

What belongs here: the arithmetic, on 128-bit whole numbers and never on floats. Which rows an amount goes to, and how
ties are ordered, is for the caller to say. `money.largest_remainder` states the same rule for one amount in plain
Python; tests hold the two together.
"""

from __future__ import annotations

import polars as pl

LARGEST = 2**127 - 1
_BASE = 10**8


def whole_numbers(column: str) -> pl.Expr:
    """A decimal column as the whole numbers it is stored as (Int128, in units of its last decimal)."""
    return pl.col(column).to_physical().cast(pl.Int128).alias(column)


def floor_shares(weights: pl.DataFrame, charges: pl.DataFrame) -> pl.DataFrame:
    """Give each row the whole part of its share.

    Args:
        weights: one row per line and row it goes to: `line_number`, any further columns, `weight` (Int128, >= 0).
        charges: one row per line: `line_number`, `units` (Int128, 0 <= units < 1E22) and `line_weight` (Int128, the sum
            of the line's weights, 0 < line_weight < 8E29).

    Returns:
        The columns of `weights` without `weight`, with `share` = units x weight // line_weight and the `remainder` of
        that division (Int128).
    """
    limits = charges.with_columns(
        largest=pl.lit(LARGEST, pl.Int128) // pl.max_horizontal("units", pl.lit(1, pl.Int128))
    )
    rows = weights.join(limits, on="line_number")
    fits = pl.col("weight") <= pl.col("largest")
    return pl.concat([_divide_short(rows.filter(fits)), _divide_long(rows.filter(~fits))]).drop(
        "weight", "units", "line_weight", "largest"
    )


def left_over_places(shares: pl.DataFrame, charges: pl.DataFrame) -> pl.DataFrame:
    """Find who takes the units that the whole parts leave over: one each, the largest remainders first.

    Args:
        shares: the result of `floor_shares`.
        charges: as given to it.

    Returns:
        One row per line with units left over: `line_number`, `threshold` (rows with a larger remainder take one),
        `places` (how many of the rows whose remainder equals the threshold take one), `tied_rows` (how many there are).
    """
    given = shares.group_by("line_number").agg(given=pl.col("share").sum())
    left = charges.join(given, on="line_number").select("line_number", left=pl.col("units") - pl.col("given"))
    reached = (
        shares.lazy()
        .filter(pl.col("remainder") > 0)
        .group_by("line_number", "remainder")
        .agg(tied_rows=pl.len().cast(pl.Int64))
        .sort("line_number", "remainder", descending=[False, True])
        .with_columns(so_far=pl.col("tied_rows").cum_sum().over("line_number"))
        .join(left.lazy(), on="line_number")
    )
    before = pl.col("so_far") - pl.col("tied_rows")
    return (
        reached.filter((pl.col("so_far") >= pl.col("left")) & (before < pl.col("left")))
        .select(
            "line_number", threshold="remainder", places=(pl.col("left") - before).cast(pl.Int64), tied_rows="tied_rows"
        )
        .collect()
    )


def _divide_short(rows: pl.DataFrame) -> pl.DataFrame:
    product = pl.col("units") * pl.col("weight")
    return rows.with_columns(share=product // pl.col("line_weight"), remainder=product % pl.col("line_weight"))


def _divide_long(rows: pl.DataFrame) -> pl.DataFrame:
    """The same by long division in base 1E8, so that no product leaves 128 bits."""
    total = pl.col("line_weight")
    digits = (pl.col("units") // _BASE**2, pl.col("units") // _BASE % _BASE, pl.col("units") % _BASE)
    rows = rows.with_columns(share=pl.lit(0, pl.Int128), remainder=pl.lit(0, pl.Int128))
    for digit in digits:
        step = pl.col("remainder") * _BASE + digit * pl.col("weight")
        rows = rows.with_columns(share=pl.col("share") * _BASE + step // total, remainder=step % total)
    return rows
