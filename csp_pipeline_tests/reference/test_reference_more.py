"""More scenarios by hand: what the rules say plainly, then what hangs on a reading of them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from csp_pipeline_tests.reference import scenarios_charges, scenarios_more
from csp_pipeline_tests.reference.test_reference import ROWS, d, figures, parts, row, run

if TYPE_CHECKING:
    from pathlib import Path


def test_a_change_that_arrives_settles_both_months(tmp_path: Path) -> None:
    """Expected January: 120 - 120 x 12/31 + 144 x 12/31 = 129.2903225807; ours 129.29; 12 seats on both sides."""
    tables = run(scenarios_more.timing_settled, tmp_path)
    assert parts(tables, "2026-01") == [("rounding", *d("-0.0003225807", "0"))]
    assert [r["status"] for r in tables[ROWS]] == ["matched", "matched"]


def test_cost_after_the_contract_is_expired(tmp_path: Path) -> None:
    """14 of 28 days are 60, expected 120: -60 and ten seats; March -120."""
    tables = run(scenarios_more.contract_ended, tmp_path)
    assert [c["net_amount"] for c in tables["billing.invoice_lines"]] == d("120", "60")
    assert parts(tables, "2026-02") == [("contract_expired", *d("-60", "-10"))]
    assert parts(tables, "2026-03") == [("contract_expired", *d("-120", "-10"))]


def test_a_void_without_file_is_derived(tmp_path: Path) -> None:
    """100 - 100 + 90 = 90, ten seats once, three proven documents."""
    tables = run(scenarios_more.void_and_replacement, tmp_path)
    assert [i["state"] for i in tables["cost.invoices"]] == ["voided", "derived", "billed"]
    assert [p["proof_state"] for p in tables["cost.invoice_proof"]] == ["proven"] * 3
    january = row(tables, "2026-01", "L1")
    assert figures(january, "cost_amount", "provider_quantity", "difference_amount") == [90, 10, 0]


def test_a_change_at_midnight_is_in_the_recurring_charge(tmp_path: Path) -> None:
    """The last change before or at the cycle's start counts: 4 x 12 = 48, and no change line."""
    tables = run(scenarios_more.seats_cut_at_midnight, tmp_path)
    assert [figures(c, "charge_kind", "net_amount") for c in tables["billing.invoice_lines"]] == [
        ["recurring", Decimal(120)],
        ["recurring", Decimal(48)],
    ]


def test_what_starts_before_billing_counts_as_issued(tmp_path: Path) -> None:
    """Only the cycle Jan 17 - Feb 16 is billed. January's days 1 to 16 (310 x 16/31 = 160) are period.

    February: ours 310 x 16/31 = 160; expected 310. Days 17 to 28 meet a cycle whose document is not drafted:
    12 x 310/28 less the units of the first days = 132.8571428568; the rest, 16 x 310 x (1/31 - 1/28), is proration:
    -17.1428571432.
    """
    tables = run(scenarios_more.billing_starts_later, tmp_path)
    (line,) = tables["billing.invoice_lines"]
    assert figures(line, "billing_month", "service_start_on", "service_end_on", "net_amount") == [
        "2026-02",
        date(2026, 1, 17),
        date(2026, 2, 16),
        310,
    ]
    assert parts(tables, "2026-01") == [("period", *d("-160", "0"))]
    assert parts(tables, "2026-02") == [
        ("period", *d("-132.8571428568", "-10")),
        ("proration", *d("-17.1428571432", "0")),
    ]


def test_agreed_discount_is_no_difference(tmp_path: Path) -> None:
    """10 x 12 x 0.9 = 108 on both sides."""
    january = row(run(scenarios_more.discounted_seats, tmp_path), "2026-01", "L1")
    assert figures(january, "revenue_amount", "expected_revenue_amount", "status") == [108, 108, "matched"]


