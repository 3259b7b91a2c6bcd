"""What Partner Center answers on money: invoices, their lines and statements, price sheets and exchange rates.

What belongs here: which answer an address gets. Addresses and permissions are in `partner_center`; headers and lines
come from `invoices`, prices from `pricing`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response

from csp_pipeline.sandbox.dates import month_of
from csp_pipeline.sandbox.json_text import collection
from csp_pipeline.sandbox.server import line_items, pricing
from csp_pipeline.sandbox.server.answers import invalid, json_answer, not_found, unfiltered
from csp_pipeline.sandbox.server.paging import Listed, continued, windowed

if TYPE_CHECKING:
    from starlette.requests import Request

    from csp_pipeline.sandbox.server.state import State

MOST_INVOICES, MOST_LINES = 200, 2000


class BillingAnswers:
    """The answers, one method per address.

    Args:
        state: What there is.
    """

    def __init__(self, state: State) -> None:
        self._state = state

    async def invoices(self, request: Request) -> Response:
        """The headers of all invoices, by size and offset."""
        unfiltered(request)
        is_first = request.query_params.get("offset", "0") == "0"
        headers = self._state.invoices.poll() if is_first else self._state.invoices.headers()
        return json_answer(windowed(request, Listed(headers), at_most=MOST_INVOICES))

    async def invoice(self, request: Request) -> Response:
        """The header of one invoice."""
        header = self._state.invoices.header(request.path_params["number"])
        if header is None:
            raise not_found("invoice", request.path_params["number"])
        return json_answer(header)

    async def invoice_summary(self, _request: Request) -> Response:
        """What is owed in the first currency."""
        summaries = self._state.invoices.summaries()
        if not summaries:
            raise not_found("invoice summary", "")
        return json_answer(summaries[0])

    async def invoice_summaries(self, _request: Request) -> Response:
        """What is owed, per currency."""
        return json_answer(collection(self._state.invoices.summaries(), "/invoices/summaries"))

    async def statement(self, request: Request) -> Response:
        """The statement of an invoice."""
        content = self._state.invoices.statement(request.path_params["number"])
        if content is None:
            raise not_found("invoice", request.path_params["number"])
        return Response(content, media_type="application/pdf")

    async def invoice_lines(self, request: Request) -> Response:
        """The lines of an invoice in the first version of the interface."""
        number = request.path_params["number"]
        provider = request.query_params.get("provider", "").lower().replace("_", "")
        line_item_type = request.query_params.get("invoicelineitemtype", "").lower().replace("_", "")
        if provider not in (line_items.ONE_TIME, *line_items.LEGACY_PROVIDERS):
            raise invalid("The provider must be onetime, office or azure.")
        if line_item_type not in (line_items.BILLING, line_items.USAGE):
            raise invalid("The invoicelineitemtype must be billinglineitems or usagelineitems.")
        if not self._state.invoices.is_listed(number):
            raise not_found("invoice", number)
        lines = self._state.invoices.lines(number, provider, line_item_type)
        if lines is None:
            raise invalid(f"Billing periods after {line_items.LAST_MONTH} are served by Microsoft Graph only.")
        cut = continued if provider == line_items.ONE_TIME else windowed
        return json_answer(cut(request, lines, at_most=MOST_LINES))

    async def price_sheet(self, request: Request) -> Response:
        """A price sheet as CSV."""
        market, view = request.path_params["market"].upper(), request.path_params["view"].lower()
        month = _month(request.query_params.get("month")) or month_of(self._state.clock().date())
        content = pricing.price_sheet(market, view, month)
        if content is None:
            raise not_found("price sheet", f"{market}/{view}")
        return _download(request, content, "pricesheet")

    async def exchange_rates(self, request: Request) -> Response:
        """The exchange rates of a month as CSV."""
        month = _month(request.path_params["month"])
        if month is None:
            raise invalid("The Month must be YYYYMM.")
        return _download(request, pricing.exchange_rates(self._state.scenario, month), "fxrates")


def _month(text: str | None) -> str | None:
    """A month from YYYYMM, or None."""
    is_month = text and len(text) == 6 and text.isascii() and text.isdigit() and "01" <= text[4:] <= "12"  # noqa: PLR2004  (digits of YYYYMM)
    return f"{text[:4]}-{text[4:]}" if text and is_month else None


def _download(request: Request, content: bytes, name: str) -> Response:
    """A file; zipped for a caller that accepts nothing but `deflate`, as the interface has it."""
    headers = {"Content-Disposition": f"attachment; filename={name}"}
    if request.headers.get("Accept-Encoding", "").strip().lower() == "deflate":
        content = pricing.zipped(content, f"{name}.csv")
    return Response(content, media_type="application/octet-stream", headers=headers)
