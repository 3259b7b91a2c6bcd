"""What a contract line is charged, on which invoice, and what is left after what was issued."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csp_pipeline.domain.calendar import ONE_DAY, CycleCalendar
from csp_pipeline.domain.charges import (
    Charge,
    ContractLine,
    CostBase,
    Window,
    cost_plus_charge,
    cost_plus_charges,
    deltas,
    expected_charges,
)
from csp_pipeline.domain.commitments import Commitments
from csp_pipeline.domain.descriptions import describe, period_text
from csp_pipeline.domain.quantities import DayQuantity, QuantityHistory, sum_of

D = Decimal
YEAR = Window("2026-01", "2026-12", date(2026, 1, 1))


def seats(**changes: Any) -> ContractLine:  # noqa: ANN401  (any attribute of a contract line)
    line = ContractLine("L1", "per_unit", CycleCalendar(date(2022, 1, 5), None, 5, 1), 2, "arrears", unit_price=D(12))
    return replace(line, **changes)


def history(opening: int, *changes: tuple[date, int, int]) -> QuantityHistory:
    return QuantityHistory(D(opening), tuple(DayQuantity(day, D(start), D(end)) for day, start, end in changes))


def shown(charges: tuple[Charge, ...]) -> list[tuple[str, str, str, str, str]]:
    return [(c.kind, str(c.start), str(c.end), str(c.quantity), str(c.net_amount)) for c in charges]


def test_changes_are_charged_from_their_day_to_the_cycles_end() -> None:
    """Worked examples NCE-102 and NCE-105: Contoso's cycle 5 March to 4 April 2022, 12.00 a seat."""
    quantities = history(10, (date(2022, 3, 7), 10, 25), (date(2022, 3, 12), 25, 0))
    charges = expected_charges(seats(), quantities, Window("2022-03", "2022-03", date(2022, 1, 1)))
    assert shown(charges) == [
        ("recurring", "2022-02-05", "2022-03-05", "10", "120.00"),
        ("change", "2022-03-07", "2022-04-05", "15", "168.39"),
        ("change", "2022-03-12", "2022-04-05", "-25", "-232.26"),
    ]


def test_changes_of_one_day_are_one_line_and_those_that_cancel_out_none() -> None:
    quantities = history(10, (date(2026, 3, 7), 10, 14), (date(2026, 3, 8), 14, 14))
    changes = [c for c in expected_charges(seats(), quantities, YEAR) if c.kind == "change"]
    assert [(c.start, c.quantity) for c in changes] == [(date(2026, 3, 7), D(4))]


def test_a_change_at_midnight_of_the_cycles_first_day_belongs_to_the_recurring_charge() -> None:
    at_midnight = history(10, (date(2026, 3, 5), 15, 15))
    later_that_day = history(10, (date(2026, 3, 5), 10, 15))
    april = Window("2026-03", "2026-04", date(2026, 1, 1))
    assert [c for c in shown(expected_charges(seats(), at_midnight, april)) if c[1] == "2026-03-05"] == [
        ("recurring", "2026-03-05", "2026-04-05", "15", "180.00")
    ]
    assert [c for c in shown(expected_charges(seats(), later_that_day, april)) if c[1] == "2026-03-05"] == [
        ("recurring", "2026-03-05", "2026-04-05", "10", "120.00"),
        ("change", "2026-03-05", "2026-04-05", "5", "60.00"),
    ]


def test_without_proration_changes_wait_for_the_next_cycle() -> None:
    quantities = history(10, (date(2026, 3, 7), 10, 20))
    charges = expected_charges(seats(is_prorated=False), quantities, Window("2026-04", "2026-05", date(2026, 1, 1)))
    assert shown(charges) == [
        ("recurring", "2026-03-05", "2026-04-05", "10", "120.00"),
        ("recurring", "2026-04-05", "2026-05-05", "20", "240.00"),
    ]


def test_an_advance_cycle_is_on_the_month_before_and_the_first_on_the_first_month() -> None:
    line = seats(timing="advance", calendar=CycleCalendar(date(2025, 1, 1), None, 1, 1))
    months = [
        (c.start, c.invoice_month)
        for c in expected_charges(line, history(1), Window("2026-01", "2026-02", date(2026, 1, 1)))
    ]
    assert months == [(date(2026, 1, 1), "2026-01"), (date(2026, 2, 1), "2026-01"), (date(2026, 3, 1), "2026-02")]


