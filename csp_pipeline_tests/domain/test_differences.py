"""The causes of a difference, one by one and together, with numbers worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction

from csp_pipeline.domain.counterparts import Counterpart
from csp_pipeline.domain.difference_facts import (
    Documents,
    OwnCycle,
    ProviderLine,
    RevenueLine,
    SeatChange,
    SeatFacts,
)
from csp_pipeline.domain.differences import explain_seats
from csp_pipeline.domain.recognition import UNITS_PER_ONE, units_between

SEPTEMBER = (date(2026, 9, 1), date(2026, 9, 30))
PRICE = Decimal(30)
DOCUMENTS = Documents("2026-07", "2026-09", "2026-09", date(2026, 7, 1))


def provider_line(start: date, end: date, quantity: int, cycle_days: int = 30) -> ProviderLine:
    days = (end - start).days + 1
    expected = int(Fraction(quantity) * PRICE.__int__() * days / cycle_days * UNITS_PER_ONE)
    return ProviderLine(
        f"line-{start}-{quantity}",
        start,
        end,
        Decimal(quantity),
        expected,
        Fraction(PRICE) / cycle_days,
        subscription_starts_on=date(2026, 1, start.day),
        cycle_start=start,
    )


def revenue_line(start: date, end: date, quantity: int, net: str, kind: str = "recurring") -> RevenueLine:
    return RevenueLine(f"doc:{start}-{kind}", kind, start, end, Decimal(quantity), int(Decimal(net).scaleb(10)))


def seat_facts(
    provider: list[ProviderLine], revenue: list[RevenueLine], quantity_difference: int, **changes: object
) -> SeatFacts:
    since, until = date(2026, 9, 1), date(2026, 10, 1)
    difference = sum(units_between(line.units, line.start, line.end, since, until) for line in revenue) - sum(
        units_between(line.expected_units, line.start, line.end, since, until) for line in provider
    )
    facts = SeatFacts(
        month="2026-09",
        provider_lines=provider,
        revenue_lines=revenue,
        cycles=[OwnCycle(*SEPTEMBER, "2026-09", False, 30, Fraction(PRICE) / 30)],
        changes=[],
        starts_on=date(2026, 1, 1),
        ends_on=None,
        has_proration=True,
        quantity_difference=Decimal(quantity_difference),
        difference_units=difference,
        minor_unit=Decimal("0.01"),
        documents=DOCUMENTS,
        first_provider_line=provider[0] if provider else None,
        last_provider_start=max((line.start for line in provider), default=None),
    )
    return replace(facts, **changes)


def parts_of(facts: SeatFacts) -> dict[str, tuple[Decimal, Decimal | None]]:
    parts = explain_seats(facts)
    assert sum(part.units for part in parts) == facts.difference_units
    assert sum(part.quantity or 0 for part in parts) == (facts.quantity_difference or 0)
    return {part.cause: (Decimal(part.units).scaleb(-10), part.quantity) for part in parts}


def test_the_same_seats_over_the_same_days_leave_nothing() -> None:
    facts = seat_facts([provider_line(*SEPTEMBER, 10)], [revenue_line(*SEPTEMBER, 10, "300.00")], 0)
    assert parts_of(facts) == {}


def test_two_seats_too_few_on_our_side_are_a_quantity_mismatch() -> None:
    """2 seats x 30.00 for the whole month."""
    facts = seat_facts([provider_line(*SEPTEMBER, 12)], [revenue_line(*SEPTEMBER, 10, "300.00")], -2)
    assert parts_of(facts) == {"quantity_mismatch": (Decimal("-60.0000000000"), Decimal(-2))}


def test_seats_added_after_the_providers_bill_are_timing() -> None:
    """3 seats from the 21st: 3 x 30 x 10/30 = 30.00, expected on the provider's October invoice."""
    facts = seat_facts(
        [provider_line(*SEPTEMBER, 10)],
        [
            revenue_line(*SEPTEMBER, 10, "300.00"),
            revenue_line(date(2026, 9, 21), date(2026, 9, 30), 3, "30.00", "change"),
        ],
        3,
        changes=[SeatChange("change-1", date(2026, 9, 21), Decimal(3), False)],
    )
    assert parts_of(facts) == {"timing": (Decimal("30.0000000000"), Decimal(3))}
    assert explain_seats(facts)[0].expected_on_month == "2026-10"


def test_timing_that_the_next_invoice_does_not_carry_is_a_quantity_mismatch() -> None:
    facts = seat_facts(
        [provider_line(*SEPTEMBER, 10)],
        [
            revenue_line(*SEPTEMBER, 10, "300.00"),
            revenue_line(date(2026, 9, 21), date(2026, 9, 30), 3, "30.00", "change"),
        ],
        3,
        changes=[SeatChange("change-1", date(2026, 9, 21), Decimal(3), False)],
        documents=replace(DOCUMENTS, last_loaded_month="2026-10"),
    )
    assert parts_of(facts) == {"quantity_mismatch": (Decimal("30.0000000000"), Decimal(3))}


