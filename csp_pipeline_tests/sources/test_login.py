"""Logging in at a login service over real HTTP: which token is asked for, kept, renewed, and what refusals say."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response

from csp_pipeline.errors import UsageError
from csp_pipeline.sources.login import GRAPH_SCOPE, PARTNER_CENTER_SCOPE, Login
from csp_pipeline.sources.provider_errors import AuthenticationError, UnavailableError
from csp_pipeline_tests.sources.answering import Service, serving
from csp_pipeline_tests.sources.entra import APP, REFRESH_TOKEN, SECRET, Entra, refusal

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with serving() as one:
        yield one


@pytest.fixture
def entra(service: Service) -> Entra:
    service.asked.clear()
    return Entra(service)


class Clock:
    """Seconds that go forward when a test says so, or while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def login(entra: Entra, clock: Clock) -> Iterator[Login]:
    with Login(entra.settings(), clock=clock, sleep=clock.sleep, draw=lambda: 0.0) as one:
        yield one


def test_the_app_logs_in_with_its_secret_and_the_token_is_kept(entra: Entra, login: Login) -> None:
    assert [login.token(PARTNER_CENTER_SCOPE), login.token(PARTNER_CENTER_SCOPE)] == ["access-token-1"] * 2
    assert entra.forms[0]["grant_type"] == "client_credentials"
    assert (entra.forms[0]["client_id"], entra.forms[0]["client_secret"]) == (APP, SECRET)
    assert PARTNER_CENTER_SCOPE in entra.forms[0]["scope"]
    assert len(entra.forms) == 1


def test_each_scope_and_the_user_have_tokens_of_their_own(login: Login) -> None:
    asked = [(PARTNER_CENTER_SCOPE, False), (GRAPH_SCOPE, False), (PARTNER_CENTER_SCOPE, True), (GRAPH_SCOPE, False)]
    tokens = [login.token(scope, as_user=as_user) for scope, as_user in asked]
    assert tokens == ["access-token-1", "access-token-2", "access-token-3", "access-token-2"]


def test_a_rotated_refresh_token_is_used_from_then_on(entra: Entra, login: Login) -> None:
    login.token(PARTNER_CENTER_SCOPE, as_user=True)
    login.renew(PARTNER_CENTER_SCOPE, as_user=True)
    login.token(PARTNER_CENTER_SCOPE, as_user=True)
    assert [form["refresh_token"] for form in entra.forms] == [REFRESH_TOKEN, "refresh-token-1"]


@pytest.mark.parametrize("as_user", [False, True])
def test_a_renewed_token_is_a_new_one(login: Login, *, as_user: bool) -> None:
    first = login.token(PARTNER_CENTER_SCOPE, as_user=as_user)
    login.renew(PARTNER_CENTER_SCOPE, as_user=as_user, refused=first)
    second = login.token(PARTNER_CENTER_SCOPE, as_user=as_user)
    assert second != first


def test_a_thread_that_is_late_with_its_refusal_does_not_discard_the_new_token(login: Login) -> None:
    first = login.token(PARTNER_CENTER_SCOPE)
    login.renew(PARTNER_CENTER_SCOPE, refused=first)
    second = login.token(PARTNER_CENTER_SCOPE)
    login.renew(PARTNER_CENTER_SCOPE, refused=first)
    assert login.token(PARTNER_CENTER_SCOPE) == second


def test_threads_that_need_a_token_at_once_make_one_login(entra: Entra, login: Login) -> None:
    with ThreadPoolExecutor(8) as pool:
        tokens = set(pool.map(lambda _: login.token(PARTNER_CENTER_SCOPE, as_user=True), range(8)))
    assert tokens == {"access-token-1"}
    assert len(entra.forms) == 1


@pytest.mark.parametrize(("expires_in", "too_old"), [(3600, 3300), ("60", 48)])
def test_a_token_is_replaced_some_time_before_it_expires(
    entra: Entra, login: Login, clock: Clock, expires_in: object, too_old: float
) -> None:
    entra.expires_in = expires_in
    first = login.token(PARTNER_CENTER_SCOPE)
    clock.now += too_old - 1
    assert login.token(PARTNER_CENTER_SCOPE) == first
    clock.now += 1
    assert login.token(PARTNER_CENTER_SCOPE) != first


@pytest.mark.parametrize(
    ("number", "error", "as_user", "sentence"),
    [
        (7000215, "invalid_client", False, "CSP_CLIENT_SECRET to the secret's value"),
        (700016, "unauthorized_client", False, "CSP_CLIENT_ID"),
        (700082, "invalid_grant", True, "CSP_REFRESH_TOKEN"),
        (50076, "invalid_grant", True, "multi-factor authentication"),
        (999, "invalid_grant", True, "the refresh token is not accepted"),
        (999, "invalid_client", False, "CSP_CLIENT_SECRET"),
    ],
)
def test_a_refused_login_says_what_to_set(  # noqa: PLR0913, PLR0917
    entra: Entra,
    login: Login,
    number: int,
    error: str,
    as_user: bool,  # noqa: FBT001
    sentence: str,
) -> None:
    entra.refusals.append(refusal(400, error, number))
    with pytest.raises(AuthenticationError) as raised:
        login.token(PARTNER_CENTER_SCOPE, as_user=as_user)
    assert sentence in str(raised.value)
    assert raised.value.code == f"AADSTS{number}"
    assert raised.value.is_known == (number != 999)
    assert "Words of the service" not in str(raised.value)


