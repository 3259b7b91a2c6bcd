"""Margins in percent of next to nothing: they are large, and are published all the same."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from csp_pipeline.steps.reconciliation import reconcile
from csp_pipeline.steps.totals import fill_totals
from csp_pipeline_tests.steps.billing_case import billing_case
from csp_pipeline_tests.steps.issuing_case import issue_month

if TYPE_CHECKING:
    from pathlib import Path

TERMS = (
    "contract_line_id,account_id,customer_id,subscription_id,pricing_model,unit_price,currency,quantity,anchor_day,"
    "starts_on,ends_on"
)


def test_a_refunded_half_cycle_leaves_the_noise_of_its_split_and_a_large_percentage(tmp_path: Path) -> None:
    """100.00 of 16 June to 15 July, 50.00 refunded from 1 July: 5E-10 of July remain, beside a cost of 6,000.00."""
    months = [f"2026-0{number}" for number in range(1, 8)]
    line = "L1,A1,c1,s1,per_unit,100,EUR,1,16,2026-01-16,"
    with billing_case(tmp_path) as case:
        case.terms("contract_lines", TERMS, line)
        case.cost("june", "80", "2026-06-16", "2026-07-15", subscription_id="s1", billable_quantity=1)
        case.draft(*months[:5])
        for month in months[:5]:
            issue_month(case, month)
        case.terms("contract_lines", TERMS, line + "2026-06-30")
        case.cost("july", "6000", "2026-07-01", "2026-07-31", subscription_id="s1", billable_quantity=60)
        case.draft(*months)
        assert case.lines("2026-06") == [("refund", "2026-07-01", "2026-07-15", -1.0, "-50.00")]
        reconcile(case.con, case.settings, months)
        fill_totals(case.con, case.settings)
        for table in ("revenue_vs_cost", "totals_by_currency", "totals"):
            july = f"SELECT revenue_amount, margin_percent FROM reconciliation.{table} WHERE service_month = '2026-07'"
            assert case.con.execute(july).fetchall() == [(Decimal("-5E-10"), Decimal("1208000000000000.0000"))]
