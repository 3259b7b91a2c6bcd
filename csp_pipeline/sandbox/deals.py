"""Building blocks of the parts: a subscription, an Azure plan, a contract line, a planted anomaly.

Each function adds or makes one thing with sensible defaults, so that `parts` reads as a list of what customers have.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from csp_pipeline.sandbox.azure import AzurePlan, Benefit, Entitlement
from csp_pipeline.sandbox.catalogue import (
    AZURE_PLAN_PRODUCT_ID,
    CURRENCIES,
    E3,
    MICROSOFT,
    PROJECT,
    REGIONS,
    VISIO,
    Currency,
    Licence,
)
from csp_pipeline.sandbox.dates import first_day, last_day
from csp_pipeline.sandbox.facts import (
    ContractLine,
    Customer,
    Planted,
    ReconLine,
    SeatEvent,
    Seats,
    round_away,
    truncate,
)

if TYPE_CHECKING:
    from datetime import date

    from csp_pipeline.sandbox.legacy_facts import LegacyAzure
    from csp_pipeline.sandbox.scenario import Scenario

SELLING_FACTOR = Decimal("1.25")
CREDIT_SKU_ID = "0005"
CREDIT_USD = Decimal(250)


def foreign_currency(currency: Currency) -> str:
    """A currency other than the provider's, for an account billed in its own."""
    return "SEK" if currency.code == "CHF" else "CHF"


def local_price(licence: Licence, currency: Currency, factor: Decimal = Decimal(1)) -> Decimal:
    """A month's price of a unit in a currency, rounded to its minor unit."""
    return round_away(licence.month_price * currency.per_usd * factor, currency.minor_unit)


def seats(  # noqa: PLR0913  (each argument is one choice with a default)
    scenario: Scenario,
    customer: Customer,
    licence: Licence,
    starts_on: date,
    quantity: int,
    *,
    second: Licence | None = None,
    cycle_months: int = 1,
    term: str = "P1Y",
    renewal_type: str = "renew",
    is_usd_priced: bool = False,
    promotion_percent: int = 0,
) -> Seats:
    """Add a subscription charged by the seat at the provider's list price."""
    parts = []
    for part in (licence, second):
        if part is not None:
            price = part.month_price if is_usd_priced else local_price(part, customer.currency)
            price = truncate(price * (100 - promotion_percent) / 100, customer.currency.minor_unit)
            parts.append((part, price * cycle_months))
    bought = Seats(
        customer=customer,
        parts=tuple(parts),
        subscription_id=scenario.new_id(),
        order_id=scenario.new_id()[:13].replace("-", ""),
        starts_on=starts_on,
        quantity=quantity,
        term=term,
        cycle_months=cycle_months,
        renewal_type=renewal_type,
        is_usd_priced=is_usd_priced,
    )
    if promotion_percent:
        bought.promotion_id = f"{licence.product_id}:{licence.sku_id}:39NFJQT1Q5Q3"
        bought.price_adjustments = (f"You are getting a {promotion_percent}.0% promotional discount.",)
    scenario.seats.append(bought)
    return bought


def plan(  # noqa: PLR0913  (each argument is one choice with a default)
    scenario: Scenario,
    customer: Customer,
    *,
    entitlements: int,
    weight: int,
    special: tuple[Benefit, ...] = (),
    loses_credit_on: date | None = None,
) -> AzurePlan:
    """Add an Azure plan with so many Azure subscriptions; its resources come later, in proportion to its weight."""
    names = ("production", "test and development", "analytics")
    added = AzurePlan(
        customer=customer,
        subscription_id=scenario.new_id(),
        order_id=scenario.new_id()[:13].replace("-", ""),
        entitlements=tuple(
            Entitlement(scenario.new_id(), f"{customer.name} {names[number % 3]}", REGIONS[number % len(REGIONS)])
            for number in range(entitlements)
        ),
        starts_on=scenario.before(14, 3),
        weight=weight,
        special=special,
        loses_credit_on=loses_credit_on,
    )
    scenario.plans.append(added)
    return added


