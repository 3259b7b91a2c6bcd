"""Partner Center: a method per resource that is read or changed, each a path, a way of paging and a kind of token.

What belongs here: which resource lives where, what it needs, and its name for the pace. How requests are sent, signed
and repeated belongs to `calls`, how collections are paged to `paging`. `as_user` marks what the service refuses to an
app-only token.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote

from csp_pipeline.errors import UsageError
from csp_pipeline.sources.cancellation import cancel_subscription
from csp_pipeline.sources.paging import IncompleteAnswerError, Page, page_of, pages, uri_of
from csp_pipeline.sources.purchase import buy, offers_of
from csp_pipeline.sources.quantity_change import QuantityChange, change_quantity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from csp_pipeline.domain.offers import Offer
    from csp_pipeline.sources.calls import Calls
    from csp_pipeline.sources.paging import Record

AUDIT_DAYS = 90
_AUDIT_WINDOW_DAYS = 30
_AGREEMENT_TYPE = "MicrosoftCustomerAgreement"
_AS_STORED = {"Accept": "*/*", "Accept-Encoding": "identity"}

BillingProvider = Literal["onetime", "office", "azure"]
LineItemType = Literal["billinglineitems", "usagelineitems"]
PriceView = Literal["azure_consumption", "azure_reservations", "updatedlicensebased", "marketplace", "software"]
Timeline = Literal["history", "current", "future"]


@dataclass(frozen=True, slots=True)
class PrimaryContact:
    """The person of the customer who accepted an agreement."""

    first_name: str
    last_name: str
    email: str
    phone_number: str = ""


class PartnerCenter:
    """The resources of Partner Center, as pages with the bytes that were received.

    Every method may be used from several threads at once. All of them raise a `ProviderError`: the service refuses or
    does not answer, or (`IncompleteAnswerError`) an answer cannot be read or a collection does not come to its end.

    Args:
        calls: the connection to the REST service.
        pricing: the connection to the service of price sheets and exchange rates.
        today: the present day in UTC.
    """

    def __init__(
        self,
        calls: Calls,
        pricing: Calls | None = None,
        *,
        today: Callable[[], date] = lambda: datetime.now(UTC).date(),
    ) -> None:
        self._calls = calls
        self._pricing = pricing
        self._today = today

    def customers(self) -> Iterator[Page]:
        """All customers of the partner."""
        return self._pages(uri_of("/v1/customers", size=500), "customers")

    def subscriptions(self, customer_id: str) -> Iterator[Page]:
        """All subscriptions of a customer; the items do not repeat whose they are."""
        return self._pages(f"{_customer(customer_id)}/subscriptions", "subscriptions")

    def subscription(self, customer_id: str, subscription_id: str) -> Page:
        """One subscription."""
        return self._one(_subscription(customer_id, subscription_id), "subscriptions")

    def subscription_provisioning(self, customer_id: str, subscription_id: str) -> Page:
        """What is provisioned of a subscription: status, quantity, end."""
        uri = f"{_subscription(customer_id, subscription_id)}/provisioningstatus"
        return self._one(uri, "subscriptions", as_user=True)

    def azure_entitlements(self, customer_id: str, subscription_id: str) -> Iterator[Page]:
        """The Azure subscriptions under an Azure plan."""
        return self._pages(f"{_subscription(customer_id, subscription_id)}/azureEntitlements", "subscriptions")

    def orders(self, customer_id: str) -> Iterator[Page]:
        """All orders of a customer."""
        return self._pages(f"{_customer(customer_id)}/orders", "orders")

    def order(self, customer_id: str, order_id: str) -> Page:
        """One order."""
        return self._one(f"{_customer(customer_id)}/orders/{_quoted(order_id)}", "orders")

    def order_provisioning(self, customer_id: str, order_id: str) -> Page:
        """What is provisioned of each line of an order."""
        uri = f"{_customer(customer_id)}/orders/{_quoted(order_id)}/provisioningstatus"
        return self._one(uri, "orders", as_user=True)

    def audit_records(self, start_on: date, end_on: date, *, customer_id: str | None = None) -> Iterator[Page]:
        """The operations of some days, asked for in windows of at most 30 days.

        Args:
            start_on: the first day; the service keeps 90.
            end_on: the last day, itself included.
            customer_id: only the operations on this customer.

        Returns:
            The pages, window by window.

        Raises:
            UsageError: when the days are in the wrong order or further back than the service keeps them.
        """
        earliest_on = self._today() - timedelta(days=AUDIT_DAYS)
        if start_on < earliest_on:
            raise UsageError(
                f"Partner Center keeps audit records for {AUDIT_DAYS} days, and {start_on} was asked for; "
                f"start on {earliest_on} or later"
            )
        if end_on < start_on:
            raise UsageError(f"expected the last day to be {start_on} or later, found {end_on}")
        return self._audit_windows(start_on, end_on, customer_id)

    def invoices(self) -> Iterator[Page]:
        """The headers of all invoices and credit notes."""
        return self._pages(uri_of("/v1/invoices", size=200, offset=0), "invoices")

    def invoice(self, invoice_id: str) -> Page:
        """The header of one invoice."""
        return self._one(_invoice(invoice_id), "invoices", as_user=True)

    def invoice_summaries(self) -> Iterator[Page]:
        """What is owed, per currency."""
        return self._pages("/v1/invoices/summaries", "invoices", as_user=True)

    def invoice_lines(
        self, invoice_id: str, provider: BillingProvider, line_item_type: LineItemType = "billinglineitems"
    ) -> Iterator[Page]:
        """The lines of an invoice from the first version of the interface.

        It serves the legacy invoices (`office`, `azure`), and the new-commerce ones (`onetime`) of periods up to March
        2025.

        Args:
            invoice_id: the number of the document.
            provider: whose lines.
            line_item_type: what was billed, or the usage by day.

        Returns:
            The pages.
        """
        query: dict[str, str | int] = {"provider": provider, "invoicelineitemtype": line_item_type, "size": 2000}
        if provider != "onetime":
            query["offset"] = 0
        return self._pages(uri_of(f"{_invoice(invoice_id)}/lineitems", **query), "invoices")

    def statement(self, invoice_id: str) -> bytes:
        """The statement of an invoice, a PDF."""
        uri = f"{_invoice(invoice_id)}/documents/statement"
        content = self._calls.get(uri, headers={"Accept": "application/pdf"}, as_user=True, resource="invoices").content
        if not content.startswith(b"%PDF-"):
            raise IncompleteAnswerError("expected a PDF, found something else", where=uri)
        return content

    def agreements(self, customer_id: str) -> Iterator[Page]:
        """The confirmations of the Microsoft Customer Agreement that the partner gave for a customer."""
        uri = uri_of(f"{_customer(customer_id)}/agreements", agreementType=_AGREEMENT_TYPE)
        return self._pages(uri, "agreements", as_user=True)

    def direct_signed(self, customer_id: str) -> Page:
        """Whether a customer signed the Microsoft Customer Agreement with Microsoft itself."""
        uri = f"{_customer(customer_id)}/directSignedMicrosoftCustomerAgreementStatus"
        return self._one(uri, "agreements", as_user=True)

    def agreement_metadata(self) -> Iterator[Page]:
        """The templates of the Microsoft Customer Agreement."""
        uri = uri_of("/v1/agreements", agreementType=_AGREEMENT_TYPE)
        return self._pages(uri, "agreements", as_user=True)

    def confirm_agreement(
        self, customer_id: str, template_id: str, agreed_at: datetime, contact: PrimaryContact, request_id: str
    ) -> Page:
        """Tell Microsoft that a customer accepted the Microsoft Customer Agreement.

        Args:
            customer_id: the customer.
            template_id: the accepted template, from `agreement_metadata`.
            agreed_at: when it was accepted (UTC).
            contact: who accepted it.
            request_id: identifies the confirmation: sent again under the same id it counts once.

        Returns:
            The agreement as it was taken down.

        Raises:
            RefusedError: code 600061 when the very same confirmation is already there.
        """
        uri = f"{_customer(customer_id)}/agreements"
        body = {
            "primaryContact": {
                "firstName": contact.first_name,
                "lastName": contact.last_name,
                "email": contact.email,
                "phoneNumber": contact.phone_number,
            },
            "templateId": template_id,
            "dateAgreed": agreed_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "type": _AGREEMENT_TYPE,
        }
        sent = self._calls.send("POST", uri, json=body, as_user=True, resource="agreements", request_id=request_id)
        return page_of(sent, uri)

    def change_quantity(
        self, customer_id: str, subscription_id: str, new_quantity: int, request_id: str
    ) -> QuantityChange:
        """Set the seats of a subscription and keep everything else as it is; see `quantity_change`."""
        return change_quantity(self._calls, _subscription(customer_id, subscription_id), new_quantity, request_id)

    def cancel_subscription(self, customer_id: str, subscription_id: str, request_id: str) -> str:
        """Cancel a subscription and tell its status then; see `cancellation`."""
        return cancel_subscription(self._calls, _subscription(customer_id, subscription_id), request_id)

    def offers(self, customer_id: str, product_id: str, sku_id: str) -> list[Offer]:
        """The ways in which a customer can buy a SKU; none when it is not sold to it."""
        uri = f"{_customer(customer_id)}/products/{_quoted(product_id)}/skus/{_quoted(sku_id)}/availabilities"
        return offers_of(item for page in self._pages(uri, "availabilities") for item in page.items)

    def buy(self, customer_id: str, offer: Offer, quantity: int, request_id: str) -> Record | None:
        """Buy units of an offer and tell the order; see `purchase`."""
        return buy(self._calls, _customer(customer_id), offer, quantity, request_id)

    def price_sheet(
        self, market: str, view: PriceView, timeline: Timeline = "current", month: str | None = None
    ) -> Iterator[bytes]:
        """A price sheet of a market as CSV, in pieces.

        Args:
            market: two-letter country code.
            view: which products.
            timeline: prices of now, of a past month or of the next one.
            month: `YYYY-MM`, with `history`.

        Returns:
            The bytes as sent, piece by piece.

        Raises:
            UsageError: when market or month are not of that form.
        """
        if not re.fullmatch("[A-Za-z]{2}", market):
            raise UsageError(f"expected a market of two letters such as US, found {market!r}")
        path = f"/v1.0/sales/pricesheets(Market='{market}',PricesheetView='{view}')/$value"
        query = {"timeline": timeline} | ({"month": _digits(month)} if month else {})
        return self._download(uri_of(path, **query))

    def exchange_rates(self, month: str) -> Iterator[bytes]:
        """The exchange rates of a month (`YYYY-MM`) as CSV, in pieces: US dollars for one unit of each currency."""
        return self._download(f"/v1.0/sales/fxrates(Month='{_digits(month)}')/$value")

    def _audit_windows(self, start_on: date, end_on: date, customer_id: str | None) -> Iterator[Page]:
        first_on = start_on
        while first_on <= end_on:
            last_on = min(end_on, first_on + timedelta(days=_AUDIT_WINDOW_DAYS - 1))
            query: dict[str, str | int] = {"startDate": f"{first_on}", "endDate": f"{last_on}", "size": 500}
            if customer_id:
                query["filter"] = f'{{"Field":"CustomerId","Value":"{customer_id}","Operator":"equals"}}'
            yield from self._pages(uri_of("/v1/auditrecords", **query), "auditrecords")
            first_on = last_on + timedelta(days=1)

    def _pages(self, uri: str, resource: str, *, as_user: bool = False) -> Iterator[Page]:
        return pages(
            lambda asked, headers: self._calls.get(asked, headers=headers, as_user=as_user, resource=resource), uri
        )

    def _one(self, uri: str, resource: str, *, as_user: bool = False) -> Page:
        return page_of(self._calls.get(uri, as_user=as_user, resource=resource), uri)

    def _download(self, uri: str) -> Iterator[bytes]:
        if self._pricing is None:
            raise UsageError("no address of the pricing service is set; set CSP_PRICING_URL")
        return _pieces(self._pricing, uri)


def _pieces(pricing: Calls, uri: str) -> Iterator[bytes]:
    with pricing.stream(uri, headers=_AS_STORED, as_user=True, resource="pricing") as answer:
        yield from answer.iter_bytes()


def _quoted(identifier: str) -> str:
    return quote(identifier, safe="")


def _customer(customer_id: str) -> str:
    return f"/v1/customers/{_quoted(customer_id)}"


def _subscription(customer_id: str, subscription_id: str) -> str:
    return f"{_customer(customer_id)}/subscriptions/{_quoted(subscription_id)}"


def _invoice(invoice_id: str) -> str:
    return f"/v1/invoices/{_quoted(invoice_id)}"


def _digits(month: str) -> str:
    """A month as the service writes it."""
    if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", month):
        raise UsageError(f"expected a month as YYYY-MM, found {month!r}")
    return month.replace("-", "")
