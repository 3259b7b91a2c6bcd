"""Issued documents: kept and read back exactly, numbered without gaps, hashed whole, asked what was charged."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csp_pipeline.domain.charges import Charge
from csp_pipeline.domain.documents import Payer
from csp_pipeline.domain.double_billing import charged_twice
from csp_pipeline.domain.issued import IssuedDocument, Numbering, content_hash, numbering_faults
from csp_pipeline.domain.issuing import UnprovenCost, held_lines, why_not
from csp_pipeline.domain.ledger_records import as_record, from_record
from csp_pipeline_tests.domain.issued_case import charge, draft, issued, line

D = Decimal
amounts = st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**9), max_value=10**9)
charges = st.builds(
    Charge,
    st.text(min_size=1),
    st.sampled_from(["recurring", "change", "usage"]),
    st.dates(),
    st.dates(),
    st.none() | st.decimals(allow_nan=False, allow_infinity=False, places=18, min_value=-(10**9), max_value=10**9),
    st.none() | amounts,
    amounts,
    st.just("2026-01"),
    st.booleans(),
    st.booleans(),
)


@given(charges)
def test_a_charge_in_the_ledger_is_the_charge_it_was(one: Charge) -> None:
    kept = json.loads(json.dumps(as_record(one)))
    assert from_record(Charge, kept) == one
    assert all(getattr(from_record(Charge, kept), field.name) == getattr(one, field.name) for field in fields(Charge))


def test_a_record_of_an_older_version_takes_the_defaults_and_one_of_a_newer_is_read_all_the_same() -> None:
    kept = as_record(charge("12.00"))
    del kept["is_correction"]
    assert from_record(Charge, {**kept, "added_later": "x"}) == charge("12.00")


def test_what_cannot_be_kept_exactly_is_refused() -> None:
    assert as_record(Fraction(1, 3)) == "1/3"
    with pytest.raises(TypeError, match="not float"):
        as_record(0.1)


def test_a_document_in_the_ledger_is_the_document_it_was() -> None:
    (document,) = issued(draft(line(charge("100.00")), line(charge("7.00"), tax_category="reduced"))).documents
    assert from_record(IssuedDocument, json.loads(json.dumps(as_record(document)))) == document
    assert document.content_sha256 == content_hash(as_record(document))


def _texts(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:  # noqa: ANN401
    if isinstance(value, dict):
        return [found for key, child in value.items() for found in _texts(child, (*path, key))]
    if isinstance(value, list):
        return [found for number, child in enumerate(value) for found in _texts(child, (*path, number))]
    return [path]


def test_the_content_hash_covers_everything_a_document_says() -> None:
    (document,) = issued(draft(line(charge("100.00")))).documents
    record = as_record(document)
    for path in _texts(record):
        if path == ("content_sha256",):
            continue
        other = json.loads(json.dumps(record))
        inner = other
        for step in path[:-1]:
            inner = inner[step]
        inner[path[-1]] = "something else"
        assert content_hash(other) != document.content_sha256, path


@given(st.lists(st.tuples(st.sampled_from(["invoice", "credit_note"]), st.integers(2026, 2028)), max_size=40))
def test_numbers_run_from_1_without_gap_in_each_series_and_year(drawn: list[tuple[Any, int]]) -> None:
    numbers: list[str] = []
    for document_type, year in drawn:
        numbers.append(Numbering.after(numbers).next(document_type, year))
    assert len(set(numbers)) == len(numbers)
    assert numbering_faults(numbers) == []
    if numbers:
        assert numbers[0].endswith("-000001")
        assert numbering_faults([*numbers, numbers[-1]])


def test_a_missing_number_is_named() -> None:
    (fault,) = numbering_faults(["INV-2026-000001", "INV-2026-000003", "CN-2026-000001"])
    assert "INV-2026: number 3 was not expected here" in fault


def test_what_came_late_goes_to_the_next_month_that_is_not_issued() -> None:
    ledger = issued(draft(line(charge("1.00"))), draft(line(charge("1.00", "2026-02-01", "2026-03-01"), "2026-02")))
    assert ledger.open_month("A1", "EUR", "2026-01") == "2026-03"
    assert ledger.open_month("A1", "USD", "2026-01") == "2026-01"
    assert ledger.open_month("A2", "EUR", "2026-02") == "2026-02"


def test_a_charge_that_is_issued_cannot_be_issued_again() -> None:
    first = draft(line(charge("12.00")))
    again = draft(line(charge("12.00"), "2026-02"))
    ledger = issued(first)
    assert charged_twice(first.lines, issued()) is None
    assert charged_twice(again.lines, ledger) == charge("12.00")
    sentence = why_not(again, ledger)
    assert sentence is not None
    assert "Account A1 is not issued: contract line L1 would be charged twice (recurring)" in sentence
    assert "INV-2026-000001" in sentence
    assert charged_twice([*first.lines, *first.lines], issued()) == charge("12.00")


def test_a_charge_that_is_taken_back_on_the_same_document_can_be_charged_anew() -> None:
    back = replace(charge("12.00"), quantity=D(-1), net_amount=D("-12.00"), is_correction=True)
    repaired = draft(line(back, "2026-02"), line(charge("13.00"), "2026-02"))
    assert charged_twice(repaired.lines, issued(draft(line(charge("12.00"))))) is None
    half = replace(back, net_amount=D("-6.00"))
    assert (
        charged_twice(draft(line(half), line(charge("13.00"))).lines, issued(draft(line(charge("12.00"))))) is not None
    )


def test_a_charge_taken_back_in_two_parts_can_be_charged_anew() -> None:
    parts = [
        replace(charge("-6.00", "2026-01-01", "2026-01-16"), quantity=D(-1), is_correction=True),
        replace(charge("-6.00", "2026-01-16", "2026-02-01"), quantity=D(-1), is_correction=True),
    ]
    anew = draft(*(line(part, "2026-02") for part in parts), line(charge("13.00"), "2026-02"))
    assert charged_twice(anew.lines, issued(draft(line(charge("12.00"))))) is None


def test_an_issued_account_month_and_currency_is_no_draft_any_more() -> None:
    one = draft(line(charge("12.00")))
    with pytest.raises(ValueError, match="INV-2026-000001 is issued"):
        why_not(one, issued(one))


def test_estimates_and_unknown_tax_rates_stop_a_document() -> None:
    assert "estimates" in (why_not(draft(line(charge("1.00", is_estimate=True))), issued()) or "")
    unknown = why_not(draft(line(charge("1.00"), tax_category="no such")), issued())
    assert "tax rate DE has no percentage for no such" in (unknown or "")
    assert why_not(draft(line(charge("1.00"), tax_rate_id=None)), issued()) is None


def test_only_consumption_priced_on_an_unproven_invoice_waits() -> None:
    unproven = {("L1", "2026-01"): UnprovenCost("L1", "2026-01", "G1", "unproven")}
    usage = charge("5.00", kind="usage")
    other = charge("6.00", "2025-12-01", "2026-01-01", kind="usage")
    (held,) = held_lines(draft(line(charge("12.00")), line(usage), line(other)), unproven)
    assert held.line.charge == usage
    assert "provider invoice G1 is unproven" in held.reason


def test_an_issued_charge_is_known_by_its_document_and_place_so_that_a_correction_can_name_it() -> None:
    (document,) = issued(draft(line(charge("1.00")), line(charge("2.00", "2026-02-01", "2026-03-01")))).documents
    assert [one.charge.charge_id for one in document.lines] == ["INV-2026-000001:1", "INV-2026-000001:2"]


def test_the_due_date_is_the_day_of_issue_and_the_payment_terms() -> None:
    (document,) = issued(draft(line(charge("1.00")), payer=Payer(payment_terms_days=30))).documents
    assert (document.issued_on, document.due_on) == (date(2026, 2, 8), date(2026, 3, 10))
