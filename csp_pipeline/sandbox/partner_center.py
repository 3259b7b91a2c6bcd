"""What Partner Center itself tells, as files of the inbox: collections, responses, and the licence change log.

Customers, subscriptions, agreements, audits and invoice headers are one collection each. What Partner Center tells per
customer, order or plan is written as responses: a line `{"uri": …, "body": …}` for each answer. The items are made in
`resources` and `sold_items`.
"""

from __future__ import annotations

import csv
from datetime import date, timedelta
from typing import TYPE_CHECKING

from csp_pipeline.sandbox import resources, sold_items
from csp_pipeline.sandbox.json_text import Json, collection, written

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from csp_pipeline.sandbox.facts import Customer, SeatChange
    from csp_pipeline.sandbox.scenario import Scenario

CHANGE_COLUMNS = (
    "change_id",
    "customer_id",
    "subscription_id",
    "changed_at",
    "event",
    "quantity_before",
    "quantity_after",
    "actor",
)
ORDER_SETTLES_WITHIN = timedelta(days=90)
Response = tuple[str, Json]


def write_all(scenario: Scenario, headers: list[Json], changes: Sequence[SeatChange], folder: Path) -> None:
    """Write every Partner Center file of a scenario into the inbox."""
    write_collection(folder / "invoices.json", "/invoices", headers)
    customers = [resources.customer_item(customer) for customer in scenario.customers]
    write_collection(folder / "customers.json", "/customers?size=500", customers)
    subscriptions = sold_items.subscription_items(scenario)
    named = [{"customerId": customer.customer_id, **item} for customer, item in subscriptions]
    write_collection(folder / "subscriptions.json", "/subscriptions", named)
    agreements = [
        {"customerId": customer.customer_id, **item}
        for customer in scenario.customers
        if (item := resources.agreement_item(customer))
    ]
    write_collection(folder / "agreements.json", "/agreements", agreements)
    records = [resources.audit_item(scenario, change) for change in changes]
    write_collection(folder / "auditrecords.json", "/auditrecords?size=500", records)
    write_changes(folder / "subscription_changes.csv", changes)
    write_responses(folder / "orders.json", _orders(scenario))
    write_responses(folder / "azure_entitlements.json", _entitlements(scenario))
    write_responses(folder / "direct_signed.json", _direct_signed(scenario))
    write_responses(folder / "subscription_provisioning.json", _subscription_provisioning(subscriptions))
    write_responses(folder / "order_provisioning.json", _order_provisioning(scenario))


def write_collection(path: Path, uri: str, items: list[Json]) -> None:
    """Write a REST collection; decimals become JSON numbers, digit by digit."""
    path.write_text(written(collection(items, uri), indent=1) + "\n", encoding="utf-8")


def write_responses(path: Path, responses: Iterable[Response]) -> None:
    """Write answers one a line, each with the address it came from."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        for uri, body in responses:
            stream.write(written({"uri": f"/v1{uri}", "body": body}) + "\n")


def _orders(scenario: Scenario) -> Iterable[Response]:
    orders = sold_items.order_items(scenario)
    for customer in scenario.customers:
        uri = f"/customers/{customer.customer_id}/orders"
        yield uri, collection([order for owner, order in orders if owner is customer], uri)


def _entitlements(scenario: Scenario) -> Iterable[Response]:
    for plan in scenario.plans:
        items = [resources.entitlement_item(plan, entitlement) for entitlement in plan.entitlements]
        uri = f"/customers/{plan.customer.customer_id}/subscriptions/{plan.subscription_id}/azureEntitlements"
        yield uri, collection(items)


def _direct_signed(scenario: Scenario) -> Iterable[Response]:
    for customer in scenario.customers:
        uri = f"/customers/{customer.customer_id}/directSignedMicrosoftCustomerAgreementStatus"
        yield uri, {"isSigned": customer.has_signed_directly}


def _subscription_provisioning(subscriptions: Iterable[tuple[Customer, Json]]) -> Iterable[Response]:
    for _, item in subscriptions:
        if item["offerId"] != sold_items.AZURE_PLAN_OFFER_ID and item["status"] == "active":
            uri = f"{item['links']['self']['uri']}/provisioningstatus"
            yield uri, resources.subscription_provisioning(item)


def _order_provisioning(scenario: Scenario) -> Iterable[Response]:
    """The status of the orders placed within some days before the newest; nobody asks for that of an older one."""
    orders = [order for _, order in sold_items.order_items(scenario)]
    newest_on = max((date.fromisoformat(order["creationDate"][:10]) for order in orders), default=scenario.starts_on)
    for order in orders:
        if order["creationDate"] >= resources.utc(newest_on - ORDER_SETTLES_WITHIN):
            yield order["links"]["provisioningStatus"]["uri"], collection(resources.order_provisioning(order))


def write_changes(path: Path, changes: Iterable[SeatChange]) -> None:
    """Write the licence change log."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(CHANGE_COLUMNS)
        for change in changes:
            writer.writerow(
                (
                    change.change_id,
                    change.customer.customer_id,
                    change.subscription_id,
                    resources.instant(change.changed_at),
                    change.event,
                    change.quantity_before,
                    change.quantity_after,
                    change.actor,
                )
            )
