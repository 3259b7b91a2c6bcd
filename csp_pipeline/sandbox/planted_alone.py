"""Customers with one planted difference each: one function per cause, with the figures it must lead to.

The formula beside each is the sentence of the rule in numbers; nothing here asks the pipeline.
"""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction
from typing import TYPE_CHECKING

from csp_pipeline.sandbox import catalogue as sold
from csp_pipeline.sandbox import deals
from csp_pipeline.sandbox.dates import anchored, days_between, first_day, last_day, shift
from csp_pipeline.sandbox.facts import SeatEvent, SubscriptionLink, round_fraction

if TYPE_CHECKING:
    from csp_pipeline.sandbox.facts import ContractLine
    from csp_pipeline.sandbox.plot import Plot

MID = 17
"""The anchor day of cycles that are not calendar months."""


def timing(plot: Plot) -> None:
    """Units added in the last month, which no invoice has shown yet."""
    added_on = plot.day(plot.last)
    seats = plot.seats(SeatEvent(added_on, "addQuantity", plot.quantity + plot.more, billed_month=""))
    line = plot.sell(seats)
    amount = plot.worth(plot.more, days_between(added_on, last_day(plot.last)), plot.last)
    plot.foresee("timing", plot.last, amount, plot.more, line, shift(plot.last, 1))


def timing_of_fewer(plot: Plot) -> None:
    """Units taken away in the last month, which no invoice has shown yet."""
    taken_on = plot.day(plot.last)
    seats = plot.seats(SeatEvent(taken_on, "removeQuantity", plot.quantity - plot.more, billed_month=""))
    line = plot.sell(seats)
    amount = -plot.worth(plot.more, days_between(taken_on, last_day(plot.last)), plot.last)
    plot.foresee("timing", plot.last, amount, -plot.more, line, shift(plot.last, 1))


def timing_settled(plot: Plot) -> None:
    """Units added in the first month, which the second month's invoice has: both months are settled."""
    event = SeatEvent(plot.day(plot.month(0)), "addQuantity", plot.quantity + plot.more, billed_month=plot.month(1))
    plot.sell(plot.seats(event))


def timing_missed(plot: Plot) -> None:
    """Units added in the first month, which no later invoice has: a mismatch from the first month on."""
    added_on = plot.day(plot.month(0))
    seats = plot.seats(SeatEvent(added_on, "addQuantity", plot.quantity + plot.more, is_missed=True))
    line = plot.sell(seats)
    for month in (plot.month(number) for number in range(3)):
        first = max(added_on, first_day(month))
        amount = plot.worth(plot.more, days_between(first, last_day(month)), month)
        plot.foresee("quantity_mismatch", month, amount, plot.more, line)


def timing_not_backdated(plot: Plot) -> None:
    """Units added in the first month, which the provider charges from the next cycle on only."""
    month = plot.month(0)
    added_on = plot.day(month)
    line = plot.sell(plot.seats(SeatEvent(added_on, "addQuantity", plot.quantity + plot.more, billed_month="")))
    amount = plot.worth(plot.more, days_between(added_on, last_day(month)), month)
    plot.foresee("quantity_mismatch", month, amount, plot.more, line)


def period(plot: Plot) -> None:
    """Arrears from the 17th: the last cycle is on a document that is not drafted yet."""
    seats = plot.seats(starts_on=plot.scenario.before(6, MID))
    _undrafted(plot, plot.sell(seats, anchor_day=MID), plot.quantity)


def _undrafted(plot: Plot, line: ContractLine, quantity: int) -> None:
    days = plot.days(plot.last)
    plot.foresee("period", plot.last, -plot.worth(quantity, days - MID + 1, plot.last), -quantity, line)
    plot.foresee("period", shift(plot.last, 1), -plot.worth(quantity, MID - 1, plot.last), None, line)


def period_prepaid(plot: Plot) -> None:
    """A year paid before the first invoice, charged by the month."""
    line = plot.sell(plot.seats(starts_on=plot.scenario.before(4, 1), cycle_months=12))
    for month in plot.months:
        plot.foresee("period", month, plot.worth(plot.quantity, 1, 1), plot.quantity, line)


