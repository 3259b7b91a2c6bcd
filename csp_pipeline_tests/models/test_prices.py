"""Price sheets and exchange rates as tables, and the list prices of billed lines beside them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from csp_pipeline.steps.cost_overviews import build_cost_overviews
from csp_pipeline_tests.models.staged_rows import header, line, seats

if TYPE_CHECKING:
    from csp_pipeline.settings import Settings
    from csp_pipeline_tests.models.staged_rows import Row, StagedPartner

PRICE: Row = {
    "product_id": "CFQ7TTC0LH18",
    "sku_id": "0001",
    "market": "DE",
    "currency": "EUR",
    "term_duration": "P1Y",
    "billing_plan": "Monthly",
    "effective_start_date": "2026-09-01",
    "effective_end_date": "9999-11-30",
    "snapshot_on": "2026-09-05",
}


def price(amount: str, **more: object) -> Row:
    return {**PRICE, "unit_price": amount, **more}


def sold(unit_price: str, **more: object) -> Row:
    return seats("100", **{"unit_price": unit_price, "customer_country": "de", **more})


def compared(
    partner: StagedPartner, settings: Settings, lines: list[Row], sheet: list[Row]
) -> list[tuple[object, ...]]:
    partner.stage(invoice_headers=[header(None)], reconciliation=lines, price_sheet=sheet).build()
    build_cost_overviews(partner.con, settings)
    columns = "unit_price, sheet_price, difference_price, price_state"
    return [tuple(row.values()) for row in partner.rows(f"SELECT {columns} FROM cost.price_comparison ORDER BY ALL")]


def test_a_price_of_a_year_is_brought_to_the_cycle_of_its_plan_and_the_nearest_counts(
    partner: StagedPartner, settings: Settings
) -> None:
    sheet = [price("240"), price("230", billing_plan="Annual"), price("24", term_duration="P1M")]
    found = compared(partner, settings, [sold("20"), sold("230"), sold("24"), sold("21.5")], sheet)
    assert found == [
        (20, 20, 0, "listed"),
        (Decimal("21.5"), 20, Decimal("1.5"), "differs"),
        (24, 24, 0, "listed"),
        (230, 230, 0, "listed"),
    ]


def test_a_product_that_the_sheet_of_its_market_and_day_lacks_is_reported(
    partner: StagedPartner, settings: Settings
) -> None:
    lines = [
        sold("20", product_id="OTHER"),
        sold("21", customer_country="FR"),
        sold("22", charge_start_date="2026-08-15"),
    ]
    found = compared(partner, settings, lines, [price("240")])
    assert found == [(20, None, None, "absent"), (21, None, None, "no_sheet"), (22, None, None, "no_sheet")]


def test_consumption_and_credits_have_no_list_price(partner: StagedPartner, settings: Settings) -> None:
    lines = [line("10", unit_price="1"), sold("20", charge_type="customerCredit"), sold("0")]
    assert compared(partner, settings, lines, [price("240")]) == []


def test_a_price_seen_on_many_days_is_one_row_and_a_changed_one_another(
    partner: StagedPartner, settings: Settings
) -> None:
    days = ["2026-09-05", "2026-09-07", "2026-09-06"]
    sheet = [price("240", snapshot_on=day) for day in days] + [price("250", snapshot_on="2026-09-08")]
    compared(partner, settings, [], sheet)
    found = partner.rows("SELECT unit_price, first_seen_on, last_seen_on FROM cost.price_sheet_prices ORDER BY ALL")
    assert [tuple(row.values()) for row in found] == [
        (240, date(2026, 9, 5), date(2026, 9, 7)),
        (250, date(2026, 9, 8), date(2026, 9, 8)),
    ]


def test_a_rate_is_dollars_for_a_unit_and_the_latest_sheet_counts(partner: StagedPartner, settings: Settings) -> None:
    # AED 0.27224589249009701: 1 USD = 3.67315 AED (kvamseek/partner-center@85eb3c40, get-foreign-exchange-rates)
    rates: list[Row] = [
        {"currency_code": "AED", "usd_per_unit": rate, "month": "202609", "snapshot_on": day}
        for rate, day in (("0.3", "2026-09-01"), ("0.27224589249009701", "2026-09-02"))
    ]
    partner.stage(fx_rates=rates).build()
    build_cost_overviews(partner.con, settings)
    found = partner.only("SELECT * EXCLUDE (source_file) FROM cost.provider_exchange_rates")
    assert found == {
        "rate_month": "2026-09",
        "currency": "AED",
        "usd_per_unit_rate": Decimal("0.27224589249009701"),
        "units_per_usd_rate": Decimal("3.67315"),
        "seen_on": date(2026, 9, 2),
    }
