"""Replaced subscriptions, versions of a price and loaded documents, from terms and lines to the causes."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from csp_pipeline.steps.reconciliation import reconcile
from csp_pipeline_tests.steps.billing_case import Case, billing_case

if TYPE_CHECKING:
    from pathlib import Path

LINES = (
    "contract_line_id,account_id,customer_id,subscription_id,pricing_model,unit_price,currency,starts_on,ends_on,"
    "cost_source"
)
SEAT = {"product_id": "P1", "sku_id": "S1", "charge_type": "cycleCharge", "billing_frequency": "Monthly"}


def reconciled(case: Case, *months: str) -> dict[tuple[str, str | None, str], tuple[Decimal, Decimal | None]]:
    """Month, contract line (else subscription) and cause -> amount and quantity."""
    case.draft(*months)
    reconcile(case.con, case.settings, months)
    rows = case.con.execute(
        """
        SELECT service_month, coalesce(contract_line_id, subscription_id), cause, amount, quantity
        FROM reconciliation.differences
        """
    ).fetchall()
    unexplained = [row for row in rows if row[2] == "unexplained"]
    assert unexplained == []
    return {
        (month, line, cause): (amount, quantity) for month, line, cause, amount, quantity in rows if month in months
    }


def links(case: Case) -> list[tuple[Any, ...]]:
    return case.con.execute(
        "SELECT link_id, source, is_followed FROM billing.subscription_links ORDER BY ALL"
    ).fetchall()


def test_a_conversion_that_the_providers_lines_name_is_followed_without_a_decision(tmp_path: Path) -> None:
    """s1 is taken back and s2 charged under one reference: the line of s1 takes cost and seats of s2."""
    with billing_case(tmp_path) as case:
        case.terms("contract_lines", LINES, "L1,A1,c1,s1,per_unit,12,EUR,2026-01-01,,")
        case.cost("old", "100", "2026-01-01", "2026-01-31", subscription_id="s1", billable_quantity=10, **SEAT)
        convert = {**SEAT, "charge_type": "convert", "reference_id": "event-1"}
        case.cost("off", "-50", "2026-01-17", "2026-01-31", subscription_id="s1", billable_quantity=-10, **convert)
        case.cost("on", "75", "2026-01-17", "2026-01-31", subscription_id="s2", billable_quantity=10, **convert)
        case.cost("new", "155", "2026-02-01", "2026-02-28", subscription_id="s2", billable_quantity=10, **SEAT)
        found = reconciled(case, "2026-01", "2026-02")
        assert links(case) == [("s1>s2", "convert_line", True)]
        assert found == {}
        rows = case.con.execute(
            """
            SELECT contract_line_id, service_month, revenue_amount
            FROM reconciliation.revenue_vs_cost
            WHERE service_month < '2026-03'
            ORDER BY ALL
            """
        ).fetchall()
        assert [(line, month) for line, month, _ in rows] == [("L1", "2026-01"), ("L1", "2026-02")]
        assert [revenue for *_, revenue in rows] == [Decimal(120), Decimal(120)]


def test_a_succession_is_proposed_and_not_followed_until_confirmed(tmp_path: Path) -> None:
    """s2 with the same product begins where s1 ended: until somebody confirms, its cost is nobody's."""
    with billing_case(tmp_path) as case:
        case.terms("contract_lines", LINES, "L1,A1,c1,s1,per_unit,12,EUR,2026-01-01,,")
        case.seats("s1", ("2025-12-01", 0, 10))
        case.cost("old", "100", "2026-01-01", "2026-01-31", subscription_id="s1", billable_quantity=10, **SEAT)
        new = {**SEAT, "charge_type": "new"}
        case.cost("new", "100", "2026-02-01", "2026-02-28", subscription_id="s2", billable_quantity=10, **new)
        found = reconciled(case, "2026-01", "2026-02")
        assert links(case) == [("s1>s2", "succession", False)]
        assert set(found) == {("2026-02", "s2", "unbilled_cost"), ("2026-02", "L1", "revenue_without_cost")}
        case.seats("s1", ("2026-02-01", 10, 0))
        case.terms(
            "subscription_links",
            "from_subscription_id,to_subscription_id,valid_from,reason,confirmed",
            "s1,s2,2026-02-01,bought again,true",
        )
        found = reconciled(case, "2026-01", "2026-02")
        assert links(case) == [("s1>s2", "terms", True)]
        assert found == {}
        assert all(
            row[0] == "L1" for row in case.con.execute("SELECT contract_line_id FROM billing.cost_matches").fetchall()
        )


def test_a_link_to_another_tenant_explains_what_each_side_has_alone(tmp_path: Path) -> None:
    """The seats moved to the account's other tenant: charged under s1 of c1, provided under s2 of c2."""
    with billing_case(tmp_path) as case:
        case.terms("account_tenants", "account_id,customer_id", "A1,c1", "A1,c2")
        case.terms("contract_lines", LINES, "L1,A1,c1,s1,per_unit,12,EUR,2026-01-01,,")
        case.terms(
            "subscription_links",
            "from_subscription_id,to_subscription_id,valid_from,reason,confirmed",
            "s1,s2,2026-02-01,transferred,true",
        )
        case.seats("s1", ("2025-12-01", 0, 10))
        case.cost("old", "100", "2026-01-01", "2026-01-31", subscription_id="s1", billable_quantity=10, **SEAT)
        moved = {**SEAT, "customer_id": "c2"}
        case.cost("new", "96", "2026-02-01", "2026-02-28", subscription_id="s2", billable_quantity=12, **moved)
        found = reconciled(case, "2026-01", "2026-02")
        assert found == {
            ("2026-02", "L1", "replaced_subscription"): (Decimal(120), Decimal(10)),
            ("2026-02", "s2", "replaced_subscription"): (Decimal(-80), Decimal(-10)),
            ("2026-02", "s2", "unbilled_cost"): (Decimal(-16), Decimal(-2)),
        }


