"""Changing seats over real HTTP, against a subscription that forgets what it is not sent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import pytest
from starlette.responses import JSONResponse, Response

from csp_pipeline.errors import UsageError
from csp_pipeline.sources.calls import Calls
from csp_pipeline.sources.paging import IncompleteAnswerError
from csp_pipeline.sources.partner_center import PartnerCenter
from csp_pipeline.sources.provider_errors import ProviderError, RefusedError
from csp_pipeline.sources.quantity_change import QuantityChange
from csp_pipeline_tests.sources.answering import Asked, Service, TwoTokens, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from csp_pipeline.sources.login import Login

URI = "/v1/customers/c1/subscriptions/s1"
SUBSCRIPTION = b"""{
 "id": "s1", "friendlyName": "Caf\xc3\xa9 \\"1\\"", "Quantity": 10, "unitPrice": 0.737757626107858, "promotionId": null,
 "autoRenewEnabled": true, "renewalTermDuration": "",
 "scheduledNextTermInstructions": {"product": {"productId": "p", "skuId": "1"}, "quantity": 7},
 "nextChargeInstructions": {"product": {"productId": "p"}, "quantity": 8},
 "refundableQuantity": {"totalQuantity": 3, "details": []}, "attributes": {"etag": "e1", "objectType": "Subscription"}
}"""


@pytest.fixture(scope="module")
def _service() -> Iterator[Service]:
    with serving() as service:
        yield service


@pytest.fixture
def service(_service: Service) -> Service:
    _service.asked.clear()
    return _service


@pytest.fixture
def center(service: Service) -> Iterator[PartnerCenter]:
    with Calls(service.url, cast("Login", TwoTokens()), "api", sleep=lambda _: None) as calls:
        yield PartnerCenter(calls)


def subscription(**changed: object) -> Response:
    record: dict[str, Any] = json.loads(SUBSCRIPTION)
    return Response(json.dumps(record | changed), media_type="application/json")


def refused(code: int, status: int = 400) -> Response:
    return JSONResponse({"code": code, "description": "no", "data": [], "source": "x"}, status_code=status)


def sent(service: Service) -> list[Asked]:
    return [asked for asked in service.asked if asked.method == "PATCH"]


def test_every_field_is_sent_back_as_read_and_only_the_quantity_changes(
    center: PartnerCenter, service: Service
) -> None:
    service.answers(Response(SUBSCRIPTION, media_type="application/json"), subscription(Quantity=12))
    assert center.change_quantity("c1", "s1", 12, "r1") == QuantityChange("applied", 10, 12)
    (patch,) = sent(service)
    assert patch.json == json.loads(SUBSCRIPTION) | {"Quantity": 12}
    assert b"0.737757626107858" in patch.body
    assert (patch.uri, patch.headers["if-match"], patch.headers["ms-requestid"]) == (URI, "e1", "r1")
    assert (patch.headers["content-type"], patch.headers["authorization"]) == ("application/json", "Bearer app for api")


def test_the_version_in_the_header_is_used_when_the_record_has_none(center: PartnerCenter, service: Service) -> None:
    read = Response(b'{"id": "s1", "quantity": 1}', headers={"ETag": "e9"}, media_type="application/json")
    service.answers(read, Response(b'{"id": "s1", "quantity": 2}', media_type="application/json"))
    center.change_quantity("c1", "s1", 2, "r1")
    assert sent(service)[0].headers["if-match"] == "e9"


@pytest.mark.parametrize(
    "answer",
    [
        Response(status_code=202, headers={"Location": "/customers/c1/subscriptions/s1"}),
        Response(SUBSCRIPTION, headers={"Location": "customers/c1/subscriptions/s1"}, media_type="application/json"),
    ],
)
def test_a_change_under_way_is_accepted_and_tells_where_to_follow_it(
    center: PartnerCenter, service: Service, answer: Response
) -> None:
    service.answers(subscription(), answer)
    change = center.change_quantity("c1", "s1", 12, "r1")
    assert (change.outcome, change.quantity_before, change.location) == ("accepted", 10, URI)


def test_a_subscription_that_has_the_quantity_is_left_alone(center: PartnerCenter, service: Service) -> None:
    service.answers(subscription())
    assert center.change_quantity("c1", "s1", 10, "r1") == QuantityChange("unchanged", 10, 10)
    assert not sent(service)


def test_a_subscription_changed_in_between_is_read_again(center: PartnerCenter, service: Service) -> None:
    newer = subscription(autoRenewEnabled=False, attributes={"etag": "e2"})
    service.answers(subscription(), refused(2055), newer, subscription(Quantity=12))
    assert center.change_quantity("c1", "s1", 12, "r1").outcome == "applied"
    first, second = sent(service)
    assert (second.headers["if-match"], second.json["autoRenewEnabled"]) == ("e2", False)
    assert first.headers["ms-requestid"] == "r1" != second.headers["ms-requestid"]


def test_a_change_whose_answer_was_lost_counts_as_applied(center: PartnerCenter, service: Service) -> None:
    service.answers(subscription(), refused(2055), subscription(Quantity=12))
    assert center.change_quantity("c1", "s1", 12, "r1") == QuantityChange("applied", 10, 12)
    assert len(sent(service)) == 1


def test_seats_that_were_none_before_are_told_as_none(center: PartnerCenter, service: Service) -> None:
    service.answers(subscription(Quantity=0), refused(2055), subscription(Quantity=12))
    assert center.change_quantity("c1", "s1", 12, "r1") == QuantityChange("applied", 0, 12)


def test_a_subscription_that_never_holds_still_ends_in_its_refusal(center: PartnerCenter, service: Service) -> None:
    service.answer = lambda asked: subscription() if asked.method == "GET" else refused(2055)
    with pytest.raises(RefusedError) as refusal:
        center.change_quantity("c1", "s1", 12, "r1")
    assert (refusal.value.code, len(sent(service))) == ("2055", 3)


def test_a_refusal_by_rule_is_told_and_not_tried_again(center: PartnerCenter, service: Service) -> None:
    service.answers(subscription(), refused(800090))
    with pytest.raises(RefusedError) as refusal:
        center.change_quantity("c1", "s1", 2, "r1")
    assert (refusal.value.code, refusal.value.failure_class, len(sent(service))) == ("800090", "business_rule", 1)


def test_a_repeated_attempt_carries_the_same_request_id(center: PartnerCenter, service: Service) -> None:
    service.answers(subscription(), Response(status_code=503), subscription(), subscription(Quantity=12))
    assert center.change_quantity("c1", "s1", 12, "r1").outcome == "applied"
    assert [patch.headers["ms-requestid"] for patch in sent(service)] == ["r1", "r1"]


def test_after_a_failure_the_subscription_is_read_before_anything_is_sent_again(
    center: PartnerCenter, service: Service
) -> None:
    service.answers(subscription(), Response(status_code=504), subscription(Quantity=12))
    assert center.change_quantity("c1", "s1", 12, "r1") == QuantityChange("applied", 10, 12)
    assert len(sent(service)) == 1


def test_a_subscription_changed_by_somebody_else_after_a_lost_answer_is_left_alone(
    center: PartnerCenter, service: Service
) -> None:
    changed = subscription(Quantity=17, attributes={"etag": "e2"})
    service.answers(subscription(), Response(status_code=504), changed)
    with pytest.raises(ProviderError, match="changed by somebody else") as failure:
        center.change_quantity("c1", "s1", 12, "r1")
    assert (failure.value.failure_class, failure.value.repeat, len(sent(service))) == ("technical", "never", 1)


def test_a_whole_quantity_is_understood_in_any_notation(center: PartnerCenter, service: Service) -> None:
    service.answers({"id": "s1", "quantity": 10.0})
    assert center.change_quantity("c1", "s1", 10, "r1").outcome == "unchanged"


@pytest.mark.parametrize("answer", [{"id": "s1"}, {"id": "s1", "quantity": "many"}, {"id": "s1", "quantity": 1.5}])
def test_a_record_without_a_whole_quantity_is_not_changed(
    center: PartnerCenter, service: Service, answer: dict[str, object]
) -> None:
    service.answers(answer)
    with pytest.raises(IncompleteAnswerError, match="whole quantity"):
        center.change_quantity("c1", "s1", 12, "r1")
    assert not sent(service)


@pytest.mark.parametrize("quantity", [0, -3])
def test_a_quantity_below_one_is_refused_before_asking(center: PartnerCenter, service: Service, quantity: int) -> None:
    with pytest.raises(UsageError, match="at least 1"):
        center.change_quantity("c1", "s1", quantity, "r1")
    assert not service.asked
