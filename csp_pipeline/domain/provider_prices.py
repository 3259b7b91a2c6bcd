"""Prices as the provider makes them: plans, promotions, earned credit, savings plans, exchange rates, legacy proration.

What belongs here: the published arithmetic of one price at a time, exact. How a price becomes a Subtotal is
`subtotals`; which cycle a charge belongs to is `provider_cycle`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

from csp_pipeline.domain.calendar import ONE_DAY, first_day_of
from csp_pipeline.domain.provider_cycle import shift_months
from csp_pipeline.domain.subtotals import CENTS, cut, half_up

if TYPE_CHECKING:
    from decimal import Decimal

LegacyRule = Literal["exact", "daily_cents", "daily_mills"]
LEGACY_RULES: tuple[LegacyRule, ...] = ("exact", "daily_cents", "daily_mills")
"""The three ways in which the legacy pages prorate: in one go, or from a price per day of two or of three decimals."""

FULL_REFUND_DAYS = 30
MONTHS_PER_YEAR = 12
LONGEST_MONTH = 31
_SATURDAY = 5


def monthly_plan_price(annual_price: Decimal | Fraction) -> Fraction:
    """The monthly charge of an annual price: a twelfth, in cents, half up (the two plans may differ by cents)."""
    return half_up(Fraction(annual_price) / MONTHS_PER_YEAR, CENTS)


def promotion_price(list_price: Decimal | Fraction, discount_percent: Decimal | Fraction) -> Fraction:
    """A price under a promotion, unrounded: 16 less 10 percent is 14.4."""
    return Fraction(list_price) * (100 - Fraction(discount_percent)) / 100


def earned_credit_price(unit_price: Decimal, units_to_date: Decimal, percent: Decimal) -> tuple[Fraction, Fraction]:
    """Billable cost and effective unit price of a meter with earned credit, from its consumption of the month so far.

    The cost is cut to cents, and the price is that cost by unit: so yesterday's price moves until the month is over.

    Args:
        unit_price: list price.
        units_to_date: consumption of the meter in the month, of all its resources.
        percent: of the credit: 15, not 0.15.

    Returns:
        Billable cost, and effective unit price, unrounded (files carry 15 decimals).

    Raises:
        ValueError: when nothing was consumed.
    """
    if not units_to_date:
        raise ValueError("Consumption other than 0 was expected; without any there is no price per unit.")
    cost = cut(Fraction(units_to_date) * promotion_price(unit_price, percent), CENTS)
    return cost, cost / Fraction(units_to_date)


@dataclass(frozen=True, slots=True)
class SavingsPlanDay:
    """Usage of one instance beside a savings plan, unrounded.

    Attributes:
        covered_hours_per_hour: the part of each hour that the commitment pays.
        payg_hours: hours at list price; the only ones that daily usage shows with a cost.
        payg_cost: their cost.
        total_cost: commitment and list price together.
    """

    covered_hours_per_hour: Fraction
    payg_hours: Fraction
    payg_cost: Fraction
    total_cost: Fraction


def savings_plan_day(
    commitment_per_hour: Decimal, payg_price: Decimal, plan_price: Decimal, hours: int
) -> SavingsPlanDay:
    """What an instance that runs for some hours costs under a savings plan with an hourly commitment."""
    covered = min(Fraction(commitment_per_hour) / Fraction(plan_price), Fraction(1))
    payg_hours = hours * (1 - covered)
    payg_cost = payg_hours * Fraction(payg_price)
    return SavingsPlanDay(covered, payg_hours, payg_cost, payg_cost + hours * Fraction(commitment_per_hour))


def rate_from_inverse(pricing_per_unit: Decimal) -> Fraction:
    """Billing currency for one unit of pricing currency, from a rates file, which has it the other way round.

    Raises:
        ValueError: when the rate is not above 0.
    """
    if pricing_per_unit <= 0:
        raise ValueError(f"A rate above 0 was expected, {pricing_per_unit} was given.")
    return 1 / Fraction(pricing_per_unit)


def rate_set_on(month: str) -> date:
    """The day (16:00 UTC) whose rate holds for a month: the last but one business day of the month before.

    Microsoft, billing basics: two business days before the end of the previous month, 29 November for December.

    Args:
        month: YYYY-MM.
    """
    day, business_days = first_day_of(month), 0
    while business_days < 2:  # noqa: PLR2004  (two business days)
        day -= ONE_DAY
        business_days += day.weekday() < _SATURDAY
    return day


def legacy_amount(
    rule: LegacyRule, price: Decimal, days: int, cycle_days: int, quantity: Decimal | int = 1
) -> Fraction:
    """A prorated legacy charge: half up on the line, under one of the three ways of the legacy pages."""
    daily = Fraction(price) / cycle_days
    if rule != "exact":
        daily = half_up(daily, CENTS if rule == "daily_cents" else CENTS + 1)
    return half_up(daily * days * Fraction(quantity), CENTS)


@dataclass(frozen=True, slots=True)
class LegacyPart:
    """Days of a legacy period with one quantity; `end` is inclusive."""

    start: date
    end: date
    quantity: int

    @property
    def days(self) -> int:
        """Days, both ends counted."""
        return (self.end - self.start).days + 1


def legacy_seat_change(start: date, end: date, change: date, before: int, after: int) -> tuple[LegacyPart, ...]:
    """The parts into which a seat change cuts a legacy period: before it, up to the next anniversary, the rest.

    Anniversaries are monthly; a period of a month has none inside, so the change cuts it in two.

    Args:
        start: first day of the period.
        end: last day of the period (inclusive).
        change: first day of the new quantity.
        before: quantity before.
        after: quantity from that day on.

    Raises:
        ValueError: when the change is outside of the period.
    """
    if not start <= change <= end:
        raise ValueError(f"A change from {start} to {end} was expected, {change} was given.")
    parts = [LegacyPart(start, change - ONE_DAY, before)] if change > start else []
    months = 1
    while (anniversary := shift_months(start, months, start.day)) <= change:
        months += 1
    if anniversary <= end and (end - start).days >= LONGEST_MONTH:
        parts += [LegacyPart(change, anniversary - ONE_DAY, after), LegacyPart(anniversary, end, after)]
    else:
        parts.append(LegacyPart(change, end, after))
    return tuple(parts)


def legacy_refund_days(start: date, end: date, suspended_on: date) -> int:
    """Days of a legacy period that a suspension refunds: all within 30 days of its start, then those that are left."""
    is_early = suspended_on - start < timedelta(days=FULL_REFUND_DAYS)
    return (end - (start if is_early else suspended_on)).days + 1
