"""Issuing: which drafts may become documents, which lines wait, and what a document says once it is issued.

What belongs here: the rules. Numbers are counted in `issued`; the order of the work and its files are in `steps/issue`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from csp_pipeline.domain.calendar import ONE_DAY, month_of
from csp_pipeline.domain.double_billing import charged_twice
from csp_pipeline.domain.issued import IssuedDocument, IssuedLine
from csp_pipeline.domain.posting import posting_month

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from datetime import date

    from csp_pipeline.domain.charges import Charge
    from csp_pipeline.domain.documents import Document, DraftLine, Party
    from csp_pipeline.domain.issued import Issued, Numbering

REVERSE_CHARGE_NOTE = (
    "Reverse charge: VAT is to be accounted for by the recipient (Articles 44 and 196 of Directive 2006/112/EC)."
)

_PRICED_ON_COST = frozenset({"usage", "discount", "maximum", "minimum"})


@dataclass(frozen=True, slots=True)
class UnprovenCost:
    """A provider invoice that is not proven, and the contract line and service month priced on its cost."""

    contract_line_id: str
    service_month: str
    invoice_number: str
    proof_state: str


@dataclass(frozen=True, slots=True)
class HeldLine:
    """A line that stays a draft, with the reason in a sentence."""

    line: DraftLine
    reason: str


def held_lines(document: Document, unproven: Mapping[tuple[str, str], UnprovenCost]) -> tuple[HeldLine, ...]:
    """The lines of a draft that are priced on the cost of a provider invoice that is not proven; the others go out.

    Discount, maximum and minimum follow from that cost too, so they wait with the charge of their service month.

    Args:
        document: a draft.
        unproven: by contract line and service month.
    """
    held = []
    for line in document.lines:
        cost = unproven.get((line.contract_line_id, month_of(line.service_start)))
        if cost is not None and line.charge.kind in _PRICED_ON_COST:
            held.append(
                HeldLine(
                    line,
                    f"Account {line.account_id}: {line.description} waits, because provider invoice "
                    f"{cost.invoice_number} is {cost.proof_state}; it goes onto a later document once that is proven.",
                )
            )
    return tuple(held)


def why_not(document: Document, issued: Issued) -> str | None:
    """Why a draft cannot be issued at all, as a sentence; None when it can.

    Raises:
        ValueError: its account, month and currency have an issued document, so it is no draft of these books.
    """
    if document.key in issued.by_key:
        raise ValueError(f"{issued.by_key[document.key].invoice_number} is issued for {', '.join(document.key)}.")
    account = f"Account {document.account_id}"
    if document.is_estimate:
        return f"{account} is not issued: its draft of {document.billing_month} rests on estimates of an open month."
    for line, percent in zip(document.lines, document.tax_percents, strict=True):
        if percent is None and line.tax_rate_id is not None and not line.is_taxed_as_issued:
            return (
                f"{account} is not issued: tax rate {line.tax_rate_id} has no percentage for "
                f"{line.tax_category or 'lines without category'} at the end of {document.billing_month}; "
                "add a row to tax_rates."
            )
    twice = charged_twice(document.lines, issued)
    if twice is not None:
        numbers = sorted({found.invoice_number for found in _documents_with(issued, twice, document)})
        done = "taken back" if twice.is_correction else "charged"
        return (
            f"{account} is not issued: contract line {twice.contract_line_id} would be {done} twice ({twice.kind}) "
            f"for {twice.start} to {twice.end - ONE_DAY}, which is on {', '.join(numbers) or 'this draft'} already; "
            "run csp-pipeline rebuild and look at the draft again."
        )
    return None


def _documents_with(issued: Issued, charge: Charge, draft: Document) -> Iterator[IssuedDocument]:
    """The documents of a draft's account and currency that bill days of a charge."""
    for document, line in issued.lines_by_contract.get(charge.contract_line_id, ()):
        one = line.charge
        is_there = one.kind == charge.kind and one.start < charge.end and charge.start < one.end
        if is_there and (document.account_id, document.currency) == (draft.account_id, draft.currency):
            yield document


def issue(
    draft: Document, numbering: Numbering, issued_on: date, seller: Party, closed: Collection[str] = ()
) -> IssuedDocument:
    """Make a draft a document: number, dates, parties, and the hash of everything it says.

    Args:
        draft: whole, without lines that wait.
        numbering: counts on.
        issued_on: the day of issue; its year is the number's.
        seller: who bills.
        closed: months closed for posting.
    """
    payer = draft.payer
    number = numbering.next(draft.document_type, issued_on.year)
    return IssuedDocument(
        invoice_id=draft.invoice_id,
        invoice_number=number,
        document_type=draft.document_type,
        account_id=draft.account_id,
        billing_month=draft.billing_month,
        posting_month=posting_month(draft.billing_month, closed),
        issued_on=issued_on,
        due_on=issued_on + timedelta(days=payer.payment_terms_days),
        corrects_invoice_number=draft.corrects_invoice_number,
        currency=draft.currency,
        decimals=draft.lines[0].decimals,
        net_amount=draft.net_amount,
        tax_amount=draft.tax_amount,
        taxes=draft.taxes,
        tax_note=REVERSE_CHARGE_NOTE if payer.is_reverse_charged else "",
        payer=payer.party,
        seller=seller,
        draft_sha256=draft.content_sha256,
        lines=tuple(
            IssuedLine(
                line.contract_line_id,
                line.customer_id,
                line.subscription_id,
                line.charge_kind,
                line.name,
                line.description,
                line.tax_category,
                percent,
                line.corrects_invoice_number,
                replace(line.charge, charge_id=f"{number}:{place}"),
            )
            for place, (line, percent) in enumerate(zip(draft.lines, draft.tax_percents, strict=True), 1)
        ),
    ).with_hash()
