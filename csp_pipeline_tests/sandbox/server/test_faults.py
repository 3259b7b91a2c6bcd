"""Each fault does what its name says, a bounded number of times."""

from __future__ import annotations

import gzip
import time
import zlib
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from csp_pipeline.errors import UsageError
from csp_pipeline.sandbox.server.app import running
from csp_pipeline.sandbox.server.faults import NAMES, Faults
from csp_pipeline_tests.sandbox.server.caller import BILLING, PARTNER_CENTER_SCOPE, Caller, Json

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from csp_pipeline.sandbox.partner import Partner

    Serving = Callable[..., AbstractContextManager[Caller]]


def _invoices(caller: Caller) -> list[Json]:
    items: list[Json] = caller.get("/v1/invoices", scope=PARTNER_CENTER_SCOPE).json()["items"]
    return items


def test_an_unknown_fault_is_refused_with_all_names(scenario: Path) -> None:
    with pytest.raises(UsageError) as refused, running(scenario, ["throtle"]):
        pass
    assert str(refused.value) == f"Unknown fault throtle: choose from {', '.join(NAMES)}."


def test_a_fault_strikes_each_key_a_bounded_number_of_times() -> None:
    faults = Faults(["throttle"])
    assert [faults.strikes("throttle", "a", times=2) for _ in range(3)] == [True, True, False]
    assert faults.strikes("throttle", "b", in_total=2) is False
    assert faults.strikes("throttle", "b", in_total=3) is True
    assert faults.strikes("slow", "a") is False


def test_throttled_calls_are_told_when_to_come_back_and_then_answered(serving: Serving) -> None:
    with serving("throttle") as caller:
        first, second = (caller.get("/v1/invoices", scope=PARTNER_CENTER_SCOPE) for _ in range(2))
        graph = caller.get(f"{BILLING}/operations/none")
    assert (first.status_code, first.headers["Retry-After"], first.json()["statusCode"]) == (429, "1", 429)
    assert second.status_code == 200
    assert (graph.status_code, graph.json()["error"]["code"]) == (429, "TooManyRequests")


def test_server_errors_pass(serving: Serving) -> None:
    with serving("server-errors") as caller:
        answers = [caller.get("/v1/invoices", scope=PARTNER_CENTER_SCOPE).status_code for _ in range(2)]
        graph = [caller.get(f"{BILLING}/operations/none").status_code for _ in range(2)]
    assert answers[0] in (500, 503)
    assert graph[0] in (500, 503)
    assert (answers[1], graph[1]) == (200, 404)


def test_a_slow_server_answers_late(serving: Serving) -> None:
    with serving("slow", slow_seconds=0.1) as caller:
        caller.get(f"{BILLING}/operations/none")
        before = time.perf_counter()
        caller.get(f"{BILLING}/operations/none")
        assert time.perf_counter() - before >= 0.1


def test_a_blob_is_cut_at_its_first_download_only(serving: Serving, partner: Partner) -> None:
    with serving("truncated-blob") as caller:
        manifest = caller.manifest("usage/billed", invoiceId=partner.documents[0].number)
        cut, whole = caller.blob(manifest), caller.blob(manifest)
    assert (cut.status_code, whole.content.startswith(cut.content)) == (200, True)
    with pytest.raises((EOFError, zlib.error)):
        gzip.decompress(cut.content)
    assert gzip.decompress(whole.content)


def test_the_first_signature_of_an_export_expires_on_the_way(serving: Serving, partner: Partner) -> None:
    with serving("expired-sas") as caller:
        manifest = caller.manifest("usage/billed", invoiceId=partner.documents[0].number)
        first = [caller.blob(manifest, number).status_code for number in range(manifest["blobCount"])]
        again = caller.get(f"{BILLING}/manifests/{manifest['id']}").json()
        second = [caller.blob(again, number).status_code for number in range(again["blobCount"])]
    assert first == [200] + [403] * (manifest["blobCount"] - 1)
    assert second == [200] * manifest["blobCount"]


def test_drifted_columns_are_new_or_in_another_case_and_values_stay(
    serving: Serving, caller: Caller, partner: Partner
) -> None:
    number = partner.documents[0].number
    with serving("schema-drift") as drifting:
        drifted = drifting.rows(drifting.manifest("usage/billed", invoiceId=number))
    plain = caller.rows(caller.manifest("usage/billed", invoiceId=number))
    assert set(drifted[0]) - set(plain[0]) == {"CUSTOMERNAME", "SkuName", "carbonIntensity", "costCentreHint"}
    new = ("carbonintensity", "costcentrehint")

    def told(row: dict[str, Any]) -> dict[str, Any]:
        return {name.lower(): value for name, value in row.items() if name.lower() not in new}

    assert [told(row) for row in drifted] == [told(row) for row in plain]


