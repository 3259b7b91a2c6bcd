"""The partner's invoices as the server tells them: headers, summaries, statements, and lines of the first version.

What belongs here: which invoices there are at the moment and what they hold. Billed files of the second version come
from Graph's routes; paging and addresses are in `partner_center`.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING

from csp_pipeline.sandbox import legacy_documents, legacy_wire
from csp_pipeline.sandbox.documents import bill
from csp_pipeline.sandbox.headers import each_header, invoice_headers
from csp_pipeline.sandbox.json_text import Json, link, read
from csp_pipeline.sandbox.server import line_items
from csp_pipeline.sandbox.server.paging import Listed, Windows
from csp_pipeline.sandbox.server.statement import pdf

if TYPE_CHECKING:
    from pathlib import Path

    from csp_pipeline.sandbox.documents import Document
    from csp_pipeline.sandbox.partner import Partner
    from csp_pipeline.sandbox.server.faults import Faults

LATE_POLLS = 2
NEVER = "0001-01-01T00:00:00"


class Invoices:
    """The invoices of a partner.

    Args:
        partner: The facts.
        faults: late-invoice: those of the last month are there only after the list was asked for twice.
        folder: A folder that `generate` wrote; its `inbox/invoices.json` then gives the headers, and
            `inbox/<number>_<provider>.json` the lines of legacy invoices that are not the partner's. None without one.
    """

    def __init__(self, partner: Partner, faults: Faults, folder: Path | None) -> None:
        self._partner, self._faults = partner, faults
        self._inbox = folder / "inbox" if folder else None
        self._documents = {document.number: document for document in partner.documents}
        self._legacy = {document.number: document for document in partner.legacy_documents}
        self._late: set[str] = set()
        if faults.is_on("late-invoice"):
            last = partner.scenario.months[-1]
            self._late = {document.number for document in partner.documents if document.month == last}
        self._restated: dict[str, Decimal] = {}
        self._known: dict[str, Json] | None = None
        self._first: list[str] = []
        self._lock = threading.Lock()
        self._lines: tuple[tuple[str, str], line_items.Rows] | None = None

    def poll(self) -> list[Json]:
        """The headers, as one more request for the list finds them."""
        if self._late and not self._faults.strikes("late-invoice", times=LATE_POLLS):
            self._late = set()
        return self.headers()

    def headers(self) -> list[Json]:
        """All headers that are there now, the oldest first."""
        return [header for number in self._listed() if (header := self.header(number))]

    def header(self, number: str) -> Json | None:
        """One header, also that of an amendment; None for an unknown or late invoice."""
        if number in self._late or number not in self._all():
            return None
        header = self._all()[number]
        return {**header, "totalCharges": self._restated[number]} if number in self._restated else header

    def is_listed(self, number: str) -> bool:
        """Whether an invoice is there: known, and not late."""
        return self.header(number) is not None

    def restate(self, number: str, total: Decimal) -> None:
        """Change what a header says is to be paid."""
        self._restated[number] = total

    def summaries(self) -> list[Json]:
        """What is owed, per currency."""
        by_currency: dict[str, list[Json]] = defaultdict(list)
        for header in self.headers():
            by_currency[header["currencyCode"]].append(header)
        return [
            {**_summary(headers), "details": _details(headers), "links": {"self": link("/invoices/summary")}}
            for headers in by_currency.values()
        ]

    def statement(self, number: str) -> bytes | None:
        """The statement of an invoice, a PDF of one page."""
        header = self.header(number)
        if header is None:
            return None
        return pdf((f"Invoice {number}", f"{header['currencyCode']} {header['totalCharges']}", header["invoiceDate"]))

    def lines(self, number: str, provider: str, line_item_type: str) -> Windows | None:
        """The lines of an invoice in the first version of the interface.

        Args:
            number: The invoice.
            provider: `onetime`, `office` or `azure`.
            line_item_type: `billinglineitems` or `usagelineitems`.

        Returns:
            The lines; None for billing periods that this version does not serve.
        """
        if number in self._legacy:
            kind = legacy_documents.USAGE if line_item_type == line_items.USAGE else legacy_documents.BILLING
            return Listed(legacy_wire.api_items(self._partner.scenario, self._legacy[number], provider, kind))
        document = self._documents.get(number)
        if document is None or provider != line_items.ONE_TIME:
            return Listed(line_items.legacy(self._inbox, number, provider, line_item_type))
        if document.month > line_items.LAST_MONTH:
            return None
        key = (number, line_item_type)
        if self._lines is None or self._lines[0] != key:
            self._lines = (key, line_items.one_time(self._partner, document, line_item_type))
        return self._lines[1]

    def _all(self) -> dict[str, Json]:
        """Every header by number, made or read when first asked for."""
        with self._lock:
            if self._known is None:
                written = self._inbox / "invoices.json" if self._inbox else None
                if written and written.is_file():
                    items = read(written.read_text(encoding="utf-8"))["items"]
                else:
                    items = invoice_headers(_billed(self._partner), self._partner.legacy_documents)
                self._first = [item["id"] for item in items]
                self._known = {item["id"]: item for item in each_header(items)}
            return self._known

    def _listed(self) -> list[str]:
        """The numbers of the collection, in its order; amendments are told within the invoices they amend."""
        self._all()
        return self._first


def _billed(partner: Partner) -> list[Document]:
    """The documents that have lines, filled in."""
    for document in partner.documents:
        bill(partner.scenario, document, partner.seat_lines)
    return [document for document in partner.documents if document.lines]


def _summary(headers: list[Json]) -> Json:
    dates = [header["invoiceDate"] for header in headers]
    owed = [Decimal(header["totalCharges"]) - header["paidAmount"] for header in headers]
    return {
        "balanceAmount": sum(owed, Decimal(0)),
        "currencyCode": headers[0]["currencyCode"],
        "currencySymbol": headers[0]["currencySymbol"],
        "accountingDate": max(dates),
        "firstInvoiceCreationDate": min(dates),
        "lastPaymentDate": NEVER,
        "lastPaymentAmount": Decimal(0),
        "latestInvoiceDate": max(dates),
        "attributes": {"objectType": "InvoiceSummary"},
    }


def _details(headers: list[Json]) -> list[Json]:
    kinds = sorted({header["invoiceType"] for header in headers})
    return [
        {"invoiceType": kind, "summary": _summary([header for header in headers if header["invoiceType"] == kind])}
        for kind in kinds
    ]
