"""The invoices of the made-up partner: one G document per currency and month, its header and its two kinds of files.

Lines and usage come from `seats` and `azure`; here they get tax, an invoice number, a wire form, and are written.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from csp_pipeline.sandbox.containers import open_rows
from csp_pipeline.sandbox.dates import days_between, first_day, last_day, shift
from csp_pipeline.sandbox.facts import ReconLine, round_away
from csp_pipeline.sandbox.usage import InvoiceContext, PlanMonth, write_usage
from csp_pipeline.sandbox.wire import FORMS, RECON_COLUMNS, USAGE_COLUMNS, Value, WireForm

if TYPE_CHECKING:
    from pathlib import Path

    from csp_pipeline.sandbox.catalogue import Currency
    from csp_pipeline.sandbox.scenario import Scenario

BLOBS_A_FILE = 3
BLOB_ROWS_AT_MOST = 250_000


@dataclass
class Document:
    """One provider invoice.

    Attributes:
        lines: Its reconciliation lines, each with its tax.
        usage: What every Azure plan on it used.
    """

    number: str
    month: str
    currency: Currency
    fx: Decimal
    form: WireForm
    lines: list[tuple[ReconLine, Decimal]] = field(default_factory=list)
    usage: list[PlanMonth] = field(default_factory=list)

    @property
    def subtotal(self) -> Decimal:
        """Sum of the lines before tax."""
        return sum((line.subtotal for line, _ in self.lines), Decimal(0))

    @property
    def line_tax(self) -> Decimal:
        """Sum of the tax on the lines."""
        return sum((tax for _, tax in self.lines), Decimal(0))

    @property
    def document_tax(self) -> Decimal:
        """Tax that stands on the document only."""
        if self.currency.tax_mode != "document":
            return Decimal(0)
        return round_away(self.subtotal * self.currency.tax_percent / 100, self.currency.minor_unit)

    @property
    def total(self) -> Decimal:
        """What the header says is to be paid."""
        return self.subtotal + self.line_tax + self.document_tax

    @property
    def usage_rows(self) -> int:
        """Number of its daily usage rows."""
        return sum(usage.rows for usage in self.usage)


def plan_documents(scenario: Scenario) -> list[Document]:
    """The documents of a scenario without lines, by month and currency; wire forms take turns."""
    return [
        Document(
            number=f"G{61_000_000 + month_number * 977 + number * 31 + scenario.seed % 9:09d}",
            month=month,
            currency=currency,
            fx=scenario.fx(currency, month),
            form=FORMS[(month_number * len(scenario.currencies) + number) % len(FORMS)],
        )
        for month_number, month in enumerate(scenario.months)
        for number, currency in enumerate(scenario.currencies)
    ]


def write_document(scenario: Scenario, document: Document, seat_lines: list[ReconLine], folder: Path) -> None:
    """Write the usage and reconciliation files of one invoice and fill in the document; without lines, nothing.

    Args:
        scenario: The facts.
        document: The invoice; gets its lines and usage sums.
        seat_lines: All lines that are not usage, of any invoice.
        folder: The inbox.
    """
    invoice = InvoiceContext(
        number=document.number,
        partner_id=scenario.partner_id,
        first_month=scenario.months[0],
        fx=document.fx,
        fx_on=last_day(shift(document.month, -1)) - timedelta(days=2),
    )
    _write_usage(scenario, document, invoice, folder)
    lines = [line for usage in document.usage for line, _ in usage.lines]
    lines += [
        line
        for line in seat_lines
        if line.billing_month == document.month and line.customer.currency == document.currency
    ]
    document.lines = [(line, _line_tax(line, document.currency)) for line in lines]
    if not lines:
        return
    form, name = document.form, f"{document.number}_reconciliation"
    rows = open_rows(folder, name, form, RECON_COLUMNS, blob_rows=len(lines) // 2 + 1)
    for line, tax in document.lines:
        rows.write(form.row(RECON_COLUMNS, _recon_values(line, tax, document, invoice)))
    rows.close()


def _line_tax(line: ReconLine, currency: Currency) -> Decimal:
    percent = currency.tax_percent if currency.tax_mode == "line" else Decimal(0)
    return round_away(line.subtotal * percent / 100, currency.minor_unit)


def _write_usage(scenario: Scenario, document: Document, invoice: InvoiceContext, folder: Path) -> None:
    plans = [plan for plan in scenario.plans if plan.customer.currency == document.currency and plan.resources]
    if not plans:
        return
    expected = sum(len(plan.resources) for plan in plans) * days_between(
        first_day(document.month), last_day(document.month)
    )
    blob_rows = min(expected // BLOBS_A_FILE + 1, BLOB_ROWS_AT_MOST)
    rows = open_rows(folder, f"{document.number}_dailyratedusage", document.form, USAGE_COLUMNS, blob_rows)
    for plan in plans:
        document.usage.append(write_usage(plan, document.month, invoice, document.form, rows.write))
    rows.close()


def _recon_values(line: ReconLine, tax: Decimal, document: Document, invoice: InvoiceContext) -> dict[str, Value]:
    customer = line.customer
    is_whole = line.quantity == line.quantity.to_integral_value()
    return {
        "PartnerId": invoice.partner_id,
        "CustomerId": customer.customer_id,
        "CustomerName": customer.name,
        "CustomerDomainName": customer.domain,
        "CustomerCountry": customer.country,
        "InvoiceNumber": document.number,
        "MpnId": customer.mpn_id,
        "Tier2MpnId": customer.reseller_mpn_id,
        "OrderId": line.order_id,
        "OrderDate": line.order_on,
        "ProductId": line.product_id,
        "SkuId": line.sku_id,
        "AvailabilityId": line.availability_id,
        "SkuName": line.sku_name,
        "ProductName": line.product_name,
        "ChargeType": line.charge_type,
        "UnitPrice": line.unit_price,
        "Quantity": line.quantity if is_whole else Decimal(1),
        "Subtotal": line.subtotal,
        "TaxTotal": tax,
        "Total": line.subtotal + tax,
        "Currency": document.currency.code,
        "PriceAdjustmentDescription": json.dumps(list(line.price_adjustments)) if line.price_adjustments else "",
        "PublisherName": line.publisher_name,
        "PublisherId": line.publisher_id,
        "SubscriptionDescription": line.subscription_text,
        "SubscriptionId": line.subscription_id,
        "ChargeStartDate": line.charge_start_on,
        "ChargeEndDate": line.charge_end_on,
        "TermAndBillingCycle": line.term_text,
        "EffectiveUnitPrice": line.effective_unit_price,
        "UnitType": line.unit_type,
        "AlternateId": line.order_id,
        "BillableQuantity": line.quantity,
        "BillingFrequency": line.billing_frequency,
        "PricingCurrency": line.pricing_currency,
        "PCToBCExchangeRate": line.fx,
        "PCToBCExchangeRateDate": invoice.fx_on,
        "MeterDescription": line.meter_description,
        "ReservationOrderId": line.reservation_order_id,
        "CreditReasonCode": line.credit_reason_code,
        "SubscriptionStartDate": line.subscription_start_on,
        "SubscriptionEndDate": line.subscription_end_on,
        "ReferenceId": line.reference_id,
        "ProductQualifiers": line.qualifiers,
        "PromotionId": line.promotion_id,
        "ProductCategory": line.category,
    }
