"""What Partner Center's routes tell: who exists, what they have, page by page, and what is refused."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from csp_pipeline.sandbox.generate import generate
from csp_pipeline_tests.sandbox.server.partner_center_case import SMALL, PartnerCenterCaller, calling, state_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SIGNED_DIRECTLY, UNSIGNED = 11, 5


@pytest.fixture(scope="module")
def service() -> Iterator[PartnerCenterCaller]:
    with calling(state_of()) as caller:
        yield caller


def customer_ids(service: PartnerCenterCaller) -> list[str]:
    return [item["id"] for item in service.items("/v1/customers?size=500")]


@pytest.mark.parametrize("size", [1, 5, 12, 500])
def test_customers_are_paged_by_a_token_sent_back_as_a_header(service: PartnerCenterCaller, size: int) -> None:
    pages = list(service.pages(f"/v1/customers?size={size}"))
    assert [page["totalCount"] for page in pages] == [len(page["items"]) for page in pages]
    assert all(len(page["items"]) <= size for page in pages)
    found = [item["id"] for page in pages for item in page["items"]]
    assert found == list(service.state.customers)
    following = [page["links"]["next"] for page in pages[:-1]]
    assert all("seekOperation=Next" in link["uri"] for link in following)
    assert all(link["headers"][0]["key"] == "MS-ContinuationToken" for link in following)


def test_invoices_are_paged_by_size_and_offset(service: PartnerCenterCaller) -> None:
    pages = list(service.pages("/v1/invoices?size=3&offset=0"))
    assert [len(page["items"]) for page in pages] == [3, 1]
    assert pages[0]["links"]["next"] == {"uri": "/invoices?size=3&offset=3", "method": "GET", "headers": []}


@pytest.mark.parametrize(
    ("uri", "headers"),
    [
        ("/v1/customers?size=0", {}),
        ("/v1/customers?size=many", {}),
        ("/v1/customers?seekOperation=Next", {}),
        ("/v1/customers", {"MS-ContinuationToken": "AAAA"}),
        ("/v1/invoices?offset=-1", {}),
        ("/v1/customers?filter={}", {}),
        ("/v1/invoices?filter={}", {}),
        ("/v1/auditrecords?startDate=yesterday", {}),
        ("/v1/auditrecords?startDate=2026-10-02&endDate=2026-10-01", {}),
        ("/v1/auditrecords?startDate=2026-07-06", {}),
        ("/v1/auditrecords?filter=CustomerId", {}),
        ("/v1/agreements?agreementType=Handshake", {}),
        ("/v1.0/sales/fxrates(Month='2026-9')/$value", {}),
    ],
)
def test_what_makes_no_sense_is_refused_in_the_error_envelope(
    service: PartnerCenterCaller, uri: str, headers: dict[str, str]
) -> None:
    refusal = service.get(uri, 400, **headers)
    assert refusal.keys() == {"code", "description", "data", "source"}
    assert refusal["code"] == "800002"


def test_a_token_of_one_collection_does_not_continue_another(service: PartnerCenterCaller) -> None:
    token = service.get("/v1/customers?size=1")["links"]["next"]["headers"][0]["value"]
    service.get("/v1/auditrecords", 400, **{"MS-ContinuationToken": token})


@pytest.mark.parametrize(
    "path",
    [
        "/v1/customers/{none}",
        "/v1/customers/{none}/subscriptions",
        "/v1/customers/{customer}/subscriptions/{none}",
        "/v1/customers/{customer}/subscriptions/{none}/provisioningstatus",
        "/v1/customers/{customer}/orders/{none}",
        "/v1/customers/{none}/agreements",
        "/v1/invoices/G999",
        "/v1/invoices/G999/lineitems?provider=onetime&invoicelineitemtype=billinglineitems",
        "/v1/invoices/G999/documents/statement",
        "/v1.0/sales/pricesheets(Market='XX',PricesheetView='software')/$value",
    ],
)
def test_a_name_that_nobody_has_is_not_found(service: PartnerCenterCaller, path: str) -> None:
    uri = path.format(none="00000000-0000-4000-8000-000000000000", customer=customer_ids(service)[0])
    assert service.get(uri, 404)["code"] in ("1000", "20000", "20003")


def test_some_resources_need_a_user(service: PartnerCenterCaller) -> None:
    customer_id = customer_ids(service)[0]
    needing = [
        "/v1/invoices/summaries",
        f"/v1/customers/{customer_id}/directSignedMicrosoftCustomerAgreementStatus",
        "/v1.0/sales/fxrates(Month='202609')/$value",
    ]
    for uri in needing:
        assert service.http.get(uri, headers={"Authorization": "Bearer app"}).status_code == 403
    for uri in ("/v1/invoices", "/v1/customers", "/v1/auditrecords"):
        assert service.http.get(uri, headers={"Authorization": "Bearer app"}).status_code == 200
        assert service.http.get(uri).status_code == 401


def test_every_answer_carries_the_identifiers_of_its_request(service: PartnerCenterCaller) -> None:
    sent = {"MS-RequestId": "11111111-1111-4111-8111-111111111111", "MS-CorrelationId": "2222", "Authorization": "x"}
    for uri in ("/v1/customers", "/v1/customers/none"):
        headers = service.http.get(uri, headers=sent).headers
        assert (headers["MS-RequestId"], headers["MS-CorrelationId"]) == (sent["MS-RequestId"], "2222")
        assert headers["MS-CV"]
        assert headers["MS-ServerId"]


def test_the_inbox_holds_what_the_server_tells(tmp_path: Path) -> None:
    generate(tmp_path, usage_rows=100, months=("2026-08", "2026-09"), currencies=("EUR", "USD"))
    inbox = tmp_path / "inbox"

    def collected(name: str) -> list[dict[str, object]]:
        content: list[dict[str, object]] = json.loads((inbox / f"{name}.json").read_text("utf-8"), parse_float=Decimal)[
            "items"
        ]
        return content

    with calling(state_of(replace(SMALL, customers=14), folder=tmp_path)) as service:
        assert service.items("/v1/customers") == collected("customers")
        assert service.items("/v1/invoices") == collected("invoices")
        told, agreed = [], []
        for customer_id in customer_ids(service):
            for item in service.get(f"/v1/customers/{customer_id}/subscriptions")["items"]:
                del item["refundableQuantity"]
                told.append({"customerId": customer_id, **item})
            agreements = service.get(f"/v1/customers/{customer_id}/agreements")["items"]
            agreed += [{"customerId": customer_id, **item} for item in agreements]
        by_id = {item["id"]: item for item in collected("subscriptions")}
        assert {item["id"]: item for item in told} == by_id
        assert agreed == collected("agreements")
        for name in (
            "orders",
            "azure_entitlements",
            "direct_signed",
            "subscription_provisioning",
            "order_provisioning",
        ):
            lines = (inbox / f"{name}.json").read_text("utf-8").splitlines()
            assert lines, name
            for line in lines:
                response = json.loads(line)
                assert service.get(response["uri"]) == response["body"]


def test_items_of_a_customer_do_not_repeat_whose_they_are(service: PartnerCenterCaller) -> None:
    for customer_id in customer_ids(service):
        for resource in ("subscriptions", "agreements"):
            for item in service.get(f"/v1/customers/{customer_id}/{resource}")["items"]:
                assert "customerId" not in item


def test_subscriptions_can_be_chosen_by_order(service: PartnerCenterCaller) -> None:
    customer_id = customer_ids(service)[0]
    uri = f"/v1/customers/{customer_id}"
    order = service.items(f"{uri}/orders")[0]
    chosen = service.get(f"{uri}/subscriptions?order_id={order['id']}")["items"]
    assert [item["id"] for item in chosen] == [order["lineItems"][0]["subscriptionId"]]
    assert service.get(f"{uri}/orders/{order['id']}") == order
    assert service.get(f"{uri}/subscriptions?mpn_id=1")["items"] == []


def test_an_agreement_is_attested_by_the_partner_or_signed_directly_or_missing(service: PartnerCenterCaller) -> None:
    ids = customer_ids(service)
    signed = [service.get(f"/v1/customers/{one}/directSignedMicrosoftCustomerAgreementStatus") for one in ids]
    attested = [bool(service.get(f"/v1/customers/{one}/agreements")["items"]) for one in ids]
    assert [status == {"isSigned": True} for status in signed].index(True) == SIGNED_DIRECTLY
    assert [number for number, has in enumerate(attested) if not has] == [UNSIGNED, SIGNED_DIRECTLY]


def test_an_agreement_can_be_confirmed_once() -> None:
    with calling(state_of()) as service:
        customer_id = customer_ids(service)[UNSIGNED]
        template = service.get("/v1/agreements?agreementType=MicrosoftCustomerAgreement")["items"][0]
        body = {
            "primaryContact": {"firstName": "Ines", "lastName": "Berg", "email": "ines@example.com"},
            "templateId": template["templateId"],
            "dateAgreed": "2026-10-01T00:00:00Z",
            "type": "MicrosoftCustomerAgreement",
        }
        uri = f"/v1/customers/{customer_id}/agreements"
        headers = {"Authorization": "Bearer user", "MS-RequestId": "first"}
        for _ in range(2):  # sent again under the same id it counts once
            answer = service.http.post(uri, json=body, headers=headers)
            assert (answer.status_code, answer.json()["dateAgreed"]) == (201, body["dateAgreed"])
        refusal = service.http.post(uri, json=body, headers=headers | {"MS-RequestId": "second"})
        assert (refusal.status_code, refusal.json()["code"]) == (400, 600061)
        assert len(service.get(uri)["items"]) == 1
        del headers["MS-RequestId"]
        assert service.http.post(uri, json={**body, "type": "Handshake"}, headers=headers).status_code == 400
        assert service.http.post(uri, json={"type": body["type"]}, headers=headers).status_code == 400
        assert service.http.post(uri, content=b"{", headers=headers).status_code == 400


def test_agreement_templates_default_to_the_older_agreement_of_which_there_are_none(
    service: PartnerCenterCaller,
) -> None:
    assert service.get("/v1/agreements")["items"] == []
    assert len(service.get("/v1/agreements?agreementType=*")["items"]) == 1


def test_audit_records_are_those_of_the_days_asked_for(service: PartnerCenterCaller) -> None:
    uri = "/v1/auditrecords?startDate=2026-07-07&endDate=2026-10-05"
    every = service.items(f"{uri}&size=3")
    assert len(every) == len(service.state.audit_records) > 3
    assert [record["operationDate"] for record in every] == sorted(record["operationDate"] for record in every)
    day = every[0]["operationDate"][:10]
    of_day = service.items(f"/v1/auditrecords?startDate={day}&endDate={day}")
    assert of_day == [record for record in every if record["operationDate"].startswith(day)]
    customer_id = every[0]["customerId"]
    condition = json.dumps({"Field": "CustomerId", "Value": customer_id, "Operator": "equals"})
    assert {record["customerId"] for record in service.items(f"{uri}&filter={condition}")} == {customer_id}
    condition = json.dumps({"Field": "CompanyName", "Value": every[0]["customerName"][1:4], "Operator": "substring"})
    assert every[0] in service.items(f"{uri}&filter={condition}")


def test_the_fault_of_a_repeated_page_makes_pages_small() -> None:
    with calling(state_of(SMALL, "duplicate-page")) as service:
        assert [len(page["items"]) for page in service.pages("/v1/customers?size=500")] == [5, 5, 2]


def rows_of(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8"), newline="")))


@pytest.mark.parametrize(
    ("view", "columns", "count"),
    [
        ("azure_consumption", 18, 0),
        ("azure_reservations", 18, 2),
        ("updatedlicensebased", 18, 39),
        ("marketplace", 18, 3),
    ],
)
def test_price_sheets_have_the_published_columns(
    service: PartnerCenterCaller, view: str, columns: int, count: int
) -> None:
    uri = f"/v1.0/sales/pricesheets(Market='DE',PricesheetView='{view}')/$value?timeline=history&month=202609"
    answer = service.http.get(uri, headers={"Authorization": "Bearer user", "Accept-Encoding": "identity"})
    rows = rows_of(answer.content)
    assert {len(row) for row in rows} == {columns}
    assert len(rows) == count or (view == "azure_consumption" and len(rows) > 20)
    assert all(Decimal(row["UnitPrice"]) >= 0 for row in rows)
    assert {row["EffectiveStartDate"] for row in rows} == {"9/1/2026 12:00:00 AM"}


def test_a_year_costs_twelve_months_of_the_price_on_the_invoice(service: PartnerCenterCaller) -> None:
    uri = "/v1.0/sales/pricesheets(Market='DE',PricesheetView='updatedlicensebased')/$value"
    rows = rows_of(service.http.get(uri, headers={"Authorization": "Bearer user"}).content)
    found = {
        (row["SkuId"], row["ProductId"], row["TermDuration"], row["BillingPlan"]): row["UnitPrice"] for row in rows
    }
    assert found["0002", "CFQ7TTC0LCHC", "P1Y", "Annual"] == "184.08"  # 17.60 USD x 0.871352906 = 15.34 EUR, times 12


def test_exchange_rates_tell_dollars_for_a_unit_and_come_zipped_if_wanted(service: PartnerCenterCaller) -> None:
    uri, headers = "/v1.0/sales/fxrates(Month='202609')/$value", {"Authorization": "Bearer user"}
    plain = service.http.get(uri, headers=headers | {"Accept-Encoding": "identity"}).content
    rates = {row["CurrencyCode"]: Decimal(row["USDPerUnit"]) for row in rows_of(plain)}
    assert rates["USD"] == 1
    eur = next(currency for currency in service.state.scenario.currencies if currency.code == "EUR")
    assert abs(rates["EUR"] * service.state.scenario.fx(eur, "2026-09") - 1) < Decimal("1E-15")
    zipped = service.http.get(uri, headers=headers | {"Accept-Encoding": "deflate"}).content
    with zipfile.ZipFile(io.BytesIO(zipped)) as archive:
        assert archive.read("fxrates.csv") == plain
