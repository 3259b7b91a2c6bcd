"""Changing the quantity of a subscription: what is checked, what is reset, what is remembered, and how it ends."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from csp_pipeline_tests.sandbox.server.partner_center_case import (
    AS_USER,
    SMALL,
    Clock,
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
TECHNICAL, BUSINESS = "provisioning-technical", "provisioning-business"


class Subscriptions(PartnerCenterCaller):
    """A client that changes subscriptions, and the clock the server goes by."""

    clock: Clock

    def uri(self, *, is_microsoft: bool = True, customer: int | None = None) -> str:
        """An active subscription by the seat that renews."""
        ids = list(self.state.customers)
        for customer_id in ids if customer is None else [ids[customer]]:
            for item in self.state.subscriptions[customer_id].values():
                wanted = (item["billingType"], item["status"], item["isMicrosoftProduct"], item["autoRenewEnabled"])
                if wanted == ("license", "active", is_microsoft, True):
                    return f"/v1{item['links']['self']['uri']}"
        raise AssertionError("the scenario has no such subscription")

    def change(self, uri: str, body: Json, **headers: str) -> httpx.Response:
        return self.http.patch(uri, json=body, headers=AS_USER | headers)

    def set_quantity(self, uri: str, quantity: int, **headers: str) -> httpx.Response:
        """Read, change one field, send the whole."""
        return self.change(uri, self.get(uri) | {"quantity": quantity}, **headers)

    def operations(self, uri: str) -> list[tuple[str, int, int, str]]:
        """What the activity log of today says about a subscription."""
        records = self.items(f"/v1/auditrecords?startDate={self.clock.now.date()}")
        subscription_id = uri.rpartition("/")[2]
        return [
            (
                record["operationType"],
                json.loads(record["resourceOldValue"])["Quantity"],
                json.loads(record["resourceNewValue"])["Quantity"],
                record["operationStatus"],
            )
            for record in records
            if json.loads(record["resourceNewValue"])["Id"] == subscription_id
        ]


@contextmanager
def changing(*faults: str) -> Iterator[Subscriptions]:
    clock = Clock()
    with calling(state_of(SMALL, *faults, clock=clock)) as caller:
        client = Subscriptions(caller.http, caller.state)
        client.clock = clock
        yield client


@pytest.fixture
def client() -> Iterator[Subscriptions]:
    with changing() as changed:
        yield changed


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, read(answer)["code"]


def test_more_seats_are_there_at_once_in_the_log_and_provisioned(client: Subscriptions) -> None:
    uri = client.uri()
    before = client.get(uri)
    answer = client.set_quantity(uri, before["quantity"] + 3)
    assert answer.status_code == 200
    after = client.get(uri)
    assert read(answer) == after
    assert after["quantity"] == before["quantity"] + 3
    assert after["attributes"]["etag"] != before["attributes"]["etag"]
    kept = {
        name: value for name, value in after.items() if name not in ("quantity", "attributes", "refundableQuantity")
    }
    assert kept.items() <= before.items()
    assert client.operations(uri) == [("update_subscription", before["quantity"], after["quantity"], "succeeded")]
    assert client.get(f"{uri}/provisioningstatus")["quantity"] == after["quantity"]


def test_the_same_request_id_is_applied_once(client: Subscriptions) -> None:
    uri = client.uri()
    body = client.get(uri) | {"quantity": 77}
    sent_as = {"MS-RequestId": "the-first"}
    first, second = client.change(uri, body, **sent_as), client.change(uri, body, **sent_as)
    assert (first.status_code, read(first)) == (second.status_code, read(second))
    assert len(client.operations(uri)) == 1


def test_a_version_that_is_no_longer_the_latest_is_refused(client: Subscriptions) -> None:
    uri = client.uri()
    old = client.get(uri)
    client.set_quantity(uri, old["quantity"] + 1)
    assert refusal(client.change(uri, old | {"quantity": 200})) == (400, "2055")
    latest = client.get(uri) | {"quantity": 200}
    assert refusal(client.change(uri, latest, **{"If-Match": old["attributes"]["etag"]})) == (400, "2055")
    assert client.change(uri, latest, **{"If-Match": latest["attributes"]["etag"]}).status_code == 200


def test_what_is_left_out_of_the_body_is_reset(client: Subscriptions) -> None:
    uri = client.uri()
    before = client.get(uri)
    assert before["autoRenewEnabled"]
    assert before["scheduledNextTermInstructions"]["quantity"] == before["quantity"]
    charge = {"product": before["scheduledNextTermInstructions"]["product"], "quantity": 1}
    whole = read(client.change(uri, before | {"nextChargeInstructions": charge}))
    assert whole["nextChargeInstructions"] == charge
    after = read(client.change(uri, {"quantity": before["quantity"] + 1}))
    fields = ("autoRenewEnabled", "scheduledNextTermInstructions", "nextChargeInstructions")
    assert [after[name] for name in fields] == [False, None, None]
    assert after["friendlyName"] == before["friendlyName"]


def test_names_are_matched_in_any_case(client: Subscriptions) -> None:
    uri = client.uri()
    body = {name[0].upper() + name[1:]: value for name, value in client.get(uri).items()} | {"Quantity": 88}
    after = read(client.change(uri, body))
    assert (after["quantity"], after["autoRenewEnabled"]) == (88, True)


def test_seats_can_be_returned_for_seven_days_after_they_were_added(client: Subscriptions) -> None:
    uri = client.uri()
    before = client.get(uri)
    assert before["refundableQuantity"] == {"totalQuantity": 0, "details": []}
    assert refusal(client.set_quantity(uri, before["quantity"] - 1)) == (400, "800090")
    client.set_quantity(uri, before["quantity"] + 5)
    client.clock.move(days=3)
    added = read(client.set_quantity(uri, before["quantity"] + 9))["refundableQuantity"]
    assert added == {
        "totalQuantity": 9,
        "details": [
            {"quantity": 5, "allowedUntilDateTime": "2026-10-12T12:00:00Z"},
            {"quantity": 4, "allowedUntilDateTime": "2026-10-15T12:00:00Z"},
        ],
    }
    assert read(client.set_quantity(uri, before["quantity"] + 4))["refundableQuantity"]["totalQuantity"] == 4
    client.clock.move(days=4)
    assert client.get(uri)["refundableQuantity"]["totalQuantity"] == 0
    assert refusal(client.set_quantity(uri, before["quantity"])) == (400, "800090")


def test_rules_of_the_provider_refuse_a_change(client: Subscriptions) -> None:
    uri = client.uri()
    whole = client.get(uri)
    assert refusal(client.change(uri, whole | {"quantity": 10_001})) == (403, "800067")
    assert refusal(client.change(uri, whole | {"quantity": 0})) == (400, "2002")
    assert refusal(client.change(uri, whole | {"quantity": "5"})) == (400, "800002")
    assert refusal(client.change(uri, whole | {"quantity": 500, "autoRenewEnabled": False})) == (400, "800093")
    unsigned = client.uri(customer=UNSIGNED)
    assert refusal(client.set_quantity(unsigned, 500)) == (403, "13605")
    assert client.operations(unsigned)[0][3] == "failed"
    assert client.get(uri) == whole


def test_usage_based_plans_have_no_seats_to_change(client: Subscriptions) -> None:
    items = next(iter(client.state.subscriptions.values())).values()
    plan = next(item for item in items if item["billingType"] == "usage")
    assert refusal(client.set_quantity(f"/v1{plan['links']['self']['uri']}", 2)) == (400, "2002")


def test_a_change_at_another_publisher_is_accepted_first_and_provisioned_later(client: Subscriptions) -> None:
    uri = client.uri(is_microsoft=False)
    before = client.get(uri)["quantity"]
    answer = client.set_quantity(uri, before + 2)
    assert (answer.status_code, answer.headers["Location"]) == (202, uri.removeprefix("/v1"))
    order_id = client.get(uri)["orderId"]
    orders = f"{uri.partition('/subscriptions/')[0]}/orders/{order_id}/provisioningstatus"
    assert client.get(orders)["items"][0]["status"] == "PrefulfillmentPending"
    first, second = client.get(f"{uri}/provisioningstatus"), client.get(f"{uri}/provisioningstatus")
    assert [(told["status"], told["quantity"]) for told in (first, second)] == [
        ("pending", before),
        ("success", before + 2),
    ]
    assert client.get(orders)["items"][0]["status"] == "Fulfilled"
    assert [operation[3] for operation in client.operations(uri)] == ["progress", "succeeded"]


def test_an_accepted_change_has_ended_before_the_next_one(client: Subscriptions) -> None:
    uri = client.uri(is_microsoft=False)
    before = client.get(uri)["quantity"]
    for more in (1, 2):
        assert client.set_quantity(uri, before + more).status_code == 202
    assert [operation[1:] for operation in client.operations(uri)] == [
        (before, before + 1, "progress"),
        (before, before + 1, "succeeded"),
        (before + 1, before + 2, "progress"),
    ]


@pytest.mark.parametrize(
    ("fault", "told", "status", "line_status"),
    [
        (TECHNICAL, (500, "800094"), "pending", "PrefulfillmentPending"),
        (BUSINESS, (403, "800067"), "failed", "Unfulfilled"),
    ],
)
def test_faults_of_provisioning_show_in_answers_statuses_and_the_log(
    fault: str, told: tuple[int, str], status: str, line_status: str
) -> None:
    with changing(fault) as client:
        uri = client.uri()
        before = client.get(uri)
        for _ in range(2):  # sent again under the same id it is refused again, and is one operation in the log
            answer = client.set_quantity(uri, before["quantity"] + 1, **{"MS-RequestId": "the-first"})
            assert refusal(answer) == told
        assert client.get(uri) == before
        assert [operation[3] for operation in client.operations(uri)] == ["failed"]
        seats = next(seats for seats in client.state.scenario.seats if seats.is_listed)
        customer = f"/v1/customers/{seats.customer.customer_id}"
        assert client.get(f"{customer}/subscriptions/{seats.subscription_id}/provisioningstatus")["status"] == status
        lines = client.get(f"{customer}/orders/{seats.order_id}/provisioningstatus")["items"]
        assert lines[0]["status"] == line_status


def test_a_change_that_fails_after_it_was_accepted_leaves_the_old_quantity() -> None:
    with changing(BUSINESS) as client:
        uri = client.uri(is_microsoft=False)
        before = client.get(uri)["quantity"]
        assert client.set_quantity(uri, before + 2).status_code == 202
        statuses = [client.get(f"{uri}/provisioningstatus") for _ in range(2)]
        assert [(told["status"], told["quantity"]) for told in statuses] == [("pending", before), ("failed", before)]
        assert client.get(uri)["quantity"] == before
        assert [operation[3] for operation in client.operations(uri)] == ["progress", "failed"]
