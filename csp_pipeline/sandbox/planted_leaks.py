"""Customers with one leak each that is no difference: what is charged as agreed, and costs money all the same.

Leaks that are differences (unbilled cost, revenue without cost, expired contract lines) stand in `planted_alone`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from csp_pipeline.sandbox import deals
from csp_pipeline.sandbox.dates import last_day
from csp_pipeline.sandbox.facts import plain

if TYPE_CHECKING:
    from csp_pipeline.sandbox.plot import Plot


@dataclass(frozen=True)
class Leak:
    """A row that `reconciliation.leaks` must have; the amount is None where usage decides it."""

    kind: str
    customer_id: str
    subscription_id: str
    currency: str
    monthly_amount: Decimal | None

    def as_json(self) -> dict[str, str | None]:
        """The leak as `expected.json` lists it."""
        return {
            "kind": self.kind,
            "customer_id": self.customer_id,
            "subscription_id": self.subscription_id,
            "currency": self.currency,
            "monthly_amount": None if self.monthly_amount is None else plain(self.monthly_amount),
        }


def _leak(plot: Plot, kind: str, subscription_id: str, amount: Decimal | None) -> None:
    customer = plot.customer
    found = Leak(kind, customer.customer_id, subscription_id, customer.currency.code, amount)
    plot.scenario.leaks.append(found)


def negative_margin(plot: Plot) -> None:
    """Seats sold for half of what they cost."""
    seats = plot.seats()
    plot.sell(seats, price=plot.cost / 2)
    _leak(plot, "negative_margin", seats.subscription_id, plot.quantity * plot.cost / 2)


def free_contract(plot: Plot) -> None:
    """Seats that are given away."""
    seats = plot.seats()
    plot.sell(seats, price=Decimal(0))
    _leak(plot, "free_contract", seats.subscription_id, plot.quantity * plot.cost)


def suspended(plot: Plot) -> None:
    """Seats that nobody can use: both sides charge them on."""
    seats = plot.seats()
    seats.is_suspended = True
    plot.sell(seats)
    _leak(plot, "suspended_but_billed", seats.subscription_id, plot.quantity * plot.price)


def flat_fee_expired(plot: Plot) -> None:
    """A fixed fee that ended with the month before the last; the provider goes on."""
    seats = plot.seats()
    sold = plot.sell(seats, ends_on=last_day(plot.month(1)))
    plot.scenario.contract_lines[-1] = replace(sold, pricing_model="flat", unit_price=plot.price * 100)
    _leak(plot, "contract_expired", seats.subscription_id, plot.quantity * plot.cost)


def lost_credit(plot: Plot) -> None:
    """Azure whose earned credit is lost in the second month, for some of its resources."""
    lost_on = plot.day(plot.month(1))
    plan = deals.plan(plot.scenario, plot.customer, entitlements=1, weight=1, loses_credit_on=lost_on)
    line = deals.cost_plus(plot.scenario, plot.customer, "10", "net", subscription_id=plan.subscription_id)
    deals.plant(plot.scenario, "rounding", plot.customer, contract_line=plot.scenario.contract(line), source=plan)
    _leak(plot, "forgone_credit", plan.entitlements[0].entitlement_id, None)
