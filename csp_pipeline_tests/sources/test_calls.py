"""Requests over real HTTP: headers, tokens, repetition, and what is said in the end."""

from __future__ import annotations

import logging
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING
from uuid import UUID

import httpx
import pytest
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response

from csp_pipeline.errors import UsageError
from csp_pipeline.sources.calls import Calls
from csp_pipeline.sources.pace import Pace
from csp_pipeline.sources.provider_errors import (
    AuthenticationError,
    ProviderError,
    RefusedError,
    ThrottledError,
    UnavailableError,
)
from csp_pipeline_tests.sources.answering import Asked, Service, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

SCOPE = "https://api.example/.default"


@dataclass
class Tokens:
    """A login whose tokens count up with every renewal."""

    renewed: list[tuple[bool, str | None]] = field(default_factory=list)

    def token(self, scope: str, *, as_user: bool = False) -> str:
        assert scope == SCOPE
        return f"{'user' if as_user else 'app'}-token-{len(self.renewed)}"

    def renew(self, scope: str, *, as_user: bool = False, refused: str | None = None) -> None:
        assert scope == SCOPE
        self.renewed.append((as_user, refused))


@pytest.fixture(scope="module")
def running() -> Iterator[Service]:
    with serving() as one:
        yield one


@pytest.fixture
def service(running: Service) -> Service:
    running.asked.clear()
    running.answers({"items": []})
    return running


@pytest.fixture
def slept() -> list[float]:
    return []


@pytest.fixture
def login() -> Tokens:
    return Tokens()


@pytest.fixture
def calls(service: Service, login: Tokens, slept: list[float]) -> Iterator[Calls]:
    clock = lambda: sum(slept)  # noqa: E731  (time passes only while somebody sleeps)
    one = Calls(service.url, login, SCOPE, sleep=slept.append, clock=clock, draw=lambda: 0.0)
    with one:
        yield one


def error(status: int, code: object = None, description: str = "As the service says.", **headers: str) -> Response:
    body = {"code": code, "description": description, "data": [], "source": "here"} if code is not None else {}
    return JSONResponse(body, status, headers={name.replace("_", "-"): value for name, value in headers.items()})


def headers_of(service: Service, name: str) -> list[str]:
    return [asked.headers[name] for asked in service.asked]


def test_a_request_says_who_asks_and_what_for(service: Service, calls: Calls) -> None:
    calls.get("/v1/customers", params={"size": 2, "filter": '{"a":1}'}, as_user=True)
    asked = service.asked[0]
    assert asked.uri == "/v1/customers?size=2&filter=%7B%22a%22%3A1%7D"
    assert asked.headers["authorization"] == "Bearer user-token-0"
    assert asked.headers["accept"] == "application/json"
    assert asked.headers["x-locale"] == "en-US"
    assert asked.headers["ms-partnercenter-application"]
    assert UUID(asked.headers["ms-requestid"]) != UUID(asked.headers["ms-correlationid"])


def test_parameters_are_added_to_the_query_of_a_link_and_headers_replace_the_usual_ones(
    service: Service, calls: Calls
) -> None:
    calls.get(f"{service.url}/v1/x?size=2", params={"page": 3}, headers={"accept": "application/pdf"})
    assert service.asked[0].uri == "/v1/x?size=2&page=3"
    assert service.asked[0].headers["accept"] == "application/pdf"


def test_bodies_are_sent_as_they_are(service: Service, calls: Calls) -> None:
    calls.send("POST", "/v1/a", json={"quantity": 5})
    exact = b'{"price": 0.10000000000000000001}'
    calls.send("PATCH", "/v1/b", content=exact, headers={"If-Match": "e1", "Content-Type": "application/json"})
    assert [asked.method for asked in service.asked] == ["POST", "PATCH"]
    assert service.asked[0].json == {"quantity": 5}
    assert service.asked[1].body == exact
    assert service.asked[1].headers["if-match"] == "e1"


