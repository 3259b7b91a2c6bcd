"""What was sold, as Partner Center tells it: the subscriptions of customers and the orders they were bought with.

Each item has the shape of the REST API. What else Partner Center tells is in `resources`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from csp_pipeline.sandbox.catalogue import AZURE_PLAN_PRODUCT_ID, AZURE_PLAN_SKU_ID, MICROSOFT
from csp_pipeline.sandbox.dates import last_day, shift
from csp_pipeline.sandbox.json_text import Json, link
from csp_pipeline.sandbox.legacy_sold import legacy_subscription_items
from csp_pipeline.sandbox.resources import etag, utc
from csp_pipeline.sandbox.seats import cycles_of

if TYPE_CHECKING:
    from datetime import date

    from csp_pipeline.sandbox.azure import AzurePlan
    from csp_pipeline.sandbox.catalogue import Licence
    from csp_pipeline.sandbox.facts import Customer, Seats
    from csp_pipeline.sandbox.scenario import Scenario

AZURE_PLAN_OFFER_ID = f"{AZURE_PLAN_PRODUCT_ID}:{AZURE_PLAN_SKU_ID}:DZH318Z0BPAV"


def subscription_items(scenario: Scenario) -> list[tuple[Customer, Json]]:
    """Every subscription of a scenario as it is at the end of its last month, with its customer."""
    listed = [(seats.customer, _seat_subscription(scenario, seats)) for seats in scenario.seats if seats.is_listed]
    listed += [(plan.customer, _azure_subscription(scenario, plan)) for plan in scenario.plans]
    return listed + legacy_subscription_items(scenario)


def _subscription(customer: Customer, subscription_id: str, details: Json) -> Json:
    uri = f"/customers/{customer.customer_id}/subscriptions/{subscription_id}"
    version = etag(subscription_id, details["quantity"], details["status"], 0)
    return {
        "id": subscription_id,
        **details,
        "links": {"self": link(uri)},
        "attributes": {"etag": version, "objectType": "Subscription"},
    }


def _seat_subscription(scenario: Scenario, seats: Seats) -> Json:
    licence = seats.licence
    quantity = seats.current_quantity()
    current = list(cycles_of(seats, scenario.ends_on))[-1]
    renews = seats.renewal_type == "renew"
    billing_cycle = _billing_cycle(seats)
    product = {
        "productId": licence.product_id,
        "skuId": licence.sku_id,
        "availabilityId": licence.availability_id,
        "billingCycle": billing_cycle,
        "termDuration": seats.term,
        "promotionId": seats.promotion_id or None,
    }
    return _subscription(
        seats.customer,
        seats.subscription_id,
        {
            "offerId": _offer_id(licence),
            "offerName": licence.name,
            "friendlyName": licence.name,
            "productType": {"id": licence.category, "displayName": licence.category},
            "quantity": quantity,
            "unitType": licence.unit_type,
            "creationDate": utc(seats.first_charge_on),
            "effectiveStartDate": utc(max(current.term_start_on, seats.first_charge_on)),
            "commitmentEndDate": utc(current.term_end_on),
            "status": ("suspended" if seats.is_suspended else "active") if quantity else "deleted",
            "autoRenewEnabled": renews,
            "scheduledNextTermInstructions": {"product": product, "quantity": quantity, "customTermEndDate": None}
            if renews and quantity
            else None,
            "nextChargeInstructions": None,
            "isTrial": False,
            "billingType": "license",
            "billingCycle": billing_cycle,
            "termDuration": seats.term,
            "isMicrosoftProduct": licence.publisher_name == MICROSOFT,
            "publisherName": licence.publisher_name,
            "contractType": "subscription",
            "orderId": seats.order_id,
        },
    )


def _azure_subscription(scenario: Scenario, plan: AzurePlan) -> Json:
    return _subscription(
        plan.customer,
        plan.subscription_id,
        {
            "offerId": AZURE_PLAN_OFFER_ID,
            "offerName": "Azure plan",
            "friendlyName": "Azure plan",
            "productType": {"id": "Azure", "displayName": "Azure"},
            "quantity": 1,
            "unitType": "Usage-based",
            "creationDate": utc(plan.starts_on),
            "effectiveStartDate": utc(plan.starts_on),
            "commitmentEndDate": utc(last_day(shift(scenario.months[-1], 120))),
            "status": "active",
            "autoRenewEnabled": False,
            "scheduledNextTermInstructions": None,
            "nextChargeInstructions": None,
            "isTrial": False,
            "billingType": "usage",
            "billingCycle": "monthly",
            "termDuration": "",
            "isMicrosoftProduct": True,
            "publisherName": MICROSOFT,
            "contractType": "subscription",
            "orderId": plan.order_id,
        },
    )


def order_items(scenario: Scenario) -> list[tuple[Customer, Json]]:
    """Every order of a scenario with its customer: one line for what was bought with it."""
    bought: dict[str, tuple[Customer, Json]] = {}
    for seats in scenario.seats:
        licence = seats.licence
        line = {
            "offerId": _offer_id(licence),
            "subscriptionId": seats.subscription_id,
            "friendlyName": licence.name,
            "quantity": seats.quantity,
            "termDuration": seats.term,
            "transactionType": "convert" if seats.first_type == "convert" else "new",
        }
        order = _order(seats.customer, seats.order_id, _billing_cycle(seats), seats.first_charge_on, line)
        bought.setdefault(seats.order_id, (seats.customer, order))
    for plan in scenario.plans:
        line = {
            "offerId": AZURE_PLAN_OFFER_ID,
            "subscriptionId": plan.subscription_id,
            "friendlyName": "Azure plan",
            "quantity": 1,
            "termDuration": "",
            "transactionType": "new",
        }
        bought[plan.order_id] = (plan.customer, _order(plan.customer, plan.order_id, "none", plan.starts_on, line))
    for held in scenario.legacy_licences:
        line = {
            "offerId": held.licence.product_id,
            "subscriptionId": held.subscription_id,
            "friendlyName": held.licence.name,
            "quantity": held.quantity,
            "termDuration": "P1Y",
            "transactionType": "new",
        }
        order = _order(held.customer, held.order_id, "monthly", held.starts_on, line)
        bought[held.order_id] = (held.customer, order)
    return list(bought.values())


def _order(customer: Customer, order_id: str, billing_cycle: str, ordered_on: date, line: Json) -> Json:
    uri = f"/customers/{customer.customer_id}"
    subscription = link(f"{uri}/subscriptions/{line['subscriptionId']}")
    return {
        "id": order_id,
        "referenceCustomerId": customer.customer_id,
        "billingCycle": billing_cycle,
        "currencyCode": customer.currency.code,
        "currencySymbol": customer.currency.symbol,
        "transactionType": "UserPurchase",
        "lineItems": [{"lineItemNumber": 0, **line, "links": {"subscription": subscription}}],
        "creationDate": utc(ordered_on),
        "status": "completed",
        "links": {
            "provisioningStatus": link(f"{uri}/orders/{order_id}/provisioningstatus"),
            "self": link(f"{uri}/orders/{order_id}"),
        },
        "attributes": {"objectType": "Order"},
    }


def _offer_id(licence: Licence) -> str:
    return f"{licence.product_id}:{licence.sku_id}:{licence.availability_id}"


def _billing_cycle(seats: Seats) -> str:
    return "monthly" if seats.cycle_months == 1 else "annual"
