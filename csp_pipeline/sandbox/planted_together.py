"""Customers with several planted differences, most of them on the same row: each part with its own figure.

The first cause that applies takes its part, the next what is left (the order of the causes in the contract).
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from csp_pipeline.sandbox import catalogue as sold
from csp_pipeline.sandbox.dates import anchored, days_between, first_day, last_day, shift
from csp_pipeline.sandbox.facts import SeatEvent, SubscriptionLink, round_fraction
from csp_pipeline.sandbox.planted_alone import MID, rhythms, succession

if TYPE_CHECKING:
    from csp_pipeline.sandbox.plot import Plot


def timing_and_price_version(plot: Plot) -> None:
    """A price that changes in the last month, and units added after it that no invoice has yet."""
    month = plot.last
    changed_on, added_on = plot.day(month, 3, 14), plot.day(month, 15, 27)
    seats = plot.seats(SeatEvent(added_on, "addQuantity", plot.quantity + plot.more, billed_month=""))
    former = plot.sell(seats, ends_on=changed_on - timedelta(days=1))
    latter = plot.sell(seats, price=plot.new_price, starts_on=changed_on)
    left, added = days_between(changed_on, last_day(month)), days_between(added_on, last_day(month))
    plot.foresee(
        "timing", month, plot.worth(plot.more, added, month, plot.new_price), plot.more, latter, shift(month, 1)
    )
    plot.foresee("price_version", month, -plot.worth(plot.quantity, left, month), -plot.quantity, former)
    gained = plot.worth(plot.quantity, left, month, plot.new_price)
    plot.foresee("price_version", month, gained, plot.quantity, latter)


def timing_and_proration(plot: Plot) -> None:
    """Provider cycles from the 17th against our calendar months, and units added after the last of them began."""
    month = plot.last
    added_on = plot.day(month, MID + 1, 27)
    event = SeatEvent(added_on, "addQuantity", plot.quantity + plot.more, billed_month="")
    seats = plot.seats(event, starts_on=plot.scenario.before(6, MID))
    line = plot.sell(seats, starts_on=plot.scenario.starts_on.replace(day=MID))
    amount = plot.worth(plot.more, days_between(added_on, last_day(month)), month)
    plot.foresee("timing", month, amount, plot.more, line, shift(month, 1))
    rhythms(plot, line, plot.quantity)


def timing_and_quantity_mismatch(plot: Plot) -> None:
    """Units added in the first month that no later invoice has, and more added in the last, which is to come."""
    missed_on, added_on = plot.day(plot.month(0)), plot.day(plot.last)
    added = 2 * plot.more
    seats = plot.seats(
        SeatEvent(missed_on, "addQuantity", plot.quantity + plot.more, is_missed=True),
        SeatEvent(added_on, "addQuantity", plot.quantity + plot.more + added, billed_month=""),
    )
    line = plot.sell(seats)
    amount = plot.worth(added, days_between(added_on, last_day(plot.last)), plot.last)
    plot.foresee("timing", plot.last, amount, added, line, shift(plot.last, 1))
    for month in (plot.month(number) for number in range(3)):
        days = days_between(max(missed_on, first_day(month)), last_day(month))
        plot.foresee("quantity_mismatch", month, plot.worth(plot.more, days, month), plot.more, line)


def timing_and_rounding(plot: Plot) -> None:
    """A change on the invoice that we round, and one after it that no invoice has yet."""
    month, minor = plot.last, plot.customer.currency.minor_unit
    price = plot.price + 7 * minor
    billed_on, added_on = plot.day(month, 3, 14), plot.day(month, 15, 27)
    more, most = plot.quantity + plot.more, plot.quantity + 3 * plot.more
    seats = plot.seats(
        SeatEvent(billed_on, "addQuantity", more), SeatEvent(added_on, "addQuantity", most, billed_month="")
    )
    line = plot.sell(seats, price=price)
    exact = plot.worth(plot.more, days_between(billed_on, last_day(month)), month, price)
    pending = plot.worth(2 * plot.more, days_between(added_on, last_day(month)), month, price)
    plot.foresee("timing", month, round_fraction(pending, minor), 2 * plot.more, line, shift(month, 1))
    plot.foresee("rounding", month, Fraction(round_fraction(exact, minor)) - exact, 0, line)


def timing_and_credit(plot: Plot) -> None:
    """Units that no invoice has yet, and a credit for something that no contract line sells, of one customer."""
    month = plot.last
    added_on = plot.day(month)
    seats = plot.seats(SeatEvent(added_on, "addQuantity", plot.quantity + plot.more, billed_month=""), licence=sold.E3)
    line = plot.sell(seats)
    amount = plot.worth(plot.more, days_between(added_on, last_day(month)), month)
    plot.foresee("timing", month, amount, plot.more, line, shift(month, 1))
    granted = plot.credit(2 * plot.cost, sold.COPILOT)
    plot.foresee("credit", plot.month(1), -granted.subtotal, None, granted)


def period_and_price_version(plot: Plot) -> None:
    """Cycles from the 17th in arrears, and a price that changes in the last: its new part is not drafted yet."""
    month = plot.last
    changed_on = plot.day(month, MID + 2, 27)
    seats = plot.seats(starts_on=plot.scenario.before(6, MID))
    former = plot.sell(seats, anchor_day=MID, ends_on=changed_on - timedelta(days=1))
    plot.sell(seats, anchor_day=MID, price=plot.new_price, starts_on=changed_on)
    left = days_between(changed_on, last_day(month))
    plot.foresee("period", month, -plot.worth(plot.quantity, left, month), -plot.quantity, former)
    plot.foresee("period", shift(month, 1), -plot.worth(plot.quantity, MID - 1, month), None, former)


def price_version_and_proration(plot: Plot) -> None:
    """Provider cycles from the 17th against calendar months, and a price that changes before the last 17th."""
    month = plot.last
    changed_on = plot.day(month, 4, 14)
    seats = plot.seats(starts_on=plot.scenario.before(6, MID))
    former = plot.sell(
        seats, starts_on=plot.scenario.starts_on.replace(day=MID), ends_on=changed_on - timedelta(days=1)
    )
    latter = plot.sell(seats, price=plot.new_price, starts_on=changed_on)
    before = plot.days(plot.month(1))
    for earlier in plot.months[1:-1]:
        days, cycle = plot.days(earlier), plot.days(shift(earlier, -1))
        difference = plot.worth(plot.quantity, MID - 1, days) - plot.worth(plot.quantity, MID - 1, cycle)
        plot.foresee("proration", earlier, difference, 0, former)
    common = changed_on.day - 1
    difference = plot.worth(plot.quantity, common, month) - plot.worth(plot.quantity, common, before)
    plot.foresee("proration", month, difference, 0, former)
    moved = MID - changed_on.day
    plot.foresee("price_version", month, -plot.worth(plot.quantity, moved, before), 0, former)
    plot.foresee("price_version", month, plot.worth(plot.quantity, moved, month, plot.new_price), 0, latter)
    tail = plot.worth(plot.quantity, MID - 1, month, plot.new_price)
    plot.foresee("period", shift(month, 1), -tail, None, latter)


def price_version_and_contract_expired(plot: Plot) -> None:
    """A price that changes inside a month, and its new version that ends before the month does."""
    month = plot.month(1)
    changed_on, ends_on = plot.day(month, 3, 12), plot.day(month, 14, 27)
    seats = plot.seats()
    former = plot.sell(seats, ends_on=changed_on - timedelta(days=1))
    latter = plot.sell(seats, price=plot.new_price, starts_on=changed_on, ends_on=ends_on)
    sold_days, left = days_between(changed_on, ends_on), days_between(ends_on, last_day(month)) - 1
    plot.foresee("price_version", month, -plot.worth(plot.quantity, sold_days, month), 0, former)
    plot.foresee("price_version", month, plot.worth(plot.quantity, sold_days, month, plot.new_price), 0, latter)
    plot.foresee("contract_expired", month, -plot.worth(plot.quantity, left, month), -plot.quantity, former)
    plot.foresee("contract_expired", plot.last, -plot.worth(plot.quantity, 1, 1), -plot.quantity, former)


def price_version_and_too_many(plot: Plot) -> None:
    """A price that changes inside a month, with a fixed quantity of the new version that is too high."""
    _versions_of(plot, plot.quantity + plot.more)


def price_version_and_too_few(plot: Plot) -> None:
    """A price that changes inside a month, with a fixed quantity of the new version that is too low."""
    _versions_of(plot, plot.quantity - plot.more)


def _versions_of(plot: Plot, fixed: int) -> None:
    month = plot.month(1)
    changed_on = plot.day(month)
    seats = plot.seats()
    former = plot.sell(seats, ends_on=changed_on - timedelta(days=1))
    latter = plot.sell(seats, price=plot.new_price, starts_on=changed_on, fixed=fixed)
    left, common = days_between(changed_on, last_day(month)), min(fixed, plot.quantity)
    plot.foresee("price_version", month, -plot.worth(common, left, month), -common, former)
    plot.foresee("price_version", month, plot.worth(common, left, month, plot.new_price), common, latter)
    surplus = fixed - plot.quantity
    if surplus > 0:
        amount = plot.worth(surplus, left, month, plot.new_price)
        plot.foresee("quantity_mismatch", month, amount, surplus, latter)
    else:
        plot.foresee("quantity_mismatch", month, plot.worth(surplus, left, month), surplus, former)
    amount = plot.worth(surplus, 1, 1, plot.new_price)
    plot.foresee("quantity_mismatch", plot.last, amount, surplus, latter)


def proration_and_too_many(plot: Plot) -> None:
    """Provider cycles from the 17th against our calendar months, and a fixed quantity that is too high."""
    _rhythms_of(plot, plot.quantity + plot.more)


def proration_and_too_few(plot: Plot) -> None:
    """Provider cycles from the 17th against our calendar months, and a fixed quantity that is too low."""
    _rhythms_of(plot, plot.quantity - plot.more)


def _rhythms_of(plot: Plot, fixed: int) -> None:
    """Seats in common differ by days; the others by our price where we have them, by the provider's days where not."""
    opening = plot.scenario.starts_on.replace(day=MID)
    line = plot.sell(plot.seats(starts_on=plot.scenario.before(6, MID)), fixed=fixed, starts_on=opening)
    common, surplus = min(fixed, plot.quantity), fixed - plot.quantity
    for month in plot.months:
        days, before = plot.days(month), plot.days(shift(month, -1))
        whole = days - MID + 1 if month == plot.months[0] else days
        amount = plot.worth(surplus, whole, month)
        if surplus < 0 and month != plot.months[0]:
            amount = plot.worth(surplus, MID - 1, before) + plot.worth(surplus, days - MID + 1, days)
        plot.foresee("quantity_mismatch", month, amount, surplus, line)
        if month != plot.months[0]:
            difference = plot.worth(common, MID - 1, days) - plot.worth(common, MID - 1, before)
            plot.foresee("proration", month, difference, 0, line)
    plot.foresee("period", shift(plot.last, 1), -plot.worth(plot.quantity, MID - 1, plot.last), None, line)