def price_version(plot: Plot) -> None:
    """A price that changes inside the provider's month, which stands on the former version."""
    changed_on = plot.day(plot.month(1))
    seats = plot.seats()
    former = plot.sell(seats, ends_on=changed_on - timedelta(days=1))
    latter = plot.sell(seats, price=plot.new_price, starts_on=changed_on)
    month, left = plot.month(1), days_between(changed_on, last_day(plot.month(1)))
    plot.foresee("price_version", month, -plot.worth(plot.quantity, left, month), -plot.quantity, former)
    gained = plot.worth(plot.quantity, left, month, plot.new_price)
    plot.foresee("price_version", month, gained, plot.quantity, latter)


def proration(plot: Plot) -> None:
    """Provider cycles from the 17th against our calendar months; the last reaches into a month without drafts."""
    seats = plot.seats(starts_on=plot.scenario.before(6, MID))
    line = plot.sell(seats, starts_on=plot.scenario.starts_on.replace(day=MID))
    rhythms(plot, line, plot.quantity)


def rhythms(plot: Plot, line: ContractLine, quantity: int) -> None:
    """Foresee what units charged from the 17th by the provider and from the 1st by us differ by."""
    for month in plot.months[1:]:
        days, before = plot.days(month), plot.days(shift(month, -1))
        difference = plot.worth(quantity, MID - 1, days) - plot.worth(quantity, MID - 1, before)
        if difference:
            plot.foresee("proration", month, difference, 0, line)
    plot.foresee("period", shift(plot.last, 1), -plot.worth(quantity, MID - 1, plot.last), None, line)


def fx_rate(plot: Plot) -> None:
    """A year paid at once, at cost-plus in another currency: its comparison keeps the rate of its document."""
    scenario, first = plot.scenario, plot.month(0)
    seats = plot.seats(starts_on=first_day(first), cycle_months=12)
    line = plot.resell(seats)
    currency = scenario.account_currency(plot.customer.account_id)
    year = days_between(first_day(first), anchored(shift(first, 12), 1)) - 1
    for number in range(12):
        month = shift(first, number)
        base = Fraction(plot.quantity * plot.cost * 12 * plot.days(month)) / year * Fraction(11, 10)
        kept = base * Fraction(scenario.rate(plot.customer.currency.code, currency, first))
        if month > plot.last:
            plot.foresee("period", month, -kept, None, line)
            continue
        used = base * Fraction(scenario.rate(plot.customer.currency.code, currency, month))
        plot.foresee("fx_rate", month, used - kept, None, line)
        charged = round_fraction(used, sold.CURRENCIES[currency].minor_unit)
        plot.foresee("rounding", month, Fraction(charged) - used, None, line)


def rounding(plot: Plot) -> None:
    """A price that does not divide by days: each of our lines is rounded, the provider's expectation is not."""
    minor = plot.customer.currency.minor_unit
    price = plot.price + 7 * minor
    added_on = plot.day(plot.month(1))
    seats = plot.seats(SeatEvent(added_on, "addQuantity", plot.quantity + plot.more))
    line = plot.sell(seats, price=price)
    exact = plot.worth(plot.more, days_between(added_on, last_day(plot.month(1))), plot.month(1), price)
    plot.foresee("rounding", plot.month(1), Fraction(round_fraction(exact, minor)) - exact, 0, line)


def credit(plot: Plot) -> None:
    """A one-off credit beside healthy seats, for something that no contract line sells."""
    plot.sell(plot.seats(licence=sold.E3))
    line = plot.credit(3 * plot.cost, sold.COPILOT)
    plot.foresee("credit", plot.month(1), -line.subtotal, None, line)


def credit_abroad(plot: Plot) -> None:
    """The same for an account billed in another currency: at the rate of the month, to its minor unit."""
    line = plot.credit(3 * plot.cost, sold.COPILOT)
    currency = plot.scenario.account_currency(plot.customer.account_id)
    rate = plot.scenario.rate(plot.customer.currency.code, currency, plot.month(1))
    amount = round_fraction(-Fraction(line.subtotal) * Fraction(rate), sold.CURRENCIES[currency].minor_unit)
    plot.foresee("credit", plot.month(1), amount, None, line)


