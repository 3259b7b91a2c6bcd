"""What belongs together is issued together and taxed alike: a cost and its discount, a charge and its refund."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from csp_pipeline.steps.issue import plan_issue
from csp_pipeline_tests.steps.billing_case import Case, billing_case
from csp_pipeline_tests.steps.issuing_case import issue_month

if TYPE_CHECKING:
    from pathlib import Path

TERMS = (
    "contract_line_id,account_id,customer_id,subscription_id,pricing_model,unit_price,currency,markup_percent,"
    "maximum_amount,minimum_amount,billing_timing,anchor_day,starts_on,ends_on,cost_source"
)


def taxed(case: Case, *rates: str) -> None:
    case.terms("accounts", "account_id,name,currency,tax_rate_id", "A1,Contoso,EUR,VAT")
    case.terms("tax_rates", "tax_rate_id,tax_category,rate_percent,valid_from,valid_to", *rates)


def flat(case: Case, price: str, ends_on: str = "") -> None:
    case.terms("contract_lines", TERMS, f"L1,A1,c1,,flat,{price},EUR,,,,advance,1,2026-01-01,{ends_on},own")


def test_a_discount_on_an_unproven_cost_waits_with_the_cost(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms(
            "contract_lines",
            TERMS,
            "L1,A1,c1,s1,cost_plus,,EUR,0,800,,,,2026-01-01,,",
            "L2,A1,,,flat,10,EUR,,,,arrears,1,2026-01-01,,own",
        )
        case.cost("x1", "1000", "2026-01-01", "2026-01-31", subscription_id="s1")
        proof = {"invoice_number": "G1", "billing_month": "2026-01", "currency": "EUR", "proof_state": "unproven"}
        case.facts("cost.invoice_proof", proof)
        case.draft("2026-01")
        plan = plan_issue(case.con, case.settings, "2026-01")
        assert sorted(held.line.charge_kind for held in plan.held) == ["discount", "usage"]
        (document,) = issue_month(case, "2026-01")
        assert [(line.contract_line_id, line.charge.net_amount) for line in document.lines] == [("L2", Decimal(10))]


def test_without_a_known_quantity_not_even_a_minimum_is_charged(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms("contract_lines", TERMS, "L1,A1,c1,s1,per_unit,10,EUR,,,100,arrears,1,2026-01-01,,")
        report = case.draft("2026-01")
        assert case.lines("2026-01") == []
        assert "no quantity of subscription s1 is known" in report.notices[0].message


def test_a_refund_of_what_was_issued_without_tax_has_no_tax(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        flat(case, "310")
        case.draft("2026-01")
        issue_month(case, "2026-01")
        taxed(case, "VAT,,19,2026-01-01,")
        flat(case, "310", "2026-01-15")
        case.draft("2026-01", "2026-02")
        (document,) = plan_issue(case.con, case.settings, "2026-02").documents
        assert document.document.net_amount < 0
        assert document.document.tax_amount == 0


def test_a_correction_charges_anew_at_the_tax_it_takes_back(tmp_path: Path) -> None:
    """The February cycle, billed in January at 19 %, costs 200 instead of 300; the rate is 20 % by then."""
    with billing_case(tmp_path, date(2026, 1, 1)) as case:
        taxed(case, "VAT,,19,,2026-01-31", "VAT,,20,2026-02-01,")
        flat(case, "300")
        case.draft("2026-01")
        issue_month(case, "2026-01")
        flat(case, "200")
        case.draft("2026-01", "2026-02")
        (planned,) = plan_issue(case.con, case.settings, "2026-02").documents
        lines = zip(planned.document.lines, planned.document.tax_percents, strict=True)
        assert {percent for line, percent in lines if line.service_start < date(2026, 3, 1)} == {Decimal(19)}
        assert planned.document.tax_percents[-1] == Decimal(20)


def test_an_expired_rate_of_a_category_does_not_become_the_general_rate(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        taxed(case, "VAT,,19,,", "VAT,books,7,2025-01-01,2025-12-31")
        header = f"{TERMS},tax_category"
        case.terms("contract_lines", header, "L1,A1,c1,,flat,100,EUR,,,,arrears,1,2026-01-01,,own,books")
        report = case.draft("2026-01")
        assert "no percentage for books" in report.notices[0].message
        assert not plan_issue(case.con, case.settings, "2026-01").documents


def test_a_contract_line_that_moved_is_taxed_as_its_new_account(tmp_path: Path) -> None:
    """The seats removed on 11 February were billed to A1 at 19 %; A2, which has the line now, is taxed at 20 %."""
    with billing_case(tmp_path) as case:
        case.terms("accounts", "account_id,name,currency,tax_rate_id", "A1,Contoso,EUR,V", "A2,Fabrikam,EUR,W")
        case.terms("tax_rates", "tax_rate_id,tax_category,rate_percent,valid_from,valid_to", "V,,19,,", "W,,20,,")
        seats = "L1,{},c1,s1,per_unit,31,EUR,,,,arrears,1,2026-01-01,,"
        case.terms("contract_lines", TERMS, seats.format("A1"))
        case.seats("s1", ("2025-12-01 00:00:00", 0, 10), ("2026-02-11 00:00:00", 10, 4))
        for month in ("2026-01", "2026-02"):
            case.draft("2026-01", "2026-02")
            issue_month(case, month)
        case.terms("contract_lines", TERMS, seats.format("A2"))
        case.draft("2026-01", "2026-02", "2026-03")
        rates = case.con.execute("SELECT DISTINCT account_id, tax_percent FROM billing.invoice_lines ORDER BY ALL")
        assert rates.fetchall() == [("A1", Decimal(19)), ("A2", Decimal(20))]
