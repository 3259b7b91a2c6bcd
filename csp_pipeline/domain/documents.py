"""Draft documents: charges put together by account, month and currency, with tax and a content hash.

What belongs here: order and numbering of lines, totals, tax per category, identity. Numbers, dates of issue and state
after the draft belong to `issuing`.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from csp_pipeline.domain.calendar import ONE_DAY, last_day_of
from csp_pipeline.domain.descriptions import number_text
from csp_pipeline.domain.proration import EXACT, round_half_away
from csp_pipeline.domain.quantities import ZERO

if TYPE_CHECKING:
    from datetime import date

    from csp_pipeline.domain.charges import Charge

DocumentType = Literal["invoice", "credit_note"]


@dataclass(frozen=True, slots=True)
class TaxRate:
    """A rate of a tax rate id and category, valid on the days `valid_from` to `valid_to` (inclusive, None is open)."""

    percent: Decimal
    valid_from: date | None
    valid_to: date | None

    def is_valid_on(self, day: date) -> bool:
        """Whether the rate applies on a day."""
        return (self.valid_from is None or self.valid_from <= day) and (self.valid_to is None or day <= self.valid_to)


TaxRates = Mapping[tuple[str, str], Sequence[TaxRate]]


@dataclass(frozen=True, slots=True)
class Party:
    """Who bills or who pays, as a document names them."""

    name: str | None = None
    country_code: str | None = None
    tax_id: str | None = None
    address: str | None = None


@dataclass(frozen=True, slots=True)
class Payer:
    """An account as its documents need it.

    Attributes:
        payment_terms_days: days from issue to the due date.
        is_reverse_charged: the account owes the tax itself (`taxes.is_reverse_charged`): none is charged.
    """

    party: Party = Party()
    payment_terms_days: int = 0
    is_reverse_charged: bool = False


NOBODY = Payer()
"""An account of which nothing is known."""


@dataclass(frozen=True, slots=True)
class DraftLine:
    """A line before it has a place on a document; `service_end` is the first day no longer charged.

    Attributes:
        billing_month: of the document; later than the charge's own month where that one's document is issued already.
        name: what the customer calls it; the description tells the rest.
        charge: what is charged, as delta billing knows it.
        corrects_invoice_number: the issued document that charged what this line changes.
        issued_tax_percent: the tax of the issued line that is taken back or charged anew; None when it had none.
        is_taxed_as_issued: the tax is `issued_tax_percent`, whatever the rates say now.
    """

    account_id: str
    billing_month: str
    currency: str
    decimals: int
    contract_line_id: str
    customer_id: str | None
    subscription_id: str | None
    charge_kind: str
    description: str
    service_start: date
    service_end: date
    quantity: Decimal | None
    unit_price: Decimal | None
    net_amount: Decimal
    tax_rate_id: str | None
    tax_category: str | None
    is_estimate: bool
    charge: Charge
    name: str = ""
    corrects_invoice_number: str | None = None
    issued_tax_percent: Decimal | None = None
    is_taxed_as_issued: bool = False

    @property
    def document_key(self) -> tuple[str, str, str]:
        """One document per account, month and currency."""
        return (self.account_id, self.billing_month, self.currency)

    @property
    def place(self) -> tuple[str, str, str, date, str, date, str]:
        """What lines are ordered by: customer, subscription, contract line, service start, kind (then the rest)."""
        return (
            self.customer_id or "",
            self.subscription_id or "",
            self.contract_line_id,
            self.service_start,
            self.charge_kind,
            self.service_end,
            self.charge.kind,
        )


@dataclass(frozen=True, slots=True)
class TaxTotal:
    """The tax of a category at a percentage: round(net x percent)."""

    tax_category: str | None
    percent: Decimal
    net_amount: Decimal
    tax_amount: Decimal


@dataclass(frozen=True, slots=True)
class Document:
    """A draft invoice with its lines in order and the tax percentage of each (None when no rate is known)."""

    invoice_id: str
    account_id: str
    billing_month: str
    currency: str
    payer: Payer
    taxes: tuple[TaxTotal, ...]
    content_sha256: str
    lines: tuple[DraftLine, ...]
    tax_percents: tuple[Decimal | None, ...]

    @property
    def key(self) -> tuple[str, str, str]:
        """One document per account, month and currency."""
        return (self.account_id, self.billing_month, self.currency)

    @property
    def net_amount(self) -> Decimal:
        """The sum of the lines."""
        return sum((line.net_amount for line in self.lines), ZERO)

    @property
    def tax_amount(self) -> Decimal:
        """The tax of all categories."""
        return sum((tax.tax_amount for tax in self.taxes), ZERO)

    @property
    def gross_amount(self) -> Decimal:
        """Net and tax."""
        return self.net_amount + self.tax_amount

    @property
    def is_estimate(self) -> bool:
        """Some of it rests on open-month cost, so it cannot be issued."""
        return any(line.is_estimate for line in self.lines)

    @property
    def document_type(self) -> DocumentType:
        """A negative result is a credit note."""
        return "credit_note" if self.gross_amount < 0 else "invoice"

    @property
    def corrects_invoice_number(self) -> str | None:
        """The document that a credit note corrects: of several, that of which it takes back most."""
        if self.document_type != "credit_note":
            return None
        taken: defaultdict[str, Decimal] = defaultdict(Decimal)
        for line in self.lines:
            if line.corrects_invoice_number is not None:
                taken[line.corrects_invoice_number] -= line.net_amount
        return max(taken, key=lambda number: (taken[number], number), default=None)


def tax_percent(rates: TaxRates, tax_rate_id: str | None, category: str | None, on: date) -> Decimal | None:
    """The tax of a category on a day; a rate without category serves every category that has none of its own.

    Returns:
        The percentage, or None when the account has no tax rate or none is valid on that day.
    """
    if tax_rate_id is None:
        return None
    own = rates.get((tax_rate_id, category or ""), ())
    for rate in own or rates.get((tax_rate_id, ""), ()):
        if rate.is_valid_on(on):
            return rate.percent
    return None


def draft_documents(
    lines: Iterable[DraftLine], rates: TaxRates, payers: Mapping[str, Payer] | None = None
) -> list[Document]:
    """Put lines together into documents.

    Args:
        lines: in any order.
        rates: tax rates by (tax_rate_id, category); the one valid on the last day of the billing month applies, but a
            correction has the tax of the document it corrects.
        payers: the accounts by id.

    Returns:
        One document per account, month and currency, in that order; the same lines give the same bytes.
    """
    groups: defaultdict[tuple[str, str, str], list[DraftLine]] = defaultdict(list)
    for line in lines:
        groups[line.document_key].append(line)
    known = payers or {}
    return [_document(key, sorted(groups[key], key=_place), rates, known.get(key[0], NOBODY)) for key in sorted(groups)]


def _place(line: DraftLine) -> tuple[str, str, str, date, str, date, str]:
    return line.place


def _document(key: tuple[str, str, str], lines: Sequence[DraftLine], rates: TaxRates, payer: Payer) -> Document:
    account_id, month, currency = key
    percents = tuple(_line_tax(line, rates, last_day_of(month), payer) for line in lines)
    taxes = _taxes(lines, percents)
    return Document(
        invoice_id=hashlib.sha256("\x1f".join(key).encode()).hexdigest()[:32],
        account_id=account_id,
        billing_month=month,
        currency=currency,
        payer=payer,
        taxes=taxes,
        content_sha256=_content_hash(key, lines, percents, taxes, payer),
        lines=tuple(lines),
        tax_percents=percents,
    )


def _line_tax(line: DraftLine, rates: TaxRates, on: date, payer: Payer) -> Decimal | None:
    if line.is_taxed_as_issued or line.issued_tax_percent is not None:
        return line.issued_tax_percent
    return ZERO if payer.is_reverse_charged else tax_percent(rates, line.tax_rate_id, line.tax_category, on)


def _taxes(lines: Sequence[DraftLine], percents: Sequence[Decimal | None]) -> tuple[TaxTotal, ...]:
    nets: defaultdict[tuple[str, Decimal], Decimal] = defaultdict(Decimal)
    for line, percent in zip(lines, percents, strict=True):
        nets[line.tax_category or "", percent or ZERO] += line.net_amount
    return tuple(
        TaxTotal(
            category or None,
            percent,
            nets[category, percent],
            round_half_away(EXACT.multiply(nets[category, percent], percent), Decimal(100), lines[0].decimals),
        )
        for category, percent in sorted(nets)
    )


def _content_hash(
    key: tuple[str, str, str],
    lines: Sequence[DraftLine],
    percents: Sequence[Decimal | None],
    taxes: Sequence[TaxTotal],
    payer: Payer,
) -> str:
    content = [
        *key,
        [payer.party.name, payer.party.country_code, payer.party.tax_id, payer.is_reverse_charged],
        [[tax.tax_category, *map(number_text, (tax.percent, tax.net_amount, tax.tax_amount))] for tax in taxes],
        [
            [
                line.contract_line_id,
                line.customer_id,
                line.subscription_id,
                line.charge_kind,
                line.description,
                line.service_start.isoformat(),
                (line.service_end - ONE_DAY).isoformat(),
                _optional_text(line.quantity),
                _optional_text(line.unit_price),
                number_text(line.net_amount),
                line.tax_category,
                _optional_text(percent),
                line.is_estimate,
                line.corrects_invoice_number,
            ]
            for line, percent in zip(lines, percents, strict=True)
        ],
    ]
    return hashlib.sha256(json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()


def _optional_text(number: Decimal | None) -> str | None:
    return None if number is None else number_text(number)
