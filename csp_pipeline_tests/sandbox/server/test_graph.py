"""Graph's exports behave as published: accepted, polled, told by a manifest with properties of the published types."""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from csp_pipeline.sandbox.documents import write_document
from csp_pipeline_tests.sandbox.received import amount, rows_of
from csp_pipeline_tests.sandbox.server.caller import BILLING, Caller, Json

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from csp_pipeline.sandbox.partner import Partner

OPERATION = {"id": "String", "createdDateTime": "DateTimeOffset", "lastActionDateTime": "DateTimeOffset"}
MANIFEST = {
    "id": "String",
    "schemaVersion": "String",
    "dataFormat": "String",
    "createdDateTime": "DateTimeOffset",
    "eTag": "String",
    "partnerTenantId": "String",
    "rootDirectory": "String",
    "sasToken": "String",
    "partitionType": "String",
    "blobCount": "Int32",
    "blobs": "Collection(blob)",
}
BLOB = {"name": "String", "partitionValue": "String"}
STATUSES = ("notStarted", "running", "succeeded", "failed", "unknownFutureValue")
OFFSET_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,12})?Z")


def _is_of(value: Any, edm: str) -> bool:  # noqa: ANN401  (any JSON value)
    if edm == "Int32":
        return isinstance(value, int) and not isinstance(value, bool) and -(2**31) <= value < 2**31
    if edm == "DateTimeOffset":
        return bool(OFFSET_TIME.fullmatch(value)) and datetime.fromisoformat(value).tzinfo is not None
    if edm == "Collection(blob)":
        return all(set(blob) == set(BLOB) and _wrong(blob, BLOB) == [] for blob in value)
    return isinstance(value, str) and bool(value)


def _wrong(entity: Json, types: dict[str, str]) -> list[str]:
    """Properties that are missing or not of their published type."""
    return [name for name, edm in types.items() if name not in entity or not _is_of(entity[name], edm)]


def test_an_export_is_accepted_with_a_location_and_no_body(caller: Caller, partner: Partner) -> None:
    body = {"invoiceId": partner.documents[0].number, "attributeSet": "full"}
    for action in ("export", "microsoft.graph.partners.billing.export"):
        answer = caller.post(f"{BILLING}/usage/billed/{action}", body)
        assert (answer.status_code, answer.content) == (202, b"")
        assert answer.headers["Location"].startswith(f"{caller.connection.graph_url}{BILLING}/operations/")


def test_an_operation_runs_before_it_succeeds_and_has_the_published_types(caller: Caller, partner: Partner) -> None:
    location = caller.start("usage/billed", invoiceId=partner.documents[0].number)
    operations = list(caller.operations(location))
    *before, last = operations
    assert [operation["status"] in ("notStarted", "running") for operation in before] == [True] * len(before)
    assert before
    kinds = {operation["@odata.type"] for operation in before}
    assert kinds == {"#microsoft.graph.partners.billing.runningOperation"}
    assert last["@odata.type"] == "#microsoft.graph.partners.billing.exportSuccessOperation"
    assert last["status"] == "succeeded"
    assert [_wrong(operation, OPERATION) for operation in operations] == [[]] * len(operations)
    assert {operation["status"] for operation in operations} <= set(STATUSES)


def test_the_manifest_comes_inline_and_by_link_in_turn_and_is_the_same(caller: Caller, partner: Partner) -> None:
    number = partner.documents[0].number
    ended = [caller.finished("usage/billed", invoiceId=number) for _ in range(2)]
    inline = next(operation["resourceLocation"] for operation in ended if "resourceLocation" in operation)
    links = [operation.get("resourceLocation@odata.navigationLink") for operation in ended]
    linked = caller.get(next(link for link in links if link)).json()
    assert _wrong(inline, MANIFEST) == _wrong(linked, MANIFEST) == []
    for name in set(MANIFEST) - {"sasToken"}:
        assert inline[name] == linked[name]
    assert linked["blobCount"] == len(linked["blobs"]) > 1
    assert linked["partnerTenantId"] == caller.connection.tenant_id
    assert f"/BillingMonth=202608/InvoiceId={number}/" in linked["rootDirectory"]


@pytest.mark.parametrize(
    ("resource", "body"),
    [
        ("usage/billed", {"invoiceId": "D000000001"}),
        ("reconciliation/billed", {"invoiceId": "G999999999"}),
        ("usage/unbilled", {"currencyCode": "CHF", "billingPeriod": "current"}),
        ("usage/unbilled", {"currencyCode": "EUR", "billingPeriod": "last"}),
    ],
)
def test_what_graph_does_not_have_ends_in_failure_5000(caller: Caller, resource: str, body: dict[str, str]) -> None:
    failed = caller.finished(resource, **body)
    assert failed["@odata.type"] == "#microsoft.graph.partners.billing.failedOperation"
    assert (failed["status"], failed["error"]["code"]) == ("failed", "5000")
    assert _wrong(failed, OPERATION) == _wrong(failed["error"], {"code": "String", "message": "String"}) == []


