"""What Partner Center itself tells: invoice headers, customers, subscriptions, agreements, audits, the change log.

Collections have the shape of the REST API (`totalCount`, `items`, `links`, `attributes`). Numbers of money are written
as JSON numbers with every digit.
"""

from __future__ import annotations

import csv
import json
import re
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from csp_pipeline.sandbox.catalogue import AZURE_PLAN_PRODUCT_ID, AZURE_PLAN_SKU_ID, MICROSOFT, PARTNER_DOMAIN
from csp_pipeline.sandbox.dates import first_day, last_day, shift
from csp_pipeline.sandbox.facts import SeatChange, Seats, plain
from csp_pipeline.sandbox.seats import cycles_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from csp_pipeline.sandbox.azure import AzurePlan
    from csp_pipeline.sandbox.documents import Document
    from csp_pipeline.sandbox.facts import Customer
    from csp_pipeline.sandbox.scenario import Scenario

Json = dict[str, Any]
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
MCA_TEMPLATE_ID = "117a77b0-9360-443b-8795-c6dedc750cf9"


def write_all(scenario: Scenario, documents: Sequence[Document], changes: Sequence[SeatChange], folder: Path) -> None:
    """Write every Partner Center file of a scenario into the inbox."""
    write_collection(folder / "invoices.json", "/invoices", [invoice_header(document) for document in documents])
    customers = [_customer(customer) for customer in scenario.customers]
    write_collection(folder / "customers.json", "/customers?size=500", customers)
    subscriptions = [_seat_subscription(scenario, seats) for seats in scenario.seats if seats.is_listed]
    subscriptions += [_azure_subscription(scenario, plan) for plan in scenario.plans]
    write_collection(folder / "subscriptions.json", "/subscriptions", subscriptions)
    agreements = [_agreement(customer, customer.agreed_on) for customer in scenario.customers if customer.agreed_on]
    write_collection(folder / "agreements.json", "/agreements", agreements)
    records = [_audit_record(scenario, change) for change in changes]
    write_collection(folder / "auditrecords.json", "/auditrecords?size=500", records)
    write_changes(folder / "subscription_changes.csv", changes)


def write_collection(path: Path, uri: str, items: Sequence[Json]) -> None:
    """Write a REST collection; decimals become JSON numbers, digit by digit."""
    collection = {
        "totalCount": len(items),
        "items": items,
        "links": {"self": {"uri": uri, "method": "GET", "headers": []}},
        "attributes": {"objectType": "Collection"},
    }
    text = json.dumps(collection, indent=1, ensure_ascii=False, default=_number_marker)
    path.write_text(re.sub(r'"\\u0001([^"]*)"', r"\1", text) + "\n", encoding="utf-8")


def _number_marker(value: object) -> str:
    if isinstance(value, Decimal):
        return f"\x01{plain(value)}"
    raise TypeError(f"cannot be written as JSON: {type(value).__name__}")


def utc(on: date) -> str:
    """Midnight of a day as the API writes it."""
    return f"{on.isoformat()}T00:00:00Z"


def invoice_header(document: Document) -> Json:
    """An item of the collection of `/invoices`."""
    issued_on = first_day(shift(document.month, 1)) + timedelta(days=7)
    lines_uri = f"/invoices/OneTime-{document.number}/lineitems/OneTime/BillingLineItems"
    return {
        "id": document.number,
        "invoiceDate": utc(issued_on),
        "billingPeriodStartDate": utc(first_day(document.month)),
        "billingPeriodEndDate": utc(last_day(document.month)),
        "totalCharges": document.total,
        "paidAmount": Decimal(0),
        "currencyCode": document.currency.code,
        "currencySymbol": document.currency.symbol,
        "pdfDownloadLink": f"/invoices/{document.number}/documents/statement",
        "invoiceDetails": [
            {
                "invoiceLineItemType": "billing_line_items",
                "billingProvider": "one_time",
                "links": {"self": {"uri": lines_uri, "method": "GET", "headers": []}},
                "attributes": {"objectType": "InvoiceDetail"},
            }
        ],
        "documentType": "invoice",
        "invoiceType": "OneTime",
        "links": {"self": {"uri": f"/invoices/OneTime-{document.number}", "method": "GET", "headers": []}},
        "attributes": {"objectType": "Invoice"},
    }


