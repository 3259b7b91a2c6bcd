"""The issued side of delta billing: what a contract line should be charged, less what was issued, as draft lines.

What belongs here: which issued charges are compared with which expected ones, and the document a difference goes to.
What is expected is derived in `billing`, the difference itself is `domain/charges.deltas`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from csp_pipeline.domain.calendar import ONE_DAY
from csp_pipeline.domain.charges import Charge, deltas
from csp_pipeline.domain.descriptions import describe
from csp_pipeline.domain.documents import DraftLine
from csp_pipeline.domain.priced_words import priced_words

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from datetime import date

    from csp_pipeline.domain.issued import Issued
    from csp_pipeline.steps.billing_facts import ContractTerms


@dataclass(frozen=True, slots=True)
class Untold:
    """What the facts do not tell of a contract line now: it is neither charged nor taken back.

    Attributes:
        is_all: no charge of it can be told, as its quantity is not known.
        months: service months of it that cannot be told, as a rate is missing.
    """

    is_all: bool = False
    months: Collection[str] = ()


def open_lines(
    terms: ContractTerms,
    expected: Sequence[Charge],
    issued: Issued,
    untold: Untold = Untold(),
) -> list[DraftLine]:
    """The draft lines of a contract line: what it should be charged minus what was issued for it.

    What was issued to another account or in another currency than its terms say now is taken back there.

    Args:
        terms: the contract line.
        expected: every charge of it since billing began.
        issued: everything issued.
        untold: issued charges that are left alone.

    Raises:
        ValueError: the same charge for the same period is expected twice.
    """
    line_id = terms.line.contract_line_id
    now = (terms.account_id, terms.currency)
    groups: dict[tuple[str, str], list[Charge]] = {now: []}
    decimals = {now: terms.line.decimals}
    for document, line in issued.lines_by_contract.get(line_id, ()):
        key = (document.account_id, document.currency)
        decimals[key] = document.decimals
        if not untold.is_all and line.charge.invoice_month not in untold.months:
            groups.setdefault(key, []).append(line.charge)
    return [
        _draft_line(terms, charge, issued, (*account, decimals[account]), lines)
        for account, charged in groups.items()
        for lines in (deltas(expected if account == now else (), charged, decimals[account]),)
        for charge in lines
    ]


def lines_without_terms(issued: Issued, known: Collection[str]) -> Iterator[tuple[str, str]]:
    """Account and contract line of issued charges whose contract line is not in the terms any more."""
    for contract_line_id, lines in sorted(issued.lines_by_contract.items()):
        if contract_line_id not in known:
            yield lines[-1][0].account_id, contract_line_id


def _draft_line(
    terms: ContractTerms,
    charge: Charge,
    issued: Issued,
    account: tuple[str, str, int],
    beside: Sequence[Charge],
) -> DraftLine:
    account_id, currency, decimals = account
    corrected = issued.corrected_by(charge, account_id, currency) if issued.documents else None
    reversal = None if corrected else _reversal_beside(charge, beside)
    taxed = issued.corrected_by(reversal, account_id, currency) if reversal else corrected
    return DraftLine(
        account_id=account_id,
        billing_month=issued.open_month(account_id, currency, charge.invoice_month),
        currency=currency,
        decimals=decimals,
        contract_line_id=charge.contract_line_id,
        customer_id=terms.customer_id,
        subscription_id=terms.subscription_id,
        charge_kind=charge.charge_kind,
        name=terms.name,
        description=describe(
            charge,
            terms.name,
            terms.unit_name,
            priced=priced_words(terms.line, charge),
            ended_on=_ended_on(terms, charge),
        ),
        service_start=charge.start,
        service_end=charge.end,
        quantity=charge.quantity,
        unit_price=charge.unit_price,
        net_amount=charge.net_amount,
        tax_rate_id=terms.tax_rate_id,
        tax_category=terms.tax_category,
        is_estimate=charge.is_estimate,
        charge=charge,
        corrects_invoice_number=corrected[0].invoice_number if corrected else None,
        issued_tax_percent=taxed[1].tax_percent if taxed else None,
        is_taxed_as_issued=taxed is not None,
    )


def _ended_on(terms: ContractTerms, charge: Charge) -> date | None:
    """The first day after the contract line, where that is why a charge is short or days are taken back."""
    end = terms.line.calendar.end
    if end is None or terms.line.is_one_time:
        return None
    if charge.is_correction:
        is_after = charge.correction is not None and charge.correction.reason == "ended" and charge.start >= end
        return end if is_after else None
    cycle = next(iter(terms.line.calendar.cycles(charge.start, charge.start + ONE_DAY)), None)
    is_cut = cycle is not None and cycle.end == end < cycle.full_end
    return end if is_cut and charge.kind == "recurring" and charge.end == end else None


def _reversal_beside(charge: Charge, beside: Sequence[Charge]) -> Charge | None:
    """The reversal in whose place a charge stands: the pair has one tax, that of the issued line."""
    if charge.correction is None or charge.is_correction:
        return None
    for other in beside:
        if other.kind == charge.kind and other.is_correction and other.start < charge.end and charge.start < other.end:
            return other
    return None
