"""The safety bound of issuing: right corrections pass however many there are, what is billed twice does not."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from csp_pipeline.domain.calendar import CycleCalendar
from csp_pipeline.domain.charges import Charge, ContractLine, Window, expected_charges
from csp_pipeline.domain.deltas import deltas
from csp_pipeline.domain.double_billing import charged_twice
from csp_pipeline.domain.issued import Issued
from csp_pipeline.domain.issuing import why_not
from csp_pipeline.domain.quantities import QuantityHistory
from csp_pipeline_tests.domain.issued_case import charge, draft, issued, line
from csp_pipeline_tests.domain.test_deltas import derive, facts

D = Decimal
MONTHS = ["2026-03", "2026-05", "2026-08"]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(facts, st.sampled_from(MONTHS)), min_size=2, max_size=5))
def test_right_corrections_pass_whatever_came_before_and_no_draft_passes_twice(
    history: list[tuple[dict[str, Any], str]],
) -> None:
    """Each draft follows from the facts of its time; drawn from a ledger that lacks it, it is refused."""
    ledger = issued()
    for number, (fact, last) in enumerate(history, 1):
        lines = deltas(derive(fact, last), ledger.charges_of("L1"))
        if not lines:
            continue
        document = draft(*(line(one, f"2026-{number:02d}") for one in lines))
        assert charged_twice(document.lines, ledger) is None
        ledger = issued_after(ledger, document)
        again = [line(one, f"2026-{number + 1:02d}") for one in lines]
        charged = [one for one in again if not one.charge.is_correction and one.net_amount > 0]
        for twice in (again, charged):
            if charged:
                assert charged_twice(twice, ledger) is not None


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(facts, st.sampled_from(MONTHS), st.integers(0, 9)), min_size=2, max_size=4))
def test_right_corrections_pass_after_a_credit_by_hand(history: list[tuple[dict[str, Any], str, int]]) -> None:
    """After each draft some tenths of one of its charges are credited by hand, on a note of their own."""
    ledger = issued()
    for number, (fact, last, tenths) in enumerate(history, 1):
        lines = deltas(derive(fact, last), ledger.charges_of("L1"))
        if not lines:
            continue
        document = draft(*(line(one, f"2026-{number:02d}") for one in lines))
        assert charged_twice(document.lines, ledger) is None
        ledger = issued_after(ledger, document)
        charged = [one.charge for one in ledger.documents[-1].lines if not one.charge.is_correction]
        credited = next((one for one in charged if one.quantity is not None and one.net_amount > 0), None)
        if tenths and credited is not None:
            given = round(credited.net_amount * tenths / 10, 2)
            note = credit_by_hand(credited, given)
            ledger = issued_after(ledger, draft(line(note, f"2026-{number + 4:02d}")))


def credit_by_hand(charge: Charge, amount: Decimal) -> Charge:
    """Some of a charge given back without taking back its service."""
    back = replace(charge, quantity=None, unit_price=None, net_amount=-amount, is_correction=True, correction=None)
    return replace(back, charge_id="", reverses=charge.charge_id)


def test_what_a_reversal_withholds_after_a_credit_by_hand_does_not_stand() -> None:
    """20 of 31 are credited by hand; then 16 days go (11 are given back), then the price changes (0 are given back)."""

    def expected(price: int, end: date) -> tuple[Charge, ...]:
        calendar = CycleCalendar(date(2026, 1, 1), end, 1, 1)
        terms = ContractLine("L1", "per_unit", calendar, 2, "arrears", unit_price=D(price))
        return expected_charges(terms, QuantityHistory(D(1)), Window("2026-01", "2026-01", date(2026, 1, 1)))

    ledger = issued_after(issued(), draft(*map(line, expected(31, date(2026, 2, 1)))))
    note = credit_by_hand(ledger.documents[0].lines[0].charge, D(20))
    ledger = issued_after(ledger, draft(line(note, "2026-02")))
    found = []
    for month, price in (("2026-03", 31), ("2026-04", 40)):
        lines = deltas(expected(price, date(2026, 1, 16)), ledger.charges_of("L1"), 2)
        document = draft(*(line(one, month) for one in lines))
        assert charged_twice(document.lines, ledger) is None
        ledger = issued_after(ledger, document)
        found.append([str(one.net_amount) for one in lines])
    assert found == [["-11.00"], ["0.00", "19.35"]]


def issued_after(ledger: Issued, document: Any) -> Issued:  # noqa: ANN401
    """A ledger with one more document."""
    (made,) = issued(document).documents
    number = f"INV-2026-{len(ledger.documents) + 1:06d}"
    lines = tuple(
        replace(one, charge=replace(one.charge, charge_id=f"{number}:{place}"))
        for place, one in enumerate(made.lines, 1)
    )
    return Issued((*ledger.documents, replace(made, invoice_number=number, lines=lines)), ledger.billing_starts_on)


def test_another_account_or_currency_has_charges_of_its_own() -> None:
    ledger = issued(draft(line(charge("12.00"))))
    assert charged_twice([line(charge("12.00"), currency="USD")], ledger) is None
    assert charged_twice([line(charge("12.00"), account_id="A2")], ledger) is None
    assert charged_twice([line(charge("12.00"))], ledger) == charge("12.00")


def test_what_is_taken_back_twice_is_said_so() -> None:
    ledger = issued(draft(line(charge("12.00"))))
    back = replace(
        charge("-12.00"), quantity=D(-1), unit_price=D("12.00"), is_correction=True, reverses="INV-2026-000001:1"
    )
    sentence = why_not(draft(line(back, "2026-02"), line(back, "2026-02")), ledger)
    assert sentence is not None
    assert "contract line L1 would be taken back twice (recurring) for 2026-01-01 to 2026-01-31" in sentence
    assert why_not(draft(line(back, "2026-02")), ledger) is None


def test_a_cost_charged_again_instead_of_corrected_is_refused() -> None:
    usage = charge("12.00", kind="usage", quantity=None, unit_price=None)
    ledger = issued(draft(line(usage)))
    assert charged_twice([line(replace(usage, net_amount=D("1.00")))], ledger) is not None
    assert charged_twice([line(replace(usage, net_amount=D("1.00"), is_correction=True))], ledger) is None
    half = replace(usage, end=date(2026, 1, 16), net_amount=D("6.00"))
    assert charged_twice([line(half)], ledger) is not None
    gone = replace(usage, net_amount=D("-12.00"), is_correction=True)
    assert charged_twice([line(half), line(gone)], ledger) is None


def test_days_that_lie_in_another_period_that_is_charged_are_refused() -> None:
    ledger = issued(draft(line(charge("12.00"))))
    week = charge("3.00", "2026-01-29", "2026-02-05")
    assert charged_twice([line(week)], ledger) == week
