"""A login service on 127.0.0.1 for tests: discovery, tokens that count up, and refusals when a test wants them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from pydantic import SecretStr
from starlette.responses import JSONResponse, Response

from csp_pipeline.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from csp_pipeline_tests.sources.answering import Asked, Service

TENANT, APP = "11111111-2222-3333-4444-555555555555", "66666666-7777-8888-9999-000000000000"
SECRET, REFRESH_TOKEN = "s3cret~value", "refresh-token-0"


@dataclass
class Entra:
    """The login service: what it was asked for, and what it answers instead of a token when that is set.

    Whatever is no login goes to `api`, so that one server can be the whole provider.
    """

    service: Service
    forms: list[dict[str, str]] = field(default_factory=list)
    refusals: list[Response] = field(default_factory=list)
    expires_in: object = 3600
    token_host: str = ""
    api: Callable[[Asked], object] = field(default=lambda _: Response(status_code=404))

    def __post_init__(self) -> None:
        self.service.answer = self._answer

    @property
    def url(self) -> str:
        return self.service.url

    def settings(self, **changes: object) -> Settings:
        """Settings of a partner that logs in here."""
        values: dict[str, object] = {
            "partner_tenant_id": TENANT,
            "client_id": APP,
            "client_secret": SecretStr(SECRET),
            "refresh_token": SecretStr(REFRESH_TOKEN),
            "login_url": self.url,
        }
        return Settings(_env_file=None, **{**values, **changes})

    def _answer(self, asked: Asked) -> object:
        if asked.uri.endswith("/v2.0/.well-known/openid-configuration"):
            return self._discovery(asked)
        if asked.uri != f"/{TENANT}/oauth2/v2.0/token":
            return self.api(asked)
        self.forms.append(dict(parse_qsl(asked.body.decode())))
        if self.refusals:
            return self.refusals.pop(0)
        number = len(self.forms)
        token = {"token_type": "Bearer", "expires_in": self.expires_in, "access_token": f"access-token-{number}"}
        if self.forms[-1]["grant_type"] == "refresh_token":
            token["refresh_token"] = f"refresh-token-{number}"
        return token

    def _discovery(self, asked: Asked) -> object:
        if not asked.uri.startswith(f"/{TENANT}/"):
            return JSONResponse({"error": "invalid_tenant"}, 400)
        base = f"{self.token_host or self.url}/{TENANT}/oauth2/v2.0"
        return {
            "issuer": f"{self.url}/{TENANT}/v2.0",
            "authorization_endpoint": f"{base}/authorize",
            "token_endpoint": f"{base}/token",
        }


def refusal(status: int, error: str, number: int) -> Response:
    """An answer without a token, as Entra words it."""
    body = {"error": error, "error_description": f"AADSTS{number}: Words of the service.", "error_codes": [number]}
    return JSONResponse(body, status)
