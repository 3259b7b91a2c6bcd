"""The parts that the first customers play: one function each, with the anomalies it plants.

Read this to know what a generated partner contains. Each function adds subscriptions, Azure plans and contract lines
to the scenario; what is not said to be planted must come out without a difference, but for rounding and for cycles
that run on after the last month.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from csp_pipeline.sandbox import catalogue as sold
from csp_pipeline.sandbox import deals
from csp_pipeline.sandbox.dates import last_day
from csp_pipeline.sandbox.facts import SeatEvent
from csp_pipeline.sandbox.indirect_parts import resold_by_another
from csp_pipeline.sandbox.legacy_parts import old_platform_office

if TYPE_CHECKING:
    from collections.abc import Callable

    from csp_pipeline.sandbox.azure import Benefit
    from csp_pipeline.sandbox.facts import Customer
    from csp_pipeline.sandbox.scenario import Scenario

FOREIGN_NUMBER = 3
UNMAPPED_NUMBER = 4
SECOND_TENANT_NUMBER = 9
RESOLD_NUMBER = 13


def cycling_retail_group(scenario: Scenario, customer: Customer) -> None:
    """Azure by entitlement, net and gross, with credit lost mid-month; seats that grow and shrink; a one-off credit."""
    plan = deals.plan(
        scenario, customer, entitlements=3, weight=5, special=("spot",), loses_credit_on=scenario.day(1, 14)
    )
    for number, entitlement in enumerate(plan.entitlements):
        scenario.contract(
            deals.cost_plus(scenario, customer, "12.5", "gross" if number == 1 else "net", entitlement=entitlement)
        )
    deals.plant_credit(scenario, customer, plan)
    seats = deals.seats(scenario, customer, sold.BUSINESS_PREMIUM, scenario.before(4, 1), 42)
    seats.events += [
        SeatEvent(scenario.day(0, 9), "addQuantity", 50),
        SeatEvent(scenario.day(0, 13), "removeQuantity", 47),
        SeatEvent(scenario.day(0, 22), "addQuantity", 55, hour=23),
    ]
    scenario.contract(deals.per_unit(scenario, seats, timing="advance"))


def saas_and_own_services(scenario: Scenario, customer: Customer) -> None:
    """A whole Azure plan at list price with metered marketplace; SaaS; own services; cycles from the 31st."""
    plan = deals.plan(scenario, customer, entitlements=2, weight=6, special=("marketplace", "spot"))
    scenario.contract(deals.cost_plus(scenario, customer, "0", "gross", subscription_id=plan.subscription_id))
    seats = deals.seats(scenario, customer, sold.BUSINESS_STANDARD, scenario.before(2, 31), 18)
    scenario.contract(deals.per_unit(scenario, seats, timing="advance"))
    saas = deals.seats(scenario, customer, sold.SAAS, scenario.before(1, 1), 60, is_usd_priced=True, term="P1M")
    scenario.contract(deals.per_unit(scenario, saas))
    deals.own_service(scenario, customer, "Service desk", sold.TEAMS_ROOMS, 12)
    deals.own_service(scenario, customer, "Monthly security review", sold.COPILOT, None)


def calling_plan_clinic(scenario: Scenario, customer: Customer) -> None:
    """E5 with calling, two lines per subscription; a whole Azure plan with an Azure credit; cycles from the 12th."""
    plan = deals.plan(scenario, customer, entitlements=2, weight=5, special=("azure_credit",))
    scenario.contract(
        deals.cost_plus(scenario, customer, "8", "net", subscription_id=plan.subscription_id, discount="2.5")
    )
    seats = deals.seats(scenario, customer, sold.E5, scenario.before(3, 1), 25, second=sold.E5_CALLING)
    scenario.contract(deals.per_unit(scenario, seats))
    twelfth = deals.seats(scenario, customer, sold.EXCHANGE, scenario.before(5, 12), 30)
    twelfth.events.append(SeatEvent(scenario.day(1, 20), "removeQuantity", 26))
    scenario.contract(deals.per_unit(scenario, twelfth, timing="advance"))


def foreign_hotel(scenario: Scenario, customer: Customer) -> None:
    """Billed in another currency than the provider's: Azure by product, seats, and a term prepaid at cost-plus."""
    deals.plan(scenario, customer, entitlements=2, weight=3)
    scenario.contract(deals.cost_plus(scenario, customer, "15", "net", product_id=sold.AZURE_PLAN_PRODUCT_ID))
    seats = deals.seats(scenario, customer, sold.BUSINESS_PREMIUM, scenario.before(1, 1), 33)
    scenario.contract(deals.per_unit(scenario, seats))
    prepaid = deals.seats(scenario, customer, sold.VISIO, scenario.day(0, 5), 6, cycle_months=12)
    line = scenario.contract(deals.cost_plus(scenario, customer, "10", "net", subscription_id=prepaid.subscription_id))
    deals.plant(scenario, "fx_rate", customer, contract_line=line, source=prepaid)


