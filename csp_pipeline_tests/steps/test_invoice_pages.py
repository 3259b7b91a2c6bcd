"""The printable page of an issued document: what it says, and that it always says what the ledger says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from csp_pipeline_tests.steps.billing_case import billing_case
from csp_pipeline_tests.steps.issuing_case import LINES, issue_month

if TYPE_CHECKING:
    from pathlib import Path

SUPPORT = "L1,A1,,,flat,100,EUR,,,arrears,1,2026-01-01,,own"


def test_the_page_says_who_what_which_period_why_tax_and_total(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms("accounts", "account_id,name,currency,tax_rate_id", "A1,<b>Contoso & Sons</b>,EUR,DE")
        case.terms("tax_rates", "tax_rate_id,tax_category,rate_percent,valid_from,valid_to", "DE,,19,,")
        case.terms("contract_lines", f"{LINES},description", f"{SUPPORT},Service desk")
        case.draft("2026-01")
        (document,) = issue_month(case, "2026-01")
        path = case.settings.home.reports / "invoices" / "INV-2026-000001.html"
        page = path.read_text("utf-8")
        for text in (
            "Invoice INV-2026-000001",
            "&lt;b&gt;Contoso &amp; Sons&lt;/b&gt;",
            "Service desk, 1 to 31 January 2026",
            "1 to 31 Jan 2026",
            "January 2026",
            "8 September 2026",
            "19 % of 100.00",
            "119.00",
            document.content_sha256,
        ):
            assert text in page
        case.draft("2026-01")
        for spoil in (path.unlink, lambda: path.write_text("what somebody typed over it")):
            spoil()
            issue_month(case, "2026-01")
            assert path.read_text("utf-8") == page


def test_a_page_says_where_no_tax_rate_is_stated_and_where_the_rate_is_0(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms("accounts", "account_id,name,currency,tax_rate_id", "A1,Contoso,EUR,", "A2,Fabrikam,EUR,DE")
        case.terms("tax_rates", "tax_rate_id,tax_category,rate_percent,valid_from,valid_to", "DE,export,0,,")
        case.terms(
            "contract_lines",
            f"{LINES},tax_category",
            f"{SUPPORT},standard",
            f"{SUPPORT.replace('L1', 'L3')},",
            f"{SUPPORT.replace('L1,A1', 'L2,A2')},export",
        )
        case.draft("2026-01")
        issue_month(case, "2026-01")
        first, second = (
            (case.settings.home.reports / "invoices" / f"INV-2026-00000{number}.html").read_text("utf-8")
            for number in (1, 2)
        )
        assert "No tax rate is stated for standard, no tax on 100.00" in first
        assert "No tax rate is stated, no tax on 100.00" in first
        assert "none stated" in first
        assert "0 %" not in first
        assert "Tax export, 0 % of 100.00" in second
