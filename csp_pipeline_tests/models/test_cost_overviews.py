"""The tables over all months of cost: forecast, credit accruals, payables; and the two sources of the earned credit."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as runs
from hypothesis import strategies as st

from csp_pipeline.models.catalogue import load_catalogue
from csp_pipeline.steps.cost_overviews import build_cost_overviews
from csp_pipeline.storage.warehouse import replace_rows
from csp_pipeline_tests.models.staged_rows import header, line, seats, usage

if TYPE_CHECKING:
    from csp_pipeline.settings import Settings
    from csp_pipeline_tests.models.staged_rows import Row, StagedPartner

DAY = "INSERT INTO cost.usage_by_day BY NAME SELECT ? AS billing_month, ? AS is_estimate, 'EUR' AS currency, "
OPEN_FILES = """
INSERT INTO meta.open_month_files BY NAME
SELECT 'open_daily_usage' AS kind, '2026-10' AS billing_month, 'EUR' AS currency, 1 AS rows_staged,
    CAST(? AS TIMESTAMP) AS effective_at, TRUE AS is_latest, TRUE AS is_current
"""
EARNED = """
INSERT INTO cost.azure_plan_costs BY NAME
SELECT ? AS billing_month, FALSE AS is_estimate, ? AS customer_id, 'EUR' AS currency,
    CAST(? AS DECIMAL(38, 10)) AS pec_amount
