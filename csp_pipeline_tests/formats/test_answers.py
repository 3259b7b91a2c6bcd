"""Fetched answers: the address gives the kind and the ids, nothing is lost between pages, an empty answer is sound."""

from __future__ import annotations

import io
import json
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from csp_pipeline.errors import InputFileError
from csp_pipeline.formats import json_documents
from csp_pipeline.formats.answers import kind_of
from csp_pipeline.formats.opening import open_rows

if TYPE_CHECKING:
    from csp_pipeline.formats.csv_rows import CsvRows
    from csp_pipeline.formats.json_rows import JsonRows

CUSTOMER = "14876998-c0dc-46e6-9d0c-65a57a6c32ec"
PLAN = "3f15978e-005c-b763-bb78-2a8fab289c58"


def answer(uri: str, body: object) -> str:
    return json.dumps({"uri": uri, "body": body}) + "\n"


def opened(text: str) -> CsvRows | JsonRows:
    return open_rows(io.BufferedReader(io.BytesIO(text.encode())))


def read(text: str) -> tuple[str, list[dict[str, object]]]:
    rows = opened(text)
    found: list[dict[str, object]] = []
    for work in rows.batches():
        batch = work()
        assert not batch.rejects
        found += batch.table.to_pylist()
    return rows.wire_format.kind, found


def subscriptions(customer: str, *ids: str) -> str:
    items = [{"id": one, "friendlyName": "E3", "quantity": 5, "status": "active", "orderId": "o"} for one in ids]
    items = [{**item, "creationDate": "2026-01-01T00:00:00Z"} for item in items]
    body = {"totalCount": len(items), "items": items, "attributes": {"objectType": "Collection"}}
    return answer(f"/v1/customers/{customer}/subscriptions", body)


@pytest.mark.parametrize(
    ("uri", "kind"),
    [
        ("/v1/customers?size=500", "customers"),
        ("/customers", "customers"),
        (f"/v1/customers/{CUSTOMER}/subscriptions", "subscriptions"),
        (f"/v1/customers/{CUSTOMER}/subscriptions/{PLAN}", "subscriptions"),
        (f"/v1/customers/{CUSTOMER}/subscriptions/{PLAN}/provisioningstatus", "subscription_provisioning"),
        (f"/v1/customers/{CUSTOMER}/subscriptions/{PLAN}/azureEntitlements", "azure_entitlements"),
        (f"/v1/customers/{CUSTOMER}/orders?include_price=true", "orders"),
        (f"/v1/customers/{CUSTOMER}/orders/o-1/provisioningstatus", "order_provisioning"),
        (f"/v1/customers/{CUSTOMER}/agreements?agreementType=MicrosoftCustomerAgreement", "agreements"),
        (f"/v1/customers/{CUSTOMER}/directSignedMicrosoftCustomerAgreementStatus", "direct_signed"),
        ("/v1/agreements?agreementType=MicrosoftCustomerAgreement", "agreement_metadata"),
        ("/v1/auditrecords?startDate=2026-10-01&endDate=2026-10-01&size=500", "audit_records"),
        ("/v1/invoices?size=100&offset=0", "invoice_headers"),
        ("/v1/invoices/G000000001", "invoice_headers"),
        ("/v1/invoices/summary", None),
        ("/v1/invoices/summaries", None),
        ("/v1/invoices/G1/lineitems?provider=onetime&invoicelineitemtype=billinglineitems&size=2000", "reconciliation"),
        ("/v1/invoices/G1/lineitems?Provider=OneTime&invoiceLineItemType=UsageLineItems", "daily_usage"),
        ("/v1/invoices/unbilled/lineitems?provider=onetime&invoicelineitemtype=usagelineitems", "daily_usage"),
        ("/invoices/OneTime-G1/lineitems/OneTime/BillingLineItems", "reconciliation"),
        ("/v1/invoices/D1/lineitems?provider=office&invoicelineitemtype=billinglineitems", "legacy_licence"),
        ("/v1/invoices/D1/lineitems?provider=azure&invoicelineitemtype=usagelineitems&offset=2", "legacy_daily_usage"),
        ("/v1/invoices/D1/lineitems", None),
        ("/v1/something/else", None),
    ],
)
def test_the_address_gives_the_kind(uri: str, kind: str | None) -> None:
    assert kind_of(uri) == kind


