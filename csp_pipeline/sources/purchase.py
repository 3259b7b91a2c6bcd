"""Buying licences: what is on offer, a cart, its checkout.

A cart binds nobody and is ordered once at most. When the answer to its checkout is lost, the cart is asked whether it
is ordered before anything is sent again. The line bears the name of the request, by which its order is found later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, uuid5

from csp_pipeline.domain.offers import Offer
from csp_pipeline.formats.records import as_text, nested, value_of
from csp_pipeline.sources.paging import IncompleteAnswerError, page_of
from csp_pipeline.sources.provider_errors import ProviderError, provider_error

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import httpx

    from csp_pipeline.sources.calls import Calls
    from csp_pipeline.sources.paging import Record

RESOURCE = "carts"
ORDERED_ALREADY = "800065"
_IN_A_CART = 400


def offers_of(items: Iterable[Mapping[str, object]]) -> list[Offer]:
    """The ways to buy a SKU that its availabilities tell of."""
    found = []
    for item in items:
        terms = value_of(item, "terms")
        if str(value_of(item, "isPurchasable")).lower() == "false" or not isinstance(terms, list):
            continue
        for term in terms:
            duration, cycle = as_text(value_of(term, "duration")), as_text(value_of(term, "billingCycle"))
            found.append(Offer(duration or "", (cycle or "").lower(), str(value_of(item, "catalogItemId"))))
    return found


def order_name(request_id: str) -> str:
    """The name by which the line of an order made for a request can be found."""
    return f"csp-pipeline {request_id}"


def buy(calls: Calls, customer_uri: str, offer: Offer, quantity: int, request_id: str) -> Record | None:
    """Buy units of an offer.

    Args:
        calls: the connection.
        customer_uri: the path of the customer.
        offer: what, for which term.
        quantity: units.
        request_id: identifies the purchase: sent again under the same id it is the same cart.

    Returns:
        The order; None when the cart had been ordered by an attempt whose answer was lost.

    Raises:
        ProviderError: the provider does not sell it so, or the answer is lost.
    """
    line = {
        "id": 0,
        "catalogItemId": offer.catalog_item_id,
        "quantity": quantity,
        "billingCycle": offer.billing_cycle,
        "termDuration": offer.term_duration,
        "friendlyName": order_name(request_id),
    }
    uri = f"{customer_uri}/carts"
    sent = calls.send("POST", uri, json={"lineItems": [line]}, resource=RESOURCE, request_id=request_id)
    cart = page_of(sent, uri).items[0]
    _refuse_errors(cart, "lineItems", uri)
    cart_id = as_text(value_of(cart, "id"))
    if not cart_id:
        raise IncompleteAnswerError("expected a cart with an id, found none", where=uri)
    return _check_out(calls, f"{uri}/{cart_id}", request_id)


def _check_out(calls: Calls, uri: str, request_id: str) -> Record | None:
    """Order a cart; None when it turns out to be ordered already."""
    sent_as = str(uuid5(NAMESPACE_URL, f"{request_id}/checkout"))
    checkout = f"{uri}/checkout"

    def ordered() -> httpx.Response | None:
        found = calls.get(uri, resource=RESOURCE)
        return found if _is_ordered(page_of(found, uri).items[0]) else None

    try:
        sent = calls.send("POST", checkout, json={}, resource=RESOURCE, request_id=sent_as, is_done=ordered)
    except ProviderError as error:
        if error.code == ORDERED_ALREADY:
            return None
        raise
    answer = page_of(sent, checkout).items[0]
    if _is_ordered(answer):
        return None
    _refuse_errors(answer, "orderErrors", checkout)
    orders = value_of(answer, "orders")
    if not isinstance(orders, list) or not orders:
        raise IncompleteAnswerError("expected the order of a cart, found none", where=checkout)
    order: Record = orders[0]
    return order


def _is_ordered(cart: Record) -> bool:
    return str(value_of(cart, "status")).lower() == "ordered"


def _refuse_errors(answer: Record, name: str, uri: str) -> None:
    """Raise the first error that a line of a cart carries, or that came of its checkout."""
    found = value_of(answer, name)
    for item in found if isinstance(found, list) else []:
        error = item if name == "orderErrors" else nested(item, "error")
        code = as_text(value_of(error, "errorCode")) or as_text(value_of(error, "code")) if error else None
        if code:
            said = as_text(value_of(error, "errorDescription")) or as_text(value_of(error, "description")) or ""
            raise provider_error(_IN_A_CART, code, said, where=f"POST {uri}", resource=RESOURCE)
