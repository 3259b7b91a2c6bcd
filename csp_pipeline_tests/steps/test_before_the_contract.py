"""Cost from before the contract line that sells it: nobody bills it, and nobody agreed that it is free."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from csp_pipeline.steps.reconciliation import reconcile
from csp_pipeline_tests.steps.billing_case import Case, billing_case

if TYPE_CHECKING:
    from pathlib import Path

LINES = (
    "contract_line_id,account_id,customer_id,subscription_id,pricing_model,unit_price,markup_percent,currency,quantity,"
    "anchor_day,starts_on,ends_on,trial_ends_on"
)
MONTHS = {"2026-01": ("2026-01-01", "2026-01-31"), "2026-02": ("2026-02-01", "2026-02-28")}
SEATS = {"product_id": "P1", "sku_id": "S1", "billable_quantity": 10, "billing_frequency": "Monthly"}


def found(case: Case, line: str) -> dict[tuple[str, str], tuple[Decimal, Decimal | None]]:
    """Amount and quantity by month and cause, with ten seats of 100.00 a month at the provider."""
    case.terms("contract_lines", LINES, line)
    for month, (start, end) in MONTHS.items():
        case.cost(month, "100", start, end, subscription_id="s1", **SEATS)
    case.draft(*MONTHS)
    reconcile(case.con, case.settings, list(MONTHS))
    rows = case.con.execute(
        "SELECT service_month, cause, amount, quantity FROM reconciliation.differences WHERE service_month < '2026-03'"
    ).fetchall()
    return {(month, cause): (amount, quantity) for month, cause, amount, quantity in rows}


def test_seats_from_before_the_contract_line_are_unbilled(tmp_path: Path) -> None:
    """From 10 February on: 9 of February's 28 days at 28.00 a seat are open, and all of January."""
    with billing_case(tmp_path) as case:
        assert found(case, "L1,A1,c1,s1,per_unit,28,,EUR,10,1,2026-02-10,,") == {
            ("2026-01", "unbilled_cost"): (Decimal(-280), Decimal(-10)),
            ("2026-02", "unbilled_cost"): (Decimal(-90), Decimal(0)),
        }


def test_only_the_days_of_a_trial_are_free(tmp_path: Path) -> None:
    """The contract line from 10 January, free through 20 January: the nine days before it are unbilled."""
    with billing_case(tmp_path) as case:
        assert found(case, "L1,A1,c1,s1,per_unit,31,,EUR,10,1,2026-01-10,,2026-01-20") == {
            ("2026-01", "unbilled_cost"): (Decimal(-90), Decimal(0)),
        }


def test_consumption_from_before_a_cost_plus_line_is_unbilled(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        assert found(case, "L1,A1,c1,s1,cost_plus,,10,EUR,,,2026-02-01,,") == {
            ("2026-01", "unbilled_cost"): (Decimal(-110), None),
        }
