"""Changing the quantity of a subscription: read it whole, change one field, send it whole.

A field that is left out of the change is reset by Partner Center (automatic renewal and the instructions for the next
charge and term among them), so every field is sent back exactly as it was read, and only if nobody has changed the
subscription since.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Literal
from uuid import NAMESPACE_URL, uuid5

from csp_pipeline.errors import UsageError
from csp_pipeline.formats.columns import normalised
from csp_pipeline.formats.records import NumberText, as_text, nested, value_of
from csp_pipeline.sources.paging import IncompleteAnswerError, page_of, relative_uri
from csp_pipeline.sources.provider_errors import ProviderError

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from csp_pipeline.sources.calls import Calls
    from csp_pipeline.sources.paging import Record

RESOURCE = "subscriptions"
_READINGS = 3
_ACCEPTED = 202


@dataclass(frozen=True, slots=True)
class QuantityChange:
    """What became of a change of quantity.

    Attributes:
        outcome: `applied` (done), `accepted` (taken in; the provisioning status tells how it ends) or `unchanged` (the
            subscription already had the quantity, nothing was sent).
        quantity_before: seats when the subscription was read.
        quantity_after: seats that the answer states, or that were asked for where it states none.
        location: where an accepted change can be followed, path and query.
    """

    outcome: Literal["applied", "accepted", "unchanged"]
    quantity_before: int
    quantity_after: int
    location: str | None = None


def change_quantity(calls: Calls, uri: str, new_quantity: int, request_id: str) -> QuantityChange:
    """Set the quantity of a subscription, keeping every other field as it is.

    A subscription that was changed between reading and sending is read again. If it has the quantity by then, because
    the answer to an earlier attempt was lost for example, the change is applied.

    Args:
        calls: the connection.
        uri: the path of the subscription.
        new_quantity: seats there are to be.
        request_id: identifies the change: sent again under the same id it is applied once.

    Returns:
        The outcome.

    Raises:
        UsageError: when the quantity is less than one.
        IncompleteAnswerError: when the answer is no subscription.
        ProviderError: when the change is refused; its class says whether by rule or for a technical reason.
    """
    if new_quantity < 1:
        raise UsageError(f"expected a quantity of at least 1, found {new_quantity}; cancel the subscription instead")
    found: int | None = None
    for reading in range(_READINGS):
        response = calls.get(uri, resource=RESOURCE)
        subscription = page_of(response, uri).items[0]
        name, before = _quantity(subscription, uri)
        found = before if found is None else found
        if before == new_quantity:
            return QuantityChange("applied" if reading else "unchanged", found, new_quantity)
        changed = {**subscription, name: NumberText(new_quantity)}
        etag = version_of(subscription, response)
        sent_as = request_id if reading == 0 else str(uuid5(NAMESPACE_URL, f"{request_id}/{etag}"))
        try:
            answer = send_whole(calls, uri, changed, etag, sent_as, lambda now: _quantity(now, uri)[1] == new_quantity)
            return _outcome(answer, uri, found, new_quantity)
        except ProviderError as refusal:
            if refusal.repeat != "reread" or reading == _READINGS - 1:
                raise
    raise AssertionError("the last reading either returns or raises")


def send_whole(  # noqa: PLR0913, PLR0917  (what a change is made of)
    calls: Calls,
    uri: str,
    subscription: Record,
    etag: str,
    request_id: str,
    is_changed: Callable[[Record], bool],
) -> httpx.Response:
    """Send a subscription back, changed, if nobody has changed it since it was read.

    When no answer comes, the subscription is read before the change is sent again: the answer may be all that was lost.

    Args:
        calls: the connection.
        uri: the path of the subscription.
        subscription: all its fields, with the change.
        etag: the version that was read.
        request_id: identifies the change.
        is_changed: whether a subscription that is read has the change.

    Returns:
        The answer, or the subscription when it has the change already.

    Raises:
        ProviderError: the change is refused, or the subscription is now neither as it was nor as it is to be.
    """

    def done() -> httpx.Response | None:
        found = calls.get(uri, resource=RESOURCE)
        record = page_of(found, uri).items[0]
        if is_changed(record):
            return found
        if etag and version_of(record, found) != etag:
            raise ProviderError(
                "the answer to a change was lost, and the subscription was changed by somebody else meanwhile",
                advice="Whether the change was made is asked of the activity log.",
                where=f"PATCH {uri}",
                resource=RESOURCE,
            )
        return None

    headers = {"Content-Type": "application/json"} | ({"If-Match": etag} if etag else {})
    content = (as_text(subscription) or "").encode()
    return calls.send(
        "PATCH", uri, content=content, headers=headers, resource=RESOURCE, request_id=request_id, is_done=done
    )


def version_of(subscription: Record, response: httpx.Response) -> str:
    """What changes with every change of a subscription; empty where it is not told."""
    return str(value_of(nested(subscription, "attributes"), "etag") or response.headers.get("ETag", ""))


def _outcome(response: httpx.Response, uri: str, before: int, asked: int) -> QuantityChange:
    """An answer without a body, or one that does not state the new quantity yet, is a change still under way."""
    location = response.headers.get("Location")
    followed = relative_uri(location) if location else None
    if response.status_code == _ACCEPTED or not response.content.strip():
        return QuantityChange("accepted", before, asked, followed)
    _, stated = _quantity(page_of(response, uri).items[0], uri)
    return QuantityChange("applied" if stated == asked else "accepted", before, stated, followed)


def _quantity(subscription: Record, uri: str) -> tuple[str, int]:
    """The name under which the quantity stands, and the quantity."""
    for name, value in subscription.items():
        if normalised(name) == "quantity" and isinstance(value, NumberText) and Decimal(value) % 1 == 0:
            return name, int(Decimal(value))
    raise IncompleteAnswerError("expected a subscription with a whole quantity, found none", where=uri)
