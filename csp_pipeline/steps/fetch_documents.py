"""The provider's documents: their headers, and of each the lines and the usage, from Graph or from v1.

What belongs here: which documents are fetched, and again, which service has their rows, and what an empty answer means.
Microsoft Graph has the documents of new commerce from some month on; older ones, and legacy documents, are read from
Partner Center's own line items, which no longer change. A document that cannot be fetched leaves the others alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from csp_pipeline.domain.calendar import month_of
from csp_pipeline.formats import invoice_headers
from csp_pipeline.formats.records import as_text, by_spelling, value_of
from csp_pipeline.formats.values import UnreadableError, parse_date, parse_decimal
from csp_pipeline.sources.graph_manifests import ExportRequest, NoData
from csp_pipeline.sources.provider_errors import RefusedError
from csp_pipeline.steps.answers import (
    FAILURES,
    GRAPH,
    PARTNER_CENTER,
    FetchReport,
    deliver_export,
    in_order,
    is_absent,
    land_answers,
    record_empty,
    silent,
    told,
)
from csp_pipeline.storage.arrivals import Origin, known_origins
from csp_pipeline.storage.warehouse import exclusive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from decimal import Decimal

    from csp_pipeline.sources.graph_manifests import ExportKind
    from csp_pipeline.sources.paging import Page
    from csp_pipeline.sources.partner_center import BillingProvider, LineItemType
    from csp_pipeline.sources.provider import Provider
    from csp_pipeline.storage.home import Home

    V1Lines = tuple[BillingProvider, LineItemType]

HEADERS = "invoices"
FIRST_ON_GRAPH: dict[ExportKind, str] = {"reconciliation": "2023-09", "usage": "2022-09"}
"""The first billing months that Graph exports."""
LAST_ON_V1 = "2025-03"
"""The last billing month of new commerce whose rows the v1 line items hold."""
MONTHS_AGAIN = 2
"""How many of the latest billing months are asked for again, to see whether they were restated."""
EMPTY = "no data"
"""The version under which it is kept that a document has no rows of a kind."""
_V1_TYPE: dict[ExportKind, LineItemType] = {"reconciliation": "billinglineitems", "usage": "usagelineitems"}
_LEGACY_LINES: tuple[V1Lines, ...] = (
    ("office", "billinglineitems"),
    ("azure", "billinglineitems"),
    ("azure", "usagelineitems"),
)


@dataclass(frozen=True, slots=True)
class Document:
    """A provider document as its header tells it; amendments nested in another document are documents too.

    Attributes:
        month: the billing month; blank when the header gives no date.
        amount: the total; None when it cannot be read.
        is_legacy: whether it is of the legacy billing platform.
        is_amendment: whether it amends another document, which need not have rows of its own.
        legacy_lines: provider and type of the v1 line items that the header names.
    """

    number: str
    month: str
    currency: str
    amount: Decimal | None
    is_legacy: bool
    is_amendment: bool
    legacy_lines: tuple[V1Lines, ...]

    @property
    def needs_lines(self) -> bool:
        """Whether a document without lines would leave an amount that nothing accounts for."""
        return bool(self.amount) and not self.is_amendment


def documents_in(pages: Iterable[Page]) -> list[Document]:
    """The documents of a collection of headers, by number."""
    found = {
        document.number: document
        for page in pages
        for item in page.items
        for document in _documents(item, is_amendment=False)
    }
    return [found[number] for number in sorted(found)]


def fetch_documents(home: Home, provider: Provider, *, on_progress: Callable[[str], None] = silent) -> FetchReport:
    """Deliver the headers, and the rows of documents that are not delivered yet or may have been restated.

    Args:
        home: the folders.
        provider: the clients.
        on_progress: told a sentence per document that has news.

    Returns:
        The files delivered, what could not be fetched, and which documents have no rows.

    Raises:
        ProviderError: the headers cannot be fetched, or the login is refused.
    """
    with exclusive(home, on_wait=on_progress):
        on_progress("Fetching the provider's documents.")
        pages = list(provider.partner_center.invoices())
        documents = documents_in(pages)
        if not documents:
            return FetchReport(problems=("Partner Center lists no invoices; cost is known from other files only.",))
        report = land_answers(home, HEADERS, pages)
        months = sorted({document.month for document in documents})
        fetching = _Documents(home, provider, frozenset(months[-MONTHS_AGAIN:]))
        for document, fetched in in_order(fetching.fetch, documents):
            report += fetched
            if fetched.files:
                on_progress(f"Fetched the rows of invoice {document.number}.")
        return report


class _Documents:
    """Fetches the rows of documents, many at a time, knowing what was delivered before."""

    def __init__(self, home: Home, provider: Provider, latest_months: frozenset[str]) -> None:
        self._home = home
        self._provider = provider
        self._latest_months = latest_months
        resources = [f"{kind}/billed" for kind in _V1_TYPE]
        resources += [_v1_resource("onetime", kind) for kind in _V1_TYPE.values()]
        resources += [_v1_resource(*lines) for lines in _LEGACY_LINES]
        self._versions = {
            (resource, origin.scope): origin.version or ""
            for resource in resources
            for origin in known_origins(home, resource)
        }

    def fetch(self, document: Document) -> FetchReport:
        """Deliver what is new of a document."""
        try:
            if document.is_legacy:
                return self._legacy(document)
            return self._rows(document, "reconciliation") + self._rows(document, "usage")
        except FAILURES as error:
            return told(f"Invoice {document.number}", error)

    def _rows(self, document: Document, kind: ExportKind) -> FetchReport:
        """The rows of a kind of a document of new commerce."""
        if "" < document.month < FIRST_ON_GRAPH[kind]:
            return self._from_v1(document, (("onetime", _V1_TYPE[kind]),))
        version = self._versions.get((f"{kind}/billed", document.number))
        if version is not None and document.month not in self._latest_months:
            return FetchReport()
        request = ExportRequest(kind, invoice_number=document.number)
        answer = self._provider.graph.manifest(request)
        if isinstance(answer, NoData):
            return self._empty(document, kind)
        if answer.e_tag == version:
            return FetchReport()
        report = deliver_export(self._home, self._provider.graph, answer)
        return report if report.files else self._empty(document, kind)

    def _empty(self, document: Document, kind: ExportKind) -> FetchReport:
        """What it means that Graph has no rows of a kind."""
        if document.month <= LAST_ON_V1:
            return self._from_v1(document, (("onetime", _V1_TYPE[kind]),))
        if kind == "reconciliation" and document.needs_lines:
            return FetchReport(problems=(_without_lines(document, "Microsoft Graph"),))
        if document.month not in self._latest_months:
            record_empty(self._home, Origin(GRAPH, f"{kind}/billed", document.number, version=EMPTY))
        return FetchReport(notes=(f"Invoice {document.number} has no {kind} rows.",))

    def _legacy(self, document: Document) -> FetchReport:
        """The rows of a legacy document, which Graph says it has no data of."""
        lines = document.legacy_lines or _LEGACY_LINES
        if all((_v1_resource(*one), document.number) in self._versions for one in lines):
            return FetchReport()
        request = ExportRequest("reconciliation", invoice_number=document.number)
        try:
            answer = self._provider.graph.manifest(request)
        except RefusedError:
            return self._from_v1(document, lines)
        if isinstance(answer, NoData):
            return self._from_v1(document, lines)
        report = deliver_export(self._home, self._provider.graph, answer)
        return report if report.files else self._from_v1(document, lines)

    def _from_v1(self, document: Document, lines: Sequence[V1Lines]) -> FetchReport:
        """The v1 line items of a document, delivered once, as they no longer change."""
        fresh = [one for one in lines if (_v1_resource(*one), document.number) not in self._versions]
        report, empty = FetchReport(), []
        for provider, kind in fresh:
            pages = self._v1_pages(document.number, provider, kind)
            if pages is None:
                empty.append((provider, kind))
            else:
                report += land_answers(self._home, _v1_resource(provider, kind), pages, scope=document.number)
        asked_for_lines = any(kind == _V1_TYPE["reconciliation"] for _, kind in lines)
        if document.needs_lines and asked_for_lines and empty == list(lines):
            return FetchReport(problems=(_without_lines(document, "Partner Center"),))
        for provider, kind in empty:
            record_empty(self._home, Origin(PARTNER_CENTER, _v1_resource(provider, kind), document.number))
        return report

    def _v1_pages(self, number: str, provider: BillingProvider, kind: LineItemType) -> Iterable[Page] | None:
        """The pages from the first that holds lines, still to be fetched; None without any."""
        pages = self._provider.partner_center.invoice_lines(number, provider, kind)
        try:
            first = next((page for page in pages if page.items), None)
        except RefusedError as error:
            if is_absent(error):
                return None
            raise
        return None if first is None else chain([first], pages)


def _v1_resource(provider: str, kind: str) -> str:
    return f"lineitems/{provider}/{kind}"


def _without_lines(document: Document, service: str) -> str:
    return (
        f"Invoice {document.number} of {document.amount:.2f} {document.currency} has no lines in {service} yet; "
        "the next run asks again."
    )


def _documents(record: Mapping[str, object], *, is_amendment: bool) -> Iterator[Document]:
    """A document and the amendments nested in it."""
    row = {name: as_text(value) or "" for name, value in by_spelling(invoice_headers.FORMAT, record).items()}
    number = row.get("invoice_number", "")
    if number:
        yield Document(
            number=number,
            month=_month(row.get("billing_period_start_date", "")),
            currency=row.get("currency_code", "").upper(),
            amount=_amount(row.get("total_charges", "")),
            is_legacy=number[:1].upper() == "D",
            is_amendment=is_amendment or bool(row.get("amends_of")),
            legacy_lines=tuple(_legacy_lines(record)),
        )
    amendments = value_of(record, "amendments")
    for amendment in amendments if isinstance(amendments, list) else ():
        if isinstance(amendment, dict):
            yield from _documents(amendment, is_amendment=True)


def _legacy_lines(record: Mapping[str, object]) -> Iterator[V1Lines]:
    """The line items that a header names, as far as they are of the legacy platform."""
    details = value_of(record, "invoiceDetails")
    for detail in details if isinstance(details, list) else ():
        if isinstance(detail, dict):
            named = [str(value_of(detail, name) or "") for name in ("billingProvider", "invoiceLineItemType")]
            provider, kind = (name.replace("_", "").lower() for name in named)
            yield from (lines for lines in _LEGACY_LINES if lines == (provider, kind))


def _month(day: str) -> str:
    try:
        found = parse_date(day) if day else None
    except UnreadableError:
        return ""
    return month_of(found) if found else ""


def _amount(text: str) -> Decimal | None:
    try:
        return parse_decimal(text)[0]
    except UnreadableError:
        return None
