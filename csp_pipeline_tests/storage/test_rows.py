"""Rows between Python and tables: what is read is what `fetchall` gives, what is written keeps every digit."""

from __future__ import annotations

from decimal import Decimal

import duckdb
import pytest

from csp_pipeline.models.catalogue import load_catalogue
from csp_pipeline.storage.rows import as_arrow, as_arrow_columns, read_rows

SELECT = """
    SELECT
        'c' || number AS id,
        CASE WHEN number % 3 > 0 THEN 'EUR' END AS currency,
        CAST(number % 4 AS DECIMAL(38, 18)) / CAST(8 AS DECIMAL(3, 0)) > 0.2 AS is_large,
        CAST('1234567890123456.123456789012345678' AS DECIMAL(38, 18)) + number % 2 AS amount,
        CAST(nullif(number % 5, 0) AS INTEGER) AS days,
        DATE '2026-09-01' + CAST(number % 7 AS INTEGER) AS start_on,
        [CAST(number AS VARCHAR), 'x'] AS line_ids,
        CAST(NULL AS VARCHAR) AS nothing
    FROM range($rows) AS numbers(number)
    ORDER BY number
"""


@pytest.mark.parametrize("rows", [0, 1, 2, 5_000])
def test_rows_are_read_as_they_are_fetched(rows: int) -> None:
    con = duckdb.connect()
    fetched = con.execute(SELECT, {"rows": rows}).fetchall()
    read = read_rows(con, SELECT, {"rows": rows})
    assert read == fetched
    assert list(map(repr, read)) == list(map(repr, fetched)), "every digit and every type"


def test_values_that_repeat_are_one_object() -> None:
    read = read_rows(duckdb.connect(), SELECT, {"rows": 100})
    assert len({id(row[3]) for row in read}) == len({row[3] for row in read}) == 2


def test_columns_and_rows_make_the_same_table() -> None:
    table = load_catalogue()["reconciliation.differences"]
    rows = [{"cause": "period", "amount": Decimal("1.00000000005")}, {"cause": None, "amount": Decimal(-2)}]
    columns = {"cause": ["period", None], "amount": [Decimal("1.00000000005"), Decimal(-2)]}
    made = as_arrow_columns(table, columns)
    assert made.equals(as_arrow(table, rows))
    assert made["amount"].to_pylist() == [Decimal("1.0000000001"), Decimal(-2)]
    assert as_arrow_columns(table, {}).equals(as_arrow(table, []))
