"""Exchange rates either way, and converted totals that their parts sum to."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from csp_pipeline.domain.conversions import ExchangeRates, allocate_total
from csp_pipeline.domain.recognition import UNITS_PER_ONE


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