def test_the_pages_of_many_customers_are_one_file_and_the_address_names_the_customer() -> None:
    kind, rows = read(subscriptions("c-1", "a", "b") + subscriptions("c-2") + subscriptions("c-3", "c"))
    assert kind == "subscriptions"
    assert [(row["customer_id"], row["subscription_id"]) for row in rows] == [("c-1", "a"), ("c-1", "b"), ("c-3", "c")]
    assert [row["source_row"] for row in rows] == [1, 2, 3]


@pytest.mark.parametrize(
    "body",
    [{"totalCount": 0, "items": [], "attributes": {"objectType": "Collection"}}, {"items": []}, [], None],
    ids=["collection", "items", "list", "nothing"],
)
def test_an_empty_answer_is_sound_and_its_address_gives_the_kind(body: object) -> None:
    text = answer(f"/v1/customers/{CUSTOMER}/agreements", body)
    assert read(text) == ("agreements", [])
    assert opened(text).may_be_empty


def test_an_empty_answer_of_an_unknown_address_is_refused() -> None:
    with pytest.raises(InputFileError, match="only empty ones of /v1/something"):
        opened(answer("/v1/something", {"items": []}))


def test_an_unknown_address_leaves_the_kind_to_the_fields() -> None:
    text = subscriptions("c-1", "a").replace("/v1/customers/c-1/subscriptions", "/v2/partner/customers/c-1/seats")
    kind, rows = read(text)
    assert (kind, rows[0]["customer_id"]) == ("subscriptions", "c-1")


def test_answers_of_two_kinds_in_one_file_are_refused() -> None:
    text = subscriptions("c-1", "a") + answer("/v1/customers/c-1/orders", {"items": []})
    with pytest.raises(InputFileError, match="expected answers of one kind, found subscriptions and orders"):
        list(opened(text).batches())


def test_an_answer_with_other_fields_than_its_address_promises_is_refused() -> None:
    with pytest.raises(InputFileError, match="expected the fields of a collection of orders, found others"):
        opened(answer("/v1/customers/c-1/orders", {"code": 900421, "description": "no MFA"}))


def test_what_is_no_answer_among_answers_is_refused() -> None:
    with pytest.raises(InputFileError, match="answers of the form"):
        list(opened(subscriptions("c-1", "a") + '{"id": "x"}\n').batches())


def test_a_file_of_answers_that_breaks_off_is_refused() -> None:
    with pytest.raises(InputFileError, match="breaks off"):
        list(opened(subscriptions("c-1", "a") + subscriptions("c-2", "b")[:-20]).batches())


@pytest.mark.parametrize("size", [7, 64, 1 << 20])
def test_bodies_over_several_lines_and_characters_cut_between_reads_are_read(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_documents, "_READ", size)
    text = "".join(subscriptions(f"c-{place}", "ä", "€") for place in range(3))
    pretty = text.replace(", ", ",\n  ").replace('"uri": ', '"uri":').replace(',\n  "body"', ', "body"', 1)
    pretty = pretty.replace("\\u00e4", "ä").replace("\\u20ac", "€")
    _, rows = read(pretty)
    assert [row["subscription_id"] for row in rows] == ["ä", "€"] * 3


def test_numbers_of_answers_keep_every_digit() -> None:
    text = answer(
        "/v1/invoices/D0000001/lineitems?provider=azure&invoicelineitemtype=billinglineitems",
        {
            "items": [
                {
                    "invoiceLineItemType": "billing_line_items",
                    "subscriptionId": "s",
                    "resourceGuid": "r",
                    "consumedQuantity": "@",
                    "pretaxCharges": 63.33,
                }
            ]
        },
    )
    _, (row,) = read(text.replace('"@"', "0.123456789012345678"))
    assert (row["consumed_quantity"], row["pretax_charges"]) == (Decimal("0.123456789012345678"), Decimal("63.33"))
