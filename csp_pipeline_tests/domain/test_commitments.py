"""Amounts off, the most and the least that are charged, alone and together."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest

from csp_pipeline.domain.commitments import Commitments

WHOLE = Fraction(1)


def amounts(total: str, part: Fraction = WHOLE, *, is_discounted: bool = True, **terms: str) -> tuple[str, str, str]:
    agreed = Commitments(**{name: Decimal(value) for name, value in terms.items()})
    lines = agreed.lines([Decimal(total)], part, 2, is_discounted=is_discounted)
    return str(lines.discount.normalize()), str(lines.maximum.normalize()), str(lines.minimum.normalize())


@pytest.mark.parametrize(
    ("total", "terms", "expected"),
    [
        ("100", {}, ("0", "0", "0")),
        ("100", {"discount": "30"}, ("-3E+1", "0", "0")),
        ("20", {"discount": "30"}, ("-2E+1", "0", "0")),
        ("150", {"maximum": "120"}, ("0", "-3E+1", "0")),
        ("120", {"maximum": "120"}, ("0", "0", "0")),
        ("100", {"minimum": "120"}, ("0", "0", "2E+1")),
        ("120", {"minimum": "120"}, ("0", "0", "0")),
        ("100", {"discount": "30", "minimum": "90"}, ("-3E+1", "0", "2E+1")),
        ("150", {"discount": "20", "maximum": "120"}, ("-2E+1", "-1E+1", "0")),
        ("150", {"discount": "20", "maximum": "120", "minimum": "120"}, ("-2E+1", "-1E+1", "0")),
    ],
)
def test_the_amount_off_comes_first_then_the_most_then_the_least(
    total: str, terms: dict[str, str], expected: tuple[str, str, str]
) -> None:
    assert amounts(total, **terms) == expected


def test_each_is_taken_in_proportion_to_a_short_cycle() -> None:
    assert amounts("10", Fraction(22, 31), discount="3.1", minimum="31") == ("-2.2", "0", "14.2")


def test_an_amount_off_that_has_ended_is_not_taken() -> None:
    assert amounts("100", is_discounted=False, discount="30", minimum="120") == ("0", "0", "2E+1")
