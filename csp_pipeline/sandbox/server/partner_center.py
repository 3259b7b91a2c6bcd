"""Partner Center's routes: customers and what each has, the activity log, invoices, agreements, prices.

What belongs here: addresses, and who may call them. The answers are in `customer_answers`, `carts` and
`billing_answers`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from starlette.routing import Route

from csp_pipeline.sandbox.server.answers import RefusedError, json_answer, stamped
from csp_pipeline.sandbox.server.billing_answers import BillingAnswers
from csp_pipeline.sandbox.server.carts import CartAnswers
from csp_pipeline.sandbox.server.customer_answers import CustomerAnswers
from csp_pipeline.sandbox.server.login import PARTNER_CENTER

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from csp_pipeline.sandbox.server.state import State

    Endpoint = Callable[[Request], Awaitable[Response]]

CUSTOMER = "/v1/customers/{customer_id}"
SUBSCRIPTION = f"{CUSTOMER}/subscriptions/{{subscription_id}}"
ORDER = f"{CUSTOMER}/orders/{{order_id}}"
INVOICE = "/v1/invoices/{number}"
SALES = "/v1.0/sales"


class Authorise(Protocol):
    """Checks the token of a request: None if it may go on, else the refusal (see `login`)."""

    def __call__(self, request: Request, audience: str, *, user_only: bool = False) -> Response | None:
        """Check a request."""


def routes(state: State, authorise: Authorise) -> list[Route]:
    """All routes of Partner Center and of its pricing service.

    Args:
        state: What there is.
        authorise: Checks tokens.

    Returns:
        The routes.
    """
    served, billed, bought = CustomerAnswers(state), BillingAnswers(state), CartAnswers(state)
    anybody: list[tuple[str, str, Endpoint]] = [
        ("GET", "/v1/customers", served.customers),
        ("GET", CUSTOMER, served.customer),
        ("GET", f"{CUSTOMER}/subscriptions", served.subscriptions),
        ("GET", SUBSCRIPTION, served.subscription),
        ("PATCH", SUBSCRIPTION, served.change_subscription),
        ("GET", f"{SUBSCRIPTION}/azureEntitlements", served.entitlements),
        ("GET", f"{CUSTOMER}/orders", served.orders),
        ("GET", ORDER, served.order),
        ("GET", f"{CUSTOMER}/products/{{product_id}}/skus/{{sku_id}}/availabilities", bought.availabilities),
        ("POST", f"{CUSTOMER}/carts", bought.create),
        ("GET", f"{CUSTOMER}/carts/{{cart_id}}", bought.cart),
        ("POST", f"{CUSTOMER}/carts/{{cart_id}}/checkout", bought.checkout),
        ("GET", f"{CUSTOMER}/agreements", served.agreements),
        ("POST", f"{CUSTOMER}/agreements", served.confirm_agreement),
        ("GET", "/v1/agreements", served.agreement_metadata),
        ("GET", "/v1/auditrecords", served.audit_records),
        ("GET", "/v1/invoices", billed.invoices),
        ("GET", f"{INVOICE}/lineitems", billed.invoice_lines),
    ]
    users: list[tuple[str, str, Endpoint]] = [
        ("GET", f"{SUBSCRIPTION}/provisioningstatus", served.subscription_provisioning),
        ("GET", f"{ORDER}/provisioningstatus", served.order_provisioning),
        ("GET", f"{CUSTOMER}/directSignedMicrosoftCustomerAgreementStatus", served.direct_signed),
        ("GET", "/v1/invoices/summary", billed.invoice_summary),
        ("GET", "/v1/invoices/summaries", billed.invoice_summaries),
        ("GET", INVOICE, billed.invoice),
        ("GET", f"{INVOICE}/documents/statement", billed.statement),
        ("GET", f"{SALES}/pricesheets(Market='{{market}}',PricesheetView='{{view}}')/$value", billed.price_sheet),
        ("GET", f"{SALES}/fxrates(Month='{{month}}')/$value", billed.exchange_rates),
    ]
    return [_route(*row, authorise, user_only=False) for row in anybody] + [
        _route(*row, authorise, user_only=True) for row in users
    ]


def _route(method: str, path: str, answer: Endpoint, authorise: Authorise, *, user_only: bool) -> Route:
    async def endpoint(request: Request) -> Response:
        response = authorise(request, PARTNER_CENTER, user_only=user_only)
        if response is None:
            try:
                response = await answer(request)
            except RefusedError as refused:
                response = json_answer(refused.body, refused.status)
        return stamped(request, response)

    return Route(path, endpoint, methods=[method])
