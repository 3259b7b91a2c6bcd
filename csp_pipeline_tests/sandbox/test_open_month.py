"""The month after the last invoice: what it holds so far, and that it changes nothing before it."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from csp_pipeline.sandbox.documents import write_document
from csp_pipeline.sandbox.generate import generate
from csp_pipeline.sandbox.partner import Arguments, build_partner, read_arguments
from csp_pipeline.sandbox.wire import FORMS
from csp_pipeline_tests.sandbox.received import amount, rows_of

if TYPE_CHECKING:
    from pathlib import Path

USAGE, LINES = "unbilleddailyratedusage", "unbilledreconciliation"


def sums(rows: list[dict[str, str]], currency: str, column: str) -> dict[str, Decimal]:
    found: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        found[row[currency]] += amount(row[column])
    return dict(found)


def test_unbilled_rows_have_no_invoice_number_and_add_up_to_what_is_expected(
    partner: Path, expected: dict[str, Any]
) -> None:
    lines, usage = rows_of(partner / "inbox", LINES), rows_of(partner / "inbox", USAGE)
    assert {row["invoicenumber"] for row in lines + usage} == {""}
    assert (len(lines), len(usage)) == (expected["rows"]["open_reconciliation"], expected["rows"]["open_daily_usage"])
    told = {one["currency"]: one for one in expected["open_month"]}
    assert {one["billing_month"] for one in told.values()} == {"2026-10"}
    for rows, currency, column, name in (
        (lines, "currency", "subtotal", "subtotal_amount"),
        (lines, "currency", "total", "total_amount"),
        (usage, "billingcurrency", "billingpretaxtotal", "net_amount"),
    ):
        assert sums(rows, currency, column) == {code: Decimal(one[name]) for code, one in told.items()}


def test_usage_is_that_of_the_first_days_without_a_reseller(partner: Path) -> None:
    usage = rows_of(partner / "inbox", USAGE)
    days = {row["usagedate"].replace("T00:00:00Z", "") for row in usage}
    assert {f"10/{day}/2026" for day in range(1, 6)} | {f"2026-10-0{day}" for day in range(1, 6)} >= days
    assert {row["tier2mpnid"] for row in usage} == {row["chargetype"] for row in usage} == {""}


def test_cycles_of_the_first_days_are_charged_and_a_late_change_shows_up(
    partner: Path, expected: dict[str, Any]
) -> None:
    lines = rows_of(partner / "inbox", LINES)
    timing = next(entry for entry in expected["planted"] if entry["cause"] == "timing")
    late = [line for line in lines if line["subscriptionid"] == timing["subscription_id"]]
    assert [line["chargetype"].lower() for line in late].count("addquantity") == 2
    assert {line["chargetype"].lower() for line in lines} >= {"cyclecharge", "new"}
    assert {line["billingfrequency"] for line in lines} == {""}


def test_the_files_of_the_open_month_come_in_turn_in_every_wire_form(tmp_path: Path) -> None:
    forms = set()
    for number, months in enumerate((("2026-07", "2026-07"), ("2026-07", "2026-08"))):
        generate(tmp_path / str(number), usage_rows=600, months=months)
        content = json.loads((tmp_path / str(number) / "expected.json").read_text("utf-8"))
        forms |= {one["wire_form"] for one in content["open_month"]}
    assert forms == {form.name for form in FORMS}


def test_a_scenario_file_gives_the_same_partner_again(tmp_path: Path) -> None:
    arguments = Arguments(
        customers=14, usage_rows=800, months=("2026-01", "2026-02"), currencies=("EUR", "JPY"), seed=5
    )
    generate(tmp_path, customers=14, usage_rows=800, months=("2026-01", "2026-02"), currencies=("EUR", "JPY"), seed=5)
    assert read_arguments(tmp_path) == arguments
    again = build_partner(read_arguments(tmp_path))
    folder = tmp_path / "again"
    folder.mkdir()
    for document in again.documents + again.open_documents:
        write_document(again.scenario, document, again.seat_lines, folder)
    for path in folder.iterdir():
        assert path.read_bytes() == (tmp_path / "inbox" / path.name).read_bytes()


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_a_document_has_the_same_figures_in_every_wire_form(tmp_path: Path, form: Any) -> None:  # noqa: ANN401
    partner = build_partner(Arguments(usage_rows=600))
    for document in (partner.documents[0], partner.open_documents[0]):
        written = replace(document, form=form)
        write_document(partner.scenario, written, partner.seat_lines, tmp_path)
        kinds = (USAGE, LINES) if document.is_open else ("dailyratedusage", "reconciliation")
        usage, lines = (rows_of(tmp_path, kind) for kind in kinds)
        assert len(usage) == written.usage_rows
        assert sum(amount(line["subtotal"]) for line in lines) == written.subtotal


def test_a_partner_without_usage_has_seat_lines_only(tmp_path: Path) -> None:
    generate(tmp_path, customers=1, usage_rows=0, months=("2026-02", "2026-02"), currencies=("EUR",))
    assert rows_of(tmp_path / "inbox", USAGE) == []
    assert rows_of(tmp_path / "inbox", LINES)
