"""Documents without rows: when that is in order, when a person has to look, and what is asked for again."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

import pytest
from pydantic import SecretStr

from csp_pipeline.sources.graph_manifests import Blob, ExportRequest, Manifest, NoData
from csp_pipeline.sources.paging import Page
from csp_pipeline.sources.provider import Provider
from csp_pipeline.sources.provider_errors import RefusedError, UnavailableError
from csp_pipeline.steps.fetch_documents import fetch_documents
from csp_pipeline.steps.fetch_open_month import fetch_open_month
from csp_pipeline_tests.fetching import delivered, today

if TYPE_CHECKING:
    from collections.abc import Iterator

    from csp_pipeline.sources.graph_exports import GraphExports
    from csp_pipeline.sources.partner_center import PartnerCenter
    from csp_pipeline.storage.arrivals import Delivery
    from csp_pipeline.storage.home import Home

G1 = {"id": "G1", "totalCharges": 7, "currencyCode": "EUR", "billingPeriodStartDate": "2026-09-01T00:00:00Z"}
D1 = {**G1, "id": "D1"}


@dataclass
class Service:
    """Partner Center and Graph of one document; a kind of v1 lines that is not there is refused or out of order."""

    header: dict[str, object]
    rows: bytes | None = None
    lines: dict[tuple[str, str], list[object] | Exception] = field(default_factory=dict)
    asked: list[ExportRequest] = field(default_factory=list)

    def invoices(self) -> Iterator[Page]:
        yield Page("/v1/invoices", json.dumps({"items": [self.header]}).encode(), [self.header])

    def invoice_lines(self, _number: str, provider: str, kind: str) -> Iterator[Page]:
        found = self.lines.get((provider, kind), [])
        if isinstance(found, Exception):
            raise found
        items = cast("list[dict[str, object]]", found)
        yield Page(f"/v1/{provider}/{kind}", json.dumps({"items": items}).encode(), items)

    def manifest(self, request: ExportRequest) -> Manifest | NoData:
        self.asked.append(request)
        if self.rows is None:
            return NoData("5000", "no data")
        made_at = datetime(2026, 10, 7, tzinfo=UTC)
        secret = SecretStr("")
        return Manifest(request, "1", "tag", made_at, "default", (Blob("a"),), secret, secret, "/manifest")

    def deliver(self, _manifest: Manifest, delivery: Delivery) -> None:
        if self.rows:
            delivery.take("a", io.BytesIO(self.rows))

    @property
    def provider(self) -> Provider:
        return Provider(cast("PartnerCenter", self), cast("GraphExports", self))


@pytest.mark.parametrize("rows", [None, b""], ids=["no data", "files without rows"])
def test_a_document_with_an_amount_and_no_lines_is_a_problem_until_it_has_some(home: Home, rows: bytes | None) -> None:
    service = Service(G1, rows)
    for _ in range(2):
        (problem,) = fetch_documents(home, service.provider).problems
        assert "Invoice G1 of 7.00 EUR has no lines" in problem
    service.rows = b"{}\n"
    assert fetch_documents(home, service.provider).problems == ()
    assert {"reconciliation/billed/G1", "usage/billed/G1"} <= set(delivered(home))


def test_a_document_without_a_day_is_asked_for_at_graph_first(home: Home) -> None:
    service = Service({**G1, "billingPeriodStartDate": None}, b"{}\n")
    assert fetch_documents(home, service.provider).problems == ()
    assert {"reconciliation/billed/G1", "usage/billed/G1"} <= set(delivered(home))


def test_lines_of_a_legacy_document_that_come_one_kind_after_the_other_are_no_problem(home: Home) -> None:
    office, azure = ("office", "billinglineitems"), ("azure", "billinglineitems")
    service = Service(D1, lines={office: [{"id": "1"}], azure: UnavailableError("down", status=503)})
    (problem,) = fetch_documents(home, service.provider).problems
    assert "down" in problem
    service.lines[azure] = RefusedError("nothing there", status=404)
    assert fetch_documents(home, service.provider).problems == ()
    service.asked.clear()
    assert fetch_documents(home, service.provider).problems == ()
    assert service.asked == []


def test_a_legacy_document_without_any_lines_is_a_problem(home: Home) -> None:
    (problem,) = fetch_documents(home, Service(D1).provider).problems
    assert "Invoice D1 of 7.00 EUR has no lines in Partner Center" in problem


def test_files_without_rows_of_the_open_month_are_told_as_no_rows(home: Home) -> None:
    report = fetch_open_month(home, Service(G1, b"").provider, today())
    assert (report.files, report.problems) == (0, ())
    assert {note.split(" are ")[0] for note in report.notes} == {"No reconciliation rows", "No usage rows"}
    assert list((home.landing / "deliveries").iterdir()) == []
