"""What was issued, read from the ledger, and who is on a document: accounts as payers, the partner as seller.

What belongs here: reading. The rules are in `domain/issued`, the files in `storage/ledger`.
"""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING

from csp_pipeline.domain.documents import Party, Payer
from csp_pipeline.domain.issued import Issued, IssuedDocument
from csp_pipeline.domain.ledger_records import from_record
from csp_pipeline.domain.taxation import is_reverse_charged
from csp_pipeline.formats.tax_ids import tax_id_state
from csp_pipeline.storage.ledger import head_of, read_batches

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

    from csp_pipeline.settings import Settings
    from csp_pipeline.storage.home import Home

ISSUE = "issue"
DOCUMENT, BILLING_STARTS_ON = "document", "billing_starts_on"


def read_issued(home: Home) -> Issued:
    """Everything that was issued; the ledger is verified when it is read, and read again when its files changed.

    Raises:
        LedgerDamagedError: the ledger is damaged.
    """
    return _read(home.ledger, head_of(home.ledger))


@lru_cache(maxsize=2)
def _read(ledger: Path, _head: str) -> Issued:
    documents: list[IssuedDocument] = []
    starts_on: date | None = None
    for batch in read_batches(ledger):
        if batch.kind != ISSUE:
            continue
        for record in batch.records:
            if record["type"] == BILLING_STARTS_ON:
                starts_on = date.fromisoformat(record["billing_starts_on"])
            elif record["type"] == DOCUMENT:
                documents.append(from_record(IssuedDocument, record))
    return Issued(tuple(documents), starts_on)


def seller(settings: Settings) -> Party:
    """Who bills, as the settings name it."""
    return Party(settings.partner_name, settings.partner_country, settings.partner_tax_id, settings.partner_address)


def read_payers(con: duckdb.DuckDBPyConnection, settings: Settings) -> tuple[dict[str, Payer], dict[str, str]]:
    """The accounts as payers, and one sentence for each whose tax id is none of its country, by account_id."""
    payers: dict[str, Payer] = {}
    faults: dict[str, str] = {}
    rows = con.execute(
        "SELECT account_id, name, country_code, tax_id, coalesce(payment_terms_days, 0) FROM reference.accounts"
    ).fetchall()
    for account_id, name, country, tax_id, terms_days in rows:
        state = tax_id_state(tax_id, country)
        is_reversed = is_reverse_charged(settings.partner_country, country, has_valid_tax_id=state == "valid")
        payers[account_id] = Payer(Party(name, country, tax_id), terms_days, is_reversed)
        if state == "invalid":
            faults[account_id] = (
                f"Account {account_id}: tax id {tax_id} is not a valid number of {country.upper()}, so tax is charged "
                "by tax_rates and never left to the customer; correct tax_id or country_code in accounts."
            )
    return payers, faults
