"""Parts of a cycle into amounts, and rounding."""

from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csp_pipeline.domain.calendar import Cycle, CycleCalendar
from csp_pipeline.domain.proration import cycle_amount, recurring_part, round_half_away

D = Decimal


@pytest.mark.parametrize(
    ("amount", "decimals", "rounded"),
    [
        ("2.325", 2, "2.33"),
        ("-2.325", 2, "-2.33"),
        ("2.3249999999", 2, "2.32"),
        ("0.5", 0, "1"),
        ("-0.004", 2, "0.00"),
        ("1.0005", 3, "1.001"),
    ],
)
def test_halves_go_away_from_zero(amount: str, decimals: int, rounded: str) -> None:
    """2.325 and its like: half away from zero."""
    result = round_half_away(D(amount), D(1), decimals)
    assert str(result) == rounded


def test_a_denominator_that_is_not_positive_is_refused() -> None:
    with pytest.raises(ValueError, match="above zero"):
        round_half_away(D(1), D(0), 2)


@pytest.mark.parametrize(
    ("quantity", "days", "amount"),
    [(15, 29, "168.39"), (25, 26, "251.61"), (-25, 24, "-232.26"), (30, 11, "127.74")],
)
def test_seat_changes_are_microsofts_examples_rounded_our_way(quantity: int, days: int, amount: str) -> None:
    """Worked examples NCE-102, 104, 105, 110: 12.00 a seat, cycle of 31 days; column C (half up on the line)."""
    assert cycle_amount(D(12), D(quantity), Fraction(days, 31), D(0), 2) == D(amount)


def test_a_discount_is_taken_before_the_line_is_rounded() -> None:
    """Worked example NCE-701: 50 seats at 16 less 10 percent; and 3 times 0.335 less half is 0.50, not half of 1.01."""
    assert cycle_amount(D(16), D(50), Fraction(1), D(10), 2) == D(720)
    assert cycle_amount(D("0.335"), D(3), Fraction(1), D(50), 2) == D("0.50")


def test_a_currency_without_minor_unit_is_rounded_to_whole_units() -> None:
    assert cycle_amount(D(1000), D(1), Fraction(10, 31), D(0), 0) == D(323)


def test_without_proration_a_start_is_free_and_an_end_is_whole() -> None:
    cut_at_start, whole, cut_at_end = CycleCalendar(date(2026, 1, 15), date(2026, 3, 11), 1, 1).cycles(
        date(2026, 1, 1), date(2027, 1, 1)
    )
    assert [recurring_part(cycle, prorated=False) for cycle in (cut_at_start, whole, cut_at_end)] == [0, 1, 1]
    assert [recurring_part(cycle, prorated=True) for cycle in (cut_at_start, whole, cut_at_end)] == [
        Fraction(17, 31),
        Fraction(1),
        Fraction(10, 31),
    ]


amounts = st.decimals(min_value=-(10**6), max_value=10**6, places=6)


@given(amounts, st.integers(1, 10**6), st.integers(0, 4))
def test_rounding_is_off_by_at_most_half_a_minor_unit_and_symmetric(
    amount: Decimal, divisor: int, decimals: int
) -> None:
    rounded = round_half_away(amount, D(divisor), decimals)
    assert abs(Fraction(rounded) - Fraction(amount) / divisor) <= Fraction(1, 2 * 10**decimals)
    assert round_half_away(-amount, D(divisor), decimals) == -rounded


@given(st.integers(1, 366))
def test_the_whole_cycle_costs_the_price(full_days: int) -> None:
    cycle = Cycle(
        date(2026, 1, 1),
        date.fromordinal(date(2026, 1, 1).toordinal() + full_days),
        date(2026, 1, 1),
        date.fromordinal(date(2026, 1, 1).toordinal() + full_days),
    )
    assert cycle_amount(D("9.99"), D(7), recurring_part(cycle, prorated=True), D(0), 2) == D("69.93")