def test_a_page_is_served_twice_once(serving: Serving) -> None:
    with serving("duplicate-page") as caller:
        path, headers, pages = "/v1/customers?size=5", {}, []
        while path:
            page = caller.get(path, scope=PARTNER_CENTER_SCOPE, **headers).json()
            following = page["links"].get("next")
            pages.append([item["id"] for item in page["items"]])
            path = f"/v1{following['uri']}" if following else ""
            headers = {pair["key"]: pair["value"] for pair in following["headers"]} if following else {}
    assert pages[0] == pages[1]
    assert len({number for page in pages for number in page}) == 12
    assert len(pages) == 4


def test_a_restated_invoice_has_another_version_and_its_header_follows(serving: Serving, partner: Partner) -> None:
    with serving("restated-invoice") as caller:
        number = next(document.number for document in partner.documents if document.month == "2026-09")
        header = {invoice["id"]: Decimal(str(invoice["totalCharges"])) for invoice in _invoices(caller)}
        first = {kind: caller.manifest(f"{kind}/billed", invoiceId=number) for kind in ("usage", "reconciliation")}
        old_lines = caller.rows(first["reconciliation"])
        second = {kind: caller.manifest(f"{kind}/billed", invoiceId=number) for kind in ("usage", "reconciliation")}
        new_lines = caller.rows(second["reconciliation"])
        new_header = {invoice["id"]: Decimal(str(invoice["totalCharges"])) for invoice in _invoices(caller)}
        third = caller.manifest("usage/billed", invoiceId=number)
    assert all(first[kind]["eTag"] != second[kind]["eTag"] for kind in first)
    assert all(first[kind]["createdDateTime"] < second[kind]["createdDateTime"] for kind in first)
    assert third["eTag"] == second["usage"]["eTag"]
    old, new = (sum(Decimal(line["totalForCustomer"]) for line in lines) for lines in (old_lines, new_lines))
    assert new_header[number] - header[number] == new - old > 0
    assert {name: total for name, total in new_header.items() if name != number} == {
        name: total for name, total in header.items() if name != number
    }


def test_a_restated_invoice_needs_usage(tmp_path: Path) -> None:
    (tmp_path / "scenario.json").write_text(
        '{"customers": 3, "usage_rows": 0, "months": ["2026-09", "2026-09"], "currencies": ["EUR"], "seed": 1}'
    )
    with pytest.raises(UsageError, match="needs usage"), running(tmp_path, ["restated-invoice"]):
        pass


def test_a_late_invoice_is_unbilled_until_it_is_there(serving: Serving, partner: Partner) -> None:
    number = next(document.number for document in partner.documents if document.month == "2026-09")
    with serving("late-invoice") as caller:
        assert number not in [invoice["id"] for invoice in _invoices(caller)]
        assert caller.finished("usage/billed", invoiceId=number)["error"]["code"] == "5000"
        last = caller.manifest("usage/unbilled", currencyCode="EUR", billingPeriod="last")
        assert {row["usageDate"][:7] for row in caller.rows(last)} == {"2026-09"}
        polls = 1
        while number not in [invoice["id"] for invoice in _invoices(caller)]:
            polls += 1
        assert caller.finished("usage/unbilled", currencyCode="EUR", billingPeriod="last")["status"] == "failed"
        assert caller.finished("usage/billed", invoiceId=number)["status"] == "succeeded"
    assert polls < 5


def test_whether_a_user_has_mfa_can_be_asked(serving: Serving, caller: Caller) -> None:
    asked = {"scope": PARTNER_CENTER_SCOPE, "as_user": True, "ValidateMfa": "true"}
    assert caller.get("/v1/invoices", **asked).headers["isMfaCompliant"] == "true"
    assert "isMfaCompliant" not in caller.get("/v1/invoices", scope=PARTNER_CENTER_SCOPE).headers
    with serving("mfa-required") as without:
        refused = without.get("/v1/invoices", **asked)
    assert (refused.status_code, refused.json()["code"]) == (401, "900421")
    assert refused.headers["isMfaCompliant"] == "false"
