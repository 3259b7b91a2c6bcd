"""What is left to bill after what was issued: partial repair, refusals, and sums that come out to the last digit."""

import itertools
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csp_pipeline.domain.calendar import CycleCalendar
from csp_pipeline.domain.charges import Charge, ContractLine, DoubleBillingError, Window, deltas, expected_charges
from csp_pipeline.domain.commitments import Commitments
from csp_pipeline.domain.descriptions import describe
from csp_pipeline.domain.quantities import DayQuantity, QuantityHistory
from csp_pipeline.domain.tiers import PriceTiers, Tier

D = Decimal
SEPTEMBER = (date(2026, 9, 1), date(2026, 10, 1))


def charge(start: date, end: date, quantity: int, price: str, amount: str, **others: Any) -> Charge:  # noqa: ANN401
    kind = others.pop("kind", "recurring")
    return Charge("L1", kind, start, end, D(quantity), D(price), D(amount), "2026-09", **others)


ISSUED = charge(*SEPTEMBER, 10, "10", "100.00")


def shown(lines: tuple[Charge, ...]) -> list[tuple[str, int, int, str, str]]:
    return [
        (line.charge_kind, line.start.day, line.end.day, str(line.quantity), str(line.net_amount)) for line in lines
    ]


def said(lines: tuple[Charge, ...]) -> list[str]:
    return [describe(line, "E3", "seat") for line in lines]


def test_days_that_are_no_longer_charged_are_refunded_in_proportion() -> None:
    """Ten seats at 10.00 end on 15 September: 15 of 30 days go back."""
    ended = charge(date(2026, 9, 1), date(2026, 9, 16), 10, "10", "50.00")
    lines = deltas([ended], [ISSUED])
    assert shown(lines) == [("refund", 16, 1, "-10", "-50.00")]
    assert said(lines) == ["E3, 10 seats no longer charged for 16 to 30 September 2026"]


def test_days_that_are_charged_too_are_charged_alone() -> None:
    half = charge(date(2026, 9, 1), date(2026, 9, 16), 10, "10", "50.00")
    assert shown(deltas([ISSUED], [half])) == [("recurring", 16, 1, "10", "50.00")]


def test_a_corrected_price_is_said_in_a_sentence() -> None:
    lines = deltas([charge(*SEPTEMBER, 10, "9.5", "95.00")], [ISSUED])
    assert shown(lines) == [("correction", 1, 1, "-10", "-100.00"), ("recurring", 1, 1, "10", "95.00")]
    assert said(lines) == [
        "E3, price corrected from 10.00 to 9.50 for 1 to 30 September 2026: what was issued is taken back",
        "E3, price corrected from 10.00 to 9.50 for 1 to 30 September 2026",
    ]


def test_a_price_that_changes_inside_the_period_leaves_the_days_before_it() -> None:
    lines = deltas(
        [
            charge(date(2026, 9, 1), date(2026, 9, 11), 10, "10", "33.33"),
            charge(date(2026, 9, 11), date(2026, 10, 1), 10, "12", "80.00"),
        ],
        [ISSUED],
    )
    assert shown(lines) == [("correction", 11, 1, "-10", "-66.67"), ("recurring", 11, 1, "10", "80.00")]
    assert sum(line.net_amount for line in lines) == D("13.33")


def test_a_corrected_quantity_and_a_late_change_are_said_in_sentences() -> None:
    added = charge(date(2026, 9, 11), date(2026, 10, 1), 3, "10", "20.00", kind="change")
    assert said(deltas([ISSUED, added], [ISSUED])) == ["E3, 3 seats added from 11 to 30 September 2026"]
    lines = deltas([charge(*SEPTEMBER, 12, "10", "120.00")], [ISSUED])
    assert said(lines)[1] == "E3, quantity corrected from 10 to 12 for 1 to 30 September 2026"
    gone = deltas([ISSUED], [ISSUED, added])
    assert shown(gone) == [("refund", 11, 1, "-3", "-20.00")]
    assert said(gone) == ["E3, 3 seats added from 11 to 30 September 2026: no longer so, what was issued is taken back"]


def test_a_change_moved_to_another_day_keeps_the_days_that_both_have() -> None:
    issued = charge(date(2026, 9, 11), date(2026, 10, 1), 3, "10", "20.00", kind="change")
    moved = charge(date(2026, 9, 13), date(2026, 10, 1), 3, "10", "18.00", kind="change")
    assert shown(deltas([moved], [issued])) == [("refund", 11, 13, "-3", "-2.00")]


def test_what_was_repaired_before_is_not_repaired_again() -> None:
    ended = charge(date(2026, 9, 1), date(2026, 9, 16), 10, "10", "50.00")
    refund = deltas([ended], [ISSUED])
    assert deltas([ended], [ISSUED, *refund]) == ()
    assert shown(deltas([ISSUED], [ISSUED, *refund])) == [("recurring", 16, 1, "10", "50.00")]
    unnamed = [replace(line, kind="refund", correction=None) for line in refund]
    assert deltas([ended], [ISSUED, *unnamed]) == ()


