"""What a customer with planted differences is made of: seats, contract lines, and the figures they must lead to.

Prices are such that a day of a month of 28, 30 or 31 days costs whole minor units: nothing rounds unless a case wants
it to, and each figure is the product of units, price and days that the case says.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from csp_pipeline.sandbox import catalogue as sold
from csp_pipeline.sandbox.catalogue import CURRENCIES, MICROSOFT, Licence
from csp_pipeline.sandbox.dates import anchored, last_day
from csp_pipeline.sandbox.deals import cost_plus
from csp_pipeline.sandbox.facts import ContractLine, Customer, ReconLine, SeatEvent, Seats, round_fraction
from csp_pipeline.sandbox.figures import AMOUNT_QUANTUM, Figure

if TYPE_CHECKING:
    from datetime import date

    from csp_pipeline.sandbox.scenario import Scenario

DIVISIBLE = 13_020
"""28 x 465, 30 x 434, 31 x 420."""
LICENCES = (sold.E3, sold.VISIO, sold.PROJECT, sold.POWER_BI, sold.EXCHANGE, sold.DEFENDER)


@dataclass
class Plot:
    """A customer in the making.

    Attributes:
        quantity: Units of the subscription at first.
        more: Units that are added, or charged too many.
        price: Ours for a unit and month, in the account's currency.
        new_price: Ours after a change of price.
        cost: The provider's for a unit and month.
    """

    scenario: Scenario
    customer: Customer
    source: random.Random
    quantity: int
    more: int
    price: Decimal
    new_price: Decimal
    cost: Decimal

    @classmethod
    def of(cls, scenario: Scenario, customer: Customer, name: str) -> Plot:
        """Draw quantities and prices of a case from the scenario's seed and the case's name."""
        source = random.Random(f"{scenario.seed}/planted/{name}")  # noqa: S311  (a scenario, not a secret)
        ours = CURRENCIES[scenario.account_currency(customer.account_id)] if customer.account_id else customer.currency
        step = DIVISIBLE * ours.minor_unit
        price = source.randrange(4, 9)
        return cls(
            scenario=scenario,
            customer=customer,
            source=source,
            quantity=source.randrange(8, 40),
            more=source.randrange(1, 7),
            price=price * step,
            new_price=(price + source.choice((-1, 1, 2))) * step,
            cost=source.randrange(1, 3) * DIVISIBLE * customer.currency.minor_unit,
        )

    @property
    def months(self) -> tuple[str, ...]:
        """The months of the scenario; what happens in a case happens in the last three."""
        return self.scenario.months

    @property
    def last(self) -> str:
        """The last month with a document and drafts."""
        return self.months[-1]

    def month(self, number: int) -> str:
        """One of the last three months: 0, 1 or 2."""
        return self.months[number - 3]

    def days(self, month: str) -> int:
        """Days of a month."""
        return last_day(month).day

    def day(self, month: str, first: int = 3, last: int = 27) -> date:
        """A day of a month."""
        return anchored(month, self.source.randrange(first, last + 1))

    def seats(
        self,
        *events: SeatEvent,
        quantity: int | None = None,
        starts_on: date | None = None,
        cycle_months: int = 1,
        customer: Customer | None = None,
        licence: Licence | None = None,
    ) -> Seats:
        """Add a subscription, charged from the 1st of each month unless told otherwise."""
        licence = licence or self.source.choice(LICENCES)
        bought = Seats(
            customer=customer or self.customer,
            parts=((licence, self.cost * cycle_months),),
            subscription_id=self.scenario.new_id(),
            order_id=self.scenario.new_id()[:13].replace("-", ""),
            starts_on=starts_on or self.scenario.before(6, 1),
            quantity=self.quantity if quantity is None else quantity,
            cycle_months=cycle_months,
            events=list(events),
        )
        self.scenario.seats.append(bought)
        return bought

    def sell(  # noqa: PLR0913  (each argument is one choice with a default)
        self,
        seats: Seats | None,
        *,
        price: Decimal | None = None,
        fixed: int | None = None,
        starts_on: date | None = None,
        ends_on: date | None = None,
        anchor_day: int = 1,
        cost_source: str = "provider",
    ) -> ContractLine:
        """Add a contract line in arrears by calendar month that charges a subscription, or one that is not there."""
        return self.scenario.contract(
            ContractLine(
                contract_line_id=self.scenario.next_line_id(),
                account_id=self.customer.account_id,
                customer_id=self.customer.customer_id,
                subscription_id=seats.subscription_id if seats else self.scenario.new_id(),
                pricing_model="per_unit",
                currency=self.scenario.account_currency(self.customer.account_id),
                starts_on=starts_on or self.scenario.before(2, anchor_day),
                ends_on=ends_on,
                description=seats.licence.name if seats else "Seats that nobody provides",
                unit_price=self.price if price is None else price,
                quantity_source="partner_center" if fixed is None else "fixed",
                quantity=fixed,
                anchor_day=anchor_day,
                cost_source=cost_source,
            )
        )

    def resell(self, seats: Seats) -> ContractLine:
        """Add a contract line that charges what a subscription costs, with 10 % on top."""
        return self.scenario.contract(
            cost_plus(self.scenario, self.customer, "10", "net", subscription_id=seats.subscription_id)
        )

    def foresee(  # noqa: PLR0913, PLR0917  (each argument is a column of the figure)
        self,
        cause: str,
        month: str,
        amount: Fraction | Decimal | int,
        quantity: int | None,
        source: ContractLine | Seats | ReconLine,
        expected_on_month: str = "",
    ) -> None:
        """Say what must be found in a month: on a contract line's row, or on that of cost without one."""
        if not round_fraction(Fraction(amount), AMOUNT_QUANTUM) and not quantity:
            return
        customer_id = source.customer_id if isinstance(source, ContractLine) else source.customer.customer_id
        currency = self.customer.currency.code
        if self.customer.account_id:
            currency = self.scenario.account_currency(self.customer.account_id)
        self.scenario.figures.append(
            Figure(
                cause=cause,
                service_month=month,
                account_id=self.customer.account_id,
                customer_id=customer_id,
                subscription_id=source.subscription_id,
                contract_line_id=source.contract_line_id if isinstance(source, ContractLine) else "",
                currency=currency,
                amount=Fraction(amount),
                quantity=quantity,
                expected_on_month=expected_on_month,
            )
        )

    def worth(self, units: int, days: int, of: str | int, price: Decimal | None = None) -> Fraction:
        """Units x price x days / days of a month (or of so many)."""
        whole = self.days(of) if isinstance(of, str) else of
        return units * Fraction(self.price if price is None else price) * days / whole

    def credit(self, amount: Decimal, licence: Licence, subscription_id: str = "") -> ReconLine:
        """A one-off credit of the provider for something that no contract line sells."""
        month = self.month(1)
        line = ReconLine(
            customer=self.customer,
            billing_month=month,
            product_id=licence.product_id,
            sku_id=licence.sku_id,
            availability_id=licence.availability_id,
            product_name=licence.name,
            sku_name=licence.name,
            publisher_name=MICROSOFT,
            publisher_id="NA",
            category=licence.category,
            charge_type="customerCredit",
            unit_price=amount,
            effective_unit_price=-amount,
            quantity=Decimal(1),
            subtotal=-amount,
            subscription_id=subscription_id,
            order_id="",
            order_on=last_day(month),
            charge_start_on=anchored(month, 1),
            charge_end_on=last_day(month),
            subscription_start_on=anchored(month, 1),
            subscription_end_on=None,
            term_text="",
            billing_frequency="",
            unit_type="",
            pricing_currency=self.customer.currency.code,
            fx=Decimal(1),
            credit_reason_code="Service credit",
        )
        self.scenario.extra_lines.append(line)
        return line
