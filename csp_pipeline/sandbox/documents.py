"""The invoices of the made-up partner: one G document per currency and month, its header and its two kinds of files.

Lines and usage come from `seats` and `azure`; here they get tax, an invoice number, a wire form, and are written. What
the open month has brought so far is a document too, without a number.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from csp_pipeline.sandbox.containers import open_rows
from csp_pipeline.sandbox.dates import days_between, first_day, last_day, shift
from csp_pipeline.sandbox.facts import ReconLine, round_away
from csp_pipeline.sandbox.provider_documents import MICROSOFT_PROVIDER
from csp_pipeline.sandbox.usage import InvoiceContext, PlanMonth, write_usage
from csp_pipeline.sandbox.wire import FORMS, RECON_COLUMNS, USAGE_COLUMNS, Value, WireForm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from csp_pipeline.sandbox.azure import AzurePlan
    from csp_pipeline.sandbox.catalogue import Currency
    from csp_pipeline.sandbox.scenario import Scenario

BLOBS_A_FILE = 3
BLOB_ROWS_AT_MOST = 250_000
NO_RATE_YET_ON = date(1, 1, 1)


@dataclass
class Document:
    """One provider invoice, or what is unbilled so far.

    Attributes:
        number: Its number; blank for the open month.
        amends: The invoice that this one amends, if it is an adjustment note.
        own_lines: All lines of an adjustment note, which nothing else is on; None for any other document.
        lines: Its reconciliation lines, each with its tax.
        usage: What every Azure plan on it used.
    """

    number: str
    month: str
    currency: Currency
    fx: Decimal
    form: WireForm
    amends: str = ""
    own_lines: tuple[ReconLine, ...] | None = None
    lines: list[tuple[ReconLine, Decimal]] = field(default_factory=list)
    usage: list[PlanMonth] = field(default_factory=list)

    @property
    def provider(self) -> str:
        """Microsoft's, all of them."""
        return MICROSOFT_PROVIDER

    @property
    def is_open(self) -> bool:
        """Not billed yet."""
        return not self.number

    @property
    def file_names(self) -> tuple[str, str]:
        """Names of its usage and reconciliation files, without endings."""
        if self.is_open:
            named = f"{self.currency.code}_{self.month}"
            return f"{named}_unbilleddailyratedusage", f"{named}_unbilledreconciliation"
        return f"{self.number}_dailyratedusage", f"{self.number}_reconciliation"

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
    """The documents of a scenario without lines, by month and currency; wire forms take turns.

    Adjustment notes follow all others.
    """
    invoices = [
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
    return invoices + [_note(scenario, invoices, number) for number in range(len(scenario.returns))]


def _note(scenario: Scenario, invoices: list[Document], number: int) -> Document:
    """The adjustment note of a return, in the wire form of the invoice it amends."""
    returned = scenario.returns[number]
    line = returned.line
    amended = next(
        invoice
        for invoice in invoices
        if invoice.month == returned.amended_month and invoice.currency == line.customer.currency
    )
    return replace(
        amended,
        number=f"G{61_500_000 + number * 13 + scenario.seed % 9:09d}",
        month=line.billing_month,
        fx=scenario.fx(amended.currency, line.billing_month),
        amends=amended.number,
        own_lines=(line,),
        lines=[],
        usage=[],
    )


def plan_open_documents(scenario: Scenario) -> list[Document]:
    """What is unbilled of the open month, one document per currency, without lines; wire forms go on taking turns."""
    month, billed = scenario.open_month, len(scenario.months) * len(scenario.currencies)
    return [
        Document(
            number="",
            month=month,
            currency=currency,
            fx=scenario.fx(currency, month),
            form=FORMS[(billed + number) % len(FORMS)],
        )
        for number, currency in enumerate(scenario.currencies)
    ]


def write_document(scenario: Scenario, document: Document, seat_lines: list[ReconLine], folder: Path) -> None:
    """Write the usage and reconciliation files of one document and fill it in; without lines, nothing.

    Args:
        scenario: The facts.
        document: The invoice, or what is unbilled; gets its lines and usage sums.
        seat_lines: All lines that are not usage, of any document.
        folder: The inbox.
    """
    usage_name, lines_name = document.file_names
    plans = _plans(scenario, document)
    days = days_between(first_day(document.month), last_day(document.month))
    blob_rows = min(sum(len(plan.resources) for plan in plans) * days // BLOBS_A_FILE + 1, BLOB_ROWS_AT_MOST)
    rows = open_rows(folder, usage_name, document.form, USAGE_COLUMNS, blob_rows)
    bill(scenario, document, seat_lines, rows.write)
    rows.close()
    if not document.lines:
        return
    rows = open_rows(folder, lines_name, document.form, RECON_COLUMNS, blob_rows=len(document.lines) // 2 + 1)
    for text in line_rows(scenario, document):
        rows.write(text)
    rows.close()


def bill(
    scenario: Scenario,
    document: Document,
    seat_lines: list[ReconLine],
    write_usage_rows: Callable[[str], None] = lambda _: None,
) -> None:
    """Fill a document with its lines and usage sums.

    Args:
        scenario: The facts.
        document: The document.
        seat_lines: All lines that are not usage, of any document.
        write_usage_rows: Takes its usage rows as text, a resource at a time; by default nobody reads them.
    """
    invoice = _context(scenario, document)
    document.usage = [
        write_usage(plan, document.month, invoice, document.form, write_usage_rows)
        for plan in _plans(scenario, document)
    ]
    lines = [line for usage in document.usage for line, _ in usage.lines]
    if document.own_lines is not None:
        lines += document.own_lines
    else:
        lines += [
            line
            for line in seat_lines
            if line.billing_month == document.month and line.customer.currency == document.currency
        ]
    document.lines = [(line, _line_tax(line, document.currency)) for line in lines]


def line_rows(scenario: Scenario, document: Document) -> Iterator[str]:
    """The reconciliation rows of a document that has its lines, in its wire form."""
    invoice = _context(scenario, document)
    for line, tax in document.lines:
        yield document.form.row(RECON_COLUMNS, _recon_values(line, tax, document, invoice))


def _context(scenario: Scenario, document: Document) -> InvoiceContext:
    return InvoiceContext(
        number=document.number,
        partner_id=scenario.partner_id,
        first_month=scenario.months[0],
        ends_on=scenario.ends_on,
        fx=document.fx,
        fx_on=last_day(shift(document.month, -1)) - timedelta(days=2),
        open_until=scenario.open_until if document.is_open else None,
    )


def _plans(scenario: Scenario, document: Document) -> list[AzurePlan]:
    if document.own_lines is not None:
        return []
    return [plan for plan in scenario.plans if plan.customer.currency == document.currency and plan.resources]


def _line_tax(line: ReconLine, currency: Currency) -> Decimal:
    percent = currency.tax_percent if currency.tax_mode == "line" else Decimal(0)
    return round_away(line.subtotal * percent / 100, currency.minor_unit)


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
        "BillingFrequency": "" if document.is_open else line.billing_frequency,
        "PricingCurrency": line.pricing_currency,
        "PCToBCExchangeRate": line.fx,
        "PCToBCExchangeRateDate": NO_RATE_YET_ON if document.is_open else invoice.fx_on,
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