def azure_at_cost_plus(scenario: Scenario, customer: Customer) -> tuple[AzurePlan, ContractLine]:
    """Add a small Azure plan, resold whole at cost-plus."""
    small = plan(scenario, customer, entitlements=1, weight=2)
    line = cost_plus(scenario, customer, "10", "net", subscription_id=small.subscription_id)
    return small, scenario.contract(line)


def cost_plus(  # noqa: PLR0913  (each argument is one choice with a default)
    scenario: Scenario,
    customer: Customer,
    markup: str,
    basis: str,
    *,
    entitlement: Entitlement | None = None,
    subscription_id: str = "",
    product_id: str = "",
    discount: str = "",
) -> ContractLine:
    """A contract line that resells cost with a markup, in the account's currency."""
    return ContractLine(
        contract_line_id=scenario.next_line_id(),
        account_id=customer.account_id,
        customer_id=customer.customer_id,
        subscription_id=subscription_id,
        entitlement_id=entitlement.entitlement_id if entitlement else "",
        product_id=product_id,
        pricing_model="cost_plus",
        currency=scenario.account_currency(customer.account_id),
        starts_on=scenario.before(3, 1),
        description=f"Azure {entitlement.name}" if entitlement else "Consumption and purchases at cost-plus",
        markup_percent=Decimal(markup),
        cost_basis=basis,
        discount_percent=Decimal(discount) if discount else None,
    )


def per_unit(  # noqa: PLR0913  (each argument is one choice with a default)
    scenario: Scenario,
    sold: Seats,
    *,
    timing: str = "arrears",
    anchor_day: int | None = None,
    billing_cycle: str = "monthly",
    fixed_quantity: int | None = None,
    has_round_price: bool = False,
) -> ContractLine:
    """A contract line that bills a subscription by the unit, on the provider's own cycle unless told otherwise."""
    currency = CURRENCIES[scenario.account_currency(sold.customer.account_id)]
    price = sum((local_price(licence, currency, SELLING_FACTOR) for licence, _ in sold.parts), Decimal(0))
    if has_round_price:
        price = Decimal(30) if currency.decimals else Decimal(3000)
    return ContractLine(
        contract_line_id=scenario.next_line_id(),
        account_id=sold.customer.account_id,
        customer_id=sold.customer.customer_id,
        subscription_id=sold.subscription_id,
        pricing_model="per_unit",
        currency=currency.code,
        starts_on=sold.first_charge_on,
        description=sold.licence.name,
        unit_price=price * (12 if billing_cycle == "annual" else 1),
        quantity_source="partner_center" if fixed_quantity is None else "fixed",
        quantity=fixed_quantity,
        billing_cycle=billing_cycle,
        billing_timing=timing,
        anchor_day=anchor_day or sold.starts_on.day,
    )


def flat(scenario: Scenario, sold: Seats) -> ContractLine:
    """A contract line with one price a month whatever the quantity."""
    line = per_unit(scenario, sold, anchor_day=1)
    return replace(
        line,
        pricing_model="flat",
        unit_price=line.price * 100,
        quantity_source="",
        description=f"Managed {sold.licence.name}, all staff",
    )


def own_service(scenario: Scenario, customer: Customer, name: str, like: Licence, quantity: int | None) -> None:
    """Add work of the partner's own: by the unit, or at a flat price without a quantity."""
    price = local_price(like, customer.currency, Decimal(3))
    scenario.contract(
        ContractLine(
            contract_line_id=scenario.next_line_id(),
            account_id=customer.account_id,
            pricing_model="flat" if quantity is None else "per_unit",
            currency=customer.currency.code,
            starts_on=scenario.before(2, 1),
            description=name,
            unit_price=price,
            quantity_source="" if quantity is None else "fixed",
            quantity=quantity,
            billing_timing="advance",
            cost_source="own",
            unit_cost=local_price(like, customer.currency),
        )
    )