def test_charges_whose_service_starts_before_billing_count_as_issued() -> None:
    window = Window("2026-01", "2026-02", date(2026, 1, 1))
    charges = expected_charges(seats(), history(10, (date(2026, 1, 2), 10, 12)), window)
    assert shown(charges) == [
        ("change", "2026-01-02", "2026-01-05", "2", "2.32"),
        ("recurring", "2026-01-05", "2026-02-05", "12", "144.00"),
    ]


def test_a_flat_line_is_charged_by_cycle_with_short_ones_in_proportion() -> None:
    line = seats(
        pricing_model="flat", unit_price=D(310), calendar=CycleCalendar(date(2026, 1, 22), date(2026, 2, 15), 1, 1)
    )
    assert shown(expected_charges(line, history(99), YEAR)) == [
        ("recurring", "2026-01-22", "2026-02-01", "1", "100.00"),
        ("recurring", "2026-02-01", "2026-02-15", "1", "155.00"),
    ]


def test_a_discount_ends_with_the_charges_that_start_later() -> None:
    line = seats(is_prorated=False, discount_percent=D(50), discount_ends_on=date(2026, 2, 5))
    charges = expected_charges(line, history(1), Window("2026-03", "2026-04", date(2026, 1, 1)))
    assert [str(charge.net_amount) for charge in charges] == ["6.00", "12.00"]


def test_quarters_and_years_are_charged_by_the_same_rules() -> None:
    quarterly = seats(calendar=CycleCalendar(date(2026, 1, 1), None, 1, 3))
    assert shown(
        expected_charges(
            quarterly, history(2, (date(2026, 2, 1), 2, 3)), Window("2026-01", "2026-03", date(2026, 1, 1))
        )
    ) == [
        ("recurring", "2026-01-01", "2026-04-01", "2", "24.00"),
        ("change", "2026-02-01", "2026-04-01", "1", "7.87"),
    ]


AZURE = ContractLine(
    "C1",
    "cost_plus",
    CycleCalendar(date(2026, 1, 1), None, 1, 1),
    2,
    "arrears",
    markup_percent=D(10),
    discount_percent=D(5),
)


def test_cost_plus_is_rounded_once_after_rate_markup_and_discount() -> None:
    bases = [CostBase(D("100.005")), CostBase(D("50"), D("0.9"))]
    charge = cost_plus_charge(AZURE, "2026-03", bases, YEAR)
    assert charge is not None
    assert (charge.kind, charge.net_amount) == ("usage", D("151.53"))  # 145.005 x 1.1 x 0.95 = 151.530225


def test_an_inverse_rate_divides() -> None:
    charge = cost_plus_charge(
        replace(AZURE, markup_percent=D(0), discount_percent=D(0)), "2026-03", [CostBase(D(100), D(1), D("1.1"))], YEAR
    )
    assert charge is not None
    assert charge.net_amount == D("90.91")


def test_cost_plus_is_not_charged_outside_its_time_or_for_nothing() -> None:
    ended = replace(AZURE, calendar=CycleCalendar(date(2026, 1, 1), date(2026, 3, 1), 1, 1))
    assert cost_plus_charge(ended, "2026-03", [CostBase(D(1))], YEAR) is None
    assert cost_plus_charge(AZURE, "2026-03", [], YEAR) is None
    assert cost_plus_charge(AZURE, "2026-03", [CostBase(D(1))], Window("2026-03", "2026-03", date(2026, 4, 1))) is None


def test_a_minimum_on_an_estimated_cost_that_rounds_to_nothing_is_an_estimate() -> None:
    calendar = CycleCalendar(date(2026, 1, 1), None, 1, 1)
    line = ContractLine("L1", "cost_plus", calendar, 2, commitments=Commitments(minimum=D(100)))
    window = Window("2026-01", "2026-01", date(2026, 1, 1))
    (minimum,) = cost_plus_charges(line, "2026-01", [CostBase(D("0.001"), is_estimate=True)], window)
    assert (minimum.kind, minimum.net_amount, minimum.is_estimate) == ("minimum", D("100.00"), True)


def test_a_cost_plus_line_has_no_charges_of_its_own() -> None:
    with pytest.raises(ValueError, match="priced on cost"):
        expected_charges(AZURE, history(1), YEAR)


def test_nothing_is_billed_again() -> None:
    charges = expected_charges(seats(), history(10, (date(2026, 3, 7), 10, 14)), YEAR)
    assert deltas(charges, ()) == charges
    assert deltas(charges, charges) == ()


