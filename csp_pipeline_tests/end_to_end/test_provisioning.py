"""Licence changes by command: made once and told once, whatever is lost or killed, and never before they may be."""

from __future__ import annotations

import shutil
import signal
from typing import TYPE_CHECKING

import pytest

from csp_pipeline_tests.end_to_end.provisioned import Desk, desk, gateway, made_up

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from csp_pipeline_tests.conftest import Once

SUCCEEDED = [("pending", "sent"), ("succeeded", None)]


@pytest.fixture(scope="module")
def fetched(once: Once) -> Path:
    """A partner, and a home that ran once before anything was asked for; tests copy it."""

    def make(folder: Path) -> None:
        made_up(folder / "partner")
        shutil.copytree(folder / "partner" / "commercial", folder / "home" / "commercial")
        with desk(folder / "home", folder / "partner") as opened:
            opened.run()

    return once("provisioning", make)


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
    with gateway(opened):
        opened.run_until_killed()
    assert (opened.quantity(seats), len(opened.patches), opened.told("R-1")) == (wanted, 1, [])
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
    with gateway(opened):
        opened.run()
    assert [(asked.uri.rpartition("/")[2], asked.json["quantity"]) for asked in opened.patches] == [
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
