"""Changes of a subscription's quantity: what Partner Center checks, what it resets, and how provisioning ends.

What belongs here: the rules of a change and the outcomes that can be asked for later. Answers and addresses are in
`partner_center`. Licences of Microsoft change at once; those of other publishers are accepted first and provisioned
when their status has been asked for once more, or before the next change.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING

from csp_pipeline.sandbox import resources
from csp_pipeline.sandbox.catalogue import PARTNER_DOMAIN
from csp_pipeline.sandbox.server.answers import RefusedError, invalid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from csp_pipeline.sandbox.json_text import Json
    from csp_pipeline.sandbox.server.state import State

REFUND_WINDOW = timedelta(days=7)
MOST_SEATS = 10_000
RESET_WHEN_OMITTED = {
    "autoRenewEnabled": False,
    "scheduledNextTermInstructions": None,
    "nextChargeInstructions": None,
}
CHANGEABLE = (*RESET_WHEN_OMITTED, "friendlyName", "quantity", "status")
TECHNICAL, BUSINESS = "provisioning-technical", "provisioning-business"
FAILING_STATUS = {TECHNICAL: ("pending", "PrefulfillmentPending"), BUSINESS: ("failed", "Unfulfilled")}


@dataclass
class Pending:
    """A change that was accepted and is still being provisioned."""

    before: int
    after: int
    customer_id: str


@dataclass
class Provisioning:
    """The changes of quantity of a partner's subscriptions.

    Args:
        state: The partner; its subscriptions and its activity log change.
    """

    state: State
    _added: dict[str, list[tuple[int, datetime]]] = field(default_factory=dict)
    _pending: dict[str, Pending] = field(default_factory=dict)
    _failed: set[str] = field(default_factory=set)
    _answered: dict[tuple[str, str], tuple[int, Json]] = field(default_factory=dict)
    _refused: set[tuple[str, str]] = field(default_factory=set)
    _versions: int = 0

    def __post_init__(self) -> None:
        for seats in self.state.scenario.seats:
            bought = [(seats.quantity, datetime.combine(seats.first_charge_on, time()))]
            bought += [
                (event.quantity_after - seats.quantity_on(event.on), datetime.combine(event.on, time(event.hour)))
                for event in seats.events
            ]
            self._added[seats.subscription_id] = [(quantity, at) for quantity, at in bought if quantity > 0]

    def shown(self, subscription: Json) -> Json:
        """A subscription as it is told, with the seats that may still be returned."""
        details = [
            {"quantity": quantity, "allowedUntilDateTime": resources.instant(at + REFUND_WINDOW)}
            for quantity, at in self._refundable(subscription)
        ]
        total = sum(quantity for quantity, _ in self._refundable(subscription))
        return {**subscription, "refundableQuantity": {"totalQuantity": total, "details": details}}

    def change(
        self, customer_id: str, subscription_id: str, body: Mapping[str, object], *, etag: str | None, request_id: str
    ) -> tuple[int, Json]:
        """Change a subscription to what was sent; fields that reset when they are left out are reset.

        Args:
            customer_id: Its customer.
            subscription_id: The subscription.
            body: The whole subscription, with names in any case.
            etag: The version it was read at, or None.
            request_id: The same one twice is applied once.

        Returns:
            200 when it is done or 202 when it was accepted, and the subscription.

        Raises:
            RefusedError: A rule does not allow it, or a fault strikes.
        """
        known = self._answered.get((subscription_id, request_id)) if request_id else None
        if known:
            return known
        if subscription_id in self._pending:
            self._end(subscription_id, self._pending[subscription_id])
        before = self.state.subscriptions[customer_id][subscription_id]
        after = _changed(before, body)
        if etag not in (None, "*", before["attributes"]["etag"]):
            raise RefusedError(400, "2055", "Etag is no longer valid: read the subscription again.")
        try:
            self._check(customer_id, before, after)
            self._strike(before, after)
        except RefusedError:
            is_news = not request_id or (subscription_id, request_id) not in self._refused
            if _is_change(before, after) and is_news:
                self._refused.add((subscription_id, request_id))
                self._log(customer_id, before, after["quantity"], "failed")
            raise
        answer = self._apply(customer_id, before, after)
        if request_id:
            self._answered[subscription_id, request_id] = answer
        return answer

    def add(self, customer_id: str, subscription: Json) -> None:
        """Take in a subscription that was bought; its seats may be returned as others that were added."""
        nothing = {**subscription, "quantity": 0}
        bought = {**self.state.subscriptions[customer_id], subscription["id"]: nothing}
        self.state.subscriptions = {**self.state.subscriptions, customer_id: bought}
        self._store(customer_id, subscription)
        self._note_seats(subscription["id"], subscription["quantity"])
        self._log(customer_id, nothing, subscription["quantity"], "succeeded", "create_order")

    def status(self, customer_id: str, subscription_id: str) -> Json:
        """The provisioning status of a subscription; a change that was accepted ends once it has been asked for."""
        subscription = self.state.subscriptions[customer_id][subscription_id]
        pending = self._pending.get(subscription_id)
        if pending:
            self._end(subscription_id, pending)
            return resources.subscription_provisioning(subscription, "pending", pending.before)
        if subscription_id in self._failed:
            return resources.subscription_provisioning(subscription, "failed")
        fault = self._fault()
        if fault and subscription_id == self._afflicted():
            return resources.subscription_provisioning(subscription, FAILING_STATUS[fault][0], 0)
        return resources.subscription_provisioning(subscription)

    def order_status(self, order: Json) -> list[Json]:
        """The provisioning status of the lines of an order."""
        subscription_id, fault = order["lineItems"][0]["subscriptionId"], self._fault()
        if subscription_id in self._pending:
            return resources.order_provisioning(order, "PrefulfillmentPending")
        if subscription_id in self._failed:
            return resources.order_provisioning(order, "Unfulfilled")
        if fault and subscription_id == self._afflicted():
            return resources.order_provisioning(order, FAILING_STATUS[fault][1])
        return resources.order_provisioning(order)

    def _check(self, customer_id: str, before: Json, after: Json) -> None:
        asked, had = after["quantity"], before["quantity"]
        if after["status"] != before["status"]:
            self._check_cancellation(before, after)
            asked = 0
        if before["status"] != "active" or before["billingType"] != "license":
            raise RefusedError(400, "2002", "The quantity of this subscription cannot be changed.")
        if after["scheduledNextTermInstructions"] and not after["autoRenewEnabled"]:
            raise RefusedError(400, "800093", "Instructions for the next term need automatic renewal.")
        if after["quantity"] < 1:
            raise RefusedError(400, "2002", "The quantity is not within the minimum and maximum allowed.")
        if asked > had and not self.state.has_accepted(customer_id):
            raise RefusedError(403, "13605", "The customer has not accepted the Microsoft Customer Agreement.")
        if asked > MOST_SEATS:
            raise RefusedError(403, "800067", "The seat count exceeds the maximum allowed per subscription.")
        if had - asked > sum(quantity for quantity, _ in self._refundable(before)):
            raise RefusedError(400, "800090", "Subscription quantity can't be decreased: the window has closed.")

    @staticmethod
    def _check_cancellation(before: Json, after: Json) -> None:
        if after["status"] != "deleted" or after["quantity"] != before["quantity"]:
            raise RefusedError(400, "800002", "The status can be set to deleted, with everything else as it is.")

    def _strike(self, before: Json, after: Json) -> None:
        """Refuse a change that a fault does not let through; other publishers' changes fail later."""
        if not _is_change(before, after) or not before["isMicrosoftProduct"]:
            return
        if self.state.faults.is_on(TECHNICAL):
            raise RefusedError(500, "800094", "Update subscription isn't successful.")
        if self.state.faults.is_on(BUSINESS):
            raise RefusedError(403, "800067", "The seat count exceeds the maximum allowed per subscription.")

    def _apply(self, customer_id: str, before: Json, after: Json) -> tuple[int, Json]:
        subscription_id, had, asked = before["id"], before["quantity"], after["quantity"]
        stored = self._store(customer_id, after)
        if after["status"] != before["status"]:
            self._log(customer_id, before, 0, "succeeded")
            return 200, self.shown(stored)
        if asked == had:
            return 200, self.shown(stored)
        self._failed.discard(subscription_id)
        if not before["isMicrosoftProduct"]:
            self._pending[subscription_id] = Pending(had, asked, customer_id)
            self._log(customer_id, before, asked, "progress")
            return 202, self.shown(stored)
        self._note_seats(subscription_id, asked - had)
        self._log(customer_id, before, asked, "succeeded")
        return 200, self.shown(stored)

    def _end(self, subscription_id: str, pending: Pending) -> None:
        """Let an accepted change succeed, or fail when a fault says so: then the old quantity is back."""
        del self._pending[subscription_id]
        subscription = self.state.subscriptions[pending.customer_id][subscription_id]
        was = {**subscription, "quantity": pending.before}
        if self._fault():
            self._failed.add(subscription_id)
            self._store(pending.customer_id, was)
            self._log(pending.customer_id, was, pending.after, "failed")
        else:
            self._note_seats(subscription_id, pending.after - pending.before)
            self._log(pending.customer_id, was, pending.after, "succeeded")

    def _store(self, customer_id: str, subscription: Json) -> Json:
        self._versions += 1
        etag = resources.etag(subscription["id"], subscription["quantity"], self._versions)
        stored = {**subscription, "attributes": {**subscription["attributes"], "etag": etag}}
        self.state.subscriptions[customer_id][subscription["id"]] = stored
        return stored

    def _refundable(self, subscription: Json) -> list[tuple[int, datetime]]:
        """Seats that may still be cut, with the time when they were added."""
        now = self.state.clock().replace(tzinfo=None)
        added = self._added.get(subscription["id"], [])
        return [(quantity, at) for quantity, at in added if at <= now < at + REFUND_WINDOW]

    def _note_seats(self, subscription_id: str, more: int) -> None:
        """Seats that were added, or those cut, taken off what was added last."""
        added = self._added.setdefault(subscription_id, [])
        if more > 0:
            added.append((more, self.state.clock().replace(tzinfo=None)))
        while more < 0 and added:
            quantity, at = added.pop()
            if quantity + more > 0:
                added.append((quantity + more, at))
            more = min(0, more + quantity)

    def _log(
        self, customer_id: str, before: Json, quantity: int, status: str, operation: str = "update_subscription"
    ) -> None:
        """Add an operation to the activity log."""

        def value(units: int) -> str:
            return json.dumps({"Id": before["id"], "Quantity": units, "Status": before["status"]})

        customer = self.state.customers[customer_id]
        record = {
            "partnerId": self.state.scenario.partner_id,
            "customerId": customer_id,
            "customerName": customer.name,
            "userPrincipalName": f"agent@{PARTNER_DOMAIN}",
            "applicationId": "Partner Center REST API",
            "resourceType": "subscription",
            "resourceOldValue": value(before["quantity"]),
            "resourceNewValue": value(quantity),
            "operationType": operation,
            "operationDate": resources.instant(self.state.clock()),
            "operationStatus": status,
            "customizedData": [
                {"key": "SubscriptionId", "value": before["id"]},
                {"key": "Quantity", "value": str(quantity)},
            ],
            "attributes": {"objectType": "AuditRecord"},
        }
        self.state.audit_records = [*self.state.audit_records, record]

    def _fault(self) -> str | None:
        return next((name for name in (TECHNICAL, BUSINESS) if self.state.faults.is_on(name)), None)

    def _afflicted(self) -> str:
        """The subscription that a fault of provisioning leaves unfinished: the first by the seat."""
        return next(seats.subscription_id for seats in self.state.scenario.seats if seats.is_listed)


def _is_change(before: Json, after: Json) -> bool:
    """Whether something was asked for that has to be provisioned."""
    return any(after[name] != before[name] for name in ("quantity", "status"))


def _changed(before: Json, body: Mapping[str, object]) -> Json:
    """A subscription with what was sent; names are matched in any case."""
    sent = {name.lower(): value for name, value in body.items()}
    quantity = sent.get("quantity")
    if isinstance(quantity, bool) or not isinstance(quantity, int):
        raise invalid("The body must be the whole subscription, with a whole number as quantity.")
    after = {**before, **RESET_WHEN_OMITTED}
    for name in CHANGEABLE:
        if name.lower() in sent:
            after[name] = sent[name.lower()]
    return after
