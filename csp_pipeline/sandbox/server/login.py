"""The login service: tokens for an application or a user, and whether a request's token may do what it asks.

What belongs here: the token endpoints of both versions, OIDC discovery, the tokens given out (in memory only), and
`authorise`. What a permitted request does is decided by the Partner Center and Graph routes.
"""

from __future__ import annotations

import secrets
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs
from uuid import uuid4

from starlette.responses import JSONResponse
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from starlette.requests import Request
    from starlette.responses import Response

    from csp_pipeline.sandbox.server.faults import Faults

PARTNER_CENTER, GRAPH, RETIRED_GRAPH = "partner-center", "graph", "graph.windows.net"
AUDIENCES = {
    "https://api.partnercenter.microsoft.com": PARTNER_CENTER,
    "https://api.partner.microsoft.com": PARTNER_CENTER,
    "fa3d9a0c-3fb0-42cc-9193-47c7ecd2edbd": PARTNER_CENTER,
    "https://graph.microsoft.com": GRAPH,
    "00000003-0000-0000-c000-000000000000": GRAPH,
    "https://graph.windows.net": RETIRED_GRAPH,
}
TOKEN_SECONDS = 3600
TOKEN_BYTES = 48


@dataclass(frozen=True)
class Registration:
    """The application registered in the partner's tenant; what must stay secret is not in its `repr`."""

    tenant_id: str
    client_id: str
    client_secret: str = field(repr=False)
    refresh_token: str = field(repr=False)


def register(tenant_id: str, client_id: str) -> Registration:
    """A registration with a new secret and a new refresh token."""
    return Registration(tenant_id, client_id, secrets.token_urlsafe(30), "0." + secrets.token_urlsafe(TOKEN_BYTES))


@dataclass(frozen=True)
class Token:
    """What an access token stands for."""

    audience: str
    is_user: bool
    expires_at: float


@dataclass(frozen=True)
class Objection:
    """Why a request is refused: HTTP status, Partner Center's code and a sentence."""

    status: int
    code: str
    sentence: str


UNKNOWN_TOKEN = Objection(401, "800001", "Partner token missing in the request, or unknown.")
EXPIRED_TOKEN = Objection(401, "400", "Access denied: the token has expired.")
WRONG_AUDIENCE = Objection(401, "900420", "The audience of the token is not supported.")
NO_CONSENT = Objection(403, "900308", "Insufficient privileges to complete the operation.")
NO_MFA = Objection(401, "900421", "MFA is required for this operation.")
APP_ONLY = Objection(403, "900329", "This resource does not support application-only authentication.")


