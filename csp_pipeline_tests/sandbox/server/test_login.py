"""Tokens are given to whoever has the secret, and open what they were asked for, for as long as they live."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from csp_pipeline.sandbox.server.faults import Faults
from csp_pipeline.sandbox.server.listening import HOST, listen, serving
from csp_pipeline.sandbox.server.login import GRAPH, PARTNER_CENTER, Login, register
from csp_pipeline_tests.sandbox.server.caller import BILLING, GRAPH_SCOPE, PARTNER_CENTER_SCOPE, Caller

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from starlette.requests import Request

APP_ONLY = {"grant_type": "client_credentials", "scope": PARTNER_CENTER_SCOPE}
ALL, USERS = "/v1/customers", "/v1/invoices/summary"
OPERATION = f"{BILLING}/operations/none"


@pytest.mark.parametrize(
    ("change", "status", "error", "number"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client", 7000215),
        ({"client_id": "other"}, 400, "unauthorized_client", 700016),
        ({"tenant": "other.example.com"}, 400, "invalid_request", 90002),
        ({"scope": "https://other.example.com/.default"}, 400, "invalid_scope", 70011),
        ({"scope": "https://graph.microsoft.com/PartnerBilling.Read.All"}, 400, "invalid_scope", 1002012),
        ({"grant_type": "password"}, 400, "unsupported_grant_type", 70003),
        ({"grant_type": "refresh_token", "refresh_token": "old"}, 400, "invalid_grant", 700082),
    ],
)
def test_a_wrong_token_request_is_told_as_entra_does(
    caller: Caller, change: dict[str, str], status: int, error: str, number: int
) -> None:
    answer = caller.login(**APP_ONLY | change)
    assert answer.status_code == status
    assert answer.json()["error"] == error
    assert answer.json()["error_codes"] == [number]
    assert answer.json()["error_description"].startswith(f"AADSTS{number}: ")


def test_a_refresh_token_gives_a_new_one_that_works_too(caller: Caller) -> None:
    grant = {"grant_type": "refresh_token", "scope": f"{GRAPH_SCOPE} offline_access openid profile"}
    first = caller.login(**grant, refresh_token=caller.connection.refresh_token).json()
    second = caller.login(**grant, refresh_token=first["refresh_token"])
    assert second.status_code == 200
    assert first["refresh_token"] not in (caller.connection.refresh_token, second.json()["refresh_token"])
    assert "refresh_token" not in caller.login(**APP_ONLY).json()


def test_the_first_version_of_the_endpoint_answers_in_texts(caller: Caller) -> None:
    form = {"grant_type": "client_credentials", "resource": "https://api.partnercenter.microsoft.com"}
    answer = caller.login(**form, version="").json()
    assert {name: type(value) for name, value in answer.items()} == dict.fromkeys(answer, str)
    assert answer["resource"] == form["resource"]
    assert int(answer["expires_on"]) - int(answer["not_before"]) == int(answer["expires_in"])


def test_discovery_leads_to_the_token_endpoint(caller: Caller) -> None:
    tenant = caller.connection.tenant_id
    found = caller.http.get(f"/{tenant}/v2.0/.well-known/openid-configuration").json()
    assert found["token_endpoint"] == f"{caller.connection.login_url}/{tenant}/oauth2/v2.0/token"
    assert found["issuer"] == f"{caller.connection.login_url}/{tenant}/v2.0"


def test_graph_refuses_a_missing_an_unknown_and_a_foreign_token(caller: Caller) -> None:
    foreign = caller.token(PARTNER_CENTER_SCOPE)
    for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": f"Bearer {foreign}"}):
        answer = caller.http.get(OPERATION, headers=headers)
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "InvalidAuthenticationToken"
        assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_an_expired_token_is_refused_and_a_new_one_is_not(
    serving: Callable[..., AbstractContextManager[Caller]],
) -> None:
    now = [0.0]
    with serving(token_seconds=10, clock=lambda: now[0]) as caller:
        first = {"Authorization": f"Bearer {caller.token(GRAPH_SCOPE)}"}
        assert caller.http.get(OPERATION, headers=first).status_code == 404
        now[0] = 10.0
        assert caller.http.get(OPERATION, headers=first).status_code == 401
        assert caller.get(OPERATION).status_code == 404


def test_without_consent_graph_answers_403(serving: Callable[..., AbstractContextManager[Caller]]) -> None:
    with serving(without_consent=(GRAPH,)) as caller:
        answer = caller.get(OPERATION)
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "Authorization_RequestDenied"


Ask = Callable[..., tuple[int, str | None]]


@contextmanager
def _guarded(*faults: str, **conduct: Any) -> Iterator[Ask]:  # noqa: ANN401  (arguments of Login)
    """A login service and two routes of Partner Center; asks for one with a new token, gives status and code."""
    registration = register("tenant", "client")
    login = Login(registration, Faults(faults), **conduct)

    async def for_all(request: Request) -> Response:
        return login.authorise(request, PARTNER_CENTER) or Response()

    async def for_users(request: Request) -> Response:
        return login.authorise(request, PARTNER_CENTER, user_only=True) or Response()

    def ask(path: str, scope: str = PARTNER_CENTER_SCOPE, *, as_user: bool = False) -> tuple[int, str | None]:
        form = {"client_id": "client", "client_secret": registration.client_secret, "scope": scope}
        form["grant_type"] = "refresh_token" if as_user else "client_credentials"
        token = http.post("/tenant/oauth2/v2.0/token", data=form | {"refresh_token": registration.refresh_token})
        answer = http.get(path, headers={"Authorization": f"Bearer {token.json()['access_token']}"})
        return answer.status_code, answer.json()["code"] if answer.content else None

    app = Starlette(routes=[*login.routes(), Route(ALL, for_all), Route(USERS, for_users)])
    listening = listen()
    url = f"http://{HOST}:{listening.getsockname()[1]}"
    with serving(app, listening), httpx.Client(base_url=url, trust_env=False) as http:
        yield ask


def test_an_app_only_token_does_not_open_what_needs_a_user() -> None:
    with _guarded() as ask:
        assert ask(ALL) == (200, None)
        assert ask(USERS) == (403, "900329")
        assert ask(USERS, as_user=True) == (200, None)


def test_a_token_for_a_retired_or_another_audience_is_900420() -> None:
    with _guarded() as ask:
        assert ask(ALL, "https://graph.windows.net/.default") == (401, "900420")
        assert ask(ALL, GRAPH_SCOPE) == (401, "900420")


def test_mfa_required_stops_users_without_it_and_no_application() -> None:
    with _guarded("mfa-required") as ask:
        assert ask(ALL) == (200, None)
        assert ask(ALL, as_user=True) == (401, "900421")


def test_expiry_and_missing_consent_have_the_codes_of_partner_center() -> None:
    with _guarded(token_seconds=0) as ask:
        assert ask(ALL) == (401, "400")
    with _guarded(without_consent=(PARTNER_CENTER,)) as ask:
        assert ask(ALL) == (403, "900308")
    with _guarded(without_consent=("/v1/invoices",)) as ask:
        assert ask(ALL) == (200, None)
        assert ask(USERS, as_user=True) == (403, "900308")


def test_no_secret_shows_in_a_repr() -> None:
    registration = register("tenant", "client")
    assert registration.client_secret not in repr(registration)
    assert registration.refresh_token not in repr(registration)
