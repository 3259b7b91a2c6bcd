"""Requests to a provider's API: signed in, paced, timed out, repeated when a failure passes, explained when not.

What belongs here: everything that is the same for every request to Partner Center, its pricing host and Microsoft
Graph. Which resources there are and how they page belongs to their clients; what a refusal means to
`provider_errors.py`, the login to `login.py`.
"""

from __future__ import annotations

import random
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

import httpx

from csp_pipeline import __version__
from csp_pipeline.sources.addresses import is_same_service, keep_wire_out_of_logs, private_url, tls
from csp_pipeline.sources.error_codes import NO_MFA, UNAUTHORISED, WRONG_AUDIENCE
from csp_pipeline.sources.pace import Pace
from csp_pipeline.sources.provider_errors import AuthenticationError, RefusedError, error_of, unreachable
from csp_pipeline.sources.retries import ATTEMPTS, LONGEST_PAUSE, retrying

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from csp_pipeline.sources.login import Login

_APPLICATION = "csp-pipeline"
_TIMEOUT = httpx.Timeout(120.0, connect=15.0, write=60.0, pool=300.0)
_LIMITS = httpx.Limits(max_connections=16, max_keepalive_connections=16)
_FIRST_FAILURE = 300
_NOT_CURED_BY_A_NEW_TOKEN = frozenset({NO_MFA, WRONG_AUDIENCE})


@dataclass
class _Call:
    """One request as it will be made, perhaps several times."""

    method: str
    url: httpx.URL
    resource: str
    as_user: bool
    headers: dict[str, str]
    json: object = None
    content: bytes | None = None
    is_streamed: bool = False
    is_renewed: bool = field(default=False)

    @property
    def where(self) -> str:
        """The request in words, without its query."""
        return f"{self.method} {self.url.path}"


