"""The headers of provider documents: the collection of `/invoices`, with the amendments nested inside a document.

An amendment (an adjustment note, a void note) is a header of its own; without `amendsOf` it amends the document it
stands in. The published resource states no tax; `taxTotal` is read where a header carries it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from csp_pipeline.formats.columns import WireFormat, currency, day, identifier, number, text
from csp_pipeline.formats.records import by_spelling, value_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_COLUMNS = (
    identifier("invoice_number", "id", "invoiceNumber", "invoiceId", required=True),
    day("invoice_date", "invoiceDate"),
    day("billing_period_start_date", "billingPeriodStartDate", "billingPeriodStart"),
    day("billing_period_end_date", "billingPeriodEndDate", "billingPeriodEnd"),
    day("due_date", "dueDate", "paymentDueDate"),
    number("total_charges", "totalCharges", unit="currency_code", required=True),
    number("tax_total", "taxTotal", "taxAmount", "totalTax", unit="currency_code"),
    number("paid_amount", "paidAmount", unit="currency_code"),
    currency("currency_code", "currencyCode", "currency", required=True),
    text("document_type", "documentType"),
    text("invoice_type", "invoiceType"),
    identifier("amends_of", "amendsOf"),
    text("status", "status", "invoiceStatus"),
)


def flatten(record: Mapping[str, object], _collection: Mapping[str, object]) -> Iterator[dict[str, object]]:
    """A document and the amendments nested in it, each as a row.

    Args:
        record: one item of the collection.
        _collection: the collection around it, which adds nothing here.

    Yields:
        Rows by staging name.
    """
    row = by_spelling(FORMAT, record)
    yield row
    amendments = value_of(record, "amendments")
    for amendment in amendments if isinstance(amendments, list) else ():
        if isinstance(amendment, dict):
            for nested in flatten(amendment, record):
                yield {**nested, "amends_of": nested.get("amends_of") or row.get("invoice_number")}


FORMAT = WireFormat(
    kind="invoice_headers",
    title="collection of invoice headers",
    signature=(
        ("id", "invoiceNumber"),
        ("totalCharges",),
        ("currencyCode",),
        ("invoiceDate", "documentType", "invoiceType"),
    ),
    invoice="invoice_number",
    currency="currency_code",
    amount="total_charges",
    tax="tax_total",
    dates=("billing_period_start_date",),
    flatten=flatten,
    columns=_COLUMNS,
)