def test_a_changed_minimum_is_billed_by_its_difference() -> None:
    minimum = Charge("L1", "minimum", *SEPTEMBER, None, None, D("20.00"), "2026-09")
    (line,) = deltas([replace(minimum, net_amount=D("15.00"))], [minimum])
    assert (line.charge_kind, line.net_amount) == ("correction", D("-5.00"))
    assert said((line,)) == ["E3, difference to the agreed minimum corrected for 1 to 30 September 2026"]


def test_a_reversal_never_gives_back_what_was_credited_by_hand() -> None:
    """Kill Bill, testRepairWithLargeItemAdjustment: of 12.00 with 10.00 credited, at most 2.00 goes back."""
    issued = charge(date(2014, 1, 1), date(2014, 2, 1), 1, "12", "12.00", charge_id="one")
    credit = replace(issued, quantity=None, net_amount=D("-10.00"), is_correction=True, charge_id="", reverses="one")
    shorter = charge(date(2014, 1, 1), date(2014, 1, 23), 1, "12", "8.52")
    assert [line.net_amount for line in deltas([shorter], [issued, credit])] == [D("-2.00")]


@pytest.mark.parametrize("is_credited_first", [True, False])
def test_reversals_and_a_credit_by_hand_together_never_give_more_than_was_charged(*, is_credited_first: bool) -> None:
    """Of 12.00, 10.00 is credited by hand and days 23 to 31 are taken back; then nothing is charged any more."""
    issued = charge(date(2014, 1, 1), date(2014, 2, 1), 1, "12", "12.00", charge_id="one")
    credit = replace(issued, quantity=None, net_amount=D("-10.00"), is_correction=True, charge_id="", reverses="one")
    shorter = charge(date(2014, 1, 1), date(2014, 1, 23), 1, "12", "8.52")
    before = [issued, credit] if is_credited_first else [issued]
    repaired = [*before, *deltas([shorter], before)]
    history = repaired if is_credited_first else [*repaired, credit]
    given = -sum(line.net_amount for line in history if line.is_correction)
    ended = deltas([], history)
    assert [line.net_amount for line in ended] == [D("0.00")]
    assert given == (D("12.00") if is_credited_first else D("13.48"))
    assert deltas([], [*history, *ended]) == ()


def test_shares_of_round_amounts_are_rounded_to_the_minor_unit() -> None:
    """Of 100.00 for 30 days, ten days went back with 30.00; the share of the others takes one unit of what is left."""
    issued = replace(ISSUED, charge_id="one")
    back = replace(
        issued, end=date(2026, 9, 11), quantity=D(-10), net_amount=D("-30.00"), is_correction=True, charge_id="",
        reverses="one",
    )  # fmt: skip
    for decimals, shares in ((2, ["-66.68", "-3.32"]), (None, ["-68", "-2.00"])):
        assert [str(line.net_amount) for line in deltas([], [issued, back], decimals)] == shares


def test_the_same_service_billed_twice_is_refused_with_its_name() -> None:
    for twice in ([ISSUED, ISSUED], [ISSUED, charge(date(2026, 9, 20), date(2026, 10, 20), 5, "1", "5.00")]):
        with pytest.raises(DoubleBillingError, match=r"Contract line L1 was billed twice \(recurring\)"):
            deltas([], twice)
    with pytest.raises(DoubleBillingError, match="would be charged twice"):
        deltas([ISSUED, charge(date(2026, 9, 20), date(2026, 10, 20), 5, "1", "5.00")], [ISSUED])
    usage = Charge("L1", "usage", *SEPTEMBER, None, None, D("20.00"), "2026-09")
    with pytest.raises(DoubleBillingError, match="was billed twice"):
        deltas([usage], [usage, usage])
    named = replace(ISSUED, charge_id="one")
    back = replace(ISSUED, quantity=D(-10), net_amount=D("-100.00"), is_correction=True, reverses="one")
    with pytest.raises(DoubleBillingError, match="taken back twice"):
        deltas([], [named, back, back])


def test_a_fee_without_any_unit_is_taken_back_like_every_charge() -> None:
    """A charge of quantity 0 (a tier's flat amount) has a reversal of quantity 0, which is no credit by hand."""
    fee = charge(*SEPTEMBER, 0, "0", "5.00", charge_id="fee")
    back = deltas([], [fee])
    assert shown(back) == [("refund", 1, 1, "0", "-5.00")]
    assert shown(deltas([charge(*SEPTEMBER, 3, "2", "6.00")], [fee, *back])) == [("recurring", 1, 1, "3", "6.00")]


