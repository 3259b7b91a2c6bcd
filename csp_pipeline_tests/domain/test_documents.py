"""Drafts: one per account, month and currency, tax by category, credit notes that name what they correct."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csp_pipeline.domain.documents import Payer, draft_documents
from csp_pipeline.domain.posting import posting_month
from csp_pipeline.domain.taxation import is_reverse_charged
from csp_pipeline.formats.tax_ids import tax_id_state
from csp_pipeline_tests.domain.issued_case import RATES, charge, draft, issued, line

D = Decimal


def test_tax_is_rounded_once_per_category() -> None:
    lines = [line(charge("0.05")), line(charge("0.05")), line(charge("10.00"), tax_category="reduced")]
    document = draft(*lines)
    assert [(tax.tax_category, tax.tax_amount) for tax in document.taxes] == [
        ("reduced", D("0.70")),
        ("standard", D("0.02")),  # 0.10 x 19 % = 0.019; line by line it would be 0.02 twice
    ]
    assert (document.net_amount, document.gross_amount) == (D("10.10"), D("10.82"))


def test_a_correction_takes_back_the_tax_that_was_charged() -> None:
    back = replace(charge("-100.00"), is_correction=True)
    document = draft(line(back, issued_tax_percent=D(16), corrects_invoice_number="INV-2025-000007"))
    assert document.tax_amount == D("-16.00")


def test_a_negative_result_is_a_credit_note_for_the_document_it_takes_most_from() -> None:
    lines = [
        line(replace(charge("-10.00"), is_correction=True), corrects_invoice_number="INV-2026-000002"),
        line(replace(charge("-70.00"), is_correction=True), corrects_invoice_number="INV-2026-000001"),
        line(charge("50.00", "2026-02-01", "2026-03-01")),
    ]
    document = draft(*lines)
    assert (document.document_type, document.corrects_invoice_number) == ("credit_note", "INV-2026-000001")
    (made,) = issued(document).documents
    assert (made.invoice_number, made.corrects_invoice_number) == ("CN-2026-000001", "INV-2026-000001")
    more = draft(*lines, line(charge("50.00", "2026-03-01", "2026-04-01")))
    assert (more.document_type, more.corrects_invoice_number) == ("invoice", None)


def test_a_customer_who_owes_the_tax_itself_is_charged_none_and_told_why() -> None:
    document = draft(line(charge("100.00")), payer=Payer(is_reverse_charged=True))
    assert (document.tax_amount, document.tax_percents) == (D(0), (D(0),))
    (made,) = issued(document).documents
    assert made.tax_note.startswith("Reverse charge")
    (taxed,) = issued(draft(line(charge("100.00")))).documents
    assert (taxed.tax_note, taxed.tax_amount) == ("", D("19.00"))


@pytest.mark.parametrize(
    ("partner", "account", "has_valid_tax_id", "expected"),
    [
        ("DE", "AT", True, True),
        ("DE", "at", True, True),
        ("DE", "AT", False, False),
        ("DE", "DE", True, False),
        ("DE", "CH", True, False),
        ("CH", "DE", True, False),
        (None, "AT", True, False),
        ("DE", None, True, False),
        ("DE", "EL", True, True),
        ("EL", "GR", True, False),
    ],
)
def test_tax_is_left_to_business_customers_in_other_member_states(
    partner: str | None, account: str | None, *, has_valid_tax_id: bool, expected: bool
) -> None:
    assert is_reverse_charged(partner, account, has_valid_tax_id=has_valid_tax_id) is expected


@pytest.mark.parametrize(
    ("tax_id", "country", "state"),
    [
        ("DE136695976", "DE", "valid"),
        ("de 136 695 976", "de", "valid"),
        ("DE136695977", "DE", "invalid"),
        ("DE136695976", "AT", "invalid"),
        ("ATU13585627", "AT", "valid"),
        ("EL094259216", "GR", "valid"),
        ("EL094259216", "EL", "valid"),
        ("094259215", "el", "invalid"),
        ("CHE-107.787.577 IVA", "CH", "valid"),
        ("12-3456789", "US", "unchecked"),
        (None, "DE", "unchecked"),
        ("DE136695976", None, "unchecked"),
    ],
)
def test_tax_ids_are_checked_by_the_rules_of_their_country(tax_id: str | None, country: str | None, state: str) -> None:
    assert tax_id_state(tax_id, country) == state


def test_a_document_is_posted_to_the_first_open_month() -> None:
    assert posting_month("2026-11") == "2026-11"
    assert posting_month("2026-11", {"2026-11", "2026-12"}) == "2027-01"


@given(st.permutations(["3.00", "-1.00", "2.50", "7.77"]))
def test_the_order_of_the_lines_changes_nothing(nets: list[str]) -> None:
    def drafted(order: list[str]) -> list[str]:
        lines = [
            line(charge(net, contract_line_id=f"L{net}"), currency="EUR" if len(net) < 5 else "USD") for net in order
        ]
        return [one.content_sha256 for one in draft_documents(lines, RATES)]

    assert drafted(nets) == drafted(sorted(nets))
