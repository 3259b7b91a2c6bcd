"""Licence change requests: what was asked for, what the ledger says became of each, and the events that follow.

What belongs here: requests, their histories and states, and the events made of them. What the ledger's records hold is
`provisioning_records`; what keeps a request from being sent is `provisioning_gates`; sending and asking belong to the
targets in `sources`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal
from uuid import NAMESPACE_URL, uuid5

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Record = dict[str, Any]
Operation = Literal["change_quantity", "purchase", "cancel"]
State = Literal["new", "waiting", "released", "sent", "pending", "succeeded", "failed", "cancelled"]
Outcome = Literal["succeeded", "failed", "pending", "absent"]

REQUEST, WAITING, INTENT, ERROR, OUTCOME, DECISION = "request", "waiting", "intent", "error", "outcome", "decision"
RELEASE, CANCEL = "release", "cancel"
FINISHED: frozenset[State] = frozenset({"succeeded", "failed", "cancelled"})
GONE = frozenset({"deleted", "expired", "cancelled", "canceled", "suspended"})
"""States of a subscription in which a cancellation is done."""
_CLOCKS_APART = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class ChangeRequest:
    """A change of licences that somebody asked for, as in the commercial table license_change_requests.

    Attributes:
        requested_at: UTC without zone; None when not told.
        new_quantity: units there are to be; None for a cancellation.
        term_duration: of a purchase, ISO 8601 such as P1Y; None when it does not say.
        billing_cycle: of a purchase; None when it does not say.
    """

    request_id: str
    account_id: str | None
    customer_id: str | None
    subscription_id: str | None
    requested_at: datetime | None
    requested_by: str | None
    channel: str | None
    operation: Operation
    product_id: str | None = None
    sku_id: str | None = None
    new_quantity: Decimal | None = None
    term_duration: str | None = None
    billing_cycle: str | None = None

    @property
    def subject(self) -> tuple[str, str]:
        """What is changed; requests on the same subject go out one after another."""
        what = self.subscription_id or f"{self.product_id}:{self.sku_id}"
        return key_of(self.customer_id), what.strip().lower()

    @property
    def order(self) -> tuple[datetime, str]:
        """The order in which requests are worked on."""
        return self.requested_at or datetime.min, self.request_id  # noqa: DTZ901  (times are UTC without zone)

    @property
    def quantity(self) -> int:
        """The whole quantity asked for; 0 for a cancellation."""
        return int(self.new_quantity or 0)

    def fault(self) -> str | None:
        """Why it cannot be a request at all; None when it can."""
        if not self.customer_id:
            return "it names no customer_id"
        if self.operation == "purchase" and not (self.product_id and self.sku_id):
            return "a purchase needs product_id and sku_id"
        if self.operation != "purchase" and not self.subscription_id:
            return "it names no subscription_id"
        if self.operation == "cancel":
            return None
        if self.new_quantity is None or self.new_quantity % 1 or self.new_quantity < 1:
            return f"new_quantity must be a whole number of at least 1, found {self.new_quantity}"
        return None


@dataclass(frozen=True, slots=True)
class Finding:
    """What is known of a request at its target.

    Attributes:
        outcome: `absent` when it certainly has not arrived, so that it may be sent (again, under the same id).
        source: answer, provisioning_status, subscription, order, activity_log, distributor, gate or person.
        is_known: whether the provider's code stands in the table of codes.
    """

    outcome: Outcome
    source: str
    message: str = ""
    code: str = ""
    failure_class: str | None = None
    quantity_provisioned: int | None = None
    is_known: bool = True
    advice: str = ""


@dataclass(frozen=True, slots=True)
class LoggedChange:
    """A change that the change log, the activity log or the provider's lines tell of."""

    changed_at: datetime
    quantity_after: Decimal | None
    status_after: str | None


@dataclass(slots=True)
class History:
    """What the ledger says of one request, in order."""

    records: list[Record] = field(default_factory=list)

    def last(self, *types: str) -> Record | None:
        """The latest record of some types."""
        return next((record for record in reversed(self.records) if record["type"] in types), None)

    @property
    def state(self) -> State:
        """Where the request stands."""
        state: State = "new"
        for record in self.records:
            state = _after(state, record)
        return state

    @property
    def releases(self) -> int:
        """How often a person released it; each release is a sending of its own."""
        return sum(record["type"] == DECISION and record["decision"] == RELEASE for record in self.records)

    @property
    def errors(self) -> list[Record]:
        """The failures of what was sent since a person last released it."""
        since = [number for number, record in enumerate(self.records) if record["type"] == DECISION]
        return [record for record in self.records[since[-1] if since else 0 :] if record["type"] == ERROR]

    @property
    def is_released(self) -> bool:
        """Whether a person said that it shall go out whatever the gates that a person may lift say."""
        return self.releases > 0