def test_the_request_id_stays_and_the_correlation_id_changes_on_every_attempt(service: Service, calls: Calls) -> None:
    service.answers(error(503), error(409, 800082), {})
    calls.send("PATCH", "/v1/x", json={}, request_id="5f9a8f9e-0000-0000-0000-000000000001")
    assert set(headers_of(service, "ms-requestid")) == {"5f9a8f9e-0000-0000-0000-000000000001"}
    assert len(set(headers_of(service, "ms-correlationid"))) == len(service.asked) == 3


@pytest.mark.parametrize(
    "answer",
    [error(500), error(502), error(503, "800003"), error(408, 900225), error(409, "27009"), error(400, 900216)],
)
def test_failures_that_pass_are_tried_again_after_growing_pauses(
    service: Service, calls: Calls, slept: list[float], answer: Response
) -> None:
    service.answers(answer, answer, answer, {"ok": True})
    assert calls.get("/v1/x").json() == {"ok": True}
    assert slept == [1.0, 2.0, 4.0]


def test_an_outage_is_waited_out_though_the_service_asks_for_no_pause(
    service: Service, calls: Calls, slept: list[float]
) -> None:
    service.answers(error(503, Retry_After="0"), error(503, Retry_After="0"), {})
    calls.get("/v1/x")
    assert slept == [1.0, 2.0]


def test_pauses_are_drawn_so_that_threads_do_not_come_back_together(service: Service, login: Tokens) -> None:
    slept: list[float] = []
    draws = iter([0.0, 0.5, 1.0])
    service.answers(error(500), error(500), error(500), {})
    with Calls(service.url, login, SCOPE, sleep=slept.append, draw=lambda: next(draws)) as calls:
        calls.get("/v1/x")
    assert slept == [1.0, 1.5, 2.0]


def test_a_pause_that_the_service_asks_for_is_kept(service: Service, calls: Calls, slept: list[float]) -> None:
    in_ten_seconds = format_datetime(datetime.now(UTC) + timedelta(seconds=10), usegmt=True)
    service.answers(error(429, Retry_After="57"), error(503, Retry_After=in_ten_seconds), {})
    calls.get("/v1/x")
    assert slept[0] == 57.0
    assert 5.0 <= slept[1] <= 12.0


def test_a_throttled_resource_pauses_for_all_threads_and_others_go_on(service: Service, login: Tokens) -> None:
    held: list[float] = []
    pace = Pace(clock=lambda: 0.0, sleep=held.append)
    service.answers(error(429, Retry_After="30"), {})
    with Calls(service.url, login, SCOPE, pace=pace, sleep=lambda _: None, draw=lambda: 0.0) as calls:
        calls.get("/v1/orders", resource="orders")
        calls.get("/v1/customers", resource="customers")
    assert held == [30.0]


def test_a_service_that_asks_for_too_long_a_pause_is_not_asked_again(service: Service, calls: Calls) -> None:
    service.answers(error(429, Retry_After="86400"))
    with pytest.raises(ThrottledError, match="wait 86400 seconds"):
        calls.get("/v1/x")
    assert len(service.asked) == 1


def test_attempts_end(service: Service, calls: Calls, slept: list[float]) -> None:
    service.answers(error(500, 800003))
    with pytest.raises(UnavailableError, match=r"GET /v1/x failed \(HTTP 500, code 800003\): As the service says"):
        calls.get("/v1/x?secret=1")
    assert len(service.asked) == 6
    assert sum(slept) < 60


