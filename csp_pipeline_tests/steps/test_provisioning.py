"""Each change is applied exactly once: across re-runs, lost answers, kills, holds, releases and repetitions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from csp_pipeline.sandbox.server.faults import Faults
from csp_pipeline_tests.steps.provisioning_case import ProvisioningCase, provisioning_case

if TYPE_CHECKING:
    from collections.abc import Iterator

    from csp_pipeline.storage.home import Home


@pytest.fixture
def case(home: Home) -> Iterator[ProvisioningCase]:
    with provisioning_case(home) as opened:
        yield opened


def break_with(case: ProvisioningCase, *faults: str) -> None:
    """Let the server fail, or no more."""
    case.state.faults = Faults(faults)


def test_a_change_is_made_once_however_often_it_runs(case: ProvisioningCase) -> None:
    seats = case.subscriptions()[0]
    before = case.item(seats)
    case.request("R-1", seats, case.quantity(seats) + 3)
    assert case.run().sent == 1
    assert case.run().sent == 0
    after = case.item(seats)
    assert (case.state_of("R-1"), after["quantity"], case.log(seats)) == ("succeeded", before["quantity"] + 3, 1)
    assert case.last("R-1")["source"] == "provisioning_status"


def test_a_change_leaves_renewal_and_scheduled_changes_as_they_were(case: ProvisioningCase) -> None:
    seats = next(one for one in case.subscriptions() if case.item(one)["autoRenewEnabled"])
    before = case.item(seats)
    assert before["scheduledNextTermInstructions"]
    case.request("R-1", seats, case.quantity(seats) + 1)
    case.run()
    kept = ("autoRenewEnabled", "scheduledNextTermInstructions", "nextChargeInstructions", "friendlyName", "status")
    assert {name: case.item(seats)[name] for name in kept} == {name: before[name] for name in kept}
    assert case.quantity(seats) == before["quantity"] + 1


@pytest.mark.parametrize("attempts", [1, 3])
def test_a_lost_answer_is_resolved_by_asking_and_never_by_sending_again(case: ProvisioningCase, attempts: int) -> None:
    case.attempts = attempts
    seats = case.subscriptions()[0]
    wanted = case.quantity(seats) + 2
    case.request("R-1", seats, wanted)
    lost = LosingPatches(case)
    for _ in range(2):
        case.run()
        assert (lost.patches, case.state_of("R-1"), case.quantity(seats)) == (1, "succeeded", wanted)
    assert case.log(seats) == 1


def test_a_cancellation_whose_answer_is_lost_is_sent_once(case: ProvisioningCase) -> None:
    seats = case.subscriptions()[0]
    bought = (case.quantity(seats), case.now)
    case.state.provisioning._added[seats[1]] = [bought]  # noqa: SLF001  (bought today, so that it may be cancelled)
    case.request("R-1", seats, None, operation="cancel")
    lost = LosingPatches(case)
    case.run()
    assert (lost.patches, case.state_of("R-1"), case.item(seats)["status"]) == (1, "succeeded", "deleted")


class LosingPatches:
    """Drops every answer to a change: it is done, and the gateway says that it timed out."""

    def __init__(self, case: ProvisioningCase) -> None:
        from csp_pipeline.sandbox.server.answers import RefusedError  # noqa: PLC0415

        self.patches = 0
        change = case.state.provisioning.change

        def lose(*args: object, **named: object) -> object:
            self.patches += 1
            change(*args, **named)  # type: ignore[arg-type]
            raise RefusedError(504, "", "The gateway timed out.")

        case.state.provisioning.change = lose  # type: ignore[assignment]


@pytest.mark.parametrize(
    "point",
    [
        "counts.",
        "is about to be sent",
        "its answer is not written down",
        "does not count yet",
    ],
)
def test_a_kill_at_any_point_leaves_the_change_made_once(case: ProvisioningCase, point: str) -> None:
    seats = case.subscriptions()[0]
    wanted = case.quantity(seats) + 2
    case.request("R-1", seats, wanted)
    case.killed_when(point)
    case.run()
    case.run()
    assert (case.state_of("R-1"), case.quantity(seats), case.log(seats)) == ("succeeded", wanted, 1)


def test_a_kill_after_sending_is_found_done_although_somebody_changed_the_seats_since(case: ProvisioningCase) -> None:
    seats = case.subscriptions()[0]
    wanted = case.quantity(seats) + 2
    case.request("R-1", seats, wanted)
    case.killed_when("its answer is not written down")
    case.clock.move(minutes=1)
    item = case.item(seats)
    case.state.provisioning.change(*seats, {**item, "quantity": wanted + 5}, etag=None, request_id="somebody")
    case.run()
    assert (case.state_of("R-1"), case.quantity(seats)) == ("succeeded", wanted + 5)
    assert case.last("R-1")["source"] == "activity_log"


def test_an_intent_whose_subscription_somebody_else_changed_is_never_sent_again(case: ProvisioningCase) -> None:
    seats = case.subscriptions()[0]
    start = case.quantity(seats)
    case.request("R-1", seats, start + 2)
    case.killed_when("is about to be sent")
    item = case.item(seats)
    case.state.provisioning.change(*seats, {**item, "quantity": start + 7}, etag=None, request_id="somebody")
    case.run()
    assert case.state_of("R-1") == "pending"
    case.clock.move(hours=2)
    case.run()
    assert (case.state_of("R-1"), case.last("R-1")["code"]) == ("failed", "unknown_outcome")
    assert case.quantity(seats) == start + 7


def test_throttling_and_passing_failures_are_waited_for(case: ProvisioningCase) -> None:
    from csp_pipeline.sandbox.server.answers import RefusedError  # noqa: PLC0415

    seats = case.subscriptions()[0]
    change, left = case.state.provisioning.change, [429, 503]

    def stutter(*args: object, **named: object) -> object:
        if left:
            raise RefusedError(left.pop(), "", "Later.")
        return change(*args, **named)  # type: ignore[arg-type]

    case.state.provisioning.change = stutter  # type: ignore[assignment]
    case.request("R-1", seats, case.quantity(seats) + 1)
    case.attempts = 6
    case.run()
    assert (case.state_of("R-1"), case.log(seats)) == ("succeeded", 1)


def test_a_technical_failure_is_tried_again_before_it_counts_and_is_told_once(case: ProvisioningCase) -> None:
    seats = case.subscriptions()[0]
    before = case.quantity(seats)
    break_with(case, "provisioning-technical")
    case.request("R-1", seats, before + 1)
    assert case.run().sent == 2
    assert case.run().sent == 0
    last = case.last("R-1")
    assert (case.state_of("R-1"), last["failure_class"], last["code"]) == ("failed", "technical", "800094")
    assert last["advice"].startswith("It failed each time it was tried")
    assert case.quantity(seats) == before
    break_with(case)
    case.decide("R-1", "release")
    case.run()
    assert (case.state_of("R-1"), case.quantity(seats)) == ("succeeded", before + 1)


def test_a_refusal_by_rule_is_final_with_code_message_and_advice(case: ProvisioningCase) -> None:
    seats = case.subscriptions()[0]
    break_with(case, "provisioning-business")
    case.request("R-1", seats, case.quantity(seats) + 1)
    assert case.run().sent == 1
    last = case.last("R-1")
    assert (last["failure_class"], last["code"], last["is_known"]) == ("business_rule", "800067", True)
    assert "exceeds" in last["message"]
    assert last["advice"]
    assert case.run().sent == 0


def test_a_target_that_fails_again_and_again_is_left_alone_until_the_next_run(case: ProvisioningCase) -> None:
    break_with(case, "provisioning-technical")
    for number, seats in enumerate(case.subscriptions()[:6]):
        case.request(f"R-{number}", seats, case.quantity(seats) + 1)
    assert case.run().sent == 6
    assert [case.state_of(f"R-{number}") for number in range(3)] == ["failed"] * 3
    break_with(case)
    assert case.run().sent == 3
    assert [case.state_of(f"R-{number}") for number in range(3, 6)] == ["succeeded"] * 3


def test_a_purchase_whose_subscription_is_there_was_made(case: ProvisioningCase) -> None:
    seats = case.subscriptions()[0]
    case.con.execute(
        "INSERT INTO partner_center.subscriptions BY NAME SELECT ? AS customer_id, ? AS subscription_id", list(seats)
    )
    case.request("R-1", seats, 5, operation="purchase")
    assert (case.run().sent, list(case.home.ledger.glob("*.jsonl"))) == (0, [])


def test_an_accepted_change_is_followed_to_its_end(case: ProvisioningCase) -> None:
    seats = case.subscriptions(is_microsoft=False)[0]
    wanted = case.quantity(seats) + 1
    case.request("R-1", seats, wanted)
    case.run()
    assert (case.state_of("R-1"), case.quantity(seats), case.log(seats)) == ("succeeded", wanted, 1)


def test_an_accepted_change_that_is_not_provisioned_fails(case: ProvisioningCase) -> None:
    seats = case.subscriptions(is_microsoft=False)[0]
    before = case.quantity(seats)
    break_with(case, "provisioning-business")
    case.request("R-1", seats, before + 1)
    case.run()
    assert (case.state_of("R-1"), case.last("R-1")["code"]) == ("failed", "not_provisioned")
    assert case.quantity(seats) == before


def test_a_credit_hold_makes_requests_wait_and_its_end_releases_them_in_order(case: ProvisioningCase) -> None:
    seats = case.subscriptions()[0]
    start = case.quantity(seats)
    case.account(seats[0], on_hold=True)
    case.request("R-2", seats, start + 5)
    case.request("R-1", seats, start + 2)
    report = case.run()
    assert (report.sent, report.waiting, case.last("R-1")["reason"]) == (0, 2, "credit_hold")
    batches = len(list(case.home.ledger.glob("*.jsonl")))
    case.run()
    assert len(list(case.home.ledger.glob("*.jsonl"))) == batches
    case.account(seats[0], on_hold=False)
    case.run()
    quantities = [
        int(record["customizedData"][1]["value"])
        for record in case.state.audit_records
        if record["applicationId"] == "Partner Center REST API"
    ]
    assert quantities == [start + 2, start + 5]
    assert case.quantity(seats) == start + 5


def test_nobody_releases_a_request_of_an_account_on_hold(case: ProvisioningCase) -> None:
    seats = case.subscriptions()[0]
    case.account(seats[0], on_hold=True)
    case.request("R-1", seats, case.quantity(seats) + 2)
    case.run()
    case.decide("R-1", "release")
    assert case.run().sent == 0
    assert (case.state_of("R-1"), case.last("R-1")["reason"]) == ("waiting", "credit_hold")


def test_a_missing_agreement_makes_requests_wait_until_it_is_accepted(case: ProvisioningCase) -> None:
    seats = case.subscriptions(has_agreement=False)[0]
    case.account(seats[0], agreed=False)
    case.request("R-1", seats, case.quantity(seats) + 2)
    assert case.run().sent == 0
    assert case.last("R-1")["reason"] == "agreement_missing"
    case.state.agreements[seats[0]].append({"type": "MicrosoftCustomerAgreement"})
    case.account(seats[0], agreed=True)
    case.run()
    assert (case.state_of("R-1"), case.log(seats)) == ("succeeded", 1)


def test_more_than_may_be_returned_waits_and_may_be_cancelled(case: ProvisioningCase) -> None:
    seats = next(one for one in case.subscriptions() if case.quantity(one) > 1)
    before = case.quantity(seats)
    case.request("R-1", seats, 1)
    case.run()
    assert (case.last("R-1")["reason"], case.quantity(seats)) == ("window_closed", before)
    case.decide("R-1", "cancel")
    case.request("R-2", seats, before + 1)
    case.run()
    assert (case.state_of("R-1"), case.state_of("R-2"), case.quantity(seats)) == ("cancelled", "succeeded", before + 1)


def test_known_seat_limits_hold_a_request_back_until_a_person_releases_it(case: ProvisioningCase) -> None:
    seats = case.subscriptions()[0]
    product, sku, *_ = case.item(seats)["offerId"].split(":")
    case.con.execute(
        "INSERT INTO reference.seat_limits BY NAME SELECT ? AS product_id, 5 AS maximum_quantity", [product]
    )
    case.con.execute(
        "INSERT INTO partner_center.subscriptions BY NAME SELECT ? AS customer_id, ? AS subscription_id, "
        "? AS product_id, ? AS sku_id",
        [*seats, product, sku],
    )
    case.request("R-1", seats, 9_000)
    case.run()
    assert (case.last("R-1")["reason"], case.log(seats)) == ("seat_limit", 0)
    case.decide("R-1", "release")
    case.run()
    assert (case.state_of("R-1"), case.quantity(seats)) == ("succeeded", 9_000)


def test_a_request_of_last_month_is_not_sent_by_itself(case: ProvisioningCase) -> None:
    seats = case.subscriptions()[0]
    case.request("R-1", seats, case.quantity(seats) + 1)
    case.clock.move(days=31)
    case.run()
    assert case.last("R-1")["reason"] == "stale"


def test_a_request_that_cannot_be_one_fails_with_its_reason(case: ProvisioningCase) -> None:
    case.request("R-1", case.subscriptions()[0], None)
    case.run()
    assert "new_quantity must be a whole number" in case.last("R-1")["message"]


def test_a_cancellation_is_made_once_and_changes_nothing_else(case: ProvisioningCase) -> None:
    seats = case.subscriptions()[0]
    before = case.item(seats)
    bought = (int(before["quantity"]), case.clock.now.replace(tzinfo=None))
    case.state.provisioning._added[seats[1]] = [bought]  # noqa: SLF001  (bought today, so that it may be cancelled)
    case.request("R-1", seats, None, operation="cancel")
    case.run()
    case.run()
    after = case.item(seats)
    assert (after["status"], case.state_of("R-1"), case.log(seats)) == ("deleted", "succeeded", 1)
    assert after["autoRenewEnabled"] == before["autoRenewEnabled"]


def test_a_distributor_gets_an_order_file_once_and_its_confirmation_decides(case: ProvisioningCase) -> None:
    seats = case.subscriptions()[0]
    case.con.execute(
        "INSERT INTO reference.contract_lines BY NAME SELECT 'C-1' AS contract_line_id, ? AS customer_id, "
        "? AS subscription_id, 'distributor' AS cost_source, DATE '2026-01-01' AS starts_on",
        list(seats),
    )
    case.request("R-1", seats, 12)
    case.killed_when("its answer is not written down")
    case.run()
    (order,) = (case.home.orders / "sent").glob("*.csv")
    assert (case.state_of("R-1"), case.log(seats)) == ("pending", 0)
    assert ",12" in order.read_text("utf-8")
    (case.home.orders / "confirmed").mkdir()
    (case.home.orders / "confirmed" / "answer.csv").write_text(
        f"order_reference,status,quantity\n{order.stem},confirmed,12\n", "utf-8"
    )
    case.run()
    assert (case.state_of("R-1"), case.last("R-1")["quantity_provisioned"]) == ("succeeded", 12)
