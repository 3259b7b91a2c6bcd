"""How the lines of a legacy invoice look on the wire: the portal's two files, and the line items of the API.

The portal's licence file names no invoice; its usage file has two sections, charges and days, under a header of their
own. Dates are American in files. What the values are is decided in `legacy_licences` and `legacy_azure`.
"""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from typing import TYPE_CHECKING

from csp_pipeline.sandbox.catalogue import PARTNER_NAME
from csp_pipeline.sandbox.facts import plain, truncate
from csp_pipeline.sandbox.legacy_azure import SKU, AzureCharge
from csp_pipeline.sandbox.legacy_documents import AZURE, BILLING, OFFICE, USAGE
from csp_pipeline.sandbox.legacy_facts import AZURE_OFFER_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date
    from pathlib import Path

    from csp_pipeline.sandbox.json_text import Json
    from csp_pipeline.sandbox.legacy_documents import LegacyDocument
    from csp_pipeline.sandbox.provider_documents import OtherLine
    from csp_pipeline.sandbox.scenario import Scenario

Value = str | Decimal | int
Row = dict[str, Value]

LICENCE_COLUMNS = tuple(
    """PartnerId CustomerId CustomerName MPNID ResellerMPNID OrderId SubscriptionId SyndicationPartnerSubscriptionNumber
    OfferId DurableOfferId OfferName SubscriptionStartDate SubscriptionEndDate ChargeStartDate ChargeEndDate ChargeType
    UnitPrice Quantity Amount TotalOtherDiscount Subtotal Tax TotalForCustomer Currency DomainName SubscriptionName
    SubscriptionDescription BillingCycleType""".split()  # noqa: SIM905  (a block of names reads better)
)
_SHARED_COLUMNS = tuple(
    """PartnerId PartnerName PartnerBillableAccountId CustomerCompanyName MPNID ResellerMPNID InvoiceNumber
    ChargeStartDate ChargeEndDate SubscriptionId SubscriptionName SubscriptionDescription OrderID ServiceName
    ServiceType ResourceGuid ResourceName Region Sku""".split()  # noqa: SIM905  (a block of names reads better)
)
CHARGE_COLUMNS = _SHARED_COLUMNS + tuple(
    """DetailLineItemId ConsumedQuantity IncludedQuantity OverageQuantity ListPrice PretaxCharges TaxAmount PostTaxTotal
    Currency PretaxEffectiveRate PostTaxEffectiveRate ChargeType CustomerId DomainName BillingCycleType
    Unit""".split()  # noqa: SIM905  (a block of names reads better)
)
DAY_COLUMNS = _SHARED_COLUMNS + tuple(
    """ConsumedQuantity CustomerId DomainName BillingCycleType Unit CustomerBillableAccount UsageDate MeteredRegion
    MeteredService MeteredServiceType Project ServiceInfo""".split()  # noqa: SIM905  (a block of names reads better)
)
DAY_TITLE = "Daily usage"
RATE_QUANTUM = Decimal("1E-8")
_API_NAMES = {
    "MPNID": "mpnId",
    "ResellerMPNID": "tier2MpnId",
    "OrderID": "orderId",
}
_OBJECT_TYPES = {
    (OFFICE, BILLING): "LicenseBasedLineItem",
    (AZURE, BILLING): "UsageBasedLineItem",
    (AZURE, USAGE): "DailyUsageLineItem",
}


def write_legacy(scenario: Scenario, document: LegacyDocument, folder: Path) -> None:
    """Write the files of a legacy invoice as the portal hands them out."""
    if document.licences:
        table = _table(LICENCE_COLUMNS, licence_rows(scenario, document))
        (folder / f"{document.number}_licence.csv").write_bytes(table.encode("utf-8-sig"))
    if document.azure:
        charges = _table(CHARGE_COLUMNS, charge_rows(scenario, document))
        days = _table(DAY_COLUMNS, day_rows(scenario, document))
        text = f"{charges}\r\n{DAY_TITLE}\r\n{days}"
        (folder / f"{document.number}_usage.csv").write_bytes(text.encode("utf-8-sig"))


def api_items(scenario: Scenario, document: LegacyDocument, provider: str, line_item_type: str) -> list[Json]:
    """The line items of a legacy invoice as the API tells them.

    Args:
        scenario: The facts.
        document: The invoice.
        provider: `office` or `azure`.
        line_item_type: `billing_line_items` or `usage_line_items`.

    Returns:
        One object a line; none for what the invoice does not hold.
    """
    rows = {
        (OFFICE, BILLING): licence_rows,
        (AZURE, BILLING): charge_rows,
        (AZURE, USAGE): day_rows,
    }.get((provider, line_item_type))
    if rows is None:
        return []
    further = {
        "invoiceLineItemType": line_item_type,
        "billingProvider": provider,
        "attributes": {"objectType": _OBJECT_TYPES[provider, line_item_type]},
    }
    return [{_api_name(name): value for name, value in row.items()} | further for row in rows(scenario, document)]


