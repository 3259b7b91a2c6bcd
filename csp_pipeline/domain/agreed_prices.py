"""What a contract line agrees with the customer, as reconciliation needs it: its keys, and its price on a day.

What belongs here: prices, discounts, trials as they stand. What is charged for them is `charges`, from the terms in
`contract_lines`; what a provider's line should meet is `revenue_vs_cost`.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from csp_pipeline.domain.contract_lines import price_on
from csp_pipeline.domain.difference_facts import fraction_units
from csp_pipeline.domain.recognition import from_units

if TYPE_CHECKING:
    from datetime import date

    from csp_pipeline.domain.contract_lines import PriceStep
    from csp_pipeline.domain.tiers import PriceTiers


class Contract(NamedTuple):
    """A contract line as reconciliation needs it; `months` are those of its billing cycle.

    Attributes:
        charges_start_on: the first day charged, after a trial; the provider's days before it are agreed to be free.
        is_one_time: charged once and whole; nothing is counted.
        tiers: of a graduated, volume or package price, else None.
        price_steps: prices over time, where it has several.
    """

    contract_line_id: str
    account_id: str
    customer_id: str | None
    subscription_id: str | None
    product_id: str | None
    sku_id: str | None
    description: str | None
    pricing_model: str
    unit_price: Decimal
    currency: str
    markup_percent: Decimal
    discount_percent: Decimal
    months: int
    is_prorated: bool
    starts_on: date
    ends_on: date | None
    cost_source: str
    cost_basis: str
    unit_cost: Decimal | None
    discount_ends_on: date | None = None
    charges_start_on: date | None = None
    is_one_time: bool = False
    tiers: PriceTiers | None = None
    price_steps: tuple[PriceStep, ...] = ()

    def unit_price_on(self, day: date) -> Fraction:
        """The price of a unit for a full cycle that begins on a day."""
        return Fraction(price_on(self.price_steps, day, self.unit_price))

    def discount_on(self, start: date) -> Decimal:
        """The percentage taken off a charge that starts on a day."""
        is_over = self.discount_ends_on is not None and start > self.discount_ends_on
        return Decimal(0) if is_over else self.discount_percent

    def left_after_discount(self, start: date) -> Fraction:
        """The part of a price that is charged when the charge starts on a day: 9/10 with a discount of 10 percent."""
        return _left_after(self.discount_on(start))

    def monthly_price(self, start: date, unit_price: Fraction | None = None) -> Fraction:
        """The agreed price of one unit per month, after the percentage discount, of a charge that starts on a day.

        Args:
            start: first day of the charge.
            unit_price: of a full cycle, where it follows from tiers (`effective_price`).
        """
        if unit_price is not None:
            return unit_price * self.left_after_discount(start) / self.months
        return _monthly_price(price_on(self.price_steps, start, self.unit_price), self.discount_on(start), self.months)

    def daily_price(self, start: date, months: int, days: int, unit_price: Fraction | None = None) -> Fraction:
        """The agreed price of one unit and day in a cycle, of a charge that starts on a day.

        Args:
            start: first day of the charge.
            months: of the cycle.
            days: of the cycle.
            unit_price: as in `monthly_price`.
        """
        if unit_price is not None:
            return self.monthly_price(start, unit_price) * months / days
        unit = price_on(self.price_steps, start, self.unit_price)
        return _daily_price(unit, self.discount_on(start), self.months, months, days)

    def priced_days(self, start: date, end: date, full_days: int) -> int:
        """The days over which the price of a cycle of ours is spread.

        Those of the full cycle; where days do not count, the last cycle is charged in full, however short it is.

        Args:
            start: first day of the cycle, as far as the contract line reaches.
            end: its last day.
            full_days: days of the full cycle.
        """
        is_in_full = not self.is_prorated and end == self.ends_on
        return (end - start).days + 1 if is_in_full else full_days

    def stated_price(self, day: date) -> Decimal:
        """The price of a unit per month, of a cycle that begins on a day, before any discount, with 10 decimals."""
        return _stated_price(price_on(self.price_steps, day, self.unit_price), self.months)

    def effective_price(self, quantity: Decimal, day: date) -> Fraction:
        """The price of a unit for a full cycle when so many are charged: with tiers the whole amount ÷ quantity."""
        if self.tiers is None or not quantity:
            return self.unit_price_on(day)
        return Fraction(self.tiers.amount(quantity)) / Fraction(quantity)

    def is_free_on(self, day: date) -> bool:
        """Whether a day is in a trial; days before the contract line are not, nobody agreed on them."""
        return self.charges_start_on is not None and self.starts_on <= day < self.charges_start_on

    @property
    def is_own(self) -> bool:
        """Own work, or a line without any cost."""
        return self.cost_source in {"own", "none"}


@lru_cache(maxsize=1024)
def _left_after(discount_percent: Decimal) -> Fraction:
    return 1 - Fraction(discount_percent) / 100


@lru_cache(maxsize=1 << 16)
def _monthly_price(unit_price: Decimal, discount_percent: Decimal, months: int) -> Fraction:
    """Remembered, as many customers pay the same price."""
    return Fraction(unit_price) * _left_after(discount_percent) / months


@lru_cache(maxsize=1 << 16)
def _daily_price(unit_price: Decimal, discount_percent: Decimal, own_months: int, months: int, days: int) -> Fraction:
    return _monthly_price(unit_price, discount_percent, own_months) * months / days


@lru_cache(maxsize=1 << 16)
def _stated_price(unit_price: Decimal, months: int) -> Decimal:
    return from_units(fraction_units(Fraction(unit_price) / months))
