"""Revenue beside cost to be opened up: fills `reconciliation.drill_down`.

What belongs here: what the SELECTs need beside the warehouse. What a row is stands in
`models/reconciliation/recognised_lines.sql` and `drill_down.sql`.
"""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

import pyarrow as pa

from csp_pipeline.domain.money import divide_half_away
from csp_pipeline.models.catalogue import load_catalogue
from csp_pipeline.steps.reconciliation_facts import make_billed_pieces, read_rates
from csp_pipeline.storage.warehouse import replace_rows

if TYPE_CHECKING:
    from fractions import Fraction

    import duckdb

DRILL_DOWN = "reconciliation.drill_down"


def fill_drill_down(con: duckdb.DuckDBPyConnection) -> int:
    """Fill the table for all months; returns its rows.

    Args:
        con: a writing connection, after the reconciliation.
    """
    make_billed_pieces(con)
    con.register("known_rates", _known_rates(con))
    lines = (resources.files("csp_pipeline.models") / "reconciliation" / "recognised_lines.sql").read_text("utf-8")
    table = load_catalogue()[DRILL_DOWN]
    try:
        con.execute(f"CREATE OR REPLACE TEMP TABLE recognised_lines AS {lines}")
        return replace_rows(con, table, table.select() or "")
    finally:
        con.execute("DROP TABLE IF EXISTS recognised_lines")
        con.unregister("known_rates")


def _known_rates(con: duckdb.DuckDBPyConnection) -> pa.Table:
    """Every rate that can be found, direct or inverse, in units of 1E-18."""
    stated = con.execute("SELECT DISTINCT rate_month, from_currency, to_currency FROM reference.exchange_rates")
    pairs = {(month, *pair) for month, one, other in stated.fetchall() for pair in ((one, other), (other, one))}
    rates = read_rates(con)
    found = [(*asked, rate.value) for asked in sorted(pairs) if (rate := rates.find(*asked)) is not None]
    return pa.table(
        {
            "rate_month": pa.array([month for month, *_ in found], pa.string()),
            "from_currency": pa.array([source for _, source, *_ in found], pa.string()),
            "to_currency": pa.array([target for *_, target, _ in found], pa.string()),
            "rate_units": pa.array([_units(rate) for *_, rate in found], pa.decimal128(38, 0)),
        }
    )


def _units(rate: Fraction) -> int:
    return divide_half_away(rate.numerator * 10**18, rate.denominator)
