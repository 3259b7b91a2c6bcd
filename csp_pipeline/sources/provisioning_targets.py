"""Where change requests are sent: the interface of a target, and Partner Center as the first one.

What belongs here: sending a request, and finding out what became of one that was sent. Whether and when it is sent is
decided in `steps`; what a distributor is sent is in `distributor_orders`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Protocol

from csp_pipeline.domain.offers import Offer, meant
from csp_pipeline.domain.provisioning import GONE, ChangeRequest, Finding, key_of
from csp_pipeline.formats.records import as_text, nested, value_of
from csp_pipeline.sources.provider_errors import AuthenticationError, ProviderError
from csp_pipeline.sources.purchase import order_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from csp_pipeline.sources.partner_center import PartnerCenter

LOG_LAG = timedelta(hours=1)
"""The activity log is told to lag by a quarter of an hour; after this long, what is not in it did not happen."""
LONGEST_PENDING = timedelta(hours=24)
FAILED_AGAIN = (
    "It failed each time it was tried. Release the request once the provider works again; if it goes on, open a case "
    "with Microsoft."
)
"""What to do when a failure that should pass by itself did not."""
SHOWN_AS_CLASS = {"business_rule": "business_rule"}


@dataclass(frozen=True, slots=True)
class Seen:
    """A subscription, or what is on offer, before a request is sent.

    Attributes:
        quantity: units now; None where the target does not tell them.
        version: changes with every change of it; empty where it is not told.
        refundable_quantity: units that may be returned now; None where it is not told.
        offers: of a purchase, the ways to buy it; None where they are not told.
    """

    quantity: int | None = None
    version: str = ""
    status: str = ""
    refundable_quantity: int | None = None
    commitment_ends_on: str | None = None
    offers: tuple[Offer, ...] | None = None


class Target(Protocol):
    """Somebody who carries out change requests."""

    name: str

    def look(self, request: ChangeRequest) -> Seen:
        """What is changed, as it is before the request is sent.

        Raises:
            ProviderError: it cannot be told.
        """

    def send(self, request: ChangeRequest, request_id: str) -> Finding:
        """Send a request under an id under which it is done once.

        Raises:
            ProviderError: it is refused, or the answer is lost.
        """

    def ask(self, request: ChangeRequest, intent: Mapping[str, Any]) -> Finding:
        """What became of a request that may have been sent: `absent` only when it certainly did not arrive.

        Args:
            request: the request.
            intent: what the ledger says of the sending: provider_request_id, version, quantity_before, at.

        Raises:
            ProviderError: it cannot be told.
        """


class PartnerCenterTarget:
    """Partner Center: a change is a PATCH, a purchase a cart; what became of it is read from four resources.

    Args:
        center: the client.
        now: the present moment, UTC without zone.
    """

    name = "partner_center"

    def __init__(self, center: PartnerCenter, now: Callable[[], datetime]) -> None:
        self._center, self._now = center, now

    def look(self, request: ChangeRequest) -> Seen:
        """The subscription as it is; of a purchase, the ways to buy it."""
        if request.operation == "purchase":
            return Seen(offers=tuple(self._offers(request)))
        record = self._subscription(request)
        refundable = nested(record, "refundableQuantity")
        ends = as_text(value_of(record, "commitmentEndDate"))
        return Seen(
            _whole(value_of(record, "quantity")),
            _version(record),
            str(value_of(record, "status") or "").lower(),
            _whole(value_of(refundable, "totalQuantity")) if refundable else None,
            ends[:10] if ends else None,
        )

    def send(self, request: ChangeRequest, request_id: str) -> Finding:
        """Change the subscription, or order."""
        customer_id, subscription_id = str(request.customer_id), str(request.subscription_id)
        if request.operation == "purchase":
            return self._buy(request, request_id)
        if request.operation == "cancel":
            status = self._center.cancel_subscription(customer_id, subscription_id, request_id)
            return _done(request, f"The subscription is {status}.", "answer", 0)
        self._center.change_quantity(customer_id, subscription_id, request.quantity, request_id)
        return self._confirmed(request)

    def ask(self, request: ChangeRequest, intent: Mapping[str, Any]) -> Finding:
        """Look at the subscription, its provisioning status and the activity log; never send."""
        if request.operation == "purchase":
            return self._ask_orders(request, str(intent["provider_request_id"]), intent)
        record = self._subscription(request)
        status = str(value_of(record, "status") or "").lower()
        if request.operation == "cancel" and status in GONE:
            return _done(request, f"The subscription is {status}.", "subscription", 0)
        if request.operation != "cancel" and _whole(value_of(record, "quantity")) == request.quantity:
            return self._confirmed(request)
        if intent["version"] and _version(record) == intent["version"]:
            return Finding("absent", "subscription")
        return self._failed_status(request, record) or self._logged(request, record, intent)

    def _offers(self, request: ChangeRequest) -> list[Offer]:
        return self._center.offers(str(request.customer_id), str(request.product_id), str(request.sku_id))

    def _buy(self, request: ChangeRequest, request_id: str) -> Finding:
        """Buy the one offer that the request means; the gate has seen to it that there is one."""
        offers = meant(request, self._offers(request))
        if len(offers) != 1:
            raise ProviderError("what is on offer changed while it was bought", resource="availabilities")
        order = self._center.buy(str(request.customer_id), offers[0], request.quantity, request_id)
        return self._line_of(request, request_id, [order] if order else []) or self._ask_orders(request, request_id)

    def _confirmed(self, request: ChangeRequest) -> Finding:
        """What is provisioned of a subscription that has the quantity asked for."""
        try:
            page = self._center.subscription_provisioning(str(request.customer_id), str(request.subscription_id))
        except AuthenticationError:  # an app alone may change a subscription, but not read this
            return _done(request, f"The subscription has {request.quantity} units.", "subscription", request.quantity)
        told = page.items[0]
        status, quantity = str(value_of(told, "status") or "").lower(), _whole(value_of(told, "quantity"))
        if status == "failed":
            return _failed(quantity)
        if status == "success" and quantity == request.quantity:
            return _done(request, f"{quantity} units are provisioned.", "provisioning_status", quantity)
        return Finding(
            "pending",
            "provisioning_status",
            f"Accepted; {quantity if quantity is not None else 'an unknown number of'} of {request.quantity} units "
            "are provisioned so far.",
            quantity_provisioned=quantity,
        )

    def _failed_status(self, request: ChangeRequest, record: Mapping[str, object]) -> Finding | None:
        try:
            page = self._center.subscription_provisioning(str(request.customer_id), str(request.subscription_id))
        except AuthenticationError:
            return None
        status = str(value_of(page.items[0], "status") or "").lower()
        return _failed(_whole(value_of(record, "quantity"))) if status == "failed" else None

    def _logged(self, request: ChangeRequest, record: Mapping[str, object], intent: Mapping[str, Any]) -> Finding:
        """What the activity log says of the change since it was sent; somebody may have changed it again since."""
        sent_at = datetime.fromisoformat(intent["at"])
        for operation in self._operations(request, sent_at):
            if str(value_of(operation, "operationStatus")).lower() == "failed":
                return _failed(_whole(value_of(record, "quantity")), "activity_log")
            if str(value_of(operation, "operationStatus")).lower() == "succeeded":
                return _done(request, "The activity log tells of the change.", "activity_log", _whole(request.quantity))
        if self._now() - sent_at < LOG_LAG:
            return Finding("pending", "activity_log", "Sent; the provider's activity log does not tell of it yet.")
        if not intent["version"] and _whole(value_of(record, "quantity")) == intent["quantity_before"]:
            return Finding("absent", "activity_log")
        return Finding(
            "failed",
            "activity_log",
            "The subscription was changed by somebody else, and nothing tells that this change was made.",
            "unknown_outcome",
            "technical",
            _whole(value_of(record, "quantity")),
            advice="Look at the subscription in Partner Center; release the request to send it anew, or cancel it.",
        )

    def _operations(self, request: ChangeRequest, sent_at: datetime) -> Iterator[Mapping[str, object]]:
        """The operations that asked for this very change since it was sent."""
        pages = self._center.audit_records(sent_at.date(), self._now().date(), customer_id=request.customer_id)
        for item in (item for page in pages for item in page.items):
            at = datetime.fromisoformat(str(value_of(item, "operationDate")).replace("Z", "")[:19])
            new = _object(value_of(item, "resourceNewValue"))
            is_asked = _whole(value_of(new, "quantity")) == request.quantity or request.operation == "cancel"
            is_this = key_of(as_text(value_of(new, "id"))) == key_of(request.subscription_id)
            if is_this and is_asked and at >= sent_at - timedelta(minutes=5):
                yield item

    def _ask_orders(self, request: ChangeRequest, request_id: str, intent: Mapping[str, Any] | None = None) -> Finding:
        """The order that carries the request's name, and how its line was provisioned."""
        for page in self._center.orders(str(request.customer_id)):
            found = self._line_of(request, request_id, page.items)
            if found is not None:
                return found
        if intent is not None and self._now() - datetime.fromisoformat(intent["at"]) >= LOG_LAG:
            return Finding("absent", "order")
        return Finding("pending", "order", "Sent; the order is not listed yet.")

    def _line_of(
        self, request: ChangeRequest, request_id: str, orders: Sequence[Mapping[str, object]]
    ) -> Finding | None:
        name = order_name(request_id)
        for order in orders:
            lines = value_of(order, "lineItems")
            for line in lines if isinstance(lines, list) else []:
                if value_of(line, "friendlyName") == name:
                    return self._order_line(request, order, line)
        return None

    def _order_line(self, request: ChangeRequest, order: Mapping[str, object], line: Mapping[str, object]) -> Finding:
        order_id = str(value_of(order, "id"))
        number = as_text(value_of(line, "lineItemNumber"))
        try:
            page = self._center.order_provisioning(str(request.customer_id), order_id)
        except AuthenticationError:
            return _done(request, f"Order {order_id} is there.", "order", request.quantity)
        told = next((one for one in page.items if as_text(value_of(one, "lineItemNumber")) == number), {})
        status = str(value_of(told, "status") or "").lower()
        if status == "fulfilled":
            return _done(request, f"Order {order_id} is fulfilled.", "order", request.quantity)
        if status == "unfulfilled":
            return _failed(0, "order")
        return Finding("pending", "order", f"Order {order_id} is being provisioned.")

    def _subscription(self, request: ChangeRequest) -> Mapping[str, object]:
        return self._center.subscription(str(request.customer_id), str(request.subscription_id)).items[0]


