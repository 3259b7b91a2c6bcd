"""The outbox: each alert once, repeats in a digest, retries with pauses, and nothing told twice after a kill."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from csp_pipeline.notifications.outbox import CROWD, PAUSES, QUIET, Alert, Outbox

NOW = datetime(2026, 10, 5, 12)  # noqa: DTZ001  (UTC without zone, as everywhere)


def alert(alert_id: str, *, kind: str = "unexplained_money", topic: str = "G1", at: datetime = NOW) -> Alert:
    return Alert(
        alert_id, f"event {alert_id}", kind, topic, "service_team", "json-1", None, "", f"About {topic}", "Body", at
    )


def outbox(*alerts: Alert) -> Outbox:
    made = Outbox()
    for one in alerts:
        made.take(one.as_record())
    return made


def attempt(box: Outbox, at: datetime, *ids: str, is_delivered: bool | None = True) -> None:
    """An attempt; None ends before its result is written down."""
    box.take({"type": "attempt", "alert_ids": list(ids), "digest_id": None, "at": at.isoformat()})
    if is_delivered is not None:
        error = None if is_delivered else "refused"
        said = {"type": "result", "alert_ids": list(ids), "is_delivered": is_delivered, "error": error}
        box.take({**said, "at": at.isoformat()})


def due(box: Outbox, at: datetime) -> list[list[str]]:
    return [[entry.alert.alert_id for entry in message] for message in box.due(at)]


def test_an_alert_is_due_once() -> None:
    box = outbox(alert("a"), alert("a"))
    assert due(box, NOW) == [["a"]]
    attempt(box, NOW, "a")
    assert due(box, NOW + timedelta(days=9)) == []
    assert box.entries["a"].state == "delivered"


def test_a_failed_delivery_is_tried_again_after_pauses_and_then_fails_for_good() -> None:
    box, at = outbox(alert("a")), NOW
    for pause in PAUSES:
        at += pause
        assert due(box, at - timedelta(seconds=1)) == ([] if pause else [["a"]])
        assert due(box, at) == [["a"]]
        attempt(box, at, "a", is_delivered=False)
    assert (box.entries["a"].state, box.entries["a"].attempts) == ("failed", len(PAUSES))
    assert due(box, at + timedelta(days=9)) == []


def test_an_attempt_without_a_result_is_never_repeated_by_itself() -> None:
    box = outbox(alert("a"))
    attempt(box, NOW, "a", is_delivered=None)
    assert (box.entries["a"].state, due(box, NOW + timedelta(days=9))) == ("failed", [])
    box.take({"type": "replay", "alert_ids": ["a"], "by": "operator", "at": NOW.isoformat()})
    assert due(box, NOW) == [["a"]]


def test_a_replayed_alert_goes_out_again() -> None:
    box = outbox(alert("a"))
    attempt(box, NOW, "a")
    box.take({"type": "replay", "alert_ids": ["a"], "by": "operator", "at": NOW.isoformat()})
    assert due(box, NOW + timedelta(minutes=1)) == [["a"]]


def test_repeats_wait_a_day_and_come_in_one_digest() -> None:
    box = outbox(alert("a"))
    attempt(box, NOW, "a")
    later = NOW + timedelta(hours=1)
    for name in ("b", "c"):
        box.take(alert(name, at=later).as_record())
    assert due(box, later + timedelta(hours=2)) == []
    assert due(box, later + QUIET - timedelta(hours=1, seconds=1)) == []
    assert due(box, later + QUIET) == [["b", "c"]]


def test_a_second_like_it_at_the_same_time_waits() -> None:
    assert due(outbox(alert("a"), alert("b"), alert("c", topic="G2")), NOW) == [["a"], ["c"]]


def test_a_crowd_of_one_kind_is_told_in_one_message_but_outcomes_of_changes_are_not() -> None:
    crowd = [alert(f"a{number}", topic=f"G{number}") for number in range(CROWD + 1)]
    assert [len(message) for message in outbox(*crowd).due(NOW)] == [CROWD + 1]
    outcomes = [alert(f"a{number}", kind="provisioning_failed", topic=f"R{number}") for number in range(CROWD + 1)]
    assert [len(message) for message in outbox(*outcomes).due(NOW)] == [1] * (CROWD + 1)


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 3), st.booleans(), st.integers(0, 40)), min_size=1, max_size=25
    )
)
def test_however_alerts_come_and_fail_none_is_delivered_twice_and_none_is_forgotten(
    story: list[tuple[int, int, bool, int]],
) -> None:
    box, at, told = Outbox(), NOW, list[str]()
    for number, topic, works, hours in story:
        at += timedelta(hours=hours)
        box.take(alert(f"a{number}", topic=f"G{topic}", at=at).as_record())
        for message in box.due(at):
            ids = [entry.alert.alert_id for entry in message]
            attempt(box, at, *ids, is_delivered=works)
            told += ids if works else []
    for _ in range(12):
        at += QUIET
        for message in box.due(at):
            ids = [entry.alert.alert_id for entry in message]
            attempt(box, at, *ids)
            told += ids
    assert len(told) == len(set(told))
    assert {one for one, entry in box.entries.items() if entry.state == "delivered"} == set(told)
    assert all(entry.state != "pending" for entry in box.entries.values())
