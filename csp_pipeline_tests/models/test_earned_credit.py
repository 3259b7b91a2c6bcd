"""Earned and forgone credit per usage row, and the day on which access was lost."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from csp_pipeline.models.catalogue import load_catalogue
from csp_pipeline.storage.warehouse import replace_rows
from csp_pipeline_tests.models.staged_rows import usage

if TYPE_CHECKING:
    from csp_pipeline_tests.models.staged_rows import Row, StagedPartner

NO_CREDIT: dict[str, object] = {"partner_earned_credit_percentage": "0", "credit_type": "Credit Not Applied"}


def _lost(partner: StagedPartner, where: str = "TRUE") -> set[object]:
    return {
        row["access_lost_on"]
        for row in partner.rows(f"SELECT access_lost_on FROM cost.partner_earned_credit WHERE {where}")
    }


@pytest.mark.parametrize(
    ("net", "percent", "credit", "gross"),
    [
        ("0.7378", "15", "0.1302", "0.868"),  # 0.868 x 0.85: kvamseek/partner-center@85eb3c40 azure-plan-billing.md:169
        ("-0.7378", "15", "-0.1302", "-0.868"),
        ("1", None, "0", "1"),
        ("85.000000000000000017", "15", "15", "100"),
        ("100000000000", "15", "17647058823.5294117647", "117647058823.5294117647"),
        ("10", "7.5", "0.8108108108", "10.8108108108"),
        ("0.000000000047", "15", "0", "0"),  # net and the rounded credit, not the rounded sum of both unrounded
    ],
)
def test_the_credit_is_inside_the_net_amount(
    partner: StagedPartner, net: str, percent: str | None, credit: str, gross: str
) -> None:
    partner.stage(daily_usage=[usage(net, partner_earned_credit_percentage=percent)]).build()
    found = partner.only("SELECT pec_amount, gross_amount FROM cost.daily_usage")
    assert found == {"pec_amount": Decimal(credit), "gross_amount": Decimal(gross)}


def test_credit_is_rounded_per_row_and_then_summed(partner: StagedPartner) -> None:
    # 3 x 0.0000000001 x 3/17 would be 0.0000000001 on the sum; each row alone gives 0
    partner.stage(daily_usage=[usage("0.0000000001") for _ in range(3)]).build()
    assert partner.only("SELECT pec_amount FROM cost.azure_plan_costs")["pec_amount"] == 0


@pytest.mark.parametrize(
    ("change", "forgone"),
    [
        ({}, "1.5"),
        ({"publisher_name": "microsoft Corporation"}, "1.5"),
        ({"publisher_name": "Contoso ISV"}, "0"),
        ({"product_id": "OTHER", "product_name": "Other"}, "1.5"),
        ({"benefit_type": "SavingsPlan"}, "0"),
        ({"benefit_type": "Charge"}, "1.5"),
        ({"additional_info": '{"ReservationOrderId":"r-1","ReservationId":"r-2"}'}, "0"),
        ({"additional_info": '{"reservationId" : "r-2"}'}, "0"),
        ({"additional_info": '{"ReservationOrderId":"","ImageType":"x"}'}, "1.5"),
        ({"additional_info": '{"ReservationOrderId":123}'}, "0"),
        ({"additional_info": '{""ReservationOrderId"":""r-1""}'}, "0"),
        ({"additional_info": '{""ReservationOrderId"":"""",""ImageType"":""x""}'}, "1.5"),
        ({"additional_info": '{"ReservationId":"","ReservationOrderId":null}'}, "1.5"),
        ({"publisher_name": " MICROSOFT "}, "1.5"),
        ({"meter_name": "D2s v3 Spot"}, "0"),
        ({"credit_type": "Azure Credit Applied"}, "0"),
        ({"billing_pre_tax_total": "-10"}, "0"),
        ({"partner_earned_credit_percentage": "15"}, "0"),
        ({"billing_pre_tax_total": "123456789012.123456789012345678"}, "18518518351.8185185184"),
    ],
)
def test_credit_is_forgone_only_where_it_could_be_earned(partner: StagedPartner, change: Row, forgone: str) -> None:
    partner.stage(daily_usage=[usage("10", **NO_CREDIT | change)]).build()
    assert partner.only("SELECT pec_forgone_amount FROM cost.daily_usage")["pec_forgone_amount"] == Decimal(forgone)


@pytest.mark.parametrize(
    ("info", "order"),
    [
        ('{"ReservationOrderId":123}', "123"),
        ('{""ReservationOrderId"":""r-1""}', "r-1"),
        ('{"ReservationOrderId" : "r-1"}', "r-1"),
        ('{"ReservationOrderId":null}', None),
        ('{"ReservationOrderId":"","x":"y"}', None),
    ],
)
def test_usage_names_the_reservation_that_covers_it(partner: StagedPartner, info: str, order: str | None) -> None:
    partner.stage(daily_usage=[usage("10", additional_info=info)]).build()
    assert partner.only("SELECT benefit_order_id FROM cost.daily_usage")["benefit_order_id"] == order


