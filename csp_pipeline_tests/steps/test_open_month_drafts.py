"""Cost-plus drafts of an open month: charged on estimates, marked, and gone from closed months."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given
from hypothesis import settings as runs
from hypothesis import strategies as st

from csp_pipeline.steps.cost import fill
from csp_pipeline.steps.reconciliation import reconcile
from csp_pipeline_tests.product import rows_of
from csp_pipeline_tests.steps.billing_case import Case, billing_case

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

    import pytest

LINES = (
    "contract_line_id,account_id,subscription_id,entitlement_id,"
    "pricing_model,markup_percent,cost_basis,currency,starts_on"
)
PLAN = {"product_id": "DZH318Z0BPS6", "sku_id": "0001", "subscription_id": "plan"}
NETS = st.lists(st.decimals(min_value=Decimal(-100), max_value=Decimal(1000), places=10), min_size=1, max_size=5)


def use(case: Case, net: object, entitlement: str, day: str = "2026-02-03", **more: object) -> None:
    """A row of usage that February's open data hold."""
    row = {
        "usage_on": day,
        "billing_month": "2026-02",
        "is_estimate": True,
        "customer_id": "c1",
        "entitlement_id": entitlement,
        "net_amount": net,
        "pec_amount": 0,
        "currency": "EUR",
        **PLAN,
        **more,
    }
    case.facts("cost.daily_usage", row)


def drafted(case: Case, *months: str) -> list[tuple[object, ...]]:
    """Month, contract line, net amount and mark of every drafted line."""
    fill(case.con, "cost.open_costs", "2026-02", "EUR")
    case.draft(*months)
    return case.con.execute(
        "SELECT billing_month, contract_line_id, net_amount, is_estimate FROM billing.invoice_lines ORDER BY ALL"
    ).fetchall()


def test_open_usage_is_drafted_by_azure_subscription_and_marked(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms(
            "contract_lines",
            LINES,
            "L1,A1,,e1,cost_plus,10,net,EUR,2026-01-01",
            "L2,A1,,,cost_plus,0,gross,EUR,2026-01-01",
        )
        use(case, "85.005", "e1", pec_amount="15")
        use(case, "17", "e2", pec_amount="3")
        use(case, "1", "e2", day="2026-01-31")  # a late day is billed with the month it arrives in
        assert drafted(case, "2026-01", "2026-02") == [
            ("2026-02", "L1", Decimal("93.51"), True),
            ("2026-02", "L2", Decimal(21), True),
        ]
        (document,) = rows_of(case.con, "SELECT is_estimate, state, invoice_number FROM billing.invoices")
        assert document == {"is_estimate": True, "state": "draft", "invoice_number": None}


def test_billed_cost_beside_an_estimate_marks_the_line_and_the_bill_ends_it(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms("contract_lines", LINES, "L1,A1,,,cost_plus,0,net,EUR,2026-01-01")
        case.cost("prepaid", "62", "2026-01-15", "2026-03-16", subscription_id="s1")  # 61 days: 28 of February
        use(case, "10", "e1")
        assert drafted(case, "2026-01", "2026-02")[1] == ("2026-02", "L1", Decimal("38.46"), True)
        case.con.execute("DELETE FROM cost.daily_usage")
        assert drafted(case, "2026-01", "2026-02")[1] == ("2026-02", "L1", Decimal("28.46"), False)


def test_revenue_on_estimates_waits_for_its_document_and_is_not_revenue_without_cost(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms("contract_lines", LINES, "L1,A1,,,cost_plus,10,net,EUR,2026-01-01")
        case.cost("prepaid", "59", "2026-01-01", "2026-02-28", subscription_id="s1", billable_quantity="1")
        use(case, "10", "e1")
        drafted(case, "2026-01", "2026-02")
        reconcile(case.con, case.settings, ["2026-01", "2026-02"])
        parts = "SELECT service_month, cause, amount FROM reconciliation.differences"
        assert case.con.execute(parts).fetchall() == [("2026-02", "period", Decimal(11))]
        assert case.con.execute("SELECT DISTINCT status FROM reconciliation.revenue_vs_cost ORDER BY 1").fetchall() == [
            ("explained",),
            ("matched",),
        ]


def test_an_unbilled_line_marks_no_month_before_its_own(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms("contract_lines", LINES, "L1,A1,s1,,cost_plus,0,net,EUR,2026-01-01")
        case.cost("billed", "31", "2026-01-01", "2026-01-31", subscription_id="s1")
        open_line = {
            "is_estimate": True,
            "billing_month": "2026-02",
            "invoice_number": None,
            "is_in_daily_usage": False,
        }
        case.cost("open", "31", "2026-01-20", "2026-02-19", subscription_id="s1", **open_line)
        assert drafted(case, "2026-01", "2026-02") == [
            ("2026-01", "L1", Decimal(31), False),
            ("2026-02", "L1", Decimal(19), True),
        ]


def test_unbilled_cost_is_the_reseller_s_who_had_the_tenant_last(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms("accounts", "account_id,name,currency", "A1,Contoso,EUR", "A2,Reseller,EUR")
        case.terms("account_resellers", "account_id,reseller_mpn_id", "A2,4391507")
        case.terms("contract_lines", LINES, "L2,A2,,,cost_plus,0,net,EUR,2026-01-01")
        case.cost("billed", "5", "2026-01-01", "2026-01-31", customer_id="c9", reseller_mpn_id="4391507")
        use(case, "7", "e9", customer_id="C9")
        assert drafted(case, "2026-01", "2026-02") == [
            ("2026-01", "L2", Decimal(5), False),
            ("2026-02", "L2", Decimal(7), True),
        ]


def test_an_estimate_without_exchange_rate_is_refused_in_words(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms("contract_lines", LINES, "L1,A1,,,cost_plus,0,net,USD,2026-01-01")
        use(case, "7", "e1")
        assert drafted(case, "2026-02") == []
        assert case.con.execute("SELECT severity, message FROM billing.notices").fetchall() == [
            (
                "refused",
                "Contract line L1 is not charged for 2026-02: its cost is in EUR, and exchange_rates has no rate of "
                "2026-02 between EUR and USD.",
            )
        ]


@runs(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(nets=NETS, order=st.randoms(use_true_random=False))
def test_what_is_drafted_is_what_the_open_month_costs_in_any_order(
    tmp_path_factory: pytest.TempPathFactory, nets: list[Decimal], order: Random
) -> None:
    folder = tmp_path_factory.mktemp("open")
    with billing_case(folder) as case:
        case.terms(
            "contract_lines",
            LINES,
            "L1,A1,,e0,cost_plus,0,net,EUR,2026-01-01",
            "L2,A1,,,cost_plus,0,net,EUR,2026-01-01",
        )
        shuffled = list(enumerate(nets))
        order.shuffle(shuffled)
        for number, net in shuffled:
            use(case, net, f"e{number % 2}")
        drafted(case, "2026-02")
        found = case.con.execute("SELECT contract_line_id, base_amount FROM billing.cost_bases ORDER BY ALL").fetchall()
        assert found == [(f"L{line + 1}", sum(nets[line::2])) for line in range(2) if nets[line::2]]
