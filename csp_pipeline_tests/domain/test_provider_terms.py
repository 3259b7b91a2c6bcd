"""Ends of terms, aligned with other subscriptions and with the calendar."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csp_pipeline.domain.provider_terms import (
    end_aligned_to,
    end_aligned_to_calendar,
    next_term,
    term_end,
    whole_months,
)

DAYS = st.dates(min_value=date(2020, 1, 1), max_value=date(2030, 12, 31))
TERMS = st.sampled_from([1, 12, 36])


def test_a_term_ends_the_day_before_its_anniversary() -> None:
    assert term_end(date(2021, 1, 31), 1) == date(2021, 2, 27)
    assert term_end(date(2021, 1, 30), 12) == date(2022, 1, 29)


def test_an_aligned_term_ends_with_the_other_subscription() -> None:
    """Source: COT-2."""
    end = end_aligned_to(date(2022, 7, 1), 36, date(2022, 10, 1))
    assert (end, whole_months(date(2022, 7, 1), end)) == (date(2022, 10, 1), 3)
    assert next_term(end, 36) == (date(2022, 10, 2), date(2025, 10, 1))


def test_an_end_beyond_one_term_is_taken_in_an_earlier_year() -> None:
    assert end_aligned_to(date(2022, 7, 1), 12, date(2024, 10, 1)) == date(2022, 10, 1)
    assert end_aligned_to(date(2022, 7, 15), 1, date(2022, 12, 1)) == date(2022, 8, 1)


def test_an_end_before_the_purchase_is_refused() -> None:
    with pytest.raises(ValueError, match="No end of a term"):
        end_aligned_to(date(2022, 7, 1), 12, date(2022, 6, 1))


@pytest.mark.parametrize(("months", "end"), [(12, date(2023, 6, 30)), (1, date(2022, 7, 31))])
def test_a_calendar_term_ends_with_the_last_month_that_fits(months: int, end: date) -> None:
    """Source: COT-5, COT-7."""
    assert end_aligned_to_calendar(date(2022, 7, 15), months) == end


@given(bought=DAYS, months=TERMS)
def test_an_aligned_term_is_never_longer_than_a_full_one(bought: date, months: int) -> None:
    end = end_aligned_to_calendar(bought, months)
    assert bought <= end <= term_end(bought, months)
    assert next_term(end, months)[0].day == 1
