"""What issuing does, as one JSON object: for `--json`, and for the metadata of the job.

What belongs here: the shape of that report. Amounts are text, so that no digit is lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from csp_pipeline.domain.descriptions import number_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from csp_pipeline.domain.invoice_changes import Change
    from csp_pipeline.domain.issued import IssuedDocument
    from csp_pipeline.steps.issue import DocumentChange, Plan


def report_of(plan: Plan, made: tuple[IssuedDocument, ...], problems: Iterable[str] = ()) -> dict[str, Any]:
    """The report of a plan and of what was issued by it.

    Args:
        plan: what was shown.
        made: what was issued now; empty when it was only shown.
        problems: what beside the documents needs a person, a sentence each.
    """
    return {
        "month": plan.month,
        "issued_now": [_issued(document) for document in made],
        "issued_before": [_issued(document) for document in plan.issued],
        "drafts": [] if made else [_drafted(one) for one in plan.documents],
        "changes_since_last_look": None if plan.since_review is None else _changes(plan.since_review),
        "changes_since_month_before": _changes(change for one in plan.documents for change in one.changes),
        "needs_a_person": [*problems, *reasons(plan)],
        "earlier_months_with_drafts": dict(plan.open_months),
    }


def reasons(plan: Plan) -> list[str]:
    """Why something does not go out, one sentence each."""
    return [*plan.stopped, *(one.reason for one in plan.held)]


def _issued(document: IssuedDocument) -> dict[str, Any]:
    return {
        "invoice_number": document.invoice_number,
        "document_type": document.document_type,
        "account_id": document.account_id,
        "account_name": document.payer.name,
        "currency": document.currency,
        "net_amount": number_text(document.net_amount),
        "tax_amount": number_text(document.tax_amount),
        "gross_amount": number_text(document.gross_amount),
        "issued_on": document.issued_on.isoformat(),
        "due_on": document.due_on.isoformat(),
        "content_sha256": document.content_sha256,
    }


def _drafted(one: DocumentChange) -> dict[str, Any]:
    draft = one.document
    return {
        "document_type": draft.document_type,
        "account_id": draft.account_id,
        "account_name": one.account_name,
        "currency": draft.currency,
        "net_amount": number_text(draft.net_amount),
        "tax_amount": number_text(draft.tax_amount),
        "gross_amount": number_text(draft.gross_amount),
        "compared_with": one.compared_with,
        "before_net_amount": number_text(one.before_amount),
        "difference_amount": number_text(draft.net_amount - one.before_amount),
        "corrects_invoice_number": draft.corrects_invoice_number,
    }


def _changes(changes: Iterable[Change]) -> list[dict[str, Any]]:
    return [
        {
            "account_id": change.account_id,
            "currency": change.currency,
            "contract_line_id": change.contract_line_id,
            "name": change.name,
            "cause": change.cause,
            "before_amount": number_text(change.before_amount),
            "amount": number_text(change.amount),
            "difference_amount": number_text(change.difference_amount),
            "explanation": change.explanation,
        }
        for change in changes
    ]
