"""What was sold on the legacy platform, as Partner Center lists it beside everything else: subscriptions and orders.

Each item has the shape of the REST API, in which a legacy subscription is told by its offer, a GUID or MS-AZR-0145P.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from csp_pipeline.sandbox.catalogue import MICROSOFT
from csp_pipeline.sandbox.json_text import Json, link
from csp_pipeline.sandbox.legacy_facts import AZURE_OFFER_ID, AZURE_OFFER_NAME
from csp_pipeline.sandbox.resources import etag, utc

if TYPE_CHECKING:
    from datetime import date

    from csp_pipeline.sandbox.facts import Customer
    from csp_pipeline.sandbox.scenario import Scenario


def legacy_subscription_items(scenario: Scenario) -> list[tuple[Customer, Json]]:
    """Every legacy subscription with its customer; one that has moved to the Azure plan is no longer listed."""
    items = [
        (
            held.customer,
            _subscription(
                held.customer,
                held.subscription_id,
                {
                    "offerId": held.licence.product_id,
                    "offerName": held.licence.name,
                    "quantity": held.current_quantity(),
                    "unitType": held.licence.unit_type,
                    "started_on": held.starts_on,
                    "orderId": held.order_id,
                    "billingType": "license",
                },
            ),
        )
        for held in scenario.legacy_licences
    ]
    items += [
        (
            held.customer,
            _subscription(
                held.customer,
                held.subscription_id,
                {
                    "offerId": AZURE_OFFER_ID,
                    "offerName": AZURE_OFFER_NAME,
                    "quantity": 1,
                    "unitType": "Usage-based",
                    "started_on": held.starts_on,
                    "orderId": held.order_id,
                    "billingType": "usage",
                },
            ),
        )
        for held in scenario.legacy_azure
        if held.moves_on is None
    ]
    return items


def _subscription(customer: Customer, subscription_id: str, details: Json) -> Json:
    started_on: date = details["started_on"]
    status = "active" if details["quantity"] else "deleted"
    return {
        "id": subscription_id,
        "offerId": details["offerId"],
        "offerName": details["offerName"],
        "friendlyName": details["offerName"],
        "quantity": details["quantity"],
        "unitType": details["unitType"],
        "creationDate": utc(started_on),
        "effectiveStartDate": utc(started_on),
        "commitmentEndDate": utc(started_on.replace(year=started_on.year + 1)),
        "status": status,
        "autoRenewEnabled": bool(details["quantity"]),
        "scheduledNextTermInstructions": None,
        "nextChargeInstructions": None,
        "isTrial": False,
        "billingType": details["billingType"],
        "billingCycle": "monthly",
        "termDuration": "P1Y",
        "isMicrosoftProduct": True,
        "publisherName": MICROSOFT,
        "contractType": "subscription",
        "orderId": details["orderId"],
        "links": {"self": link(f"/customers/{customer.customer_id}/subscriptions/{subscription_id}")},
        "attributes": {"etag": etag(subscription_id, details["quantity"], status, 0), "objectType": "Subscription"},
    }
