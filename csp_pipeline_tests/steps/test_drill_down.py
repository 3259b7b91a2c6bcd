"""Rows of revenue versus cost open up to the lines behind them, and every level sums to the whole."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from csp_pipeline.quality.identities import IDENTITIES, violations
from csp_pipeline.sandbox.generate import generate
from csp_pipeline.steps.drill_down import fill_drill_down
from csp_pipeline.steps.reconciliation import reconcile
from csp_pipeline_tests.product import rows_of, warehouse_of
from csp_pipeline_tests.steps.billing_case import Case, billing_case

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

LINES = (
    "contract_line_id,account_id,customer_id,subscription_id,entitlement_id,pricing_model,unit_price,currency,quantity,"
    "cost_source,unit_cost,markup_percent,billing_timing,starts_on"
)
SEATS = "L1,A1,c1,s1,,per_unit,10,{},3,,,,,2026-01-01"
RATES = "rate_month,from_currency,to_currency,rate,source"
(IDENTITY,) = (one for one in IDENTITIES if one.name == "drill_down_is_revenue_vs_cost")


def opened(case: Case, month: str = "2026-01", where: str = "level = 'line'") -> list[dict[str, Any]]:
    """Draft, reconcile and open up; the books tie out."""
    case.draft(month)
    reconcile(case.con, case.settings, [month])
    fill_drill_down(case.con)
    assert violations(case.con, IDENTITY) == []
    return rows_of(
        case.con,
        f"SELECT * FROM reconciliation.drill_down WHERE service_month = '{month}' AND {where} "
        "ORDER BY side DESC, line_id, entitlement_id",
    )


def test_a_line_shows_what_it_recognises_in_the_month(tmp_path: Path) -> None:
    """A cycle from 17 January to 16 February: 15 of 31 days of 31.00 are January's; our line is whole."""
    with billing_case(tmp_path) as case:
        case.terms("contract_lines", LINES, SEATS.format("EUR"))
        seats = {"subscription_id": "s1", "billable_quantity": 3, "product_name": "Office"}
        case.cost("l1", "31", "2026-01-17", "2026-02-16", **seats)
        ours, theirs = opened(case)
        assert (ours["side"], ours["revenue_amount"], ours["cost_amount"], ours["margin_amount"]) == (
            "revenue", Decimal(30), Decimal(0), Decimal(30),
        )  # fmt: skip
        assert ours["line_id"].endswith(":1")
        assert (theirs["line_id"], theirs["name"], theirs["document_id"]) == ("l1", "Office", "G1")
        assert (theirs["billed_amount"], theirs["cost_original_amount"], theirs["margin_amount"]) == (
            Decimal(31), Decimal(15), Decimal(-15),
        )  # fmt: skip


def test_converted_cost_is_shared_by_largest_remainder_and_sums_to_the_row(tmp_path: Path) -> None:
    """7 + 1 - 3 = 5 USD at 0.123456: 0.617280, of the month 0.62 EUR.

    The 0.00272 that rounding moved go to the lines by size: 0.864192 + 0.00272 x 7 / 11 = 0.86592290..., 0.123456 +
    0.00272 / 11 = 0.12370327..., -0.370368 + 0.00272 x 3 / 11 = -0.36962618...; the unit left over goes to the largest.
    """
    with billing_case(tmp_path) as case:
        case.terms("contract_lines", LINES, SEATS.format("EUR"))
        case.terms("exchange_rates", RATES, "2026-01,USD,EUR,0.123456,treasury")
        for line_id, amount in (("a", "7"), ("b", "1"), ("c", "-3")):
            case.cost(line_id, amount, "2026-01-01", "2026-01-31", subscription_id="s1", currency="USD")
        lines = [row for row in opened(case) if row["side"] == "cost"]
        assert [row["cost_original_amount"] for row in lines] == [7, 1, -3]
        assert [row["cost_amount"] for row in lines] == [
            Decimal("0.8659229091"), Decimal("0.1237032727"), Decimal("-0.3696261818")
        ]  # fmt: skip
        ((cost,),) = case.con.execute(
            "SELECT cost_amount FROM reconciliation.revenue_vs_cost WHERE service_month = '2026-01'"
        ).fetchall()
        assert cost == sum(row["cost_amount"] for row in lines) == Decimal("0.62")


