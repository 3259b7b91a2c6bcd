"""Documents that were issued: what they say, and the questions that later drafts ask of them.

What belongs here: issued documents as frozen values, their content hash, and what follows from all of them together
(what was charged, which months are taken, which number comes next). How a draft becomes one is `issuing`; where they
are kept is `storage/ledger`.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from csp_pipeline.domain.calendar import shift_month
from csp_pipeline.domain.charges import Charge  # noqa: TC001  (records are decoded by the annotations)
from csp_pipeline.domain.documents import DocumentType, Party, TaxTotal  # noqa: TC001  (likewise)
from csp_pipeline.domain.ledger_records import as_record

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date
    from decimal import Decimal

SERIES: dict[DocumentType, str] = {"invoice": "INV", "credit_note": "CN"}


@dataclass(frozen=True, slots=True)
class IssuedLine:
    """A line of an issued document; amount, quantity, price and period are those of its charge."""

    contract_line_id: str
    customer_id: str | None
    subscription_id: str | None
    charge_kind: str
    name: str
    description: str
    tax_category: str | None
    tax_percent: Decimal | None
    corrects_invoice_number: str | None
    charge: Charge


@dataclass(frozen=True, slots=True)
class IssuedDocument:
    """A document as it was issued; it never changes.

    Attributes:
        decimals: of the currency's minor unit.
        tax_note: what the law wants to read where no tax is charged; empty otherwise.
        draft_sha256: content hash of the draft that was approved.
        content_sha256: SHA-256 of everything else here, see `content_hash`.
    """

    invoice_id: str
    invoice_number: str
    document_type: DocumentType
    account_id: str
    billing_month: str
    posting_month: str
    issued_on: date
    due_on: date
    corrects_invoice_number: str | None
    currency: str
    decimals: int
    net_amount: Decimal
    tax_amount: Decimal
    taxes: tuple[TaxTotal, ...]
    tax_note: str
    payer: Party
    seller: Party
    draft_sha256: str
    lines: tuple[IssuedLine, ...]
    content_sha256: str = ""

    @property
    def gross_amount(self) -> Decimal:
        """Net and tax."""
        return self.net_amount + self.tax_amount

    @property
    def key(self) -> tuple[str, str, str]:
        """Account, month and currency: one document each."""
        return (self.account_id, self.billing_month, self.currency)

    def with_hash(self) -> IssuedDocument:
        """The same document with its content hash."""
        return replace(self, content_sha256=content_hash(as_record(self)))


def content_hash(record: Mapping[str, Any]) -> str:
    """SHA-256 of everything a document says: its record without the hash, keys in order, as UTF-8 JSON.

    Args:
        record: an issued document as the ledger keeps it; fields added by later versions are not in older records.
    """
    said = {name: value for name, value in record.items() if name not in {"content_sha256", "type"}}
    text = json.dumps(said, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Issued:
    """Everything that was issued, in the order of the ledger.

    Attributes:
        billing_starts_on: where billing begins, fixed by the first issue; None before it.
    """

    documents: tuple[IssuedDocument, ...] = ()
    billing_starts_on: date | None = None

    @cached_property
    def by_key(self) -> dict[tuple[str, str, str], IssuedDocument]:
        """Documents by account, month and currency."""
        return {document.key: document for document in self.documents}

    @cached_property
    def by_number(self) -> dict[str, IssuedDocument]:
        """Documents by number."""
        return {document.invoice_number: document for document in self.documents}

    @cached_property
    def lines_by_contract(self) -> dict[str, list[tuple[IssuedDocument, IssuedLine]]]:
        """Lines with their documents, by contract line, the oldest first."""
        found: defaultdict[str, list[tuple[IssuedDocument, IssuedLine]]] = defaultdict(list)
        for document in self.documents:
            for line in document.lines:
                found[line.contract_line_id].append((document, line))
        return dict(found)

    def charges_of(self, contract_line_id: str) -> tuple[Charge, ...]:
        """What was charged for a contract line, corrections included, the oldest first."""
        return tuple(line.charge for _, line in self.lines_by_contract.get(contract_line_id, ()))

    def open_month(self, account_id: str, currency: str, month: str) -> str:
        """The month whose document a charge goes to: its own, or the next whose document is not issued yet."""
        while (account_id, month, currency) in self.by_key:
            month = shift_month(month, 1)
        return month

    def corrected_by(self, charge: Charge, account_id: str, currency: str) -> tuple[IssuedDocument, IssuedLine] | None:
        """The latest issued line that charged what a charge takes back or changes; None when nothing did.

        Only documents of the account and currency of the charge count: a contract line that moved to another account
        corrects nothing there. A correction that names the charge it takes back changes that one, another a line of its
        own kind in the same days; anything negative, such as seats removed, takes from what was charged for the
        contract line in those days.
        """
        if not charge.is_correction and charge.net_amount >= 0:
            return None
        lines = [
            (document, line)
            for document, line in self.lines_by_contract.get(charge.contract_line_id, ())
            if (document.account_id, document.currency) == (account_id, currency)
        ]
        if charge.reverses:
            for document, line in lines:
                if line.charge.charge_id == charge.reverses:
                    return document, line
        overlapping = [
            (document, line)
            for document, line in lines
            if line.charge.start < charge.end and charge.start < line.charge.end and not line.charge.is_correction
        ]
        same = [pair for pair in overlapping if pair[1].charge.kind == charge.kind]
        if charge.is_correction and same:
            return same[-1]
        charged = [pair for pair in overlapping if pair[1].charge.net_amount > 0]
        return charged[-1] if charged else None

    @cached_property
    def last_month(self) -> str | None:
        """The latest month charged by an issued document; None when nothing was issued."""
        return max((line.charge.invoice_month for document in self.documents for line in document.lines), default=None)


@dataclass
class Numbering:
    """Gapless numbers by series and year of issue: INV-2026-000001, CN-2026-000001."""

    _last: Counter[tuple[str, int]] = field(default_factory=Counter)

    @classmethod
    def after(cls, numbers: Iterable[str]) -> Numbering:
        """The numbering that goes on after those given."""
        numbering = cls()
        for number in numbers:
            series, year, count = parse_number(number)
            numbering._last[series, year] = max(numbering._last[series, year], count)
        return numbering

    def next(self, document_type: DocumentType, year: int) -> str:
        """The next number of a document's series and year."""
        series = SERIES[document_type]
        self._last[series, year] += 1
        return f"{series}-{year:04d}-{self._last[series, year]:06d}"


def parse_number(number: str) -> tuple[str, int, int]:
    """Series, year and count of a document's number."""
    series, year, count = number.rsplit("-", 2)
    return series, int(year), int(count)


def numbering_faults(numbers: Sequence[str]) -> list[str]:
    """One sentence for each number that is missing or there twice, by series and year."""
    counts: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
    for number in numbers:
        series, year, count = parse_number(number)
        counts[series, year].append(count)
    faults = []
    for (series, year), found in sorted(counts.items()):
        expected = range(1, len(found) + 1)
        if sorted(found) != list(expected):
            odd = next(count for count, right in zip(sorted(found), expected, strict=True) if count != right)
            faults.append(
                f"Series {series}-{year}: number {odd} was not expected here; numbers run from 1 without gap."
            )
    return faults