"""
RANGE = "expected_amount, low_percent, high_percent, low_amount, high_amount, months_compared"


def use(partner: StagedPartner, month: str, amounts: dict[int, str], *, is_estimate: bool = False) -> None:
    """Usage of customer a by day number; 0 is the day before the month."""
    first = date.fromisoformat(f"{month}-01")
    for day, net in amounts.items():
        partner.con.execute(
            f"{DAY} 'a' AS customer_id, CAST(? AS DATE) AS usage_on, CAST(? AS DECIMAL(38, 18)) AS net_amount",
            [month, is_estimate, first + timedelta(days=day - 1), net],
        )


def forecast(partner: StagedPartner, made_at: str = "2026-10-25") -> None:
    partner.con.execute(OPEN_FILES, [made_at])
    table = load_catalogue()["cost.forecast"]
    replace_rows(partner.con, table, table.select() or "")


def test_a_forecast_goes_on_at_the_daily_rate_and_tells_how_far_such_ones_were_off(partner: StagedPartner) -> None:
    use(partner, "2026-08", {1: "10", 2: "10", 20: "300"})  # forecast on day 2: 20 x 31 / 2 = 310, billed 320
    use(partner, "2026-09", {1: "4", 2: "6", 9: "135"})  # 10 x 30 / 2 = 150, billed 145
    use(partner, "2026-10", {0: "5", 1: "8", 2: "12"}, is_estimate=True)  # 5 late + 20 x 31 / 2
    forecast(partner)
    found = partner.only(f"SELECT days_seen, usage_amount, {RANGE} FROM cost.forecast")
    assert found == {
        "days_seen": 2,
        "usage_amount": Decimal(25),
        "expected_amount": Decimal(315),
        "low_percent": Decimal("-3.3333"),
        "high_percent": Decimal("3.2258"),
        "low_amount": Decimal("304.500105"),
        "high_amount": Decimal("325.16127"),
        "months_compared": 2,
    }


def test_a_forecast_without_earlier_months_has_no_range(partner: StagedPartner) -> None:
    use(partner, "2025-09", {1: "1", 2: "9"})  # more than twelve months before
    use(partner, "2026-10", {1: "10"}, is_estimate=True)
    forecast(partner)
    assert [*partner.only(f"SELECT {RANGE} FROM cost.forecast").values()] == [Decimal(310), None, None, None, None, 0]


def test_a_day_that_had_not_ended_is_seen_but_not_rated(partner: StagedPartner) -> None:
    use(partner, "2026-10", {1: "10", 2: "1"}, is_estimate=True)
    forecast(partner, "2026-10-02T06:00:00")
    found = partner.only("SELECT days_seen, net_amount, expected_amount FROM cost.forecast")
    assert [*found.values()] == [1, Decimal(11), Decimal(310)]


def test_a_billed_month_is_not_forecast(partner: StagedPartner) -> None:
    use(partner, "2026-09", {1: "10"})
    table = load_catalogue()["cost.forecast"]
    assert replace_rows(partner.con, table, table.select() or "") == 0


@runs(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(daily=st.decimals("0.01", "1000", places=6), seen=st.integers(1, 31), past=st.integers(1, 11))
def test_steady_usage_is_forecast_exactly_whatever_the_day(
    partner: StagedPartner, daily: Decimal, seen: int, past: int
) -> None:
    partner.con.execute("DELETE FROM cost.usage_by_day; DELETE FROM meta.open_month_files")
    month = f"2026-{10 - past:02d}" if past < 10 else f"2025-{22 - past:02d}"
    first = date.fromisoformat(f"{month}-01")
    days = ((first.replace(day=28) + timedelta(days=4)).replace(day=1) - first).days
    use(partner, month, {day: str(daily) for day in range(1, days + 1)})
    use(partner, "2026-10", {day: str(daily) for day in range(1, seen + 1)}, is_estimate=True)
    forecast(partner, "2026-11-01")
    found = partner.only("SELECT expected_amount, low_amount, high_amount FROM cost.forecast")
    assert set(found.values()) == {daily * 31}


def accruals(partner: StagedPartner, months: int) -> list[tuple[object, ...]]:
    table = load_catalogue()["cost.credit_accruals"]
    replace_rows(partner.con, table, table.select() or "", parameters={"pec_credit_lag_months": months})
    columns = "billing_month, customer_id, earned_amount, received_amount, open_amount, received_month"
    return [tuple(row.values()) for row in partner.rows(f"SELECT {columns} FROM cost.credit_accruals ORDER BY ALL")]


@pytest.fixture
def earning(partner: StagedPartner) -> StagedPartner:
    """Customer a earns in July and August, b in August; September is billed too."""
    for month in ("2026-07", "2026-08", "2026-09"):
        partner.con.execute(
            "INSERT INTO cost.invoices BY NAME "
            "SELECT ? AS invoice_number, ? AS billing_month, 'EUR' AS currency, TRUE AS has_files",
            [f"G{month}", month],
        )
    for earned in (("2026-07", "a", "1.5"), ("2026-08", "A", "2.5"), ("2026-08", "b", "4")):
        partner.con.execute(EARNED, earned)
    return partner


def test_without_a_lag_credit_is_received_in_the_month_it_is_earned(earning: StagedPartner) -> None:
    assert accruals(earning, 0) == [
        ("2026-07", "A", Decimal("1.5"), Decimal("1.5"), 0, "2026-07"),
        ("2026-08", "A", Decimal("2.5"), Decimal("2.5"), 0, "2026-08"),
        ("2026-08", "b", 4, 4, 0, "2026-08"),
    ]


def test_a_lag_keeps_credit_open_until_its_month_and_beyond_the_last_billed_one(earning: StagedPartner) -> None:
    assert accruals(earning, 2) == [
        ("2026-07", "A", Decimal("1.5"), 0, Decimal("1.5"), "2026-09"),
        ("2026-08", "A", Decimal("2.5"), 0, 4, "2026-10"),
        ("2026-08", "b", 4, 0, 4, "2026-10"),
        ("2026-09", "A", 0, Decimal("1.5"), Decimal("2.5"), "2026-11"),
        ("2026-09", "b", 0, 0, 4, "2026-11"),
    ]


def test_credit_of_an_open_month_is_not_accrued(earning: StagedPartner) -> None:
    earning.con.execute("UPDATE cost.azure_plan_costs SET is_estimate = TRUE")
    assert accruals(earning, 1) == []


def test_a_provider_document_is_due_when_it_says_or_after_sixty_days(
    partner: StagedPartner, settings: Settings
) -> None:
    headers = [header("10"), header("20", invoice_number="G2", due_date="2026-11-01")]
    partner.stage(invoice_headers=headers, reconciliation=[seats("10")]).build()
    build_cost_overviews(partner.con, settings)
    columns = "invoice_number, due_on, is_due_on_inferred, open_amount, proof_state"
    assert [tuple(row.values()) for row in partner.rows(f"SELECT {columns} FROM cost.payables ORDER BY ALL")] == [
        ("G1", date(2026, 12, 7), True, 10, "proven"),
        ("G2", date(2026, 11, 1), False, 20, "unproven"),
    ]


def compared(partner: StagedPartner, lines: list[Row], used: list[Row]) -> list[tuple[object, ...]]:
    partner.stage(reconciliation=lines, daily_usage=used).build()
    columns = "stated_credit_amount, usage_credit_amount, difference_amount, bound_amount, comparison_state"
    return [tuple(row.values()) for row in partner.rows(f"SELECT {columns} FROM cost.credit_comparison ORDER BY ALL")]


def test_the_credit_of_lines_and_of_usage_agree_but_for_truncation(partner: StagedPartner) -> None:
    # 85.004 truncated to 85.00: credit 15 beside 15.0007058824; a cent and a minor unit of subtotal carry 0.0035294118
    assert compared(partner, [line("85")], [usage("85.004")]) == [
        (15, Decimal("15.0007058824"), Decimal("-0.0007058824"), Decimal("0.0035294118"), "within_rounding")
    ]
    assert compared(partner, [line("85")], [usage("42.5"), usage("42.5")])[0][4] == "equal"


def test_a_credit_that_only_one_source_states_differs(partner: StagedPartner) -> None:
    assert compared(partner, [line("85", price_adjustment_description=None)], [usage("85")]) == [
        (0, 15, -15, 0, "differs")
    ]
    no_credit: Row = {"partner_earned_credit_percentage": "0"}
    assert compared(partner, [line("85")], [usage("85", **no_credit)])[0][2:] == (
        15,
        Decimal("0.0035294118"),
        "differs",
    )
    assert compared(partner, [line("85")], [])[0][4] == "differs"


def test_lines_without_usage_and_credit_are_not_compared(partner: StagedPartner) -> None:
    assert compared(partner, [seats("100")], []) == []