def forgotten_tenant(scenario: Scenario, customer: Customer) -> None:
    """A tenant with cost that belongs to no account: unmapped."""
    plan = deals.plan(scenario, customer, entitlements=1, weight=1)
    seats = deals.seats(scenario, customer, sold.BUSINESS_BASIC, scenario.before(2, 1), 7)
    deals.plant(scenario, "unmapped_customer", customer, source=plan)
    deals.plant(scenario, "unmapped_customer", customer, source=seats)


def late_clinic(scenario: Scenario, customer: Customer) -> None:
    """A change after the provider's last bill (timing), one a later invoice has brought, Azure that only rounds."""
    plan, line = deals.azure_at_cost_plus(scenario, customer)
    deals.plant(scenario, "rounding", customer, contract_line=line, source=plan)
    seats = deals.seats(scenario, customer, sold.E3, scenario.before(6, 1), 20)
    late = scenario.months[-1]
    seats.events.append(SeatEvent(last_day(late).replace(day=25), "addQuantity", 25, billed_month=""))
    line = scenario.contract(deals.per_unit(scenario, seats))
    deals.plant(scenario, "timing", customer, contract_line=line, source=seats)
    settled = deals.seats(scenario, customer, sold.POWER_BI, scenario.before(6, 1), 12)
    settled.events.append(SeatEvent(scenario.day(0, 28), "addQuantity", 14, billed_month=scenario.month(1)))
    scenario.contract(deals.per_unit(scenario, settled))


def calendar_biller(scenario: Scenario, customer: Customer) -> None:
    """Provider cycles from the 17th against our calendar months (proration), and arrears not yet drafted (period)."""
    deals.azure_at_cost_plus(scenario, customer)
    seats = deals.seats(scenario, customer, sold.BUSINESS_STANDARD, scenario.day(0, 17), 31)
    line = scenario.contract(deals.per_unit(scenario, seats, anchor_day=1, has_round_price=True))
    deals.plant(scenario, "proration", customer, contract_line=line, source=seats)
    arrears = deals.seats(scenario, customer, sold.DEFENDER, scenario.before(3, 17), 31)
    line = scenario.contract(deals.per_unit(scenario, arrears, has_round_price=True))
    deals.plant(scenario, "period", customer, contract_line=line, source=arrears)


def reserving_studio(scenario: Scenario, customer: Customer) -> None:
    """A reservation and a savings plan at cost-plus, with the usage they cover at no cost."""
    special: tuple[Benefit, ...] = ("reservation", "savings_plan", "payg_remainder", "spot")
    plan = deals.plan(scenario, customer, entitlements=2, weight=4, special=special)
    plan.reservation_order_id, plan.savings_order_id = scenario.new_id(), scenario.new_id()
    scenario.contract(deals.cost_plus(scenario, customer, "5", "net", subscription_id=plan.subscription_id))
    for licence, order_id, day in (
        (sold.RESERVED_VM, plan.reservation_order_id, 12),
        (sold.SAVINGS_PLAN, plan.savings_order_id, 1),
    ):
        bought = deals.seats(scenario, customer, licence, scenario.before(4, day), 2, is_usd_priced=True)
        bought.reservation_order_id = order_id
        scenario.contract(deals.cost_plus(scenario, customer, "7.5", "net", subscription_id=bought.subscription_id))


def careless_printer(scenario: Scenario, customer: Customer) -> None:
    """Seats nobody bills (unbilled cost) and a line billed for seats that are gone (revenue without cost)."""
    deals.azure_at_cost_plus(scenario, customer)
    unbilled = deals.seats(scenario, customer, sold.PROJECT, scenario.before(2, 1), 4)
    deals.plant(scenario, "unbilled_cost", customer, source=unbilled)
    line = scenario.contract(deals.ended(scenario, customer, sold.VISIO, 5))
    deals.plant(scenario, "revenue_without_cost", customer, contract_line=line)