def replaced_subscription_and_more_seats(plot: Plot) -> None:
    """Seats bought again under another id, and more of them: the others nobody bills in that month."""
    _, latter = succession(plot, plot.quantity + plot.more)
    month = plot.month(1)
    moved_on = plot.scenario.links[-1].valid_from
    amount = plot.worth(plot.more, days_between(moved_on, last_day(month)), month)
    plot.foresee("unbilled_cost", month, -amount, -plot.more, latter)


def replaced_subscription_and_fewer_seats(plot: Plot) -> None:
    """Seats bought again under another id, and fewer of them: the others we charge for nothing in that month."""
    former, _ = succession(plot, plot.quantity - plot.more)
    month = plot.month(1)
    moved_on = plot.scenario.links[-1].valid_from
    amount = plot.worth(plot.more, days_between(moved_on, last_day(month)), month)
    plot.foresee("quantity_mismatch", month, amount, plot.more, former)


def replaced_subscription_and_proration(plot: Plot) -> None:
    """Cycles from the 17th against calendar months, and seats bought again under another id in the last month."""
    month = plot.last
    moved_on = plot.day(month, MID + 1, 27)
    base = plot.seats(SeatEvent(moved_on, "convert", 0), starts_on=plot.scenario.before(6, MID))
    base.ends_on = moved_on
    successor = plot.seats(starts_on=base.starts_on, licence=base.licence)
    successor.joined_on, successor.first_type = moved_on, "convert"
    ids = base.subscription_id, successor.subscription_id
    plot.scenario.links.append(SubscriptionLink(*ids, moved_on, "bought again"))
    opening = plot.scenario.starts_on.replace(day=MID)
    former = plot.sell(base, fixed=plot.quantity, starts_on=opening, ends_on=last_day(month))
    latter = plot.sell(successor, fixed=plot.quantity, starts_on=first_day(shift(month, 1)))
    for one in plot.months[1:]:
        days, before = plot.days(one), plot.days(shift(one, -1))
        difference = plot.worth(plot.quantity, MID - 1, days) - plot.worth(plot.quantity, MID - 1, before)
        plot.foresee("proration", one, difference, 0, former)
    amount = plot.worth(plot.quantity, days_between(moved_on, last_day(month)), month)
    plot.foresee("replaced_subscription", month, amount, plot.quantity, former)
    plot.foresee("replaced_subscription", month, -amount, -plot.quantity, latter)
    plot.foresee("period", shift(month, 1), -plot.worth(plot.quantity, MID - 1, month), None, latter)


