"""Corrections of what was issued, once and again: what is right goes out, and the lines say what happened."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from csp_pipeline.steps.issue import plan_issue
from csp_pipeline_tests.steps.billing_case import Case, billing_case
from csp_pipeline_tests.steps.issuing_case import LINES, issue_month, total_billed

if TYPE_CHECKING:
    from pathlib import Path

SUPPORT = "L1,A1,,,flat,100,EUR,,,arrears,1,2026-01-01,{},own"


def test_a_contract_line_that_changed_its_currency_is_issued_in_the_new_one(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms("contract_lines", LINES, SUPPORT.format(""))
        case.draft("2026-01")
        issue_month(case, "2026-01")
        case.terms("contract_lines", LINES, SUPPORT.format("").replace("EUR", "USD"))
        case.draft("2026-01", "2026-02")
        assert plan_issue(case.con, case.settings, "2026-01").stopped == ()
        (moved,) = issue_month(case, "2026-01")
        assert (moved.currency, moved.net_amount) == ("USD", Decimal(100))
        case.draft("2026-01", "2026-02")
        issue_month(case, "2026-02")
        case.draft("2026-01", "2026-02")
        assert total_billed(case) == {("A1", "USD"): Decimal(200)}


def test_a_credit_note_corrects_no_invoice_in_another_currency(tmp_path: Path) -> None:
    """Six of ten seats go on 11 February; the year was billed in EUR and is charged in USD since."""
    terms = f"{LINES},billing_cycle"
    seats = "L1,A1,c1,s1,per_unit,{},,,advance,1,2026-01-01,,,annual"
    with billing_case(tmp_path) as case:
        case.terms("contract_lines", terms, seats.format("365,EUR"))
        case.seats("s1", ("2025-12-01 00:00:00", 0, 10), ("2026-02-11 00:00:00", 10, 4))
        case.draft("2026-01")
        issue_month(case, "2026-01")
        case.terms("contract_lines", terms, seats.format("400,USD"))
        case.draft("2026-01", "2026-02")
        issue_month(case, "2026-02")
        case.draft("2026-01", "2026-02")
        notes = case.con.execute(
            "SELECT currency, state, corrects_invoice_number FROM billing.invoices "
            "WHERE document_type = 'credit_note' ORDER BY ALL"
        ).fetchall()
        assert notes == [("EUR", "credited", "INV-2026-000001"), ("USD", "issued", None)]


def test_the_same_charge_is_corrected_as_often_as_its_facts_change(tmp_path: Path) -> None:
    """Seats and the day they changed come to light bit by bit, each time after an issue."""
    histories = [
        [("2025-12-01", 0, 7)],
        [("2025-12-01", 0, 7), ("2026-01-11 09:00", 7, 9)],
        [("2025-12-01", 0, 5), ("2026-01-14 09:00", 5, 9)],
        [("2025-12-01", 0, 5)],
        [("2025-12-01", 0, 5), ("2026-01-14 09:00", 5, 9)],
        [("2025-12-01", 0, 5), ("2026-01-11 09:00", 5, 9)],
        [("2025-12-01", 0, 7), ("2026-01-14 09:00", 7, 9)],
    ]
    ends = ["", "2026-01-20", "", "2026-01-20", "", "2026-01-14", ""]
    months = [f"2026-{number:02d}" for number in range(1, 8)]
    with billing_case(tmp_path) as case:
        for number, (seats, end) in enumerate(zip(histories, ends, strict=True), 1):
            case.con.execute("DELETE FROM partner_center.subscription_changes")
            case.seats("s1", *seats)
            case.terms("contract_lines", LINES, f"L1,A1,c1,s1,per_unit,9.99,EUR,,,arrears,1,2026-01-01,{end},")
            case.draft(*months[:number])
            assert plan_issue(case.con, case.settings, months[number - 1]).stopped == ()
            issue_month(case, months[number - 1])


def test_a_credit_note_settles_each_invoice_by_what_it_takes_from_it(tmp_path: Path) -> None:
    """The contract line ended on 15 January: 51.61 of January's invoice and 100.00 of February's go back."""
    with billing_case(tmp_path) as case:
        case.terms("contract_lines", LINES, SUPPORT.format(""))
        for month, drafted in (("2026-01", ["2026-01"]), ("2026-02", ["2026-01", "2026-02"])):
            case.draft(*drafted)
            issue_month(case, month)
        case.terms("contract_lines", LINES, SUPPORT.format("2026-01-15"))
        case.draft("2026-01", "2026-02", "2026-03")
        (credit,) = issue_month(case, "2026-03")
        assert [line.corrects_invoice_number for line in credit.lines] == ["INV-2026-000001", "INV-2026-000002"]

        def states(*payments: str) -> dict[str, str]:
            case.terms("payments", "payment_id,account_id,invoice_number,paid_on,amount,currency", *payments)
            case.draft("2026-01", "2026-02", "2026-03")
            return dict(case.con.execute("SELECT invoice_number, state FROM billing.invoices").fetchall())

        assert states() == {
            "INV-2026-000001": "issued",
            "INV-2026-000002": "credited",
            "CN-2026-000001": "issued",
        }
        assert states("P1,A1,INV-2026-000001,2026-10-01,48.39,EUR") == {
            "INV-2026-000001": "credited",
            "INV-2026-000002": "credited",
            "CN-2026-000001": "credited",
        }


def test_a_maximum_is_corrected_apart_from_the_amount_off(tmp_path: Path) -> None:
    """30 units at 10.00: 10.00 off, and 40.00 or 20.00 of the other 290.00 above the maximum."""
    terms = "L1,A1,,,per_unit,10,EUR,,30,arrears,1,2026-01-01,,own,10,{}"
    columns = f"{LINES},discount_amount,maximum_amount"
    with billing_case(tmp_path) as case:
        case.terms("contract_lines", columns, terms.format(250))
        case.draft("2026-01")
        assert [(kind, amount) for kind, *_, amount in case.lines("2026-01")] == [
            ("discount", "-10.00"),
            ("discount", "-40.00"),
            ("recurring", "300.00"),
        ]
        issue_month(case, "2026-01")
        case.terms("contract_lines", columns, terms.format(270))
        case.draft("2026-01")
        assert case.lines("2026-02") == [("correction", "2026-01-01", "2026-01-31", None, "20.00")]
        said = case.con.execute(
            "SELECT description, corrected_kind FROM billing.invoice_lines WHERE billing_month = '2026-02'"
        ).fetchall()
        assert said == [("L1, amount above the agreed maximum corrected for 1 to 31 January 2026", "discount")]


def descriptions(case: Case, month: str) -> list[str]:
    """The sentences on a month's lines."""
    rows = case.con.execute(
        "SELECT description FROM billing.invoice_lines WHERE billing_month = ? ORDER BY line_number", [month]
    ).fetchall()
    return [text for (text,) in rows]


