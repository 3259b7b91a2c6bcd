"""The published rules of a Subtotal, after Microsoft's worked examples."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csp_pipeline.domain.money import usage_line_amount
from csp_pipeline.domain.subtotals import RULES, Rule, cut, half_up, seat_price, subtotal

AMOUNTS = st.decimals(min_value="-100000", max_value="100000", places=9)
RATES = st.decimals(min_value="0.0001", max_value="500", places=9)


@pytest.mark.parametrize(
    ("rule", "total"), [("A", "168.38"), ("B", "168.30"), ("C", "168.39"), ("D", "168.45"), ("usage", "168.38")]
)
def test_the_rules_differ_on_fifteen_seats_for_29_of_31_days(rule: Rule, total: str) -> None:
    """Source: NCE-102, seat changes of March 2022."""
    assert subtotal(rule, seat_price(Decimal(12), 29, 31), Decimal(15)) == Fraction(total)


def test_a_price_is_not_cut_before_it_is_multiplied() -> None:
    """Source: NCE-302: 6.43 x 23 / 30 x 300 is 1478.90, although 4.9296... has no end."""
    assert subtotal("A", seat_price(Decimal("6.43"), 23, 30), Decimal(300)) == Fraction("1478.90")


def test_a_cycle_without_days_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one day"):
        seat_price(Decimal(12), 1, 0)


@given(price=AMOUNTS, quantity=AMOUNTS, rate=RATES, decimals=st.sampled_from([0, 2, 3]))
def test_a_refund_is_the_charge_with_its_sign_turned(
    price: Decimal, quantity: Decimal, rate: Decimal, decimals: int
) -> None:
    for rule in RULES:
        charge = subtotal(rule, price, quantity, Fraction(rate), decimals)
        assert subtotal(rule, -price, quantity, Fraction(rate), decimals) == -charge


@given(price=AMOUNTS, quantity=AMOUNTS, rate=RATES)
def test_the_usage_formula_is_the_one_that_proves_invoices(price: Decimal, quantity: Decimal, rate: Decimal) -> None:
    found = subtotal("usage", price, quantity, Fraction(rate), 2)
    assert found == Fraction(usage_line_amount(price * quantity, rate, 2))


@given(amount=AMOUNTS, decimals=st.integers(0, 4))
def test_cutting_and_rounding_stay_within_one_unit(amount: Decimal, decimals: int) -> None:
    exact, unit = Fraction(amount), Fraction(1, 10**decimals)
    assert 0 <= abs(exact) - abs(cut(exact, decimals)) < unit
    assert abs(exact - half_up(exact, decimals)) <= unit / 2


def test_halves_are_rounded_away_from_zero() -> None:
    assert half_up(Fraction("2.325"), 2) == Fraction("2.33")
    assert half_up(Fraction("-2.325"), 2) == Fraction("-2.33")
    assert cut(Fraction("-2.329"), 2) == Fraction("-2.32")
