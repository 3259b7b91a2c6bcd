"""The second calculation of drafts, against worked examples done by hand."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest

from csp_pipeline.sandbox.cost_bases import recognised
from csp_pipeline.sandbox.drafts import billing_cycles
from csp_pipeline.sandbox.facts import ContractLine, divide_half_away, round_fraction


def contract(starts_on: date, anchor_day: int, **options: object) -> ContractLine:
    return ContractLine("CL-1", "A-1", "per_unit", "EUR", starts_on, "seats", anchor_day=anchor_day, **options)  # type: ignore[arg-type]


def test_cycles_from_the_31st_clamp_to_the_end_of_the_month() -> None:
    cycles = list(billing_cycles(contract(date(2026, 1, 31), 31), date(2026, 4, 30)))
    assert [cycle.start_on for cycle in cycles] == [
        date(2026, 1, 31),
        date(2026, 2, 28),
        date(2026, 3, 31),
        date(2026, 4, 30),
    ]
    assert [cycle.full_days for cycle in cycles] == [28, 31, 30, 31]


def test_a_short_first_cycle_belongs_to_the_full_cycle_that_ends_at_the_first_anchor() -> None:
    first, second = list(billing_cycles(contract(date(2026, 7, 17), 1), date(2026, 8, 1)))
    assert (first.start_on, first.end_on, first.full_days) == (date(2026, 7, 17), date(2026, 7, 31), 31)
    assert (second.start_on, second.end_on, second.full_days) == (date(2026, 8, 1), date(2026, 8, 31), 31)


def test_a_short_last_cycle_keeps_the_days_of_the_full_one() -> None:
    last = list(billing_cycles(contract(date(2026, 7, 1), 1, ends_on=date(2026, 7, 10)), date(2026, 9, 1)))
    assert [(cycle.end_on, cycle.full_days) for cycle in last] == [(date(2026, 7, 10), 31)]


def test_an_annual_cycle_runs_from_anchor_to_anchor() -> None:
    line = contract(date(2026, 7, 10), 10, billing_cycle="annual")
    assert [cycle.full_days for cycle in billing_cycles(line, date(2027, 1, 1))] == [365]


@pytest.mark.parametrize(
    ("amount", "parts"),
    [
        ("93", {"2026-08": Fraction(45), "2026-09": Fraction(48)}),
        ("-93", {"2026-08": Fraction(-45), "2026-09": Fraction(-48)}),
        ("0.0000000002", {"2026-08": Fraction(2, 10**10), "2026-09": Fraction(0)}),
    ],
)
def test_an_amount_is_spread_by_day_and_what_is_left_goes_to_the_first_days(
    amount: str, parts: dict[str, Fraction]
) -> None:
    assert recognised(Decimal(amount), date(2026, 8, 17), date(2026, 9, 16)) == parts


def test_halves_are_rounded_away_from_zero() -> None:
    assert [divide_half_away(number, 2) for number in (5, -5, 4, 1, -1)] == [3, -3, 2, 1, -1]
    assert round_fraction(Fraction(2325, 1000), Decimal("0.01")) == Decimal("2.33")
    assert round_fraction(Fraction(-2325, 1000), Decimal("0.01")) == Decimal("-2.33")
