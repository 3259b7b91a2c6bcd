"""Rows without an invoice are of an open month: replaced whole at each load, gone when the billed rows are there."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from csp_pipeline.storage.arrivals import Origin, open_delivery
from csp_pipeline_tests.steps.inbox_case import RECON_ROW, recon, usage, usage_lines

if TYPE_CHECKING:
    from csp_pipeline_tests.steps.inbox_case import InboxCase

OPEN = {"InvoiceNumber": ""}
NOVEMBER = {**OPEN, "ChargeStartDate": "11/1/2026", "ChargeEndDate": "11/30/2026"}
CURRENT = (
    "SELECT kind, billing_month, currency, rows_staged, amount_staged FROM meta.open_month_files "
    "WHERE is_current ORDER BY ALL"
)
SEATS = "SELECT billing_month, subtotal FROM staged_open_reconciliation ORDER BY ALL"


def deliver(case: InboxCase, scope: str, amount: str, made_at: datetime) -> None:
    """An export with one line of November."""
    content = recon({**NOVEMBER, "Subtotal": amount})
    origin = Origin("graph", "reconciliation/unbilled", scope, version=f"v{made_at}", version_at=made_at)
    delivery = open_delivery(case.home, origin)
    delivery.take("a", io.BytesIO(content.encode()))
    delivery.complete()


def test_rows_without_an_invoice_are_staged_as_an_open_month(case: InboxCase) -> None:
    report = case.ingest(
        r__csv=recon(NOVEMBER, NOVEMBER), u__csv=usage(OPEN), l__jsonl=usage_lines({"InvoiceNumber": None})
    )
    assert {(file.kind, file.status) for file in report.files} == {
        ("open_reconciliation", "staged"),
        ("open_daily_usage", "staged"),
    }
    assert case.query(CURRENT) == [
        ("open_daily_usage", "2026-10", "EUR", 1, Decimal("1.275")),
        ("open_daily_usage", "2026-10", "EUR", 1, Decimal("1.275")),
        ("open_reconciliation", "2026-11", "EUR", 2, Decimal(462)),
    ]
    assert case.query(SEATS) == [("2026-11", Decimal(231)), ("2026-11", Decimal(231))]
    assert case.query("SELECT count(*) FROM staged_open_daily_usage") == [(2,)]
    assert case.query(
        "SELECT count(*) FROM staged_reconciliation UNION ALL SELECT count(*) FROM staged_daily_usage"
    ) == [
        (0,),
        (0,),
    ]
    assert case.query("SELECT * FROM meta.file_invoices") == []


def test_lines_without_the_invoice_column_are_of_an_open_month(case: InboxCase) -> None:
    row = {key: value for key, value in {**RECON_ROW, **NOVEMBER}.items() if key != "InvoiceNumber"}
    (file,) = case.ingest(a__jsonl=json.dumps(row) + "\n").files
    assert (file.kind, file.rows_staged, file.rows_quarantined) == ("open_reconciliation", 1, 0)


def test_a_load_of_the_month_replaces_the_earlier_one_whole(case: InboxCase) -> None:
    case.ingest(a__csv=recon({**NOVEMBER, "Subtotal": "1"}, {**NOVEMBER, "Subtotal": "2"}))
    case.ingest(b__csv=recon({**NOVEMBER, "Subtotal": "5"}), usd__csv=recon({**NOVEMBER, "Currency": "USD"}))
    assert case.query(SEATS) == [("2026-11", Decimal(5)), ("2026-11", Decimal(231))]
    assert case.query("SELECT count(*) FROM meta.open_month_files WHERE NOT is_current") == [(1,)]


def test_the_open_month_is_gone_when_its_billed_rows_are_there(case: InboxCase) -> None:
    case.ingest(a__csv=recon(NOVEMBER), usd__csv=recon({**NOVEMBER, "Currency": "USD"}), u__csv=usage(OPEN))
    case.ingest(g__csv=recon({"ChargeStartDate": "11/1/2026", "ChargeEndDate": "11/30/2026"}))
    assert [row[:3] for row in case.query(CURRENT)] == [
        ("open_daily_usage", "2026-10", "EUR"),
        ("open_reconciliation", "2026-11", "USD"),
    ]


def test_billed_lines_end_open_usage_too_but_billed_usage_no_open_lines(case: InboxCase) -> None:
    case.ingest(r__csv=recon(OPEN), u__csv=usage(OPEN))
    case.ingest(b__csv=usage({}))
    assert [row[0] for row in case.query(CURRENT)] == ["open_reconciliation"]
    case.ingest(g__csv=recon({}))
    assert case.query(CURRENT) == []


def test_billed_lines_without_their_usage_end_open_usage(case: InboxCase) -> None:
    case.ingest(u__csv=usage(OPEN))
    case.ingest(g__csv=recon({}))
    assert case.query(CURRENT) == []


def test_a_void_or_credit_note_ends_no_open_month(case: InboxCase) -> None:
    def told(number: str, document_type: str) -> dict[str, object]:
        dates = {"invoiceDate": "2026-11-07", "billingPeriodStartDate": "2026-10-01"}
        return {"id": number, "documentType": document_type, "totalCharges": -1, "currencyCode": "EUR", **dates}

    notes = {"G000000007": "void_note", "G000000008": "adjustmentNote", "C000000009": ""}
    headers = [told(number, name) for number, name in notes.items() if name]
    case.ingest(r__csv=recon(OPEN), h__json=json.dumps({"items": headers}))
    case.ingest(n__csv=recon(*({"InvoiceNumber": number} for number in notes)))
    assert len(case.query(CURRENT)) == 1
    case.ingest(i__json=json.dumps({"items": [told("C000000009", "Invoice")]}))
    assert case.query(CURRENT) == []


def test_late_lines_of_billed_months_stay_in_the_open_month(case: InboxCase) -> None:
    case.ingest(g__csv=recon({}))
    late = {**OPEN, "Subtotal": "7"}
    case.ingest(a__csv=recon(NOVEMBER, late, late))
    assert case.query(SEATS) == [("2026-11", Decimal(7)), ("2026-11", Decimal(7)), ("2026-11", Decimal(231))]


def test_the_current_period_follows_the_last_one_even_when_only_late_lines_are_there(case: InboxCase) -> None:
    deliver(case, "EUR|last", "1", datetime(2026, 12, 1, 3, tzinfo=UTC))
    for day, amount in ((1, "2"), (2, "3")):
        deliver(case, "EUR|current", amount, datetime(2026, 12, day, 4, tzinfo=UTC))
        case.ingest()
        assert case.query(SEATS) == [("2026-11", Decimal(1)), ("2026-12", Decimal(amount))]


def test_what_was_fetched_as_current_before_the_month_ended_is_replaced_by_the_last_period(case: InboxCase) -> None:
    deliver(case, "EUR|current", "1", datetime(2026, 11, 30, 3, tzinfo=UTC))
    deliver(case, "EUR|last", "2", datetime(2026, 12, 1, 3, tzinfo=UTC))
    case.ingest()
    assert case.query(SEATS) == [("2026-11", Decimal(2))]


def test_versions_of_an_open_month_are_ordered_by_their_time(case: InboxCase) -> None:
    for hour, amount in ((5, "5"), (3, "3")):
        deliver(case, "EUR|current", amount, datetime(2026, 11, 20, hour, tzinfo=UTC))
        case.ingest()
    assert case.query(SEATS) == [("2026-11", Decimal(5))]


def test_unreadable_rows_of_an_open_month_and_rows_with_an_invoice_are_put_aside(case: InboxCase) -> None:
    rows = [{**OPEN, "CustomerName": "x" * 40_000} for _ in range(1000)]
    (file,) = case.ingest(a__csv=usage(*rows, {**OPEN, "Quantity": "n/a"}, {"InvoiceNumber": "G7"})).files
    assert (file.kind, file.rows_total, file.rows_quarantined) == ("open_daily_usage", 1002, 2)
    assert case.query("SELECT column_name FROM meta.quarantine ORDER BY ALL") == [("InvoiceNumber",), ("Quantity",)]


def test_a_billed_file_whose_first_rows_name_an_invoice_stays_billed(case: InboxCase) -> None:
    (file,) = case.ingest(a__csv=recon({}, OPEN)).files
    assert (file.kind, file.rows_staged, file.rows_quarantined) == ("reconciliation", 1, 1)


def test_a_months_view_holds_that_month_and_currency_only(case: InboxCase) -> None:
    from csp_pipeline.steps.ingest import create_staged_views  # noqa: PLC0415
    from csp_pipeline.storage.warehouse import writing  # noqa: PLC0415

    case.ingest(a__csv=recon(NOVEMBER), usd__csv=recon({**NOVEMBER, "Currency": "USD"}))
    assert len(case.query(SEATS)) == 2
    with writing(case.home) as connection:
        create_staged_views(connection, case.home, billing_month="2026-11", currency="USD")
        assert connection.execute("SELECT currency FROM staged_open_reconciliation").fetchall() == [("USD",)]
        create_staged_views(connection, case.home, billing_month="2026-12", currency="USD")
        assert connection.execute("SELECT * FROM staged_open_reconciliation").fetchall() == []
