"""The SQL macros give what exact arithmetic in Python gives, to the last digit, up to amounts of 1E11."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

import duckdb
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from csp_pipeline.domain.money import earned_credit, round_half_away, usage_line_amount
from csp_pipeline.storage.warehouse import configure

if TYPE_CHECKING:
    from collections.abc import Iterator

BIG = st.decimals(min_value=Decimal("-1E11"), max_value=Decimal("1E11"), places=18)
TENTHS = st.decimals(min_value=Decimal(-9999999), max_value=Decimal(9999999), places=10)
RATES = st.decimals(min_value=Decimal("0.000001"), max_value=Decimal(30000), places=15)


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with the macros."""
    opened = duckdb.connect()
    configure(opened)
    yield opened
    opened.close()


def _value(con: duckdb.DuckDBPyConnection, expression: str, **values: object) -> object:
    row = con.execute(f"SELECT {expression}", values).fetchone()
    assert row is not None
    return row[0]


def _dec(value: Decimal) -> str:
    return format(value, "f")


@given(amount=BIG)
@example(amount=Decimal("-0.000000000000000001"))
@example(amount=Decimal("1E11"))
def test_units18_are_the_digits_of_an_amount(con: duckdb.DuckDBPyConnection, amount: Decimal) -> None:
    assert _value(con, "units18(CAST($a AS DECIMAL(38, 18)))", a=_dec(amount)) == int(Fraction(amount) * 10**18)
    assert _value(con, "from_units18(units18(CAST($a AS DECIMAL(38, 18))))", a=_dec(amount)) == amount


@given(amount=st.one_of(BIG, TENTHS), percent=st.sampled_from(["15", "7.5", "0.0001", "99.9999", "33.3333"]))
@example(amount=Decimal("-0.00000000005"), percent="15")
def test_earned_credit_in_sql_is_that_of_exact_arithmetic(
    con: duckdb.DuckDBPyConnection, amount: Decimal, percent: str
) -> None:
    found = _value(
        con,
        "from_units10(credit_units10(CAST($a AS DECIMAL(38, 18)), CAST($p AS BIGINT)))",
        a=_dec(amount),
        p=int(Decimal(percent) * 10000),
    )
    assert found == earned_credit(amount, Decimal(percent))


@given(amount=TENTHS)
def test_the_short_path_of_earned_credit_is_the_long_one(con: duckdb.DuckDBPyConnection, amount: Decimal) -> None:
    short = "short_units10(CAST(CAST($a AS DECIMAL(38, 18)) AS VARCHAR))"
    assert _value(con, short, a=_dec(amount)) == int(amount.scaleb(10))
    found = _value(con, f"from_units10(short_credit_units10({short}, CAST(150000 AS BIGINT)))", a=_dec(amount))
    assert found == earned_credit(amount, Decimal(15))


@pytest.mark.parametrize("amount", ["100000000", "-12345678901.5", "1.00000000001"])
def test_an_amount_that_is_too_long_for_the_short_path_is_refused_by_it(
    con: duckdb.DuckDBPyConnection, amount: str
) -> None:
    assert _value(con, "short_units10(CAST(CAST($a AS DECIMAL(38, 18)) AS VARCHAR))", a=amount) is None


@settings(max_examples=200)
@given(billed=BIG, rate=RATES)
def test_a_product_with_a_rate_is_exact_to_the_36th_decimal(
    con: duckdb.DuckDBPyConnection, billed: Decimal, rate: Decimal
) -> None:
    amount = round_half_away(Decimal(Fraction(billed) // Fraction(rate)), 18) if rate > 1 else billed
    values = {"a": _dec(amount), "r": _dec(rate)}
    arguments = "units18(CAST($a AS DECIMAL(38, 18))), units18(CAST($r AS DECIMAL(38, 18)))"
    whole = _value(con, f"product_units18({arguments})", **values)
    rest = _value(con, f"product_units36({arguments})", **values)
    assert isinstance(whole, int)
    assert isinstance(rest, int)
    assert Fraction(whole, 10**18) + Fraction(rest, 10**36) == Fraction(amount) * Fraction(rate)
    assert abs(rest) < 10**18


@given(
    pricing=st.decimals(min_value=Decimal("-1E7"), max_value=Decimal("1E7"), places=15),
    rate=RATES,
    decimals=st.sampled_from([0, 2, 3]),
)
def test_the_published_formula_in_sql_truncates_twice(
    con: duckdb.DuckDBPyConnection, pricing: Decimal, rate: Decimal, decimals: int
) -> None:
    found = _value(
        con,
        "usage_line_minor_units(units18($a::DECIMAL(38, 18)), units18($r::DECIMAL(38, 18)), $d::INTEGER)",
        a=_dec(pricing),
        r=_dec(rate),
        d=decimals,
    )
    assert found == int(usage_line_amount(pricing, rate, decimals).scaleb(decimals))


@given(units=st.integers(-(10**29), 10**29), rest=st.integers(-(10**22), 10**22))
@example(units=50_000_000, rest=-1)
@example(units=-50_000_000, rest=0)
@example(units=50_000_000, rest=0)
def test_a_gap_is_rounded_once_with_every_digit_in_view(con: duckdb.DuckDBPyConnection, units: int, rest: int) -> None:
    exact = Fraction(units, 10**18) + Fraction(rest, 10**36)
    expected = int(abs(exact) * 10**10 + Fraction(1, 2)) * (1 if exact >= 0 else -1)
    found = _value(con, "round_units18(CAST($u AS HUGEINT), CAST($r AS HUGEINT))", u=units, r=rest)
    assert found == Decimal(expected).scaleb(-10)


@given(net=TENTHS, off=st.integers(-(2 * 10**12), 2 * 10**12))
@example(net=Decimal(1), off=10**12)
@example(net=Decimal(1), off=10**12 + 1)
def test_noise_is_told_from_a_difference_at_exactly_a_millionth(
    con: duckdb.DuckDBPyConnection, net: Decimal, off: int
) -> None:
    found = _value(
        con,
        "product_differs($n::DECIMAL(38, 18), $a::DECIMAL(38, 18), units18(1::DECIMAL(38, 18)))",
        n=_dec(net),
        a=_dec(net + Decimal(off).scaleb(-18)),
    )
    assert found is (abs(off) > 10**12)
