"""Cycles of a contract line: where they start and end, and whose invoice charges them."""

from datetime import date
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csp_pipeline.domain.calendar import (
    ONE_DAY,
    Cycle,
    CycleCalendar,
    first_day_of,
    invoice_month,
    last_day_of,
    month_of,
    shift_month,
)


def periods(calendar: CycleCalendar, before: date) -> list[tuple[str, str]]:
    return [(str(cycle.start), str(cycle.end)) for cycle in calendar.cycles(calendar.start, before)]


def test_an_anchor_after_the_start_cuts_the_first_cycle() -> None:
    """Kill Bill cb60779c, TestRecurringInAdvance.testCalculateSimpleInvoiceItemWithBCDAfterStartDay…In3Months."""
    calendar = CycleCalendar(date(2012, 7, 16), None, 17, 1)
    assert periods(calendar, date(2012, 9, 18)) == [
        ("2012-07-16", "2012-07-17"),
        ("2012-07-17", "2012-08-17"),
        ("2012-08-17", "2012-09-17"),
        ("2012-09-17", "2012-10-17"),
    ]


def test_a_day_the_month_does_not_have_is_the_months_last() -> None:
    """Microsoft, annual/monthly bought on 31 January (worked example CYC-ALL)."""
    starts = [
        str(cycle.start)
        for cycle in CycleCalendar(date(2021, 1, 31), None, 31, 1).cycles(date(2021, 1, 31), date(2021, 7, 1))
    ]
    assert starts == ["2021-01-31", "2021-02-28", "2021-03-31", "2021-04-30", "2021-05-31", "2021-06-30"]


def test_a_quarter_is_aligned_to_the_anchor_in_the_month_of_its_start() -> None:
    """Kill Bill cb60779c, quarterly TestProRation.testSinglePlan_WithPhaseChange_AfterBillCycleDay (75/89 + 1)."""
    first, second = CycleCalendar(date(2011, 2, 17), None, 3, 3).cycles(date(2011, 2, 17), date(2011, 5, 5))
    assert (first.days, first.full_days) == (75, 89)
    assert (second.days, second.full_days) == (92, 92)


def test_a_cut_first_cycle_is_measured_from_the_same_day_months_before_its_end() -> None:
    """Kill Bill cb60779c, monthly TestProRation.testSinglePlan_ChangeBCDTo31 (14/31 before 28 February)."""
    first = CycleCalendar(date(2011, 2, 14), None, 31, 1).cycles(date(2011, 2, 14), date(2011, 2, 15))[0]
    assert (first.days, first.full_days) == (14, 31)


def test_a_line_that_ends_within_a_cycle_is_measured_by_the_cycle_that_begins_there() -> None:
    last = CycleCalendar(date(2026, 1, 1), date(2026, 2, 11), 1, 1).cycles(date(2026, 2, 1), date(2026, 12, 1))[-1]
    assert (last.days, last.full_days) == (10, 28)


@pytest.mark.parametrize(
    ("end", "anchor_day", "months"), [(date(2025, 12, 31), 1, 1), (None, 32, 1), (None, 0, 1), (None, 1, 6)]
)
def test_what_is_no_calendar_is_refused(end: date | None, anchor_day: int, months: int) -> None:
    with pytest.raises(ValueError, match=r"expected|before it starts"):
        CycleCalendar(date(2026, 1, 1), end, anchor_day, months)


def test_a_line_that_ends_before_its_first_day_is_over_has_no_cycle() -> None:
    assert CycleCalendar(date(2012, 7, 16), date(2012, 7, 16), 15, 1).cycles(date(2012, 7, 1), date(2013, 1, 1)) == ()


days = st.dates(date(2020, 1, 1), date(2030, 12, 31))


@given(days, st.integers(0, 1500), st.integers(1, 31), st.sampled_from([1, 3, 12]))
def test_cycles_cover_a_line_without_gap_or_overlap(start: date, length: int, anchor_day: int, months: int) -> None:
    end = start + length * ONE_DAY
    cycles = CycleCalendar(start, end, anchor_day, months).cycles(start, end)
    assert sum(cycle.days for cycle in cycles) == length
    assert all(left.end == right.start for left, right in pairwise(cycles))
    assert all(0 < cycle.days <= cycle.full_days for cycle in cycles)


@given(days, st.integers(1, 31), st.sampled_from([1, 3, 12]), st.integers(0, 2000), st.integers(1, 90))
def test_a_window_shows_the_same_cycles_as_the_whole(
    start: date, anchor_day: int, months: int, skip: int, length: int
) -> None:
    calendar = CycleCalendar(start, None, anchor_day, months)
    since = start + skip * ONE_DAY
    before = since + length * ONE_DAY
    whole = calendar.cycles(start, before)
    assert calendar.cycles(since, before) == tuple(cycle for cycle in whole if cycle.end > since)


def cycle(start: date, end: date) -> Cycle:
    return Cycle(start, end, start, end)


def test_in_arrears_a_cycle_is_on_the_invoice_of_the_month_of_its_last_day() -> None:
    assert invoice_month(cycle(date(2026, 3, 1), date(2026, 4, 1)), "arrears", "2026-01") == "2026-03"
    assert invoice_month(cycle(date(2026, 3, 2), date(2026, 4, 2)), "arrears", "2026-01") == "2026-04"


def test_in_advance_a_cycle_is_on_the_invoice_of_the_month_before_its_start() -> None:
    assert invoice_month(cycle(date(2026, 4, 30), date(2026, 5, 30)), "advance", "2026-01") == "2026-03"


def test_no_advance_cycle_is_on_a_document_before_the_first_month_billed() -> None:
    assert invoice_month(cycle(date(2026, 1, 17), date(2026, 2, 17)), "advance", "2026-01") == "2026-01"


@given(days, st.integers(-60, 60))
def test_months_can_be_shifted_and_named(day: date, by: int) -> None:
    month = month_of(day)
    assert first_day_of(month) <= day <= last_day_of(month)
    assert shift_month(shift_month(month, by), -by) == month
