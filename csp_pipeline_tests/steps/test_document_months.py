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
