"""What refusals mean: the published codes, codes nobody knows, and the sentences."""

from __future__ import annotations

import csv
from collections import Counter
from datetime import UTC, datetime
from importlib.resources import files

import httpx
import pytest

from csp_pipeline.sources.error_codes import classify, codes
from csp_pipeline.sources.provider_errors import (
    AuthenticationError,
    ProviderError,
    RefusedError,
    ThrottledError,
    UnavailableError,
    error_of,
    pause_asked,
    provider_error,
)
from csp_pipeline_tests.sources.published_codes import OF_CART_LINES, PUBLISHED

ROWS = list(csv.DictReader(files("csp_pipeline.sources").joinpath("error_codes.csv").read_text("utf-8").splitlines()))


def answer(status: int, body: object = None, text: str = "", **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return (
        httpx.Response(status, text=text, headers=named)
        if body is None
        else httpx.Response(status, json=body, headers=named)
    )


def test_every_published_code_is_in_the_table_once_per_status_with_a_class_advice_and_a_source() -> None:
    told = codes()
    counted = Counter((row["code"], row["http_status"]) for row in told)
    listed = {(code, str(status)) for status, line in PUBLISHED.items() for code in line.split()}
    assert listed - set(counted) == set()
    assert set(OF_CART_LINES.split()) - {code for code, _ in counted} == set()
    assert set(counted.values()) == {1}
    assert all(row["failure_class"] and row["advice"] and row["source"] for row in told)


def test_the_table_holds_the_published_split() -> None:
    classes = Counter(row["failure_class"] for row in ROWS if row["source"] != "graph")
    assert classes == {"business_rule": 209, "technical": 31, "authentication": 11, "caller": 8}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['code']}-{row['http_status']}")
def test_a_published_code_is_known_and_ends_in_a_sentence_with_advice(row: dict[str, str]) -> None:
    error = provider_error(int(row["http_status"]), row["code"], "", where="GET /v1/x")
    assert error.is_known
    assert error.failure_class == row["failure_class"]
    assert str(error).startswith("GET /v1/x failed (HTTP ")
    assert f"code {row['code']}" in str(error)
    assert row["text"] in str(error)
    assert error.advice
    assert str(error).endswith(error.advice)


def test_only_what_passes_is_transient() -> None:
    transient = {row["code"] for row in ROWS if classify(int(row["http_status"]), row["code"]).is_transient}
    conflicts = (
        "27009 800014 800060 800064 800072 800082 900101 900104 900109 900113 900114 900130 900216 900261 900278"
    )
    assert set(conflicts.split()) <= transient
    assert transient.isdisjoint(row["code"] for row in ROWS if row["failure_class"] != "technical")
    assert classify(400, "2055").repeat == "reread"


@pytest.mark.parametrize(
    ("status", "code", "failure_class", "is_transient", "is_known"),
    [
        (500, "", "technical", True, True),
        (503, "777777", "technical", True, False),
        (0, "", "technical", True, True),
        (408, "", "technical", True, True),
        (429, "", "technical", True, True),
        (401, "", "authentication", False, True),
        (403, "", "authentication", False, True),
        (403, "AccessDenied", "authentication", False, False),
        (403, "777777", "business_rule", False, False),
        (409, "777777", "business_rule", False, False),
        (400, "", "business_rule", False, True),
        (307, "", "technical", False, True),
    ],
)
def test_a_code_nobody_knows_is_classed_by_its_status_and_marked(
    status: int,
    code: str,
    failure_class: str,
    *,
    is_transient: bool,
    is_known: bool,
) -> None:
    meaning = classify(status, code)
    assert (meaning.failure_class, meaning.is_transient, meaning.is_known) == (failure_class, is_transient, is_known)
    assert ("not known here" in str(provider_error(status, code, "x"))) is not is_known


