"""The rows of the open month: usage and reconciliation that are not on a document yet, whole, per currency.

What belongs here: which currencies and periods are asked for. Prices of an open month drift, so each export replaces
the one before; that is decided where files are taken up.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, get_args

from csp_pipeline.domain.calendar import month_of, shift_month
from csp_pipeline.sources.graph_manifests import ExportKind, ExportRequest, NoData
from csp_pipeline.steps.answers import FAILURES, FetchReport, deliver_export, in_order, silent, told
from csp_pipeline.steps.fetch_documents import documents_in
from csp_pipeline.storage.arrivals import known_origins
from csp_pipeline.storage.warehouse import exclusive

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from csp_pipeline.sources.provider import Provider
    from csp_pipeline.storage.home import Home


def fetch_open_month(
    home: Home,
    provider: Provider,
    today: date,
    *,
    reporting_currency: str | None = None,
    on_progress: Callable[[str], None] = silent,
) -> FetchReport:
    """Deliver what is not billed yet, in every currency that was ever billed; of the last month until it is billed.

    Args:
        home: the folders.
        provider: the clients.
        today: the UTC day it is.
        reporting_currency: asked for while there is no document that names a currency.
        on_progress: told one sentence.

    Returns:
        The files delivered, what could not be fetched, and what has no rows yet.

    Raises:
        ProviderError: the headers cannot be fetched, or the login is refused.
    """
    with exclusive(home, on_wait=on_progress):
        on_progress("Fetching what is not billed yet.")
        billed: dict[str, str] = {}
        for document in documents_in(provider.partner_center.invoices()):
            if document.currency and not document.is_legacy:
                billed[document.currency] = max(document.month, billed.get(document.currency, ""))
        if not billed and reporting_currency:
            billed = {reporting_currency: ""}
        requests = _requests(billed, shift_month(month_of(today), -1))
        known = {
            (origin.resource, origin.scope): origin.version
            for resource in dict.fromkeys(request.resource for request in requests)
            for origin in known_origins(home, resource)
        }
        report = FetchReport()
        for _, fetched in in_order(partial(_fetch, home, provider, known), requests):
            report += fetched
        return report


def _requests(billed: dict[str, str], last_month: str) -> list[ExportRequest]:
    """The exports to ask for, given the latest month billed in each currency."""
    return [
        ExportRequest(kind, currency=currency, period=period)
        for currency, latest in sorted(billed.items())
        for period in (("last", "current") if latest < last_month else ("current",))
        for kind in get_args(ExportKind)
    ]


def _fetch(
    home: Home, provider: Provider, known: dict[tuple[str, str], str | None], request: ExportRequest
) -> FetchReport:
    try:
        answer = provider.graph.manifest(request)
        if not isinstance(answer, NoData):
            if known.get((request.resource, request.scope)) == answer.e_tag:
                return FetchReport()
            report = deliver_export(home, provider.graph, answer)
            if report.files:
                return report
        return FetchReport(
            notes=(f"No {request.kind} rows are unbilled in {request.currency}, {request.period} period.",)
        )
    except FAILURES as error:
        return told(f"What is not billed in {request.currency} ({request.kind}, {request.period} period)", error)
