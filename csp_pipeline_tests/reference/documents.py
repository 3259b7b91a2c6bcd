"""Provider documents: which month they are of, which lines and usage they hold."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from csp_pipeline_tests.reference.amounts import ZERO
from csp_pipeline_tests.reference.days import month_of

if TYPE_CHECKING:
    from datetime import date

    from csp_pipeline_tests.reference.received import CostLine, Header, Inbox, UsageRow

MICROSOFT = "microsoft"
AZURE_PLAN_PRODUCT_NAME = "azure plan"
SEAT_EVENTS = frozenset(
    {
        "new",
        "renew",
        "cyclecharge",
        "addquantity",
        "removequantity",
        "movequantity",
        "cancelimmediate",
        "cancel",
        "convert",
        "changebillingplan",
        "extendterm",
    }
)
"""Charge types of seats, in lower case."""


@dataclass
class Document:
    """One provider invoice, or the open month of one currency (``invoice_number`` empty, an estimate)."""

    invoice_number: str
    billing_month: str
    currency: str
    header: Header | None
    lines: list[CostLine] = field(default_factory=list)
    usage: list[UsageRow] = field(default_factory=list)
    state: str = "billed"
    provider: str = "microsoft"
    used_keys: set[tuple[str, str, str, str]] = field(default_factory=set)

    @property
    def is_estimate(self) -> bool:
        """Open-month data without an invoice."""
        return not self.invoice_number

    def is_in_daily_usage(self, line: CostLine) -> bool:
        """Rule 4: a usage row of the invoice has its customer, subscription, product and SKU; credits never."""
        return line.product_key in self.used_keys and not is_credit(line)

    def product_family(self, line: CostLine) -> str:
        """Rule 4, first match."""
        if line.kind == "legacy_usage":
            return "azure_legacy"
        names = f"{line.product_name} {line.sku_name}".casefold()
        if line.product_key in self.used_keys or line.product_name.casefold() == AZURE_PLAN_PRODUCT_NAME:
            return "azure_plan"
        if line.reservation_order_id:
            return "savings_plan" if "savings plan" in names else "reservation"
        if line.publisher_name and not is_microsoft(line.publisher_name):
            return "marketplace"
        kind = f"{line.product_category} | {line.term}".casefold()
        if "perpetual" in kind or "software subscription" in kind:
            return "software"
        return "licence"


def is_microsoft(publisher: str) -> bool:
    """Whether the publisher is Microsoft, whatever its legal suffix."""
    return publisher.strip().casefold().startswith("microsoft")


def is_credit(line: CostLine) -> bool:
    """Rule 10.6: customerCredit or a CreditReasonCode; seat wipes, cuts and cancellations are never credits."""
    charge_type = line.charge_type.casefold()
    return charge_type == "customercredit" or (bool(line.credit_reason_code) and charge_type not in SEAT_EVENTS)


def line_start(line: CostLine, billing_month_start: date | None) -> date | None:
    """Start of the charge, else of the order, else of the document."""
    return line.charge_start_on or line.order_on or billing_month_start


def _most_frequent_month(days: list[date | None]) -> str:
    months = Counter(month_of(day) for day in days if day is not None)
    return min(months, key=lambda month: (-months[month], month)) if months else ""


def assemble(inbox: Inbox) -> list[Document]:
    """All documents in the order of their month and number."""
    headers = {(header.provider, header.invoice_number): header for header in inbox.headers}
    lines: dict[tuple[str, str], list[CostLine]] = defaultdict(list)
    usage: dict[tuple[str, str], list[UsageRow]] = defaultdict(list)
    for line in [line for line in inbox.lines if line.kind != "legacy_licence"] + _named_licences(inbox):
        lines[line.provider, line.invoice_number].append(line)
    for row in inbox.usage:
        usage[MICROSOFT, row.invoice_number].append(row)
    documents = [
        _document(key, headers.get(key), lines.get(key, []), usage.get(key, []))
        for key in sorted(key for key in {*headers, *lines, *usage} if key[1])
    ]
    _derive_voids(documents)
    documents += _estimates(documents, lines.get((MICROSOFT, ""), []), usage.get((MICROSOFT, ""), []))
    for document in documents:
        document.used_keys = {row.product_key for row in document.usage}
    return sorted(documents, key=lambda d: (d.billing_month, d.currency, d.invoice_number))


def _named_licences(inbox: Inbox) -> list[CostLine]:
    """Lines of licence files under the legacy header whose period holds the month in which most of a file's start.

    Of several headers the one with the file's total is meant, then the one whose period begins in that month.
    """
    files: dict[tuple[str, str], list[CostLine]] = defaultdict(list)
    for line in inbox.lines:
        if line.kind == "legacy_licence":
            files[line.source_file, line.currency].append(line)
    named: list[CostLine] = []
    for (_, currency), members in files.items():
        month = _most_frequent_month([line.charge_start_on for line in members])
        total = sum((line.total for line in members), ZERO)
        covering = [header for header in inbox.headers if _covers(header, month, currency)]
        equal = [header for header in covering if header.total == total]
        starting = [h for h in equal or covering if h.period_start is not None and month_of(h.period_start) == month]
        found = next((few[0] for few in (equal, starting, covering) if len(few) == 1), None)
        number = f"LICENCE-{currency}-{month}" if found is None else found.invoice_number
        named += [replace(line, invoice_number=number) for line in members]
    return named


def _covers(header: Header, month: str, currency: str) -> bool:
    if header.currency != currency or header.period_start is None or not header.invoice_number.startswith("D"):
        return False
    return month_of(header.period_start) <= month <= month_of(header.period_end or header.period_start)


def _document(key: tuple[str, str], header: Header | None, lines: list[CostLine], usage: list[UsageRow]) -> Document:
    provider, number = key
    if header is not None and header.period_start is not None:
        month = month_of(header.period_start)
    else:
        month = _most_frequent_month([line_start(line, None) for line in lines])
        month = month or _most_frequent_month([row.usage_on for row in usage])
        if not month and header is not None and header.issued_on is not None:
            month = month_of(header.issued_on)
    if header is not None and header.currency:
        currency = header.currency
    else:
        currency = lines[0].currency if lines else usage[0].currency
    return Document(number, month, currency, header, lines, usage, provider=provider)


def _derive_voids(documents: list[Document]) -> None:
    """Rule 3.3: a void without a file reverses the document it voids, lines and usage each where it has no file."""
    by_number = {document.invoice_number: document for document in documents if document.provider == MICROSOFT}
    for document in documents:
        header = document.header
        voided = by_number.get(header.amends) if header is not None else None
        if header is None or voided is None:
            continue
        if header.document_type.casefold() == "void_note":
            voided.state = "voided"
            if not document.lines:
                document.state = "derived"
                document.lines = [_reversed_line(line, document.invoice_number) for line in voided.lines]
            if not document.usage:
                document.usage = [_reversed_usage(row, document.invoice_number) for row in voided.usage]
        elif header.document_type.casefold() == "invoice":
            voided.state = "replaced"


def _reversed_line(line: CostLine, number: str) -> CostLine:
    return replace(
        line,
        source_file=f"{number} derived from {line.source_file}",
        invoice_number=number,
        quantity=-line.quantity,
        received_quantity=-line.received_quantity,
        subtotal=-line.subtotal,
        tax=-line.tax,
        total=-line.total,
    )


def _reversed_usage(row: UsageRow, number: str) -> UsageRow:
    return replace(
        row,
        source_file=f"{number} derived from {row.source_file}",
        invoice_number=number,
        quantity=-row.quantity,
        net_amount=-row.net_amount,
        pricing_amount=-row.pricing_amount,
    )


def _estimates(billed: list[Document], lines: list[CostLine], usage: list[UsageRow]) -> list[Document]:
    """Rule 3.4: open-month data counts until an invoice's file of its month and currency is there; notes end none.

    Lines end open usage too, usage ends no open lines.

    A file is of the month in which most of its rows lie: a late change of the month before stands in it too.
    """
    invoiced = [d for d in billed if _is_invoice(d)]
    with_lines = {(d.billing_month, d.currency) for d in invoiced if any(line.kind == "recon" for line in d.lines)}
    with_usage = with_lines | {(d.billing_month, d.currency) for d in invoiced if d.usage}
    by_month: dict[tuple[str, str], Document] = {}

    def document(month: str, currency: str) -> Document:
        return by_month.setdefault((month, currency), Document("", month, currency, None))

    days: dict[str, list[date | None]] = defaultdict(list)
    for line in lines:
        days[line.source_file].append(line_start(line, None))
    for row in usage:
        days[row.source_file].append(row.usage_on)
    months = {name: _most_frequent_month(found) for name, found in days.items()}
    for line in lines:
        document(months[line.source_file], line.currency).lines.append(line)
    for row in usage:
        document(months[row.source_file], row.currency).usage.append(row)
    for key, open_month in by_month.items():
        open_month.lines = [] if key in with_lines else open_month.lines
        open_month.usage = [] if key in with_usage else open_month.usage
    return [open_month for open_month in by_month.values() if open_month.lines or open_month.usage]


def _is_invoice(document: Document) -> bool:
    if document.header is None or not document.header.document_type:
        return document.invoice_number.upper().startswith("G")
    return document.header.document_type.casefold() == "invoice"
