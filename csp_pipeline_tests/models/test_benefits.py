"""Reservations and savings plans go to the usage they covered, day by day; what nothing used is unused benefit."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as runs
from hypothesis import strategies as st

from csp_pipeline.domain.money import largest_remainder
from csp_pipeline.quality.identities import IDENTITIES, violations
from csp_pipeline.steps.benefits import carry_benefits_down
from csp_pipeline_tests.models.staged_rows import line, seats, usage

if TYPE_CHECKING:
    from random import Random

    from csp_pipeline_tests.models.staged_rows import Row, StagedPartner

ORDER = "6e3f0d6a-5a0c-4ed8-9f11-3c8a5b7d9e21"
FREE: Row = {
    "billing_pre_tax_total": "0",
    "pricing_pre_tax_total": "0",
    "partner_earned_credit_percentage": "0",
    "credit_type": "Credit Not Applied",
}
PARTS = """
SELECT service_month, benefit_state, days, entitlement_id, billed_amount FROM cost.benefit_allocations ORDER BY ALL
"""
SEEN = """
INSERT INTO cost.usage_by_day BY NAME SELECT '2026-09' AS billing_month, FALSE AS is_estimate, 'EUR' AS currency
"""
LINE = f"""
INSERT INTO cost.invoice_lines BY NAME SELECT 'l1' AS line_id, '2026-09' AS billing_month, 'EUR' AS currency,
    FALSE AS is_estimate, 'tenant-a' AS customer_id, 'savings_plan' AS product_family,
    '{ORDER}' AS reservation_order_id,
    CAST(? AS DECIMAL(38, 18)) AS subtotal_amount, DATE '2026-09-01' AS charge_start_on, ? AS charge_end_on
"""
COVERED = f"""
INSERT INTO cost.covered_usage BY NAME SELECT '2026-09' AS billing_month, 'EUR' AS currency, 'tenant-a' AS customer_id,
    DATE '2026-09-01' AS usage_on, '{ORDER}' AS benefit_order_id, 1 AS usage_rows, 0 AS list_amount,
    ? AS entitlement_id, CAST(? AS DECIMAL(38, 18)) AS quantity
