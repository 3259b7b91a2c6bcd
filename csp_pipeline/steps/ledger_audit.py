"""Everything that must hold in the ledger: the chain, the numbers, each document and its hash.

What belongs here: the order of these checks and their sentences. A ledger is never repaired.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from csp_pipeline.domain.issued import IssuedDocument, content_hash, numbering_faults
from csp_pipeline.domain.ledger_records import from_record
from csp_pipeline.domain.quantities import ZERO
from csp_pipeline.steps.issued import DOCUMENT, ISSUE
from csp_pipeline.storage.ledger import LedgerDamagedError, read_batches

if TYPE_CHECKING:
    from csp_pipeline.storage.home import Home


@dataclass(frozen=True)
class LedgerFound:
    """What a whole ledger holds."""

    batches: int
    documents: int
    last_sha256: str


def audit_ledger(home: Home) -> LedgerFound:
    """Verify the ledger.

    Raises:
        LedgerDamagedError: the first thing that does not hold, with the batch and what to do.
    """
    batches = read_batches(home.ledger)
    documents: list[IssuedDocument] = []
    keys: dict[tuple[str, str, str], str] = {}
    for batch in batches:
        for record in batch.records:
            if batch.kind != ISSUE or record["type"] != DOCUMENT:
                continue
            document = from_record(IssuedDocument, record)
            fault = _fault(document, content_hash(record))
            other = keys.setdefault(document.key, document.invoice_number)
            if other != document.invoice_number:
                fault = f"{', '.join(document.key)} has a document already, {other}"
            if fault is not None:
                raise LedgerDamagedError(
                    f"The ledger is damaged at {home.ledger / batch.name}: {document.invoice_number}: {fault}; restore "
                    "the folder from a backup, nothing was changed."
                )
            documents.append(document)
    faults = numbering_faults([document.invoice_number for document in documents])
    if faults:
        raise LedgerDamagedError(f"The ledger in {home.ledger} is damaged: {faults[0]} Restore it from a backup.")
    return LedgerFound(len(batches), len(documents), batches[-1].sha256 if batches else "")


def _fault(document: IssuedDocument, sha256: str) -> str | None:
    """What a document says against itself; None when it agrees."""
    if document.content_sha256 != sha256:
        return "its content does not give the hash that stands on it"
    if document.net_amount != sum((line.charge.net_amount for line in document.lines), ZERO):
        return "its lines do not add up to its net amount"
    if document.tax_amount != sum((tax.tax_amount for tax in document.taxes), ZERO):
        return "its taxes do not add up to its tax amount"
    return None
