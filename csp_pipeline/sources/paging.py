"""Paging: the pages of a Partner Center collection, one after another, each page once and none left out.

What belongs here: reading an answer as a page, and finding the request for the next one. Which collections there are
belongs to `partner_center`, sending requests to `calls`. Answers say themselves how they go on: by a continuation token
in the next link (sent back as a header, with `seekOperation=Next`), by `offset`, by a plain next link, or not at all.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from csp_pipeline.formats.columns import normalised
from csp_pipeline.formats.records import loads, nested, value_of
from csp_pipeline.sources.provider_errors import ProviderError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import httpx

CONTINUATION = "MS-ContinuationToken"
_SEEK = "seekOperation"
_VERSION = "/v1"
_SAME_AGAIN = 2
_MOST_STALLED = 5

Record = dict[str, object]


class IncompleteAnswerError(ProviderError):
    """An answer that cannot be read, or a collection that does not come to its end; a technical failure."""

    def __init__(
        self, message: str, *, where: str, advice: str = "Run again later; what was read is not used."
    ) -> None:
        super().__init__(message, where=where, advice=advice)


@dataclass(frozen=True, slots=True)
class Page:
    """One answer of the service.

    Attributes:
        uri: path and query of the request, relative to the service, without its host.
        body: the bytes as received.
        items: the records of the collection, or the one record; numbers are the text that was sent.
    """

    uri: str
    body: bytes
    items: list[Record]


@dataclass(frozen=True, slots=True)
class _Request:
    uri: str
    token: str = ""


def uri_of(path: str, **query: str | int) -> str:
    """A path with its query.

    Args:
        path: the path, with identifiers already quoted.
        **query: parameters by name, in the order in which they are sent.

    Returns:
        Path and query, quoted.
    """
    return f"{path}?{urlencode(query, quote_via=quote)}" if query else path


def relative_uri(link: str) -> str:
    """Path and query of a link, below `/v1`.

    Links are sent with and without host, `/v1` and leading slash, and with a second question mark. The host is dropped:
    no link leads to another one.
    """
    address, _, query = link.partition("?")
    path = "/" + urlsplit(address).path.lstrip("/")
    if not path.lower().startswith(f"{_VERSION}/"):
        path = _VERSION + path
    return f"{path}?{query.replace('?', '&')}" if query else path


def page_of(response: httpx.Response, uri: str) -> Page:
    """An answer as a page: the records of a collection, or the one record that it is.

    Args:
        response: a successful answer with JSON.
        uri: path and query that were asked for.

    Returns:
        The page.

    Raises:
        IncompleteAnswerError: when the answer is no JSON object.
    """
    return _read(response, uri)[0]


def pages(ask: Callable[[str, dict[str, str]], httpx.Response], uri: str) -> Iterator[Page]:
    """All pages of a collection, whichever way it is paged.

    A page that the service sends a second time is left out and asked for again; a continuation token may stay the same
    as long as new records come. Only identifiers prove that a page which stays the same holds nothing new: lines
    without them may look alike and all be charged, so such a page is refused.

    Args:
        ask: sends a GET for a path with query and further headers.
        uri: path and query of the first page.

    Yields:
        The pages in order, each once; an empty collection is one page without items.

    Raises:
        IncompleteAnswerError: when an answer is no collection, when the pages do not come to an end, or when they hold
            fewer records than the collection states.
    """
    request: _Request | None = _Request(uri)
    seen: set[bytes] = set()
    count = stated = stalled = 0
    while request is not None:
        headers = {CONTINUATION: request.token} if request.token else {}
        page, answer = _read(ask(request.uri, headers), request.uri, is_collection=True)
        following = _following(request, page, answer, count)
        mark, is_identified = _mark(page.items)
        if mark not in seen:
            if page.items or not seen:
                yield page
            count, stalled = count + len(page.items), 0
            stated = _whole_number(value_of(answer, "totalCount")) if page.items else stated
            request = following
        else:
            stalled += 1
            onward = following if is_identified or not page.items else None
            request = _past_repeat(request, onward, stalled, has_items=bool(page.items))
        seen.add(mark)
    if stated > count:
        raise IncompleteAnswerError(f"the collection states {stated} records and held {count}", where=_path(uri))


def _past_repeat(request: _Request, following: _Request | None, stalled: int, *, has_items: bool) -> _Request | None:
    """Where to go on after a page that brought nothing new: first the same request again, then where its token leads.

    An offset is not advanced past such a page: what should have stood there would be lost.
    """
    if has_items and stalled <= _SAME_AGAIN:
        return request
    leads_on = following is not None and following.token and following != request
    if stalled <= _MOST_STALLED and (leads_on or not has_items):
        return following
    raise IncompleteAnswerError("the same page came again and again", where=_path(request.uri))


def _following(request: _Request, page: Page, answer: Mapping[str, object], before: int) -> _Request | None:
    """The request for the page after this one; None when this is the last."""
    link = nested(answer, "links", "next")
    address = str(value_of(link, "uri") or "")
    token = _token(link, answer)
    if token and (page.items or token != request.token):
        return _Request(_with_query(relative_uri(address or request.uri), **{_SEEK: "Next"}), token)
    query = {normalised(name): value for name, value in _query(request.uri)}
    if "offset" in query and not token:
        size, total = _whole_number(query.get("size")), _whole_number(value_of(answer, "totalCount"))
        reached = before + len(page.items)
        if not page.items or not (address or total > reached or len(page.items) >= size > 0):
            return None
        return _Request(_with_query(request.uri, offset=_whole_number(query["offset"]) + len(page.items)))
    return _Request(relative_uri(address)) if address and not token else None


def _token(link: Mapping[str, object], answer: Mapping[str, object]) -> str:
    headers = value_of(link, "headers")
    for header in headers if isinstance(headers, list) else ():
        if isinstance(header, dict) and str(value_of(header, "key") or "").lower() == CONTINUATION.lower():
            return str(value_of(header, "value") or "")
    return str(value_of(answer, "continuationToken") or "")


def _read(response: httpx.Response, uri: str, *, is_collection: bool = False) -> tuple[Page, Mapping[str, object]]:
    """A page and the object around its items."""
    where = _path(uri)
    try:
        answer = loads(response.content.decode("utf-8-sig"))
    except (UnicodeDecodeError, json.JSONDecodeError) as reason:
        raise IncompleteAnswerError(
            f"expected JSON, found {len(response.content)} bytes of something else (HTTP {response.status_code})",
            where=where,
            advice="Check the addresses in the settings.",
        ) from reason
    if not isinstance(answer, dict):
        raise IncompleteAnswerError("expected a JSON object, found another value", where=where)
    held = next((key for key in answer if normalised(key) == "items"), None)
    if is_collection and held is None:
        raise IncompleteAnswerError("expected a collection with items, found another object", where=where)
    items = [answer] if held is None else answer[held] or []
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise IncompleteAnswerError("expected records in the items, found other values", where=where)
    return Page(uri, response.content, items), answer


def _mark(items: list[Record]) -> tuple[bytes, bool]:
    """What tells a page from another, and whether that is the identifiers of its records, not their whole content."""
    ids = [item.get("id") for item in items]
    is_identified = bool(ids) and all(ids)
    content: object = ids if is_identified else items
    return hashlib.sha256(json.dumps(content).encode()).digest(), is_identified


def _query(uri: str) -> list[tuple[str, str]]:
    return parse_qsl(uri.partition("?")[2], keep_blank_values=True)


def _with_query(uri: str, **changed: str | int) -> str:
    """The same path with some parameters set, each in its place whatever its spelling in capitals."""
    wanted = {normalised(name): str(value) for name, value in changed.items()}
    query = [(name, wanted.pop(normalised(name), value)) for name, value in _query(uri)]
    query += [(name, str(value)) for name, value in changed.items() if normalised(name) in wanted]
    return f"{_path(uri)}?{urlencode(query, quote_via=quote)}"


def _path(uri: str) -> str:
    return uri.partition("?")[0]


def _whole_number(value: object) -> int:
    text = str(value or "")
    return int(text) if text.isascii() and text.isdigit() else 0