@pytest.mark.parametrize("name", ["partner_tenant_id", "client_id", "client_secret"])
def test_a_missing_setting_is_named_before_anything_is_sent(entra: Entra, name: str) -> None:
    with (
        Login(entra.settings(**{name: None})) as login,
        pytest.raises(AuthenticationError, match=f"CSP_{name.upper()}"),
    ):
        login.token(PARTNER_CENTER_SCOPE)
    assert entra.service.asked == []


def test_without_a_refresh_token_only_the_app_can_log_in(entra: Entra) -> None:
    with Login(entra.settings(refresh_token=None)) as login:
        assert not login.has_user
        assert login.token(PARTNER_CENTER_SCOPE)
        with pytest.raises(AuthenticationError, match="CSP_REFRESH_TOKEN is not set"):
            login.token(PARTNER_CENTER_SCOPE, as_user=True)


def test_an_unknown_tenant_is_named(entra: Entra) -> None:
    knows_none = pytest.raises(AuthenticationError, match=r"knows no tenant nobody\.example")
    with Login(entra.settings(partner_tenant_id="nobody.example")) as login, knows_none:
        login.token(PARTNER_CENTER_SCOPE)


@pytest.mark.parametrize(
    "answer",
    [
        RedirectResponse("https://portal.example/"),
        JSONResponse({}, 302),
        PlainTextResponse("<html>Welcome</html>"),
        JSONResponse([]),
    ],
)
def test_a_page_in_the_place_of_the_login_service_ends_in_a_sentence(entra: Entra, answer: Response) -> None:
    entra.service.answer = lambda _: answer
    with Login(entra.settings()) as login, pytest.raises(AuthenticationError, match="CSP_LOGIN_URL"):
        login.token(PARTNER_CENTER_SCOPE)


def test_a_login_service_that_is_busy_is_asked_again(entra: Entra, login: Login, clock: Clock) -> None:
    entra.refusals += [Response(status_code=503), Response(status_code=429, headers={"Retry-After": "7"})]
    assert login.token(PARTNER_CENTER_SCOPE) == "access-token-3"
    assert clock.slept == [1.0, 7.0]


def test_a_login_service_that_stays_down_ends_in_a_sentence(entra: Entra, login: Login) -> None:
    entra.refusals += [Response(status_code=500)] * 9
    with pytest.raises(UnavailableError, match="The login failed"):
        login.token(PARTNER_CENTER_SCOPE)
    assert len(entra.forms) == 4


def test_an_address_where_nobody_listens_ends_in_a_sentence(entra: Entra, clock: Clock) -> None:
    settings = entra.settings(login_url="http://127.0.0.1:1")
    with Login(settings, sleep=clock.sleep) as login, pytest.raises(UnavailableError, match="The login failed"):
        login.token(PARTNER_CENTER_SCOPE)


@pytest.mark.parametrize("url", ["http://login.example", "http://10.0.0.1:8080", "ftp://127.0.0.1", "login.example"])
def test_secrets_are_not_sent_in_clear_over_a_network(entra: Entra, url: str) -> None:
    with pytest.raises(UsageError, match="CSP_LOGIN_URL"):
        Login(entra.settings(login_url=url))


def test_secrets_are_not_sent_to_a_host_that_the_login_service_names(entra: Entra, login: Login) -> None:
    with serving() as other:
        entra.token_host = other.url.replace("http://", "https://")
        with pytest.raises(AuthenticationError, match="no secret was sent there"):
            login.token(PARTNER_CENTER_SCOPE)
        assert other.asked == []


def test_an_answer_that_is_not_json_is_neither_shown_nor_logged(
    entra: Entra, login: Login, caplog: pytest.LogCaptureFixture
) -> None:
    entra.refusals.append(PlainTextResponse("<html>access_token=hunter2</html>"))
    with caplog.at_level(logging.DEBUG), pytest.raises(AuthenticationError, match="no readable answer") as raised:
        login.token(PARTNER_CENTER_SCOPE)
    assert "hunter2" not in str(raised.value) + caplog.text


def test_no_token_and_no_secret_is_logged_or_shown(
    entra: Entra, login: Login, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        login.token(PARTNER_CENTER_SCOPE)
        login.token(PARTNER_CENTER_SCOPE, as_user=True)
    shown = caplog.text + repr(login) + repr(vars(login)) + repr(entra.settings())
    assert not [
        one for one in (SECRET, REFRESH_TOKEN, "access-token-1", "access-token-2", "refresh-token-2") if one in shown
    ]