def test_part_timing_and_part_mismatch_are_told_apart() -> None:
    facts = seat_facts(
        [provider_line(*SEPTEMBER, 8)],
        [
            revenue_line(*SEPTEMBER, 10, "300.00"),
            revenue_line(date(2026, 9, 21), date(2026, 9, 30), 3, "30.00", "change"),
        ],
        5,
        changes=[SeatChange("change-1", date(2026, 9, 21), Decimal(3), False)],
    )
    assert parts_of(facts) == {
        "timing": (Decimal("30.0000000000"), Decimal(3)),
        "quantity_mismatch": (Decimal("60.0000000000"), Decimal(2)),
    }


def test_seats_charged_from_another_day_than_the_providers_are_a_mismatch_though_the_month_ends_alike() -> None:
    """2 seats for the ten days from the 11th to the 20th that the provider does not charge: 2 x 30.00 x 10/30."""
    facts = seat_facts(
        [provider_line(*SEPTEMBER, 10), provider_line(date(2026, 9, 21), SEPTEMBER[1], 2)],
        [
            revenue_line(*SEPTEMBER, 10, "300.00"),
            revenue_line(date(2026, 9, 11), date(2026, 9, 30), 2, "40.00", "change"),
        ],
        0,
    )
    assert parts_of(facts) == {"quantity_mismatch": (Decimal("20.0000000000"), Decimal(0))}


def test_a_wrong_quantity_until_the_contract_line_ends_is_a_mismatch() -> None:
    """Two seats too many for 15 days, then ten seats that nobody bills."""
    end = date(2026, 9, 15)
    facts = seat_facts(
        [provider_line(*SEPTEMBER, 10)],
        [revenue_line(SEPTEMBER[0], end, 12, "180.00")],
        -10,
        cycles=[OwnCycle(SEPTEMBER[0], end, "2026-09", False, 30, Fraction(PRICE) / 30)],
        ends_on=end,
    )
    assert parts_of(facts) == {
        "contract_expired": (Decimal("-150.0000000000"), Decimal(-10)),
        "quantity_mismatch": (Decimal("30.0000000000"), Decimal(0)),
    }


def test_a_change_after_the_contract_line_ended_is_no_timing_of_it() -> None:
    """The seats end at the provider's next cycle; the contract line was over before anybody asked for it."""
    end = date(2026, 9, 10)
    facts = seat_facts(
        [provider_line(*SEPTEMBER, 10)],
        [revenue_line(SEPTEMBER[0], end, 10, "100.00")],
        -10,
        cycles=[OwnCycle(SEPTEMBER[0], end, "2026-09", False, 30, Fraction(PRICE) / 30)],
        ends_on=end,
        changes=[SeatChange("change-1", date(2026, 9, 21), Decimal(-10), False)],
    )
    assert parts_of(facts) == {"contract_expired": (Decimal("-200.0000000000"), Decimal(-10))}


def test_changes_meet_changes_in_a_cycle_that_is_not_drafted_yet() -> None:
    """Ten seats wait for our document; two that were added on the 21st are on ours and not on the provider's."""
    facts = seat_facts(
        [provider_line(*SEPTEMBER, 10)],
        [revenue_line(date(2026, 9, 21), date(2026, 9, 30), 2, "20.00", "change")],
        -8,
        cycles=[OwnCycle(*SEPTEMBER, "2026-10", False, 30, Fraction(PRICE) / 30)],
        documents=replace(DOCUMENTS, last_loaded_month="2026-10"),
    )
    assert parts_of(facts) == {
        "period": (Decimal("-300.0000000000"), Decimal(-10)),
        "quantity_mismatch": (Decimal("20.0000000000"), Decimal(2)),
    }


def test_the_noise_of_splits_by_day_needs_nobody() -> None:
    """A line and its cancellation leave some units of 1E-10 on days after the contract line ended."""
    end = date(2026, 9, 10)
    facts = seat_facts(
        [provider_line(*SEPTEMBER, 10), provider_line(*SEPTEMBER, -10)._replace(expected_units=-3_000_000_000_001)],
        [],
        0,
        cycles=[OwnCycle(SEPTEMBER[0], end, "2026-09", False, 30, Fraction(PRICE) / 30)],
        ends_on=end,
    )
    assert set(parts_of(facts)) == {"rounding"}