def test_a_changed_price_reverses_what_was_issued_and_charges_the_new() -> None:
    issued = expected_charges(seats(), history(10), Window("2026-02", "2026-02", date(2026, 1, 1)))
    expected = expected_charges(seats(unit_price=D(13)), history(10), Window("2026-02", "2026-02", date(2026, 1, 1)))
    assert [(c.is_correction, c.quantity, c.net_amount) for c in deltas(expected, issued)] == [
        (True, D(-10), D("-120.00")),
        (False, D(10), D("130.00")),
    ]


def test_late_cost_bills_the_difference_for_its_own_period() -> None:
    first = cost_plus_charge(AZURE, "2026-03", [CostBase(D(100))], YEAR)
    later = cost_plus_charge(AZURE, "2026-03", [CostBase(D(120))], YEAR)
    assert first is not None
    assert later is not None
    (difference,) = deltas((later,), (first,))
    assert (difference.start, difference.net_amount) == (date(2026, 3, 1), D("20.90"))


def test_what_should_not_have_been_issued_is_reversed() -> None:
    issued = expected_charges(seats(), history(10), Window("2026-02", "2026-02", date(2026, 1, 1)))
    assert [c.net_amount for c in deltas((), issued)] == [D("-120.00")]


def test_the_same_charge_twice_is_refused() -> None:
    charge = expected_charges(seats(), history(10), Window("2026-02", "2026-02", date(2026, 1, 1)))[0]
    with pytest.raises(ValueError, match="charged twice"):
        deltas((charge, charge), ())


changes = st.lists(
    st.tuples(st.dates(date(2026, 1, 1), date(2026, 12, 31)), st.integers(0, 50)), max_size=12, unique_by=lambda c: c[0]
)


def from_steps(steps: list[tuple[date, int]]) -> QuantityHistory:
    quantity, days = 5, []
    for day, after in sorted(steps):
        days.append((day, quantity, after))
        quantity = after
    return history(5, *days)


@given(changes, st.integers(1, 31))
def test_drafting_month_by_month_bills_what_one_draft_bills(steps: list[tuple[date, int]], anchor_day: int) -> None:
    line = seats(calendar=CycleCalendar(date(2026, 1, 9), date(2026, 11, 20), anchor_day, 1))
    quantities = from_steps(steps)
    monthly = [
        charge
        for month in range(1, 13)
        for charge in expected_charges(
            line, quantities, Window(f"2026-{month:02d}", f"2026-{month:02d}", date(2026, 1, 1))
        )
    ]
    assert sorted(monthly, key=lambda c: c.key) == sorted(expected_charges(line, quantities, YEAR), key=lambda c: c.key)


@given(changes, st.integers(1, 31))
def test_seat_days_charged_are_seat_days_used(steps: list[tuple[date, int]], anchor_day: int) -> None:
    """Without rounding (a price of one unit per day of each cycle) charges add up to the quantity of every day."""
    calendar = CycleCalendar(date(2026, 1, 9), date(2026, 11, 20), anchor_day, 1)
    quantities = from_steps(steps)
    charges = expected_charges(seats(calendar=calendar), quantities, YEAR)
    charged = sum((c.quantity or D(0)) * (c.end - c.start).days for c in charges)
    used, day = D(0), date(2026, 1, 9)
    while day < date(2026, 11, 20):
        used += quantities.at_start_of(day + ONE_DAY)
        day += ONE_DAY
    assert charged == used


@given(changes, changes)
def test_the_order_of_subscriptions_does_not_matter(
    left: list[tuple[date, int]], right: list[tuple[date, int]]
) -> None:
    parts = [from_steps(left), from_steps(right)]
    assert expected_charges(seats(), sum_of(parts), YEAR) == expected_charges(seats(), sum_of(parts[::-1]), YEAR)


def test_a_line_says_in_a_sentence_what_is_charged() -> None:
    charge = Charge("L1", "change", date(2026, 9, 11), date(2026, 10, 1), D(3), D(12), D("24.00"), "2026-09")
    assert describe(charge, "Contoso E3", "seat") == "Contoso E3, 3 seats added from 11 to 30 September 2026"
    assert describe(replace(charge, quantity=D(-1)), "E3", "seat") == "E3, 1 seat removed from 11 to 30 September 2026"
    assert describe(replace(charge, kind="usage"), "Azure", "unit") == "Azure, consumption 11 to 30 September 2026"
    assert describe(replace(charge, is_correction=True), "E3", "seat") == "E3, correction for 11 to 30 September 2026"
    assert period_text(date(2026, 12, 17), date(2027, 1, 17)) == "17 December 2026 to 16 January 2027"
    assert period_text(date(2026, 3, 4), date(2026, 3, 5)) == "4 March 2026"
