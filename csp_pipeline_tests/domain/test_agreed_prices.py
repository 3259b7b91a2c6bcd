"""Prices of a contract line under a discount."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction

from csp_pipeline_tests.domain.reconciled_case import contract


def test_a_discount_counts_for_charges_that_start_while_it_lasts() -> None:
    """12.00 less 10 percent until 31 August: 10.80 for a cycle from August, 12.00 for one from September."""
    discounted = contract(discount_percent=Decimal(10), discount_ends_on=date(2026, 8, 31))
    assert discounted.monthly_price(date(2026, 8, 1)) == Fraction("10.8")
    assert discounted.monthly_price(date(2026, 9, 1)) == 12
