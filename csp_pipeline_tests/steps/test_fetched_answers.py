"""Files of fetched answers on their way from bytes to the tables of Partner Center."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from csp_pipeline.steps.ingest import create_staged_views, load_file_catalogue
from csp_pipeline.steps.partner_center import build_partner_center
from csp_pipeline.storage.warehouse import writing

if TYPE_CHECKING:
    from csp_pipeline_tests.steps.inbox_case import InboxCase

CUSTOMERS = ("c-1", "c-2")


def answers(path: str, *bodies: object) -> str:
    """One answer per customer at `/v1/customers/{id}/…`."""
    told = zip(CUSTOMERS, bodies, strict=True)
    return "".join(json.dumps({"uri": f"/v1/customers/{one}/{path}", "body": body}) + "\n" for one, body in told)


def order(number: str, quantity: int) -> dict[str, object]:
    line = {"lineItemNumber": 0, "offerId": "P:0001:A", "subscriptionId": "s-1", "quantity": quantity}
    more = {"currencyCode": "EUR", "creationDate": "2026-10-01T00:00:00Z", "status": "completed"}
    return {"id": number, "lineItems": [line], **more}


def test_answers_become_tables_and_empty_ones_are_staged_without_rows(case: InboxCase) -> None:
    nothing = {"totalCount": 0, "items": []}
    entitlement = {"id": "e-1", "friendlyName": "Shop", "status": "active", "subscriptionId": "s-2"}
    report = case.ingest(
        o__jsonl=answers("orders", {"items": [order("o-1", 5)]}, nothing),
        a__jsonl=answers("agreements", nothing, nothing),
        s__jsonl=answers("directSignedMicrosoftCustomerAgreementStatus", {"isSigned": True}, {"isSigned": False}),
        p__jsonl=answers("orders/o-1/provisioningstatus", {"items": []}, None),
        e__jsonl=answers("subscriptions/s-2/azureEntitlements", {"items": [entitlement]}, nothing),
    )
    assert {file.name: (file.status, file.kind, file.rows_staged, file.message) for file in report.files} == {
        "o.jsonl": ("staged", "orders", 1, ""),
        "a.jsonl": ("staged", "agreements", 0, ""),
        "s.jsonl": ("staged", "direct_signed", 2, ""),
        "p.jsonl": ("staged", "order_provisioning", 0, ""),
        "e.jsonl": ("staged", "azure_entitlements", 1, ""),
    }
    with writing(case.home) as connection:
        load_file_catalogue(connection, case.home)
        create_staged_views(connection, case.home)
        build_partner_center(connection, case.home)
        found = connection.execute("SELECT customer_id, order_id, quantity FROM partner_center.orders").fetchall()
        signed = connection.execute("SELECT customer_id, method FROM partner_center.agreements").fetchall()
        azure = connection.execute(
            "SELECT customer_id, entitlement_id FROM partner_center.azure_entitlements"
        ).fetchall()
    assert found == [("c-1", "o-1", 5)]
    assert signed == [("c-1", "direct_signed")]
    assert azure == [("c-1", "e-1")]
    assert not case.ingest().files


def test_of_a_customer_told_twice_on_a_day_the_later_word_counts(case: InboxCase) -> None:
    for name in "abcdef":
        told = {"id": "c-1", "companyProfile": {"companyName": name, "domain": "a.example.com"}}
        case.ingest(**{f"{name}__jsonl": json.dumps({"uri": "/v1/customers", "body": {"items": [told]}}) + "\n"})
    with writing(case.home) as connection:
        load_file_catalogue(connection, case.home)
        create_staged_views(connection, case.home)
        build_partner_center(connection, case.home)
        assert connection.execute("SELECT name FROM partner_center.customers").fetchall() == [("f",)]


def test_an_answer_that_is_an_error_is_refused_and_the_rest_goes_on(case: InboxCase) -> None:
    error = {"code": 900421, "description": "no MFA"}
    report = case.ingest(
        o__jsonl=answers("orders", error, error), g__jsonl=answers("orders", {"items": [order("o-1", 5)]}, None)
    )
    told = {file.name: file for file in report.files}
    assert (told["o.jsonl"].status, told["g.jsonl"].status) == ("refused", "staged")
    assert "expected the fields of a collection of orders" in told["o.jsonl"].message