@pytest.mark.parametrize(
    ("answer", "kind", "failure_class"),
    [
        (error(400, 800090), RefusedError, "business_rule"),
        (error(403, "900121"), RefusedError, "business_rule"),
        (error(404, 1000), RefusedError, "caller"),
        (error(412, 2055), RefusedError, "technical"),
        (error(409, 123456), RefusedError, "business_rule"),
        (error(403, 900329), AuthenticationError, "authentication"),
        (error(404), RefusedError, "business_rule"),
        (error(403), AuthenticationError, "authentication"),
        (RedirectResponse("https://elsewhere.example/"), RefusedError, "technical"),
    ],
)
def test_a_refusal_is_not_tried_again(
    service: Service, calls: Calls, answer: Response, kind: type[ProviderError], failure_class: str
) -> None:
    service.answers(answer)
    with pytest.raises(kind) as raised:
        calls.get("/v1/x", resource="things")
    assert (raised.value.failure_class, raised.value.resource) == (failure_class, "things")
    assert len(service.asked) == 1


def test_a_refused_token_is_renewed_once(service: Service, calls: Calls, login: Tokens) -> None:
    service.answers(error(401, 400), {})
    calls.get("/v1/x", as_user=True)
    assert login.renewed == [(True, "user-token-0")]
    assert headers_of(service, "authorization") == ["Bearer user-token-0", "Bearer user-token-1"]
    assert len(set(headers_of(service, "ms-requestid"))) == 1


def test_a_token_that_stays_refused_stops_the_work(service: Service, calls: Calls, login: Tokens) -> None:
    service.answers(error(401))
    with pytest.raises(AuthenticationError, match="doctor"):
        calls.get("/v1/x")
    assert len(login.renewed) == 1
    assert len(service.asked) == 2


@pytest.mark.parametrize(
    ("code", "sentence"),
    [("900421", "multi-factor authentication"), (900420, r"graph\.windows\.net")],
)
def test_what_a_new_token_does_not_cure_is_explained_at_once(
    service: Service, calls: Calls, login: Tokens, code: object, sentence: str
) -> None:
    service.answers(error(401, code, ""))
    with pytest.raises(AuthenticationError, match=sentence):
        calls.get("/v1/x", as_user=True)
    assert login.renewed == []
    assert len(service.asked) == 1


@pytest.mark.parametrize(
    "url",
    [
        "https://elsewhere.example/v1/x",
        "http://127.0.0.1:1/v1/x",
        "http://user:secret@{host}/v1/x",
        "https://{host}/v1/x",
        "file:///etc/passwd",
    ],
)
def test_a_link_to_another_host_is_not_followed(service: Service, calls: Calls, url: str) -> None:
    with pytest.raises(RefusedError, match="was not followed"):
        calls.get(url.format(host=service.url.removeprefix("http://")))
    assert service.asked == []


@pytest.mark.parametrize("link", ["https://[::1/x", "/v1/a\nb", "https://host:port/x"])
def test_a_link_that_is_none_ends_in_a_sentence(calls: Calls, link: str) -> None:
    with pytest.raises(RefusedError, match="a link cannot be read"):
        calls.get(link)


def test_a_path_that_looks_like_a_host_stays_on_the_service(service: Service, calls: Calls) -> None:
    calls.get("//elsewhere.example/x")
    calls.get("v1/x?next=https://elsewhere.example/")
    assert [asked.uri for asked in service.asked] == ["/elsewhere.example/x", "/v1/x?next=https://elsewhere.example/"]


@pytest.mark.parametrize("url", ["http://api.example", "http://192.168.0.1", "api.example", "https://u:p@api.example"])
def test_tokens_are_not_sent_in_clear_over_a_network(login: Tokens, url: str) -> None:
    with pytest.raises(UsageError, match="address of the service"):
        Calls(url, login, SCOPE)


class Unreliable(httpx.BaseTransport):
    """A network that fails a number of times before it delivers."""

    def __init__(self, *failures: Exception) -> None:
        self._failures = list(failures)
        self._network = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if self._failures:
            raise self._failures.pop(0)
        return self._network.handle_request(request)

    def close(self) -> None:
        self._network.close()


