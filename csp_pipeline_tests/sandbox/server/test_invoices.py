"""Invoices as Partner Center tells them: headers, summaries, statements, and lines of the first version."""

from __future__ import annotations

import json
from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from csp_pipeline.errors import CspError
from csp_pipeline.sandbox.generate import generate
from csp_pipeline.sandbox.partner import SCENARIO_FILE, Arguments, read_arguments
from csp_pipeline.sandbox.server.state import open_state
from csp_pipeline_tests.sandbox.server.partner_center_case import SMALL, PartnerCenterCaller, calling, state_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OLD = Arguments(customers=2, usage_rows=300, months=("2025-03", "2025-04"), currencies=("EUR",))
LINES = "/v1/invoices/{number}/lineitems?provider={provider}&invoicelineitemtype={kind}"
LEGACY_LINE = {
    "partnerId": "3b33e682-00c3-41ee-9dd2-a548adf56438",
    "subscriptionId": "4KIKawEAAAAAAAEA",
    "chargeType": "Cycle fee",
    "subtotal": Decimal("12.30"),
    "invoiceLineItemType": "billing_line_items",
    "billingProvider": "office",
    "attributes": {"objectType": "LicenseBasedLineItem"},
}


def written(arguments: Arguments, out: Path) -> Path:
    generate(
        out,
        customers=arguments.customers,
        usage_rows=arguments.usage_rows,
        months=arguments.months,
        currencies=arguments.currencies,
        seed=arguments.seed,
    )
    return out


