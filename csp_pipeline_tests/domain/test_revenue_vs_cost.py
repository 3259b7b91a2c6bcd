"""Rows of revenue versus cost: what counts once, the provider's price, expected revenue, every digit."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction

from csp_pipeline.domain.recognition import UNITS_PER_ONE, by_month
from csp_pipeline.domain.revenue_vs_cost import counted_lines, expected_units, provider_price
from csp_pipeline_tests.domain.reconciled_case import contract, piece


def test_a_plan_sold_with_calling_counts_once() -> None:
    """Two lines of one subscription, period, charge type and quantity that differ in product: the dearest counts."""
    counted = counted_lines([piece("seat", "P1", "40"), piece("calling", "P2", "15")])
    assert [line.line_ids for line in counted] == [("seat",)]


def test_two_equal_lines_of_one_product_both_count() -> None:
    assert len(counted_lines([piece("one"), piece("two")])) == 2


def test_credits_and_consumption_are_no_seats() -> None:
    assert counted_lines([piece("credit", is_credit=True), piece("usage", is_consumption=True)]) == []


def test_an_annual_line_expects_twelve_monthly_prices() -> None:
    year = piece("year", start=date(2026, 1, 1), end=date(2026, 12, 31), billing_frequency="Annual")
    assert expected_units(year, contract().daily_price(year.start, 12, 365)) == 10 * 12 * 12 * UNITS_PER_ONE


def test_the_provider_price_is_that_of_the_latest_line_that_covers_the_day() -> None:
    lines = [piece("old", unit_price=Decimal(3)), piece("new", start=date(2026, 9, 20), unit_price=Decimal(5))]
    assert provider_price(lines, date(2026, 9, 30)) == 5
    assert provider_price(lines, date(2026, 10, 1)) is None


def test_every_received_digit_of_a_large_amount_survives_recognition() -> None:
    amount = Decimal("12345678901.123456789012345678")
    months = by_month(amount, date(2026, 1, 31), date(2026, 2, 1))
    assert sum((Fraction(part) for part in months.values()), Fraction(0)) == Fraction(amount)
