"""Payments: what is paid and open, and the sentences for what fits no document."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csp_pipeline.domain.payments import Payment, settle
from csp_pipeline_tests.domain.issued_case import charge, draft, issued, line

if TYPE_CHECKING:
    from csp_pipeline.domain.issued import Issued

D = Decimal
INVOICE = "INV-2026-000001"


def ledger(credit: str | None = None) -> Issued:
    """An invoice of 119.00 EUR, and a credit note for it with this net."""
    documents = [draft(line(charge("100.00")))]
    if credit is not None:
        back = replace(charge(f"-{credit}"), is_correction=True)
        documents.append(draft(line(back, "2026-02", corrects_invoice_number=INVOICE)))
    return issued(*documents)


def paid(amount: str, number: str = INVOICE, account: str = "A1", currency: str = "EUR", name: str = "P1") -> Payment:
    return Payment(name, account, number, D(amount), currency)


@pytest.mark.parametrize(
    ("payments", "credit", "expected"),
    [
        ([], None, ("0", "119.00", "issued")),
        ([paid("19.00")], None, ("19.00", "100.00", "part_paid")),
        ([paid("19.00"), paid("100.00", name="P2")], None, ("119.00", "0.00", "paid")),
        ([paid("119.00", "inv-2026-000001 ")], None, ("119.00", "0.00", "paid")),
        ([], "100.00", ("0", "119.00", "credited")),
        ([], "40.00", ("0", "119.00", "issued")),
        ([paid("71.40")], "40.00", ("71.40", "47.60", "credited")),
        ([paid("119.00")], "40.00", ("119.00", "0.00", "paid")),
        ([paid("119.00"), paid("-119.00", name="P2")], None, ("0.00", "119.00", "issued")),
    ],
)
def test_the_state_follows_from_payments_and_credit_notes(
    payments: list[Payment], credit: str | None, expected: tuple[str, str, str]
) -> None:
    settlements, told = settle(ledger(credit), payments)
    found = settlements[INVOICE]
    assert (str(found.paid_amount), str(found.balance_amount), found.state) == expected
    assert told == []


def test_money_paid_back_settles_a_credit_note() -> None:
    settlements, told = settle(ledger("100.00"), [paid("-119.00", "CN-2026-000001")])
    assert (settlements["CN-2026-000001"].balance_amount, settlements["CN-2026-000001"].state) == (D(0), "paid")
    assert told == []


def test_a_credit_note_that_was_paid_back_does_not_settle_its_invoice_as_well() -> None:
    settlements, _ = settle(ledger("100.00"), [paid("-119.00", "CN-2026-000001")])
    assert settlements[INVOICE].state == "issued"
    both = [paid("71.40"), paid("-40.00", "CN-2026-000001", name="P2")]
    settlements, _ = settle(ledger("40.00"), both)
    assert (settlements[INVOICE].state, settlements["CN-2026-000001"].state) == ("part_paid", "part_paid")


@pytest.mark.parametrize(
    ("payments", "states"),
    [
        ([], ("issued", "issued")),
        ([paid("71.40")], ("credited", "credited")),
        ([paid("100.00")], ("credited", "issued")),
        ([paid("100.00"), paid("-28.60", "CN-2026-000001", name="P2")], ("credited", "credited")),
        ([paid("119.00")], ("paid", "issued")),
        ([paid("119.00"), paid("-47.60", "CN-2026-000001", name="P2")], ("paid", "paid")),
    ],
)
def test_a_credit_note_is_credited_when_nothing_of_it_is_left_to_pay_back(
    payments: list[Payment], states: tuple[str, str]
) -> None:
    settlements, _ = settle(ledger("40.00"), payments)
    assert (settlements[INVOICE].state, settlements["CN-2026-000001"].state) == states


def note_over_two() -> Issued:
    """Two invoices of 119.00 EUR, and a credit note for all of both."""
    names = ("L1", "L2")
    charges = [charge("100.00", contract_line_id=name) for name in names]
    invoices = [draft(line(one, month)) for one, month in zip(charges, ("2026-01", "2026-02"), strict=True)]
    back = [
        line(replace(one, net_amount=D("-100.00"), is_correction=True), "2026-03", corrects_invoice_number=number)
        for one, number in zip(charges, (INVOICE, "INV-2026-000002"), strict=True)
    ]
    return issued(*invoices, draft(*back))


@pytest.mark.parametrize(
    ("payments", "states"),
    [
        ([], ("credited", "credited", "credited")),
        ([paid("119", "INV-2026-000002")], ("credited", "paid", "issued")),
        (
            [paid("119", "INV-2026-000002"), paid("-119", "CN-2026-000001", name="P2")],
            ("credited", "paid", "credited"),
        ),
        ([paid("119"), paid("-119", "CN-2026-000001", name="P2")], ("paid", "credited", "credited")),
        ([paid("119"), paid("-100", "CN-2026-000001", name="P2")], ("paid", "credited", "part_paid")),
        (
            [paid("19"), paid("9", "INV-2026-000002", name="P2"), paid("-28", "CN-2026-000001", name="P3")],
            ("credited", "credited", "credited"),
        ),
        ([paid("-238", "CN-2026-000001")], ("issued", "issued", "paid")),
        ([paid("-100", "CN-2026-000001")], ("issued", "issued", "part_paid")),
    ],
)
def test_what_was_paid_back_is_the_money_of_the_invoices_that_were_paid(
    payments: list[Payment], states: tuple[str, str, str]
) -> None:
    settlements, _ = settle(note_over_two(), payments)
    assert tuple(one.state for one in settlements.values()) == states


@pytest.mark.parametrize(
    ("payment", "sentence"),
    [
        (paid("1.00", "INV-2026-000009"), "Payment P1 is not taken: no document INV-2026-000009 was issued"),
        (paid("1.00", account="A2"), "INV-2026-000001 is of account A1, the payment of A2"),
        (paid("1.00", currency="USD"), "it is in USD, INV-2026-000001 in EUR"),
        (paid("120.00"), "was paid 120 EUR, 1 more than its 119"),
    ],
)
def test_what_does_not_fit_is_told(payment: Payment, sentence: str) -> None:
    settlements, told = settle(ledger(), [payment])
    ((_, found),) = told
    assert sentence in found
    assert settlements[INVOICE].paid_amount == (D("120.00") if "more than" in sentence else D(0))


@given(st.lists(st.decimals(0, 50, places=2), max_size=5), st.randoms())
def test_paid_and_open_are_the_gross_whatever_the_order(found: list[Decimal], random: object) -> None:
    payments = [Payment(f"P{number}", "A1", INVOICE, amount, "EUR") for number, amount in enumerate(found)]
    shuffled = list(payments)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    settlement = settle(ledger(), payments)[0][INVOICE]
    assert settlement == settle(ledger(), shuffled)[0][INVOICE]
    assert settlement.paid_amount + settlement.balance_amount == D("119.00")
