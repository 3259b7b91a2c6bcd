"""What Partner Center answers on customers: what they have, their orders, agreements, and the activity log.

What belongs here: which answer an address gets. Addresses and permissions are in `partner_center`, what there is in the
state, the look of an answer in `answers` and `paging`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from csp_pipeline.sandbox import resources
from csp_pipeline.sandbox.json_text import Json, collection
from csp_pipeline.sandbox.server import audit_log
from csp_pipeline.sandbox.server.answers import (
    REQUEST_ID,
    RefusedError,
    invalid,
    json_answer,
    not_found,
    sent_object,
    unfiltered,
)
from csp_pipeline.sandbox.server.paging import Listed, continued

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from csp_pipeline.sandbox.facts import Customer
    from csp_pipeline.sandbox.server.state import State

MOST_ITEMS = 500
ITEMS_OF_A_REPEATED_PAGE = 5
AGREEMENT_TYPES = (resources.MCA, "MicrosoftCloudAgreement")


class CustomerAnswers:
    """The answers, one method per address.

    Args:
        state: What there is.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._confirmed: dict[tuple[str, str], Json] = {}
        is_repeating = state.faults.is_on("duplicate-page")
        self._most_items = ITEMS_OF_A_REPEATED_PAGE if is_repeating else MOST_ITEMS

    async def customers(self, request: Request) -> Response:
        """All customers, page by page."""
        unfiltered(request)
        return json_answer(continued(request, Listed(self._state.customer_items), at_most=self._most_items))

    async def customer(self, request: Request) -> Response:
        """One customer."""
        return json_answer(resources.customer_item(self._customer(request)))

    async def subscriptions(self, request: Request) -> Response:
        """The subscriptions of a customer, all on one page; `order_id` chooses those of an order."""
        customer = self._customer(request)
        items = [self._state.provisioning.shown(item) for item in self._subscriptions(customer).values()]
        order_id, mpn_id = request.query_params.get("order_id"), request.query_params.get("mpn_id")
        if mpn_id not in (None, customer.mpn_id):
            items = []
        return json_answer(collection([item for item in items if order_id in (None, item["orderId"])]))

    async def subscription(self, request: Request) -> Response:
        """One subscription."""
        _, item = self._subscription(request)
        return _subscription_answer(200, self._state.provisioning.shown(item))

    async def change_subscription(self, request: Request) -> Response:
        """Change a subscription to what is sent."""
        customer, item = self._subscription(request)
        body = await sent_object(request)
        attributes = next((value for name, value in body.items() if name.lower() == "attributes"), None)
        sent = {name.lower(): value for name, value in attributes.items()} if isinstance(attributes, dict) else {}
        status, changed = self._state.provisioning.change(
            customer.customer_id,
            item["id"],
            body,
            etag=request.headers.get("If-Match") or sent.get("etag"),
            request_id=request.headers.get(REQUEST_ID, ""),
        )
        return _subscription_answer(status, changed)

    async def subscription_provisioning(self, request: Request) -> Response:
        """What is provisioned of a subscription."""
        customer, item = self._subscription(request)
        return json_answer(self._state.provisioning.status(customer.customer_id, item["id"]))

    async def entitlements(self, request: Request) -> Response:
        """The Azure subscriptions under an Azure plan; none under anything else."""
        _, item = self._subscription(request)
        return json_answer(collection(self._state.entitlements.get(item["id"], [])))

    async def orders(self, request: Request) -> Response:
        """The orders of a customer, all on one page."""
        orders = self._state.orders.get(self._customer(request).customer_id, {})
        return json_answer(collection(list(orders.values()), request.url.path.removeprefix("/v1")))

    async def order(self, request: Request) -> Response:
        """One order."""
        return json_answer(self._order(request))

    async def order_provisioning(self, request: Request) -> Response:
        """What is provisioned of the lines of an order."""
        return json_answer(collection(self._state.provisioning.order_status(self._order(request))))

    async def agreements(self, request: Request) -> Response:
        """The agreements that the partner attested for a customer."""
        items = self._state.agreements[self._customer(request).customer_id]
        wanted = request.query_params.get("agreementType", "*")
        chosen = [item for item in items if wanted in ("*", item["type"])]
        return json_answer(collection(chosen, request.url.path.removeprefix("/v1")))

    async def confirm_agreement(self, request: Request) -> Response:
        """Take down that a customer accepted the agreement; a second confirmation by the same person is refused."""
        customer, body = self._customer(request), await sent_object(request)
        sent_as = (customer.customer_id, request.headers.get(REQUEST_ID, ""))
        if sent_as[1] and sent_as in self._confirmed:
            return json_answer(self._confirmed[sent_as], 201)
        try:
            contact = {name: str(body["primaryContact"][name]) for name in ("firstName", "lastName", "email")}
            item = {
                "primaryContact": {**contact, "phoneNumber": str(body["primaryContact"].get("phoneNumber", ""))},
                "templateId": str(body["templateId"]),
                "dateAgreed": str(body["dateAgreed"]),
                "type": str(body["type"]),
                "agreementLink": resources.MCA_LINK,
            }
        except (KeyError, TypeError, AttributeError):
            raise invalid("The body must have primaryContact, templateId, dateAgreed and type.") from None
        if (item["type"], item["templateId"]) != (resources.MCA, resources.MCA_TEMPLATE_ID):
            raise invalid("The type or the template of the agreement is not known.")
        confirmed = self._state.agreements[customer.customer_id]
        if any(known["primaryContact"] == item["primaryContact"] for known in confirmed):
            raise _already_confirmed()
        confirmed.append(item)
        self._confirmed[sent_as] = item
        return json_answer(item, 201)

    async def direct_signed(self, request: Request) -> Response:
        """Whether a customer accepted the agreement with Microsoft itself."""
        return json_answer({"isSigned": self._customer(request).has_signed_directly})

    async def agreement_metadata(self, request: Request) -> Response:
        """The templates of an agreement; without a type those of the older agreement, of which there are none."""
        wanted = request.query_params.get("agreementType", AGREEMENT_TYPES[1])
        if wanted not in (*AGREEMENT_TYPES, "*"):
            raise invalid("The agreementType is not known.")
        items = [] if wanted == AGREEMENT_TYPES[1] else [resources.agreement_metadata_item()]
        return json_answer(collection(items))

    async def audit_records(self, request: Request) -> Response:
        """The activity log, page by page."""
        records = audit_log.chosen(self._state.audit_records, request.query_params, self._state.clock())
        return json_answer(continued(request, Listed(records), at_most=self._most_items))

    def _customer(self, request: Request) -> Customer:
        customer_id = request.path_params["customer_id"].lower()
        if customer_id not in self._state.customers:
            raise not_found("customer", customer_id)
        return self._state.customers[customer_id]

    def _subscriptions(self, customer: Customer) -> dict[str, Json]:
        return self._state.subscriptions.get(customer.customer_id, {})

    def _subscription(self, request: Request) -> tuple[Customer, Json]:
        customer, subscription_id = self._customer(request), request.path_params["subscription_id"].lower()
        item = self._subscriptions(customer).get(subscription_id)
        if item is None:
            raise not_found("subscription", subscription_id)
        return customer, item

    def _order(self, request: Request) -> Json:
        order = self._state.orders.get(self._customer(request).customer_id, {}).get(request.path_params["order_id"])
        if order is None:
            raise not_found("order", request.path_params["order_id"])
        return order


def _subscription_answer(status: int, item: Json) -> Response:
    headers = {"ETag": item["attributes"]["etag"]}
    if status == 202:  # noqa: PLR2004  (HTTP: accepted)
        headers["Location"] = item["links"]["self"]["uri"]
    return json_answer(item, status, headers)


def _already_confirmed() -> RefusedError:
    sentence = "A partner confirmed agreement already exists for the customer."
    body = {
        "code": 600061,
        "message": sentence,
        "description": sentence,
        "errorName": "PartnerConfirmedAgreementAlreadyExists",
        "isRetryable": False,
        "parameters": {},
        "errorMessageExtended": "InternalErrorCode=600061",
    }
    return RefusedError(400, "600061", sentence, body=body)
