"""An open month in the cost tables: estimates, clearly marked, that change no billed figure."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from csp_pipeline.steps.cost import COST_TABLES
from csp_pipeline_tests.models.staged_rows import header, line, seats, usage

if TYPE_CHECKING:
    from csp_pipeline_tests.models.staged_rows import Row, StagedPartner

NO_CREDIT: Row = {"partner_earned_credit_percentage": "0", "credit_type": "Credit Not Applied"}
OPEN: Row = {"invoice_number": None, "billing_month": "2026-10", "charge_start_date": "2026-10-01"}
BILLED: dict[str, list[Row]] = {
    "invoice_headers": [header("110")],
    "reconciliation": [line("10", billable_quantity="2"), seats("100")],
    "daily_usage": [usage("4"), usage("6", usage_date="2026-09-02")],
}
MARKED = {
    "cost.daily_usage",
    "cost.invoice_lines",
    "cost.azure_plan_costs",
    "cost.partner_earned_credit",
    "cost.usage_by_day",
}


def open_usage(net: str, **more: object) -> Row:
    """A usage row of October, which no invoice bills yet."""
    return usage(net, **{**OPEN, "usage_date": "2026-10-03", **more})


def test_unbilled_usage_is_an_estimate_of_its_month(partner: StagedPartner) -> None:
    partner.stage(open_daily_usage=[open_usage("0.7378"), open_usage("1", **NO_CREDIT)]).build("2026-10")
    rows = partner.rows(
        "SELECT billing_month, is_estimate, invoice_number, net_amount, pec_amount FROM cost.daily_usage"
    )
    assert {tuple(row.values()) for row in rows} == {
        ("2026-10", True, None, Decimal("0.7378"), Decimal("0.1302")),
        ("2026-10", True, None, Decimal(1), Decimal(0)),
    }
    assert partner.only("SELECT * EXCLUDE (customer_id, subscription_id) FROM cost.azure_plan_costs") == {
        "billing_month": "2026-10",
        "is_estimate": True,
        "entitlement_id": "ent-1",
        "currency": "EUR",
        "net_amount": Decimal("1.7378"),
        "pec_amount": Decimal("0.1302"),
        "gross_amount": Decimal("1.868"),
        "pec_forgone_amount": Decimal("0.15"),
        "billed_amount": Decimal(0),
    }
    assert partner.only("SELECT is_estimate, forgone_amount FROM cost.partner_earned_credit") == {
        "is_estimate": True,
        "forgone_amount": Decimal("0.15"),
    }


def test_an_open_month_changes_no_billed_row_of_any_table(partner: StagedPartner) -> None:
    def billed() -> dict[str, list[Row]]:
        return {
            key: partner.rows(f"SELECT * FROM {key} {'WHERE NOT is_estimate' if key in MARKED else ''} ORDER BY ALL")
            for key in COST_TABLES
            if key not in {"cost.unbilled_accruals", "cost.open_costs"}
        }

    before = partner.stage(**BILLED).build() and billed()
    # late usage of the very keys and day of what is billed, as estimates of the same month and of the next
    months = ["2026-09", "2026-10"]
    late = [open_usage("7", billing_month=month, usage_date="2026-09-02") for month in months]
    lines = [line("7", invoice_number=None, billing_month=month, billable_quantity="2") for month in months]
    partner.stage(**BILLED, open_daily_usage=late, open_reconciliation=lines).build().build("2026-10")
    assert billed() == before
    for table in ("cost.daily_usage", "cost.invoice_lines"):
        estimates = partner.rows(f"SELECT billing_month FROM {table} WHERE is_estimate ORDER BY ALL")
        assert [row["billing_month"] for row in estimates] == months


def test_an_unbilled_line_is_told_from_its_usage_as_a_billed_one_is(partner: StagedPartner) -> None:
    lines = [line("9", **OPEN), line("-1", **OPEN, charge_type="customerCredit"), seats("100", **OPEN)]
    partner.stage(open_daily_usage=[open_usage("9")], open_reconciliation=lines).build("2026-10")
    columns = "subtotal_amount, is_estimate, invoice_number, product_family, is_in_daily_usage"
    found = partner.rows(f"SELECT {columns} FROM cost.invoice_lines ORDER BY ALL")
    assert [tuple(row.values()) for row in found] == [
        (-1, True, None, "azure_plan", False),
        (9, True, None, "azure_plan", True),
        (100, True, None, "licence", False),
    ]


def test_a_load_replaces_the_open_month_whole_and_the_bill_ends_it(partner: StagedPartner) -> None:
    net = "SELECT is_estimate, net_amount FROM cost.daily_usage WHERE billing_month = '2026-10'"
    partner.stage(open_daily_usage=[open_usage("1"), open_usage("2")]).build("2026-10")
    partner.stage(open_daily_usage=[open_usage("5")]).build("2026-10")
    assert partner.only(net) == {"is_estimate": True, "net_amount": Decimal(5)}
    october: Row = {"invoice_number": "G2", "charge_start_date": "2026-10-01", "usage_date": "2026-10-03"}
    partner.stage(daily_usage=[usage("4", **october)], latest_open_daily_usage=[open_usage("5")]).build("2026-10")
    assert partner.only(net) == {"is_estimate": False, "net_amount": Decimal(4)}


def test_credit_lost_in_an_open_month_is_told_on_its_days_and_not_on_billed_ones(partner: StagedPartner) -> None:
    partner.stage(daily_usage=[usage("1")], open_daily_usage=[open_usage("1", **NO_CREDIT)])
    partner.build().build("2026-10")
    lost = partner.rows("SELECT is_estimate, access_lost_on FROM cost.partner_earned_credit ORDER BY ALL")
    assert [tuple(row.values()) for row in lost] == [(False, None), (True, date(2026, 10, 3))]


def accrued(partner: StagedPartner) -> Row:
    columns = (
        "usage_amount, other_amount, accrued_amount, released_month, open_amount, billed_amount, difference_amount"
    )
    return partner.only(f"SELECT {columns} FROM cost.unbilled_accruals")


def test_unbilled_cost_is_usage_and_the_lines_that_no_usage_stands_behind(partner: StagedPartner) -> None:
    lines = [
        line("9.99", **OPEN),
        line("-1", **OPEN, charge_type="customerCredit"),
        seats("100", **OPEN),
    ]
    partner.stage(open_daily_usage=[open_usage("10.005")], open_reconciliation=lines).build("2026-10")
    assert accrued(partner) == {
        "usage_amount": Decimal("10.005"),
        "other_amount": Decimal(99),
        "accrued_amount": Decimal("109.005"),
        "released_month": None,
        "open_amount": Decimal("109.005"),
        "billed_amount": None,
        "difference_amount": None,
    }


def test_an_accrual_is_released_in_the_month_of_the_invoice_beside_what_was_billed(partner: StagedPartner) -> None:
    partner.stage(
        invoice_headers=[header("110")],
        reconciliation=[seats("110")],
        latest_open_reconciliation=[seats("100", invoice_number=None, billing_month="2026-09")],
    ).build()
    assert accrued(partner) == {
        "usage_amount": Decimal(0),
        "other_amount": Decimal(100),
        "accrued_amount": Decimal(100),
        "released_month": "2026-10",
        "open_amount": Decimal(0),
        "billed_amount": Decimal(110),
        "difference_amount": Decimal(10),
    }


def test_a_month_without_open_data_accrues_nothing(partner: StagedPartner) -> None:
    partner.stage(**BILLED).build()
    assert partner.rows("SELECT * FROM cost.unbilled_accruals") == []


@pytest.mark.parametrize("kind", ["open_daily_usage", "open_reconciliation"])
def test_rows_of_another_month_or_currency_are_not_taken(partner: StagedPartner, kind: str) -> None:
    rows = [open_usage("1"), open_usage("2", billing_currency="USD")]
    lines = [seats("1", **OPEN), seats("2", **OPEN, currency="USD")]
    partner.stage(**{kind: rows if kind == "open_daily_usage" else lines}).build("2026-10").build("2026-11")
    assert accrued(partner)["accrued_amount"] == Decimal(1)