def test_access_is_lost_on_the_first_day_without_credit_after_the_last_with_it(partner: StagedPartner) -> None:
    days = [
        usage("1", usage_date=f"2026-09-{day:02}", **({} if day in {1, 2, 4} else NO_CREDIT)) for day in range(1, 8)
    ]
    partner.stage(daily_usage=days).build()
    assert _lost(partner) == {date(2026, 9, 5)}


def test_a_resource_that_never_had_credit_lost_nothing_it_had(partner: StagedPartner) -> None:
    partner.stage(daily_usage=[usage("1", **NO_CREDIT)]).build()
    assert _lost(partner) == {None}
    assert partner.only("SELECT forgone_amount FROM cost.partner_earned_credit")["forgone_amount"] == Decimal("0.15")


def test_credit_lost_at_the_turn_of_a_month_is_seen_in_any_order_of_loading(partner: StagedPartner) -> None:
    september = usage("1", usage_date="2026-09-30", resource_uri="/Subscriptions/ENT-1/vm-1")
    october = usage("1", invoice_number="G2", charge_start_date="2026-10-01", usage_date="2026-10-01", **NO_CREDIT)
    partner.stage(daily_usage=[september, october])
    for months in (("2026-09", "2026-10"), ("2026-10", "2026-09")):
        partner.con.execute("DELETE FROM cost.partner_earned_credit")
        for month in months:
            partner.build(month)
        assert _lost(partner, "billing_month = '2026-10'") == {date(2026, 10, 1)}
        assert _lost(partner, "billing_month = '2026-09'") == {date(2026, 10, 1)}


def lost_credit(partner: StagedPartner) -> list[tuple[object, ...]]:
    table = load_catalogue()["cost.lost_credit"]
    replace_rows(partner.con, table, table.select() or "")
    columns = "credit_state, access_lost_on, forgone_amount, rated_on, rated_amount, monthly_amount, is_estimate"
    return [tuple(row.values()) for row in partner.rows(f"SELECT {columns} FROM cost.lost_credit ORDER BY resource_id")]


def test_lost_credit_costs_a_month_what_the_last_full_day_did(partner: StagedPartner) -> None:
    used = [
        usage("10", resource_uri="a"),
        usage("20", resource_uri="A", usage_date="2026-09-02", **NO_CREDIT),
        usage("30", resource_uri="a", usage_date="2026-09-30", **NO_CREDIT),
        usage("8", resource_uri="b", **NO_CREDIT),  # gone since
        usage("8", resource_uri="c", **NO_CREDIT),
        usage("8", resource_uri="c", usage_date="2026-09-30"),
        usage("8", resource_uri="d"),
    ]
    partner.stage(daily_usage=used).build()
    last = date(2026, 9, 30)
    assert lost_credit(partner) == [
        ("lost", date(2026, 9, 2), Decimal("7.5"), last, Decimal("4.5"), Decimal(135), False),
        ("never", None, Decimal("1.2"), last, 0, 0, False),
        ("regained", None, Decimal("1.2"), last, 0, 0, False),
    ]


def test_a_day_that_had_not_ended_sets_no_rate_and_an_open_month_does(partner: StagedPartner) -> None:
    opened: Row = {"invoice_number": None, "billing_month": "2026-10", "charge_start_date": "2026-10-01"}
    days = {"24": "40", "25": "10"}  # made on the 25th
    estimates = [usage(net, usage_date=f"2026-10-{day}", **opened, **NO_CREDIT) for day, net in days.items()]
    partner.stage(daily_usage=[usage("1")], open_daily_usage=estimates).build().build("2026-10")
    assert lost_credit(partner) == [
        ("lost", date(2026, 10, 24), Decimal("7.5"), date(2026, 10, 24), Decimal(6), Decimal(186), True)
    ]


def test_amounts_by_resource_and_day_sum_to_those_of_the_usage(partner: StagedPartner) -> None:
    rows = [
        usage(f"{n}.17", resource_uri=f"vm-{n % 3}", usage_date=f"2026-09-0{1 + n % 4}", **(NO_CREDIT if n % 2 else {}))
        for n in range(9)
    ]
    partner.stage(daily_usage=rows).build()
    by_resource = partner.only(
        "SELECT sum(earned_amount) AS e, sum(forgone_amount) AS f, sum(gross_amount) AS g "
        "FROM cost.partner_earned_credit"
    )
    by_plan = partner.only(
        "SELECT sum(pec_amount) AS e, sum(pec_forgone_amount) AS f, sum(gross_amount) AS g FROM cost.azure_plan_costs"
    )
    by_sku = partner.only(
        "SELECT sum(pec_amount) AS e, sum(pec_forgone_amount) AS f, sum(gross_amount) AS g FROM cost.usage_by_sku"
    )
    assert by_resource == by_plan == by_sku
