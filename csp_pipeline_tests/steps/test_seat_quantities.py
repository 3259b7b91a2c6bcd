"""Whose word counts for a quantity: the change log, else the snapshot, else the provider's lines."""

from pathlib import Path

import pytest

from csp_pipeline_tests.steps.billing_case import billing_case

LINES = (
    "contract_line_id,account_id,customer_id,subscription_id,entitlement_id,product_id,sku_id,pricing_model,unit_price,"
    "currency,markup_percent,cost_basis,quantity,billing_timing,anchor_day,proration,starts_on,ends_on,cost_source"
)


def test_without_changes_the_snapshot_counts_and_without_it_the_providers_lines(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms(
            "contract_lines",
            LINES,
            "L1,A1,c1,s1,,,,per_unit,1,EUR,,,,arrears,1,,2026-03-01,,",
            "L2,A1,c1,s2,,,,per_unit,1,EUR,,,,arrears,1,,2026-03-01,,",
        )
        snapshot = {"customer_id": "C1", "subscription_id": "s1", "quantity": 7, "snapshot_on": "2026-04-02"}
        case.facts("partner_center.subscriptions", snapshot)
        case.cost(
            "x1", "40", "2026-03-01", "2026-03-31", subscription_id="s2", billable_quantity=4, charge_type="cycleCharge"
        )
        case.cost(
            "x2",
            "-20",
            "2026-03-16",
            "2026-03-31",
            subscription_id="s2",
            billable_quantity=-4,
            charge_type="addQuantity",
        )
        case.cost(
            "x3", "30", "2026-03-16", "2026-03-31", subscription_id="s2", billable_quantity=6, charge_type="addQuantity"
        )
        case.draft("2026-03")
        assert case.lines("2026-03") == [
            ("recurring", "2026-03-01", "2026-03-31", 7.0, "7.00"),
            ("recurring", "2026-03-01", "2026-03-31", 4.0, "4.00"),
            ("change", "2026-03-16", "2026-03-31", 2.0, "1.03"),
        ]


@pytest.mark.parametrize(
    ("proof_state", "march"), [("proven", []), ("incomplete", [("recurring", "2026-03-01", "2026-03-31", 4.0, "4.00")])]
)
def test_seats_that_the_provider_charges_no_longer_are_not_charged_either(
    tmp_path: Path, proof_state: str, march: list[tuple[object, ...]]
) -> None:
    """February's document is the last with seats; March is loaded without them, April is not loaded yet."""
    with billing_case(tmp_path) as case:
        case.terms("contract_lines", LINES, "L1,A1,c1,s2,,,,per_unit,1,EUR,,,,arrears,1,,2026-01-01,,")
        seats = {"subscription_id": "s2", "billable_quantity": 4, "charge_type": "cycleCharge"}
        case.cost("x1", "40", "2026-01-01", "2026-01-31", **seats)
        case.cost("x2", "40", "2026-02-01", "2026-02-28", **seats)
        case.draft("2026-01", "2026-02", "2026-03")
        assert [case.lines(month)[0][3] for month in ("2026-01", "2026-02", "2026-03")] == [4.0, 4.0, 4.0]
        proof = {"invoice_number": "G2", "billing_month": "2026-03", "currency": "EUR", "proof_state": proof_state}
        case.facts("cost.invoice_proof", proof)
        case.cost("x3", "1", "2026-03-01", "2026-03-31", invoice_number="G2", subscription_id="s9", billable_quantity=1)
        case.draft("2026-01", "2026-02", "2026-03", "2026-04")
        assert [case.lines(month)[0][3] for month in ("2026-01", "2026-02")] == [4.0, 4.0]
        assert case.lines("2026-03") == march
        assert len(case.lines("2026-04")) == len(march)


def test_seats_whose_cycle_ends_inside_a_month_end_there(tmp_path: Path) -> None:
    """The cycle of 17 January ends on 16 February, and February's document has no other."""
    with billing_case(tmp_path) as case:
        case.terms("contract_lines", LINES, "L1,A1,c1,s2,,,,per_unit,28,EUR,,,,arrears,1,,2026-02-01,,")
        seats = {"subscription_id": "s2", "billable_quantity": 1, "charge_type": "cycleCharge"}
        case.cost("x1", "40", "2026-01-17", "2026-02-16", **seats)
        case.cost("x2", "1", "2026-02-01", "2026-02-28", subscription_id="s9", billable_quantity=1)
        case.draft("2026-02", "2026-03")
        assert case.lines("2026-02") == [
            ("recurring", "2026-02-01", "2026-02-28", 1.0, "28.00"),
            ("change", "2026-02-17", "2026-02-28", -1.0, "-12.00"),
        ]
        assert case.lines("2026-03") == []