@pytest.fixture(scope="module")
def old_scenario(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A partner with one month that the first version still serves, and a legacy invoice beside it."""
    folder = written(OLD, tmp_path_factory.mktemp("old"))
    path = folder / "inbox" / "invoices.json"
    headers = json.loads(path.read_text("utf-8"))
    headers["items"].append(
        headers["items"][0] | {"id": "D0400ABCDE", "invoiceType": "Recurring", "totalCharges": 12.3, "paidAmount": 0}
    )
    path.write_text(json.dumps(headers), "utf-8")
    items = [LEGACY_LINE | {"subtotal": 12.3}] * 3
    (folder / "inbox" / "D0400ABCDE_office.json").write_text(json.dumps({"totalCount": 3, "items": items}), "utf-8")
    return folder


@pytest.fixture(scope="module")
def old(old_scenario: Path) -> Iterator[PartnerCenterCaller]:
    with calling(open_state(old_scenario)) as caller:
        yield caller


def header_of(service: PartnerCenterCaller, month: str) -> dict[str, object]:
    headers = service.items("/v1/invoices?size=200&offset=0")
    return next(header for header in headers if header["billingPeriodStartDate"].startswith(month))


def test_headers_are_the_same_with_and_without_the_files(tmp_path: Path) -> None:
    folder = written(SMALL, tmp_path)
    expected = json.loads((folder / "expected.json").read_text("utf-8"))["invoices"]
    with calling(state_of(SMALL)) as made, calling(open_state(folder)) as read:
        headers = made.items("/v1/invoices")
        assert headers == read.items("/v1/invoices")
    assert {header["id"]: header["totalCharges"] for header in headers} == {
        invoice["invoice_number"]: Decimal(invoice["header_amount"]) for invoice in expected
    }


def test_summaries_are_the_sums_of_the_headers(old: PartnerCenterCaller) -> None:
    owed: dict[str, Decimal] = defaultdict(Decimal)
    for header in old.items("/v1/invoices"):
        owed[header["currencyCode"]] += header["totalCharges"]
        assert old.get(f"/v1/invoices/{header['id']}") == header
    summaries = old.get("/v1/invoices/summaries")["items"]
    assert {one["currencyCode"]: one["balanceAmount"] for one in summaries} == owed
    assert old.get("/v1/invoices/summary") == summaries[0]
    assert [detail["invoiceType"] for detail in summaries[0]["details"]] == ["OneTime", "Recurring"]


def test_a_statement_is_a_pdf_with_a_table_that_finds_its_objects(old: PartnerCenterCaller) -> None:
    number = header_of(old, "2025-03")["id"]
    answer = old.http.get(f"/v1/invoices/{number}/documents/statement", headers={"Authorization": "Bearer user"})
    assert answer.headers["content-type"] == "application/pdf"
    content = answer.content
    assert content.startswith(b"%PDF-1.4\n")
    assert content.endswith(b"%%EOF\n")
    start = int(content.rpartition(b"startxref\n")[2].split(b"\n")[0])
    entries = content[start:].split(b"\n")[3:8]
    assert all(content[int(entry[:10]) :].startswith(b"%d 0 obj" % (n + 1)) for n, entry in enumerate(entries))
    assert str(number).encode() in content


@pytest.mark.parametrize("size", [7, 2000])
def test_lines_of_the_first_version_add_up_to_the_header(old: PartnerCenterCaller, size: int) -> None:
    header = header_of(old, "2025-03")
    uri = LINES.format(number=header["id"], provider="onetime", kind="billinglineitems") + f"&size={size}"
    lines = old.items(uri)
    assert len(lines) > 7
    assert sum(line["totalForCustomer"] for line in lines) == header["totalCharges"]
    assert {line["invoiceNumber"] for line in lines} == {header["id"]}
    assert {line["attributes"]["objectType"] for line in lines} == {"OneTimeInvoiceLineItem"}
    assert not {"referenceId", "productCategory", "subscriptionStartDate"} & lines[0].keys()


def test_usage_of_the_first_version_has_rates_as_fractions(old: PartnerCenterCaller, old_scenario: Path) -> None:
    number = header_of(old, "2025-03")["id"]
    rows = old.items(LINES.format(number=number, provider="onetime", kind="usagelineitems") + "&size=50")
    expected = json.loads((old_scenario / "expected.json").read_text("utf-8"))["invoices"]
    invoice = next(one for one in expected if one["invoice_number"] == number)
    assert len(rows) == invoice["usage_rows"]
    assert sum(row["billingPreTaxTotal"] for row in rows) == Decimal(invoice["daily_usage_amount"])
    assert {row["rateOfPartnerEarnedCredit"] for row in rows if row["hasPartnerEarnedCredit"]} == {Decimal("0.15")}


def test_periods_after_march_2025_are_refused(old: PartnerCenterCaller) -> None:
    number = header_of(old, "2025-04")["id"]
    for kind in ("billinglineitems", "usagelineitems"):
        assert old.get(LINES.format(number=number, provider="onetime", kind=kind), 400)["code"] == "800002"


def test_legacy_lines_are_those_of_the_folder_by_size_and_offset(old: PartnerCenterCaller) -> None:
    uri = LINES.format(number="D0400ABCDE", provider="Office", kind="BillingLineItems")
    pages = list(old.pages(f"{uri}&size=2&offset=0"))
    assert [len(page["items"]) for page in pages] == [2, 1]
    assert [item["subtotal"] for page in pages for item in page["items"]] == [Decimal("12.3")] * 3
    assert old.items(LINES.format(number="D0400ABCDE", provider="azure", kind="usagelineitems")) == []
    number = header_of(old, "2025-03")["id"]
    assert old.items(LINES.format(number=number, provider="office", kind="billinglineitems")) == []


def test_legacy_lines_of_the_partner_add_up_to_their_header_and_days_to_the_consumption() -> None:
    with calling(state_of(Arguments(usage_rows=0, months=("2026-08", "2026-09"), currencies=("EUR",)))) as service:
        headers = [one for one in service.items("/v1/invoices") if one["invoiceType"] == "Recurring"]
        assert [header["billingPeriodStartDate"] for header in headers] == [
            "2026-08-09T00:00:00Z",
            "2026-09-09T00:00:00Z",
        ]
        for header in headers:
            assert service.get(f"/v1/invoices/{header['id']}") == header
            held = {}
            for detail in header["invoiceDetails"]:
                key = (detail["billingProvider"], detail["invoiceLineItemType"])
                kind = key[1].replace("_", "")
                held[key] = service.items(LINES.format(number=header["id"], provider=key[0], kind=kind) + "&size=50")
            assert [{one["attributes"]["objectType"] for one in items} for items in held.values()] == [
                {"LicenseBasedLineItem"}, {"UsageBasedLineItem"}, {"DailyUsageLineItem"},
            ]  # fmt: skip
            licences, charges, days = held.values()
            total = sum(line["totalForCustomer"] for line in licences) + sum(line["postTaxTotal"] for line in charges)
            assert total == header["totalCharges"]
            assert sum(day["consumedQuantity"] for day in days) == sum(line["consumedQuantity"] for line in charges)
            assert not any("pretaxCharges" in day for day in days)


def test_an_adjustment_note_stands_within_the_invoice_it_amends_and_is_found_by_its_number() -> None:
    with calling(
        state_of(Arguments(usage_rows=0, months=("2026-08", "2026-09"), currencies=("EUR", "USD")))
    ) as service:
        (amended,) = [header for header in service.items("/v1/invoices") if "amendments" in header]
        (note,) = amended["amendments"]
        assert (note["documentType"], note["amendsOf"]) == ("adjustment_note", amended["id"])
        assert note["totalCharges"] < 0
        assert service.get(f"/v1/invoices/{note['id']}") == note


@pytest.mark.parametrize(("provider", "kind"), [("reddog", "billinglineitems"), ("onetime", "all"), ("", "")])
def test_unknown_providers_and_kinds_of_lines_are_refused(old: PartnerCenterCaller, provider: str, kind: str) -> None:
    number = header_of(old, "2025-03")["id"]
    assert old.get(LINES.format(number=number, provider=provider, kind=kind), 400)["code"] == "800002"


def test_a_late_invoice_is_there_after_the_list_was_asked_for_twice() -> None:
    with calling(state_of(SMALL, "late-invoice")) as service:
        months = []
        for _ in range(4):
            headers = service.items("/v1/invoices?size=200&offset=0")
            months.append(sorted({header["billingPeriodStartDate"][:7] for header in headers}))
        assert months == [["2026-08"], ["2026-08"], ["2026-08", "2026-09"], ["2026-08", "2026-09"]]


def test_a_late_invoice_is_unknown_by_its_number_too() -> None:
    state = state_of(SMALL, "late-invoice")
    late = [document.number for document in state.partner.documents if document.month == "2026-09"]
    with calling(state) as service:
        assert not any(state.is_listed(number) for number in late)
        for number in late:
            service.get(f"/v1/invoices/{number}", 404)


def test_a_header_follows_a_restated_invoice() -> None:
    state = state_of(SMALL)
    with calling(state) as service:
        header = header_of(service, "2026-09")
        document = next(one for one in state.partner.documents if one.number == header["id"])
        document.lines = document.lines[1:]
        state.restate(document)
        assert service.get(f"/v1/invoices/{document.number}")["totalCharges"] == document.total
        assert header_of(service, "2026-09") == header | {"totalCharges": document.total}


@pytest.mark.parametrize("content", [None, "{}", "[]", '{"customers": 1, "months": ["2026-01"]}', "no json"])
def test_a_folder_that_generate_did_not_write_is_refused_in_a_sentence(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / SCENARIO_FILE).write_text(content, "utf-8")
    with pytest.raises(CspError, match="generate"):
        read_arguments(tmp_path)
