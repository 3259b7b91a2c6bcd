"""The legacy invoices (D) of the made-up partner: one per currency and billing period, with its charges and header.

The billing period begins on the partner's own day of the month, and the invoice follows two days after it has ended.
How the lines look in the portal's files and in the API is in `legacy_wire`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from csp_pipeline.sandbox.dates import day_of, shift
from csp_pipeline.sandbox.json_text import Json, link
from csp_pipeline.sandbox.legacy_azure import AzureCharge, AzureDay, azure_charges
from csp_pipeline.sandbox.legacy_licences import licence_lines
from csp_pipeline.sandbox.provider_documents import MICROSOFT_PROVIDER, OtherDocument, OtherLine
from csp_pipeline.sandbox.resources import utc

if TYPE_CHECKING:
    from csp_pipeline.sandbox.catalogue import Currency
    from csp_pipeline.sandbox.scenario import Scenario

PERIOD_BEGINS_ON = 9
ISSUED_AFTER = timedelta(days=2)
FIRST_NUMBER = 4100
OFFICE, AZURE = "office", "azure"
BILLING, USAGE = "billing_line_items", "usage_line_items"


@dataclass
class LegacyDocument(OtherDocument):
    """A D invoice with what classic Azure consumed each day; its licences and its usage have a file each."""

    period_ends_on: date = date.max
    days: list[AzureDay] = field(default_factory=list)

    @property
    def period_starts_on(self) -> date:
        """First day of the billing period."""
        return day_of(self.month, PERIOD_BEGINS_ON)

    @property
    def licences(self) -> list[tuple[OtherLine, Decimal]]:
        """The charges for licences, each with its tax."""
        return [(line, tax) for line, tax in self.lines if not isinstance(line, AzureCharge)]

    @property
    def azure(self) -> list[tuple[AzureCharge, Decimal]]:
        """The charges for classic Azure, each with its tax."""
        return [(line, tax) for line, tax in self.lines if isinstance(line, AzureCharge)]


def legacy_documents(scenario: Scenario) -> list[LegacyDocument]:
    """The legacy invoices of a scenario that have lines, by month and currency."""
    documents = [
        _document(scenario, month, currency, FIRST_NUMBER + 37 * month_number + number)
        for month_number, month in enumerate(scenario.months)
        for number, currency in enumerate(scenario.currencies)
    ]
    return [document for document in documents if document.lines]


def _document(scenario: Scenario, month: str, currency: Currency, number: int) -> LegacyDocument:
    start = day_of(month, PERIOD_BEGINS_ON)
    end = day_of(shift(month, 1), PERIOD_BEGINS_ON) - timedelta(days=1)
    document = LegacyDocument(
        provider=MICROSOFT_PROVIDER,
        number=f"D0{number}YF{scenario.seed % 10}Q",
        month=month,
        currency=currency,
        issued_on=end + ISSUED_AFTER,
        period_ends_on=end,
    )
    for licences in scenario.legacy_licences:
        if licences.customer.currency == currency:
            document.charge(licence_lines(licences, start, end))
    for azure in scenario.legacy_azure:
        if azure.customer.currency == currency:
            charges, days = azure_charges(azure, start, end)
            document.charge(charges)
            document.days += days
    return document


def legacy_header(document: LegacyDocument) -> Json:
    """An item of `/invoices`."""
    held = [(OFFICE, BILLING, document.licences), (AZURE, BILLING, document.azure), (AZURE, USAGE, document.days)]
    return {
        "id": document.number,
        "invoiceDate": utc(document.issued_on),
        "billingPeriodStartDate": utc(document.period_starts_on),
        "billingPeriodEndDate": utc(document.period_ends_on),
        "totalCharges": document.total,
        "paidAmount": Decimal(0),
        "currencyCode": document.currency.code,
        "currencySymbol": document.currency.symbol,
        "pdfDownloadLink": f"/invoices/{document.number}/documents/statement",
        "invoiceDetails": [_detail(document, provider, kind) for provider, kind, rows in held if rows],
        "documentType": "invoice",
        "invoiceType": "Recurring",
        "links": {"self": link(f"/invoices/Recurring-{document.number}")},
        "attributes": {"objectType": "Invoice"},
    }


def _detail(document: LegacyDocument, provider: str, kind: str) -> Json:
    words = "".join(word.capitalize() for word in kind.split("_"))
    uri = f"/invoices/Recurring-{document.number}/lineitems/{provider.capitalize()}/{words}"
    return {
        "invoiceLineItemType": kind,
        "billingProvider": provider,
        "links": {"self": link(uri)},
        "attributes": {"objectType": "InvoiceDetail"},
    }
