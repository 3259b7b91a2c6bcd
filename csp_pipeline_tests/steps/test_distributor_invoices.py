"""A partner who buys from distributors alone: their invoices through to a whole month."""

from __future__ import annotations

import io
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from csp_pipeline.quality import identities
from csp_pipeline.steps.ingest import restage
from csp_pipeline_tests.product import rows_of, warehouse_of
from csp_pipeline_tests.steps.inbox_case import InboxCase

if TYPE_CHECKING:
    from pathlib import Path

HEADER = "Doc,Total,Customer,Subscription,Product,Name,Vendor,From,To,Qty,Price,Amount,Tax,Currency\n"
MAPPING = """
provider: {provider}
columns:
  invoice_number: Doc
  invoice_total: Total
  customer_id: Customer
  subscription_id: Subscription
  product_id: Product
  product_name: Name
  vendor_name: Vendor
  charge_start_date: From
  charge_end_date: To
  quantity: Qty
  unit_price: Price
  extended_price: Amount
  tax_amount: Tax
  currency: Currency
"""
SEATS = "R1,{total},c1,s1,P1,Office,Microsoft,2026-10-01,2026-10-31,10,20,{amount},0,EUR\n"


@pytest.fixture
def case(tmp_path: Path) -> InboxCase:
    made = InboxCase.at(tmp_path)
    made.home.providers.mkdir()
    (made.home.providers / "acme.yaml").write_text(MAPPING.format(provider="acme"), "utf-8")
    commercial = made.home.commercial
    (commercial / "accounts.csv").write_text("account_id,name,currency\nA1,Contoso,EUR\n", "utf-8")
    (commercial / "account_tenants.csv").write_text("account_id,customer_id\nA1,c1\n", "utf-8")
    (commercial / "contract_lines.csv").write_text(
        "contract_line_id,account_id,subscription_id,pricing_model,unit_price,currency,starts_on,cost_source\n"
        "L0,A1,s1,flat,1,EUR,2026-10-01,provider\nL1,A1,s1,per_unit,25,EUR,2026-10-01,distributor\n",
        "utf-8",
    )
    return made


def test_a_month_of_distributor_invoices_alone_is_billed_and_compared(case: InboxCase) -> None:
    case.put("r.csv", HEADER + SEATS.format(total=200, amount=200))
    with warehouse_of(case.home.root) as con:
        (proof,) = rows_of(con, "SELECT * FROM cost.invoice_proof")
        (row,) = rows_of(
            con,
            "SELECT * FROM reconciliation.revenue_vs_cost WHERE service_month = '2026-10' AND contract_line_id = 'L1'",
        )
        families = con.execute("SELECT provider, product_family FROM cost.invoice_lines").fetchall()
        identities.read_footers(con, case.home.staging)
        identities.require_all(con)
    assert (proof["provider"], proof["proof_state"], proof["header_amount"]) == ("acme", "proven", Decimal(200))
    assert (row["revenue_amount"], row["cost_amount"], row["difference_amount"]) == (250, 200, 0)
    assert (row["billed_quantity"], row["provider_quantity"]) == (10, 10)
    assert families == [("acme", "licence")]


def test_a_total_that_the_lines_do_not_make_is_unproven_and_without_a_total_nothing_is_proven(case: InboxCase) -> None:
    lines = [SEATS.format(total="200.01", amount=200), SEATS.replace("R1", "R2").format(total="", amount=5)]
    case.put("r.csv", HEADER + "".join(lines))
    with warehouse_of(case.home.root) as con:
        found = con.execute(
            "SELECT invoice_number, proof_state, unexplained_amount FROM cost.invoice_proof ORDER BY ALL"
        ).fetchall()
    assert found == [("R1", "unproven", Decimal("0.01")), ("R2", "unproven", Decimal(0))]


def test_contract_lines_take_the_cost_of_their_source_alone(case: InboxCase) -> None:
    case.put("r.csv", HEADER + SEATS.format(total=200, amount=200))
    with warehouse_of(case.home.root) as con:
        assert con.execute("SELECT contract_line_id FROM billing.cost_matches").fetchall() == [("L1",)]


def test_two_distributors_may_use_the_same_number(case: InboxCase) -> None:
    other = MAPPING.format(provider="other").replace("invoice_number: Doc", "invoice_number: Paper")
    (case.home.providers / "other.yaml").write_text(other, "utf-8")
    case.ingest(r__csv=HEADER + SEATS.format(total=200, amount=200))
    case.ingest(o__csv=HEADER.replace("Doc", "Paper") + SEATS.format(total=7, amount=7))
    with warehouse_of(case.home.root) as con:
        found = con.execute(
            "SELECT provider, lines_amount, proof_state FROM cost.invoice_proof ORDER BY ALL"
        ).fetchall()
        identities.read_footers(con, case.home.staging)
        identities.require_all(con)
    assert found == [("acme", Decimal(200), "proven"), ("other", Decimal(7), "proven")]