class LoginRefusedError(Exception):
    """A token request that the login service turns down, with its OAuth error."""

    def __init__(self, status: int, error: str, number: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.error, self.number, self.sentence = status, error, number, sentence


class Login:
    """The login service of one partner tenant.

    Args:
        registration: The application that may log in.
        faults: `mfa-required` makes every token of a user one without a second factor.
        without_consent: What nobody has granted the application: whole audiences, or paths such as `/v1/invoices`.
        token_seconds: How long an access token lives.
        clock: Seconds that only go forward.
    """

    def __init__(
        self,
        registration: Registration,
        faults: Faults,
        *,
        without_consent: Iterable[str] = (),
        token_seconds: float = TOKEN_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.registration = registration
        self._without_consent = tuple(without_consent)
        self._faults, self._seconds, self._clock = faults, token_seconds, clock
        self._tokens: dict[str, Token] = {}
        self._refresh_tokens = {registration.refresh_token}
        self._lock = threading.Lock()

    def routes(self) -> list[Route]:
        """The routes of the login service."""
        return [
            Route("/{tenant}/oauth2/v2.0/token", self._token, methods=["POST"]),
            Route("/{tenant}/oauth2/token", self._token, methods=["POST"]),
            Route("/{tenant}/v2.0/.well-known/openid-configuration", self._discovery),
        ]

    def authorise(self, request: Request, audience: str, *, user_only: bool = False) -> Response | None:
        """Check the token of a request.

        Args:
            request: The request.
            audience: `partner-center` or `graph`.
            user_only: Whether the endpoint refuses a token of the application alone.

        Returns:
            None if the request may go on, else the refusal to send.
        """
        objection = self._objection(request, audience, user_only=user_only)
        return _refusal(request, audience, objection) if objection else None

    def _objection(self, request: Request, audience: str, *, user_only: bool) -> Objection | None:
        """Why the token of a request is not enough, if it is not."""
        token = self._token_of(request)
        if token is None:
            return UNKNOWN_TOKEN
        is_without_mfa = audience == PARTNER_CENTER and token.is_user and not self._has_mfa(token)
        objections = (
            (self._clock() >= token.expires_at, EXPIRED_TOKEN),
            (token.audience != audience, WRONG_AUDIENCE),
            (self._lacks_consent(request.url.path, audience), NO_CONSENT),
            (is_without_mfa, NO_MFA),
            (user_only and not token.is_user, APP_ONLY),
        )
        return next((objection for holds, objection in objections if holds), None)

    def _lacks_consent(self, path: str, audience: str) -> bool:
        return any(audience == name or f"{path}/".startswith(f"{name}/") for name in self._without_consent)

    def _has_mfa(self, token: Token) -> bool:
        """Whether a user's second factor stands behind a token."""
        return token.is_user and not self._faults.is_on("mfa-required")

    def mfa_answer(self, request: Request) -> str | None:
        """`true` or `false` for a user's request that asks with `ValidateMfa: true`, else None."""
        token = self._token_of(request)
        if token is None or not token.is_user or request.headers.get("ValidateMfa", "").lower() != "true":
            return None
        return str(self._has_mfa(token)).lower()

    def _token_of(self, request: Request) -> Token | None:
        kind, _, value = request.headers.get("Authorization", "").partition(" ")
        return self._tokens.get(value) if kind.lower() == "bearer" else None

    async def _discovery(self, request: Request) -> Response:
        base = f"{request.url.scheme}://{request.url.netloc}/{request.path_params['tenant']}"
        return JSONResponse(
            {
                "issuer": f"{base}/v2.0",
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                "token_endpoint": f"{base}/oauth2/v2.0/token",
                "token_endpoint_auth_methods_supported": ["client_secret_post"],
                "response_types_supported": ["code"],
                "subject_types_supported": ["pairwise"],
                "id_token_signing_alg_values_supported": ["RS256"],
            }
        )

    async def _token(self, request: Request) -> Response:
        body = (await request.body()).decode("utf-8", "replace")
        form = {name: values[0].strip() for name, values in parse_qs(body).items()}
        try:
            return JSONResponse(
                self._answer(request.path_params["tenant"], form, is_v1="/v2.0/" not in request.url.path)
            )
        except LoginRefusedError as refused:
            return JSONResponse(_oauth_error(refused), refused.status)

    def _answer(self, tenant: str, form: dict[str, str], *, is_v1: bool) -> dict[str, Any]:
        registration = self.registration
        if tenant.lower() != registration.tenant_id.lower():
            raise LoginRefusedError(400, "invalid_request", 90002, f"Tenant '{tenant}' not found.")
        if form.get("client_id", "").lower() != registration.client_id.lower():
            raise LoginRefusedError(400, "unauthorized_client", 700016, "The application was not found in the tenant.")
        if not secrets.compare_digest(form.get("client_secret", "").encode(), registration.client_secret.encode()):
            raise LoginRefusedError(401, "invalid_client", 7000215, "Invalid client secret provided.")
        audience, resource = _audience(form, is_v1=is_v1)
        grant = form.get("grant_type")
        if grant not in ("client_credentials", "refresh_token"):
            raise LoginRefusedError(400, "unsupported_grant_type", 70003, "The grant type is not supported.")
        is_user = grant == "refresh_token"
        if not is_user and not is_v1 and not form.get("scope", "").endswith("/.default"):
            raise LoginRefusedError(400, "invalid_scope", 1002012, "The scope of an application must end in /.default.")
        if is_user and form.get("refresh_token") not in self._refresh_tokens:
            raise LoginRefusedError(400, "invalid_grant", 700082, "The refresh token has expired or is not valid.")
        answer = self._issue(audience, is_user=is_user)
        if not is_v1:
            return answer
        now = int(datetime.now(UTC).timestamp())
        lifetime = int(self._seconds)
        texts = {name: str(value) for name, value in answer.items()}
        return texts | {"expires_on": str(now + lifetime), "not_before": str(now), "resource": resource}

    def _issue(self, audience: str, *, is_user: bool) -> dict[str, Any]:
        access_token = "eyJ" + secrets.token_urlsafe(TOKEN_BYTES)
        lifetime = int(self._seconds)
        answer = {
            "token_type": "Bearer",
            "expires_in": lifetime,
            "ext_expires_in": lifetime,
            "access_token": access_token,
        }
        with self._lock:
            self._tokens[access_token] = Token(audience, is_user, self._clock() + self._seconds)
            if is_user:
                refresh_token = "0." + secrets.token_urlsafe(TOKEN_BYTES)
                self._refresh_tokens.add(refresh_token)
                answer |= {"refresh_token": refresh_token, "scope": "user_impersonation"}
        return answer


def _audience(form: dict[str, str], *, is_v1: bool) -> tuple[str, str]:
    """The service a token is asked for, and the resource as it was named."""
    if is_v1:
        asked = [form.get("resource", "").rstrip("/")]
    else:
        scopes = (scope.rpartition("/") for scope in form.get("scope", "").split())
        asked = [resource.rstrip("/") for resource, _, permission in scopes if resource and permission]
    known = {AUDIENCES[name]: name for name in asked if name in AUDIENCES}
    if len(known) != 1:
        raise LoginRefusedError(400, "invalid_scope", 70011, "The scope or resource names no service known here.")
    return next(iter(known.items()))


def _oauth_error(refused: LoginRefusedError) -> dict[str, Any]:
    return {
        "error": refused.error,
        "error_description": f"AADSTS{refused.number}: {refused.sentence}",
        "error_codes": [refused.number],
        "timestamp": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%SZ"),
        "trace_id": str(uuid4()),
        "correlation_id": str(uuid4()),
    }


def _refusal(request: Request, audience: str, objection: Objection) -> Response:
    """A refusal in the words of the service that was asked."""
    status, is_unknown = objection.status, objection.status == HTTPStatus.UNAUTHORIZED
    headers = {"WWW-Authenticate": "Bearer"} if is_unknown else {}
    if audience == GRAPH:
        name = "InvalidAuthenticationToken" if is_unknown else "Authorization_RequestDenied"
        return JSONResponse(graph_error(request, name, objection.sentence), status, headers)
    body = {"code": objection.code, "description": objection.sentence, "data": [], "source": "PartnerFD"}
    return JSONResponse(body, status, headers)


def graph_error(request: Request, code: str, sentence: str) -> dict[str, Any]:
    """The error envelope of Microsoft Graph."""
    return {
        "error": {
            "code": code,
            "message": sentence,
            "innerError": {
                "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"),
                "request-id": str(uuid4()),
                "client-request-id": request.headers.get("client-request-id", str(uuid4())),
            },
        }
    }