def replaced_subscription_and_timing(plot: Plot) -> None:
    """Units added to the successor in the last month, which no invoice has yet; it took over the month before."""
    moved, added = plot.month(1), plot.last
    moved_on, added_on = plot.day(moved), plot.day(added)
    base = plot.seats(SeatEvent(moved_on, "convert", 0))
    base.ends_on = moved_on
    event = SeatEvent(added_on, "addQuantity", plot.quantity + plot.more, billed_month="")
    successor = plot.seats(event, starts_on=base.starts_on, licence=base.licence)
    successor.joined_on, successor.first_type = moved_on, "convert"
    ids = base.subscription_id, successor.subscription_id
    plot.scenario.links.append(SubscriptionLink(*ids, moved_on, "bought again"))
    former = plot.sell(base, fixed=plot.quantity, ends_on=last_day(moved))
    latter = plot.sell(successor, starts_on=first_day(added))
    amount = plot.worth(plot.quantity, days_between(moved_on, last_day(moved)), moved)
    plot.foresee("replaced_subscription", moved, amount, plot.quantity, former)
    plot.foresee("replaced_subscription", moved, -amount, -plot.quantity, latter)
    amount = plot.worth(plot.more, days_between(added_on, last_day(added)), added)
    plot.foresee("timing", added, amount, plot.more, latter, shift(added, 1))


