"""How msal reaches the login service: one host, over https, or over http when it is a server on this machine.

What belongs here: the HTTP side of a login. msal insists on https authorities; for a login service on loopback it is
given an https name, and requests to exactly that host and port travel over http. Requests to any other host are
refused: the client secret and the refresh token are in their bodies.
"""

from __future__ import annotations

import json
import random
import time
from typing import TYPE_CHECKING

import httpx

from csp_pipeline.sources.addresses import tls
from csp_pipeline.sources.provider_errors import AuthenticationError, error_of, unreachable
from csp_pipeline.sources.retries import retrying

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
_ATTEMPTS = 4
_THROTTLED, _SERVER_ERRORS = 429, 500
_WHERE = "The login"
_ALIASES = frozenset({"login.microsoftonline.com", "login.microsoft.com", "login.windows.net", "sts.windows.net"})


def authority_for(login_url: httpx.URL, tenant_id: str) -> str:
    """The authority under which msal knows a tenant: always an https URL, as msal demands."""
    return f"{login_url.copy_with(scheme='https', port=login_url.port or _default_port(login_url))}/{tenant_id.strip()}"


def _default_port(url: httpx.URL) -> int | None:
    return 80 if url.scheme == "http" else None


class LoginHttp:
    """The HTTP client that msal is given: it has the `get`, `post` and `close` that msal calls.

    Args:
        login_url: the login service.
        sleep: waits for a number of seconds, between attempts.
        draw: a random number from 0 to 1.
        transport: how requests travel; the network when not given.
    """

    def __init__(
        self,
        login_url: httpx.URL,
        *,
        sleep: Callable[[float], None] = time.sleep,
        draw: Callable[[], float] = random.random,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._login_url = login_url
        self._known_as = httpx.URL(authority_for(login_url, ""))
        self._client = httpx.Client(
            transport=transport,
            timeout=_TIMEOUT,
            verify=tls(),
            follow_redirects=False,
            trust_env=login_url.scheme == "https",  # what travels in clear to this machine goes through no proxy
        )
        self._policy = retrying(sleep=sleep, draw=draw, attempts=_ATTEMPTS)

    def get(
        self, url: str, *, params: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """GET one of the login service's documents."""
        return self._send("GET", url, params=params, headers=headers)

    def post(
        self,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        data: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """POST a form to the login service."""
        return self._send("POST", url, params=params, headers=headers, data=data)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _send(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
        data: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        target = self._target(url)

        def attempt() -> httpx.Response:
            try:
                response = self._client.request(method, target, params=params, headers=headers, data=data)
            except httpx.RequestError as error:
                raise unreachable(error, where=_WHERE) from error
            if response.status_code == _THROTTLED or response.status_code >= _SERVER_ERRORS:
                raise error_of(response, where=_WHERE)
            return response

        return self._named_https(self._policy(attempt), is_answer_to_form=data is not None)

    def _named_https(self, response: httpx.Response, *, is_answer_to_form: bool) -> httpx.Response:
        """The answer as msal may see it: a JSON object, and the endpoints of a loopback service with their https name.

        msal would log the text of an answer to a form that is not JSON, whatever that text holds, and knows no words
        for a redirect or a web page where a document should be.
        """
        is_refusal = response.is_client_error and not is_answer_to_form
        if not is_refusal and (response.is_redirect or not _is_object(response.text)):
            raise _unreadable()
        if self._login_url.scheme == "https":
            return response
        text = response.text.replace(_origin(self._login_url), _origin(self._known_as))
        return httpx.Response(response.status_code, text=text)

    def _target(self, url: str) -> httpx.URL:
        asked = httpx.URL(url)
        if (asked.host, asked.port) == (self._known_as.host, self._known_as.port):
            return asked.copy_with(scheme=self._login_url.scheme, port=self._login_url.port)
        if asked.scheme == "https" and {asked.host, self._login_url.host} <= _ALIASES:
            return asked
        raise _elsewhere(asked.host)


def _origin(url: httpx.URL) -> str:
    return f"{url.scheme}://{url.netloc.decode('ascii')}"


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except json.JSONDecodeError:
        return False


def _unreadable() -> AuthenticationError:
    return AuthenticationError(
        "the login service gave no readable answer",
        failure_class="authentication",
        advice="Check that CSP_LOGIN_URL is the address of a login service.",
        where=_WHERE,
    )


def _elsewhere(host: str) -> AuthenticationError:
    return AuthenticationError(
        f"the login service named the host {host} for its tokens, which is not its own; no secret was sent there",
        failure_class="authentication",
        advice="Check CSP_LOGIN_URL.",
        where=_WHERE,
    )
