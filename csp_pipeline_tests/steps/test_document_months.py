"""Every document has a month, so that it is in a partition, whatever dates its rows lack."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from csp_pipeline.steps.cost import build_invoices
from csp_pipeline.steps.ingest import create_staged_views, load_file_catalogue
from csp_pipeline.storage.landing import read_scans
from csp_pipeline.storage.warehouse import writing
from csp_pipeline_tests.steps.inbox_case import recon, usage

if TYPE_CHECKING:
    from csp_pipeline_tests.steps.inbox_case import InboxCase


def months(case: InboxCase) -> list[str | None]:
    """The months of all documents."""
    with writing(case.home) as con:
        load_file_catalogue(con, case.home)
        create_staged_views(con, case.home)
        build_invoices(con, case.home)
        return [month for (month,) in con.execute("SELECT billing_month FROM cost.invoices").fetchall()]


@pytest.mark.parametrize("start", ["", "0001-01-01T00:00:00Z"])
def test_lines_without_a_start_count_at_their_order(case: InboxCase, start: str) -> None:
    case.ingest(a__csv=recon({"ChargeStartDate": start, "OrderDate": "2026-09-30"}))
    assert months(case) == ["2026-09"]


def test_usage_without_a_start_counts_at_its_day(case: InboxCase) -> None:
    case.ingest(a__csv=usage({"ChargeStartDate": "", "UsageDate": "2026-08-31"}))
    assert months(case) == ["2026-08"]


def test_the_start_of_most_lines_goes_before_their_orders(case: InboxCase) -> None:
    started = {"ChargeStartDate": "2026-10-01", "OrderDate": "2025-01-01"}
    case.ingest(a__csv=recon(started, started | {"OrderId": "2"}, {"ChargeStartDate": "", "OrderDate": "2025-01-01"}))
    assert months(case) == ["2026-10"]


def test_a_document_without_any_date_is_of_the_month_of_its_scan(case: InboxCase) -> None:
    header = {"id": "G2", "totalCharges": 5, "currencyCode": "EUR", "documentType": "invoice"}
    case.ingest(a__csv=recon({"ChargeStartDate": "", "OrderDate": ""}), b__json=json.dumps({"items": [header]}))
    (scan,) = read_scans(case.home)
    assert months(case) == [f"{scan.scanned_at:%Y-%m}"] * 2


@pytest.mark.parametrize("files", [((3, 2), (0, 4)), ((3, 6),), ((3, 0), (0, 6))])
def test_the_month_is_that_of_most_lines_however_they_are_split(
    case: InboxCase, files: tuple[tuple[int, int], ...]
) -> None:
    october, november = {"ChargeStartDate": "2026-10-01"}, {"ChargeStartDate": "2026-11-01"}
    for place, (of_october, of_november) in enumerate(files):
        case.put(f"{place}.csv", recon(*[october] * of_october, *[november] * of_november))
    case.ingest()
    assert months(case) == ["2026-11"]


def header_of(total: str, dated_on: str) -> str:
    """The collection with the header of G2."""
    told = {"id": "G2", "totalCharges": float(total), "currencyCode": "EUR", "documentType": "invoice"}
    return json.dumps({"items": [{**told, "invoiceDate": dated_on}]})


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_later_header_counts_whatever_the_order_of_arrival(case: InboxCase, order: tuple[int, int]) -> None:
    sent = [header_of("90", "2026-11-07"), header_of("100", "2026-11-10")]
    for place in order:
        case.put(f"{place}.json", sent[place])
        case.ingest()
    assert case.query("SELECT total_charges FROM staged_invoice_headers") == [(100,)]
    made = "SELECT version_number, CAST(CAST(effective_at AS DATE) AS VARCHAR) FROM meta.document_versions ORDER BY ALL"
    assert case.query(made) == [(1, "2026-11-07"), (2, "2026-11-10")]


def test_an_invoice_whose_rows_are_all_put_aside_keeps_its_currency_and_month(case: InboxCase) -> None:
    case.ingest(a__csv=recon({"Subtotal": "x", "ChargeStartDate": "2026-09-01", "Currency": "usd "}))
    told = "SELECT invoice_number, currency, lines_month, rows_staged, rows_quarantined FROM meta.file_invoices"
    assert case.query(told) == [("G000000001", "USD", "2026-09", 0, 1)]
    assert months(case) == ["2026-09"]


def test_one_currency_in_other_letters_puts_no_row_aside(case: InboxCase) -> None:
    case.ingest(
        a__csv=recon(
            {},
            {"InvoiceNumber": "g000000001", "Currency": "eur"},
            {"InvoiceNumber": "G000000001 ", "Currency": "EUR "},
        )
    )
    case.ingest(
        b__csv=recon({"InvoiceNumber": "G5"}, {"InvoiceNumber": "g5", "Currency": "USD"}, {"InvoiceNumber": "G5"})
    )
    found = case.query(
        """SELECT upper(invoice_number) AS number, sum(rows_staged), sum(rows_quarantined) FROM meta.file_invoices
        GROUP BY number ORDER BY number"""
    )
    assert found == [("G000000001", 3, 0), ("G5", 2, 1)]
