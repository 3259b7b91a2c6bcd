"""Cancelling a subscription: read it whole, set its status to deleted, send it whole.

What belongs here: that one change. As in `quantity_change`, a field that is left out would be reset, so every field is
sent back as it was read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, uuid5

from csp_pipeline.domain.provisioning import GONE
from csp_pipeline.formats.columns import normalised
from csp_pipeline.formats.records import value_of
from csp_pipeline.sources.paging import IncompleteAnswerError, page_of
from csp_pipeline.sources.provider_errors import ProviderError
from csp_pipeline.sources.quantity_change import RESOURCE, send_whole, version_of

if TYPE_CHECKING:
    from csp_pipeline.sources.calls import Calls
    from csp_pipeline.sources.paging import Record

_READINGS = 3
_DELETED = "deleted"


def cancel_subscription(calls: Calls, uri: str, request_id: str) -> str:
    """Cancel a subscription; one that is cancelled already is left alone.

    Args:
        calls: the connection.
        uri: the path of the subscription.
        request_id: identifies the cancellation: sent again under the same id it is done once.

    Returns:
        The status that the answer states.

    Raises:
        IncompleteAnswerError: when the answer is no subscription.
        ProviderError: when it is refused; its class says whether by rule or for a technical reason.
    """
    for reading in range(_READINGS):
        response = calls.get(uri, resource=RESOURCE)
        subscription = page_of(response, uri).items[0]
        name = next((name for name in subscription if normalised(name) == "status"), None)
        if name is None:
            raise IncompleteAnswerError("expected a subscription with a status, found none", where=uri)
        if _is_gone(subscription):
            return str(subscription[name]).lower()
        etag = version_of(subscription, response)
        sent_as = request_id if reading == 0 else str(uuid5(NAMESPACE_URL, f"{request_id}/{etag}"))
        try:
            answer = send_whole(calls, uri, {**subscription, name: _DELETED}, etag, sent_as, _is_gone)
        except ProviderError as refusal:
            if refusal.repeat != "reread" or reading == _READINGS - 1:
                raise
            continue
        return str(value_of(page_of(answer, uri).items[0], "status")).lower() if answer.content.strip() else _DELETED
    raise AssertionError("the last reading either returns or raises")


def _is_gone(subscription: Record) -> bool:
    return str(value_of(subscription, "status")).lower() in GONE