def test_credit_on_a_contract_line_lowers_its_cost(tmp_path: Path) -> None:
    """Cost 100 - 20 = 80; ten seats still, no difference."""
    january = row(run(scenarios_more.credit_on_a_contract_line, tmp_path), "2026-01", "L1")
    assert figures(january, "cost_amount", "provider_quantity", "status") == [80, 10, "matched"]


def test_two_products_of_one_seat_count_once(tmp_path: Path) -> None:
    """Cost 60 + 40, ten seats, expected 120 once."""
    january = row(run(scenarios_more.two_products_one_seat, tmp_path), "2026-01", "L1")
    assert figures(january, "cost_amount", "provider_quantity", "expected_revenue_amount") == [100, 10, 120]


def test_prepaid_cost_keeps_the_rate_of_its_document(tmp_path: Path) -> None:
    """February: cost 28 x 0.9 = 25.20, expected with 10 %; billed 28 x 0.8 x 1.1 = 24.64 at the month's own rate."""
    february = row(run(scenarios_more.prepaid_keeps_its_rate, tmp_path), "2026-02", "L1")
    assert figures(february, "cost_amount", "fx_rate", "revenue_amount", "expected_revenue_amount") == d(
        "25.2", "0.9", "24.64", "27.72"
    )


def test_pending_change_before_the_next_document(tmp_path: Path) -> None:
    """January: 2 x 12 x 12/31 = 9.29 timing.

    February, billed in advance: two seats are timing without a line of their own, the rest, 144 and ten, period.
    """
    tables = run(scenarios_more.advance_with_a_pending_change, tmp_path)
    assert parts(tables, "2026-01") == [("timing", *d("9.29", "2"))]
    assert parts(tables, "2026-02") == [("timing", *d("0", "2")), ("period", *d("144", "10"))]


def test_flat_fee_has_no_quantities(tmp_path: Path) -> None:
    """A flat fee over a provider's cost is as expected; over a loaded month without cost it is revenue without cost."""
    tables = run(scenarios_more.flat_fees, tmp_path)
    assert figures(row(tables, "2026-01", "L1"), "difference_amount", "quantity_difference") == [0, None]
    assert parts(tables, "2026-01") == [("revenue_without_cost", *d("50", "0"))]


def test_mismatch_takes_the_cents_with_it(tmp_path: Path) -> None:
    """Expected 120 - 61.9354838710 + 74.3225806452 = 132.3870967742; ours 138.58; one seat too many: 6.1929032258.

    One seat is 12 x 16/31 = 6.1935483871; the 0.0006451613 that rounding our line has moved stay in it.
    """
    tables = run(scenarios_more.a_cent_per_line_on_top_of_a_mismatch, tmp_path)
    assert parts(tables, "2026-01") == [("quantity_mismatch", *d("6.1929032258", "1"))]


def test_agreements_look_at_a_cycle_as_a_whole(tmp_path: Path) -> None:
    """250 x 11/31 + 125 x 20/31 = 88.71 + 80.65; 10.64 are missing to 180 for the 31 days."""
    tables = run(scenarios_charges.minimum_on_a_bundle_that_grows, tmp_path)
    lines = [c for c in tables["billing.invoice_lines"] if c["contract_line_id"] == "B-1"]
    assert [figures(c, "charge_kind", "service_start_on", "service_end_on", "net_amount") for c in lines] == [
        ["minimum", date(2026, 1, 1), date(2026, 1, 31), Decimal("10.64")],
        ["recurring", date(2026, 1, 1), date(2026, 1, 11), Decimal("88.71")],
        ["recurring", date(2026, 1, 12), date(2026, 1, 31), Decimal("80.65")],
    ]


def test_a_year_in_advance_is_on_one_document(tmp_path: Path) -> None:
    """10 x 150 x 195/365 = 801.37 and 10 x 100 x 170/365 = 465.75 of each of two components."""
    tables = run(scenarios_charges.bundle_of_a_year_that_grows, tmp_path)
    lines = tables["billing.invoice_lines"]
    assert {c["billing_month"] for c in lines} == {"2026-01"}
    assert [c["net_amount"] for c in lines] == d("801.37", "465.75") * 2