def second_tenant(scenario: Scenario, customer: Customer) -> None:
    """The other tenant of the first account: a fixed quantity that is wrong, a conversion, seats moved."""
    wrong = deals.seats(scenario, customer, sold.BUSINESS_BASIC, scenario.before(3, 1), 10)
    line = scenario.contract(deals.per_unit(scenario, wrong, fixed_quantity=12))
    deals.plant(scenario, "quantity_mismatch", customer, contract_line=line, source=wrong)
    deals.conversion(scenario, customer)
    source = deals.seats(scenario, customer, sold.EXCHANGE, scenario.before(5, 1), 40)
    target = deals.seats(scenario, customer, sold.BUSINESS_STANDARD, scenario.before(5, 1), 10)
    moved_on = scenario.day(1, 18)
    source.events.append(SeatEvent(moved_on, "moveQuantity", 30))
    target.events.append(SeatEvent(moved_on, "moveQuantity", 20))
    scenario.contract(deals.per_unit(scenario, source))
    scenario.contract(deals.per_unit(scenario, target))


def restless_energy(scenario: Scenario, customer: Customer) -> None:
    """Plan changes, extended and cancelled terms, a year paid at once, and a year paid before the first invoice."""
    deals.azure_at_cost_plus(scenario, customer)
    deals.plan_change(scenario, customer)
    extended = deals.seats(scenario, customer, sold.E3, scenario.before(11, 1), 9, renewal_type="extendTerm")
    scenario.contract(deals.per_unit(scenario, extended))
    cancelled = deals.seats(scenario, customer, sold.TEAMS_ROOMS, scenario.day(1, 6), 3)
    cancelled.ends_on = scenario.day(1, 10)
    cancelled.events.append(SeatEvent(scenario.day(1, 10), "cancelImmediate", 0))
    scenario.contract(deals.per_unit(scenario, cancelled, timing="advance"))
    yearly = deals.seats(scenario, customer, sold.COPILOT, scenario.day(0, 10), 8, cycle_months=12)
    scenario.contract(deals.per_unit(scenario, yearly, timing="advance", billing_cycle="annual"))
    prepaid = deals.seats(scenario, customer, sold.POWER_BI, scenario.before(4, 15), 11, cycle_months=12)
    line = scenario.contract(deals.per_unit(scenario, prepaid, anchor_day=1))
    deals.plant(scenario, "period", customer, contract_line=line, source=prepaid)


def month_end_textiles(scenario: Scenario, customer: Customer) -> None:
    """Annual terms billed monthly from the 31st, a flat price, a promotion, and cost from before billing began."""
    deals.azure_at_cost_plus(scenario, customer)
    seats = deals.seats(scenario, customer, sold.BUSINESS_PREMIUM, scenario.before(13, 31), 64)
    scenario.contract(deals.per_unit(scenario, seats))
    flat = deals.seats(scenario, customer, sold.DEFENDER, scenario.before(7, 1), 64, promotion_percent=10)
    scenario.contract(deals.flat(scenario, flat))
    early = deals.seats(scenario, customer, sold.VISIO, scenario.before(9, 1), 3)
    early.events.append(SeatEvent(scenario.before(1, 20), "addQuantity", 5, billed_month=scenario.months[0]))
    line = scenario.contract(deals.per_unit(scenario, early))
    deals.plant(scenario, "period", customer, contract_line=line, source=early)


def ordinary(scenario: Scenario, customer: Customer) -> None:
    """Nothing special: an Azure plan at cost-plus and one or two subscriptions billed as they are charged."""
    deals.azure_at_cost_plus(scenario, customer)
    for licence in scenario.source.sample(sold.LICENCES_FOR_ANYONE, 2):
        start = scenario.before(scenario.source.randrange(1, 12), scenario.source.randrange(1, 29))
        seats = deals.seats(scenario, customer, licence, start, scenario.source.randrange(3, 90))
        scenario.contract(deals.per_unit(scenario, seats, timing=scenario.source.choice(("advance", "arrears"))))


PARTS: tuple[Callable[[Scenario, Customer], None], ...] = (
    cycling_retail_group,
    saas_and_own_services,
    calling_plan_clinic,
    foreign_hotel,
    forgotten_tenant,
    late_clinic,
    calendar_biller,
    reserving_studio,
    careless_printer,
    second_tenant,
    restless_energy,
    month_end_textiles,
    old_platform_office,
    resold_by_another,
)
