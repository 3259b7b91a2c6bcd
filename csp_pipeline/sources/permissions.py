"""Which permissions the app and its user have, found out with one small request each.

What belongs here: the requests and what their answers say about permissions. Showing the findings belongs to
`cli_doctor.py`.

The app alone may read customers, invoices, orders and the activity log; documents of an invoice, agreements and
provisioning results need the user; the billing exports need PartnerBilling.Read.All of Microsoft Graph.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from csp_pipeline.formats.records import as_text, loads, value_of
from csp_pipeline.sources.login import GRAPH_SCOPE, PARTNER_CENTER_SCOPE
from csp_pipeline.sources.provider_errors import AuthenticationError, ProviderError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx

    from csp_pipeline.sources.calls import Calls
    from csp_pipeline.sources.login import Login

_CUSTOMERS_TRIED = 5
_NOT_FOUND = frozenset({400, 404, 410})
_NO_OPERATION = "/v1.0/reports/partners/billing/operations/00000000-0000-0000-0000-000000000000"
_NEW_TOKEN = "Sign in again with a second factor and set CSP_REFRESH_TOKEN to the new token."  # noqa: S105  (advice)


@dataclass(frozen=True, slots=True)
class PermissionFound:
    """What was found out about one permission.

    Attributes:
        advice: what to do; empty when the permission is there, or when nothing can be said yet.
    """

    permission: str
    found: str
    advice: str = ""


def check_permissions(login: Login, partner_center: Calls, graph: Calls) -> Iterator[PermissionFound]:
    """Try every permission that the pipeline needs.

    A login that fails is reported once, and what it would have been needed for is left out.

    Args:
        login: the app and its user.
        partner_center: requests to Partner Center.
        graph: requests to Microsoft Graph.

    Yields:
        The findings, in the order in which they are best mended.
    """
    app = _login(login, as_user=False)
    yield app
    if app.advice:
        return
    customers = _customers(partner_center)
    yield customers.finding
    yield _tried("invoices (app)", lambda: _collection(_one(partner_center, "invoices")))
    yield _tried("activity log (app)", lambda: _collection(_one(partner_center, "auditrecords")))
    yield _exports(login, graph)
    if not login.has_user:
        yield PermissionFound(
            "login of the user", "no refresh token", "Set CSP_REFRESH_TOKEN (secure application model)."
        )
        return
    user = _login(login, as_user=True)
    yield user
    if not user.advice:
        yield from _invoice_documents(partner_center)
        yield _tried("agreements (user)", lambda: _agreements(partner_center))
        yield _tried("order provisioning (user)", lambda: _order_provisioning(partner_center, customers.customer_ids))


@dataclass(frozen=True, slots=True)
class _Customers:
    """The finding about customers, and a few of them to go on with."""

    finding: PermissionFound
    customer_ids: tuple[str, ...]


def _tried(permission: str, ask: Callable[[], str]) -> PermissionFound:
    """The finding of one request: granted, missing, or not to be found out."""
    try:
        return PermissionFound(permission, ask())
    except AuthenticationError as error:
        return PermissionFound(permission, "missing", str(error))
    except ProviderError as error:
        return PermissionFound(permission, "could not be tested", str(error))


def _login(login: Login, *, as_user: bool) -> PermissionFound:
    def ask() -> str:
        login.token(PARTNER_CENTER_SCOPE, as_user=as_user)
        return "a token was given"

    return _tried("login of the user" if as_user else "login of the app", ask)


def _customers(partner_center: Calls) -> _Customers:
    ids: list[str] = []

    def ask() -> str:
        answer = partner_center.get("/v1/customers", params={"size": _CUSTOMERS_TRIED}, resource="customers")
        ids.extend(_ids(answer))
        return _collection(answer)

    return _Customers(_tried("customers (app)", ask), tuple(ids[:_CUSTOMERS_TRIED]))


def _exports(login: Login, graph: Calls) -> PermissionFound:
    """Ask for an operation that cannot be there: who may not read operations is told so before that."""

    def ask() -> str:
        login.token(GRAPH_SCOPE)
        try:
            graph.get(_NO_OPERATION, resource="operations")
        except RefusedError as error:
            if error.status not in _NOT_FOUND:
                raise
        return "granted"

    found = _tried("billing exports (app)", ask)
    if found.found != "missing":
        return found
    return PermissionFound(
        found.permission,
        found.found,
        f"Give the app the permission PartnerBilling.Read.All of Microsoft Graph, with admin consent. {found.advice}",
    )


def _invoice_documents(partner_center: Calls) -> Iterator[PermissionFound]:
    """The summaries of invoices need the user; the answer also says whether the token proves MFA."""
    mfa: list[str] = []

    def ask() -> str:
        answer = partner_center.get(
            "/v1/invoices/summaries", headers={"ValidateMfa": "true"}, as_user=True, resource="invoices"
        )
        mfa.append(answer.headers.get("isMfaCompliant", "").strip().lower())
        return "granted"

    yield _tried("invoice documents (user)", ask)
    if mfa == ["true"]:
        yield PermissionFound("multi-factor authentication", "the user's token proves it")
    elif mfa == ["false"]:
        yield PermissionFound("multi-factor authentication", "the user's token does not prove it", _NEW_TOKEN)


def _agreements(partner_center: Calls) -> str:
    query = {"agreementType": "MicrosoftCustomerAgreement"}
    return _collection(partner_center.get("/v1/agreements", params=query, as_user=True, resource="agreements"))


def _order_provisioning(partner_center: Calls, customer_ids: tuple[str, ...]) -> str:
    for customer_id in customer_ids:
        orders = _ids(partner_center.get(f"/v1/customers/{customer_id}/orders", resource="orders"))
        if orders:
            path = f"/v1/customers/{customer_id}/orders/{orders[0]}/provisioningstatus"
            partner_center.get(path, as_user=True, resource="orders")
            return "granted"
    return "not tested: no order was found"


def _one(partner_center: Calls, resource: str) -> httpx.Response:
    return partner_center.get(f"/v1/{resource}", params={"size": 1}, resource=resource)


def _collection(answer: httpx.Response) -> str:
    """That the answer is a collection, so that a web page which answers with 200 does not pass for a permission.

    Raises:
        RefusedError: it is something else.
    """
    if _items(answer) is None:
        raise RefusedError(
            "the answer is no collection of Partner Center",
            status=answer.status_code,
            advice="Check CSP_PARTNER_CENTER_URL.",
            where=f"GET {answer.request.url.path}",
        )
    return "granted"


def _ids(answer: httpx.Response) -> list[str]:
    found = (as_text(value_of(item, "id")) for item in _items(answer) or () if isinstance(item, dict))
    return [one for one in found if one]


def _items(answer: httpx.Response) -> list[object] | None:
    try:
        body = loads(answer.text)
    except ValueError:
        return None
    items = value_of(body, "items") if isinstance(body, dict) else None
    if items is None and isinstance(body, dict) and as_text(value_of(body, "totalCount")) == "0":
        return []
    return items if isinstance(items, list) else None
