"""Recognition by day: sums are kept, the earliest days take the rest, SQL and Python agree."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from csp_pipeline.domain.recognition import by_month, first_days_units, from_units, to_units, units_between
from csp_pipeline.models.catalogue import macros

AMOUNTS = st.decimals(min_value=-(10**9), max_value=10**9, places=2)
PERIODS = st.tuples(st.dates(date(2024, 1, 1), date(2027, 12, 31)), st.integers(1, 1200))


def test_a_prepaid_year_is_recognised_by_days_of_each_month() -> None:
    """365.00 over 2026: one unit of currency a day, so January gets 31.00 and February 28.00."""
    months = by_month(Decimal("365.00"), date(2026, 1, 1), date(2026, 12, 31))
    assert months["2026-01"] == Decimal(31)
    assert months["2026-02"] == Decimal(28)
    assert len(months) == 12


def test_what_does_not_divide_goes_to_the_earliest_days() -> None:
    """1E-10 x 7 over 3 days: 3, 2, 2."""
    start, end = date(2026, 1, 30), date(2026, 2, 1)
    assert by_month(Decimal("0.0000000007"), start, end) == {
        "2026-01": Decimal("0.0000000005"),
        "2026-02": Decimal("0.0000000002"),
    }


def test_a_negative_amount_mirrors_the_positive_one() -> None:
    period = (date(2026, 1, 17), date(2026, 2, 16))
    positive = by_month(Decimal("100.01"), *period)
    assert by_month(Decimal("-100.01"), *period) == {month: -amount for month, amount in positive.items()}


def test_digits_below_a_unit_stay_with_the_first_day() -> None:
    months = by_month(Decimal("1.000000000012345678"), date(2026, 1, 31), date(2026, 2, 1))
    assert sum(months.values()) == Decimal("1.000000000012345678")
    assert months["2026-02"] == Decimal("0.5")


@given(AMOUNTS, PERIODS)
def test_months_sum_to_the_amount(amount: Decimal, period: tuple[date, int]) -> None:
    start, days = period
    assert sum(by_month(amount, start, start + timedelta(days=days - 1)).values()) == amount


@given(AMOUNTS, PERIODS, st.integers(0, 1200))
def test_two_halves_of_a_period_are_the_whole(amount: Decimal, period: tuple[date, int], cut: int) -> None:
    start, days = period
    end = start + timedelta(days=days - 1)
    units, _ = to_units(amount)
    middle = start + timedelta(days=cut)
    after = end + timedelta(days=1)
    assert (
        units_between(units, start, end, start, middle)
        + units_between(units, start, end, max(middle, start), max(after, middle))
        == units
    )


@pytest.fixture(scope="module")
def connection() -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    con.execute(macros())
    return con


@given(amount=AMOUNTS, days=st.integers(1, 1200), first=st.integers(0, 1200))
def test_sql_and_python_recognise_alike(
    connection: duckdb.DuckDBPyConnection, amount: Decimal, days: int, first: int
) -> None:
    first = min(first, days)
    row = connection.execute(
        "SELECT from_units10(first_days_units(units10(CAST($amount AS DECIMAL(38, 18))), $days, $first))",
        {"amount": str(amount), "days": days, "first": first},
    ).fetchone()
    assert row == (from_units(first_days_units(to_units(amount)[0], days, first)),)