def _customer(customer: Customer) -> Json:
    return {
        "id": customer.customer_id,
        "companyProfile": {
            "tenantId": customer.customer_id,
            "domain": customer.domain,
            "companyName": customer.name,
            "address": {"country": customer.country},
            "attributes": {"objectType": "CustomerCompanyProfile"},
        },
        "relationshipToPartner": "reseller",
        "attributes": {"objectType": "Customer"},
    }


def _subscription(customer: Customer, subscription_id: str, details: Json) -> Json:
    uri = f"/customers/{customer.customer_id}/subscriptions/{subscription_id}"
    return {
        "id": subscription_id,
        "customerId": customer.customer_id,
        **details,
        "links": {"self": {"uri": uri, "method": "GET", "headers": []}},
        "attributes": {"objectType": "Subscription"},
    }


def _seat_subscription(scenario: Scenario, seats: Seats) -> Json:
    licence = seats.licence
    quantity = seats.current_quantity()
    current = list(cycles_of(seats, scenario.ends_on))[-1]
    return _subscription(
        seats.customer,
        seats.subscription_id,
        {
            "offerId": f"{licence.product_id}:{licence.sku_id}:{licence.availability_id}",
            "offerName": licence.name,
            "friendlyName": licence.name,
            "productType": {"id": licence.category, "displayName": licence.category},
            "quantity": quantity,
            "unitType": licence.unit_type,
            "creationDate": utc(seats.first_charge_on),
            "effectiveStartDate": utc(max(current.term_start_on, seats.first_charge_on)),
            "commitmentEndDate": utc(current.term_end_on),
            "status": "active" if quantity else "deleted",
            "autoRenewEnabled": seats.renewal_type == "renew",
            "isTrial": False,
            "billingType": "license",
            "billingCycle": "monthly" if seats.cycle_months == 1 else "annual",
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
            "offerId": f"{AZURE_PLAN_PRODUCT_ID}:{AZURE_PLAN_SKU_ID}:DZH318Z0BPAV",
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


def _agreement(customer: Customer, agreed_on: date) -> Json:
    return {
        "customerId": customer.customer_id,
        "primaryContact": {"firstName": "Tania", "lastName": "Carr", "email": f"tania.carr@{customer.domain}"},
        "templateId": MCA_TEMPLATE_ID,
        "dateAgreed": f"{agreed_on.isoformat()}T00:00:00",
        "type": "MicrosoftCustomerAgreement",
        "agreementLink": "https://aka.ms/customeragreement",
        "links": {"self": {"uri": f"/customers/{customer.customer_id}/agreements", "method": "GET", "headers": []}},
    }


def _audit_record(scenario: Scenario, change: SeatChange) -> Json:
    def subscription(quantity: int) -> str:
        return json.dumps({"Id": change.subscription_id, "Quantity": quantity, "Status": "active"})

    return {
        "partnerId": scenario.partner_id,
        "customerId": change.customer.customer_id,
        "customerName": change.customer.name,
        "userPrincipalName": f"agent@{PARTNER_DOMAIN}",
        "applicationId": "Partner Center Web UI",
        "resourceType": "subscription",
        "resourceOldValue": subscription(change.quantity_before),
        "resourceNewValue": subscription(change.quantity_after),
        "operationType": "update_subscription" if change.quantity_before else "create_order",
        "operationDate": _instant(change.changed_at),
        "operationStatus": "succeeded",
        "customizedData": [
            {"key": "SubscriptionId", "value": change.subscription_id},
            {"key": "Quantity", "value": str(change.quantity_after)},
        ],
        "attributes": {"objectType": "AuditRecord"},
    }


def _instant(at: datetime) -> str:
    return at.isoformat(timespec="seconds") + "Z"


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
                    _instant(change.changed_at),
                    change.event,
                    change.quantity_before,
                    change.quantity_after,
                    change.actor,
                )
            )