def test_a_cycle_from_the_17th_against_calendar_months_is_proration() -> None:
    """September: 16 days at 10/31 of a day's price and 14 at 10/30: 300 x 16/31 + 300 x 14/30 = 294.8387."""
    provider = [
        provider_line(date(2026, 8, 17), date(2026, 9, 16), 10, 31),
        provider_line(date(2026, 9, 17), date(2026, 10, 16), 10, 30),
    ]
    parts = parts_of(seat_facts(provider, [revenue_line(*SEPTEMBER, 10, "300.00")], 0))
    assert set(parts) <= {"proration", "rounding"}
    assert abs(parts["proration"][0] - Decimal("5.1612903226")) < Decimal("1E-9")


def test_revenue_after_the_last_loaded_document_is_period() -> None:
    facts = seat_facts(
        [],
        [revenue_line(*SEPTEMBER, 10, "300.00")],
        10,
        documents=replace(DOCUMENTS, last_loaded_month="2026-08"),
    )
    assert parts_of(facts) == {"period": (Decimal("300.0000000000"), Decimal(10))}


def test_cost_whose_cycle_is_not_drafted_yet_is_period() -> None:
    facts = seat_facts(
        [provider_line(*SEPTEMBER, 10)],
        [],
        -10,
        cycles=[
            OwnCycle(date(2026, 9, 17), date(2026, 10, 16), "2026-10", False, 30, Fraction(1)),
            OwnCycle(date(2026, 8, 17), date(2026, 9, 16), "2026-10", False, 31, Fraction(30, 31)),
        ],
    )
    assert parts_of(facts) == {"period": (Decimal("-300.0000000000"), Decimal(-10))}


def test_revenue_of_a_prepaid_term_begun_before_the_first_document_is_period() -> None:
    facts = seat_facts([], [revenue_line(*SEPTEMBER, 10, "300.00")], 10, prepaid_since=date(2026, 3, 5))
    assert parts_of(facts) == {"period": (Decimal("300.0000000000"), Decimal(10))}


def test_charges_behind_which_no_provider_line_stands_are_revenue_without_cost() -> None:
    facts = seat_facts([], [revenue_line(*SEPTEMBER, 10, "300.00")], 10)
    assert parts_of(facts) == {"revenue_without_cost": (Decimal("300.0000000000"), Decimal(10))}


def test_cost_after_the_contract_ended_is_named_so() -> None:
    facts = seat_facts([provider_line(*SEPTEMBER, 10)], [], -10, cycles=[], ends_on=date(2026, 8, 31))
    assert parts_of(facts) == {"contract_expired": (Decimal("-300.0000000000"), Decimal(-10))}


def test_half_a_cent_on_a_prorated_line_is_rounding() -> None:
    """1 seat for 7 of 30 days at 10.01: 2.3356666667 exactly, 2.34 charged."""
    price = Fraction(1001, 100)
    line = provider_line(date(2026, 9, 24), date(2026, 9, 30), 1)._replace(
        expected_units=23356666667,
        daily_price=price / 30,
    )
    facts = seat_facts(
        [line],
        [revenue_line(date(2026, 9, 24), date(2026, 9, 30), 1, "2.34")],
        0,
        cycles=[OwnCycle(*SEPTEMBER, "2026-09", False, 30, price / 30)],
    )
    assert parts_of(facts) == {"rounding": (Decimal("0.0043333333"), Decimal(0))}


def test_a_sum_that_no_rule_explains_stays_unexplained() -> None:
    facts = seat_facts([provider_line(*SEPTEMBER, 10)], [revenue_line(*SEPTEMBER, 10, "305.00")], 0)
    assert parts_of(facts) == {"unexplained": (Decimal("5.0000000000"), Decimal(0))}


def test_a_new_price_inside_the_providers_year_is_a_price_version_on_both_contract_lines() -> None:
    """The provider's year began under the former line; from September the new one charges 36.00 instead of 30.00."""
    year = provider_line(date(2026, 1, 1), date(2026, 12, 31), 10, 365)._replace(
        expected_units=10 * 360 * UNITS_PER_ONE,
        daily_price=Fraction(360, 365),
    )
    ours = revenue_line(*SEPTEMBER, 10, "360.00")
    new_cycle = OwnCycle(*SEPTEMBER, "2026-09", False, 30, Fraction(36, 30), Fraction(36))
    former = Counterpart("price_version", (("reference.contract_lines", "L1"),), [year], [], [])
    latter = Counterpart("price_version", (("reference.contract_lines", "L2"),), [], [ours], [new_cycle])
    charged = seat_facts([], [ours], 10, cycles=[new_cycle], starts_on=date(2026, 9, 1), counterparts=[former])
    ended = {"cycles": [], "ends_on": date(2026, 8, 31), "counterparts": [latter]}
    provided = seat_facts([year], [], -10, **ended)
    assert parts_of(charged) == {"price_version": (Decimal("360.0000000000"), Decimal(10))}
    assert parts_of(provided) == {"price_version": (Decimal("-295.8904109580"), Decimal(-10))}
    assert ("reference.contract_lines", "L1") in explain_seats(charged)[0].evidence