class Calls:
    """Requests to one service, with tokens that no other service is sent.

    May be used by several threads at once. Use it as a context manager, or close it.

    Args:
        base_url: the service, for example `https://api.partnercenter.microsoft.com`.
        login: where tokens come from.
        scope: what the tokens are for.
        transport: how requests travel; the network when not given.
        pace: how fast the service may be asked; 500 requests a minute per resource when not given.
        sleep: waits for a number of seconds.
        clock: seconds that only go forward.
        draw: a random number from 0 to 1, for the pauses between attempts.
        attempts: the most requests for one call, the first one counted.

    Raises:
        UsageError: the address is not one that tokens may be sent to.
    """

    def __init__(  # noqa: PLR0913  (what tests inject)
        self,
        base_url: str,
        login: Login,
        scope: str,
        *,
        transport: httpx.BaseTransport | None = None,
        pace: Pace | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
        attempts: int = ATTEMPTS,
    ) -> None:
        keep_wire_out_of_logs()
        self.base_url = private_url(base_url, "the service")
        self._login = login
        self._scope = scope
        self._pace = pace or Pace(clock=clock, sleep=sleep)
        self._policy = retrying(sleep=sleep, draw=draw, attempts=attempts)
        self._client = httpx.Client(
            transport=transport,
            timeout=_TIMEOUT,
            limits=_LIMITS,
            verify=tls(),
            follow_redirects=False,
            trust_env=self.base_url.scheme == "https",  # what travels in clear to this machine goes through no proxy
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections to the service; the login stays open."""
        self._client.close()

    def get(
        self,
        path_or_url: str,
        *,
        params: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
        as_user: bool = False,
        resource: str = "",
    ) -> httpx.Response:
        """GET a resource; arguments and errors as in `send`."""
        return self.send("GET", path_or_url, params=params, headers=headers, as_user=as_user, resource=resource)

    def send(  # noqa: PLR0913  (the parts of a request)
        self,
        method: str,
        path_or_url: str,
        *,
        json: object = None,
        content: bytes | None = None,
        params: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
        as_user: bool = False,
        resource: str = "",
        request_id: str | None = None,
        is_done: Callable[[], httpx.Response | None] | None = None,
    ) -> httpx.Response:
        """Make a request and return its answer, which is a success (2xx) and completely read.

        Args:
            method: the HTTP method.
            path_or_url: a path below the service's address, or an absolute URL on the very same host.
            json: a body to be written as JSON; numbers that must stay exact go through `content`.
            content: a body as bytes.
            params: added to the query of the path or URL.
            headers: added to the usual ones, or instead of them.
            as_user: whether to use the app+user token.
            resource: the resource's name for the pace and for errors.
            request_id: the MS-RequestId; a new one when not given. It stays the same on every attempt, so that the
                service does a change once.
            is_done: asked before a change is sent again, as a failure may be an answer that was lost: the answer that
                shows it done, or None when it certainly is not; what it raises ends the call.

        Returns:
            The answer, or the one that shows that an earlier attempt did it.

        Raises:
            AuthenticationError: the login or the service does not accept who asks.
            ThrottledError: too many requests, for longer than is waited.
            UnavailableError: no answer, or failures of the service, on every attempt.
            RefusedError: the service does not do it, or the URL is on another host.
        """
        call = self._call(method, path_or_url, params, headers, as_user=as_user, resource=resource)
        call.json, call.content = json, content
        if request_id is not None:
            call.headers["MS-RequestId"] = request_id
        return self._answer(call, is_done)

    @contextmanager
    def stream(
        self,
        path_or_url: str,
        *,
        params: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
        as_user: bool = False,
        resource: str = "",
    ) -> Iterator[httpx.Response]:
        """GET a resource whose body is read by the caller, piece by piece, with `iter_bytes` or `iter_raw`.

        Arguments and errors as in `send`; an answer that breaks off while it is read is an `UnavailableError`, and the
        caller asks again.

        Yields:
            The answer, its body not yet read.
        """
        call = self._call("GET", path_or_url, params, headers, as_user=as_user, resource=resource)
        call.is_streamed = True
        response = self._answer(call)
        try:
            yield response
        except httpx.RequestError as error:
            raise unreachable(error, where=call.where, resource=resource) from error
        finally:
            response.close()

    def _call(  # noqa: PLR0913  (the parts of a request)
        self,
        method: str,
        path_or_url: str,
        params: Mapping[str, str | int] | None,
        headers: Mapping[str, str] | None,
        *,
        as_user: bool,
        resource: str,
    ) -> _Call:
        url = self._url(path_or_url, resource)
        usual = {
            "Accept": "application/json",
            "X-Locale": "en-US",
            "MS-PartnerCenter-Application": _APPLICATION,
            "User-Agent": f"{_APPLICATION}/{__version__}",
            "MS-RequestId": str(uuid4()),
        }
        return _Call(
            method.upper(),
            url.copy_merge_params(dict(params)) if params else url,
            resource,
            as_user,
            _merged(usual, headers or {}),
        )

    def _url(self, path_or_url: str, resource: str) -> httpx.URL:
        """The address of a request; never one on another host.

        Raises:
            RefusedError: the URL leads elsewhere, or is none.
        """
        try:
            if "://" not in path_or_url.partition("?")[0]:
                return httpx.URL(f"{self.base_url}/{path_or_url.lstrip('/')}")
            url = httpx.URL(path_or_url)
        except httpx.InvalidURL as error:
            raise _bad_link(f"a link cannot be read ({error})", resource) from error
        if not is_same_service(self.base_url, url):
            raise _bad_link(
                f"a link leads to {url.host}, not to {self.base_url.host}; it was not followed, because the token "
                "would have been sent there",
                resource,
            )
        return url

    def _answer(self, call: _Call, is_done: Callable[[], httpx.Response | None] | None = None) -> httpx.Response:
        self._login.token(self._scope, as_user=call.as_user)  # a login that fails is not tried again for every attempt
        attempts = count()

        def attempt() -> httpx.Response:
            done = is_done() if is_done is not None and next(attempts) else None
            return self._attempt(call) if done is None else done

        return self._policy(attempt)

    def _attempt(self, call: _Call) -> httpx.Response:
        """Make a request once, or twice when the token had to be renewed."""
        self._pace.wait(call.resource)
        token = self._login.token(self._scope, as_user=call.as_user)
        response = self._exchange(call, token)
        if response.status_code < _FIRST_FAILURE:
            return response
        error = error_of(response, where=call.where, resource=call.resource)
        if self._is_cured_by_a_new_token(call, error):
            call.is_renewed = True
            self._login.renew(self._scope, as_user=call.as_user, refused=token)
            return self._attempt(call)
        if error.is_transient and error.retry_after:
            self._pace.hold(call.resource, min(error.retry_after, LONGEST_PAUSE))
        raise error

    def _exchange(self, call: _Call, token: str) -> httpx.Response:
        headers = {
            "MS-CorrelationId": str(uuid4()),
            **call.headers,
            "Authorization": f"Bearer {token}",
        }
        body: dict[str, Any] = {"json": call.json} if call.json is not None else {"content": call.content}
        try:
            request = self._client.build_request(call.method, call.url, headers=headers, **body)
            response = self._client.send(request, stream=call.is_streamed)
            if call.is_streamed and response.status_code >= _FIRST_FAILURE:
                response.read()
                response.close()
        except httpx.RequestError as error:
            # without its cause: a header that cannot be sent stands in its text, and that may be the token
            raise unreachable(error, where=call.where, resource=call.resource) from None
        return response

    @staticmethod
    def _is_cured_by_a_new_token(call: _Call, error: object) -> bool:
        return (
            isinstance(error, AuthenticationError)
            and error.status == UNAUTHORISED
            and error.code not in _NOT_CURED_BY_A_NEW_TOKEN
            and not call.is_renewed
        )


def _merged(usual: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """The usual headers with a caller's own in their place, whatever the case of their names."""
    named = {name.lower() for name in own}
    return {name: value for name, value in usual.items() if name.lower() not in named} | dict(own)


def _bad_link(message: str, resource: str) -> RefusedError:
    return RefusedError(
        message,
        failure_class="technical",
        advice="Check the address of the service in the settings.",
        resource=resource,
    )
