"""Paging over real HTTP: every page once, none left out, whatever the service does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import Response

from csp_pipeline.sources.paging import IncompleteAnswerError, page_of, pages, relative_uri, uri_of
from csp_pipeline_tests.sources.answering import Service, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from csp_pipeline_tests.sources.answering import Asked

Json = dict[str, Any]


@pytest.fixture(scope="module")
def _service() -> Iterator[Service]:
    with serving() as service:
        yield service


@pytest.fixture
def service(_service: Service) -> Service:
    _service.asked.clear()
    return _service


def collection(ids: str, *, after: str = "", link: str = "", total: int | None = None) -> Json:
    answer: Json = {"totalCount": len(ids) if total is None else total, "items": [{"id": name} for name in ids]}
    if after or link:
        headers = [{"key": "MS-ContinuationToken", "value": after}] if after else []
        answer["links"] = {"next": {"uri": link or "/customers?size=2&seekOperation=Next", "headers": headers}}
    return answer


def read(service: Service, uri: str = "/v1/customers?size=2") -> str:
    with httpx.Client(base_url=service.url) as client:
        found = pages(lambda asked, headers: client.get(asked, headers=headers), uri)
        return "".join(str(item.get("id")) for page in found for item in page.items)


def asked_tokens(service: Service) -> list[str]:
    return [asked.headers.get("ms-continuationtoken", "") for asked in service.asked]


def by_token(answers: dict[str, Json]) -> Any:  # noqa: ANN401  (a function of a request)
    return lambda asked: answers[asked.headers.get("ms-continuationtoken", "")]


def lines_by_offset(rows: list[Json], most: int) -> Any:  # noqa: ANN401
    def answer(asked: Asked) -> Json:
        start, size = int(asked.query["offset"]), min(int(asked.query["size"]), most)
        part = rows[start : start + size]
        return {"totalCount": len(part), "items": part, "links": {"next": {"uri": f"{asked.uri}&offset="}}}

    return answer


def test_a_continuation_token_is_sent_back_as_a_header_until_there_is_none(service: Service) -> None:
    service.answer = by_token(
        {"": collection("ab", after="t1"), "t1": collection("cd", after="t2"), "t2": collection("e")}
    )
    assert read(service) == "abcde"
    assert asked_tokens(service) == ["", "t1", "t2"]
    assert [asked.uri for asked in service.asked[1:]] == ["/v1/customers?size=2&seekOperation=Next"] * 2


def test_a_next_link_with_two_question_marks_is_understood(service: Service) -> None:
    service.answer = by_token(
        {"": collection("ab", after="t1", link="/customers?size=2?seekOperation=Next"), "t1": collection("c")}
    )
    assert read(service) == "abc"
    assert service.asked[1].uri == "/v1/customers?size=2&seekOperation=Next"


def test_a_token_beside_the_items_is_used_when_the_link_has_none(service: Service) -> None:
    service.answer = by_token({"": collection("ab") | {"continuationToken": "t1"}, "t1": collection("c")})
    assert read(service) == "abc"


@pytest.mark.parametrize("most", [1, 2, 3, 100])
def test_offsets_advance_by_the_records_received_whatever_the_service_allows(service: Service, most: int) -> None:
    service.answer = lines_by_offset([{"id": name} for name in "abcde"], most)
    assert read(service, "/v1/invoices?size=3&offset=0") == "abcde"


def test_offsets_need_no_next_link(service: Service) -> None:
    def answer(asked: Asked) -> Json:
        start = int(asked.query["offset"])
        return collection("abcde"[start : start + 2], total=5)

    service.answer = answer
    assert read(service, "/v1/invoices?size=2&offset=0") == "abcde"
    assert len(service.asked) == 3


def test_a_collection_without_links_is_one_page(service: Service) -> None:
    service.answers(collection("abc"))
    assert read(service, "/v1/customers/c/subscriptions") == "abc"
    assert len(service.asked) == 1


def test_an_empty_collection_is_one_page_without_items(service: Service) -> None:
    service.answers({"totalCount": 0, "items": []})
    with httpx.Client(base_url=service.url) as client:
        (page,) = pages(lambda uri, headers: client.get(uri, headers=headers), "/v1/customers")
    assert (page.uri, page.items, page.body) == ("/v1/customers", [], b'{"totalCount":0,"items":[]}')


def test_a_page_sent_twice_is_taken_once_and_the_rest_is_still_read(service: Service) -> None:
    first, second = collection("ab", after="t1"), collection("cd", after="t2")
    service.answers(first, first, second, second, collection("e"))
    assert read(service) == "abcde"


def test_a_page_sent_instead_of_another_loses_nothing(service: Service) -> None:
    service.answers(
        collection("ab", after="t1"), collection("ab", after="t2"), collection("cd", after="t2"), collection("e")
    )
    assert read(service) == "abcde"
    assert asked_tokens(service) == ["", "t1", "t1", "t2"]


def test_a_page_under_a_new_token_that_stays_the_same_is_left_by_its_own_link(service: Service) -> None:
    service.answer = by_token(
        {"": collection("ab", after="t1"), "t1": collection("ab", after="t2"), "t2": collection("cd")}
    )
    assert read(service) == "abcd"


def test_an_offset_page_sent_twice_is_asked_for_again(service: Service) -> None:
    next_link = "/invoices?size=2&offset=2"
    service.answers(collection("ab", link=next_link), collection("ab", link=next_link), collection("c"))
    assert read(service, "/v1/invoices?size=2&offset=0") == "abc"
    assert [asked.query["offset"] for asked in service.asked] == ["0", "2", "2"]


def test_an_offset_is_not_advanced_past_a_page_that_came_instead_of_another(service: Service) -> None:
    def answer(asked: Asked) -> Json:
        start = int(asked.query["offset"])
        return collection("ab" if start == 2 else "abcdef"[start : start + 2], link="/invoices?size=2&offset=")

    service.answer = answer
    with pytest.raises(IncompleteAnswerError, match="/v1/invoices failed: the same page"):
        read(service, "/v1/invoices?size=2&offset=0")


def test_a_token_that_stays_the_same_is_followed_while_new_records_come(service: Service) -> None:
    service.answers(collection("ab", after="t"), collection("cd", after="t"), collection("e"))
    assert read(service) == "abcde"


def test_a_page_that_comes_for_ever_is_refused_after_a_few_requests(service: Service) -> None:
    service.answers(collection("ab", after="t"))
    with pytest.raises(IncompleteAnswerError, match="/v1/customers failed: the same page came again"):
        read(service)
    assert len(service.asked) < 10


def test_new_tokens_that_lead_nowhere_end_in_a_refusal(service: Service) -> None:
    service.answer = lambda _: collection("ab", after=f"t{len(service.asked)}")
    with pytest.raises(IncompleteAnswerError, match="again and again"):
        read(service)
    assert len(service.asked) < 10


def test_an_empty_page_that_leads_to_itself_is_the_end(service: Service) -> None:
    service.answers(collection("ab", after="t"), collection("", after="t"))
    assert read(service) == "ab"


def test_an_empty_page_between_others_does_not_end_the_collection(service: Service) -> None:
    service.answers(collection("ab", after="t1"), collection("", after="t2"), collection("c"))
    assert read(service) == "abc"


def test_lines_that_look_equal_on_one_page_are_all_kept(service: Service) -> None:
    rows = [{"quantity": 1}, {"quantity": 1}, {"quantity": 2}]
    service.answer = lines_by_offset(rows, 2)
    with httpx.Client(base_url=service.url) as client:
        found = list(pages(lambda uri, headers: client.get(uri, headers=headers), "/v1/lines?size=2&offset=0"))
    assert [item["quantity"] for page in found for item in page.items] == ["1", "1", "2"]


@pytest.mark.parametrize("repeated", [1, 2])
def test_a_page_of_lines_that_look_like_earlier_ones_is_neither_lost_nor_taken_for_new(
    service: Service, repeated: int
) -> None:
    quantities = [1, 2, 3]
    quantities[repeated] = 1

    def answer(asked: Asked) -> Json:
        at = int(asked.headers.get("ms-continuationtoken", "0"))
        page: Json = {"totalCount": 1, "items": [{"quantity": quantities[at]}]}
        header = {"key": "MS-ContinuationToken", "value": str(at + 1)}
        return page | ({"links": {"next": {"uri": "/lines", "headers": [header]}}} if at < 2 else {})

    service.answer = answer
    with pytest.raises(IncompleteAnswerError, match="the same page came again"):
        read(service, "/v1/lines?size=1")


def test_fewer_records_than_stated_are_refused(service: Service) -> None:
    service.answers(collection("ab", after="t1", total=5), collection("cd", total=5))
    with pytest.raises(IncompleteAnswerError, match="states 5 records and held 4"):
        read(service)


@given(rows=st.integers(0, 30), size=st.integers(1, 7), stutters=st.sets(st.integers(1, 40)), by_offset=st.booleans())
def test_every_record_comes_once_and_in_order_however_the_service_stutters(
    rows: int, size: int, stutters: set[int], *, by_offset: bool
) -> None:
    stutters -= {number + 1 for number in stutters} | {number + 2 for number in stutters}
    sent: list[Json] = []

    def ask(uri: str, headers: dict[str, str]) -> httpx.Response:
        query = dict(part.split("=") for part in uri.partition("?")[2].split("&"))
        start = int(query["offset"]) if by_offset else int(headers.get("MS-ContinuationToken", "0"))
        ids = [str(number) for number in range(start, min(rows, start + size))]
        answer: Json = {"totalCount": rows, "items": [{"id": name} for name in ids]}
        if start + size < rows and not by_offset:
            key = {"key": "MS-ContinuationToken", "value": str(start + size)}
            answer["links"] = {"next": {"uri": "/customers", "headers": [key]}}
        answer = sent[-1] if sent and len(sent) in stutters else answer
        sent.append(answer)
        return httpx.Response(200, json=answer)

    found = pages(ask, f"/v1/customers?size={size}" + ("&offset=0" if by_offset else ""))
    assert [item["id"] for page in found for item in page.items] == [str(number) for number in range(rows)]


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"<html>sign in</html>", "expected JSON, found 20 bytes of something else .HTTP 200."),
        (b"\xff\xfe", "expected JSON"),
        (b"[1]", "expected a JSON object"),
        (b'{"id": "a"}', "expected a collection with items"),
        (b'{"items": [1]}', "expected records in the items"),
        (b'{"items": {"id": 1}}', "expected records in the items"),
    ],
)
def test_an_answer_that_is_no_collection_is_refused_in_words(service: Service, body: bytes, found: str) -> None:
    service.answers(Response(body, media_type="application/json"))
    with pytest.raises(IncompleteAnswerError, match=f"/v1/customers failed: {found}"):
        read(service)


def test_a_refusal_does_not_repeat_the_query(service: Service) -> None:
    service.answers(Response(b"no", media_type="text/plain"))
    with pytest.raises(IncompleteAnswerError) as refused:
        read(service, "/v1/auditrecords?filter=secret")
    assert "secret" not in str(refused.value)


def test_numbers_keep_every_digit_and_the_body_every_byte() -> None:
    body = b'\xef\xbb\xbf{"Items": [{"unitPrice": 0.737757626107858, "quantity": 1e2}]}'
    page = page_of(httpx.Response(200, content=body), "/v1/x")
    assert page.items == [{"unitPrice": "0.737757626107858", "quantity": "1e2"}]
    assert page.body == body


def test_one_record_is_a_page_of_one_item() -> None:
    assert page_of(httpx.Response(200, content=b'{"isSigned": true}'), "/v1/x").items == [{"isSigned": True}]


@pytest.mark.parametrize(
    ("link", "uri"),
    [
        ("/customers?size=40", "/v1/customers?size=40"),
        ("/v1/customers?size=40", "/v1/customers?size=40"),
        ("customers/a/orders", "/v1/customers/a/orders"),
        ("https://elsewhere.example/v1/customers?size=2", "/v1/customers?size=2"),
        ("/invoices/G1/lineitems?size=2?seekOperation=Next", "/v1/invoices/G1/lineitems?size=2&seekOperation=Next"),
    ],
)
def test_a_link_is_read_as_a_path_of_the_same_service(link: str, uri: str) -> None:
    assert relative_uri(link) == uri


def test_a_query_is_quoted() -> None:
    assert (
        uri_of("/v1/auditrecords", filter='{"Field":"a b"}')
        == "/v1/auditrecords?filter=%7B%22Field%22%3A%22a%20b%22%7D"
    )
