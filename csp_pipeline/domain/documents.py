"""Draft documents: charges put together by account, month and currency, with tax and a content hash.

What belongs here: order and numbering of lines, totals, tax per category, identity. Numbers, dates of issue and state
after the draft belong to issuing.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from csp_pipeline.domain.calendar import ONE_DAY, last_day_of
from csp_pipeline.domain.descriptions import number_text
from csp_pipeline.domain.proration import EXACT, round_half_away
from csp_pipeline.domain.quantities import ZERO

if TYPE_CHECKING:
    from datetime import date


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
class DraftLine:
    """A line before it has a place on a document; `service_end` is the first day no longer charged."""

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

    @property
    def document_key(self) -> tuple[str, str, str]:
        """One document per account, month and currency."""
        return (self.account_id, self.billing_month, self.currency)

    @property
    def place(self) -> tuple[str, str, str, date, str, date]:
        """What lines are ordered by: customer, subscription, contract line, service start, kind (then service end)."""
        return (
            self.customer_id or "",
            self.subscription_id or "",
            self.contract_line_id,
            self.service_start,
            self.charge_kind,
            self.service_end,
        )


@dataclass(frozen=True, slots=True)
class Document:
    """A draft invoice with its lines in order and the tax percentage of each (None when no rate is known)."""

    invoice_id: str
    account_id: str
    billing_month: str
    currency: str
    net_amount: Decimal
    tax_amount: Decimal
    is_estimate: bool
    content_sha256: str
    lines: tuple[DraftLine, ...]
    tax_percents: tuple[Decimal | None, ...]

    @property
    def gross_amount(self) -> Decimal:
        """Net and tax."""
        return self.net_amount + self.tax_amount


def tax_percent(rates: TaxRates, tax_rate_id: str | None, category: str | None, on: date) -> Decimal | None:
    """The tax of a category on a day; a rate without category serves every category that has none of its own.

    Returns:
        The percentage, or None when the account has no tax rate or none is valid on that day.
    """
    if tax_rate_id is None:
        return None
    for key in ((tax_rate_id, category or ""), (tax_rate_id, "")):
        for rate in rates.get(key, ()):
            if rate.is_valid_on(on):
                return rate.percent
    return None


def draft_documents(lines: Iterable[DraftLine], rates: TaxRates) -> list[Document]:
    """Put lines together into documents.

    Args:
        lines: in any order.
        rates: tax rates by (tax_rate_id, category); the one valid on the last day of the billing month applies.

    Returns:
        One document per account, month and currency, in that order; the same lines give the same bytes.
    """
    groups: defaultdict[tuple[str, str, str], list[DraftLine]] = defaultdict(list)
    for line in lines:
        groups[line.document_key].append(line)
    return [_document(key, sorted(groups[key], key=_place), rates) for key in sorted(groups)]


def _place(line: DraftLine) -> tuple[str, str, str, date, str, date]:
    return line.place


def _document(key: tuple[str, str, str], lines: Sequence[DraftLine], rates: TaxRates) -> Document:
    account_id, month, currency = key
    percents = tuple(tax_percent(rates, line.tax_rate_id, line.tax_category, last_day_of(month)) for line in lines)
    net_by_tax: defaultdict[tuple[str, Decimal], Decimal] = defaultdict(Decimal)
    for line, percent in zip(lines, percents, strict=True):
        net_by_tax[line.tax_category or "", percent or ZERO] += line.net_amount
    decimals = lines[0].decimals
    tax = sum(
        (
            round_half_away(EXACT.multiply(net, percent), Decimal(100), decimals)
            for (_, percent), net in net_by_tax.items()
        ),
        ZERO,
    )
    net = sum((line.net_amount for line in lines), ZERO)
    return Document(
        invoice_id=hashlib.sha256("\x1f".join(key).encode()).hexdigest()[:32],
        account_id=account_id,
        billing_month=month,
        currency=currency,
        net_amount=net,
        tax_amount=tax,
        is_estimate=any(line.is_estimate for line in lines),
        content_sha256=_content_hash(key, lines, percents, net, tax),
        lines=tuple(lines),
        tax_percents=percents,
    )


def _content_hash(
    key: tuple[str, str, str],
    lines: Sequence[DraftLine],
    percents: Sequence[Decimal | None],
    net: Decimal,
    tax: Decimal,
) -> str:
    content = [
        *key,
        number_text(net),
        number_text(tax),
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
            ]
            for line, percent in zip(lines, percents, strict=True)
        ],
    ]
    return hashlib.sha256(json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()


def _optional_text(number: Decimal | None) -> str | None:
    return None if number is None else number_text(number)