def test_seats_that_the_new_version_charges_beyond_the_providers_are_a_mismatch() -> None:
    """12 charged at 36.00, 10 provided under the former line: 10 are the price's, 2 x 36.00 nobody provides."""
    year = provider_line(date(2026, 1, 1), date(2026, 12, 31), 10, 365)
    cycle = OwnCycle(*SEPTEMBER, "2026-09", False, 30, Fraction(36, 30), Fraction(36))
    former = Counterpart("price_version", (("reference.contract_lines", "L1"),), [year], [], [])
    facts = seat_facts([], [revenue_line(*SEPTEMBER, 12, "432.00")], 12, cycles=[cycle], counterparts=[former])
    assert parts_of(facts) == {
        "price_version": (Decimal("360.0000000000"), Decimal(10)),
        "quantity_mismatch": (Decimal("72.0000000000"), Decimal(2)),
    }


def test_cost_whose_new_version_is_not_drafted_yet_is_period() -> None:
    cycle = OwnCycle(*SEPTEMBER, "2026-10", False, 30, Fraction(36, 30), Fraction(36))
    latter = Counterpart("price_version", (("reference.contract_lines", "L2"),), [], [], [cycle])
    ended = {"cycles": [], "ends_on": date(2026, 8, 31), "counterparts": [latter]}
    facts = seat_facts([provider_line(*SEPTEMBER, 10)], [], -10, **ended)
    assert parts_of(facts) == {"period": (Decimal("-300.0000000000"), Decimal(-10))}


def test_a_discount_that_ended_inside_the_providers_year_is_a_price_version_before_it_is_proration() -> None:
    """The provider's year expects 27.00 a month over 365 days; September is charged at 30.00 over 30 days.

    Of 300.00 - 266.3013698630: at the provider's days 3.00 x 12 / 365 x 30 x 10 = 29.5890410959 are the price's, the
    other 4.1095890411 the days'.
    """
    year = provider_line(date(2026, 1, 1), date(2026, 12, 31), 10, 365)._replace(
        expected_units=10 * 324 * UNITS_PER_ONE,
        daily_price=Fraction(324, 365),
        monthly_price=Fraction(27),
    )
    cycle = OwnCycle(*SEPTEMBER, "2026-09", False, 30, Fraction(1), Fraction(30))
    parts = parts_of(seat_facts([year], [revenue_line(*SEPTEMBER, 10, "300.00")], 0, cycles=[cycle]))
    assert set(parts) == {"price_version", "proration"}
    assert abs(parts["price_version"][0] - Decimal("29.5890410959")) < Decimal("1E-8")
    assert abs(parts["proration"][0] - Decimal("4.1095890411")) < Decimal("1E-8")


def test_revenue_on_the_former_subscription_meets_cost_on_the_one_that_replaced_it() -> None:
    """Before a change of ours that is pending: 10 seats are on the successor, 3 are timing."""
    successor = provider_line(*SEPTEMBER, 10)
    link = Counterpart("replaced_subscription", (("billing.subscription_links", "s1>s2"),), [successor], [], [])
    facts = seat_facts(
        [],
        [
            revenue_line(*SEPTEMBER, 10, "300.00"),
            revenue_line(date(2026, 9, 21), date(2026, 9, 30), 3, "30.00", "change"),
        ],
        13,
        changes=[SeatChange("change-1", date(2026, 9, 21), Decimal(3), False)],
        counterparts=[link],
    )
    assert parts_of(facts) == {
        "replaced_subscription": (Decimal("300.0000000000"), Decimal(10)),
        "timing": (Decimal("30.0000000000"), Decimal(3)),
    }
    assert ("billing.subscription_links", "s1>s2") in explain_seats(facts)[0].evidence


def test_where_quantities_are_not_compared_seats_that_wait_leave_no_mismatch_of_nothing() -> None:
    """The cycle of our ten counts as issued; both sides charge the change of two: 300.00 wait, and nothing else."""
    later = (date(2026, 9, 11), SEPTEMBER[1])
    change = provider_line(*later, 2)._replace(cycle_start=SEPTEMBER[0])
    facts = seat_facts(
        [provider_line(*SEPTEMBER, 10), change],
        [revenue_line(*later, 2, "40.00", "change")],
        -10,
        cycles=[OwnCycle(*SEPTEMBER, "2026-08", True, 30, Fraction(1))],
    )
    assert parts_of(facts) == {"period": (Decimal(-300), Decimal(-10))}
    assert parts_of(replace(facts, quantity_difference=None)) == {"period": (Decimal(-300), None)}
