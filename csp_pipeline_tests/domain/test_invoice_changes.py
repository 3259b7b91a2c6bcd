"""The difference between two documents: by contract line and cause, adding up to the difference of their sums."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csp_pipeline.domain.invoice_changes import ComparedLine, changes

D = Decimal


def compared(net: str, month: int = 1, **others: Any) -> ComparedLine:  # noqa: ANN401
    given = {
        "account_id": "A1",
        "currency": "EUR",
        "contract_line_id": "L1",
        "kind": "recurring",
        "name": "Seats",
        "description": "Seats, a month",
        "start": date(2026, month, 1),
        "end": date(2026, month + 1, 1),
        "quantity": D(10),
        "unit_price": D("12.00"),
        "net_amount": D(net),
    }
    return ComparedLine(**{**given, **others})


JANUARY = compared("120.00")
THREE_SEATS = {"kind": "change", "description": "Seats, 3 seats added from 11 to 28 February 2026"}


@pytest.mark.parametrize(
    ("before", "after", "cause", "explanation"),
    [
        ([], [JANUARY], "new", "first charge, 1 to 31 January 2026"),
        ([JANUARY], [], "ended", "not charged any more, before 1 to 31 January 2026"),
        ([JANUARY], [compared("144.00", 2, quantity=D(12))], "quantity", "quantity 10 to 12"),
        ([JANUARY], [compared("130.00", 2, unit_price=D(13))], "price", "price 12 to 13"),
        ([JANUARY], [compared("156.00", 2, quantity=D(12), unit_price=D(13))], "quantity", "quantity 10 to 12, price"),
        (
            [JANUARY],
            [compared("60.00", 2, start=date(2026, 2, 15))],
            "period",
            "period 1 to 31 January 2026 to 15 to 28 February 2026",
        ),
        ([], [compared("23.14", 2, **THREE_SEATS)], "seats_changed", "3 seats added from 11 to 28 February 2026"),
        ([compared("5.00", kind="usage")], [compared("6.00", 2, kind="usage")], "consumption", "consumption"),
        ([], [compared("-9.00", kind="correction")], "correction", "Seats, a month"),
        ([compared("-9.00", kind="discount")], [], "discount", "no discounts this time"),
        ([JANUARY], [compared("120.01", 2)], "other", "another amount for the same quantity"),
    ],
)
def test_each_cause_is_named_with_its_figures(
    before: list[ComparedLine], after: list[ComparedLine], cause: str, explanation: str
) -> None:
    (change,) = changes(before, after)
    assert change.cause == cause
    assert explanation in change.explanation


def test_the_same_again_in_a_month_of_other_length_is_no_change() -> None:
    assert changes([JANUARY], [compared("120.00", 2)]) == []


lines = st.lists(
    st.builds(
        lambda net, contract, kind, month: compared(str(net), month, contract_line_id=contract, kind=kind),
        st.decimals(-1000, 1000, places=2),
        st.sampled_from(["L1", "L2", "L3"]),
        st.sampled_from(["recurring", "change", "usage", "correction"]),
        st.integers(1, 11),
    ),
    max_size=12,
)


@given(lines, lines)
def test_changes_add_up_to_the_difference(before: list[ComparedLine], after: list[ComparedLine]) -> None:
    total = sum((one.net_amount for one in after), D(0)) - sum((one.net_amount for one in before), D(0))
    assert sum((change.difference_amount for change in changes(before, after)), D(0)) == total
    assert changes(after, after) == []
