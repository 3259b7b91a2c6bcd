"""Legacy files of one invoice, as the portal and the API send them, and the header that belongs to them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

TENANT = "65726577-c208-40fd-9735-8c85ac9cac68"
AZURE = "87f4b92f-a490-485e-ad34-5b70cb4d0a11"
LICENCE = "1f58acd7-fe51-4705-9567-d009c9ada150"
OFFER = "2f707c7c-2433-49a5-a437-9ca7cf40d3eb"


def _names(text: str) -> list[str]:
    return text.split()


LICENCE_COLUMNS = _names(
    """
    PartnerId CustomerId CustomerName MPNID ResellerMPNID OrderId SubscriptionId SyndicationPartnerSubscriptionNumber
    OfferId DurableOfferId OfferName SubscriptionStartDate SubscriptionEndDate ChargeStartDate ChargeEndDate ChargeType
    UnitPrice Quantity Amount TotalOtherDiscount Subtotal Tax TotalForCustomer Currency DomainName SubscriptionName
    SubscriptionDescription BillingCycleType
    """
)
SHARED_COLUMNS = _names(
    """
    PartnerId PartnerName PartnerBillableAccountId CustomerCompanyName MPNID ResellerMPNID InvoiceNumber ChargeStartDate
    ChargeEndDate SubscriptionId SubscriptionName SubscriptionDescription OrderID ServiceName ServiceType ResourceGuid
    ResourceName Region Sku
    """
)
CHARGE_COLUMNS = SHARED_COLUMNS + _names(
    """
    DetailLineItemId ConsumedQuantity IncludedQuantity OverageQuantity ListPrice PretaxCharges TaxAmount PostTaxTotal
    Currency PretaxEffectiveRate PostTaxEffectiveRate ChargeType CustomerId DomainName BillingCycleType Unit
    """
)
DAY_COLUMNS = SHARED_COLUMNS + _names(
    """
    ConsumedQuantity CustomerId DomainName BillingCycleType Unit CustomerBillableAccount UsageDate MeteredRegion
    MeteredService MeteredServiceType Project ServiceInfo
    """
)

SEATS = {
    "PartnerId": "3b33e682-00c3-41ee-9dd2-a548adf56438",
    "CustomerId": TENANT,
    "CustomerName": "Contoso",
    "MPNID": "4391507",
    "ResellerMPNID": "-1",
    "OrderId": "567735045559164136",
    "SubscriptionId": "4KIKawEAAAAAAAEA",
    "SyndicationPartnerSubscriptionNumber": LICENCE,
    "OfferId": "aaa5b3f0-0ee2-431b-a42f-3f18f3c6d540",
    "DurableOfferId": OFFER,
    "OfferName": "Exchange Online (Plan 2)",
    "SubscriptionStartDate": "8/2/2026 0:00",
    "SubscriptionEndDate": "8/1/2027 23:59",
    "ChargeStartDate": "8/2/2026 0:00",
    "ChargeEndDate": "9/1/2026 23:59",
    "ChargeType": "Cycle fee",
    "UnitPrice": "41.62",
    "Quantity": "135",
    "Amount": "5618.70",
    "TotalOtherDiscount": "1404.68",
    "Subtotal": "4214.02",
    "Tax": "0",
    "TotalForCustomer": "4214.02",
    "Currency": "USD",
    "DomainName": "contoso.example.com",
    "BillingCycleType": "MONTHLY",
}
"""LEG-07: 25 percent off, 135 seats at 41.62."""

CHARGE = {
    "CustomerCompanyName": "Contoso",
    "MPNID": "4390934",
    "ResellerMPNID": "-1",
    "InvoiceNumber": "D0300001",
    "ChargeStartDate": "8/2/2026 0:00",
    "ChargeEndDate": "9/1/2026 0:00",
    "SubscriptionId": AZURE,
    "SubscriptionName": "Microsoft Azure",
    "SubscriptionDescription": "Microsoft Azure",
    "ServiceName": "Azure App Service",
    "ServiceType": "Standard Plan",
    "ResourceGuid": "505db374-df8a-44df-9d8c-13c14b61dee1",
    "ResourceName": "S1",
    "Sku": "7UD-00001",
    "DetailLineItemId": "1",
    "ConsumedQuantity": "745",
    "IncludedQuantity": "0",
    "OverageQuantity": "745",
    "ListPrice": "0.085",
    "PretaxCharges": "63.33",
    "TaxAmount": "6.34",
    "PostTaxTotal": "69.67",
    "Currency": "USD",
    "PretaxEffectiveRate": "0.08500671",
    "PostTaxEffectiveRate": "0.09351677",
    "ChargeType": "Assess usage fee for current cycle",
    "CustomerId": "ORDDABCDEF",
    "DomainName": "contoso.example.com",
    "BillingCycleType": "Monthly",
    "Unit": "1 Hour",
}
"""LEG-06: 745 hours at 0.085 are 63.325, rounded half up."""


def licence_file(*changes: Mapping[str, str]) -> str:
    """A licence file whose rows differ from the usual one as stated."""
    return _table(LICENCE_COLUMNS, [{**SEATS, **change} for change in changes])


def usage_file(*changes: Mapping[str, str], days: int = 31) -> str:
    """A usage file: charges that differ from the usual one as stated, then a section of days."""
    charges = _table(CHARGE_COLUMNS, [{**CHARGE, **change} for change in changes])
    consumed = [
        {**CHARGE, "UsageDate": f"8/{day}/2026 0:00", "ConsumedQuantity": "24", "MeteredService": "App Service"}
        for day in range(2, days + 1)
    ]
    return f"{charges}\r\nDaily usage\r\n{_table(DAY_COLUMNS, consumed)}"


def header(number: str, total: str, **more: object) -> str:
    """The collection of headers with one legacy document of August."""
    document = {
        "id": number,
        "invoiceDate": "2026-09-03T00:00:00Z",
        "billingPeriodStartDate": "2026-08-02T00:00:00Z",
        "billingPeriodEndDate": "2026-09-01T00:00:00Z",
        "totalCharges": float(total),
        "currencyCode": "USD",
        "documentType": "invoice",
        "invoiceType": "Recurring",
    }
    return json.dumps({"totalCount": 1, "items": [document | more]})


def _table(columns: list[str], rows: list[dict[str, str]]) -> str:
    lines = [columns, *([row.get(name, "") for name in columns] for row in rows)]
    return "".join(",".join(line) + "\r\n" for line in lines)