def test_broken_connections_and_timeouts_are_tried_again(service: Service, login: Tokens) -> None:
    network = Unreliable(httpx.ConnectError("refused"), httpx.ReadTimeout("slow"), httpx.RemoteProtocolError("cut"))
    with Calls(service.url, login, SCOPE, transport=network, sleep=lambda _: None) as calls:
        assert calls.get("/v1/x").json() == {"items": []}


def test_a_service_that_is_not_there_ends_in_a_sentence(login: Tokens) -> None:
    says_so = pytest.raises(UnavailableError, match=r"GET /v1/x failed: no complete answer came \(ConnectError")
    with Calls("http://127.0.0.1:1", login, SCOPE, sleep=lambda _: None) as calls, says_so:
        calls.get("/v1/x")


def test_a_stream_is_read_piece_by_piece_and_its_refusal_is_read(service: Service, calls: Calls) -> None:
    service.answers(error(503), PlainTextResponse("a,b\n1,2\n"), error(404, 1000, "Nothing there."))
    with calls.stream("/v1/sheet") as answer:
        assert b"".join(answer.iter_bytes()) == b"a,b\n1,2\n"
    with pytest.raises(RefusedError, match="Nothing there"), calls.stream("/v1/sheet"):
        pass


def test_a_stream_that_breaks_off_is_a_failure_that_passes(login: Tokens) -> None:
    def cut(_: httpx.Request) -> httpx.Response:
        def pieces() -> Iterator[bytes]:
            yield b"a,b\n"
            raise httpx.ReadError("connection lost")

        return httpx.Response(200, content=pieces())

    network = httpx.MockTransport(cut)
    with (
        Calls("http://127.0.0.1:1", login, SCOPE, transport=network) as calls,
        pytest.raises(UnavailableError) as raised,
        calls.stream("/v1/sheet") as answer,
    ):
        answer.read()
    assert raised.value.is_transient


def test_threads_may_share_the_calls_and_are_repeated_each_for_itself(service: Service, login: Tokens) -> None:
    seen: set[str] = set()

    def failing_once(asked: Asked) -> object:
        if asked.uri in seen:
            return {"uri": asked.uri}
        seen.add(asked.uri)
        return error(503)

    service.answer = failing_once
    with Calls(service.url, login, SCOPE, sleep=lambda _: None) as calls, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: calls.get(f"/v1/{number}").json()["uri"], range(40)))
    assert answers == [f"/v1/{number}" for number in range(40)]
    assert len(service.asked) == 80


def test_no_token_reaches_a_log_or_an_error(service: Service, calls: Calls, caplog: pytest.LogCaptureFixture) -> None:
    def repeating(asked: Asked) -> Response:
        return error(400, 3000, f"Bad header {asked.headers['authorization']}?sig=abc123&eyJhbGciOiJub25lIn0.e30.x")

    service.answer = repeating
    with caplog.at_level(logging.DEBUG), pytest.raises(RefusedError) as raised:
        calls.get("/v1/x?sig=abc123")
    logged = [record.getMessage() for record in caplog.records if not record.name.startswith("uvicorn")]
    shown = "".join(logged) + str(raised.value) + repr(raised.value) + repr(calls)
    assert not [secret for secret in ("app-token", "abc123", "eyJhb") if secret in shown]
    assert "(left out)" in str(raised.value)


def test_a_token_that_no_header_can_hold_stands_in_no_traceback(service: Service) -> None:
    class Broken(Tokens):
        def token(self, scope: str, *, as_user: bool = False) -> str:
            return f"{super().token(scope, as_user=as_user)}\nsecret-rest"

    with Calls(service.url, Broken(), SCOPE, sleep=lambda _: None) as calls, pytest.raises(UnavailableError) as raised:
        calls.get("/v1/x")
    shown = "".join(traceback.format_exception(raised.value))
    assert "header" in shown
    assert "app-token" not in shown
    assert "secret-rest" not in shown