def credit_and_unbilled_cost(plot: Plot) -> None:
    """Seats that no contract line sells, and a credit on the same subscription: one row, two parts."""
    seats = plot.seats(quantity=plot.more, licence=sold.PROJECT)
    line = plot.credit(2 * plot.cost, sold.PROJECT, seats.subscription_id)
    for month in plot.months:
        plot.foresee("unbilled_cost", month, -plot.more * plot.cost, -plot.more, seats)
    plot.foresee("credit", plot.month(1), -line.subtotal, 0, seats)


def credit_and_unmapped_customer(plot: Plot) -> None:
    """Seats and a credit of a tenant that no account owns: all of it is unmapped, for that cause comes first."""
    seats = plot.seats(licence=sold.PROJECT)
    credited = 2 * plot.cost
    plot.credit(credited, sold.PROJECT, seats.subscription_id)
    for month in plot.months:
        amount = -plot.quantity * plot.cost + (credited if month == plot.month(1) else Decimal(0))
        plot.foresee("unmapped_customer", month, amount, -plot.quantity, seats)


def contract_expired_and_quantity_mismatch(plot: Plot) -> None:
    """A fixed quantity that is too high, of a contract line that ends inside the second month."""
    ends_on = plot.day(plot.month(1))
    line = plot.sell(plot.seats(), fixed=plot.quantity + plot.more, ends_on=ends_on)
    for month in plot.months[:-1]:
        days = days_between(first_day(month), min(ends_on, last_day(month)))
        is_ended = month == plot.month(1)
        plot.foresee("quantity_mismatch", month, plot.worth(plot.more, days, month), 0 if is_ended else plot.more, line)
    for month in plot.months[-2:]:
        first = max(ends_on + timedelta(days=1), first_day(month))
        amount = plot.worth(plot.quantity, days_between(first, last_day(month)), month)
        plot.foresee("contract_expired", month, -amount, -plot.quantity, line)


def fx_rate_and_credit(plot: Plot) -> None:
    """A year at cost-plus in another currency, and a credit on it in the second month: one row, rates of two documents.

    The credit is cost of the contract line and no difference; it enters its base at the rate of its own month.
    """
    scenario, first, credited_in = plot.scenario, plot.month(0), plot.month(1)
    seats = plot.seats(starts_on=first_day(first), cycle_months=12, licence=sold.VISIO)
    credited = plot.cost
    plot.credit(credited, sold.VISIO, seats.subscription_id)
    line = plot.resell(seats)
    currency = scenario.account_currency(plot.customer.account_id)
    year = days_between(first_day(first), anchored(shift(first, 12), 1)) - 1
    factor = Fraction(11, 10)
    for number in range(12):
        month = shift(first, number)
        base = Fraction(plot.quantity * plot.cost * 12 * plot.days(month)) / year
        kept = base * Fraction(scenario.rate(plot.customer.currency.code, currency, first)) * factor
        if month > plot.last:
            plot.foresee("period", month, -kept, None, line)
            continue
        rate = Fraction(scenario.rate(plot.customer.currency.code, currency, month))
        used = base * rate * factor
        plot.foresee("fx_rate", month, used - kept, None, line)
        exact = used - (Fraction(credited) * rate * factor if month == credited_in else 0)
        charged = round_fraction(exact, sold.CURRENCIES[currency].minor_unit)
        plot.foresee("rounding", month, Fraction(charged) - exact, None, line)