@pytest.mark.parametrize(
    ("resource", "body", "named"),
    [
        ("usage/billed", {"attributeSet": "full"}, "invoiceId"),
        ("usage/billed", {"invoiceId": "G061000001"}, "attributeSet"),
        ("usage/billed", {"invoiceId": "G061000001", "attributeSet": "some"}, "attributeSet"),
        ("usage/unbilled", {"billingPeriod": "current", "attributeSet": "full"}, "currencyCode"),
        ("usage/unbilled", {"currencyCode": "EUR", "attributeSet": "full"}, "billingPeriod"),
    ],
)
def test_a_body_that_lacks_something_is_a_bad_request(
    caller: Caller, resource: str, body: dict[str, str], named: str
) -> None:
    answer = caller.post(f"{BILLING}/{resource}/export", body)
    assert answer.status_code == 400
    assert named in answer.json()["error"]["message"]


def test_only_reconciliation_of_an_invoice_may_leave_the_attribute_set_out(caller: Caller, partner: Partner) -> None:
    body = {"invoiceId": partner.documents[0].number}
    assert caller.post(f"{BILLING}/reconciliation/billed/export", body).status_code == 202


@pytest.fixture(scope="module")
def inbox(partner: Partner, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first invoice as the generator writes it into an inbox."""
    folder = tmp_path_factory.mktemp("inbox")
    write_document(partner.scenario, partner.documents[0], partner.seat_lines, folder)
    return folder


TOLD = {
    "usage": ("entitlementid", "meterid", "quantity", "billingpretaxtotal", "tags"),
    "reconciliation": ("subscriptionid", "skuid", "billablequantity", "subtotal", "taxtotal"),
}


@pytest.mark.parametrize(("kind", "file_kind"), [("usage", "dailyratedusage"), ("reconciliation", "reconciliation")])
def test_an_export_has_the_rows_of_the_inbox_files(
    caller: Caller, partner: Partner, inbox: Path, kind: str, file_kind: str
) -> None:
    manifest = caller.manifest(f"{kind}/billed", invoiceId=partner.documents[0].number)

    def told(row: dict[str, Any]) -> tuple[object, ...]:
        lower = {name.lower(): value or "" for name, value in row.items()}
        return tuple(
            amount(lower[column]) if column.endswith(("quantity", "total")) else lower[column] for column in TOLD[kind]
        )

    assert Counter(map(told, caller.rows(manifest))) == Counter(map(told, rows_of(inbox, file_kind)))


def test_unbilled_rows_are_those_of_the_open_month_and_have_no_invoice(caller: Caller, partner: Partner) -> None:
    for kind in ("usage", "reconciliation"):
        manifest = caller.manifest(f"{kind}/unbilled", currencyCode="EUR", billingPeriod="current")
        rows = caller.rows(manifest)
        assert {row["invoiceNumber"] for row in rows} == {""}
        assert {row.get("usageDate", row["chargeStartDate"])[:7] for row in rows} == {partner.scenario.open_month}
        assert "/Currency=EUR/" in manifest["rootDirectory"]


def test_the_basic_set_leaves_out_the_credit_and_keeps_every_digit(caller: Caller, partner: Partner) -> None:
    number = partner.documents[0].number
    full = caller.rows(caller.manifest("usage/billed", invoiceId=number))
    basic = caller.rows(caller.manifest("usage/billed", invoiceId=number, attributeSet="basic"))
    assert set(full[0]) - set(basic[0]) >= {"partnerEarnedCreditPercentage", "tags", "meterId", "resourceGroup"}
    assert [row["billingPreTaxTotal"] for row in basic] == [row["billingPreTaxTotal"] for row in full]
    assert sum(Decimal(row["quantity"]) for row in basic) > 0


def test_a_blob_opens_with_its_signature_alone(caller: Caller, partner: Partner) -> None:
    manifest = caller.manifest("usage/billed", invoiceId=partner.documents[0].number)
    other = caller.manifest("usage/billed", invoiceId=partner.documents[1].number)
    assert caller.blob(manifest).status_code == 200
    assert caller.blob(manifest | {"sasToken": other["sasToken"]}).status_code == 403
    assert caller.blob(manifest | {"sasToken": ""}).status_code == 403
    assert caller.blob(manifest | {"blobs": [{"name": "part-99999.json.gz"}]}).status_code == 404
    url = f"{manifest['rootDirectory']}/{manifest['blobs'][0]['name']}?{manifest['sasToken']}"
    assert caller.get(url).headers["x-ms-error-code"] == "InvalidAuthenticationInfo"


def test_a_signature_expires_and_the_manifest_gives_a_new_one(
    serving: Callable[..., AbstractContextManager[Caller]], partner: Partner
) -> None:
    now = [0.0]
    with serving(signature_seconds=60, clock=lambda: now[0]) as caller:
        manifest = caller.manifest("reconciliation/billed", invoiceId=partner.documents[0].number)
        assert caller.blob(manifest).status_code == 200
        now[0] = 60.0
        refused = caller.blob(manifest)
        assert (refused.status_code, refused.headers["x-ms-error-code"]) == (403, "AuthenticationFailed")
        again = caller.get(f"{BILLING}/manifests/{manifest['id']}").json()
        assert caller.blob(again).status_code == 200


def test_part_of_a_blob_can_be_asked_for(caller: Caller, partner: Partner) -> None:
    manifest = caller.manifest("usage/billed", invoiceId=partner.documents[0].number)
    url = f"{manifest['rootDirectory']}/{manifest['blobs'][0]['name']}?{manifest['sasToken']}"
    whole, part = caller.http.get(url), caller.http.get(url, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole.content[10:20])
