"""Rows of revenue versus cost: what counts once, converted totals, prices under a discount, every digit."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from csp_pipeline.domain.recognition import UNITS_PER_ONE, by_month
from csp_pipeline.domain.revenue_vs_cost import (
    Contract,
    CostPiece,
    ExchangeRates,
    allocate_total,
    counted_lines,
    expected_units,
    provider_price,
)

CYCLE = (date(2026, 9, 1), date(2026, 9, 30))


def piece(
    line_id: str, product_id: str = "P1", amount: str = "40", quantity: str = "10", **others: object
) -> CostPiece:
    fields: dict[str, object] = {
        "line_ids": (line_id,), "account_id": "A1", "contract_line_id": "L1", "customer_id": "c1",
        "subscription_id": "s1", "product_id": product_id, "sku_id": "0001", "product_name": "Seat",
        "product_family": "licence",
        "is_consumption": False, "is_credit": False, "charge_type": "cyclecharge", "start": CYCLE[0], "end": CYCLE[1],
        "amount": Decimal(amount), "currency": "EUR", "billing_month": "2026-09", "quantity": Decimal(quantity),
        "unit_price": Decimal(4), "fx_rate": Decimal(1), "billing_frequency": "Monthly", "subscription_starts_on": None,
    }  # fmt: skip
    return CostPiece(**(fields | others))  # type: ignore[arg-type]


def contract(**others: object) -> Contract:
    fields: dict[str, object] = {
        "contract_line_id": "L1", "account_id": "A1", "customer_id": "c1", "subscription_id": "s1", "product_id": None,
        "sku_id": None, "description": None, "pricing_model": "per_unit", "unit_price": Decimal(12), "currency": "EUR",
        "markup_percent": Decimal(0), "discount_percent": Decimal(0), "months": 1, "is_prorated": True,
        "starts_on": date(2026, 1, 1), "ends_on": None, "cost_source": "provider", "cost_basis": "net",
        "unit_cost": None,
    }  # fmt: skip
    return Contract(**(fields | others))  # type: ignore[arg-type]


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


def test_a_discount_counts_for_charges_that_start_while_it_lasts() -> None:
    """12.00 less 10 percent until 31 August: 10.80 for a cycle from August, 12.00 for one from September."""
    discounted = contract(discount_percent=Decimal(10), discount_ends_on=date(2026, 8, 31))
    assert discounted.monthly_price(date(2026, 8, 1)) == Fraction("10.8")
    assert discounted.monthly_price(date(2026, 9, 1)) == 12


def test_the_provider_price_is_that_of_the_latest_line_that_covers_the_day() -> None:
    lines = [piece("old", unit_price=Decimal(3)), piece("new", start=date(2026, 9, 20), unit_price=Decimal(5))]
    assert provider_price(lines, date(2026, 9, 30)) == 5
    assert provider_price(lines, date(2026, 10, 1)) is None


def test_a_rate_is_found_directly_or_inverted() -> None:
    rates = ExchangeRates([("2026-09", "USD", "EUR", Decimal("0.8"), "bank")])
    direct, inverse = rates.find("2026-09", "USD", "EUR"), rates.find("2026-09", "EUR", "USD")
    assert direct is not None
    assert inverse is not None
    assert (direct.value, inverse.value) == (Fraction("0.8"), Fraction("1.25"))
    assert rates.find("2026-08", "USD", "EUR") is None


@given(st.lists(st.fractions(min_value=-1000, max_value=1000, max_denominator=10**6), min_size=1, max_size=20))
def test_converted_parts_sum_to_the_rounded_total(parts: list[Fraction]) -> None:
    total = Fraction(round(sum(parts, Fraction(0)) * 100), 100)
    units = allocate_total(total, parts)
    assert sum(units) == total * UNITS_PER_ONE
    assert all(
        abs(Fraction(unit, UNITS_PER_ONE) - part) < Fraction(2, 100) for unit, part in zip(units, parts, strict=True)
    )


def test_every_received_digit_of_a_large_amount_survives_recognition() -> None:
    amount = Decimal("12345678901.123456789012345678")
    months = by_month(amount, date(2026, 1, 31), date(2026, 2, 1))
    assert sum((Fraction(part) for part in months.values()), Fraction(0)) == Fraction(amount)
