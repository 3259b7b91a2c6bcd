"""Billed amounts go to the usage they bill, exactly."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from csp_pipeline.domain.money import largest_remainder
from csp_pipeline.steps.carry_down import carry_down
from csp_pipeline_tests.models.staged_rows import PEC_TEXT, header, line, seats, usage

if TYPE_CHECKING:
    from csp_pipeline_tests.models.staged_rows import StagedPartner

PARTS = "SELECT entitlement_id, billed_amount FROM cost.line_allocations ORDER BY entitlement_id"
NETS = st.lists(st.decimals(min_value=Decimal(-1000), max_value=Decimal(10000), places=10), min_size=1, max_size=6)


def _parts(partner: StagedPartner) -> dict[object, object]:
    return {row["entitlement_id"]: row["billed_amount"] for row in partner.rows(PARTS)}


def test_a_line_goes_to_the_rows_of_its_own_meter(partner: StagedPartner) -> None:
    partner.stage(
        daily_usage=[usage("6", entitlement_id="e1"), usage("4", entitlement_id="e2", meter_id="m2", quantity="5")],
        reconciliation=[line("6.00"), line("4.00", billable_quantity="5")],
    ).build()
    assert _parts(partner) == {"e1": 6, "e2": 4}


def test_units_left_over_go_to_the_largest_remainders(partner: StagedPartner) -> None:
    partner.stage(
        daily_usage=[usage(net, entitlement_id=f"e{n}", quantity="1") for n, net in enumerate(("1", "1", "2"))],
        reconciliation=[line("0.01", billable_quantity="3")],
    ).build()
    # 1E8 units: 25,000,000 / 25,000,000 / 50,000,000
    assert _parts(partner) == {"e0": Decimal("0.0025"), "e1": Decimal("0.0025"), "e2": Decimal("0.005")}


def test_ties_go_to_the_smallest_key_whatever_the_order_of_rows(partner: StagedPartner) -> None:
    rows = [usage("1", entitlement_id=name) for name in ("e3", "e1", "e2")]
    for order in (rows, rows[::-1]):
        partner.stage(daily_usage=order, reconciliation=[line("1.00", billable_quantity="3")]).build()
        assert _parts(partner) == {
            "e1": Decimal("0.3333333334"),
            "e2": Decimal("0.3333333333"),
            "e3": Decimal("0.3333333333"),
        }


def test_a_line_that_matches_no_meter_goes_to_the_usage_of_its_percentage(partner: StagedPartner) -> None:
    partner.stage(
        daily_usage=[
            usage("6", entitlement_id="e1"),
            usage("4", entitlement_id="e2", partner_earned_credit_percentage="0"),
        ],
        reconciliation=[line("5", billable_quantity="77")],
    ).build()
    assert _parts(partner) == {"e1": 5}


def test_without_usage_of_its_percentage_a_line_goes_to_all_usage_of_its_keys(partner: StagedPartner) -> None:
    partner.stage(
        daily_usage=[usage("6", entitlement_id="e1"), usage("4", entitlement_id="e2")],
        reconciliation=[line("5", price_adjustment_description=None)],
    ).build()
    assert _parts(partner) == {"e1": 3, "e2": 2}


def test_amounts_of_zero_leave_the_weights_to_quantities_and_those_to_rows(partner: StagedPartner) -> None:
    partner.stage(
        daily_usage=[
            usage("0", entitlement_id="e1", quantity="3"),
            usage("0", entitlement_id="e2", quantity="1"),
            usage("0", entitlement_id="e3", quantity="0", sku_id="0002"),
            usage("0", entitlement_id="e4", quantity="0", sku_id="0002"),
        ],
        reconciliation=[line("8", billable_quantity="4"), line("1", sku_id="0002", billable_quantity="0")],
    ).build()
    assert _parts(partner) == {"e1": 6, "e2": 2, "e3": Decimal("0.5"), "e4": Decimal("0.5")}


def test_only_a_line_without_usage_stays_without_azure_subscription(partner: StagedPartner) -> None:
    partner.stage(
        daily_usage=[usage("6", entitlement_id="e1")],
        reconciliation=[line("6"), line("-2", charge_type="customerCredit", sku_id="0009"), seats("100")],
    ).build()
    assert _parts(partner) == {"e1": 6, None: -2}
    assert partner.only("SELECT sum(billed_amount) AS billed FROM cost.azure_plan_costs")["billed"] == 4


def test_digits_beyond_the_tenth_stay_with_the_first_part(partner: StagedPartner) -> None:
    partner.stage(
        daily_usage=[usage("1", entitlement_id=name) for name in ("e1", "e2")],
        reconciliation=[line("-1.000000000000000001", billable_quantity="2")],
    ).build()
    assert _parts(partner) == {"e1": Decimal("-0.500000000000000001"), "e2": Decimal("-0.5")}


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(nets=NETS, cents=st.integers(-(10**13), 10**13))
def test_parts_are_those_of_the_reference_and_sum_to_the_subtotal(
    partner: StagedPartner, nets: list[Decimal], cents: int
) -> None:
    subtotal = Decimal(cents).scaleb(-2)
    rows = [usage(format(net, "f"), entitlement_id=f"e{number}") for number, net in enumerate(nets)]
    partner.stage(daily_usage=rows, reconciliation=[line(format(subtotal, "f"), billable_quantity="99")]).build()
    weights = [int(net.scaleb(10)) for net in nets]
    shares = largest_remainder(int(subtotal.scaleb(10)), weights if any(weights) else [1] * len(nets))
    expected = {f"e{number}": Decimal(share).scaleb(-10) for number, share in enumerate(shares)}
    assert _parts(partner) == expected
    assert sum(expected.values()) == subtotal


USED = st.fixed_dictionaries({
    "net": st.decimals(min_value=Decimal(-50), max_value=Decimal(500), places=10),
    "quantity": st.sampled_from(["0", "1", "2.5"]),
    "meter_id": st.sampled_from(["m1", "m2"]),
    "sku_id": st.sampled_from(["0001", "0002"]),
    "entitlement_id": st.sampled_from(["e1", "e2", None]),
    "partner_earned_credit_percentage": st.sampled_from(["15", "0", None]),
})  # fmt: skip
BILLED = st.fixed_dictionaries({
    "subtotal": st.decimals(min_value=Decimal(-500), max_value=Decimal(5000), places=2),
    "billable_quantity": st.sampled_from(["0", "1", "2.5", "3.5", "9"]),
    "sku_id": st.sampled_from(["0001", "0002", "0003"]),
    "price_adjustment_description": st.sampled_from([None, PEC_TEXT]),
    "charge_type": st.sampled_from(["new", "customerCredit"]),
})  # fmt: skip


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(used=st.lists(USED, min_size=1, max_size=7), billed=st.lists(BILLED, min_size=1, max_size=5))
def test_every_line_is_carried_down_whole_whatever_was_used(
    partner: StagedPartner, used: list[dict[str, object]], billed: list[dict[str, object]]
) -> None:
    rows = [usage(format(row["net"], "f"), **{name: row[name] for name in row if name != "net"}) for row in used]
    lines = [
        line(format(row["subtotal"], "f"), **{name: row[name] for name in row if name != "subtotal"}) for row in billed
    ]
    partner.stage(daily_usage=rows, reconciliation=lines).build()
    kept = partner.rows(
        "SELECT line.subtotal_amount, sum(part.billed_amount) AS carried, "
        "count(*) FILTER (WHERE part.entitlement_id IS NOT NULL) AS found, bool_or(line.is_in_daily_usage) AS is_used "
        "FROM cost.invoice_lines AS line JOIN cost.line_allocations AS part USING (line_id) "
        "WHERE line.product_family = 'azure_plan' GROUP BY line.line_id, line.subtotal_amount"
    )
    assert len(kept) == len(billed)
    assert all(row["carried"] == row["subtotal_amount"] for row in kept)
    total = partner.only("SELECT sum(billed_amount) AS amount FROM cost.azure_plan_costs")["amount"]
    by_resource = partner.only("SELECT sum(billed_amount) AS amount FROM cost.resource_allocations")["amount"]
    assert total == by_resource == sum((row["subtotal_amount"] for row in kept), Decimal(0))
    assert not any(row["found"] for row in kept if not row["is_used"])


def test_buckets_of_lines_change_nothing(partner: StagedPartner) -> None:
    partner.stage(
        daily_usage=[
            usage(f"{n}.37", meter_id=f"m{n % 4}", quantity=f"{n % 4 + 1}", entitlement_id=f"e{n}") for n in range(12)
        ],
        reconciliation=[line("7.77", billable_quantity=str(3 * (n + 1))) for n in range(4)],
        invoice_headers=[header("31.08")],
    ).build()
    whole = partner.rows("SELECT * FROM cost.resource_allocations ORDER BY ALL")
    carry_down(partner.con, {"billing_month": "2026-09", "currency": "EUR"}, rows_per_bucket=3)
    assert partner.rows("SELECT * FROM cost.resource_allocations ORDER BY ALL") == whole


def test_tags_and_resource_groups_sum_to_the_azure_subscription(partner: StagedPartner) -> None:
    partner.stage(
        daily_usage=[usage("1.1", resource_group=f"rg{n % 2}", tags=f'{{"team":"{n % 3}"}}') for n in range(6)],
        reconciliation=[line("6.60", billable_quantity="6")],
    ).build()
    parts = partner.rows(
        "SELECT tags, sum(billed_amount) AS billed FROM cost.resource_allocations GROUP BY tags ORDER BY tags"
    )
    assert [row["billed"] for row in parts] == [Decimal("2.2")] * 3


def test_an_unknown_table_is_refused(partner: StagedPartner) -> None:
    from csp_pipeline.steps.cost import fill  # noqa: PLC0415

    with pytest.raises(ValueError, match=r"cost\.nothing is not a table"):
        fill(partner.con, "cost.nothing", "2026-09", "EUR")
