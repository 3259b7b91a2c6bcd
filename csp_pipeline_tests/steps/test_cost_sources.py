"""Whose cost a provider line is: by tenant, by reseller, and under the id of the subscription it replaced."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from csp_pipeline.steps.billing import build_cost_matches
from csp_pipeline.steps.cost import fill
from csp_pipeline.steps.reconciliation import reconcile
from csp_pipeline_tests.steps.billing_case import Case, billing_case

if TYPE_CHECKING:
    from pathlib import Path

LINES = "contract_line_id,account_id,subscription_id,product_id,pricing_model,unit_price,currency,starts_on"


def matched(case: Case) -> dict[str, tuple[str | None, str | None]]:
    """Account and contract line of each cost line."""
    case.load()
    build_cost_matches(case.con)
    found = case.con.execute("SELECT line_id, account_id, contract_line_id FROM billing.cost_matches").fetchall()
    return {line_id: (account_id, contract_line_id) for line_id, account_id, contract_line_id in found}


def test_a_reseller_s_account_takes_the_cost_of_tenants_without_account(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms("accounts", "account_id,name,currency", "A1,Contoso,EUR", "A2,Reseller,EUR")
        case.terms("account_resellers", "account_id,reseller_mpn_id", "A2,4391507")
        case.terms(
            "contract_lines", LINES, "L1,A1,s1,,per_unit,2,EUR,2026-01-01", "L2,A2,s1,,per_unit,2,EUR,2026-01-01"
        )
        case.cost("own", "1", "2026-01-01", "2026-01-31", subscription_id="s1", reseller_mpn_id="4391507")
        other = {"customer_id": "elsewhere", "subscription_id": "s1"}
        case.cost("resold", "1", "2026-01-01", "2026-01-31", **other, reseller_mpn_id="4391507")
        case.cost("direct", "1", "2026-01-01", "2026-01-31", **other, reseller_mpn_id="0")
        case.cost("removed", "1", "2026-01-01", "2026-01-31", **other, reseller_mpn_id="-1")
        assert matched(case) == {
            "own": ("A1", "L1"),
            "resold": ("A2", "L2"),
            "direct": (None, None),
            "removed": (None, None),
        }


def test_a_reseller_s_month_is_billed_and_compared_from_the_lines_that_name_it(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms("accounts", "account_id,name,currency", "A1,Contoso,EUR", "A2,Reseller,EUR")
        case.terms("account_resellers", "account_id,reseller_mpn_id", "A2,4391507")
        columns = "contract_line_id,account_id,customer_id,subscription_id,product_id,pricing_model,"
        case.terms(
            "contract_lines",
            f"{columns}unit_price,markup_percent,currency,starts_on",
            "L1,A2,,s1,,per_unit,12,,EUR,2026-01-01",
            "L2,A2,c8,,P8,per_unit,7,,EUR,2026-01-01",
            "L3,A2,,,,cost_plus,,10,EUR,2026-01-01",
        )
        for name, customer, product, amount, seats in (
            ("s1", "c9", "P9", "100", "10"), ("s8", "c8", "P8", "30", "5"), ("s7", "c7", "P7", "20", "1"),
        ):  # fmt: skip
            case.cost(
                name, amount, "2026-01-01", "2026-01-31", customer_id=customer, subscription_id=name,
                product_id=product, billable_quantity=seats, unit_price="1", reseller_mpn_id=" 4391507 ",
                billing_frequency="Monthly", charge_type="cycleCharge",
            )  # fmt: skip
        report = case.load()
        assert [notice.message for notice in report.notices if "tenant" in notice.message] == []
        case.draft("2026-01")
        lines = "SELECT contract_line_id, quantity, net_amount FROM billing.invoice_lines ORDER BY 1, service_start_on"
        found = case.con.execute(lines).fetchall()
        assert [(line, quantity, net) for line, quantity, net in found if line != "L3"] == [
            ("L1", 10, 120), ("L1", 10, 120), ("L2", 5, 35), ("L2", 5, 35),
        ]  # fmt: skip
        assert ("L3", None, 22) in found
        reconcile(case.con, case.settings, ["2026-01"])
        rows = "SELECT account_id, contract_line_id, cost_amount, status FROM reconciliation.revenue_vs_cost "
        assert case.con.execute(f"{rows} WHERE service_month = '2026-01' ORDER BY 2").fetchall() == [
            ("A2", "L1", 100, "matched"),
            ("A2", "L2", 30, "matched"),
            ("A2", "L3", 20, "matched"),
        ]


def test_cost_by_reseller_names_the_account_of_the_reseller(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms("accounts", "account_id,name,currency", "A1,Contoso,EUR", "A2,Reseller,EUR")
        case.terms("account_resellers", "account_id,reseller_mpn_id", "A2,4391507")
        case.terms("contract_lines", LINES)
        case.load()
        for number, reseller in enumerate(("4391507", "4391507", "0", None)):
            more = {"reseller_mpn_id": reseller, "tax_amount": "1", "total_amount": "11"}
            case.cost(f"l{number}", "10", "2026-01-01", "2026-01-31", **more)
        fill(case.con, "cost.reseller_costs", "2026-01", "EUR")
        found = case.con.execute(
            "SELECT reseller_mpn_id, account_id, CAST(subtotal_amount AS INT), CAST(total_amount AS INT) "
            "FROM cost.reseller_costs ORDER BY ALL"
        ).fetchall()
        assert found == [("0", None, 10, 11), ("4391507", "A2", 20, 22), (None, None, 10, 11)]


def test_a_confirmed_link_is_followed_from_its_first_day_on(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms("contract_lines", LINES, "L1,A1,old,P-old,per_unit,2,EUR,2026-01-01")
        columns = "from_subscription_id,to_subscription_id,valid_from,reason,confirmed"
        case.terms("subscription_links", columns, "old,mid,2026-02-01,converted,true", "mid,new,,converted,true")
        for line_id, subscription, start in (
            ("before", "mid", "2026-01-01"), ("after", "mid", "2026-02-01"), ("twice", "new", "2026-03-01"),
        ):  # fmt: skip
            case.cost(line_id, "1", start, start, subscription_id=subscription, product_id="P-new")
        assert matched(case) == {"before": ("A1", None), "after": ("A1", "L1"), "twice": ("A1", "L1")}


def test_a_link_that_nobody_confirmed_is_not_followed_and_the_line_that_names_the_new_one_comes_first(
    tmp_path: Path,
) -> None:
    with billing_case(tmp_path) as case:
        lines = ["L1,A1,old,,per_unit,2,EUR,2026-01-01", "L2,A1,new,,per_unit,2,EUR,2026-01-01"]
        case.terms("contract_lines", LINES, *lines)
        columns = "from_subscription_id,to_subscription_id,valid_from,reason,confirmed"
        case.terms("subscription_links", columns, "old,new,2026-01-01,moved,true", "old,other,2026-01-01,moved,false")
        case.cost("a", "1", "2026-01-01", "2026-01-31", subscription_id="new")
        case.cost("b", "1", "2026-01-01", "2026-01-31", subscription_id="other")
        assert matched(case) == {"a": ("A1", "L2"), "b": ("A1", None)}


def test_legacy_azure_is_found_by_azure_subscription(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        columns = "contract_line_id,account_id,entitlement_id,pricing_model,currency,starts_on"
        case.terms("contract_lines", columns, "L1,A1,azure-1,cost_plus,EUR,2026-01-01")
        case.cost("a", "1", "2026-01-05", "2026-02-04", subscription_id="azure-1", product_family="azure_legacy")
        assert matched(case) == {"a": ("A1", "L1")}


def test_what_a_distributor_charges_goes_to_lines_of_that_source(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        columns = f"{LINES},cost_source"
        rows = [
            f"L{n},A1,s1,,per_unit,2,EUR,2026-01-01,{source}" for n, source in enumerate(("", "distributor", "own"))
        ]
        case.terms("contract_lines", columns, *rows)
        case.cost("a", "1", "2026-01-01", "2026-01-31", subscription_id="s1", provider="microsoft")
        case.cost("b", "1", "2026-01-01", "2026-01-31", subscription_id="s1", provider="acme")
        assert matched(case) == {"a": ("A1", "L0"), "b": ("A1", "L1")}


def test_cost_that_nobody_bills_is_a_difference_in_each_currency_it_comes_in(tmp_path: Path) -> None:
    """7.00 USD at 0.90 beside 20.00 EUR of one subscription that no contract line takes."""
    with billing_case(tmp_path) as case:
        case.terms("contract_lines", "contract_line_id,account_id,pricing_model,currency,starts_on")
        case.terms("exchange_rates", "rate_month,from_currency,to_currency,rate,source", "2026-01,USD,EUR,0.9,treasury")
        case.cost("a", "20", "2026-01-01", "2026-01-31", subscription_id="s8", billable_quantity=2)
        case.cost("b", "7", "2026-01-01", "2026-01-31", subscription_id="s8", billable_quantity=1, currency="USD")
        case.draft("2026-01")
        reconcile(case.con, case.settings, ["2026-01"])
        rows = case.con.execute(
            """
            SELECT cost_currency, cost_amount, difference_amount, quantity_difference, status, cause
            FROM reconciliation.revenue_vs_cost ORDER BY cost_currency
            """
        ).fetchall()
        assert rows == [
            ("EUR", Decimal(20), Decimal(-20), Decimal(-2), "action_needed", "unbilled_cost"),
            ("USD", Decimal("6.3"), Decimal("-6.3"), Decimal(-1), "action_needed", "unbilled_cost"),
        ]
