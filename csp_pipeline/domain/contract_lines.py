"""The terms of a contract line that decide its charges, the cost it takes, and the invoices asked for.

What belongs here: frozen values. What is charged for them is `charges`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple

from csp_pipeline.domain.calendar import CycleCalendar, Timing, first_day_of, month_of, shift_month
from csp_pipeline.domain.proration import EXACT
from csp_pipeline.domain.quantities import ZERO

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from csp_pipeline.domain.commitments import Commitments
    from csp_pipeline.domain.tiers import PriceTiers

PricingModel = Literal["per_unit", "flat", "cost_plus", "graduated", "volume", "package"]

ONE = Decimal(1)


class PriceStep(NamedTuple):
    """A price from a day on, until the next step."""

    from_on: date
    unit_price: Decimal


def price_on(steps: Sequence[PriceStep], day: date, otherwise: Decimal) -> Decimal:
    """The price of a day; before the first step that one's, without any step another.

    Args:
        steps: by day.
        day: the day.
        otherwise: the price where there are no steps.
    """
    if not steps:
        return otherwise
    begun = [step.unit_price for step in steps if step.from_on <= day]
    return begun[-1] if begun else steps[0].unit_price


@dataclass(frozen=True, slots=True)
class ContractLine:
    """The terms of a contract line that decide its charges.

    Attributes:
        calendar: its cycles, from the day after a trial; those of a cost-plus line are calendar months.
        timing: in advance or in arrears; not used by cost-plus, which follows its cost.
        is_prorated: days count (`proration daily`), or only whole cycles do (`none`).
        unit_price: price of a unit, or of everything (flat), for a full cycle; not used where there are tiers.
        price_steps: its prices over time, each with its first day, where it has several (a component of a bundle to
            which others come or from which they go); the calendar has cuts on those days. Empty for one price.
        discount_ends_on: last day on which a cycle may start and still be discounted, by percent or by amount.
        decimals: of the currency's minor unit.
        tiers: of a graduated, volume or package line; None for the others.
        commitments: on the total of a cycle; None when there are none.
        is_one_time: it lasts one day and is charged once, whole, whatever the cycle.
    """

    contract_line_id: str
    pricing_model: PricingModel
    calendar: CycleCalendar
    decimals: int
    timing: Timing = "advance"
    is_prorated: bool = True
    unit_price: Decimal = ZERO
    discount_percent: Decimal = ZERO
    markup_percent: Decimal = ZERO
    discount_ends_on: date | None = None
    tiers: PriceTiers | None = None
    commitments: Commitments | None = None
    is_one_time: bool = False
    price_steps: tuple[PriceStep, ...] = ()

    def priced_on(self, day: date) -> ContractLine:
        """The same line at the price of a day."""
        price = price_on(self.price_steps, day, self.unit_price)
        return self if price == self.unit_price else replace(self, unit_price=price)

    def is_discounted_on(self, start: date) -> bool:
        """Whether a cycle that starts on a day is still discounted."""
        return self.discount_ends_on is None or start <= self.discount_ends_on

    def discount_on(self, start: date) -> Decimal:
        """The discount, in percent, of a cycle that starts on a day."""
        return self.discount_percent if self.is_discounted_on(start) else ZERO

    @property
    def price_on_line(self) -> Decimal | None:
        """The price that stands on a line; None where it follows from tiers."""
        return self.unit_price if self.tiers is None else None

    def full_price(self, quantity: Decimal) -> Decimal:
        """The exact price of a quantity for a full cycle, before any discount."""
        return EXACT.multiply(self.unit_price, quantity) if self.tiers is None else self.tiers.amount(quantity)

    def price_change(self, before: Decimal, after: Decimal) -> Decimal:
        """By how much the price of a full cycle changes with the quantity, exact, before any discount."""
        if self.tiers is None:
            return EXACT.multiply(self.unit_price, after - before)
        return self.tiers.difference(before, after)


@dataclass(frozen=True, slots=True)
class CostBase:
    """Provider cost of one service month that a cost-plus line takes, in the currency of the provider's document.

    Attributes:
        amount: net or gross as the contract says, unrounded.
        rate: units of the contract line's currency for `rate_divisor` units of the cost's (an inverse rate divides).
        rate_divisor: 1 for a direct rate.
        is_estimate: some of it comes from open-month data.
    """

    amount: Decimal
    rate: Decimal = ONE
    rate_divisor: Decimal = ONE
    is_estimate: bool = False


@dataclass(frozen=True)
class Window:
    """The invoice months asked for, and where billing begins.

    Attributes:
        first: first invoice month, YYYY-MM.
        last: last invoice month, YYYY-MM.
        billing_starts_on: charges whose service starts earlier count as issued.
    """

    first: str
    last: str
    billing_starts_on: date

    @cached_property
    def first_billed_month(self) -> str:
        """No document has an earlier billing month."""
        return month_of(self.billing_starts_on)

    @cached_property
    def opens(self) -> date:
        """First day of the first month."""
        return first_day_of(self.first)

    @cached_property
    def closes(self) -> date:
        """First day after the last month."""
        return first_day_of(shift_month(self.last, 1))

    @cached_property
    def closes_in_advance(self) -> date:
        """First day whose cycles no invoice of the window charges in advance."""
        return first_day_of(shift_month(self.last, 2))

    def has(self, month: str) -> bool:
        """Whether a month's invoice was asked for."""
        return self.first <= month <= self.last