def test_a_line_without_quantity_carries_no_seats_and_stops_nothing(case: InboxCase) -> None:
    case.put("r.csv", HEADER + SEATS.format(total=200, amount=200).replace(",10,20,", ",,,"))
    with warehouse_of(case.home.root) as con:
        (row,) = rows_of(con, "SELECT * FROM reconciliation.revenue_vs_cost WHERE cost_amount <> 0")
    assert (row["cost_amount"], row["provider_quantity"], row["contract_line_id"]) == (200, 0, "L1")
    assert row["expected_revenue_amount"] == 0


def test_a_restated_invoice_replaces_the_earlier_one(case: InboxCase) -> None:
    case.ingest(r__csv=HEADER + SEATS.format(total=200, amount=200))
    case.ingest(r2__csv=HEADER + SEATS.format(total=180, amount=180))
    assert case.query("SELECT provider, extended_price FROM staged_distributor_invoice") == [("acme", Decimal(180))]


def test_a_row_put_aside_is_counted_and_makes_the_invoice_incomplete(case: InboxCase) -> None:
    case.put("r.csv", HEADER + SEATS.format(total=200, amount=200) + SEATS.format(total=200, amount="dear"))
    with warehouse_of(case.home.root) as con:
        assert con.execute("SELECT proof_state FROM cost.invoice_proof").fetchall() == [("incomplete",)]
        identities.read_footers(con, case.home.staging)
        identities.require_all(con)


def test_a_file_of_no_mapping_stays_and_a_broken_mapping_is_told(case: InboxCase) -> None:
    (case.home.providers / "bad.yaml").write_text("provider: x", "utf-8")
    assert "providers/bad.yaml: expected columns" in case.message(a__csv="a,b\n1,2\n")


def test_a_workbook_in_the_inbox_is_one_file_and_no_archive(case: InboxCase) -> None:
    import openpyxl  # noqa: PLC0415  (only this test writes a workbook)

    book, packed = openpyxl.Workbook(), io.BytesIO()
    assert book.active is not None
    for line in (HEADER + SEATS.format(total=200, amount=200)).splitlines():
        book.active.append(line.split(","))
    book.save(packed)
    (told,) = case.ingest(r__xlsx=packed.getvalue()).files
    assert (told.status, told.kind, told.rows_staged) == ("staged", "distributor_acme", 1)
    rows = "SELECT provider, extended_price, charge_end_date FROM staged_distributor_invoice"
    before = case.query(rows)
    restage(case.home)
    assert case.query(rows) == before == [("acme", Decimal(200), date(2026, 10, 31))]


ROWS = """
SELECT kind, source_file, extended_price, quantity FROM staged_distributor_invoice JOIN meta.files USING (source_file)
"""


def layout_of(case: InboxCase) -> Path:
    return case.home.providers / "acme.yaml"


def test_a_rebuild_reads_by_the_layout_that_was_used_whatever_became_of_it(case: InboxCase) -> None:
    case.ingest(r__csv=HEADER + SEATS.format(total=200, amount=200))
    before = case.query(ROWS)
    swapped = MAPPING.format(provider="acme").replace("quantity: Qty", "quantity: Amount")
    layout_of(case).write_text(swapped.replace("extended_price: Amount", "extended_price: Qty"), "utf-8")
    scans = sorted(case.home.landing.glob("scans/*"))
    restage(case.home)
    assert case.query(ROWS) == before
    layout_of(case).unlink()
    restage(case.home)
    assert case.query(ROWS) == before == [("distributor_acme", "r.csv", Decimal(200), Decimal(10))]
    assert sorted(case.home.landing.glob("scans/*")) == scans


def test_a_corrected_layout_is_used_when_asked_for_and_kept_from_then_on(case: InboxCase) -> None:
    case.ingest(r__csv=HEADER + SEATS.format(total=200, amount=200))
    right = (
        MAPPING.format(provider="acme").replace("quantity: Qty", "quantity: Price").replace("  unit_price: Price\n", "")
    )
    layout_of(case).write_text(right, "utf-8")
    restage(case.home, keeps_layouts=False)
    read_anew = [("distributor_acme", "r.csv", Decimal(200), Decimal(20))]
    assert case.query(ROWS) == read_anew
    layout_of(case).unlink()
    restage(case.home)
    assert case.query(ROWS) == read_anew


def test_a_file_refused_before_its_layout_was_there_keeps_the_one_that_read_it(case: InboxCase) -> None:
    layout, text = layout_of(case), layout_of(case).read_text("utf-8")
    layout.write_text("provider: x", "utf-8")
    case.ingest(r__csv=HEADER + SEATS.format(total=200, amount=200))
    layout.write_text(text, "utf-8")
    restage(case.home)
    layout.unlink()
    restage(case.home)
    assert case.query(ROWS) == [("distributor_acme", "r.csv", Decimal(200), Decimal(10))]


def test_a_layout_lost_from_landing_is_told_in_words(case: InboxCase) -> None:
    case.ingest(r__csv=HEADER + SEATS.format(total=200, amount=200))
    for kept in case.home.landing.glob("files/*"):
        if kept.read_bytes() == layout_of(case).read_bytes():
            kept.unlink()
    (told,) = restage(case.home).files
    assert told.status == "refused"
    assert "run `csp-pipeline rebuild --present-layouts`" in told.message
