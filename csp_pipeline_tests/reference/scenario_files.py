"""Writing a small made-up partner as files: an inbox folder and a commercial folder, as the product reads them."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def _words(text: str) -> list[str]:
    return text.split()


RECON_COLUMNS = _words(
    "PartnerId CustomerId CustomerName CustomerDomainName CustomerCountry InvoiceNumber MpnId Tier2MpnId "
    "OrderId OrderDate ProductId SkuId AvailabilityId SkuName ProductName ChargeType UnitPrice Quantity "
    "Subtotal TaxTotal Total Currency PriceAdjustmentDescription PublisherName PublisherId "
    "SubscriptionDescription SubscriptionId ChargeStartDate ChargeEndDate TermAndBillingCycle "
    "EffectiveUnitPrice UnitType AlternateId BillableQuantity BillingFrequency PricingCurrency "
    "PCToBCExchangeRate PCToBCExchangeRateDate MeterDescription ReservationOrderId CreditReasonCode "
    "SubscriptionStartDate SubscriptionEndDate ReferenceId ProductQualifiers PromotionId ProductCategory"
)
USAGE_COLUMNS = _words(
    "PartnerId PartnerName CustomerId CustomerName CustomerDomainName CustomerCountry MpnId Tier2MpnId "
    "InvoiceNumber ProductId SkuId AvailabilityId SkuName ProductName PublisherName PublisherId "
    "SubscriptionDescription SubscriptionId ChargeStartDate ChargeEndDate UsageDate MeterType "
    "MeterCategory MeterId MeterSubCategory MeterName MeterRegion Unit ResourceLocation ConsumedService "
    "ResourceGroup ResourceURI ChargeType UnitPrice Quantity UnitType BillingPreTaxTotal BillingCurrency "
    "PricingPreTaxTotal PricingCurrency ServiceInfo1 ServiceInfo2 Tags AdditionalInfo EffectiveUnitPrice "
    "PCToBCExchangeRate PCToBCExchangeRateDate EntitlementId EntitlementDescription "
    "PartnerEarnedCreditPercentage CreditPercentage CreditType BenefitOrderId BenefitId BenefitType"
)
CONTRACT_COLUMNS = _words(
    "contract_line_id account_id customer_id subscription_id entitlement_id product_id sku_id description "
    "pricing_model unit_price currency markup_percent cost_basis discount_percent quantity_source "
    "quantity billing_cycle billing_timing anchor_day proration tax_category starts_on ends_on bundle_id "
    "cost_source unit_cost minimum_amount maximum_amount discount_amount discount_ends_on trial_ends_on"
)
CHANGE_COLUMNS = _words("change_id customer_id subscription_id changed_at event quantity_before quantity_after actor")

PARTNER = "0f0f0f0f-0000-4000-8000-00000000aaaa"
CUSTOMER = "c0c0c0c0-0000-4000-8000-000000000001"
STRANGER = "c0c0c0c0-0000-4000-8000-000000000002"
SEATS = "50505050-0000-4000-8000-000000000001"
OTHER_SEATS = "50505050-0000-4000-8000-000000000002"
PLAN = "a2a2a2a2-0000-4000-8000-000000000001"
ENTITLEMENT_A = "e0e0e0e0-0000-4000-8000-00000000000a"
ENTITLEMENT_B = "e0e0e0e0-0000-4000-8000-00000000000b"
SEAT_PRODUCT, SEAT_SKU = "CFQ7TTC0LH18", "0001"
PLAN_PRODUCT, PLAN_SKU = "DZH318Z0BP04", "0005"
EARNED_CREDIT = '["15.0% Partner earned credit for services managed"]'


@dataclass
class Partner:
    """A partner in the making; ``write`` puts its files under a folder."""

    currency: str = "EUR"
    tables: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    lines: list[dict[str, str]] = field(default_factory=list)
    usage_rows: list[dict[str, str]] = field(default_factory=list)
    changes: list[dict[str, str]] = field(default_factory=list)
    subscriptions: list[dict[str, object]] = field(default_factory=list)
    header_totals: dict[str, str] = field(default_factory=dict)
    void_notes: dict[str, str] = field(default_factory=dict)
    """Number of the void note by the number it voids: a header only, with the negative total."""

    def row(self, table: str, **values: object) -> None:
        """Add a row to a commercial table."""
        self.tables.setdefault(table, []).append({key: str(value) for key, value in values.items()})

    def account(
        self, account_id: str = "A1", *, customer_id: str = CUSTOMER, currency: str = "", tax: str = ""
    ) -> None:
        """Add an account with one tenant."""
        self.row(
            "accounts",
            account_id=account_id,
            name=f"Account {account_id}",
            country_code="DE",
            currency=currency or self.currency,
            tax_rate_id=tax,
            payment_terms_days=30,
        )
        self.row("account_tenants", account_id=account_id, customer_id=customer_id)

    def contract(self, contract_line_id: str, **values: object) -> None:
        """Add a contract line: by default seats of the one customer, monthly in arrears from the 1st."""
        defaults: dict[str, object] = {
            "account_id": "A1",
            "customer_id": CUSTOMER,
            "pricing_model": "per_unit",
            "currency": self.currency,
            "quantity_source": "partner_center" if values.get("subscription_id") else "fixed",
            "billing_cycle": "monthly",
            "billing_timing": "arrears",
            "anchor_day": 1,
            "proration": "daily",
            "tax_category": "standard",
            "starts_on": "2026-01-01",
            "cost_source": "provider",
        }
        self.row("contract_lines", contract_line_id=contract_line_id, **(defaults | values))

    def line(self, invoice: str, start: str, end: str, quantity: object, subtotal: object, **values: object) -> None:
        """Add a reconciliation line; by default a monthly seat charge of a subscription from 2026-01-01."""
        total = Decimal(str(subtotal)) + Decimal(str(values.get("TaxTotal", "0")))
        defaults: dict[str, object] = {
            "PartnerId": PARTNER,
            "CustomerId": CUSTOMER,
            "CustomerName": "Customer, one",
            "CustomerDomainName": "one.example",
            "CustomerCountry": "DE",
            "InvoiceNumber": invoice,
            "MpnId": "1234567",
            "Tier2MpnId": "0",
            "OrderId": "order-1",
            "OrderDate": start,
            "ProductId": SEAT_PRODUCT,
            "SkuId": SEAT_SKU,
            "AvailabilityId": "AV1",
            "SkuName": "Office seat",
            "ProductName": "Office seat",
            "ChargeType": "cycleCharge",
            "UnitPrice": "10",
            "Quantity": quantity,
            "Subtotal": subtotal,
            "TaxTotal": "0",
            "Total": total,
            "Currency": self.currency,
            "PublisherName": "Microsoft Corporation",
            "SubscriptionId": SEATS,
            "ChargeStartDate": start,
            "ChargeEndDate": end,
            "TermAndBillingCycle": "1-Month commitment for monthly billing",
            "EffectiveUnitPrice": (Decimal(str(subtotal)) / (abs(Decimal(str(quantity))) or 1)).quantize(
                Decimal("1E-9")
            ),
            "BillableQuantity": quantity,
            "BillingFrequency": "Monthly",
            "PricingCurrency": self.currency,
            "PCToBCExchangeRate": "1",
            "PCToBCExchangeRateDate": start,
            "SubscriptionStartDate": "2026-01-01",
            "SubscriptionEndDate": "2026-12-31",
        }
        self.lines.append({key: str(value) for key, value in (defaults | values).items()})

    def plan_line(self, invoice: str, quantity: object, subtotal: object, **values: object) -> None:
        """Add an Azure plan line of January 2026."""
        defaults: dict[str, object] = {
            "SubscriptionId": PLAN,
            "ProductId": PLAN_PRODUCT,
            "SkuId": PLAN_SKU,
            "ProductName": "Virtual machines",
            "SkuName": "Virtual machines",
            "ChargeType": "new",
            "BillingFrequency": "",
            "TermAndBillingCycle": "",
            "MeterDescription": "D2 v3",
        }
        self.line(invoice, "2026-01-01", "2026-01-31", quantity, subtotal, **(defaults | values))

    def usage(self, invoice: str, day: str, quantity: object, net: object, **values: object) -> None:
        """Add a daily usage row of the Azure plan."""
        defaults: dict[str, object] = {
            "PartnerId": PARTNER,
            "CustomerId": CUSTOMER,
            "InvoiceNumber": invoice,
            "ProductId": PLAN_PRODUCT,
            "SkuId": PLAN_SKU,
            "SkuName": "Virtual machines",
            "ProductName": "Virtual machines",
            "PublisherName": "Microsoft",
            "SubscriptionId": PLAN,
            "ChargeStartDate": "2026-01-01",
            "ChargeEndDate": "2026-01-31",
            "UsageDate": day,
            "MeterCategory": "Virtual machines",
            "MeterId": "meter-1",
            "MeterName": "D2 v3",
            "ResourceGroup": "rg",
            "ResourceURI": "/resource/one",
            "ChargeType": "new",
            "UnitPrice": "1",
            "Quantity": quantity,
            "BillingPreTaxTotal": net,
            "BillingCurrency": self.currency,
            "PricingPreTaxTotal": net,
            "PricingCurrency": self.currency,
            "EffectiveUnitPrice": "1",
            "PCToBCExchangeRate": "1",
            "PCToBCExchangeRateDate": "2026-01-01",
            "EntitlementId": ENTITLEMENT_A,
            "PartnerEarnedCreditPercentage": "0",
            "CreditPercentage": "0",
            "CreditType": "Credit Not Applied",
        }
        self.usage_rows.append({key: str(value) for key, value in (defaults | values).items()})

    def change(self, changed_at: str, before: int, after: int, subscription_id: str = SEATS) -> None:
        """Add a row to the licence change log."""
        values = (f"ch-{len(self.changes) + 1}", CUSTOMER, subscription_id, changed_at, "quantity", before, after, "me")
        self.changes.append({k: str(v) for k, v in zip(CHANGE_COLUMNS, values, strict=True)})

    def subscription(
        self, quantity: int, started_on: str, *, cycle: str = "monthly", subscription_id: str = SEATS
    ) -> None:
        """Add a subscription as Partner Center shows it now."""
        self.subscriptions.append(
            {
                "id": subscription_id,
                "offerId": f"{SEAT_PRODUCT}:{SEAT_SKU}:AV1",
                "offerName": "Office seat",
                "friendlyName": "Office seat",
                "quantity": quantity,
                "creationDate": f"{started_on}T00:00:00Z",
                "effectiveStartDate": f"{started_on}T00:00:00Z",
                "commitmentEndDate": "2026-12-31T00:00:00Z",
                "status": "active",
                "autoRenewEnabled": True,
                "billingCycle": cycle,
                "termDuration": "P1Y",
                "orderId": "order-1",
                "links": {"self": {"uri": f"/customers/{CUSTOMER}/subscriptions/{subscription_id}", "method": "GET"}},
                "attributes": {"objectType": "Subscription"},
            }
        )

    def write(self, folder: Path) -> None:
        """Write ``inbox/`` and ``commercial/``; a header without a planted total carries the sum of its lines."""
        inbox, commercial = folder / "inbox", folder / "commercial"
        inbox.mkdir(parents=True)
        commercial.mkdir(parents=True)
        for number in sorted({line["InvoiceNumber"] for line in self.lines}):
            mine = [line for line in self.lines if line["InvoiceNumber"] == number]
            _write_csv(inbox / f"recon_{number}.csv", RECON_COLUMNS, mine)
        for number in sorted({row["InvoiceNumber"] for row in self.usage_rows}):
            mine = [row for row in self.usage_rows if row["InvoiceNumber"] == number]
            _write_csv(inbox / f"usage_{number}.csv", USAGE_COLUMNS, mine)
        if self.changes:
            _write_csv(inbox / "subscription_changes.csv", CHANGE_COLUMNS, self.changes)
        self._write_json(inbox)
        for name, rows in self.tables.items():
            columns = CONTRACT_COLUMNS if name == "contract_lines" else list(rows[0])
            _write_csv(commercial / f"{name}.csv", columns, rows)
        if "contract_lines" not in self.tables:
            _write_csv(commercial / "contract_lines.csv", CONTRACT_COLUMNS, [])

    def _write_json(self, inbox: Path) -> None:
        totals: dict[str, Decimal] = {}
        for line in self.lines:
            number = line["InvoiceNumber"]
            totals[number] = totals.get(number, Decimal(0)) + Decimal(line["Total"])
        totals |= {number: Decimal(total) for number, total in self.header_totals.items()}
        headers = [self._header(number, totals[number], "invoice", None) for number in sorted(totals)]
        for voided, number in self.void_notes.items():
            headers.append(self._header(number, -totals[voided], "void_note", voided))
        _write_collection(inbox / "invoices.json", "/invoices", headers)
        if self.subscriptions:
            uri = f"/customers/{CUSTOMER}/subscriptions"
            _write_collection(inbox / "subscriptions.json", uri, self.subscriptions)

    def _header(self, number: str, total: Decimal, kind: str, amends: str | None) -> dict[str, object]:
        month = number.removeprefix("G").split("-")[0]
        header: dict[str, object] = {
            "id": number,
            "invoiceDate": f"{month[:4]}-{month[4:6]}-28T00:00:00Z",
            "billingPeriodStartDate": f"{month[:4]}-{month[4:6]}-01T00:00:00Z",
            "totalCharges": float(total),
            "paidAmount": 0,
            "currencyCode": self.currency,
            "documentType": kind,
            "invoiceType": "OneTime",
            "attributes": {"objectType": "Invoice"},
        }
        return header if amends is None else header | {"amendsOf": amends}


def _write_csv(path: Path, columns: list[str] | tuple[str, ...], rows: list[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)


def _write_collection(path: Path, uri: str, items: list[dict[str, object]]) -> None:
    document = {
        "totalCount": len(items),
        "items": items,
        "links": {"self": {"uri": uri, "method": "GET", "headers": []}},
        "attributes": {"objectType": "Collection"},
    }
    path.write_text(json.dumps(document, indent=1), encoding="utf-8")
