"""Buying: what of a SKU a customer can buy, carts, and the orders that come of them.

What belongs here: which answer an address gets, what a cart may hold, and that it is ordered once. A subscription that
was bought joins the others in the state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, uuid4, uuid5

from csp_pipeline.sandbox import resources
from csp_pipeline.sandbox.json_text import Json, collection, link
from csp_pipeline.sandbox.server.answers import REQUEST_ID, RefusedError, invalid, json_answer, not_found, sent_object
from csp_pipeline.sandbox.server.provisioning import BUSINESS, MOST_SEATS, TECHNICAL

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from csp_pipeline.sandbox.server.state import State

TERMS = (("P1M", "monthly"), ("P1Y", "monthly"), ("P1Y", "annual"))
"""The terms and billing cycles in which every licence is sold."""


class CartAnswers:
    """The answers, one method per address.

    Args:
        state: What there is.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._carts: dict[tuple[str, str], Json] = {}
        self._orders: dict[str, Json] = {}

    async def availabilities(self, request: Request) -> Response:
        """What of a SKU the customer can buy, with its terms; nothing of a SKU that nobody has."""
        self._customer(request)
        product_id, sku_id = request.path_params["product_id"], request.path_params["sku_id"]
        items = []
        for offer_id in sorted(self._sold()):
            if offer_id.split(":")[:2] == [product_id, sku_id]:
                terms = [{"duration": duration, "billingCycle": cycle.title()} for duration, cycle in TERMS]
                item = {"id": offer_id.split(":")[2], "productId": product_id, "skuId": sku_id}
                items.append({**item, "catalogItemId": offer_id, "isPurchasable": True, "terms": terms})
        return json_answer(collection(items))

    async def create(self, request: Request) -> Response:
        """A cart; a line that cannot be bought carries its error."""
        customer_id, body = self._customer(request), await sent_object(request)
        lines = body.get("lineItems")
        if not isinstance(lines, list) or not lines:
            raise invalid("The cart must have lineItems.")
        sent_as = request.headers.get(REQUEST_ID) or str(uuid4())
        cart_id = str(uuid5(NAMESPACE_URL, f"cart/{customer_id}/{sent_as}"))
        cart = {"id": cart_id, "status": "Active", "lineItems": [self._line(line) for line in lines]}
        return json_answer(self._carts.setdefault((customer_id, cart_id), cart), 201)

    async def cart(self, request: Request) -> Response:
        """A cart as it is now."""
        cart, cart_id = self._cart(request), request.path_params["cart_id"]
        return json_answer({**cart, "status": "Ordered" if cart_id in self._orders else "Active"})

    async def checkout(self, request: Request) -> Response:
        """Order what is in a cart, once."""
        customer_id, cart_id = self._customer(request), request.path_params["cart_id"]
        cart = self._cart(request)
        if cart_id in self._orders:
            raise RefusedError(400, "800065", "The cart was checked out already.")
        if any("error" in line for line in cart["lineItems"]):
            raise RefusedError(400, "800009", "An item of the cart is in error.")
        if not self._state.has_accepted(customer_id):
            raise RefusedError(403, "13605", "The customer has not accepted the Microsoft Customer Agreement.")
        if self._state.faults.is_on(TECHNICAL):
            raise RefusedError(500, "800094", "The order could not be placed.")
        order = self._order(customer_id, cart)
        self._orders[cart_id] = order
        return json_answer({"orders": [order], "orderErrors": []}, 201)

    def _customer(self, request: Request) -> str:
        customer_id: str = request.path_params["customer_id"].lower()
        if customer_id not in self._state.customers:
            raise not_found("customer", customer_id)
        return customer_id

    def _cart(self, request: Request) -> Json:
        cart = self._carts.get((self._customer(request), request.path_params["cart_id"]))
        if cart is None:
            raise RefusedError(404, "800008", "The cart was not found.")
        return cart

    def _sold(self) -> dict[str, Json]:
        """A subscription of every licence that somebody has, by its offer."""
        items = (item for owned in self._state.subscriptions.values() for item in owned.values())
        return {item["offerId"]: item for item in items if item["billingType"] == "license" and ":" in item["offerId"]}

    def _line(self, line: Json) -> Json:
        quantity, term = line.get("quantity"), (line.get("termDuration"), str(line.get("billingCycle")).lower())
        code, said = None, ""
        if line.get("catalogItemId") not in self._sold():
            code, said = 10001, "The catalog item id is not valid."
        elif term not in TERMS:
            code, said = 10013, "The billing plan is not supported."
        elif not isinstance(quantity, int) or quantity < 1:
            code, said = 10010, "The quantity must be a whole number of at least 1."
        elif quantity > MOST_SEATS or self._state.faults.is_on(BUSINESS):
            code, said = 10015, "The seat count exceeds the maximum allowed per subscription."
        return {**line, **({"error": {"errorCode": code, "errorDescription": said}} if code else {})}

    def _order(self, customer_id: str, cart: Json) -> Json:
        """Subscriptions like those others have of the same offers, and the order that made them."""
        uri, order_id, now = f"/customers/{customer_id}", uuid4().hex[:12], self._state.clock()
        lines = []
        for number, line in enumerate(cart["lineItems"]):
            subscription_id = str(uuid4())
            own = link(f"{uri}/subscriptions/{subscription_id}")
            item = {
                **self._sold()[line["catalogItemId"]],
                "id": subscription_id,
                "friendlyName": line.get("friendlyName"),
                "quantity": line["quantity"],
                "status": "active",
                "creationDate": resources.instant(now),
                "effectiveStartDate": resources.instant(now),
                "scheduledNextTermInstructions": None,
                "billingCycle": str(line["billingCycle"]).lower(),
                "termDuration": line["termDuration"],
                "orderId": order_id,
                "links": {"self": own},
            }
            self._state.provisioning.add(customer_id, item)
            kept = {name: line.get(name) for name in ("quantity", "friendlyName", "termDuration")}
            told = {"offerId": line["catalogItemId"], "subscriptionId": subscription_id, "transactionType": "new"}
            lines.append({"lineItemNumber": number, **told, **kept, "links": {"subscription": own}})
        order = {
            "id": order_id,
            "referenceCustomerId": customer_id,
            "billingCycle": lines and str(cart["lineItems"][0]["billingCycle"]).lower(),
            "transactionType": "UserPurchase",
            "lineItems": lines,
            "creationDate": resources.instant(now),
            "status": "completed",
            "links": {"self": link(f"{uri}/orders/{order_id}")},
            "attributes": {"objectType": "Order"},
        }
        owned = self._state.orders.get(customer_id, {})
        self._state.orders = {**self._state.orders, customer_id: {**owned, order_id: order}}
        return order
