"""Licence changes while the provider fails: each made at most once, and told once, to whom it concerns.

The server and the command are processes of their own; a webhook and a mailbox count what they are told.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from csp_pipeline_tests.end_to_end.processes import sandbox
from csp_pipeline_tests.end_to_end.provisioned import Desk, desk_at, made_up

if TYPE_CHECKING:
    from pathlib import Path

    from csp_pipeline_tests.conftest import Once

TEAM = ["webhook", "desk@example.com"]
RUNS = 2


@pytest.fixture
def partner(once: Once) -> Path:
    return once("faulty", lambda folder: made_up(folder / "partner")) / "partner"


@pytest.fixture
def home(partner: Path, tmp_path: Path) -> Path:
    shutil.copytree(partner / "commercial", tmp_path / "home" / "commercial")
    return tmp_path / "home"


def message(opened: Desk, request_id: str) -> str:
    """The one message about a request, as the webhook got it."""
    (said,) = [asked.json["message"] for asked in opened.hook.asked if request_id in asked.json["message"]]
    return str(said)


@pytest.mark.long
@pytest.mark.parametrize(
    "faults",
    [("throttle",), ("lost-answers",), ("throttle", "lost-answers"), ("server-errors", "lost-answers")],
    ids="+".join,
)
def test_what_only_delays_or_hides_the_answer_changes_once_and_tells_the_customer_once(
    home: Path, partner: Path, faults: tuple[str, ...]
) -> None:
    with sandbox(partner, *faults) as connection, desk_at(home, connection) as opened:
        seats = opened.first_seats()
        wanted = opened.quantity(seats) + 2
        opened.ask_in_the_table("R-1", seats, wanted)
        for _ in range(RUNS):
            opened.start("run")
            assert (opened.quantity(seats), opened.changes(seats), opened.outcomes("R-1")) == (
                wanted,
                [wanted],
                [("pending", "sent"), ("succeeded", None)],
            )
            assert opened.told("R-1") == ["webhook", opened.service_email(seats)]


def fails(opened: Desk, outcomes: list[tuple[str, str]] | None) -> str:
    """Ask for two more seats and run again and again: nothing is changed, the team is told once. The subscription."""
    seats = opened.first_seats()
    had = opened.quantity(seats)
    opened.ask_in_the_table("R-1", seats, had + 2)
    for _ in range(RUNS):
        opened.start("run")
        assert (opened.quantity(seats), opened.changes(seats), opened.told("R-1")) == (had, [], TEAM)
        assert outcomes is None or sorted(opened.outcomes("R-1")) == outcomes
    return seats


@pytest.mark.long
@pytest.mark.parametrize("others", [(), ("throttle",), ("throttle", "server-errors")], ids="+".join)
def test_a_technical_failure_is_tried_twice_before_the_service_team_hears_of_it_once(
    home: Path, partner: Path, others: tuple[str, ...]
) -> None:
    with sandbox(partner, "provisioning-technical", *others) as connection, desk_at(home, connection) as opened:
        fails(opened, [("failed", "800094"), ("pending", "sent"), ("pending", "sent")])
        said = message(opened, "R-1")
        assert "Class: technical\nCode: 800094\n" in said
        assert "csp-pipeline provisioning release R-1" in said


@pytest.mark.long
@pytest.mark.parametrize("others", [(), ("throttle",)], ids="+".join)
def test_a_refusal_by_rule_is_told_the_service_team_once_with_what_it_needs(
    home: Path, partner: Path, others: tuple[str, ...]
) -> None:
    with sandbox(partner, "provisioning-business", *others) as connection, desk_at(home, connection) as opened:
        seats = fails(opened, [("failed", "800067"), ("pending", "sent")])
        said = message(opened, "R-1")
        for needed in (
            "Class: business rule\nCode: 800067\nMessage: The seat count exceeds",
            f"Price affected: {opened.price(seats, 2)}",
            "\nNext step: ",
        ):
            assert needed in said


@pytest.mark.long
@pytest.mark.parametrize("fault", ["provisioning-technical", "provisioning-business"])
def test_a_failure_whose_answer_is_lost_too_is_told_once_and_nothing_is_changed(
    home: Path, partner: Path, fault: str
) -> None:
    with sandbox(partner, fault, "lost-answers") as connection, desk_at(home, connection) as opened:
        fails(opened, None)
