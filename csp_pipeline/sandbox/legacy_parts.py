"""The part of a customer that is still on the legacy platform, and buys some things from distributors.

Legacy licences by the seat with a change and a cancellation, one classic Azure subscription that stays and one that
moves to the Azure plan in the second month, and subscriptions of two distributors.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from csp_pipeline.sandbox import catalogue as sold
from csp_pipeline.sandbox import deals
from csp_pipeline.sandbox.azure import AzurePlan, Entitlement
from csp_pipeline.sandbox.catalogue import CURRENCIES, REGIONS
from csp_pipeline.sandbox.dates import first_day
from csp_pipeline.sandbox.distributor import GENERIC, TD_SYNNEX, Resold
from csp_pipeline.sandbox.facts import ContractLine, SeatEvent, SubscriptionLink, round_away
from csp_pipeline.sandbox.legacy_facts import EXCHANGE_PLAN_2, INTUNE, OFFICE_E1, LegacyAzure, LegacyLicences
from csp_pipeline.sandbox.legacy_licences import CANCELLED, CHANGED

if TYPE_CHECKING:
    from datetime import date

    from csp_pipeline.sandbox.catalogue import Licence
    from csp_pipeline.sandbox.facts import Customer
    from csp_pipeline.sandbox.scenario import Scenario

DISTRIBUTOR_FACTOR = Decimal("0.95")
MOVES_ON_DAY = 20


def old_platform_office(scenario: Scenario, customer: Customer) -> None:
    """Legacy seats and classic Azure, one subscription of which moves to the Azure plan; seats from distributors."""
    mailboxes = _licences(scenario, customer, EXCHANGE_PLAN_2, scenario.before(7, 12), 40)
    mailboxes.events.append(SeatEvent(scenario.day(0, 20), CHANGED, 44))
    suite = _licences(scenario, customer, OFFICE_E1, scenario.day(0, 15), 12, is_new=True)
    suite.events.append(SeatEvent(scenario.day(1, 25), CANCELLED, 0))
    devices = _licences(scenario, customer, INTUNE, scenario.before(3, 28), 25)
    for licences in (mailboxes, suite, devices):
        scenario.contract(_per_unit(scenario, licences))
    staying, moving = (_azure(scenario, customer, scale) for scale in (1, 2))
    line = scenario.contract(deals.cost_plus(scenario, customer, "10", "net", subscription_id=staying.subscription_id))
    deals.plant(scenario, "period", customer, contract_line=line, source=staying)
    _move(scenario, moving)
    scenario.contract(deals.cost_plus(scenario, customer, "10", "net", subscription_id=moving.subscription_id))
    _resell(scenario, customer, TD_SYNNEX, sold.PDF_EDITOR, 25)
    _resell(scenario, customer, TD_SYNNEX, sold.TEAMS_ROOMS, 3)
    _resell(scenario, customer, GENERIC, sold.SAAS, 18, from_month=-1)


def _licences(  # noqa: PLR0913  (each argument is one choice)
    scenario: Scenario, customer: Customer, offer: Licence, starts_on: date, quantity: int, *, is_new: bool = False
) -> LegacyLicences:
    held = LegacyLicences(
        customer=customer,
        licence=offer,
        subscription_id=scenario.new_id(),
        platform_id=scenario.new_id()[:18].replace("-", "").upper(),
        order_id=scenario.new_id(),
        starts_on=starts_on,
        quantity=quantity,
        price=deals.local_price(offer, customer.currency),
        is_new=is_new,
    )
    scenario.legacy_licences.append(held)
    return held


def _per_unit(scenario: Scenario, held: LegacyLicences) -> ContractLine:
    """A contract line that bills a legacy subscription by the seat in advance, on its anniversary."""
    customer = held.customer
    return ContractLine(
        contract_line_id=scenario.next_line_id(),
        account_id=customer.account_id,
        customer_id=customer.customer_id,
        subscription_id=held.subscription_id,
        pricing_model="per_unit",
        currency=scenario.account_currency(customer.account_id),
        starts_on=held.starts_on,
        description=held.licence.name,
        unit_price=deals.local_price(held.licence, customer.currency, deals.SELLING_FACTOR),
        quantity_source="partner_center",
        billing_timing="advance",
        anchor_day=held.starts_on.day,
    )


def _azure(scenario: Scenario, customer: Customer, scale: int) -> LegacyAzure:
    held = LegacyAzure(customer, scenario.new_id(), scenario.new_id(), scenario.before(20, 9), scale)
    scenario.legacy_azure.append(held)
    return held


def _move(scenario: Scenario, held: LegacyAzure) -> None:
    """Let a classic Azure subscription go on under an Azure plan, with its id."""
    customer = held.customer
    held.moves_on = scenario.day(1, MOVES_ON_DAY)
    plan = AzurePlan(
        customer=customer,
        subscription_id=scenario.new_id(),
        order_id=scenario.new_id()[:13].replace("-", ""),
        entitlements=(Entitlement(held.subscription_id, f"{customer.name} production", REGIONS[0]),),
        starts_on=held.moves_on,
        weight=0,
        arrives_on=held.moves_on,
    )
    scenario.plans.append(plan)
    scenario.links.append(
        SubscriptionLink(held.subscription_id, plan.subscription_id, held.moves_on, "moved to the Azure plan")
    )


def _resell(  # noqa: PLR0913  (each argument is one choice)
    scenario: Scenario, customer: Customer, provider: str, licence: Licence, quantity: int, *, from_month: int = 0
) -> None:
    """Add a subscription from a distributor with a contract line for a fixed quantity, from one of the months on."""
    first_month = scenario.months[from_month]
    list_price = deals.local_price(licence, customer.currency)
    resold = Resold(
        provider=provider,
        customer=customer,
        licence=licence,
        subscription_id=scenario.new_id(),
        order_id=scenario.new_id()[:8].upper(),
        quantity=quantity,
        price=round_away(list_price * DISTRIBUTOR_FACTOR, customer.currency.minor_unit),
        list_price=list_price,
        first_month=first_month,
    )
    scenario.resold.append(resold)
    currency = CURRENCIES[scenario.account_currency(customer.account_id)]
    scenario.contract(
        ContractLine(
            contract_line_id=scenario.next_line_id(),
            account_id=customer.account_id,
            customer_id=customer.customer_id,
            subscription_id=resold.subscription_id,
            pricing_model="per_unit",
            currency=currency.code,
            starts_on=first_day(first_month),
            description=licence.name,
            unit_price=deals.local_price(licence, currency, deals.SELLING_FACTOR),
            quantity_source="fixed",
            quantity=quantity,
            cost_source="distributor",
        )
    )