def _after(state: State, record: Mapping[str, Any]) -> State:
    kind = record["type"]
    if kind == DECISION:
        if record["decision"] == CANCEL:
            return "cancelled" if state not in FINISHED else state
        return "released" if state in {"new", "waiting", "failed", "cancelled"} else state
    if kind == OUTCOME:
        return record["outcome"]  # type: ignore[no-any-return]
    by_type: dict[str, State] = {WAITING: "waiting", INTENT: "sent"}
    return by_type.get(kind, state)


def key_of(identifier: str | None) -> str:
    """An identifier as it is compared: lower case, without the prefix that some files give tenants."""
    return (identifier or "").strip().lower().removeprefix("org:")


def histories(records: Iterable[Record]) -> dict[str, History]:
    """The history of every request that the ledger knows, by request_id."""
    found: dict[str, History] = {}
    for record in records:
        found.setdefault(record["request_id"], History()).records.append(record)
    return found


def provider_request_id(request: ChangeRequest, releases: int) -> str:
    """The id under which the provider does a request once, however often it is sent; a release begins a new one."""
    return str(uuid5(NAMESPACE_URL, f"csp-pipeline/{request.request_id}/{'/'.join(request.subject)}/{releases}"))


def settled_by_log(request: ChangeRequest, changes: Sequence[LoggedChange]) -> LoggedChange | None:
    """The first logged change that did what was asked for; None while there is none.

    A log may tell days only, and clocks differ by minutes, so a change counts from the beginning of the request's day
    when it is told at midnight, else from shortly before the request.
    """
    since = request.requested_at or datetime.min  # noqa: DTZ901  (times are UTC without zone)
    for change in sorted(changes, key=lambda one: one.changed_at):
        is_a_day = change.changed_at.time() == datetime.min.time()
        at = change.changed_at + timedelta(days=1) if is_a_day else change.changed_at + _CLOCKS_APART
        if at >= since and _does(request, change):
            return change
    return None


def _does(request: ChangeRequest, change: LoggedChange) -> bool:
    if request.operation == "cancel":
        return change.quantity_after == 0 or (change.status_after or "").lower() in GONE
    return request.new_quantity is not None and change.quantity_after == request.new_quantity


def utc_text(at: datetime) -> str:
    """A time as records keep it: UTC, ISO 8601, without zone."""
    return (at.astimezone(UTC) if at.tzinfo else at).replace(tzinfo=None).isoformat(timespec="seconds")


def event_id_of(*parts: object) -> str:
    """A stable identifier made of what an event is about."""
    return hashlib.sha256("\x1f".join("" if part is None else str(part) for part in parts).encode()).hexdigest()[:32]


def events_of(request: ChangeRequest, history: History) -> list[Record]:
    """The events of a request that the ledger tells, oldest first, as rows of provisioning.events."""
    rows = []
    for number, record in enumerate(history.records):
        told = _event(record)
        if told is not None:
            rows.append(event_row(request, number, told))
    return rows


def event_row(request: ChangeRequest, number: int, told: Mapping[str, Any]) -> Record:
    """A row of provisioning.events of a request."""
    return {
        "event_id": event_id_of(request.request_id, *request.subject, number),
        "customer_id": request.customer_id,
        "subscription_id": request.subscription_id,
        "request_id": request.request_id,
        "operation": request.operation,
        "quantity_requested": request.new_quantity if request.operation != "cancel" else Decimal(0),
        **told,
    }


def _event(record: Mapping[str, Any]) -> Record | None:
    """What a ledger record says as an event: when, outcome, code and words; None when it tells of none."""
    kind = record["type"]
    if kind == WAITING:
        return _told(record, "waiting", record["reason"], record["message"], "gate")
    if kind == INTENT:
        return _told(record, "pending", "sent", f"Sent to {record['target'].replace('_', ' ')}.", record["target"])
    if kind == DECISION and record["decision"] == CANCEL:
        return _told(record, "failed", "cancelled", f"Cancelled by {record['by']}.", "person", "business_rule")
    if kind == DECISION:
        return _told(record, "pending", "released", f"Released by {record['by']}.", "person")
    if kind == OUTCOME:
        told = _told(
            record, record["outcome"], record["code"], record["message"], record["source"], record["failure_class"]
        )
        told["quantity_provisioned"] = record["quantity_provisioned"]
        told["needs_triage"] = not record["is_known"]
        told["next_step"] = record["advice"] or None
        return told
    return None


def _told(  # noqa: PLR0913, PLR0917  (the columns of an event)
    record: Mapping[str, Any], outcome: str, code: str, message: str, source: str, failure_class: str | None = None
) -> Record:
    return {
        "occurred_at": datetime.fromisoformat(record["at"]),
        "outcome": outcome,
        "failure_class": failure_class,
        "code": code or None,
        "message": message,
        "source": source,
        "next_step": record.get("next_step"),
        "needs_triage": False,
    }
