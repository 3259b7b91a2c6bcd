"""Each leak hunter finds its planted leak and is silent at a healthy partner; sync health says since when."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from csp_pipeline.models.catalogue import load_catalogue
from csp_pipeline.steps.reconciliation import reconcile
from csp_pipeline.storage.warehouse import replace_rows
from csp_pipeline_tests.steps.billing_case import Case, billing_case

if TYPE_CHECKING:
    from pathlib import Path

LINES = (
    "contract_line_id,account_id,customer_id,subscription_id,pricing_model,unit_price,currency,quantity,starts_on,ends_on,"
    "trial_ends_on"
)
HEALTHY = "L1,A1,c1,s1,per_unit,12,EUR,10,2026-01-01,,"
SEATS = {"billable_quantity": 10, "billing_frequency": "Monthly", "product_id": "P1", "sku_id": "S1"}


def leaks(case: Case) -> list[tuple[str, str | None, Decimal]]:
    """Kind, subscription and monthly amount, by rank."""
    case.draft("2026-01", "2026-02")
    reconcile(case.con, case.settings, ["2026-01", "2026-02"])
    table = load_catalogue()["reconciliation.leaks"]
    replace_rows(case.con, table, table.select() or "")
    rows = case.con.execute(
        "SELECT kind, subscription_id, monthly_amount, what_to_do, evidence FROM reconciliation.leaks ORDER BY rank"
    ).fetchall()
    assert all(what_to_do and '"key"' in evidence for *_, what_to_do, evidence in rows)
    return [(kind, subscription, amount) for kind, subscription, amount, *_ in rows]


def provided(case: Case, subscription: str, amount: str = "100", **others: object) -> None:
    """The provider charges a subscription in both months."""
    for start, end in (("2026-01-01", "2026-01-31"), ("2026-02-01", "2026-02-28")):
        case.cost(f"{subscription}-{start}", amount, start, end, subscription_id=subscription, **(SEATS | others))


def listed(case: Case, subscription: str, **others: object) -> None:
    case.facts(
        "partner_center.subscriptions",
        {"customer_id": "c1", "subscription_id": subscription, "quantity": 10, "status": "active", **others},
    )


def test_a_healthy_partner_has_no_leaks(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms("contract_lines", LINES, HEALTHY)
        provided(case, "s1")
        listed(case, "s1")
        assert leaks(case) == []
        assert case.con.execute("SELECT count(*) FROM reconciliation.sync_health").fetchone() == (0,)
        assert case.con.execute("SELECT DISTINCT explained_percent FROM reconciliation.explained_share").fetchall() == [
            (Decimal(100),)
        ]


def test_each_kind_is_found_and_they_are_ranked_by_money(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms(
            "contract_lines",
            LINES,
            HEALTHY,
            "L2,A1,c1,s2,per_unit,5,EUR,10,2026-01-01,,",  # sold below cost: 100 - 50
            "L3,A1,c1,s3,per_unit,9,EUR,10,2026-01-01,2026-01-31,",  # ended: 9 x 10 at our price
            "L4,A1,c1,s4,per_unit,0,EUR,10,2026-01-01,,",  # free of charge: 40
            "L5,A1,c1,s5,per_unit,7,EUR,10,2026-01-01,,",  # nothing behind it: 70
            "L6,A1,c1,s6,per_unit,13,EUR,10,2026-01-01,,",  # suspended: 130 charged
            "L8,A1,c1,s8,flat,60,EUR,1,2026-01-01,2026-01-31,",  # fixed fee ended: 55
        )
        provided(case, "s1")
        provided(case, "s2")
        provided(case, "s3", "80")
        provided(case, "s4", "40")
        provided(case, "s6")
        provided(case, "s7", "30")  # nobody bills it
        provided(case, "s8", "55")
        listed(case, "s6", status="suspended")
        case.facts(
            "cost.lost_credit",
            {
                "currency": "EUR",
                "customer_id": "c1",
                "entitlement_id": "e1",
                "resource_id": "r1",
                "credit_state": "lost",
                "first_forgone_on": date(2026, 1, 5),
                "monthly_amount": Decimal(15),
            },
        )
        assert leaks(case) == [
            ("suspended_but_billed", "s6", Decimal(130)),
            ("contract_expired", "s3", Decimal(90)),
            ("revenue_without_cost", "s5", Decimal(70)),
            ("contract_expired", "s8", Decimal(55)),
            ("negative_margin", "s2", Decimal(50)),
            ("free_contract", "s4", Decimal(40)),
            ("unbilled_cost", "s7", Decimal(30)),
            ("forgone_credit", "e1", Decimal(15)),
        ]


def test_a_subscription_that_is_gone_leaks_once(tmp_path: Path) -> None:
    """Deleted at the provider, which charges it no more, and still charged by us: not suspended as well."""
    with billing_case(tmp_path) as case:
        case.terms("contract_lines", LINES, HEALTHY, "L5,A1,c1,s5,per_unit,7,EUR,10,2026-01-01,,")
        provided(case, "s1")
        listed(case, "s5", status="deleted")
        assert leaks(case) == [("revenue_without_cost", "s5", Decimal(70))]


def test_an_accepted_difference_is_no_leak_any_more(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms("contract_lines", LINES, HEALTHY)
        provided(case, "s1")
        provided(case, "s7", "30")
        header = "service_month,account_id,subscription_id,cause,decided_by,decided_at,decision,note,amount"
        decided = "me,2026-03-01T00:00:00Z,accepted,agreed"
        case.terms("resolutions", header, f"2026-02,A1,s7,unbilled_cost,{decided},-30")
        assert leaks(case) == []
        case.terms("resolutions", header, f"2026-02,A1,s7,unbilled_cost,{decided},-29.99")
        assert leaks(case) == [("unbilled_cost", "s7", Decimal(30))]


def test_a_renewal_at_another_price_is_told_before_it_happens(tmp_path: Path) -> None:
    """10 seats at 10.00 now; the sheet says 11.50 from 1 April, and the term ends on 31 March: 15.00 a month."""
    with billing_case(tmp_path) as case:
        case.terms("contract_lines", LINES, HEALTHY)
        priced = {"unit_price": "10", "pricing_currency": "EUR", "customer_country": "DE"}
        provided(case, "s1", **priced)
        listed(case, "s1", auto_renew=True, commitment_ends_on=date(2026, 3, 31))
        shared = {"market": "DE", "product_id": "P1", "sku_id": "S1", "term_duration": "P1Y", "billing_plan": "monthly"}
        case.facts(
            "cost.price_comparison",
            *(
                {**shared, "billing_month": month, "unit_price": "10", "pricing_currency": "EUR", "sheet_price": "10"}
                for month in ("2026-01", "2026-02")
            ),
        )
        for price, since, until in (("120", "2026-01-01", "2026-03-31"), ("138", "2026-04-01", None)):
            case.facts(
                "cost.price_sheet_prices",
                {
                    **shared,
                    "currency": "EUR",
                    "unit_price": price,
                    "effective_from_on": since,
                    "effective_until_on": until,
                },
            )
        assert leaks(case) == [("renewal_price_change", "s1", Decimal(15))]


def test_sync_health_tells_both_directions_since_when_and_the_trend(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms("contract_lines", LINES, HEALTHY, "L5,A1,c1,s5,per_unit,7,EUR,10,2026-02-01,,")
        provided(case, "s1")
        provided(case, "s7", "31")
        leaks(case)
        found = case.con.execute(
            """
            SELECT side_missing, subscription_id, monthly_amount, CAST(since_on AS VARCHAR), days_open, what_to_do
            FROM reconciliation.sync_health
            ORDER BY ALL
            """
        ).fetchall()
        assert [row[:5] for row in found] == [
            ("billing", "s7", Decimal(31), "2026-01-01", 59),
            ("provider", "s5", Decimal(70), "2026-02-01", 28),
        ]
        assert all(row[5] for row in found)
        trend = case.con.execute(
            """
            SELECT side_missing, count(*), min(subscription_count), sum(daily_amount)
            FROM reconciliation.sync_health_days
            GROUP BY ALL
            ORDER BY ALL
            """
        ).fetchall()
        assert trend == [("billing", 59, 1, Decimal(62)), ("provider", 28, 1, Decimal(70))]
