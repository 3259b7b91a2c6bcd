"""Documents made by hand for tests of what is issued."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from csp_pipeline.domain.charges import Charge
from csp_pipeline.domain.documents import Document, DraftLine, Party, Payer, TaxRate, draft_documents
from csp_pipeline.domain.issued import Issued, IssuedDocument, Numbering
from csp_pipeline.domain.issuing import issue

SELLER = Party("Example Cloud GmbH", "DE", "DE136695976", "1 Example Street\nExample Town")
RATES = {("DE", "standard"): [TaxRate(Decimal(19), None, None)], ("DE", "reduced"): [TaxRate(Decimal(7), None, None)]}


def charge(net: str, start: str = "2026-01-01", end: str = "2026-02-01", **others: Any) -> Charge:  # noqa: ANN401
    """A recurring charge of contract line L1 for January 2026."""
    first, after = date.fromisoformat(start), date.fromisoformat(end)
    given = {"quantity": Decimal(1), "unit_price": Decimal(net), "invoice_month": start[:7], "kind": "recurring"}
    return Charge(
        **{"contract_line_id": "L1", "start": first, "end": after, "net_amount": Decimal(net), **given, **others}
    )


def line(made: Charge, month: str = "2026-01", **others: Any) -> DraftLine:  # noqa: ANN401
    """A line of account A1 in EUR, taxed as standard."""
    given = {
        "account_id": "A1",
        "currency": "EUR",
        "decimals": 2,
        "customer_id": "c1",
        "subscription_id": None,
        "name": "Seats",
        "description": "Seats, 1 to 31 January 2026",
        "tax_rate_id": "DE",
        "tax_category": "standard",
    }
    return DraftLine(
        **{
            "billing_month": month,
            "contract_line_id": made.contract_line_id,
            "charge_kind": made.charge_kind,
            "service_start": made.start,
            "service_end": made.end,
            "quantity": made.quantity,
            "unit_price": made.unit_price,
            "net_amount": made.net_amount,
            "is_estimate": made.is_estimate,
            "charge": made,
            **given,
            **others,
        }
    )


def draft(*lines: DraftLine, payer: Payer | None = None) -> Document:
    """One draft of these lines."""
    known = {lines[0].account_id: payer} if payer is not None else {}
    (document,) = draft_documents(lines, RATES, known)
    return document


def issued(*documents: Document, on: date = date(2026, 2, 8)) -> Issued:
    """These drafts, issued one after another."""
    made: list[IssuedDocument] = []
    for document in documents:
        numbering = Numbering.after(one.invoice_number for one in made)
        made.append(issue(document, numbering, on, SELLER))
    return Issued(tuple(made), date(2026, 1, 1))
