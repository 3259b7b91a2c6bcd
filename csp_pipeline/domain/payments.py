"""Payments on issued documents: what is paid, what is open, and the payments that fit no document.

What belongs here: how payments and credit notes change the state of a document. The document itself never changes.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from csp_pipeline.domain.descriptions import number_text
from csp_pipeline.domain.quantities import ZERO

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from csp_pipeline.domain.issued import Issued, IssuedDocument

State = Literal["issued", "part_paid", "paid", "credited"]


@dataclass(frozen=True, slots=True)
class Payment:
    """Money taken for a document; negative when it was paid back."""

    payment_id: str
    account_id: str
    invoice_number: str | None
    amount: Decimal
    currency: str | None


@dataclass(frozen=True, slots=True)
class Settlement:
    """Where a document stands.

    Attributes:
        paid_amount: payments taken.
        balance_amount: gross less payments; credit notes have balances of their own.
    """

    paid_amount: Decimal
    balance_amount: Decimal
    state: State


def settle(
    issued: Issued, payments: Iterable[Payment]
) -> tuple[dict[str, Settlement], list[tuple[Payment | IssuedDocument, str]]]:
    """Take payments for documents.

    Args:
        issued: every document.
        payments: in any order.

    Returns:
        Each document's settlement by number; and for each payment that fits no document, and each document that was
        paid too much, a sentence that says so.
    """
    taken: defaultdict[str, list[Decimal]] = defaultdict(list)
    told: list[tuple[Payment | IssuedDocument, str]] = []
    by_number = {number.upper(): document for number, document in issued.by_number.items()}
    for payment in sorted(payments, key=lambda one: one.payment_id):
        document = by_number.get((payment.invoice_number or "").strip().upper())
        reason = _why_not(payment, document)
        if document is not None and reason is None:
            taken[document.invoice_number].append(payment.amount)
        else:
            told.append((payment, f"Payment {payment.payment_id} is not taken: {reason}"))
    credited = _credited(issued)
    settlements = {}
    for document in issued.documents:
        paid = sum(taken[document.invoice_number], ZERO)
        settlement = _settlement(document, paid, credited)
        settlements[document.invoice_number] = settlement
        if paid and abs(paid) > abs(document.gross_amount):
            told.append((document, _overpaid(document, paid)))
    return settlements, told


def _why_not(payment: Payment, document: IssuedDocument | None) -> str | None:
    if document is None:
        return f"no document {payment.invoice_number or '(blank)'} was issued; correct its invoice_number in payments."
    if payment.account_id != document.account_id:
        return (
            f"{document.invoice_number} is of account {document.account_id}, the payment of {payment.account_id}; "
            "correct one of the two in payments."
        )
    if payment.currency != document.currency:
        return (
            f"it is in {payment.currency or 'no currency'}, {document.invoice_number} in {document.currency}; enter "
            "what was received in the document's currency."
        )
    return None


def _overpaid(document: IssuedDocument, paid: Decimal) -> str:
    over = number_text(abs(paid) - abs(document.gross_amount))
    return (
        f"{document.invoice_number} of account {document.account_id} was paid {number_text(paid)} "
        f"{document.currency}, {over} more than its {number_text(document.gross_amount)}; pay it back or enter it on "
        "another document."
    )


def _credited(issued: Issued) -> Mapping[str, Decimal]:
    """What credit notes take from each invoice, as an amount above 0."""
    credited: defaultdict[str, Decimal] = defaultdict(Decimal)
    for document in issued.documents:
        if document.document_type == "credit_note" and document.corrects_invoice_number is not None:
            credited[document.corrects_invoice_number] -= document.gross_amount
    return credited


def _settlement(document: IssuedDocument, paid: Decimal, credited: Mapping[str, Decimal]) -> Settlement:
    gross = document.gross_amount
    credit = credited.get(document.invoice_number, ZERO)
    sign = -1 if gross < 0 else 1
    is_covered = sign * (paid + credit) >= sign * gross
    state: State = "issued"
    if credit and is_covered and sign * paid < sign * gross:
        state = "credited"
    elif is_covered and (paid or not gross):
        state = "paid"
    elif paid:
        state = "part_paid"
    return Settlement(paid, gross - paid, state)
