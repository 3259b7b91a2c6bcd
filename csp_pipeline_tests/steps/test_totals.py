"""Totals over accounts in EUR, USD and JPY, worked out by hand, and what happens where a rate is missing."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from csp_pipeline.cli_questions import TOTALS
from csp_pipeline.orchestration.reconciliation_metadata import margin_by_month, plotted
from csp_pipeline.steps.month_end import PACK
from csp_pipeline.steps.reconciliation import reconcile
from csp_pipeline.steps.totals import compute_totals, fill_totals, reporting_currency
from csp_pipeline_tests.product import rows_of
from csp_pipeline_tests.steps.billing_case import Case, billing_case

if TYPE_CHECKING:
    from pathlib import Path

    from csp_pipeline.settings import Settings

LINES = "contract_line_id,account_id,customer_id,subscription_id,pricing_model,unit_price,currency,quantity,starts_on"
RATES = "rate_month,from_currency,to_currency,rate,source"


def asked_in(case: Case, currency: str | None) -> Settings:
    return case.settings.model_copy(update={"reporting_currency": currency})


def partner(case: Case, *rates: str, cost_of_yen_account: str = "JPY") -> None:
    """January: 120 EUR for 100, 100 USD for 80, 10,005 JPY for 8,001 (or for 50 of another currency)."""
    case.terms(
        "accounts", "account_id,name,currency", "A1,Contoso,EUR", "A2,Fabrikam,USD", "A3,Hoshizora,JPY", "A4,Kaede,JPY"
    )
    case.terms("account_tenants", "account_id,customer_id", "A1,c1", "A2,c2", "A3,c3")
    case.terms(
        "contract_lines",
        LINES,
        "L1,A1,c1,s1,per_unit,12,EUR,10,2026-01-01",
        "L2,A2,c2,s2,per_unit,10,USD,10,2026-01-01",
        "L3,A3,c3,s3,per_unit,3335,JPY,3,2026-01-01",
    )
    if rates:
        case.terms("exchange_rates", RATES, *rates)
    january = ("2026-01-01", "2026-01-31")
    case.cost("l1", "100", *january, subscription_id="s1", billable_quantity=10)
    case.cost("l2", "80", *january, customer_id="c2", subscription_id="s2", billable_quantity=10, currency="USD")
    yen = {"customer_id": "c3", "subscription_id": "s3", "billable_quantity": 3, "currency": cost_of_yen_account}
    case.cost("l3", "8001" if cost_of_yen_account == "JPY" else "50", *january, **yen)
    case.draft("2026-01")
    reconcile(case.con, case.settings, ["2026-01"])


def january(case: Case, table: str) -> list[dict[str, object]]:
    return rows_of(case.con, f"SELECT * FROM reconciliation.{table} WHERE service_month = '2026-01' ORDER BY ALL")


def test_each_currency_is_converted_once_and_rounded_to_the_reporting_currency(tmp_path: Path) -> None:
    """EUR as it is; 100 USD x 0.87655 = 87.655 -> 87.66, 80 x 0.87655 = 70.124 -> 70.12.

    By the inverse 10,005 JPY / 163 = 61.3803... -> 61.38 and 8,001 JPY / 163 = 49.0858... -> 49.09.
    """
    with billing_case(tmp_path) as case:
        partner(case, "2026-01,USD,EUR,0.87655,treasury", "2026-01,EUR,JPY,163,bank")
        fill_totals(case.con, asked_in(case, "EUR"))
        found = {
            row["currency"]: tuple(
                row[f"reporting_{name}_amount"] for name in ("revenue", "cost", "margin", "difference")
            )
            for row in january(case, "totals_by_currency")
        }
        assert found == {
            "EUR": (Decimal(120), Decimal(100), Decimal(20), Decimal(0)),
            "USD": (Decimal("87.66"), Decimal("70.12"), Decimal("17.54"), Decimal(0)),
            "JPY": (Decimal("61.38"), Decimal("49.09"), Decimal("12.29"), Decimal(0)),
        }
        (total,) = january(case, "totals")
        # 49.83 / 269.04 = 18.52140...
        assert [total[name] for name in ("revenue_amount", "cost_amount", "margin_amount", "margin_percent")] == [
            Decimal("269.04"), Decimal("219.21"), Decimal("49.83"), Decimal("18.5214")
        ]  # fmt: skip
        assert (total["reporting_currency"], total["currencies"]) == ("EUR", "EUR, JPY, USD")
        assert (total["is_complete"], total["missing_rates"]) == (True, None)


def test_the_rate_stands_beside_with_month_and_source(tmp_path: Path) -> None:
    """1 / 163 = 0.006134969325153374..."""
    with billing_case(tmp_path) as case:
        partner(case, "2026-01,USD,EUR,0.87655,treasury", "2026-01,EUR,JPY,163,bank")
        fill_totals(case.con, asked_in(case, "EUR"))
        rates = {row["currency"]: row for row in january(case, "totals_by_currency")}
        assert [rates[one]["fx_rate"] for one in ("EUR", "USD", "JPY")] == [
            Decimal(1), Decimal("0.87655"), Decimal("0.006134969325153374")
        ]  # fmt: skip
        assert [str(rates[one]["fx_rate_on"]) for one in ("EUR", "USD", "JPY")] == ["None", "2026-01-01", "2026-01-01"]
        assert [rates[one]["fx_source"] for one in ("EUR", "USD", "JPY")] == [None, "treasury", "bank"]


def test_without_a_rate_there_is_no_total_and_the_amounts_stay_in_their_currency(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        partner(case, "2026-01,USD,EUR,0.87655,treasury")
        fill_totals(case.con, asked_in(case, "EUR"))
        yen = next(row for row in january(case, "totals_by_currency") if row["currency"] == "JPY")
        assert (yen["revenue_amount"], yen["cost_amount"]) == (Decimal(10005), Decimal(8001))
        assert (yen["reporting_revenue_amount"], yen["reporting_margin_amount"], yen["fx_rate"]) == (None, None, None)
        (total,) = january(case, "totals")
        assert (total["revenue_amount"], total["cost_amount"], total["margin_amount"]) == (None, None, None)
        assert total["unexplained_amount"] == 0  # nothing is unexplained in any currency
        assert (total["is_complete"], total["missing_rates"]) == (False, "JPY to EUR")


def test_a_cost_without_a_rate_to_its_row_makes_no_total_that_pretends_to_be_complete(tmp_path: Path) -> None:
    """The yen account's cost of 50 CHF has no rate to JPY: its revenue is known, its cost and margin are not."""
    with billing_case(tmp_path) as case:
        rates = ("2026-01,USD,EUR,0.87655,treasury", "2026-01,EUR,JPY,163,bank")
        partner(case, *rates, cost_of_yen_account="CHF")
        fill_totals(case.con, asked_in(case, "EUR"))
        yen = next(row for row in january(case, "totals_by_currency") if row["currency"] == "JPY")
        assert (yen["revenue_amount"], yen["cost_amount"], yen["unconverted_costs"]) == (Decimal(10005), None, "50 CHF")
        (total,) = january(case, "totals")
        assert (total["revenue_amount"], total["cost_amount"], total["margin_amount"]) == (
            Decimal("269.04"), None, None,
        )  # fmt: skip
        assert total["missing_rates"] == "CHF to JPY"
        told = {row["currency"]: row for row in rows_of(case.con, TOTALS.replace("$month", "'2026-01'"))}
        assert (told["JPY"]["month_cost_amount"], told["JPY"]["month_margin_amount"]) == (None, None)
        assert (told["JPY"]["rows_without_rate"], told["USD"]["month_margin_amount"]) == (1, Decimal(20))


