"""What Partner Center says of the scenario: customers, provisioning, agreements, the activity log, invoices.

Each function gives one item in the shape of the REST API; subscriptions and orders are in `sold_items`. Files made of
them are written in `partner_center`; the server hands them out page by page.
"""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from csp_pipeline.sandbox.catalogue import PARTNER_DOMAIN
from csp_pipeline.sandbox.dates import first_day, last_day, shift
from csp_pipeline.sandbox.json_text import Json, link

if TYPE_CHECKING:
    from datetime import date, datetime

    from csp_pipeline.sandbox.azure import AzurePlan, Entitlement
    from csp_pipeline.sandbox.documents import Document
    from csp_pipeline.sandbox.facts import Customer, SeatChange
    from csp_pipeline.sandbox.scenario import Scenario

MCA_TEMPLATE_ID = "117a77b0-9360-443b-8795-c6dedc750cf9"
MCA = "MicrosoftCustomerAgreement"
MCA_LINK = "https://aka.ms/customeragreement"
SKU_PARTS = 2


def utc(on: date) -> str:
    """Midnight of a day as the API writes it."""
    return f"{on.isoformat()}T00:00:00Z"


def instant(at: datetime) -> str:
    """A time in UTC as the API writes it."""
    return at.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def etag(*parts: object) -> str:
    """The version of a resource: a short hash of what makes it that version."""
    return hashlib.sha256("/".join(str(part) for part in parts).encode()).hexdigest()[:24]


def customer_item(customer: Customer) -> Json:
    """An item of `/customers`."""
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


def entitlement_item(plan: AzurePlan, entitlement: Entitlement) -> Json:
    """An item of the `azureEntitlements` of an Azure plan: one Azure subscription."""
    return {
        "id": entitlement.entitlement_id,
        "friendlyName": entitlement.name,
        "status": "active",
        "subscriptionId": plan.subscription_id,
    }


def subscription_provisioning(subscription: Json, status: str = "success", quantity: int | None = None) -> Json:
    """The provisioning status of a subscription; the quantity is what is there, which a failure leaves behind."""
    return {
        "skuId": ":".join(subscription["offerId"].split(":")[:SKU_PARTS]),
        "status": status,
        "quantity": subscription["quantity"] if quantity is None else quantity,
        "endDate": subscription["commitmentEndDate"],
        "attributes": {"objectType": "SubscriptionProvisioningStatus"},
    }


def order_provisioning(order: Json, status: str = "Fulfilled") -> list[Json]:
    """The provisioning status of the lines of an order."""
    return [
        {
            "lineItemNumber": line["lineItemNumber"],
            "status": status,
            "quantityProvisioningInformation": [{"quantity": line["quantity"], "status": status}],
        }
        for line in order["lineItems"]
    ]


def agreement_item(customer: Customer) -> Json | None:
    """The agreement that the partner attested for a customer, if it did."""
    if customer.agreed_on is None:
        return None
    return {
        "primaryContact": {"firstName": "Tania", "lastName": "Carr", "email": f"tania.carr@{customer.domain}"},
        "templateId": MCA_TEMPLATE_ID,
        "dateAgreed": f"{customer.agreed_on.isoformat()}T00:00:00",
        "type": MCA,
        "agreementLink": MCA_LINK,
    }


def agreement_metadata_item() -> Json:
    """The agreement that customers are asked to accept."""
    return {"templateId": MCA_TEMPLATE_ID, "agreementType": MCA, "agreementLink": MCA_LINK, "versionRank": 0}


def audit_item(scenario: Scenario, change: SeatChange) -> Json:
    """The operation in the activity log that stands behind a change of seats."""
    return {
        "partnerId": scenario.partner_id,
        "customerId": change.customer.customer_id,
        "customerName": change.customer.name,
        "userPrincipalName": f"agent@{PARTNER_DOMAIN}",
        "applicationId": "Partner Center Web UI",
        "resourceType": "subscription",
        "resourceOldValue": _audited(change.subscription_id, change.quantity_before),
        "resourceNewValue": _audited(change.subscription_id, change.quantity_after),
        "operationType": "update_subscription" if change.quantity_before else "create_order",
        "operationDate": instant(change.changed_at),
        "operationStatus": "succeeded",
        "customizedData": [
            {"key": "SubscriptionId", "value": change.subscription_id},
            {"key": "Quantity", "value": str(change.quantity_after)},
        ],
        "attributes": {"objectType": "AuditRecord"},
    }


def _audited(subscription_id: str, quantity: int) -> str:
    return json.dumps({"Id": subscription_id, "Quantity": quantity, "Status": "active"})


def invoice_header(document: Document) -> Json:
    """An item of `/invoices`, or an amendment within one."""
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
                "links": {"self": link(lines_uri)},
                "attributes": {"objectType": "InvoiceDetail"},
            }
        ],
        "documentType": "adjustment_note" if document.amends else "invoice",
        **({"amendsOf": document.amends} if document.amends else {}),
        "invoiceType": "OneTime",
        "links": {"self": link(f"/invoices/OneTime-{document.number}")},
        "attributes": {"objectType": "Invoice"},
    }
