"""Buying at the sandbox: what is on offer, what a cart says, and that it is ordered once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from csp_pipeline_tests.sandbox.server.partner_center_case import (
    AS_USER,
    Json,
    PartnerCenterCaller,
    calling,
    read,
    state_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

UNSIGNED = 5


@pytest.fixture
def service() -> Iterator[PartnerCenterCaller]:
    with calling(state_of()) as caller:
        yield caller


def licence_of(service: PartnerCenterCaller) -> str:
    """The offer of a licence that somebody has."""
    items = (item for owned in service.state.subscriptions.values() for item in owned.values())
    return str(next(item["offerId"] for item in items if item["billingType"] == "license" and ":" in item["offerId"]))


def customer(service: PartnerCenterCaller, number: int = 0) -> str:
    return f"/v1/customers/{list(service.state.customers)[number]}"


def post(service: PartnerCenterCaller, uri: str, body: Json, **headers: str) -> httpx.Response:
    return service.http.post(uri, json=body, headers=AS_USER | headers)


def cart(service: PartnerCenterCaller, owner: str, **others: object) -> Json:
    line = {"id": 0, "catalogItemId": licence_of(service), "quantity": 3, "termDuration": "P1Y"}
    answer = post(service, f"{owner}/carts", {"lineItems": [{**line, "billingCycle": "annual", **others}]})
    assert answer.status_code == 201
    return read(answer)


def test_a_licence_is_on_offer_for_each_term(service: PartnerCenterCaller) -> None:
    product_id, sku_id, availability_id = licence_of(service).split(":")
    uri = f"{customer(service)}/products/{product_id}/skus"
    (item,) = service.get(f"{uri}/{sku_id}/availabilities")["items"]
    assert (item["id"], item["catalogItemId"]) == (availability_id, licence_of(service))
    assert {term["duration"] for term in item["terms"]} == {"P1M", "P1Y"}
    assert service.get(f"{uri}/none/availabilities")["items"] == []


def test_a_cart_is_ordered_once_and_its_subscription_is_there(service: PartnerCenterCaller) -> None:
    owner = customer(service)
    uri = f"{owner}/carts/{cart(service, owner)['id']}"
    assert service.get(uri)["status"] == "Active"
    (order,) = read(post(service, f"{uri}/checkout", {}))["orders"]
    (line,) = order["lineItems"]
    bought = service.get(f"{owner}/subscriptions/{line['subscriptionId']}")
    assert (bought["quantity"], bought["termDuration"], bought["orderId"]) == (3, "P1Y", order["id"])
    assert bought["refundableQuantity"]["totalQuantity"] == 3
    assert service.get(f"{owner}/orders/{order['id']}") == order
    (provisioned,) = service.get(f"{owner}/orders/{order['id']}/provisioningstatus")["items"]
    assert provisioned["status"] == "Fulfilled"
    again = post(service, f"{uri}/checkout", {})
    assert (again.status_code, read(again)["code"], service.get(uri)["status"]) == (400, "800065", "Ordered")


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"catalogItemId": "none:0001:none"}, 10001),
        ({"billingCycle": "triennial"}, 10013),
        ({"quantity": 0}, 10010),
        ({"quantity": 10_001}, 10015),
    ],
)
def test_a_line_that_cannot_be_bought_carries_its_error_and_is_not_ordered(
    service: PartnerCenterCaller, wrong: Json, code: int
) -> None:
    owner = customer(service)
    made = cart(service, owner, **wrong)
    assert made["lineItems"][0]["error"]["errorCode"] == code
    assert read(post(service, f"{owner}/carts/{made['id']}/checkout", {}))["code"] == "800009"


def test_the_same_request_id_is_the_same_cart(service: PartnerCenterCaller) -> None:
    body = {"lineItems": [{"catalogItemId": licence_of(service), "quantity": 1}]}
    carts = [post(service, f"{customer(service)}/carts", body, **{"MS-RequestId": "once"}) for _ in range(2)]
    assert len({read(answer)["id"] for answer in carts}) == 1


def test_nothing_is_ordered_without_an_agreement_or_from_no_cart(service: PartnerCenterCaller) -> None:
    owner = customer(service, UNSIGNED)
    refused = post(service, f"{owner}/carts/{cart(service, owner)['id']}/checkout", {})
    assert (refused.status_code, read(refused)["code"]) == (403, "13605")
    assert read(post(service, f"{owner}/carts/none/checkout", {}))["code"] == "800008"
    assert post(service, f"{owner}/carts", {}).status_code == 400
