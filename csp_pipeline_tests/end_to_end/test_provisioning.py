"""Licence changes by command: made once and told once, whatever is lost or killed, and never before they may be."""

from __future__ import annotations

import shutil
import signal
from typing import TYPE_CHECKING

import pytest

from csp_pipeline_tests.end_to_end.gateways import gateway, is_attestation, is_checkout
from csp_pipeline_tests.end_to_end.provisioned import Desk, desk, made_up, run_once

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from csp_pipeline_tests.conftest import Once

SUCCEEDED = [("pending", "sent"), ("succeeded", None)]


@pytest.fixture(scope="module")
def fetched(once: Once) -> Path:
    """A partner, and a home that ran once before anything was asked for; tests copy it."""
    return once("provisioning", run_once)


@pytest.fixture
def home(fetched: Path, tmp_path: Path) -> Path:
    return shutil.copytree(fetched / "home", tmp_path / "home")


@pytest.fixture
def opened(home: Path, fetched: Path) -> Iterator[Desk]:
    with desk(home, fetched / "partner") as one:
        yield one


@pytest.mark.long
def test_an_answer_that_is_lost_is_asked_for_and_the_change_is_made_and_told_once(tmp_path: Path) -> None:
    made_up(tmp_path / "partner")
    home = tmp_path / "home"
    shutil.copytree(tmp_path / "partner" / "commercial", home / "commercial")
    with desk(home, tmp_path / "partner", "lost-answers") as opened:
        seats = opened.first_seats()
        wanted = opened.quantity(seats) + 2
        opened.ask_in_the_table("R-1", seats, wanted)
        for _ in range(2):
            opened.run()
            assert (opened.sent(), opened.quantity(seats), opened.outcomes("R-1")) == (1, wanted, SUCCEEDED)
            assert opened.told("R-1") == ["webhook", opened.service_email(seats)]


@pytest.mark.long
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no kill -9 here")
def test_a_run_killed_between_the_change_and_the_ledger_changes_and_tells_once(opened: Desk) -> None:
    seats = opened.seats()[0]
    wanted = opened.quantity(seats) + 2
    opened.ask("R-1", seats, wanted)
    with gateway(opened) as patches:
        opened.run_until_killed()
    assert (opened.quantity(seats), len(patches), opened.told("R-1")) == (wanted, 1, [])
    for _ in range(2):
        opened.run()
    assert (opened.quantity(seats), opened.sent(), opened.outcomes("R-1")) == (wanted, 1, SUCCEEDED)
    assert opened.told("R-1") == ["webhook", opened.service_email(seats)]


@pytest.mark.long
def test_what_waits_goes_out_in_order_once_the_hold_is_lifted_and_the_agreement_signed(opened: Desk) -> None:
    held, unsigned = opened.seats()[0], opened.seats(has_agreement=False)[0]
    before = {seats: opened.item(seats) for seats in (held, unsigned)}
    had = {seats: opened.quantity(seats) for seats in before}
    opened.hold(held, on_hold=True)
    for request_id, seats, more in (("R-1", held, 2), ("R-2", held, 5), ("R-3", unsigned, 1)):
        opened.ask(request_id, seats, had[seats] + more)
    opened.run()
    assert (opened.sent(), opened.reasons()) == (
        0,
        {"R-1": "credit_hold", "R-2": "credit_hold", "R-3": "agreement_missing"},
    )
    opened.hold(held, on_hold=False)
    opened.sign(unsigned)
    with gateway(opened) as patches:
        opened.run()
    assert [(asked.uri.rpartition("/")[2], asked.json["quantity"]) for asked in patches] == [
        (held[1], had[held] + 2),
        (held[1], had[held] + 5),
        (unsigned[1], had[unsigned] + 1),
    ]
    assert opened.reasons() == {}
    kept = ("autoRenewEnabled", "scheduledNextTermInstructions", "nextChargeInstructions", "friendlyName", "status")
    for seats, was in before.items():
        assert was["autoRenewEnabled"]
        assert was["scheduledNextTermInstructions"]
        assert {name: opened.item(seats)[name] for name in kept} == {name: was[name] for name in kept}
    assert opened.told("R-3") == ["webhook", "desk@example.com", "webhook", opened.service_email(unsigned)]
    assert [opened.told(one)[-1] for one in ("R-1", "R-2")] == [opened.service_email(held)] * 2