TIERS = PriceTiers("graduated", (Tier(D(0), D("7.13"), D("3.10")), Tier(D(4), D("5.01")), Tier(D(9), D("4.99"), D(1))))
facts = st.fixed_dictionaries(
    {
        "price": st.sampled_from([D("10"), D("9.99"), D("0.07"), D("0")]),
        "discount": st.sampled_from([D(0), D(10), D("33.33")]),
        "days": st.integers(0, 240),
        "anchor": st.integers(1, 31),
        "is_tiered": st.booleans(),
        "has_commitments": st.booleans(),
        "is_prorated": st.booleans(),
        "steps": st.lists(
            st.tuples(st.dates(date(2026, 1, 1), date(2026, 8, 31)), st.integers(0, 12)),
            max_size=4,
            unique_by=lambda step: step[0],
        ),
    }
)


def derive(fact: dict[str, Any], last: str) -> tuple[Charge, ...]:
    start = date(2026, 1, 9)
    end = date.fromordinal(start.toordinal() + fact["days"])
    line = ContractLine(
        "L1",
        "graduated" if fact["is_tiered"] else "per_unit",
        CycleCalendar(start, end, fact["anchor"], 1),
        2,
        "advance",
        is_prorated=fact["is_prorated"],
        unit_price=fact["price"],
        discount_percent=fact["discount"],
        tiers=TIERS if fact["is_tiered"] else None,
        commitments=Commitments(D("3.33"), D(80), D(21)) if fact["has_commitments"] else None,
    )
    quantity, changes = 5, []
    for day, after in sorted(fact["steps"]):
        changes.append(DayQuantity(day, D(quantity), D(after)))
        quantity = after
    return expected_charges(line, QuantityHistory(D(5), tuple(changes)), Window("2026-01", last, date(2026, 1, 1)))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(facts, st.sampled_from(["2026-03", "2026-05", "2026-08"])), min_size=1, max_size=4))
def test_after_any_history_all_documents_sum_to_what_the_facts_say(history: list[tuple[dict[str, Any], str]]) -> None:
    """Whatever the facts were when each document was issued, the last one leaves the sum of the last facts."""
    issued: list[Charge] = []
    numbers = itertools.count()
    for fact, month in history:
        expected = derive(fact, month)
        lines = deltas(expected, issued)
        issued += [replace(line, charge_id=f"line-{next(numbers)}") for line in lines]
        assert sum(line.net_amount for line in issued) == sum(line.net_amount for line in expected)
        assert deltas(expected, issued) == ()
        anonymous = [replace(line, charge_id="", reverses="") for line in issued]
        assert deltas(expected, anonymous) == ()


@settings(max_examples=100, deadline=None)
@given(st.lists(facts, min_size=2, max_size=3))
def test_seats_billed_for_each_day_are_those_of_the_facts(history: list[dict[str, Any]]) -> None:
    issued: list[Charge] = []
    for fact in history:
        expected = derive(fact, "2026-08")
        issued += deltas(expected, issued)
    for day in (date(2026, 2, 3), date(2026, 4, 30), date(2026, 6, 9)):
        billed = sum(line.quantity or 0 for line in issued if line.start <= day < line.end)
        assert billed == sum(line.quantity or 0 for line in expected if line.start <= day < line.end)


@given(facts, st.permutations(range(12)))
def test_the_order_of_issued_lines_does_not_matter(fact: dict[str, Any], order: list[int]) -> None:
    issued = derive(fact | {"days": 200}, "2026-08")
    shuffled = [issued[number] for number in order if number < len(issued)] + list(issued[12:])
    again = deltas(derive(fact, "2026-08"), shuffled)
    assert sorted(map(repr, again)) == sorted(map(repr, deltas(derive(fact, "2026-08"), issued)))


USAGE = Charge("L1", "usage", *SEPTEMBER, None, None, D(100), "2026-09")


@pytest.mark.parametrize(
    ("wanted", "line", "left"),
    [
        ("100", [], "80"),
        ("120", ["20"], "100"),
        ("90", ["-10"], "70"),
        ("10", ["-80"], "0"),
        (None, ["-80"], "0"),
    ],
)
def test_a_credit_by_hand_on_an_amount_stays_and_is_never_given_twice(
    wanted: str | None, line: list[str], left: str
) -> None:
    """20 of 100 were credited for a part of the days; the cost comes to another amount later, or is gone."""
    credit = replace(USAGE, end=date(2026, 9, 11), net_amount=D(-20), is_correction=True, reverses="I:1")
    issued = [replace(USAGE, charge_id="I:1"), credit]
    expected = [] if wanted is None else [replace(USAGE, net_amount=D(wanted))]
    found = deltas(expected, issued, 2)
    assert [str(one.net_amount) for one in found] == line
    assert all((one.start, one.end) == SEPTEMBER for one in found)
    assert sum(one.net_amount for one in (*issued, *found)) == D(left)
    assert deltas(expected, [*issued, *found], 2) == ()


def test_a_credit_by_hand_on_a_discount_stays() -> None:
    off = replace(USAGE, kind="discount", net_amount=D(-10))
    issued = [replace(off, charge_id="I:1"), replace(off, net_amount=D(-5), is_correction=True, reverses="I:1")]
    assert deltas([off], issued, 2) == ()
    (back,) = deltas([], issued, 2)
    assert back.net_amount == D(10)
    assert deltas([], [*issued, back], 2) == ()