def own_service(plot: Plot) -> None:
    """Work of the partner's own beside healthy seats: no difference."""
    plot.sell(plot.seats())
    deals.own_service(plot.scenario, plot.customer, "Service desk", sold.TEAMS_ROOMS, plot.quantity)


def replaced_subscription(plot: Plot) -> None:
    """Seats bought again under another id inside a month; our line for the former runs to the month's end."""
    succession(plot, plot.quantity)


def succession(plot: Plot, quantity: int) -> tuple[ContractLine, ContractLine]:
    """Foresee what moves from one subscription to its successor of so many units on a day of the second month."""
    month = plot.month(1)
    moved_on = plot.day(month)
    base = plot.seats(SeatEvent(moved_on, "convert", 0))
    base.ends_on = moved_on
    successor = plot.seats(starts_on=base.starts_on, quantity=quantity, licence=base.licence)
    successor.joined_on, successor.first_type = moved_on, "convert"
    scenario = plot.scenario
    ids = base.subscription_id, successor.subscription_id
    scenario.links.append(SubscriptionLink(*ids, moved_on, "bought again"))
    former = plot.sell(base, fixed=plot.quantity, ends_on=last_day(month))
    latter = plot.sell(successor, fixed=quantity, starts_on=first_day(plot.last))
    common, left = min(plot.quantity, quantity), days_between(moved_on, last_day(month))
    amount = plot.worth(common, left, month)
    plot.foresee("replaced_subscription", month, amount, common, former)
    plot.foresee("replaced_subscription", month, -amount, -common, latter)
    return former, latter


def unbilled_cost(plot: Plot) -> None:
    """Seats that no contract line sells, beside healthy ones."""
    plot.sell(plot.seats(licence=sold.E3))
    seats = plot.seats(quantity=plot.more, licence=sold.PROJECT)
    for month in plot.months:
        plot.foresee("unbilled_cost", month, -plot.more * plot.cost, -plot.more, seats)


def unbilled_cost_abroad(plot: Plot) -> None:
    """Seats that no contract line sells to an account billed in another currency."""
    seats = plot.seats()
    currency = plot.scenario.account_currency(plot.customer.account_id)
    for month in plot.months:
        rate = plot.scenario.rate(plot.customer.currency.code, currency, month)
        cost = round_fraction(Fraction(plot.quantity * plot.cost * rate), sold.CURRENCIES[currency].minor_unit)
        plot.foresee("unbilled_cost", month, -cost, -plot.quantity, seats)


def revenue_without_cost(plot: Plot) -> None:
    """Seats that we charge and nobody provides, beside healthy ones."""
    plot.sell(plot.seats())
    line = plot.sell(None, fixed=plot.more)
    for month in plot.months:
        plot.foresee("revenue_without_cost", month, plot.worth(plot.more, 1, 1), plot.more, line)


def contract_expired(plot: Plot) -> None:
    """A contract line that ends inside the second month; the provider goes on."""
    ends_on = plot.day(plot.month(1))
    line = plot.sell(plot.seats(), ends_on=ends_on)
    for month in plot.months[-2:]:
        first = max(ends_on + timedelta(days=1), first_day(month))
        amount = plot.worth(plot.quantity, days_between(first, last_day(month)), month)
        plot.foresee("contract_expired", month, -amount, -plot.quantity, line)


def quantity_mismatch(plot: Plot) -> None:
    """A fixed quantity that is too high."""
    line = plot.sell(plot.seats(), fixed=plot.quantity + plot.more)
    for month in plot.months:
        plot.foresee("quantity_mismatch", month, plot.worth(plot.more, 1, 1), plot.more, line)


def quantity_mismatch_of_fewer(plot: Plot) -> None:
    """A fixed quantity that is too low."""
    line = plot.sell(plot.seats(), fixed=plot.quantity - plot.more)
    for month in plot.months:
        plot.foresee("quantity_mismatch", month, -plot.worth(plot.more, 1, 1), -plot.more, line)


def unmapped_customer(plot: Plot) -> None:
    """Seats of a tenant that no account owns."""
    seats = plot.seats()
    for month in plot.months:
        plot.foresee("unmapped_customer", month, -plot.quantity * plot.cost, -plot.quantity, seats)
