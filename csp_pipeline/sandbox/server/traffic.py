"""What happens to requests as such: they are counted, and held up or turned away when a fault says so.

What belongs here: the layer around all routes. It knows path templates and faults, never what an answer means; bodies
are kept for the fault that serves a page twice only, and then only pages of a collection.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match

from csp_pipeline.sandbox.server.login import PARTNER_CENTER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.routing import Route
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from csp_pipeline.sandbox.server.faults import Faults
    from csp_pipeline.sandbox.server.login import Login

REQUESTS_PATH = "/sandbox/requests"
SERVICES = ("/v1/", "/v1.0/")
RETRY_AFTER_SECONDS = 1
THROTTLED_IN_TOTAL = 8
SLOW_SECONDS = 0.2
CHANGES = frozenset({"PATCH", "POST"})
_TIMED_OUT = JSONResponse({"message": "The gateway did not get an answer in time."}, 504)


class RequestCounts:
    """How often each method and path template was asked for, faults included."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def add(self, key: str) -> None:
        """Count a request."""
        with self._lock:
            self._counts[key] += 1

    def as_json(self) -> dict[str, int]:
        """The counts by `METHOD template`, in the order of their names."""
        with self._lock:
            return dict(sorted(self._counts.items()))


class Traffic:
    """The layer around the routes.

    Args:
        app: What answers.
        routes: Its routes, for the templates of their paths.
        faults: throttle, server-errors, slow, duplicate-page and lost-answers strike here.
        login: Answers `ValidateMfa: true`.
        counts: Takes the requests.
        slow_seconds: How long the fault `slow` holds up a request.
    """

    def __init__(  # noqa: PLR0913  (what the layer is made of)
        self,
        app: ASGIApp,
        *,
        routes: Sequence[Route],
        faults: Faults,
        login: Login,
        counts: RequestCounts,
        slow_seconds: float = SLOW_SECONDS,
    ) -> None:
        self._app, self._routes, self._faults, self._login, self._counts = app, routes, faults, login, counts
        self._slow_seconds = slow_seconds
        self._pages: dict[str, Response] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] != "http" or scope["path"] == REQUESTS_PATH:
            await self._app(scope, receive, send)
            return
        template = self._template(scope)
        self._counts.add(template)
        request = Request(scope)
        if self._faults.is_on("slow"):
            await asyncio.sleep(self._slow_seconds)
        if scope["method"] in CHANGES and self._faults.is_on("lost-answers") and scope["path"].startswith("/v1/"):
            await self._app(scope, receive, _lose)
            await _TIMED_OUT(scope, receive, send)
            return
        refusal = self._refusal(scope["path"], template) or self._page_again(request, template)
        if refusal is not None:
            await refusal(scope, receive, send)
        elif self._faults.is_on("duplicate-page") and scope["method"] == "GET" and scope["path"].startswith("/v1/"):
            await self._keeping_pages(scope, receive, send)
        else:
            await self._app(scope, receive, self._with_mfa_answer(request, send))

    def _template(self, scope: Scope) -> str:
        partial = None
        for route in self._routes:
            match, _ = route.matches(scope)
            if match is Match.FULL:
                return f"{scope['method']} {route.path}"
            if match is Match.PARTIAL:
                partial = partial or route.path
        return f"{scope['method']} {partial or '(unknown)'}"

    def _refusal(self, path: str, template: str) -> Response | None:
        if not path.startswith(SERVICES):
            return None
        if self._faults.strikes("throttle", template, in_total=THROTTLED_IN_TOTAL):
            headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
            return JSONResponse(_failure(path, 429, "TooManyRequests", "Too many requests."), 429, headers)
        if self._faults.strikes("server-errors", template):
            status = 503 if len(template) % 2 else 500
            return JSONResponse(_failure(path, status, "UnknownError", "An unexpected error occurred."), status)
        return None

    def _page_again(self, request: Request, template: str) -> Response | None:
        """The page before the one asked for, the first time that a collection's next page is asked for."""
        page = self._pages.get(request.headers.get("MS-ContinuationToken", ""))
        if page is None or self._login.authorise(request, PARTNER_CENTER) is not None:
            return None
        return page if self._faults.strikes("duplicate-page", template) else None

    async def _keeping_pages(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and keep a page under the token of the page after it."""
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        await self._app(scope, receive, keep)
        body = b"".join(message.get("body", b"") for message in messages)
        headers = Headers(raw=messages[0]["headers"])
        token = _next_token(headers, body)
        if token:
            plain = {name: value for name, value in headers.items() if name != "content-length"}
            self._pages[token] = Response(body, messages[0]["status"], plain)
        for message in messages:
            await send(message)

    def _with_mfa_answer(self, request: Request, send: Send) -> Send:
        answer = self._login.mfa_answer(request)
        if answer is None:
            return send

        async def adding(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["isMfaCompliant"] = answer
            await send(message)

        return adding


async def _lose(_message: Message) -> None:
    """Take an answer that never arrives: what was asked for is done all the same."""


def _failure(path: str, status: int, code: str, sentence: str) -> dict[str, object]:
    """A failure of the service as such, in the words of Graph or of Partner Center."""
    if path.startswith("/v1.0/reports/"):
        return {"error": {"code": code, "message": sentence}}
    if status == 429:  # noqa: PLR2004  (HTTP: too many requests)
        return {"statusCode": status, "message": sentence}
    return {"code": "800003", "description": sentence, "data": [], "source": "PartnerFD"}


def _next_token(headers: Headers, body: bytes) -> str | None:
    """The continuation token of the page after this one, if it is a page with one after it."""
    if "json" not in headers.get("content-type", ""):
        return None
    page = json.loads(body)
    following = page.get("links", {}).get("next") if isinstance(page, dict) else None
    if not following or "seekOperation" not in parse_qs(following.get("uri", "").partition("?")[2]):
        return None
    return next((pair["value"] for pair in following.get("headers", []) if pair["key"] == "MS-ContinuationToken"), None)