def finding_of(error: ProviderError, quantity: int | None = None) -> Finding:
    """A refusal as a finding: by the table's class, a code's text and advice as the table has them."""
    return Finding(
        "failed",
        "answer",
        error.message,
        error.code or (f"HTTP {error.status}" if error.status else ""),
        SHOWN_AS_CLASS.get(error.failure_class, "technical"),
        quantity,
        error.is_known,
        FAILED_AGAIN if error.is_transient else error.advice,
    )


def is_final(error: ProviderError) -> bool:
    """Whether an error says that the request was understood and not done, so that nothing is left to ask."""
    return error.failure_class == "business_rule" and not error.is_transient and error.repeat != "reread"


def _done(request: ChangeRequest, message: str, source: str, quantity: int | None) -> Finding:
    return Finding("succeeded", source, message, quantity_provisioned=0 if request.operation == "cancel" else quantity)


def _failed(quantity: int | None, source: str = "provisioning_status") -> Finding:
    return Finding(
        "failed",
        source,
        "The provider took the change in and then did not provision it.",
        "not_provisioned",
        "business_rule",
        quantity,
        advice="Look at the order in Partner Center for the reason, correct it, and release the request to send it "
        "anew.",
    )


def _version(record: Mapping[str, object]) -> str:
    return str(value_of(nested(record, "attributes"), "etag") or "")


def _whole(value: object) -> int | None:
    text = as_text(value)
    try:
        return None if text is None else int(Decimal(text))
    except (InvalidOperation, ValueError):
        return None


def _object(value: object) -> Mapping[str, object]:
    """A JSON object that travels as text."""
    try:
        found = json.loads(str(value))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
