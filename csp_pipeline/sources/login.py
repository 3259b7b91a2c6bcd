"""Tokens from Microsoft Entra: of the app alone, or of the app with the user who gave consent.

What belongs here: getting, keeping and renewing access tokens. They live in memory only, as does a refresh token that
was rotated; what the login service says when it refuses is worded in `login_refusals.py`, how it is reached in
`login_http.py`.
"""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from pydantic import SecretStr

from csp_pipeline.errors import UsageError
from csp_pipeline.sources.addresses import keep_wire_out_of_logs, private_url
from csp_pipeline.sources.login_http import LoginHttp, authority_for
from csp_pipeline.sources.login_refusals import no_such_tenant, refused_login
from csp_pipeline.sources.provider_errors import AuthenticationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import httpx
    import msal

    from csp_pipeline.settings import Settings

PARTNER_CENTER_SCOPE = "https://api.partnercenter.microsoft.com/.default"
GRAPH_SCOPE = "https://graph.microsoft.com/.default"

_MARGIN = 300.0
_USUAL_LIFE = 3600.0


@dataclass(frozen=True, slots=True)
class _AccessToken:
    """A token and until when it is used, on the login's clock."""

    secret: SecretStr
    good_until: float


class Login:
    """Access tokens for the APIs, shared by all threads of the process.

    Args:
        settings: tenant, app, secret, refresh token and the address of the login service.
        clock: seconds that only go forward.
        sleep: waits for a number of seconds, between attempts to reach the login service.
        draw: a random number from 0 to 1, for the pauses.
        transport: how requests travel; the network when not given.

    Raises:
        UsageError: the login service's address is not one that secrets may be sent to.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        draw: Callable[[], float] = random.random,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        keep_wire_out_of_logs()
        self._tenant_id = settings.partner_tenant_id
        self._client_id = settings.client_id
        self._client_secret = settings.client_secret
        self._refresh_token = settings.refresh_token
        self._login_url = private_url(settings.login_url, "the login service (CSP_LOGIN_URL)")
        self._http = LoginHttp(self._login_url, sleep=sleep, draw=draw, transport=transport)
        self._clock = clock
        self._lock = threading.RLock()
        self._app: msal.ConfidentialClientApplication | None = None
        self._tokens: dict[tuple[str, bool], _AccessToken] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def has_user(self) -> bool:
        """Whether there is a refresh token, without which no app+user token can be had."""
        return self._refresh_token is not None

    def token(self, scope: str, *, as_user: bool = False) -> str:
        """An access token that is still good for a while.

        Args:
            scope: what it is for, `PARTNER_CENTER_SCOPE` or `GRAPH_SCOPE`.
            as_user: whether it speaks for the user whose refresh token is in the settings.

        Returns:
            The token; to be sent to the service of that scope and nowhere else.

        Raises:
            AuthenticationError: a setting is missing, or the login service refuses.
            UnavailableError: the login service cannot be reached.
        """
        with self._lock:
            kept = self._tokens.get((scope, as_user))
            if kept is None or self._clock() >= kept.good_until:
                kept = self._new_token(scope, as_user=as_user)
                self._tokens[scope, as_user] = kept
            return kept.secret.get_secret_value()

    def renew(self, scope: str, *, as_user: bool = False, refused: str | None = None) -> None:
        """Forget a token that a service refused, so that the next call gets a new one.

        Args:
            scope: as in `token`.
            as_user: as in `token`.
            refused: the token that was refused; a newer one, got by another thread meanwhile, is kept.
        """
        with self._lock:
            kept = self._tokens.get((scope, as_user))
            if kept is not None and refused in (None, kept.secret.get_secret_value()):
                del self._tokens[scope, as_user]

    def close(self) -> None:
        """Close the connections to the login service."""
        self._http.close()

    def _new_token(self, scope: str, *, as_user: bool) -> _AccessToken:
        asked_at = self._clock()
        app = self._application()
        answer = self._user_token(app, scope) if as_user else self._app_token(app, scope)
        token = answer.get("access_token")
        if not isinstance(token, str) or not token:
            raise refused_login(answer, as_user=as_user)
        rotated = answer.get("refresh_token")
        if as_user and isinstance(rotated, str) and rotated:
            self._refresh_token = SecretStr(rotated)
        life = _seconds(answer.get("expires_in"))
        return _AccessToken(SecretStr(token), asked_at + life - min(_MARGIN, life / 5))

    def _app_token(self, app: msal.ConfidentialClientApplication, scope: str) -> Mapping[str, Any]:
        app.remove_tokens_for_client()  # msal would otherwise hand out the token that was just refused
        answer: Mapping[str, Any] = app.acquire_token_for_client([scope])
        return answer

    def _user_token(self, app: msal.ConfidentialClientApplication, scope: str) -> Mapping[str, Any]:
        if self._refresh_token is None:
            raise _missing(["CSP_REFRESH_TOKEN"])
        answer: Mapping[str, Any] = app.acquire_token_by_refresh_token(self._refresh_token.get_secret_value(), [scope])
        return answer

    def _application(self) -> msal.ConfidentialClientApplication:
        """The app at the login service, made when the first token is needed: msal asks for its endpoints then."""
        if self._app is None:
            import msal  # noqa: PLC0415  (needed by sources that log in only)

            tenant_id, client_id, client_secret = self._credentials()
            try:
                self._app = msal.ConfidentialClientApplication(
                    client_id,
                    client_credential=client_secret.get_secret_value(),
                    authority=authority_for(self._login_url, tenant_id),
                    instance_discovery=False,
                    http_client=self._http,
                )
            except (ValueError, KeyError):
                raise no_such_tenant(tenant_id, self._login_url.host) from None
        return self._app

    def _credentials(self) -> tuple[str, str, SecretStr]:
        needed = {
            "CSP_PARTNER_TENANT_ID": self._tenant_id,
            "CSP_CLIENT_ID": self._client_id,
            "CSP_CLIENT_SECRET": self._client_secret,
        }
        if self._tenant_id is None or self._client_id is None or self._client_secret is None:
            raise _missing([name for name, value in needed.items() if value is None])
        if "/" in self._tenant_id or not self._tenant_id.strip():
            raise UsageError("Setting CSP_PARTNER_TENANT_ID must be the partner's tenant id or domain.")
        return self._tenant_id, self._client_id, self._client_secret


def _missing(names: list[str]) -> AuthenticationError:
    are = "is" if len(names) == 1 else "are"
    return AuthenticationError(
        f"{', '.join(names)} {are} not set",
        failure_class="authentication",
        advice="Set it in the environment or in .env; the README says where it comes from.",
        where="The login",
    )


def _seconds(value: object) -> float:
    """A token's life as sent: a number, or a number as text."""
    try:
        return max(0.0, float(str(value)))
    except ValueError:
        return _USUAL_LIFE