@pytest.mark.long
def test_what_is_bought_by_command_is_ordered_once_provisioned_and_told(opened: Desk) -> None:
    customer_id, model = opened.seats()[0]
    offer_id = str(opened.item((customer_id, model))["offerId"])
    opened.ask_to_buy("R-1", customer_id, offer_id)
    opened.ask_to_buy("R-2", customer_id, offer_id, "--term", "P1Y", "--billing-cycle", "monthly")
    opened.run()
    assert opened.reasons() == {"R-1": "term_unclear", "R-2": "earlier_request"}
    opened.do("provisioning", "cancel", "R-1")
    for _ in range(2):
        opened.run()
    assert opened.outcomes("R-2")[-2:] == SUCCEEDED
    bought = opened.rows("SELECT quantity FROM partner_center.subscriptions WHERE started_on >= current_date - 1")
    assert [int(quantity) for (quantity,) in bought] == [3]
    assert opened.told("R-2")[-1] == opened.service_email((customer_id, model))


@pytest.mark.long
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no kill -9 here")
def test_a_run_killed_between_the_checkout_and_the_ledger_buys_and_tells_once(opened: Desk) -> None:
    customer_id, model = opened.seats()[0]
    offer_id = str(opened.item((customer_id, model))["offerId"])
    opened.ask_to_buy("R-1", customer_id, offer_id, "--term", "P1Y", "--billing-cycle", "monthly")
    with gateway(opened, takes=is_checkout) as checkouts:
        opened.run_until_killed()
        assert (opened.ordered(customer_id), opened.told("R-1")) == ([3], [])
        for _ in range(2):
            opened.run()
            assert (opened.ordered(customer_id), opened.outcomes("R-1"), len(checkouts)) == ([3], SUCCEEDED, 1)
            assert opened.told("R-1") == ["webhook", opened.service_email((customer_id, model))]


@pytest.mark.long
@pytest.mark.parametrize("is_killed", [False, True])
def test_an_attestation_without_an_answer_is_taken_down_once_and_releases_what_waited(
    opened: Desk, *, is_killed: bool
) -> None:
    if is_killed and not hasattr(signal, "SIGKILL"):
        pytest.skip("there is no kill -9 here")
    seats = opened.seats(has_agreement=False)[0]
    wanted = opened.quantity(seats) + 1
    opened.ask("R-1", seats, wanted)
    opened.sign(seats)
    with gateway(opened, takes=is_attestation, loses=is_attestation) as attested:
        if is_killed:
            opened.run_until_killed()
        else:
            opened.run()
        sent = len(attested)
        for _ in range(2):
            opened.run()
            assert (opened.quantity(seats), opened.changes(seats)) == (wanted, [wanted])
            assert opened.told("R-1")[-1] == opened.service_email(seats)
    assert len({asked.headers["ms-requestid"] for asked in attested}) == 1
    assert len(attested) == sent
    (agreement,) = [item for page in opened.provider.partner_center.agreements(seats[0]) for item in page.items]
    assert agreement["primaryContact"]["firstName"] == "Ada"
    assert opened.rows("SELECT * FROM provisioning.agreement_gaps WHERE customer_id = ?", seats[0]) == []
    accepted = (
        "SELECT mca_signer_name, CAST(mca_accepted_on AS VARCHAR) FROM partner_center.customers WHERE customer_id = ?"
    )
    assert opened.rows(accepted, seats[0]) == [("Ada Example", "2026-10-01")]


@pytest.mark.long
def test_a_distributor_is_sent_one_order_file_when_the_hold_is_lifted_and_another_when_a_rejection_is_released(
    opened: Desk,
) -> None:
    resold, other = opened.seats()[:2]
    had = opened.quantity(resold)
    team, customer = ["webhook", "desk@example.com"], ["webhook", opened.service_email(resold)]
    opened.buy_at_a_distributor(resold)
    opened.hold(resold, on_hold=True)
    opened.ask("R-1", resold, had + 2)
    opened.ask("R-2", other, opened.quantity(other) + 1)
    opened.run()
    assert (opened.orders(), opened.reasons()["R-1"], opened.told("R-1")) == ([], "credit_hold", team)
    opened.hold(resold, on_hold=False)
    for _ in range(2):
        opened.run()
        ((first, order),) = opened.orders()
        assert (order["request_id"], order["subscription_id"], order["quantity"]) == ("R-1", resold[1], str(had + 2))
        assert opened.outcomes("R-1")[-1] == ("pending", None)
    opened.confirm(first, "rejected", "")
    for _ in range(2):
        opened.run()
        assert (len(opened.orders()), opened.outcomes("R-1")[-1]) == (1, ("failed", "rejected"))
        assert opened.told("R-1") == team * 2
    opened.do("provisioning", "release", "R-1")
    opened.run()
    ((second, again),) = [(name, row) for name, row in opened.orders() if name != first]
    assert again == order | {"order_reference": second}
    opened.confirm(second, "confirmed", str(had + 2))
    for _ in range(2):
        opened.run()
        assert (len(opened.orders()), opened.outcomes("R-1")[-1]) == (2, ("succeeded", None))
        assert opened.told("R-1") == team * 2 + customer
    assert opened.outcomes("R-2") == SUCCEEDED
    assert (opened.changes(resold), len(opened.changes(other))) == ([], 1)