@pytest.mark.parametrize(
    ("status", "code", "text"),
    [
        (409, "800090", "the quantity cannot be decreased"),
        (412, "2055", "the etag is no longer valid"),
        (401, "900329", "the resource does not support tokens of the app alone"),
        (403, "2006", "the partner may not sell this offer"),
        (400, "2006", "subscriptions of this offer cannot be updated"),
        (400, "400", ""),
        (500, "800090", ""),
    ],
)
def test_a_code_is_found_under_another_refusal_too(status: int, code: str, text: str) -> None:
    assert classify(status, code).text == text


@pytest.mark.parametrize(
    ("response", "kind", "code", "said"),
    [
        (answer(400, {"code": 800090, "description": "Too late."}), RefusedError, "800090", "Too late."),
        (answer(400, {"code": "800090", "description": "Too late.", "data": []}), RefusedError, "800090", "Too late."),
        (
            answer(409, {"code": 600061, "message": "There.", "isRetryable": False}),
            RefusedError,
            "600061",
            "There.",
        ),
        (answer(429, {"statusCode": 429, "message": "Wait."}, Retry_After="57"), ThrottledError, "", "Wait."),
        (
            answer(403, {"error": {"code": "Forbidden", "message": "No.", "innerError": {"code": "x"}}}),
            AuthenticationError,
            "Forbidden",
            "No.",
        ),
        (answer(502, text="<html>Bad gateway</html>"), UnavailableError, "", "the provider gave no reason"),
        (answer(500, text="[]"), UnavailableError, "", "the provider gave no reason"),
    ],
)
def test_error_bodies_of_every_shape_are_read(
    response: httpx.Response, kind: type[ProviderError], code: str, said: str
) -> None:
    error = error_of(response, where="GET /v1/x", resource="things")
    assert type(error) is kind
    assert (error.code, error.message, error.resource) == (code, said, "things")


def test_the_request_id_is_said_for_the_provider_s_support() -> None:
    assert error_of(answer(400, {"code": 1}, MS_RequestId="abc"), where="x").request_id == "abc"
    assert "(request def)" in str(error_of(answer(404, {}, request_id="def"), where="x"))


@pytest.mark.parametrize(
    ("headers", "pause"),
    [
        ({"Retry-After": "57"}, 57.0),
        ({"Retry-After": "1.5"}, 1.5),
        ({"Retry-After": "Tue, 21 Jul 2020 04:11:55 GMT", "Date": "Tue, 21 Jul 2020 04:10:58 GMT"}, 57.0),
        ({"Retry-After": "Tue, 21 Jul 2020 04:11:00 GMT"}, 60.0),
        ({"Retry-After": "Tue, 21 Jul 2020 04:00:00 GMT"}, 0.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-5"}, None),
        ({}, None),
    ],
)
def test_the_pause_asked_for_is_read_in_seconds_or_as_a_date(headers: dict[str, str], pause: float | None) -> None:
    assert pause_asked(headers, datetime(2020, 7, 21, 4, 10, tzinfo=UTC)) == pause


@pytest.mark.parametrize(
    "secret",
    [
        "Bearer abc.def",
        "https://x.blob.core.windows.net/c?sv=1&sig=abc%2Bdef&sp=r",
        "eyJ0eXAiOiJKV1Qi.eyJhdWQiOiJ4In0.abc_def",
        "client_secret=abcdef",
        "sig%3Dabcdef",
        '{"access_token": "abcdef"}',
        '"sasToken":"abcdef"',
        '{\\"password\\":\\"abcdef\\"}',
    ],
)
def test_what_looks_like_a_secret_is_left_out_of_what_the_provider_said(secret: str) -> None:
    error = provider_error(400, "", f"Cannot use {secret} here.\nAsk again.")
    assert "abc" not in str(error)
    assert "Ask again" in error.message


def test_a_code_is_shown_as_carefully_as_a_message() -> None:
    error = error_of(answer(400, {"code": f"sig=abcdef {'x' * 1000}\n", "description": "No."}), where="GET /v1/x")
    assert "abcdef" not in str(error)
    assert "\n" not in str(error)
    assert len(error.code) <= 300


def test_what_the_provider_said_is_one_line_of_bounded_length() -> None:
    error = provider_error(500, "", "long\n" * 1000)
    assert len(error.message) == 300
    assert "\n" not in str(error)
