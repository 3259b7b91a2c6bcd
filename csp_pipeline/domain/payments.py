"""Payments on issued documents: what is paid, what is open, and the payments that fit no document.

What belongs here: how payments and credit notes change the state of a document. The document itself never changes.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from csp_pipeline.domain.descriptions import number_text
from csp_pipeline.domain.money import largest_remainder
from csp_pipeline.domain.quantities import ZERO

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from csp_pipeline.domain.issued import Issued, IssuedDocument, IssuedLine

_WEIGHT_DECIMALS = 10

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
    paid = {number: sum(amounts, ZERO) for number, amounts in taken.items()}
    left = {one.invoice_number: one.gross_amount - paid.get(one.invoice_number, ZERO) for one in issued.documents}
    credited = {document.invoice_number: _credits(document, paid, left) for document in issued.documents}
    settlements = {}
    for document in issued.documents:
        amount = paid.get(document.invoice_number, ZERO)
        state = _state(document, amount, credited[document.invoice_number], left)
        settlements[document.invoice_number] = Settlement(amount, document.gross_amount - amount, state)
        if amount and abs(amount) > abs(document.gross_amount):
            told.append((document, _overpaid(document, amount)))
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


def _credits(document: IssuedDocument, paid: Mapping[str, Decimal], left: dict[str, Decimal]) -> dict[str, Decimal]:
    """What a credit note takes from each invoice that its lines correct, as amounts above 0; none for an invoice.

    What was paid back of it settles nothing: it is money of the invoices that the note makes overpaid, and of all in
    proportion only beyond that.

    Args:
        document: any document.
        paid: by number.
        left: what payments and the notes before leave open of each document; what this one takes is taken from it.
    """
    if document.document_type != "credit_note" or document.corrects_invoice_number is None:
        return {}
    unit = Decimal(1).scaleb(-document.decimals)
    shares = _shares(document)
    paid_back = int(min(max(-paid.get(document.invoice_number, ZERO), ZERO), -document.gross_amount) / unit)
    over = {number: share - _units_open(left.get(number, ZERO), share, unit) for number, share in shares.items()}
    of_overpaid = min(paid_back, sum(over.values()))
    for units, weights in (
        (of_overpaid, over),
        (paid_back - of_overpaid, {number: share - over[number] for number, share in shares.items()}),
    ):
        for number, part in _spread(units, weights).items():
            shares[number] -= part
    taken = {number: share * unit for number, share in shares.items() if share > 0}
    for number, amount in taken.items():
        if number in left:
            left[number] -= amount
    return taken


def _units_open(left: Decimal, share: int, unit: Decimal) -> int:
    """How much of a share of a note finds something open on its invoice."""
    return min(int(max(left, ZERO) / unit), share)


def _shares(document: IssuedDocument) -> dict[str, int]:
    """The amount of a credit note by invoice, in minor units.

    Of several invoices each has the part that was taken from it, with its tax; charges that stand on the note too
    lessen all in proportion.
    """
    units = int(-document.gross_amount.scaleb(document.decimals))
    weights = {number: weight for number, weight in _taken(document).items() if weight > 0}
    return _spread(units, weights or {document.corrects_invoice_number or "": 1})


def _spread(units: int, weights: Mapping[str, int]) -> dict[str, int]:
    """Whole units in proportion to weights; none where nothing weighs anything."""
    numbers = sorted(number for number, weight in weights.items() if weight)
    if not numbers:
        return {}
    return dict(zip(numbers, largest_remainder(units, [weights[number] for number in numbers]), strict=True))


def _taken(document: IssuedDocument) -> dict[str, int]:
    """What the lines of a credit note take from each invoice, with tax, in units of 1E-10 that only compare.

    A charge in the place of one that is taken back counts against it.
    """
    taken: defaultdict[str, int] = defaultdict(int)
    for line in document.lines:
        number = line.corrects_invoice_number or _replaced_on(document, line)
        if number is not None:
            gross = line.charge.net_amount * (100 + (line.tax_percent or ZERO))
            taken[number] -= int(gross.scaleb(_WEIGHT_DECIMALS))
    return taken


def _replaced_on(document: IssuedDocument, line: IssuedLine) -> str | None:
    """The invoice that charged what a line charges anew."""
    charge = line.charge
    if charge.correction is None or charge.is_correction:
        return None
    for other in document.lines:
        back = other.charge
        is_same = (back.contract_line_id, back.kind) == (charge.contract_line_id, charge.kind) and back.is_correction
        if is_same and back.start < charge.end and charge.start < back.end:
            return other.corrects_invoice_number
    return None


def _state(
    document: IssuedDocument, paid: Decimal, credited: Mapping[str, Decimal], left: Mapping[str, Decimal]
) -> State:
    """What money settles is paid; what credit notes settle, and a note that settles invoices, is credited."""
    gross = document.gross_amount
    sign = -1 if gross < 0 else 1
    if sign * paid >= sign * gross:
        return "paid" if paid or not gross else "issued"
    is_settled = left[document.invoice_number] <= 0 if gross >= 0 else bool(credited) and _is_used(credited, left)
    if is_settled:
        return "credited"
    return "part_paid" if paid else "issued"


def _is_used(credited: Mapping[str, Decimal], left: Mapping[str, Decimal]) -> bool:
    """Whether the invoices that a credit note corrects are settled by it, with nothing left to pay back."""
    return all(left.get(number) == 0 for number in credited)