def test_a_percentage_discount_that_makes_the_price_is_named_while_it_lasts(tmp_path: Path) -> None:
    terms = "L1,A1,c1,s1,per_unit,10,EUR,,,arrears,1,2026-01-01,,,12.5,2026-01-31"
    with billing_case(tmp_path) as case:
        case.terms("contract_lines", f"{LINES},discount_percent,discount_ends_on", terms)
        case.seats("s1", ("2025-12-01", 0, 4), ("2026-01-17 09:00", 4, 5))
        case.draft("2026-01", "2026-02")
        assert descriptions(case, "2026-01") == [
            "L1, 1 to 31 January 2026 (12.5 % discount)",
            "L1, 1 seat added from 17 to 31 January 2026 (12.5 % discount)",
        ]
        assert descriptions(case, "2026-02") == ["L1, 1 to 28 February 2026"]
        issue_month(case, "2026-01")
        case.terms("contract_lines", f"{LINES},discount_percent,discount_ends_on", terms.replace("12.5", "20"))
        case.draft("2026-01", "2026-02")
        assert descriptions(case, "2026-02")[:2] == [
            "L1, amount corrected for 1 to 31 January 2026: what was issued is taken back",
            "L1, amount corrected for 1 to 31 January 2026 (20 % discount)",
        ]


def test_a_contract_line_that_ends_early_says_from_when_it_is_no_longer_charged(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms("contract_lines", LINES, SUPPORT.format("2026-02-14"))
        case.draft("2026-01", "2026-02")
        assert descriptions(case, "2026-01") == ["L1, 1 to 31 January 2026"]
        assert descriptions(case, "2026-02") == ["L1, 1 to 14 February 2026, no longer charged from 15 February 2026"]
        issue_month(case, "2026-01")
        case.terms("contract_lines", LINES, SUPPORT.format("2026-01-15"))
        case.draft("2026-01", "2026-02")
        assert descriptions(case, "2026-02") == [
            "L1, no longer charged from 16 January 2026: what was issued for 16 to 31 January 2026 is taken back"
        ]
