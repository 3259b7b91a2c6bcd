"""A cent that a header or a line's own figures contradict is found, and the lines it may come from are named."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from csp_pipeline_tests.models.staged_rows import header, line, seats, usage

if TYPE_CHECKING:
    from csp_pipeline_tests.models.staged_rows import StagedPartner

FOUND = "reason, source_row, amount, expected_amount, is_header_gap"


def found(partner: StagedPartner, columns: str = FOUND) -> list[tuple[object, ...]]:
    rows = partner.rows(f"SELECT {columns} FROM cost.contradictions ORDER BY source_row NULLS FIRST, reason")
    return [tuple(row.values()) for row in rows]


def test_a_month_that_ties_out_contradicts_nothing(partner: StagedPartner) -> None:
    partner.stage(
        daily_usage=[usage("6.009")],
        reconciliation=[line("6"), seats("100", effective_unit_price="10", tax_total="19", total="119")],
        invoice_headers=[header("125")],
    ).build()
    assert found(partner) == []


def test_a_cent_on_a_line_is_located_by_its_price_and_closes_the_gap_to_the_header(partner: StagedPartner) -> None:
    partner.stage(
        reconciliation=[seats("100", effective_unit_price="10"), seats("100.01", effective_unit_price="10")],
        invoice_headers=[header("200")],
    ).build()
    assert found(partner) == [
        ("header_differs_from_lines", None, Decimal("-0.01"), Decimal("200.01"), True),
        ("line_differs_from_every_published_rule", 2, Decimal("0.01"), 100, True),
    ]


def test_a_line_that_contradicts_its_price_is_found_where_the_header_agrees(partner: StagedPartner) -> None:
    partner.stage(
        reconciliation=[seats("-99.99", effective_unit_price="10")], invoice_headers=[header("-99.99")]
    ).build()
    assert found(partner) == [("line_differs_from_every_published_rule", 1, Decimal("0.01"), -100, False)]
    assert partner.only("SELECT proof_state FROM cost.invoice_proof")["proof_state"] == "proven"


@pytest.mark.parametrize(("subtotal", "rule"), [("33.33", "A"), ("33.30", "B"), ("33.34", None), ("33.40", None)])
def test_what_a_published_rule_gives_is_no_contradiction(
    partner: StagedPartner, subtotal: str, rule: str | None
) -> None:
    """10 seats at 3.3333 are 33.333: 33.33 as a whole, 33.30 by the seat."""
    partner.stage(reconciliation=[seats(subtotal, effective_unit_price="3.3333")]).build()
    rounding = partner.only("SELECT reproduced_by, nearest_amount FROM cost.line_rounding")
    if rule is None:
        assert rounding == {"reproduced_by": None, "nearest_amount": Decimal("33.33")}
        assert [row[0] for row in found(partner)] == ["line_differs_from_every_published_rule"]
    else:
        assert rule in str(rounding["reproduced_by"])
        assert rounding["nearest_amount"] == Decimal(subtotal)
        assert found(partner) == []


def test_a_total_that_is_not_subtotal_and_tax_is_located(partner: StagedPartner) -> None:
    partner.stage(
        reconciliation=[seats("100", effective_unit_price="10", tax_total="19", total="119.01")],
        invoice_headers=[header("119", tax_total="19")],
    ).build()
    assert ("line_total_is_not_subtotal_and_tax", 1, Decimal("0.01"), 119, True) in found(partner)


def test_a_line_that_stands_twice_is_a_candidate_and_so_is_one_as_large(partner: StagedPartner) -> None:
    twice = seats("100", effective_unit_price="10")
    as_large = seats("100", effective_unit_price="10", subscription_id="seat-b")
    partner.stage(reconciliation=[twice, as_large, twice], invoice_headers=[header("200")]).build()
    assert [(row[0], row[1]) for row in found(partner)] == [
        ("header_differs_from_lines", None),
        ("line_stands_more_than_once", 1),
        ("line_is_as_large_as_the_gap", 2),
        ("line_stands_more_than_once", 3),
    ]


def test_a_customer_whose_lines_are_the_gap_is_a_candidate(partner: StagedPartner) -> None:
    more = {"customer_id": "tenant-b", "effective_unit_price": "1"}
    partner.stage(
        reconciliation=[seats("100", effective_unit_price="10"), seats("10", **more), seats("10", **more)],
        invoice_headers=[header("100")],
    ).build()
    assert ("lines_of_customer_are_as_large_as_the_gap", "tenant-b") in found(partner, "reason, customer_id")


def test_cents_of_tax_are_called_what_they_may_be(partner: StagedPartner) -> None:
    # 10 % on 9.75 and 10.25: the lines' .98 + 1.03 = 2.01, the invoice 2.00; kvamseek/partner-center@85eb3c40
    taxed = [
        seats("9.75", effective_unit_price="0.975", tax_total="0.98", total="10.73"),
        seats("10.25", effective_unit_price="1.025", tax_total="1.03", total="11.28"),
    ]
    partner.stage(reconciliation=taxed, invoice_headers=[header("22.00")]).build()
    assert found(partner) == [
        ("header_differs_from_lines_as_rounded_taxes_may", None, Decimal("-0.01"), Decimal("22.01"), True)
    ]


def test_a_header_without_files_is_named_as_such(partner: StagedPartner) -> None:
    partner.stage(invoice_headers=[header("55.50")]).build()
    assert found(partner, "reason, amount") == [("document_without_files", Decimal("55.50"))]


def test_a_whole_yen_is_located_too(partner: StagedPartner) -> None:
    yen = {"currency": "JPY", "pricing_currency": "JPY", "effective_unit_price": "120"}
    partner.stage(
        reconciliation=[seats("1200", **yen), seats("1201", **yen)],
        invoice_headers=[header("2400", currency_code="JPY")],
    ).build(currency="JPY")
    assert ("line_differs_from_every_published_rule", 2, 1, 1200, True) in found(partner)


def test_a_header_in_another_currency_states_nothing_of_the_lines(partner: StagedPartner) -> None:
    partner.stage(
        reconciliation=[seats("100", effective_unit_price="10")],
        invoice_headers=[header("110", currency_code="USD", tax_total="10")],
    ).build()
    proof = partner.only("SELECT * FROM cost.invoice_proof")
    assert (proof["header_amount"], proof["document_tax_amount"], proof["proof_state"]) == (None, 0, "unproven")
    invoice = partner.only("SELECT currency, total_amount, stated_tax_amount FROM cost.invoices")
    assert invoice == {"currency": "EUR", "total_amount": 100, "stated_tax_amount": None}