def licence_rows(scenario: Scenario, document: LegacyDocument) -> list[Row]:
    """The rows of the licence file; days are written as in the API (see `_american`)."""
    held = {one.subscription_id: one for one in scenario.legacy_licences}
    rows: list[Row] = []
    for line, tax in document.licences:
        licences = held[line.subscription_id]
        rows.append(
            {
                "PartnerId": scenario.partner_id,
                "CustomerId": line.customer.customer_id,
                "CustomerName": line.customer.name,
                "MPNID": int(line.customer.mpn_id),
                "ResellerMPNID": _reseller(line),
                "OrderId": licences.order_id,
                "SubscriptionId": licences.platform_id,
                "SyndicationPartnerSubscriptionNumber": line.subscription_id,
                "OfferId": line.product_id[::-1],
                "DurableOfferId": line.product_id,
                "OfferName": line.product_name,
                "SubscriptionStartDate": _instant(licences.starts_on),
                "SubscriptionEndDate": _instant(licences.starts_on.replace(year=licences.starts_on.year + 1)),
                "ChargeStartDate": _instant(line.charge_start_on),
                "ChargeEndDate": _instant(line.charge_end_on, "23:59:00"),
                "ChargeType": line.charge_type,
                "UnitPrice": line.unit_price,
                "Quantity": line.quantity,
                "Amount": line.list_amount,
                "TotalOtherDiscount": line.discount,
                "Subtotal": line.subtotal,
                "Tax": tax,
                "TotalForCustomer": line.subtotal + tax,
                "Currency": document.currency.code,
                "DomainName": line.customer.domain,
                "SubscriptionName": line.product_name,
                "SubscriptionDescription": line.product_name,
                "BillingCycleType": "MONTHLY",
            }
        )
    return rows


def charge_rows(scenario: Scenario, document: LegacyDocument) -> list[Row]:
    """The rows of the first section of the usage file."""
    return [
        _shared(scenario, document, charge)
        | {
            "DetailLineItemId": 1,
            "ConsumedQuantity": charge.consumed,
            "IncludedQuantity": charge.included,
            "OverageQuantity": charge.quantity,
            "ListPrice": charge.unit_price,
            "PretaxCharges": charge.subtotal,
            "TaxAmount": tax,
            "PostTaxTotal": charge.subtotal + tax,
            "Currency": document.currency.code,
            "PretaxEffectiveRate": _rate(charge.subtotal, charge.consumed),
            "PostTaxEffectiveRate": _rate(charge.subtotal + tax, charge.consumed),
            "ChargeType": charge.charge_type,
        }
        for charge, tax in document.azure
    ]


def day_rows(scenario: Scenario, document: LegacyDocument) -> list[Row]:
    """The rows of the second section of the usage file."""
    return [
        _shared(scenario, document, day.charge)
        | {
            "ConsumedQuantity": day.quantity,
            "CustomerBillableAccount": f"14395{int(day.charge.customer.mpn_id) % 100_000:05d}",
            "UsageDate": _instant(day.used_on),
            "MeteredRegion": day.charge.meter.region,
            "MeteredService": day.charge.meter.service,
            "MeteredServiceType": day.charge.meter.service_type,
            "Project": "",
            "ServiceInfo": "",
        }
        for day in document.days
    ]


def _shared(scenario: Scenario, document: LegacyDocument, charge: AzureCharge) -> Row:
    held = next(one for one in scenario.legacy_azure if one.subscription_id == charge.subscription_id)
    meter = charge.meter
    return {
        "PartnerId": scenario.partner_id,
        "PartnerName": PARTNER_NAME,
        "PartnerBillableAccountId": "1010578050",
        "CustomerId": f"ORDD{charge.customer.customer_id[:6].upper()}",
        "CustomerCompanyName": charge.customer.name,
        "MPNID": int(charge.customer.mpn_id),
        "ResellerMPNID": _reseller(charge),
        "InvoiceNumber": document.number,
        "ChargeStartDate": _instant(charge.charge_start_on),
        "ChargeEndDate": _instant(charge.charge_end_on),
        "SubscriptionId": charge.subscription_id,
        "SubscriptionName": AZURE_OFFER_NAME,
        "SubscriptionDescription": AZURE_OFFER_NAME,
        "OrderID": held.order_id,
        "ServiceName": meter.service,
        "ServiceType": meter.service_type,
        "ResourceGuid": meter.resource_guid,
        "ResourceName": meter.name,
        "Region": meter.region,
        "Sku": SKU,
        "DomainName": charge.customer.domain,
        "BillingCycleType": "Monthly",
        "Unit": meter.unit,
    }


def _reseller(line: OtherLine) -> int:
    """The reseller's number; -1 where there is none, as these files have it."""
    return int(line.customer.reseller_mpn_id) or -1


def _rate(amount: Decimal, quantity: Decimal) -> Decimal:
    return truncate(amount / quantity, RATE_QUANTUM) if quantity else Decimal(0)


def _instant(on: date, time: str = "00:00:00") -> str:
    return f"{on.isoformat()}T{time}"


def _american(text: str) -> str:
    """A day and time as the portal's files write them: 8/2/2026 0:00."""
    day, _, time = text.partition("T")
    year, month, number = (int(part) for part in day.split("-"))
    hour, minute, _ = time.split(":")
    return f"{month}/{number}/{year} {int(hour)}:{minute}"


def _table(columns: Sequence[str], rows: Iterable[Row]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(column, row[column]) for column in columns])
    return buffer.getvalue()


def _cell(column: str, value: Value) -> str:
    if isinstance(value, Decimal):
        return plain(value)
    return _american(str(value)) if column.endswith("Date") else str(value)


def _api_name(column: str) -> str:
    return _API_NAMES.get(column, column[0].lower() + column[1:])
