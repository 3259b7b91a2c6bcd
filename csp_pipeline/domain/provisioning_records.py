"""What the ledger keeps of a licence change request: the record of each thing that happens to it.

What belongs here: the fields of the records, and reading a request back. What follows from them is `provisioning`.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from csp_pipeline.domain.provisioning import ERROR, INTENT, OUTCOME, REQUEST, WAITING, ChangeRequest, utc_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from csp_pipeline.domain.provisioning import Finding, Record
    from csp_pipeline.domain.provisioning_gates import Hold


def intent_record(  # noqa: PLR0913, PLR0917  (what a sending is known by)
    request: ChangeRequest, target: str, request_id: str, quantity: int | None, version: str, at: datetime
) -> Record:
    """What is written down before a request is sent, so that a killed process knows what to ask."""
    return {
        "type": INTENT,
        "request_id": request.request_id,
        "provider_request_id": request_id,
        "target": target,
        "customer_id": request.customer_id,
        "subscription_id": request.subscription_id,
        "operation": request.operation,
        "quantity_before": quantity,
        "quantity_requested": request.quantity,
        "version": version,
        "at": utc_text(at),
    }


def waiting_record(request_id: str, hold: Hold, at: datetime) -> Record:
    """What is written down when a request has to wait."""
    return {
        "type": WAITING,
        "request_id": request_id,
        "reason": hold.reason,
        "message": hold.message,
        "next_step": hold.next_step,
        "at": utc_text(at),
    }


def error_record(request_id: str, code: str, status: int, message: str, at: datetime) -> Record:
    """What is written down when a request that was sent failed, or its answer was lost."""
    return {
        "type": ERROR,
        "request_id": request_id,
        "code": code,
        "status": status,
        "message": message,
        "at": utc_text(at),
    }


def outcome_record(request_id: str, finding: Finding, at: datetime) -> Record:
    """What is written down when an outcome is decided."""
    return {
        "type": OUTCOME,
        "request_id": request_id,
        "outcome": finding.outcome,
        "source": finding.source,
        "message": finding.message,
        "code": finding.code,
        "failure_class": finding.failure_class,
        "quantity_provisioned": finding.quantity_provisioned,
        "is_known": finding.is_known,
        "advice": finding.advice,
        "at": utc_text(at),
    }


def request_record(request: ChangeRequest) -> Record:
    """A request made by command, as the ledger keeps it."""
    return {
        "type": REQUEST,
        "request_id": request.request_id,
        "account_id": request.account_id,
        "customer_id": request.customer_id,
        "subscription_id": request.subscription_id,
        "requested_at": utc_text(request.requested_at) if request.requested_at else None,
        "requested_by": request.requested_by,
        "channel": request.channel,
        "operation": request.operation,
        "product_id": request.product_id,
        "sku_id": request.sku_id,
        "new_quantity": None if request.new_quantity is None else f"{request.new_quantity:f}",
        "term_duration": request.term_duration,
        "billing_cycle": request.billing_cycle,
    }


def request_of(record: Mapping[str, Any]) -> ChangeRequest:
    """The request that a ledger record keeps."""
    at, quantity = record["requested_at"], record["new_quantity"]
    names = ("request_id", "account_id", "customer_id", "subscription_id", "requested_by", "channel", "operation")
    return ChangeRequest(
        **{name: record[name] for name in (*names, "product_id", "sku_id")},
        requested_at=datetime.fromisoformat(at) if at else None,
        new_quantity=None if quantity is None else Decimal(quantity),
        term_duration=record.get("term_duration"),  # older records say nothing of terms
        billing_cycle=record.get("billing_cycle"),
    )