def test_a_line_of_a_hundred_billion_is_shared_in_a_currency_without_decimals(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms("accounts", "account_id,name,currency", "A1,Contoso,VND")
        case.terms("contract_lines", LINES, SEATS.format("VND"))
        case.terms("exchange_rates", RATES, "2026-01,USD,VND,26000.12345,treasury")
        for line_id, amount in (("a", "3900000.37"), ("b", "1.33"), ("c", "0"), ("d", "0.000000000000000001")):
            case.cost(line_id, amount, "2026-01-01", "2026-01-31", subscription_id="s1", currency="USD")
        costs = [row["cost_amount"] for row in opened(case) if row["side"] == "cost"]
        assert sum(costs) == Decimal(101400525655)
        assert costs[2:] == [0, 0]


def test_a_line_without_a_rate_is_not_converted_at_any_level(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms("contract_lines", LINES, SEATS.format("EUR"))
        case.cost("l1", "20", "2026-01-01", "2026-01-31", subscription_id="s1", currency="USD")
        rows = opened(case, where="coalesce(side, 'cost') = 'cost'")
        assert {row["level"] for row in rows} == {"account", "product_family", "subscription", "line"}
        assert {(row["cost_original_amount"], row["cost_amount"], row["margin_amount"]) for row in rows} == {
            (Decimal(20), None, None)
        }


def test_a_part_without_a_rate_makes_the_sum_unknown_and_the_books_still_tie(tmp_path: Path) -> None:
    """February has a rate; the line of a document of January keeps January's, which is missing."""
    with billing_case(tmp_path) as case:
        case.terms(
            "contract_lines", LINES, SEATS.format("EUR"), SEATS.format("EUR").replace("L1", "L2").replace("s1", "s2")
        )
        case.terms("exchange_rates", RATES, "2026-02,USD,EUR,0.5,treasury")
        case.cost("l1", "20", "2026-02-01", "2026-02-28", subscription_id="s1", currency="USD")
        early = {"subscription_id": "s2", "currency": "USD", "billing_month": "2026-01"}
        case.cost("l2", "8", "2026-02-01", "2026-02-28", **early)
        lines = {row["line_id"]: row["cost_amount"] for row in opened(case, "2026-02") if row["side"] == "cost"}
        assert lines == {"l1": Decimal(10), "l2": None}
        (account,) = rows_of(
            case.con, "SELECT * FROM reconciliation.drill_down WHERE level = 'account' AND service_month = '2026-02'"
        )
        assert (account["cost_original_amount"], account["cost_amount"]) == (Decimal(28), None)


def test_cost_that_nobody_bills_stands_in_the_currency_of_its_row(tmp_path: Path) -> None:
    """One month has a rate, a term that reaches into the next has none for it: that stays in its own currency."""
    with billing_case(tmp_path) as case:
        case.terms("contract_lines", LINES, SEATS.format("EUR"))
        case.terms("exchange_rates", RATES, "2026-01,USD,EUR,0.5,treasury")
        unbilled = {"subscription_id": "s9", "product_id": "P9", "currency": "USD"}
        case.cost("whole", "20", "2026-01-01", "2026-01-31", **unbilled)
        case.cost("early", "9", "2025-12-31", "2026-01-02", **{**unbilled, "billing_month": "2026-01"})
        found = {row["line_id"]: row for row in opened(case) if row["side"] == "cost"}
        assert (found["whole"]["currency"], found["whole"]["cost_amount"]) == ("EUR", Decimal(10))
        assert (found["early"]["currency"], found["early"]["cost_amount"]) == ("USD", Decimal(6))


def test_azure_lines_open_up_to_azure_subscriptions_under_the_contract_line_that_takes_them(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms(
            "contract_lines",
            LINES,
            "E1,A1,c1,,e1,cost_plus,,EUR,,,,10,,2026-01-01",
            "E2,A1,c1,,,cost_plus,,EUR,,,,20,,2026-01-01",
        )
        plan = {"product_family": "azure_plan", "subscription_id": "plan", "product_id": "DZH318Z0BPS6"}
        case.cost("l1", "100", "2026-01-01", "2026-01-31", **plan)
        for entitlement, amount in (("e1", 30), ("e2", 50), ("e3", 20)):
            case.facts(
                "cost.line_allocations",
                {
                    "billing_month": "2026-01", "currency": "EUR", "line_id": "l1", "customer_id": "c1",
                    "entitlement_id": entitlement, "billed_amount": amount,
                },
            )  # fmt: skip
        parts = [row for row in opened(case) if row["side"] == "cost"]
        assert [(row["entitlement_id"], row["contract_line_id"], row["cost_amount"]) for row in parts] == [
            ("e1", "E1", Decimal(30)), ("e2", "E2", Decimal(50)), ("e3", "E2", Decimal(20)),
        ]  # fmt: skip


def test_own_work_has_a_line_for_its_cost_and_stands_beside_the_account_s_other_rows(tmp_path: Path) -> None:
    """An account in USD whose provider bills EUR: own work of 5 USD is under the same cost currency as the seats."""
    with billing_case(tmp_path) as case:
        case.terms("accounts", "account_id,name,currency", "A1,Contoso,USD")
        case.terms("contract_lines", LINES, SEATS.format("USD"), "W1,A1,,,,per_unit,8,USD,1,own,5,,,2026-01-01")
        case.terms("exchange_rates", RATES, "2026-01,EUR,USD,2,treasury")
        case.cost("l1", "10", "2026-01-01", "2026-01-31", subscription_id="s1", billable_quantity=3)
        work = [row for row in opened(case) if row["contract_line_id"] == "W1"]
        assert [(row["side"], row["line_id"] is None, row["margin_amount"]) for row in work] == [
            ("revenue", False, Decimal(8)), ("cost", True, Decimal(-5)),
        ]  # fmt: skip
        (account,) = rows_of(
            case.con, "SELECT * FROM reconciliation.drill_down WHERE level = 'account' AND service_month = '2026-01'"
        )
        assert (account["cost_currency"], account["revenue_amount"], account["cost_amount"]) == (
            "EUR", Decimal(38), Decimal(25),
        )  # fmt: skip
        assert (account["name"], account["cost_original_amount"]) == ("Contoso", Decimal(10))


def test_revenue_stands_once_where_a_contract_line_has_cost_in_two_currencies(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms("contract_lines", LINES, SEATS.format("EUR"))
        case.terms("exchange_rates", RATES, "2026-01,USD,EUR,0.5,treasury")
        case.cost("l1", "20", "2026-01-01", "2026-01-31", subscription_id="s1", billable_quantity=3)
        case.cost("l2", "6", "2026-01-01", "2026-01-31", subscription_id="s1", currency="USD")
        rows = opened(case, where="level = 'account'")
        assert {row["cost_currency"]: (row["revenue_amount"], row["cost_amount"]) for row in rows} == {
            "EUR": (Decimal(30), Decimal(20)), "USD": (Decimal(0), Decimal(3))
        }  # fmt: skip


def assert_ties(con: duckdb.DuckDBPyConnection) -> None:
    """At every level, by month and currency and for revenue, original cost and cost, whatever the identity says."""
    sums = """
        SELECT service_month, currency, sum(CAST(revenue_amount AS DECIMAL(38, 18))),
            sum(cost_original_amount), sum(CAST(coalesce(cost_amount, 0) AS DECIMAL(38, 18)))
        FROM {} GROUP BY ALL ORDER BY ALL
        """
    expected = con.execute(sums.format("reconciliation.revenue_vs_cost")).fetchall()
    assert expected
    for level in ("account", "product_family", "subscription", "line"):
        found = con.execute(sums.format(f"reconciliation.drill_down WHERE level = '{level}'")).fetchall()
        assert found == expected, level


@pytest.mark.long
def test_a_made_up_partner_of_three_currencies_ties_at_every_level(tmp_path: Path) -> None:
    generate(tmp_path, usage_rows=600, months=("2026-08", "2026-09"), currencies=("EUR", "USD", "JPY"), seed=3)
    with warehouse_of(tmp_path) as con:
        assert violations(con, IDENTITY) == []
        assert_ties(con)
        rows = con.execute("SELECT count(*) FROM reconciliation.revenue_vs_cost").fetchall()
        assert (
            con.execute("SELECT count(*) FROM reconciliation.drill_down WHERE level = 'subscription'").fetchall()
            == rows
        )
        # what a person opens next is found by the keys of the level above
        ((lost,),) = con.execute(
            """
            SELECT count(*)
            FROM reconciliation.drill_down AS line
            ANTI JOIN reconciliation.drill_down AS row_
                ON
                    row_.level = 'subscription'
                    AND row_.service_month = line.service_month
                    AND row_.currency = line.currency
                    AND row_.cost_currency = line.cost_currency
                    AND row_.account_id IS NOT DISTINCT FROM line.account_id
                    AND row_.product_family IS NOT DISTINCT FROM line.product_family
                    AND row_.customer_id IS NOT DISTINCT FROM line.customer_id
                    AND row_.subscription_id IS NOT DISTINCT FROM line.subscription_id
                    AND row_.contract_line_id IS NOT DISTINCT FROM line.contract_line_id
            WHERE line.level = 'line'
            """
        ).fetchall()
        assert lost == 0
        whole = con.execute(
            "SELECT count(DISTINCT line_id) FROM reconciliation.drill_down WHERE side = 'cost' AND line_id IS NOT NULL"
        ).fetchall()
        assert whole == con.execute("SELECT count(*) FROM cost.invoice_lines WHERE NOT is_estimate").fetchall()
