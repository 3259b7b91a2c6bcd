"""A purchase is made once, for the term that was asked for and no other."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from starlette.responses import JSONResponse, Response

from csp_pipeline_tests.end_to_end.gateways import forwarded
from csp_pipeline_tests.sources.answering import Asked, serving
from csp_pipeline_tests.steps.provisioning_case import ProvisioningCase, provisioning_case
from csp_pipeline_tests.steps.test_provisioning import break_with

if TYPE_CHECKING:
    from collections.abc import Iterator

    from csp_pipeline.storage.home import Home

A_YEAR = {"term_duration": "P1Y", "billing_cycle": "monthly"}
SUCCEEDED, WAITING = "succeeded", "waiting"


@pytest.fixture
def case(home: Home) -> Iterator[ProvisioningCase]:
    with provisioning_case(home) as opened:
        yield opened


def ask_for(case: ProvisioningCase, **others: Any) -> str:  # noqa: ANN401  (fields of a request)
    """Ask to buy seven of what somebody has; returns the customer it is for."""
    owner = case.subscriptions()[0]
    product_id, sku_id, _ = case.item(owner)["offerId"].split(":")
    what = {"operation": "purchase", "subscription_id": None, "product_id": product_id, "sku_id": sku_id}
    case.request("R-1", owner, 7, **what, **others)
    return owner[0]


def bought(case: ProvisioningCase, customer_id: str) -> list[dict[str, Any]]:
    """The subscriptions that came of requests."""
    items = case.state.subscriptions[customer_id].values()
    return [item for item in items if str(item["friendlyName"]).startswith("csp-pipeline ")]


def lines(case: ProvisioningCase, customer_id: str) -> list[tuple[str, int]]:
    """What was ordered for requests: subscription and units."""
    found = [line for order in case.state.orders[customer_id].values() for line in order["lineItems"]]
    named = [line for line in found if str(line["friendlyName"]).startswith("csp-pipeline ")]
    return [(line["subscriptionId"], line["quantity"]) for line in named]


@contextmanager
def without_answers_to(case: ProvisioningCase, what: str) -> Iterator[list[Asked]]:
    """A gateway that loses the answers to requests whose path ends so; yields those requests."""
    lost: list[Asked] = []
    with serving() as between, httpx.Client(base_url=case.url, timeout=30) as server:

        def forward(asked: Asked) -> Response:
            answer = forwarded(server, asked)
            if not asked.uri.endswith(what):
                return answer
            lost.append(asked)
            return JSONResponse({"message": "No answer in time."}, 504)

        between.answer = forward
        direct, case.url = case.url, between.url
        yield lost
        case.url = direct


def test_a_purchase_is_made_once_for_its_term_however_often_it_runs(case: ProvisioningCase) -> None:
    customer_id = ask_for(case, **A_YEAR)
    assert [case.run().sent for _ in range(3)] == [1, 0, 0]
    (item,) = bought(case, customer_id)
    assert (item["quantity"], item["termDuration"], item["billingCycle"]) == (7, "P1Y", "monthly")
    assert lines(case, customer_id) == [(item["id"], 7)]
    last = case.last("R-1")
    assert (case.state_of("R-1"), last["quantity_provisioned"], last["source"]) == (SUCCEEDED, 7, "order")
    assert case.log((customer_id, item["id"])) == 1


def test_a_purchase_that_does_not_say_its_term_waits_until_it_does(case: ProvisioningCase) -> None:
    customer_id = ask_for(case)
    assert (case.run().sent, case.state_of("R-1"), case.last("R-1")["reason"]) == (0, WAITING, "term_unclear")
    assert "P1M billed monthly; P1Y billed annual; P1Y billed monthly" in case.last("R-1")["message"]
    case.decide("R-1", "release")
    assert (case.run().sent, case.state_of("R-1")) == (0, WAITING)
    case.con.execute("UPDATE reference.license_change_requests SET term_duration = 'p1m'")
    case.run()
    assert case.state_of("R-1") == SUCCEEDED
    assert [item["termDuration"] for item in bought(case, customer_id)] == ["P1M"]


def test_what_is_not_sold_waits_with_what_is(case: ProvisioningCase) -> None:
    customer_id = ask_for(case, term_duration="P3Y")
    case.run()
    assert (case.state_of("R-1"), case.last("R-1")["reason"]) == (WAITING, "not_offered")
    assert bought(case, customer_id) == []


def test_a_checkout_whose_answer_is_lost_is_ordered_once(case: ProvisioningCase) -> None:
    customer_id = ask_for(case, **A_YEAR)
    with without_answers_to(case, "/checkout") as lost:
        case.run()
        assert len(lost) == 1
    for _ in range(2):
        case.run()
        assert ([units for _, units in lines(case, customer_id)], case.state_of("R-1")) == ([7], SUCCEEDED)


def test_a_cart_whose_answer_is_lost_is_not_ordered_before_it_is_known(case: ProvisioningCase) -> None:
    customer_id = ask_for(case, **A_YEAR)
    with without_answers_to(case, "/carts"):
        case.run()
    assert (lines(case, customer_id), case.state_of("R-1")) == ([], "pending")
    case.run()
    assert lines(case, customer_id) == []
    case.clock.move(hours=2)
    case.run()
    assert ([units for _, units in lines(case, customer_id)], case.state_of("R-1")) == ([7], SUCCEEDED)


@pytest.mark.parametrize("point", ["is about to be sent", "its answer is not written down"])
def test_a_run_killed_around_a_purchase_leaves_it_made_once(case: ProvisioningCase, point: str) -> None:
    customer_id = ask_for(case, **A_YEAR)
    case.killed_when(point)
    case.run()
    case.clock.move(hours=2)
    for _ in range(2):
        case.run()
        assert ([units for _, units in lines(case, customer_id)], case.state_of("R-1")) == ([7], SUCCEEDED)


def test_a_line_that_the_cart_refuses_is_the_outcome_with_its_code(case: ProvisioningCase) -> None:
    customer_id = ask_for(case, **A_YEAR)
    break_with(case, "provisioning-business")
    assert case.run().sent == 1
    assert case.run().sent == 0
    last = case.last("R-1")
    assert (case.state_of("R-1"), last["failure_class"], last["code"]) == ("failed", "business_rule", "10015")
    assert last["is_known"]
    assert bought(case, customer_id) == []


def test_nothing_is_bought_on_credit_hold_or_without_agreement(case: ProvisioningCase) -> None:
    customer_id = ask_for(case, **A_YEAR)
    case.account(customer_id, on_hold=True)
    case.run()
    assert (case.last("R-1")["reason"], bought(case, customer_id)) == ("credit_hold", [])
    case.account(customer_id, agreed=False)
    case.run()
    assert (case.last("R-1")["reason"], bought(case, customer_id)) == ("agreement_missing", [])
    case.account(customer_id)
    case.run()
    assert (case.state_of("R-1"), len(bought(case, customer_id))) == (SUCCEEDED, 1)


def test_a_purchase_that_keeps_failing_is_tried_again_and_then_told_as_failed(case: ProvisioningCase) -> None:
    customer_id = ask_for(case, **A_YEAR)
    break_with(case, "provisioning-technical")
    for _ in range(3):
        case.run()
        case.clock.move(hours=2)
    last = case.last("R-1")
    assert (case.state_of("R-1"), last["failure_class"], last["code"]) == ("failed", "technical", "800094")
    assert bought(case, customer_id) == []
    break_with(case)
    case.decide("R-1", "release")
    case.run()
    assert (case.state_of("R-1"), len(bought(case, customer_id))) == (SUCCEEDED, 1)
