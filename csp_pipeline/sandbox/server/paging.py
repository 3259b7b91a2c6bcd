"""The three ways in which Partner Center pages: a continuation token, size and offset, or not at all.

What belongs here: cutting a page out of what there is, and its links. What there is comes from the state.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlencode

from csp_pipeline.sandbox.json_text import Json, collection, link
from csp_pipeline.sandbox.server.answers import invalid

if TYPE_CHECKING:
    from starlette.requests import Request

CONTINUATION_TOKEN = "MS-ContinuationToken"  # noqa: S105  (the name of a header)
_SEEK = "seekOperation"


class Windows(Protocol):
    """Items of which pages can be cut."""

    def __len__(self) -> int: ...

    def page(self, start: int, end: int) -> list[Json]:
        """The items from `start` to before `end`."""


@dataclass(frozen=True)
class Listed:
    """Items that are all there."""

    items: list[Json]

    def __len__(self) -> int:
        return len(self.items)

    def page(self, start: int, end: int) -> list[Json]:
        """The items from `start` to before `end`."""
        return self.items[start:end]


def continued(request: Request, items: Windows, *, at_most: int) -> Json:
    """A page whose next link carries a continuation token to send back as a header.

    Args:
        request: The request; its `size` or its token says which page.
        items: Everything there is for it.
        at_most: The most items on a page, and how many there are when no size is asked for.

    Returns:
        The collection.

    Raises:
        RefusedError: The size or the token makes no sense.
    """
    query = {name: value for name, value in request.query_params.items() if name != _SEEK}
    size = min(_number(request, "size", at_most), at_most)
    start = 0
    if request.query_params.get(_SEEK) == "Next" or CONTINUATION_TOKEN in request.headers:
        start = _place(request.headers.get(CONTINUATION_TOKEN, ""), request.url.path)
    page = collection(items.page(start, start + size), _uri(request, query))
    if start + size < len(items):
        token = _token(start + size, request.url.path)
        uri = _uri(request, {**query, _SEEK: "Next"})
        page["links"]["next"] = link(uri, [{"key": CONTINUATION_TOKEN, "value": token}])
    return page


def windowed(request: Request, items: Windows, *, at_most: int) -> Json:
    """A page by `size` and `offset`; its next link has the next offset.

    Args:
        request: The request.
        items: Everything there is for it.
        at_most: The most items on a page, and how many there are when no size is asked for.

    Returns:
        The collection.

    Raises:
        RefusedError: Size or offset makes no sense.
    """
    size, start = min(_number(request, "size", at_most), at_most), _number(request, "offset", 0, least=0)
    query = {**request.query_params, "size": str(size)}
    page = collection(items.page(start, start + size), _uri(request, {**query, "offset": str(start)}))
    if start + size < len(items):
        page["links"]["next"] = link(_uri(request, {**query, "offset": str(start + size)}))
    return page


def _number(request: Request, name: str, otherwise: int, *, least: int = 1) -> int:
    text = request.query_params.get(name)
    if text is None:
        return otherwise
    if not (text.isascii() and text.isdigit() and int(text) >= least):
        raise invalid(f"The parameter {name} must be a whole number of at least {least}.")
    return int(text)


def _uri(request: Request, query: dict[str, str]) -> str:
    path = request.url.path.removeprefix("/v1")
    return f"{path}?{urlencode(query)}" if query else path


def _token(start: int, path: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([start, path]).encode()).decode()


def _place(token: str, path: str) -> int:
    try:
        start, meant_for = json.loads(base64.urlsafe_b64decode(token.encode("ascii")))
    except (ValueError, binascii.Error, TypeError):
        start, meant_for = -1, ""
    if meant_for != path or not isinstance(start, int) or start < 0:
        raise invalid(f"The header {CONTINUATION_TOKEN} does not belong to this collection.")
    return start
