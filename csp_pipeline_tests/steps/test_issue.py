"""Issuing: what is issued stays, is not billed again, and is corrected by what comes after."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from csp_pipeline.errors import CspError
from csp_pipeline.quality.identities import IDENTITIES, violations
from csp_pipeline.settings import Settings
from csp_pipeline.steps.drill_down import fill_drill_down
from csp_pipeline.steps.issue import plan_issue
from csp_pipeline.steps.issued import read_issued
from csp_pipeline.steps.ledger_audit import audit_ledger
from csp_pipeline.steps.reconciliation import reconcile
from csp_pipeline.storage.ledger import LedgerDamagedError
from csp_pipeline_tests.steps.billing_case import Case, billing_case
from csp_pipeline_tests.steps.issuing_case import LINES, documents, issue_month, ledger_files, numbers, total_billed

if TYPE_CHECKING:
    from pathlib import Path

SUPPORT = "L1,A1,,,flat,100,EUR,,,arrears,1,2026-01-01,,own"


def two_accounts(case: Case) -> None:
    case.terms("accounts", "account_id,name,currency,payment_terms_days", "A1,Contoso,EUR,30", "A2,Fabrikam,EUR,14")
    case.terms("account_tenants", "account_id,customer_id", "A1,c1", "A2,c2")


def test_an_issued_document_is_published_as_it_was_issued_and_nothing_is_billed_again(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        two_accounts(case)
        case.terms("contract_lines", LINES, SUPPORT, "L2,A2,,,flat,50,EUR,,,arrears,1,2026-01-01,,own")
        case.draft("2026-01", "2026-02")
        first, second = issue_month(case, "2026-01")
        assert (first.invoice_number, second.invoice_number) == ("INV-2026-000001", "INV-2026-000002")
        for _ in range(2):
            case.draft("2026-01", "2026-02")
            assert documents(case) == [
                ("A1", "2026-01", "INV-2026-000001", "issued", "100.00"),
                ("A2", "2026-01", "INV-2026-000002", "issued", "50.00"),
                ("A1", "2026-02", None, "draft", "100.00"),
                ("A2", "2026-02", None, "draft", "50.00"),
            ]
        row = case.con.execute(
            """
            SELECT issued_on, due_on, posting_month, content_sha256, document_type
            FROM billing.invoices
            WHERE account_id = 'A1' AND billing_month = '2026-01'
            """
        ).fetchone()
        assert row == (date(2026, 9, 8), date(2026, 10, 8), "2026-01", first.content_sha256, "invoice")
        before = ledger_files(case)
        assert issue_month(case, "2026-01") == ()
        assert ledger_files(case) == before
        assert audit_ledger(case.settings.home).documents == 2


def test_a_price_that_changes_later_is_corrected_in_the_next_open_month_and_the_document_stays(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms("contract_lines", LINES, SUPPORT)
        case.draft("2026-01")
        (document,) = issue_month(case, "2026-01")
        case.terms("contract_lines", LINES, SUPPORT.replace("100", "110"))
        case.draft("2026-01", "2026-02")
        assert documents(case) == [
            ("A1", "2026-01", "INV-2026-000001", "issued", "100.00"),
            ("A1", "2026-02", None, "draft", "120.00"),
        ]
        assert case.lines("2026-02") == [
            ("correction", "2026-01-01", "2026-01-31", -1.0, "-100.00"),
            ("recurring", "2026-01-01", "2026-01-31", 1.0, "110.00"),
            ("recurring", "2026-02-01", "2026-02-28", 1.0, "110.00"),
        ]
        told = case.con.execute(
            """
            SELECT corrects_invoice_number, corrected_kind, charge_month
            FROM billing.invoice_lines
            WHERE charge_kind = 'correction'
            """
        ).fetchall()
        assert told == [("INV-2026-000001", "recurring", "2026-01")]
        issue_month(case, "2026-02")
        case.draft("2026-01", "2026-02")
        assert total_billed(case) == {("A1", "EUR"): Decimal(220)}
        assert read_issued(case.settings.home).documents[0] == document


def test_what_comes_to_light_after_the_last_month_waits_in_the_next_one_alone(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms("contract_lines", LINES, SUPPORT)
        case.draft("2026-01")
        issue_month(case, "2026-01")
        case.terms("contract_lines", LINES, SUPPORT.replace("100", "90"))
        for _ in range(2):
            case.draft("2026-01")
            assert documents(case)[1:] == [("A1", "2026-02", None, "draft", "-10.00")]
            assert [line[4] for line in case.lines("2026-02")] == ["-100.00", "90.00"]
        with pytest.raises(CspError, match="2026-02 is not drafted yet"):
            plan_issue(case.con, case.settings, "2026-02")
        case.terms("contract_lines", LINES, SUPPORT)
        case.draft("2026-01")
        assert documents(case) == [("A1", "2026-01", "INV-2026-000001", "issued", "100.00")]


def test_a_negative_result_is_a_credit_note_in_a_series_of_its_own(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms("contract_lines", LINES, SUPPORT)
        case.draft("2026-01", "2026-02")
        issue_month(case, "2026-01")
        case.terms("contract_lines", LINES, "L1,A1,,,flat,100,EUR,,,arrears,1,2026-01-01,2026-01-15,own")
        case.draft("2026-01", "2026-02")
        (credit,) = issue_month(case, "2026-02")
        assert (credit.invoice_number, credit.corrects_invoice_number) == ("CN-2026-000001", "INV-2026-000001")
        case.draft("2026-01", "2026-02")
        assert total_billed(case) == {("A1", "EUR"): Decimal("48.39")}
        states = case.con.execute(
            "SELECT invoice_number, document_type, state FROM billing.invoices ORDER BY 1"
        ).fetchall()
        assert states == [("CN-2026-000001", "credit_note", "issued"), ("INV-2026-000001", "invoice", "issued")]


def test_lines_priced_on_an_unproven_invoice_wait_and_come_on_a_later_document(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms("contract_lines", LINES, SUPPORT, "L2,A1,c1,,cost_plus,,EUR,10,,,,2026-01-01,,")
        case.cost("x1", "50", "2026-01-01", "2026-01-31")
        proof = {"invoice_number": "G1", "billing_month": "2026-01", "currency": "EUR", "proof_state": "unproven"}
        case.facts("cost.invoice_proof", proof)
        case.draft("2026-01", "2026-02")
        plan = plan_issue(case.con, case.settings, "2026-01")
        assert [held.line.contract_line_id for held in plan.held] == ["L2"]
        assert "provider invoice G1 is unproven" in plan.held[0].reason
        (document,) = issue_month(case, "2026-01")
        assert [line.contract_line_id for line in document.lines] == ["L1"]
        case.draft("2026-01", "2026-02")
        assert case.lines("2026-02") == [
            ("recurring", "2026-02-01", "2026-02-28", 1.0, "100.00"),
            ("usage", "2026-01-01", "2026-01-31", None, "55.00"),
        ]
        assert len(plan_issue(case.con, case.settings, "2026-02").held) == 1
        case.con.execute("UPDATE cost.invoice_proof SET proof_state = 'bounded'")
        case.draft("2026-01", "2026-02")
        (later,) = issue_month(case, "2026-02")
        assert later.net_amount == Decimal("155.00")


def test_a_draft_of_nothing_but_waiting_lines_waits_whole(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms("contract_lines", LINES, "L2,A1,c1,,cost_plus,,EUR,10,,,,2026-01-01,,")
        case.cost("x1", "50", "2026-01-01", "2026-01-31")
        proof = {"invoice_number": "G1", "billing_month": "2026-01", "currency": "EUR", "proof_state": "incomplete"}
        case.facts("cost.invoice_proof", proof)
        case.draft("2026-01")
        assert issue_month(case, "2026-01") == ()
        assert ledger_files(case) == {}


def test_late_cost_bills_the_difference_for_its_own_month(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms("contract_lines", LINES, "L2,A1,c1,,cost_plus,,EUR,10,,,,2026-01-01,,")
        case.cost("x1", "50", "2026-01-01", "2026-01-31")
        case.draft("2026-01")
        issue_month(case, "2026-01")
        case.cost("x2", "10", "2026-01-20", "2026-01-31")
        case.draft("2026-01", "2026-02")
        assert case.lines("2026-02") == [("correction", "2026-01-01", "2026-01-31", None, "11.00")]


def test_what_cannot_be_told_any_more_is_not_taken_back(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms(
            "contract_lines",
            LINES,
            "L1,A1,c1,s1,per_unit,10,EUR,,,arrears,1,2026-01-01,,",
            "L2,A1,c1,,cost_plus,,EUR,10,,,,2026-01-01,,",
            "L3,A1,,,flat,7,EUR,,,arrears,1,2026-01-01,,own",
        )
        case.terms("exchange_rates", "rate_month,from_currency,to_currency,rate,source", "2026-01,USD,EUR,0.9,ecb")
        case.seats("s1", ("2025-12-01", 0, 3))
        case.cost("x1", "100", "2026-01-01", "2026-01-31", currency="USD")
        case.draft("2026-01")
        issue_month(case, "2026-01")
        case.con.execute("DELETE FROM partner_center.subscription_changes")
        case.terms("exchange_rates", "rate_month,from_currency,to_currency,rate,source")
        case.terms(
            "contract_lines",
            LINES,
            "L1,A1,c1,s1,per_unit,10,EUR,,,arrears,1,2026-01-01,,",
            "L2,A1,c1,,cost_plus,,EUR,10,,,,2026-01-01,,",
        )
        report = case.draft("2026-01")
        assert len(documents(case)) == 1
        assert any("L3 was billed and is not in the terms any more" in notice.message for notice in report.notices)


def test_what_was_issued_in_another_currency_is_taken_back_there(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms("contract_lines", LINES, SUPPORT)
        case.draft("2026-01")
        issue_month(case, "2026-01")
        case.terms("contract_lines", LINES, SUPPORT.replace("EUR", "USD"))
        case.draft("2026-01")
        assert total_billed(case) == {("A1", "USD"): Decimal(100)}
        assert [line[4] for line in case.lines("2026-02")] == ["-100.00"]


def test_billing_starts_where_the_first_issue_fixed_it_whatever_older_files_come(tmp_path: Path) -> None:
    with billing_case(tmp_path, None) as case:
        case.terms("contract_lines", LINES, "L1,A1,,,flat,100,EUR,,,arrears,1,2025-01-01,,own")
        case.facts("cost.invoices", {"invoice_number": "G1", "billing_month": "2026-01"})
        case.draft("2026-01")
        issue_month(case, "2026-01")
        case.facts("cost.invoices", {"invoice_number": "G0", "billing_month": "2025-11"})
        assert case.draft("2025-11", "2025-12", "2026-01", "2026-02").billing_starts_on == date(2026, 1, 1)
        moved = Settings(CSP_HOME=tmp_path, billing_starts_on=date(2025, 11, 1), _env_file=None)
        case.settings = moved
        assert case.draft("2025-11", "2026-01", "2026-02").billing_starts_on == date(2026, 1, 1)
        assert [document[1] for document in documents(case)] == ["2026-01", "2026-02"]


def test_payments_are_taken_and_those_that_do_not_fit_are_told(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms("contract_lines", LINES, SUPPORT)
        case.draft("2026-01")
        issue_month(case, "2026-01")
        case.terms(
            "payments",
            "payment_id,account_id,invoice_number,paid_on,amount,currency",
            "P1,A1,INV-2026-000001,2026-10-01,40.00,EUR",
            "P2,A1,INV-2026-000009,2026-10-01,1.00,EUR",
        )
        report = case.draft("2026-01")
        row = case.con.execute(
            "SELECT CAST(paid_amount AS DOUBLE), CAST(balance_amount AS DOUBLE), state FROM billing.invoices"
        ).fetchone()
        assert row == (40.0, 60.0, "part_paid")
        assert [notice.message for notice in report.notices] == [
            "Payment P2 is not taken: no document INV-2026-000009 was issued; correct its invoice_number in payments."
        ]


def test_a_business_customer_in_another_member_state_is_not_charged_tax(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.settings = Settings(
            CSP_HOME=tmp_path, billing_starts_on=date(2026, 1, 1), partner_country="DE", _env_file=None
        )
        case.terms(
            "accounts",
            "account_id,name,country_code,currency,tax_id,tax_rate_id",
            "A1,Contoso,AT,EUR,ATU13585627,DE",
            "A2,Fabrikam,AT,EUR,ATU13585620,DE",
            "A3,Tailwind,EL,EUR,EL094259216,DE",
        )
        case.terms("tax_rates", "tax_rate_id,tax_category,rate_percent,valid_from,valid_to", "DE,,19,,")
        case.terms("contract_lines", LINES, *(SUPPORT.replace("L1,A1", f"L{n},A{n}") for n in (1, 2, 3)))
        report = case.draft("2026-01")
        rows = case.con.execute(
            "SELECT account_id, CAST(tax_amount AS DOUBLE), tax_note IS NOT NULL FROM billing.invoices ORDER BY 1"
        ).fetchall()
        assert rows == [("A1", 0.0, True), ("A2", 19.0, False), ("A3", 0.0, True)]
        (notice,) = report.notices
        assert notice.message.startswith("Account A2: tax id ATU13585620 is not a valid number of AT")
        issue_month(case, "2026-01")
        page = (case.settings.home.reports / "invoices" / "INV-2026-000001.html").read_text("utf-8")
        assert "Reverse charge: VAT is to be accounted for by the recipient" in page
        assert "Reverse charge, no tax on 100.00" in page
        assert "0 %" not in page


def test_an_account_charged_twice_is_stopped_and_the_others_go_on(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        two_accounts(case)
        case.terms("contract_lines", LINES, SUPPORT, "L2,A2,,,flat,50,EUR,,,arrears,1,2026-01-01,,own")
        case.draft("2026-01")
        plan = plan_issue(case.con, case.settings, "2026-01")
        assert [one.document.account_id for one in plan.documents] == ["A1", "A2"]
        case.terms("accounts", "account_id,name,currency,tax_rate_id", "A1,Contoso,EUR,DE", "A2,Fabrikam,EUR,")
        case.draft("2026-01")
        plan = plan_issue(case.con, case.settings, "2026-01")
        assert [one.document.account_id for one in plan.documents] == ["A2"]
        assert any("Account A1 is not issued: tax rate DE has no percentage" in sentence for sentence in plan.stopped)


def test_only_what_stands_in_the_warehouse_is_issued(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        with pytest.raises(CspError, match="run csp-pipeline run first"):
            plan_issue(case.con, case.settings, "2026-01")
        case.terms("contract_lines", LINES, SUPPORT)
        case.draft("2026-01")
        case.terms("contract_lines", LINES, SUPPORT.replace("100", "120"))
        case.load()
        with pytest.raises(CspError, match="are not those that follow"):
            plan_issue(case.con, case.settings, "2026-01")


def test_a_clock_before_the_last_issue_stops_issuing(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms("contract_lines", LINES, SUPPORT)
        case.draft("2026-01", "2026-02")
        issue_month(case, "2026-01", date(2026, 3, 8))
        case.draft("2026-01", "2026-02")
        with pytest.raises(CspError, match="today is 2026-03-07"):
            issue_month(case, "2026-02", date(2026, 3, 7))
        issue_month(case, "2026-02", date(2027, 1, 2))
        assert numbers(case) == ["INV-2026-000001", "INV-2027-000001"]


def test_a_lost_or_damaged_ledger_stops_drafting(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms("contract_lines", LINES, SUPPORT)
        case.draft("2026-01")
        issue_month(case, "2026-01")
        case.draft("2026-01")
        batch = next(case.settings.home.ledger.glob("*.jsonl"))
        content = batch.read_bytes()
        batch.write_bytes(content.replace(b"100.00", b"100.01"))
        with pytest.raises(LedgerDamagedError, match="restore the folder from a backup"):
            case.draft("2026-01")
        for path in case.settings.home.ledger.iterdir():
            path.unlink()
        with pytest.raises(CspError, match="1 documents that were issued, the first is INV-2026-000001"):
            case.draft("2026-01")


def test_revenue_is_recognised_when_terms_change_after_the_issue(tmp_path: Path) -> None:
    """A correction, a currency that changed, a contract line that is gone: the books still tie out."""
    with billing_case(tmp_path) as case:
        seats = "L1,A1,c1,s1,per_unit,10,EUR,,,arrears,1,2026-01-01,,"
        gone, moved = "L2,A1,,,flat,7,EUR,,,arrears,1,2026-01-01,,own", "L3,A1,,,flat,9,{},,,arrears,1,2026-01-01,,own"
        case.seats("s1", ("2025-12-01", 0, 3))
        case.terms("contract_lines", LINES, seats, gone, moved.format("EUR"))
        case.draft("2026-01", "2026-02")
        issue_month(case, "2026-01")
        case.terms("contract_lines", LINES, seats.replace(",10,", ",12,"), moved.format("USD"))
        case.draft("2026-01", "2026-02")
        reconcile(case.con, case.settings, ["2026-01", "2026-02"])
        fill_drill_down(case.con)
        held = "revenue_is_recognised difference_parts_sum documents_are_their_lines drill_down_is_revenue_vs_cost"
        for identity in IDENTITIES:
            if identity.name in held.split():
                assert violations(case.con, identity) == []
        billed = case.con.execute(
            """
            SELECT CAST(billed_quantity AS DOUBLE), CAST(revenue_amount AS DOUBLE)
            FROM reconciliation.revenue_vs_cost
            WHERE contract_line_id = 'L1' AND service_month = '2026-01'
            """
        ).fetchall()
        assert billed == [(3.0, 36.0)]
        causes = case.con.execute(
            "SELECT cause FROM reconciliation.differences WHERE contract_line_id = 'L2' ORDER BY 1"
        ).fetchall()
        assert causes == [("revenue_without_cost",)]