"""
(IDENTITY,) = (identity for identity in IDENTITIES if identity.name == "benefits_are_carried_down")


def saved(day: str, quantity: str = "1", **more: object) -> Row:
    """Usage that the savings plan covered on a day."""
    row = usage("0", **FREE, benefit_type="SavingsPlan", benefit_order_id=ORDER, usage_date=day, unit_price="2")
    return row | {"quantity": quantity, **more}


def plan(subtotal: str, **more: object) -> Row:
    """A line of that savings plan: the four days from 1 September, unless said otherwise."""
    names = {"product_name": "Compute savings plan", "sku_name": "Compute Savings Plan 1 Year"}
    period = {"charge_start_date": "2026-09-01", "charge_end_date": "2026-09-04"}
    row = seats(subtotal, product_id="DZH318Z08NRP", subscription_id="benefit-a", reservation_order_id=ORDER)
    return row | names | period | more


def parts(partner: StagedPartner) -> list[tuple[object, ...]]:
    carry_benefits_down(partner.con)
    assert violations(partner.con, IDENTITY) == []
    return [tuple(row.values()) for row in partner.rows(PARTS)]


def test_each_day_goes_to_its_covered_usage_and_days_without_any_are_unused(partner: StagedPartner) -> None:
    used = [
        saved("2026-09-01", entitlement_id="e1"),
        saved("2026-09-01", entitlement_id="e2", quantity="3"),
        saved("2026-09-02", entitlement_id="e2"),
    ]
    partner.stage(daily_usage=used, reconciliation=[plan("8")]).build()
    assert parts(partner) == [
        ("2026-09", "covered", 1, "e1", Decimal("0.5")),
        ("2026-09", "covered", 2, "e2", Decimal("3.5")),
        ("2026-09", "unused", 2, None, Decimal(4)),
    ]


def test_a_reservation_is_found_by_the_order_in_the_additional_information(partner: StagedPartner) -> None:
    info = f'{{"ImageType":"Canonical","ReservationOrderId" : "{ORDER.upper()}","ReservationId":"x"}}'
    reserved = usage("0", **FREE, additional_info=info)
    bought = plan(
        "30", product_name="Reserved VM Instance", sku_name="D2s v3", reservation_order_id=f"RIOderId-{ORDER}"
    )
    partner.stage(daily_usage=[reserved], reconciliation=[bought | {"charge_end_date": "2026-09-30"}]).build()
    assert parts(partner) == [
        ("2026-09", "covered", 1, "ent-1", Decimal(1)),
        ("2026-09", "unused", 29, None, Decimal(29)),
    ]
    assert partner.only("SELECT DISTINCT product_family FROM cost.benefit_allocations") == {
        "product_family": "reservation"
    }


def test_list_prices_weigh_before_quantities_and_those_before_rows(partner: StagedPartner) -> None:
    used = [
        saved("2026-09-01", entitlement_id="e1", unit_price="9"),
        saved("2026-09-01", entitlement_id="e2", quantity="9", unit_price="1"),
        saved("2026-09-02", entitlement_id="e1", unit_price="0", quantity="3"),
        saved("2026-09-02", entitlement_id="e2", unit_price=None),
        saved("2026-09-03", entitlement_id="e1", quantity="0"),
        saved("2026-09-03", entitlement_id="e2", quantity="0"),
    ]
    period = {"charge_end_date": "2026-09-03"}
    partner.stage(daily_usage=used, reconciliation=[plan("12", **period)]).build()
    assert [row[3:] for row in parts(partner)] == [("e1", Decimal(7)), ("e2", Decimal(5))]


def test_usage_that_costs_something_or_is_of_another_order_or_customer_takes_nothing(partner: StagedPartner) -> None:
    used = [
        saved("2026-09-01", billing_pre_tax_total="1"),
        saved("2026-09-01", benefit_order_id="6e3f0d6a-5a0c-4ed8-9f11-3c8a5b7d9e22"),
        saved("2026-09-01", customer_id="tenant-b"),
    ]
    partner.stage(daily_usage=used, reconciliation=[plan("8")]).build()
    assert parts(partner) == [("2026-09", "unused", 4, None, Decimal(8))]


def test_days_whose_usage_is_not_billed_yet_are_open_until_it_is(partner: StagedPartner) -> None:
    september = [saved("2026-09-30")]
    october = [saved("2026-10-01", invoice_number="G2", charge_start_date="2026-10-01")]
    across = plan("2", charge_start_date="2026-09-30", charge_end_date="2026-10-01")
    partner.stage(daily_usage=september, reconciliation=[across]).build()
    assert parts(partner) == [
        ("2026-09", "covered", 1, "ent-1", Decimal(1)),
        ("2026-10", "open", 1, None, Decimal(1)),
    ]
    partner.stage(daily_usage=september + october, reconciliation=[across]).build().build("2026-10")
    assert [row[1] for row in parts(partner)] == ["covered", "covered"]


def test_a_charge_of_one_day_pays_for_its_term_and_a_refund_takes_back_as_much(partner: StagedPartner) -> None:
    term = {"charge_end_date": "2026-09-01", "subscription_start_date": "2026-09-01"}
    paid = plan("3.00", **term, subscription_end_date="2026-09-30")
    refund = plan("-1.50", charge_start_date="2026-09-16", charge_end_date="2026-09-30")
    used = [saved(f"2026-09-{day:02}") for day in range(1, 16)]
    partner.stage(daily_usage=used, reconciliation=[paid, refund]).build()
    assert parts(partner) == [
        ("2026-09", "covered", 15, "ent-1", Decimal("1.5")),
        ("2026-09", "unused", 15, None, Decimal("-1.5")),
        ("2026-09", "unused", 15, None, Decimal("1.5")),
    ]


def test_digits_beyond_the_tenth_stay_with_the_first_part(partner: StagedPartner) -> None:
    used = [saved("2026-09-01", entitlement_id=name) for name in ("e2", "e1")]
    one_day = plan("-1.000000000000000001", charge_end_date="2026-09-01")
    partner.stage(daily_usage=used, reconciliation=[one_day]).build()
    assert [row[4] for row in parts(partner)] == [Decimal("-0.500000000000000001"), Decimal("-0.5")]


def test_other_lines_and_estimates_are_no_benefit(partner: StagedPartner) -> None:
    open_line = plan("5", invoice_number=None, billing_month="2026-10")
    partner.stage(daily_usage=[usage("1")], reconciliation=[line("1"), seats("9")], open_reconciliation=[open_line])
    partner.build().build("2026-10")
    assert parts(partner) == []


@runs(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    cents=st.integers(-(10**9), 10**9),
    quantities=st.lists(st.decimals("0", "1000", places=6), min_size=1, max_size=5),
    days=st.integers(1, 9),
    order=st.randoms(use_true_random=False),
)
def test_parts_are_the_largest_remainders_of_each_day_in_any_order_of_rows(
    partner: StagedPartner, cents: int, quantities: list[Decimal], days: int, order: Random
) -> None:
    subtotal = Decimal(cents).scaleb(-2)
    partner.con.execute("DELETE FROM cost.covered_usage; DELETE FROM cost.invoice_lines; DELETE FROM cost.usage_by_day")
    partner.con.execute(SEEN)
    partner.con.execute(LINE, [subtotal, date(2026, 9, days)])
    used = [(f"e{n}", quantity) for n, quantity in enumerate(quantities)]
    order.shuffle(used)
    partner.con.executemany(COVERED, used)
    by_day = largest_remainder(int(subtotal.scaleb(10)), [1] * days)
    weights = [int(quantity.scaleb(6)) for quantity in quantities]
    shares = largest_remainder(by_day[0], weights if any(weights) else [1] * len(weights))
    expected = {f"e{n}": Decimal(share).scaleb(-10) for n, share in enumerate(shares)}
    assert {row[3]: row[4] for row in parts(partner) if row[1] == "covered"} == expected
    assert sum(row[4] for row in parts(partner)) == subtotal  # type: ignore[misc]


@pytest.mark.parametrize("rows", [[], [saved("2026-09-01")]])
def test_without_lines_there_is_nothing_to_carry_down(partner: StagedPartner, rows: list[Row]) -> None:
    partner.stage(daily_usage=rows).build()
    assert carry_benefits_down(partner.con) == 0