def test_after_the_last_month_drafted_its_rate_holds_on(tmp_path: Path) -> None:
    """365 USD for 2026, charged in January at 0.9: December has 31 USD, 27.90 EUR, though it has a rate of its own."""
    with billing_case(tmp_path) as case:
        case.terms("accounts", "account_id,name,currency", "A1,Contoso,USD")
        case.terms("exchange_rates", RATES, "2026-01,USD,EUR,0.9,a", "2026-12,USD,EUR,0.5,b")
        case.terms("contract_lines", f"{LINES},billing_cycle", "L1,A1,c1,s1,per_unit,36.5,USD,10,2026-01-01,annual")
        case.draft("2026-01")
        reconcile(case.con, case.settings, ["2026-01"])
        fill_totals(case.con, asked_in(case, "EUR"))
        (row,) = rows_of(
            case.con,
            "SELECT reporting_revenue_amount, fx_rate_on, fx_source FROM reconciliation.totals_by_currency "
            "WHERE service_month = '2026-12'",
        )
        assert (row["reporting_revenue_amount"], str(row["fx_rate_on"]), row["fx_source"]) == (
            Decimal("27.90"), "2026-01-01", "a",
        )  # fmt: skip


@pytest.mark.parametrize(
    ("currencies", "asked", "expected"),
    [
        (["EUR", "USD", "USD"], None, "USD"),
        (["USD", "EUR", "JPY"], None, "EUR"),
        (["USD", "USD"], "CHF", "CHF"),
    ],
)
def test_the_reporting_currency_is_asked_for_or_that_of_most_accounts_by_name(
    tmp_path: Path, currencies: list[str], asked: str | None, expected: str
) -> None:
    with billing_case(tmp_path) as case:
        accounts = [f"A{number},Account {number},{currency}" for number, currency in enumerate(currencies)]
        case.terms("accounts", "account_id,name,currency", *accounts)
        case.load()
        assert reporting_currency(case.con, asked_in(case, asked)) == expected


