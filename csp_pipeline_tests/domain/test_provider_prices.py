"""Prices as the provider makes them, after its worked examples."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest

from csp_pipeline.domain.provider_prices import (
    LegacyRule,
    earned_credit_price,
    legacy_amount,
    legacy_refund_days,
    legacy_seat_change,
    monthly_plan_price,
    promotion_price,
    rate_from_inverse,
    rate_set_on,
    savings_plan_day,
)
from csp_pipeline.domain.subtotals import half_up


def test_the_monthly_plan_is_a_twelfth_in_cents() -> None:
    """Source: PRICE-01."""
    assert monthly_plan_price(Decimal("3393.9")) == Fraction("282.83")


def test_a_promotion_lowers_the_price_without_rounding() -> None:
    assert promotion_price(Decimal("41.62"), Decimal(25)) == Fraction("31.215")


def test_the_price_with_credit_moves_with_the_consumption_of_the_month() -> None:
    """Source: PEC-02, PEC-03."""
    cost, price = earned_credit_price(Decimal("0.868"), Decimal("210.950039"), Decimal(15))
    assert (cost, half_up(price, 15)) == (Fraction("155.63"), Fraction("0.737757626107858"))
    cost, price = earned_credit_price(Decimal("0.868"), Decimal("555.950039"), Decimal(15))
    assert (cost, half_up(price, 15)) == (Fraction("410.17"), Fraction("0.737782122900436"))


def test_without_consumption_there_is_no_price_per_unit() -> None:
    with pytest.raises(ValueError, match="no price per unit"):
        earned_credit_price(Decimal(1), Decimal(0), Decimal(15))


def test_a_commitment_above_the_usage_covers_all_of_it() -> None:
    day = savings_plan_day(Decimal(1), Decimal("0.3264"), Decimal("0.22381248"), 24)
    assert (day.covered_hours_per_hour, day.payg_cost, day.total_cost) == (Fraction(1), Fraction(0), Fraction(24))


@pytest.mark.parametrize(
    ("month", "day"),
    [("2021-12", date(2021, 11, 29)), ("2022-01", date(2021, 12, 30)), ("2022-08", date(2022, 7, 28))],
)
def test_the_rate_of_a_month_is_set_on_the_last_but_one_business_day_before(month: str, day: date) -> None:
    """Source: FX-01 (29 November for December)."""
    assert rate_set_on(month) == day


def test_a_rates_file_has_the_inverse() -> None:
    """Source: FX-02."""
    assert half_up(rate_from_inverse(Decimal("0.27224589249009701")), 12) == Fraction("3.67315")
    with pytest.raises(ValueError, match="above 0"):
        rate_from_inverse(Decimal(0))


@pytest.mark.parametrize(
    ("rule", "price", "days", "cycle", "amount"),
    [
        ("exact", "211.20", 27, 365, "15.62"),
        ("daily_cents", "48", 318, 365, "41.34"),
        ("exact", "48", 318, 365, "41.82"),
        ("daily_mills", "4", 12, 28, "1.72"),
        ("exact", "4", 12, 28, "1.71"),
    ],
)
def test_the_legacy_pages_prorate_in_three_ways(
    rule: LegacyRule, price: str, days: int, cycle: int, amount: str
) -> None:
    """Source: LEG-02, LEG-03, LEG-05."""
    assert legacy_amount(rule, Decimal(price), days, cycle) == Fraction(amount)


def test_a_legacy_line_is_rounded_after_its_quantity() -> None:
    """Source: LEG-03: 31.25, not twice 15.62."""
    assert legacy_amount("exact", Decimal("211.20"), 27, 365, 2) == Fraction("31.25")


def test_an_annual_legacy_change_is_cut_at_the_next_anniversary() -> None:
    parts = legacy_seat_change(date(2017, 2, 11), date(2018, 2, 10), date(2017, 2, 12), 1, 2)
    assert [(part.days, part.quantity) for part in parts] == [(1, 1), (27, 2), (337, 2)]


def test_a_legacy_change_keeps_every_day_of_its_period() -> None:
    parts = legacy_seat_change(date(2018, 1, 13), date(2018, 2, 12), date(2018, 2, 1), 3, 5)
    assert [(part.days, part.quantity) for part in parts] == [(19, 3), (12, 5)]
    on_the_first_day = legacy_seat_change(date(2018, 1, 13), date(2018, 2, 12), date(2018, 1, 13), 3, 5)
    assert [(part.days, part.quantity) for part in on_the_first_day] == [(31, 5)]
    with pytest.raises(ValueError, match="2018-03-01 was given"):
        legacy_seat_change(date(2018, 1, 13), date(2018, 2, 12), date(2018, 3, 1), 3, 5)


@pytest.mark.parametrize(("suspended", "days"), [(date(2018, 2, 1), 365), (date(2018, 3, 1), 318)])
def test_a_legacy_suspension_refunds_all_within_thirty_days(suspended: date, days: int) -> None:
    assert legacy_refund_days(date(2018, 1, 13), date(2019, 1, 12), suspended) == days
