"""The provider's full cycle behind a charge, after Microsoft's calendar examples."""

from __future__ import annotations

from datetime import date

import pytest

from csp_pipeline.domain.provider_cycle import cycle_start, full_cycle, inferred_frequency


@pytest.mark.parametrize(
    ("ordered_on", "charge_end"),
    [
        (date(2021, 1, 31), date(2021, 2, 27)),
        (date(2021, 2, 28), date(2021, 3, 27)),
        (date(2021, 5, 31), date(2021, 6, 29)),
        (date(2021, 7, 31), date(2021, 8, 30)),
        (date(2021, 1, 30), date(2021, 2, 27)),
    ],
)
def test_a_monthly_cycle_from_the_end_of_a_month_starts_on_its_order_date(ordered_on: date, charge_end: date) -> None:
    """Source: Microsoft, charge cycle calendar of monthly terms bought at the end of a month."""
    cycle = full_cycle(ordered_on, charge_end, "Monthly", ordered_on)
    assert cycle.start == ordered_on
    assert cycle.days == (charge_end - ordered_on).days + 1


def test_a_seat_change_belongs_to_the_cycle_it_cuts() -> None:
    """Source: Microsoft, seat changes of March 2022; the cycle of 5 March to 4 April has 31 days."""
    cycle = full_cycle(date(2022, 3, 7), date(2022, 4, 4), "Monthly", date(2022, 3, 5))
    assert (cycle.start, cycle.days, cycle.months) == (date(2022, 3, 5), 31, 1)


def test_an_annual_charge_has_twelve_months() -> None:
    cycle = full_cycle(date(2026, 3, 10), date(2027, 2, 9), "Annual", date(2026, 2, 10))
    assert (cycle.start, cycle.days, cycle.months) == (date(2026, 2, 10), 365, 12)


def test_a_one_time_charge_is_its_own_cycle() -> None:
    cycle = full_cycle(date(2026, 3, 10), date(2026, 3, 10), None, None)
    assert (cycle.start, cycle.days, cycle.months) == (date(2026, 3, 10), 1, 0)


@pytest.mark.parametrize(
    ("bought_on", "starts"),
    [
        (date(2021, 1, 31), [date(2021, 1, 31), date(2021, 2, 28), date(2021, 3, 31), date(2021, 4, 30)]),
        (date(2021, 1, 30), [date(2021, 1, 30), date(2021, 2, 27), date(2021, 3, 30), date(2021, 4, 29)]),
        (date(2021, 1, 29), [date(2021, 1, 29), date(2021, 2, 28), date(2021, 3, 29), date(2021, 4, 29)]),
    ],
)
def test_an_annual_term_billed_monthly_keeps_its_place_at_the_end_of_a_month(
    bought_on: date, starts: list[date]
) -> None:
    """Source: Microsoft, charge cycle calendar of annual terms billed monthly."""
    assert [cycle_start(bought_on, months) for months in range(4)] == starts


def test_a_seat_change_in_the_april_of_a_term_from_the_30th_has_its_cycle() -> None:
    """The cycle of 30 March to 28 April has 30 days, although 30 days before 29 April the month has a 29th."""
    cycle = full_cycle(date(2021, 4, 10), date(2021, 4, 28), "Monthly", date(2021, 1, 30))
    assert (cycle.start, cycle.days) == (date(2021, 3, 30), 30)


def test_a_whole_cycle_from_a_clamped_anchor_is_one_too() -> None:
    cycle = full_cycle(date(2021, 2, 28), date(2021, 3, 29), "Monthly", date(2021, 1, 30))
    assert (cycle.start, cycle.days) == (date(2021, 2, 28), 30)


@pytest.mark.parametrize(
    ("charge_end", "frequency"),
    [
        (date(2026, 1, 31), "monthly"),
        (date(2026, 2, 1), "annual"),
        (date(2026, 12, 31), "annual"),
        (date(2028, 12, 31), "triennial"),
    ],
)
def test_a_line_without_a_frequency_has_that_of_its_length(charge_end: date, frequency: str) -> None:
    assert inferred_frequency(date(2026, 1, 1), charge_end) == frequency


def test_a_leap_year_is_a_year() -> None:
    assert inferred_frequency(date(2028, 1, 1), date(2028, 12, 31)) == "annual"
