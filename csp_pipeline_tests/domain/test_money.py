"""Rounding, truncation and sharing out, on Microsoft's worked examples and against themselves."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from csp_pipeline.domain.allocation import floor_shares, left_over_places
from csp_pipeline.domain.money import (
    divide_half_away,
    earned_credit,
    largest_remainder,
    minor_units,
    round_half_away,
    truncate,
    usage_line_amount,
)

AMOUNTS = st.decimals(min_value=Decimal("-1E11"), max_value=Decimal("1E11"), places=18)


@pytest.mark.parametrize(
    ("amount", "rounded"), [("2.325", "2.33"), ("-2.325", "-2.33"), ("2.3249", "2.32"), ("63.325", "63.33")]
)
def test_half_goes_away_from_zero(amount: str, rounded: str) -> None:
    # 63.325: LEG-06, kvamseek/partner-center@85eb3c40 developer/get-invoiceline-items.md example 2
    assert round_half_away(Decimal(amount), 2) == Decimal(rounded)


@pytest.mark.parametrize(
    ("units", "price", "charged"),
    [("210.950039", "0.7378", "155.63"), ("555.950039", "0.7378", "410.17"), ("29", "0.7378", "21.39")],
)
def test_a_provider_amount_with_earned_credit_is_truncated(units: str, price: str, charged: str) -> None:
    # PEC-02, PEC-03 and the first row of the table: kvamseek/partner-center@85eb3c40 azure-plan-billing.md:169
    assert usage_line_amount(Decimal(units) * Decimal(price), Decimal(1), 2) == Decimal(charged)


@pytest.mark.parametrize(
    ("price", "days", "cycle", "seats", "subtotal"),
    [
        ("12", 29, 31, 15, "168.38"),
        ("12", 26, 31, 25, "251.61"),
        ("-12", 24, 31, 25, "-232.25"),
        ("12", 11, 31, 30, "127.74"),
    ],
)
def test_seat_subtotals_are_truncated_from_the_unrounded_price(
    price: str, days: int, cycle: int, seats: int, subtotal: str
) -> None:
    # NCE-102, -104, -105, -110: kvamseek/partner-center@85eb3c40 common-billing-scenarios-onetime-recurring.md:303
    exact = Fraction(price) * days / cycle * seats
    assert truncate(Decimal(exact.numerator) / Decimal(exact.denominator), 2) == Decimal(subtotal)


def test_a_minor_unit_is_what_the_currency_says() -> None:
    assert (minor_units(Decimal("12.345"), 2), minor_units(Decimal("12.5"), 0), minor_units(Decimal("-1.0005"), 3)) == (
        1235,
        13,
        -1001,
    )


def test_fifteen_percent_credit_is_three_seventeenths_of_the_net_amount() -> None:
    assert earned_credit(Decimal(85), Decimal(15)) == Decimal(15)
    assert earned_credit(Decimal("0.0000000017"), Decimal(15)) == Decimal("0.0000000003")
    assert earned_credit(Decimal("-0.7378"), Decimal(15)) == Decimal("-0.1302")  # 0.868 x 0.85 = 0.7378, gross 0.868


def test_division_by_zero_is_refused() -> None:
    with pytest.raises(ZeroDivisionError):
        divide_half_away(1, 0)


def test_an_amount_over_weights_that_are_all_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="all 0"):
        largest_remainder(5, [0, 0])


def test_what_is_left_over_goes_to_the_largest_remainders_and_ties_to_the_first() -> None:
    assert largest_remainder(10, [1, 1, 1]) == [4, 3, 3]
    assert largest_remainder(-10, [1, 1, 1]) == [-4, -3, -3]
    assert largest_remainder(100, [2, 3, 2]) == [29, 43, 28]


@given(AMOUNTS, st.integers(0, 12))
def test_rounding_moves_an_amount_by_at_most_half_a_unit(amount: Decimal, decimals: int) -> None:
    assert abs(Fraction(round_half_away(amount, decimals)) - Fraction(amount)) <= Fraction(1, 2 * 10**decimals)


@given(st.integers(-(10**21), 10**21), st.lists(st.integers(-(10**29), 10**29), min_size=1, max_size=12).filter(any))
def test_shares_sum_to_the_whole_and_stay_within_one_unit(units: int, weights: list[int]) -> None:
    shares = largest_remainder(units, weights)
    total = sum(abs(weight) for weight in weights)
    assert sum(shares) == units
    assert all(
        abs(Fraction(units * abs(weight), total) - share) < 1 for weight, share in zip(weights, shares, strict=True)
    )


@given(
    st.integers(0, 10**21),
    st.one_of(
        st.lists(st.integers(0, 10**28), min_size=1, max_size=8),
        st.lists(st.sampled_from([0, 7 * 10**16, 10**18]), min_size=1, max_size=8),
    ).filter(any),
)
def test_the_shares_of_many_rows_are_those_of_one_amount(units: int, weights: list[int]) -> None:
    charges = pl.DataFrame(
        {"line_number": [1], "units": [units], "line_weight": [sum(weights)]},
        schema={"line_number": pl.Int32, "units": pl.Int128, "line_weight": pl.Int128},
    )
    rows = pl.DataFrame(
        {"line_number": [1] * len(weights), "key": range(len(weights)), "weight": weights},
        schema={"line_number": pl.Int32, "key": pl.Int64, "weight": pl.Int128},
    )
    shares = floor_shares(rows, charges)
    places = left_over_places(shares, charges)
    expected = largest_remainder(units, weights)
    given_ = dict(zip(shares["key"].to_list(), shares["share"].to_list(), strict=True))
    if places.is_empty():
        assert given_ == dict(enumerate(expected))
        return
    threshold, free = places["threshold"].item(), places["places"].item()
    for key, remainder in sorted(zip(shares["key"].to_list(), shares["remainder"].to_list(), strict=True)):
        if remainder > threshold:
            given_[key] += 1
        elif remainder == threshold and free > 0:
            given_[key] += 1
            free -= 1
    assert given_ == dict(enumerate(expected))
