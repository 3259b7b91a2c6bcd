"""What the provider reports as not provisioned, without what is the outcome of a request that was sent from here.

What belongs here: telling the two apart, so that nothing is told twice and nothing that others asked for is hidden.
What counts as a problem stands in `models/provisioning/reported_problems.sql`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from csp_pipeline.domain.provisioning import INTENT, OUTCOME, ChangeRequest, History, Record, key_of
from csp_pipeline.sources.provisioning_targets import LONGEST_PENDING
from csp_pipeline.sources.purchase import order_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import duckdb

    from csp_pipeline.steps.provisioning_facts import Facts

REPORTED = "provisioning.reported_problems"
_CLOCKS_APART = timedelta(minutes=5)
_ADVICE = {
    "not_provisioned": "Look at subscription and order in Partner Center, correct what they name, and ask again.",
    "pending_too_long": "Open a case with Microsoft: a change should be provisioned within a day.",
    "quantity_differs": "Look at the subscription in Partner Center; if it stays so, open a case with Microsoft.",
}
Subject = tuple[str, str]


@dataclass(frozen=True)
class _Sending:
    """A request that was sent: from when until when what happens to its subscription is its doing.

    Attributes:
        ends_at: a day after it was sent, or after it was done; None while it is not, or was refused.
    """

    at: datetime
    asked_until: datetime
    ends_at: datetime | None


def reported_by_others(con: duckdb.DuckDBPyConnection, facts: Facts) -> list[Record]:
    """The rows of provisioning.reported_problems that no request from here answers for, as events.

    Args:
        con: a connection to the warehouse; provisioning.reported_problems and partner_center are filled.
        facts: the requests and what the ledger says of them.
    """
    sendings = _sendings(con, facts)
    last_changes = {subject: max(change.changed_at for change in found) for subject, found in facts.changes.items()}
    cursor = con.execute(f"SELECT * FROM {REPORTED} ORDER BY occurred_at, event_id")
    names = [column[0] for column in cursor.description or []]
    rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return [
        {**row, "needs_triage": False, "next_step": _ADVICE.get(row["code"])}
        for row in rows
        if not _is_of_a_request(row, sendings, last_changes)
    ]


def _is_of_a_request(
    row: Mapping[str, Any], sendings: Mapping[Subject, list[_Sending]], last_changes: Mapping[Subject, datetime]
) -> bool:
    """Whether a problem is what became of a request.

    An operation is when it falls to the time in which the request was sent and worked on. A status stays, so it is as
    long as the request is not done and nobody else changed the subscription.
    """
    subject = key_of(row["customer_id"]), key_of(row["subscription_id"])
    at, changed_at = row["occurred_at"], last_changes.get(subject)
    for one in sendings.get(subject, ()):
        if row["source"] == "activity_log":
            if one.at - _CLOCKS_APART <= at <= one.asked_until:
                return True
        elif at.date() >= one.at.date() and (one.ends_at is None or at <= one.ends_at):
            return changed_at is None or changed_at <= one.asked_until
    return False


def _sendings(con: duckdb.DuckDBPyConnection, facts: Facts) -> dict[Subject, list[_Sending]]:
    """Every sending by the subscription that it changed or bought, the last one first."""
    bought = _bought(con)
    found: dict[Subject, list[_Sending]] = defaultdict(list)
    for request in facts.requests:
        for intent, sending in _sent(facts.history(request)):
            for subject in _subjects(request, intent, bought):
                found[subject].append(sending)
    return {subject: sorted(sent, key=lambda one: one.at, reverse=True) for subject, sent in found.items()}


def _sent(history: History) -> Iterator[tuple[Record, _Sending]]:
    for number, record in enumerate(history.records):
        if record["type"] == INTENT:
            outcomes = [later for later in history.records[number:] if later["type"] == OUTCOME]
            last = outcomes[-1] if outcomes else None
            at = datetime.fromisoformat(record["at"])
            told_at = datetime.fromisoformat(last["at"]) if last else at
            is_done = last is not None and last["outcome"] == "succeeded"
            yield record, _Sending(at, told_at + LONGEST_PENDING, told_at + LONGEST_PENDING if is_done else None)


def _subjects(request: ChangeRequest, intent: Record, bought: Mapping[str, list[Subject]]) -> list[Subject]:
    if request.operation == "purchase":
        return bought.get(order_name(str(intent["provider_request_id"])), [])
    return [request.subject]


def _bought(con: duckdb.DuckDBPyConnection) -> dict[str, list[Subject]]:
    """The subscriptions that orders made from here brought, by the name that the line of the order bears."""
    found: dict[str, list[Subject]] = defaultdict(list)
    rows = con.execute(
        "SELECT product_name, customer_id, subscription_id FROM partner_center.orders "
        "WHERE starts_with(product_name, ?)",
        [order_name("")],
    ).fetchall()
    for name, customer_id, subscription_id in rows:
        found[name].append((key_of(customer_id), key_of(subscription_id)))
    return found
