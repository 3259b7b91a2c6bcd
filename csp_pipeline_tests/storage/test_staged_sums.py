"""The sums of a file keep every digit that was received, over rows and over batches."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from csp_pipeline.domain.proration import EXACT
from csp_pipeline.storage.staged_sums import Sums
from csp_pipeline_tests.steps.inbox_case import InboxCase, recon

if TYPE_CHECKING:
    from pathlib import Path

LONG, LAST = Decimal("12345678901.123456789012345678"), Decimal("1.000000000000000001")
BOTH = Decimal("12345678902.123456789012345679")


def test_the_sums_of_a_file_are_those_of_its_rows_to_the_last_digit(tmp_path: Path) -> None:
    case = InboxCase.at(tmp_path)
    rows = [{"Subtotal": f"{amount}", "TaxTotal": f"{amount}", "Total": f"{amount}"} for amount in (LONG, LAST)]
    case.ingest(a__csv=recon(*rows, {"Subtotal": f"{LAST}", "Quantity": "x"}))
    sums = case.query(
        "SELECT amount_file, amount_staged, amount_quarantined, tax_staged, total_staged FROM meta.file_invoices"
    )
    assert sums == [(EXACT.add(BOTH, LAST), BOTH, LAST, BOTH, BOTH)]


def test_batches_are_added_up_to_the_last_digit() -> None:
    whole = Sums()
    for amount in (LONG, LAST):
        batch = Sums()
        for name in ("amount_staged", "amount_quarantined", "tax_staged", "total_staged"):
            batch.of("G1").add_amount(name, amount)
        whole.add(batch)
    held = whole.of("G1")
    assert {held.amount_staged, held.amount_quarantined, held.tax_staged, held.total_staged} == {BOTH}
    assert whole.of("G1").stored("G1")["amount_file"] == "24691357804.246913578024691358"