def ended(scenario: Scenario, customer: Customer, licence: Licence, quantity: int) -> ContractLine:
    """A contract line that goes on for seats the provider no longer charges."""
    return ContractLine(
        contract_line_id=scenario.next_line_id(),
        account_id=customer.account_id,
        customer_id=customer.customer_id,
        subscription_id=scenario.new_id(),
        product_id=licence.product_id,
        sku_id=licence.sku_id,
        pricing_model="per_unit",
        currency=customer.currency.code,
        starts_on=scenario.before(8, 1),
        description=f"{licence.name} (subscription ended in spring)",
        unit_price=local_price(licence, customer.currency, SELLING_FACTOR),
        quantity_source="fixed",
        quantity=quantity,
    )


def conversion(scenario: Scenario, customer: Customer) -> None:
    """Add an upgrade to another product inside a cycle: two subscriptions, each with a contract line."""
    base = seats(scenario, customer, VISIO, scenario.before(5, 1), 15)
    converted_on, reference = scenario.day(1, 12), scenario.new_id()
    base.events.append(SeatEvent(converted_on, "convert", 0, reference_id=reference))
    base.ends_on = converted_on
    target = seats(scenario, customer, PROJECT, base.starts_on, 15)
    target.joined_on, target.first_type, target.first_reference_id = converted_on, "convert", reference
    scenario.contract(per_unit(scenario, base))
    scenario.contract(per_unit(scenario, target))


def plan_change(scenario: Scenario, customer: Customer) -> None:
    """Add a year paid at once that becomes monthly after a month, resold at cost-plus."""
    yearly = seats(scenario, customer, E3, scenario.day(0, 5), 5, cycle_months=12)
    changed_on, reference = scenario.day(1, 5), scenario.new_id()
    yearly.events.append(SeatEvent(changed_on, "changeBillingPlan", 0, reference_id=reference))
    yearly.is_listed = False
    monthly = seats(scenario, customer, E3, changed_on, 5)
    monthly.subscription_id, monthly.order_id = yearly.subscription_id, yearly.order_id
    monthly.first_type, monthly.first_reference_id = "changeBillingPlan", reference
    scenario.contract(cost_plus(scenario, customer, "6", "net", subscription_id=yearly.subscription_id))


def plant(
    scenario: Scenario,
    cause: str,
    customer: Customer,
    *,
    contract_line: ContractLine | None = None,
    source: Seats | AzurePlan | ReconLine | LegacyAzure | None = None,
) -> None:
    """Note an anomaly for `expected.json`."""
    scenario.planted.append(Planted(cause, customer, contract_line, source))


def plant_credit(scenario: Scenario, customer: Customer, credited: AzurePlan) -> None:
    """Add a one-off credit on an Azure plan that no contract line covers."""
    month = scenario.month(1)
    fx = scenario.fx(customer.currency, month)
    line = ReconLine(
        customer=customer,
        billing_month=month,
        product_id=AZURE_PLAN_PRODUCT_ID,
        sku_id=CREDIT_SKU_ID,
        availability_id="DZH318Z0BPAV",
        product_name="Azure plan",
        sku_name="Azure plan credit",
        publisher_name=MICROSOFT,
        publisher_id="NA",
        category="Azure",
        charge_type="customerCredit",
        unit_price=CREDIT_USD,
        effective_unit_price=-CREDIT_USD,
        quantity=Decimal(1),
        subtotal=truncate(-CREDIT_USD * fx, customer.currency.minor_unit),
        subscription_id=credited.subscription_id,
        order_id=credited.order_id,
        order_on=last_day(month),
        charge_start_on=first_day(month),
        charge_end_on=last_day(month),
        subscription_start_on=credited.starts_on,
        subscription_end_on=None,
        term_text="",
        billing_frequency="",
        unit_type="",
        pricing_currency="USD",
        fx=fx,
        credit_reason_code="Azure Credit Offer",
        subscription_text="Azure plan",
    )
    scenario.extra_lines.append(line)
    plant(scenario, "credit", customer, source=line)
