"""The part of a tenant that belongs to a reseller: the partner is its indirect provider, and bills the reseller.

The tenant has no account of its own; its cost is known by the reseller's MPN id. It buys perpetual software once and
returns a part of it, which Microsoft credits with an adjustment note of its own.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from csp_pipeline.sandbox import catalogue as sold
from csp_pipeline.sandbox import deals
from csp_pipeline.sandbox.facts import ReconLine, SoftwareReturn

if TYPE_CHECKING:
    from datetime import date

    from csp_pipeline.sandbox.facts import Customer
    from csp_pipeline.sandbox.scenario import Scenario

RESELLER_MPN_ID = "6120485"
BOUGHT, RETURNED = 4, 1


def resold_by_another(scenario: Scenario, customer: Customer) -> None:
    """Seats and perpetual software of a reseller's tenant, all at cost-plus to the reseller; one licence returned."""
    deals.seats(scenario, customer, sold.BUSINESS_STANDARD, scenario.before(6, 1), 21)
    line = deals.cost_plus(scenario, customer, "3", "net")
    scenario.contract(line)
    order_id = scenario.new_id()[:13].replace("-", "")
    bought_on, returned_on = scenario.day(0, 18), scenario.day(1, 3)
    scenario.extra_lines.append(_software(customer, order_id, bought_on, BOUGHT))
    returned = _software(customer, order_id, returned_on, -RETURNED)
    scenario.returns.append(SoftwareReturn(scenario.months[0], returned))


def _software(customer: Customer, order_id: str, on: date, quantity: int) -> ReconLine:
    """A purchase of perpetual licences, or what is returned of it; one-time, in the billing currency."""
    licence = sold.SQL_SERVER
    price = deals.local_price(licence, customer.currency)
    effective = price if quantity > 0 else -price
    return ReconLine(
        customer=customer,
        billing_month=f"{on:%Y-%m}",
        product_id=licence.product_id,
        sku_id=licence.sku_id,
        availability_id=licence.availability_id,
        product_name=licence.name,
        sku_name=licence.name,
        publisher_name=licence.publisher_name,
        publisher_id=licence.publisher_id,
        category=licence.category,
        charge_type="new" if quantity > 0 else "cancelImmediate",
        unit_price=price,
        effective_unit_price=effective,
        quantity=Decimal(abs(quantity)),
        subtotal=effective * abs(quantity),
        subscription_id="",
        order_id=order_id,
        order_on=on,
        charge_start_on=on,
        charge_end_on=on,
        subscription_start_on=on,
        subscription_end_on=None,
        term_text="",
        billing_frequency="OneTime",
        unit_type=licence.unit_type,
        pricing_currency=customer.currency.code,
        fx=Decimal(1),
    )