def test_without_accounts_most_provider_lines_decide_and_without_anything_there_is_no_total(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms("account_tenants", "account_id,customer_id")
        assert fill_totals(case.con, case.settings) == {
            "reconciliation.totals_by_currency": 0, "reconciliation.totals": 0
        }  # fmt: skip
        case.cost("l1", "1", "2026-01-01", "2026-01-31", currency="SEK")
        assert reporting_currency(case.con, case.settings) == "SEK"


def test_one_currency_is_summed_as_it_is_with_every_digit(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms("contract_lines", LINES, "L1,A1,c1,s1,per_unit,12,EUR,10,2026-01-17")
        case.draft("2026-01", "2026-02")
        reconcile(case.con, case.settings, ["2026-01", "2026-02"])
        fill_totals(case.con, case.settings)
        sums = case.con.execute(
            "SELECT service_month, sum(revenue_amount) FROM reconciliation.revenue_vs_cost GROUP BY ALL ORDER BY ALL"
        ).fetchall()
        totals = case.con.execute(
            "SELECT service_month, revenue_amount FROM reconciliation.totals ORDER BY ALL"
        ).fetchall()
        assert totals == sums
        assert any(amount.as_tuple().exponent < -2 and amount % Decimal("0.01") for _, amount in totals)


def test_the_ui_shows_margin_in_the_reporting_currency_and_names_what_has_no_rate(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        partner(case, "2026-01,USD,EUR,0.87655,treasury", "2026-01,EUR,JPY,163,bank")
        totals = compute_totals(case.con, asked_in(case, "EUR"))
        chart, _, *table = margin_by_month(totals).splitlines()
        assert chart.startswith("![Margin by month in EUR](data:image/svg+xml;base64,")
        assert table[2] == "| 2026-01 | all in EUR | 269.04 | 219.21 | 49.83 | 18.52 | ████████████████████ |"
        assert {name: figure.value for name, figure in plotted(totals, "2026-01").items()} == {
            "margin_EUR": 49.83, "margin_percent": 18.5214, "differences_for_a_person_EUR": 0.0
        }  # fmt: skip
        without = compute_totals(case.con, asked_in(case, "CHF"))
        assert not margin_by_month(without).startswith("![")
        assert "| - | - | - | - | without a rate: EUR to CHF, JPY to CHF, USD to CHF |" in margin_by_month(without)
        assert list(plotted(without, "2026-01")) == ["differences_for_a_person_CHF"]


def test_the_pack_gives_no_sum_of_differences_of_which_one_is_unknown(tmp_path: Path) -> None:
    """10.00 USD behind a cost-plus line in EUR and no rate: what it should be is unknown, beside 20.00 unbilled."""
    with billing_case(tmp_path) as case:
        columns = (
            "contract_line_id,account_id,customer_id,subscription_id,pricing_model,currency,markup_percent,starts_on"
        )
        case.terms("contract_lines", columns, "L1,A1,c1,s1,cost_plus,EUR,10,2026-01-01")
        case.cost("a", "10", "2026-01-01", "2026-01-31", subscription_id="s1", currency="USD")
        case.cost("b", "20", "2026-01-01", "2026-01-31", subscription_id="s8")
        case.draft("2026-01")
        reconcile(case.con, case.settings, ["2026-01"])
        fill_totals(case.con, case.settings)
        summary = case.con.execute(PACK["summary"], {"month": "2026-01"}).fetchall()
        assert {amount for figure, _, amount in summary if figure.startswith("differences")} == {None}
        assert [currency for figure, currency, _ in summary if figure == "differences"] == ["EUR"]
