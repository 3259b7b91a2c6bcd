"""Fills the schema `provisioning` from the ledger, the staged files and the terms; nothing is sent here.

What belongs here: rows and their order. What a request's history means is `domain/provisioning`, what the provider
reports stands in `models/provisioning/*.sql`, alerts are in `alert_tables`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from csp_pipeline.domain.provisioning import (
    INTENT,
    ChangeRequest,
    History,
    LoggedChange,
    Record,
    event_row,
    events_of,
    key_of,
)
from csp_pipeline.domain.provisioning_gates import hold_on
from csp_pipeline.models.catalogue import load_catalogue
from csp_pipeline.sources.error_codes import codes
from csp_pipeline.steps.journal import utc_now
from csp_pipeline.steps.provisioning import target_of
from csp_pipeline.steps.provisioning_facts import ATTESTATION, Affected, Facts, read_facts
from csp_pipeline.steps.provisioning_reports import REPORTED, reported_by_others
from csp_pipeline.storage.rows import as_arrow
from csp_pipeline.storage.warehouse import replace_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import duckdb

    from csp_pipeline.settings import Settings

REQUESTS, EVENTS = "provisioning.requests", "provisioning.events"
GAPS, PERFORMANCE, CODES = "provisioning.agreement_gaps", "provisioning.performance", "provisioning.error_codes"
TOLD_WITHIN = timedelta(days=7)
"""What was over longer ago when it was first seen is history, and nobody is told of it any more."""
_FINISHED = frozenset({"succeeded", "failed", "cancelled"})


def build_provisioning(con: duckdb.DuckDBPyConnection, settings: Settings, now: datetime | None = None) -> Facts:
    """Fill requests, events, what the provider reports, agreement gaps, performance and the table of codes.

    Args:
        con: a writing connection on which the staged views exist, unfiltered.
        settings: where the ledger is, and whether requests are sent.
        now: UTC without zone; the clock's when None.

    Returns:
        The facts that they rest on.
    """
    facts, at = read_facts(con, settings.home), now or utc_now()
    histories = {request.request_id: _told_by_log(facts, request, at, settings) for request in facts.requests}
    rows = [_request_row(facts, request, *histories[request.request_id], at) for request in facts.requests]
    write_rows(con, REQUESTS, rows)
    _select(con, REPORTED)
    told = [row for request in facts.requests for row in histories[request.request_id][1]]
    write_rows(con, EVENTS, [*told, *reported_by_others(con, facts)])
    attested = sorted({key_of(record["customer_id"]) for record in facts.records if _is_accepted(record)})
    con.execute(
        "CREATE OR REPLACE TEMP TABLE attested_customers AS SELECT unnest($1::VARCHAR[]) AS customer", [attested]
    )
    for key in (GAPS, PERFORMANCE):
        _select(con, key)
    write_rows(con, CODES, ({**row, "http_status": int(row["http_status"])} for row in codes()))
    return facts


def _is_accepted(record: Mapping[str, Any]) -> bool:
    return record["type"] == ATTESTATION and bool(record["is_accepted"])


def _told_by_log(
    facts: Facts, request: ChangeRequest, now: datetime, settings: Settings
) -> tuple[History, list[Record]]:
    """The history of a request and its events; one that the ledger does not know is told by the log or the gates."""
    history = facts.history(request)
    if history.records:
        return history, events_of(request, history)
    done = facts.settled(request)
    told = _done(done) if done is not None else _not_sent(facts, request, now, settings)
    return history, [event_row(request, 0, told)]


def _done(change: LoggedChange) -> Record:
    return {
        "occurred_at": change.changed_at,
        "outcome": "succeeded",
        "message": "The change log tells of the change.",
        "quantity_provisioned": change.quantity_after,
        "source": "activity_log",
        "needs_triage": False,
    }


def _not_sent(facts: Facts, request: ChangeRequest, now: datetime, settings: Settings) -> Record:
    hold = hold_on(request, facts.standing(request, None), now, is_released=False) if not request.fault() else None
    code, message = "not_sent", "It goes out with the next run."
    next_step = None
    if hold is not None:
        code, message, next_step = hold.reason, hold.message, hold.next_step
    elif not settings.is_provisioning_on:
        code, message = "provisioning_off", "Provisioning is switched off, so nothing is sent."
        next_step = "Set CSP_PROVISIONING to on, or carry it out by hand."
    return {
        "occurred_at": request.requested_at or now,
        "outcome": "waiting",
        "code": code,
        "message": message,
        "source": "gate",
        "next_step": next_step,
        "needs_triage": False,
    }


def _request_row(facts: Facts, request: ChangeRequest, history: History, events: list[Record], now: datetime) -> Record:
    last, intent = events[-1], history.last(INTENT)
    state = "cancelled" if last.get("code") == "cancelled" else last["outcome"]
    finished_at = last["occurred_at"] if state in _FINISHED else None
    before = None if intent is None or intent["quantity_before"] is None else Decimal(intent["quantity_before"])
    sold = facts.affected(request)
    is_settled_here = bool(history.records)
    return {
        **{name: getattr(request, name) for name in ("request_id", "customer_id", "subscription_id", "operation")},
        **{name: getattr(request, name) for name in ("requested_at", "requested_by", "channel")},
        "account_id": request.account_id or facts.tenants.get(key_of(request.customer_id)),
        "target": target_of(facts, request),
        "state": state,
        **{name: last.get(name) for name in ("failure_class", "code", "message", "next_step")},
        "quantity_before": before,
        "quantity_requested": last["quantity_requested"],
        "quantity_provisioned": last.get("quantity_provisioned") if state == "succeeded" else None,
        "sent_at": datetime.fromisoformat(intent["at"]) if intent else None,
        "finished_at": finished_at,
        "provider_request_id": intent["provider_request_id"] if intent else None,
        "price_affected_amount": _price(request, before, sold),
        "currency": sold.currency if sold else None,
        "is_told": is_settled_here or (finished_at is not None and now - finished_at <= TOLD_WITHIN),
    }


def _price(request: ChangeRequest, before: Decimal | None, sold: Affected | None) -> Decimal | None:
    """The change of quantity at the contract's price; a purchase is a change from nothing."""
    had = Decimal(0) if request.operation == "purchase" else before
    if sold is None or sold.unit_price is None or had is None:
        return None
    return (Decimal(request.quantity) - had) * sold.unit_price


def _select(con: duckdb.DuckDBPyConnection, key: str) -> None:
    table = load_catalogue()[key]
    select = table.select()
    if select is None:
        raise LookupError(f"models/{key.replace('.', '/')}.sql is missing")
    replace_rows(con, table, select)


def write_rows(con: duckdb.DuckDBPyConnection, key: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Replace a table of the schema by rows made in Python; a name that a row lacks is NULL."""
    table = load_catalogue()[key]
    con.register("provisioning_rows", as_arrow(table, rows))
    try:
        replace_rows(con, table, "SELECT * FROM provisioning_rows")
    finally:
        con.unregister("provisioning_rows")