@pytest.mark.parametrize("seats", [10, 8])
def test_a_price_that_changes_inside_the_providers_year_is_proved_from_both_versions(
    tmp_path: Path, seats: int
) -> None:
    """12.00 until 14 February, 15.00 from the 15th; the provider's year stands on the former version."""
    with billing_case(tmp_path) as case:
        case.terms(
            "contract_lines",
            f"{LINES},quantity_source,quantity,anchor_day",
            "L1,A1,c1,s1,per_unit,12,EUR,2026-01-01,2026-02-14,,fixed,10,1",
            f"L2,A1,c1,s1,per_unit,15,EUR,2026-02-15,,,fixed,{seats},1",
        )
        year = {**SEAT, "billing_frequency": "Annual", "subscription_starts_on": "2026-01-01", "billable_quantity": 10}
        case.cost("year", "1000", "2026-01-01", "2026-12-31", subscription_id="s1", **year)
        found = reconciled(case, "2026-01", "2026-02", "2026-03")
        causes = {cause for _, _, cause in found}
        assert causes <= (
            {"price_version", "proration", "rounding", "period"} | ({"quantity_mismatch"} if seats == 8 else set())
        )
        assert found["2026-02", "L2", "price_version"][1] == seats
        assert found["2026-02", "L1", "price_version"][1] == -seats
        if seats == 8:
            assert found["2026-02", "L1", "quantity_mismatch"][1] == -2
        evidence = case.con.execute(
            "SELECT evidence FROM reconciliation.differences WHERE cause = 'price_version' AND contract_line_id = 'L2'"
        ).fetchone()
        assert evidence is not None
        assert '"key": "L1"' in evidence[0]
        assert '"key": "year"' in evidence[0]


def test_a_share_of_a_bundle_that_changes_inside_the_providers_month_is_a_version_of_the_price(tmp_path: Path) -> None:
    """28.00 a seat alone; from 15 February half of it, as own work joins: 14 of 28 days at 14.00 less."""
    with billing_case(tmp_path) as case:
        case.terms("bundles", "bundle_id,name,unit_price,currency", "B1,Care,28,EUR")
        case.terms(
            "contract_lines",
            f"{LINES},bundle_id,quantity,billing_timing,anchor_day",
            "L1,A1,c1,s1,per_unit,,EUR,2026-01-01,,,B1,,arrears,1",
            "L2,A1,c1,,per_unit,,EUR,2026-02-15,,own,B1,1,arrears,1",
        )
        case.seats("s1", ("2025-12-01", 0, 1))
        for name, start, end in (("x1", "2026-01-01", "2026-01-31"), ("x2", "2026-02-01", "2026-02-28")):
            case.cost(name, "20", start, end, subscription_id="s1", billable_quantity=1, **SEAT)
        found = reconciled(case, "2026-01", "2026-02")
        assert {key: amount for key, (amount, _) in found.items() if key[1] == "L1"} == {
            ("2026-02", "L1", "price_version"): Decimal("-7.0000000000")
        }


def test_the_discount_of_a_cycle_holds_for_all_its_versions(tmp_path: Path) -> None:
    """Half of 730.00 a year less 10 % until own work leaves on 14 July, then all of it less 10 %: 0.90 a day more.

    The discount ends with March, and the year began in January.
    """
    with billing_case(tmp_path) as case:
        case.terms("bundles", "bundle_id,name,unit_price,currency", "B1,Care,730,EUR")
        case.terms(
            "contract_lines",
            f"{LINES},bundle_id,quantity,billing_cycle,billing_timing,anchor_day,discount_percent,discount_ends_on",
            "L1,A1,c1,s1,per_unit,,EUR,2026-01-01,,,B1,,annual,advance,1,10,2026-03-31",
            "L2,A1,c1,,per_unit,,EUR,2026-01-01,2026-07-14,own,B1,1,annual,advance,1,,",
        )
        case.seats("s1", ("2025-12-01", 0, 1))
        year = {**SEAT, "billing_frequency": "Annual", "subscription_starts_on": "2026-01-01", "billable_quantity": 1}
        case.cost("year", "200", "2026-01-01", "2026-12-31", subscription_id="s1", **year)
        found = reconciled(case, *(f"2026-{month:02d}" for month in range(1, 9)))
        assert {cause for month, _, cause in found if month == "2026-08"} == {"price_version"}
        assert found["2026-08", "L1", "price_version"][0] == Decimal("27.90")


def test_a_month_is_loaded_for_the_provider_it_came_from(tmp_path: Path) -> None:
    """The distributor's last document is January's, the provider's February's, both in EUR."""
    with billing_case(tmp_path) as case:
        case.terms(
            "contract_lines",
            f"{LINES},quantity",
            "L1,A1,c1,s1,per_unit,12,EUR,2026-01-01,,distributor,10",
            "L2,A1,c1,s2,per_unit,12,EUR,2026-01-01,,provider,10",
        )
        seats = {**SEAT, "billable_quantity": 10}
        case.cost("d1", "100", "2026-01-01", "2026-01-31", subscription_id="s1", provider="dist", **seats)
        case.cost("m1", "100", "2026-01-01", "2026-01-31", subscription_id="s2", **seats)
        case.cost("other", "1", "2026-02-01", "2026-02-28", subscription_id="s9", **seats)
        found = reconciled(case, "2026-01", "2026-02")
        assert found["2026-02", "L1", "period"] == (Decimal(120), Decimal(10))
        assert found["2026-02", "L2", "revenue_without_cost"] == (Decimal(120), Decimal(10))
