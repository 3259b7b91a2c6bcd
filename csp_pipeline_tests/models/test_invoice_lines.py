"""What a line is, what identifies it, and which way its quantity points."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from csp_pipeline_tests.models.staged_rows import header, line, seats, usage

if TYPE_CHECKING:
    from csp_pipeline_tests.models.staged_rows import Row, StagedPartner

LINES = "SELECT * FROM cost.invoice_lines ORDER BY source_row"


def _ids(partner: StagedPartner, rows: list[Row]) -> list[object]:
    partner.stage(reconciliation=rows).build()
    return [row["line_id"] for row in partner.rows("SELECT line_id FROM cost.invoice_lines ORDER BY line_id")]


@pytest.mark.parametrize(
    ("change", "family"),
    [
        ({}, "licence"),
        ({"product_id": "dzh318z0bps6"}, "azure_plan"),
        ({"product_name": "Azure plan - DevTest"}, "azure_plan"),
        ({"product_name": " Azure Plan"}, "azure_plan"),
        ({"product_name": "Azure plan for Dev/Test"}, "azure_plan"),
        ({"product_name": "Azure Planner premium"}, "licence"),
        ({"reservation_order_id": "r", "sku_name": "Azure Savings Plan, 1 year"}, "savings_plan"),
        ({"reservation_order_id": "r", "product_name": "Reserved VM Instance"}, "reservation"),
        ({"reservation_order_id": "r", "publisher_name": "Contoso ISV"}, "reservation"),
        ({"publisher_name": "Contoso ISV", "product_category": "Perpetual software"}, "marketplace"),
        ({"product_category": "SoftwareSubscription"}, "software"),
        ({"term_and_billing_cycle": "Perpetual, one-time"}, "software"),
        ({"publisher_name": None}, "licence"),
    ],
)
def test_the_first_family_that_fits_is_the_line_s(partner: StagedPartner, change: Row, family: str) -> None:
    partner.stage(reconciliation=[seats("10", **change)]).build()
    assert partner.only(LINES)["product_family"] == family


def test_metered_marketplace_usage_makes_its_line_azure_plan_and_in_daily_usage(partner: StagedPartner) -> None:
    metered: Row = {
        "product_id": "DZH-ISV",
        "product_name": "Firewall",
        "publisher_name": "Contoso ISV",
        "customer_id": "ORG:Tenant-A",
    }
    partner.stage(
        daily_usage=[usage("5", **metered)], reconciliation=[line("5", **metered | {"customer_id": "tenant-a"})]
    ).build()
    found = partner.only(LINES)
    assert (found["product_family"], found["is_in_daily_usage"]) == ("azure_plan", True)
    assert found["customer_id"] == "tenant-a"


def test_a_credit_under_the_plan_is_not_in_daily_usage(partner: StagedPartner) -> None:
    partner.stage(
        daily_usage=[usage("5")],
        reconciliation=[line("5"), line("-2", charge_type="CustomerCredit", price_adjustment_description=None)],
    ).build()
    assert [row["is_in_daily_usage"] for row in partner.rows(LINES)] == [True, False]


@pytest.mark.parametrize(
    ("quantity", "subtotal", "price", "signed"),
    [
        ("135", "-4214.02", "31.21", -135),  # LEG-07: a wiped line of 135 seats
        ("135", "0", "-1", -135),
        ("-3", "0", "0", -3),
        ("-3", "12", "1", 3),
    ],
)
def test_a_quantity_carries_the_sign_of_its_subtotal(
    partner: StagedPartner, quantity: str, subtotal: str, price: str, signed: int
) -> None:
    partner.stage(reconciliation=[seats(subtotal, billable_quantity=quantity, effective_unit_price=price)]).build()
    found = partner.only(LINES)
    assert (found["billable_quantity"], found["billable_quantity_sent"]) == (signed, int(quantity))


def test_a_blank_billable_quantity_is_the_quantity(partner: StagedPartner) -> None:
    partner.stage(reconciliation=[seats("10", billable_quantity=None, quantity="7")]).build()
    assert partner.only(LINES)["billable_quantity"] == 7


@pytest.mark.parametrize(
    ("text", "percent"),
    [
        ('["15.0% Partner earned credit for services managed"]', "15"),
        ('["100% Tier 1 Discount","15.0% partner EARNED credit for services managed"]', "15"),
        ('["15.0% Partner earned credit for services managed", "3% Promotion"]', "15"),
        ('["3% Promotion"]', "0"),
        ("15% Partner earned credit", "15"),
        ("10% Promotion, 15,0% Partner Earned Credit for services managed", "15"),
        ('["15 % Partner earned credit for services managed, per day"]', "15"),
        ("[broken", "0"),
        ("", "0"),
        (None, "0"),
    ],
)
def test_the_credit_percentage_is_read_from_the_entry_that_names_it(
    partner: StagedPartner, text: str | None, percent: str
) -> None:
    partner.stage(reconciliation=[line("10", price_adjustment_description=text)]).build()
    assert partner.only(LINES)["pec_percent"] == Decimal(percent)


def test_line_ids_stay_when_files_are_split_renamed_and_reordered(partner: StagedPartner) -> None:
    rows = [seats("10"), seats("10"), seats("11"), line("5")]
    moved = [
        row | {"source_file": f"part-{n % 2}.csv", "file_sha256": f"s{n % 2}"} for n, row in enumerate(reversed(rows))
    ]
    before = _ids(partner, rows)
    assert _ids(partner, moved) == before
    assert len(set(before)) == 4


def test_equal_lines_are_all_kept(partner: StagedPartner) -> None:
    partner.stage(reconciliation=[seats("10"), seats("10")]).build()
    assert partner.only("SELECT sum(total_amount) AS total FROM cost.invoice_lines")["total"] == 20


def test_the_header_decides_month_and_total_and_files_stand_in_for_it(partner: StagedPartner) -> None:
    partner.stage(
        reconciliation=[seats("10"), seats("20", invoice_number="G2", charge_start_date="2026-08-15")],
        invoice_headers=[header("10", billing_period_start_date="2026-07-01", due_date="2026-12-01")],
    ).build()
    found = partner.rows(
        "SELECT billing_month, total_amount, issued_on, tax_amount FROM cost.invoices ORDER BY invoice_number"
    )
    assert [(row["billing_month"], row["total_amount"]) for row in found] == [("2026-07", 10), ("2026-08", 20)]
    assert found[1]["issued_on"] is None
    assert found[0]["tax_amount"] is None


def test_an_invoice_that_a_void_note_amends_is_voided_and_both_documents_stay(partner: StagedPartner) -> None:
    partner.stage(
        reconciliation=[seats("10"), seats("-10", invoice_number="G2", file_sha256="r2")],
        invoice_headers=[header("10"), header("-10", invoice_number="G2", document_type="void_note", amends_of="G1")],
    ).build()
    found = partner.rows(
        "SELECT invoice_number, state, replaces_invoice_number FROM cost.invoices ORDER BY invoice_number"
    )
    assert [tuple(row.values()) for row in found] == [("G1", "voided", None), ("G2", "billed", "G1")]


def test_a_placeholder_is_no_day_of_an_exchange_rate(partner: StagedPartner) -> None:
    partner.stage(reconciliation=[seats("10", pc_to_bc_exchange_rate_date="0001-01-01")]).build()
    assert partner.only(LINES)["fx_rate_on"] is None
