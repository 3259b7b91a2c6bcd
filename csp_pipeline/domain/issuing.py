"""Issuing: which drafts may become documents, which lines wait, and what a document says once it is issued.

What belongs here: the rules. Numbers are counted in `issued`; the order of the work and its files are in `steps/issue`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from csp_pipeline.domain.calendar import ONE_DAY, month_of
from csp_pipeline.domain.issued import IssuedDocument, IssuedLine
from csp_pipeline.domain.posting import posting_month
from csp_pipeline.domain.quantities import ZERO
from csp_pipeline.domain.timeline import in_force

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import date
    from decimal import Decimal

    from csp_pipeline.domain.charges import Charge
    from csp_pipeline.domain.documents import Document, DraftLine, Party
    from csp_pipeline.domain.issued import Issued, Numbering

REVERSE_CHARGE_NOTE = (
    "Reverse charge: VAT is to be accounted for by the recipient (Articles 44 and 196 of Directive 2006/112/EC)."
)

_PRICED_ON_COST = frozenset({"usage", "discount", "minimum"})


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

    A discount and a minimum follow from that cost too, so they wait with the charge of their service month.

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
        numbers = sorted({found.invoice_number for found, line in _lines_with_key(issued, twice)})
        return (
            f"{account} is not issued: contract line {twice.contract_line_id} would be charged twice ({twice.kind}) "
            f"for {twice.start} to {twice.end - ONE_DAY}, which is on {', '.join(numbers) or 'this draft'} already; "
            "run csp-pipeline rebuild and look at the draft again."
        )
    return None


def charged_twice(lines: Iterable[DraftLine], issued: Issued) -> Charge | None:
    """The first charge of a draft whose key was charged before and is not taken back: the safety bound of issuing.

    A key (contract line, kind, period) may be charged again only when what was charged for it, corrections on this
    draft included, comes to nothing or covers none of its days any more; corrections are free to change it.
    """
    drafted: defaultdict[str, list[Charge]] = defaultdict(list)
    for line in lines:
        drafted[line.contract_line_id].append(line.charge)
    for contract_line_id, charges in drafted.items():
        seen = list(issued.charges_of(contract_line_id))
        corrections = [charge for charge in charges if charge.is_correction]
        for charge in charges:
            if charge.is_correction:
                continue
            if any(one.key == charge.key and not one.is_correction for one in seen):
                others = [one for one in (*seen, *corrections) if one.kind == charge.kind]
                same = [one for one in others if one.key == charge.key]
                within = [one for one in others if charge.start <= one.start and one.end <= charge.end]
                if _total(same) and _total(within) and _is_covered(charge, others):
                    return charge
            seen.append(charge)
    return None


def _is_covered(charge: Charge, others: Sequence[Charge]) -> bool:
    """Whether days of a charge's key are still charged; changes of a quantity share days, so theirs are looked at."""
    if charge.kind != "change":
        return True
    return any(part.charge.key == charge.key for part in in_force(others, may_overlap=True).parts)


def _total(charges: Sequence[Charge]) -> Decimal:
    return sum((charge.net_amount for charge in charges), ZERO)


def _lines_with_key(issued: Issued, charge: Charge) -> list[tuple[IssuedDocument, IssuedLine]]:
    lines = issued.lines_by_contract.get(charge.contract_line_id, ())
    return [(document, line) for document, line in lines if line.charge.key == charge.key]


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
