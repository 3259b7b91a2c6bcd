"""Each resource of Partner Center, in the shape in which it is documented, gives the rows it should."""

from __future__ import annotations

import json
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from csp_pipeline.formats.recognition import FORMATS
from csp_pipeline_tests.formats.test_answers import CUSTOMER, PLAN, answer, opened, read

if TYPE_CHECKING:
    from collections.abc import Mapping

ORDER = {
    "id": "9qg-ErcO-4MPb",
    "referenceCustomerId": CUSTOMER,
    "billingCycle": "monthly",
    "transactionType": "UserPurchase",
    "currencyCode": "EUR",
    "lineItems": [
        {
            "lineItemNumber": 0,
            "offerId": "CFQ7TTC0LH18:0001:CFQ7TTC0K971",
            "subscriptionId": "s-1",
            "friendlyName": "Microsoft 365 E3",
            "quantity": 25,
            "termDuration": "P1Y",
            "transactionType": "New",
            "pricing": {"listPrice": 36.0, "price": 32.1234, "extendedPrice": 803.08},
            "links": {"sku": {"uri": "/products/CFQ7TTC0LH18/skus/0001?country=DE", "method": "GET", "headers": []}},
        },
        {"lineItemNumber": 1, "offerId": "CFQ7TTC0HL8W:0001:X", "friendlyName": "Power BI", "quantity": 1},
    ],
    "creationDate": "2026-03-06T17:37:05.253-08:00",
    "status": "completed",
    "links": {"self": {"uri": f"/customers/{CUSTOMER}/orders/9qg-ErcO-4MPb", "method": "GET", "headers": []}},
    "attributes": {"etag": "x", "objectType": "Order"},
}
LICENCE = {
    "partnerId": "p",
    "customerId": CUSTOMER,
    "customerName": "Contoso",
    "mpnId": 4391507,
    "tier2MpnId": -1,
    "orderId": "567735045559164136",
    "subscriptionId": "4KIKawEAAAAAAAEA",
    "syndicationPartnerSubscriptionNumber": "1F58ACD7",
    "offerId": "AAA5B3F0",
    "durableOfferId": "2F707C7C",
    "offerName": "EXCHANGE ONLINE (PLAN 2)",
    "domainName": "contoso.example.com",
    "billingCycleType": "MONTHLY",
    "subscriptionName": "EXCHANGE ONLINE (PLAN 2)",
    "subscriptionDescription": "EXCHANGE ONLINE (PLAN 2)",
    "subscriptionStartDate": "2026-05-12T00:00:00",
    "subscriptionEndDate": "2027-06-10T00:00:00",
    "chargeStartDate": "2026-05-12T00:00:00",
    "chargeEndDate": "2026-06-09T00:00:00",
    "chargeType": "Cycle fee",
    "unitPrice": 4.5,
    "quantity": 3,
    "amount": 13.5,
    "totalOtherDiscount": 1.35,
    "subtotal": 12.15,
    "tax": 0.0,
    "totalForCustomer": 12.15,
    "currency": "USD",
    "invoiceLineItemType": "billing_line_items",
    "billingProvider": "office",
    "attributes": {"objectType": "LicenseBasedLineItem"},
}
LEGACY_COLUMNS = (
    "PartnerId,CustomerId,CustomerName,MPNID,ResellerMPNID,OrderId,SubscriptionId,SyndicationPartnerSubscriptionNumber,"
    "OfferId,DurableOfferId,OfferName,SubscriptionStartDate,SubscriptionEndDate,ChargeStartDate,ChargeEndDate,ChargeType,"
    "UnitPrice,Quantity,Amount,TotalOtherDiscount,Subtotal,Tax,TotalForCustomer,Currency,DomainName,SubscriptionName,"
    "SubscriptionDescription,BillingCycleType"
)


def only(uri: str, body: object, **expected: object) -> None:
    """The answer has one row with these values, and the records alone are recognised as the same kind."""
    kind, (row,) = read(answer(uri, body))
    assert {name: row[name] for name in expected} == expected
    assert opened(json.dumps(body)).wire_format.kind == kind


def test_an_order_is_a_row_per_line_with_its_own_fields_on_each() -> None:
    collection = {"totalCount": 1, "items": [ORDER], "attributes": {"objectType": "Collection"}}
    kind, rows = read(answer(f"/v1/customers/{CUSTOMER}/orders", collection))
    assert kind == "orders"
    assert [(row["line_number"], row["subscription_id"], row["quantity"], row["status"]) for row in rows] == [
        (0, "s-1", 25, "completed"),
        (1, None, 1, "completed"),
    ]
    assert (
        rows[0]
        | {
            "customer_id": CUSTOMER,
            "creation_date": datetime(2026, 3, 7, 1, 37, 5, 253000),  # noqa: DTZ001
            "price": Decimal("32.1234"),
            "line_transaction_type": "New",
            "transaction_type": "UserPurchase",
        }
        == rows[0]
    )
    assert [*rows] == read(json.dumps(ORDER))[1]


def test_an_order_without_lines_or_customer_is_one_row_and_the_address_names_the_customer() -> None:
    order = {key: value for key, value in ORDER.items() if key != "referenceCustomerId"} | {
        "lineItems": [],
        "links": {},
    }
    only(f"/v1/customers/{CUSTOMER}/orders/x", order, customer_id=CUSTOMER, line_number=None, order_id=ORDER["id"])


def test_an_entitlement_belongs_to_the_plan_and_the_customer_of_its_address() -> None:
    item = {"id": "899ae6f1", "friendlyName": "Microsoft Azure", "status": "active", "subscriptionId": PLAN.upper()}
    only(
        f"/v1/customers/{CUSTOMER}/subscriptions/{PLAN}/azureEntitlements",
        {"totalCount": 1, "items": [item], "attributes": {"objectType": "Collection"}},
        customer_id=CUSTOMER,
        subscription_id=PLAN.upper(),
        entitlement_id="899ae6f1",
        status="active",
    )


def test_a_provisioning_status_is_told_of_the_subscription_in_its_address() -> None:
    status = {"skuId": "6FD2C87F", "status": "success", "quantity": 5, "endDate": "2027-05-10T00:00:00Z"}
    only(
        f"/v1/customers/{CUSTOMER}/subscriptions/s-1/provisioningstatus",
        status | {"attributes": {"objectType": "SubscriptionProvisioningStatus"}},
        customer_id=CUSTOMER,
        subscription_id="s-1",
        quantity=Decimal(5),
        end_date=date(2027, 5, 10),
    )


def test_a_status_without_an_address_is_put_aside_since_nobody_knows_whose_it_is() -> None:
    (work,) = opened('{"skuId": "x", "status": "success", "quantity": 5}').batches()
    assert [reject.reason for reject in work().rejects] == ["expected a value in subscriptionId, found none"]


def test_the_parts_of_an_order_line_are_rows() -> None:
    line: Mapping[str, object] = {
        "lineItemNumber": 0,
        "status": "Unfulfilled",
        "quantityProvisioningInformation": [
            {"quantity": 3, "status": "Fulfilled"},
            {"quantity": 2, "status": "Unfulfilled"},
        ],
    }
    bare = {"lineItemNumber": 1, "status": "PrefulfillmentPending"}
    kind, rows = read(answer(f"/v1/customers/{CUSTOMER}/orders/o-1/provisioningstatus", {"items": [line, bare]}))
    assert kind == "order_provisioning"
    assert {(row["customer_id"], row["order_id"]) for row in rows} == {(CUSTOMER, "o-1")}
    assert [(row["line_number"], row["status"], row["quantity"], row["quantity_status"]) for row in rows] == [
        (0, "Unfulfilled", 3, "Fulfilled"),
        (0, "Unfulfilled", 2, "Unfulfilled"),
        (1, "PrefulfillmentPending", None, None),
    ]


@pytest.mark.parametrize("is_signed", [True, False])
def test_direct_signing_is_told_of_the_customer_in_its_address(*, is_signed: bool) -> None:
    uri = f"/v1/customers/{CUSTOMER}/directSignedMicrosoftCustomerAgreementStatus"
    only(uri, {"isSigned": is_signed}, customer_id=CUSTOMER, is_signed=is_signed)


def test_templates_of_agreements_are_no_agreements() -> None:
    template = {
        "templateId": "117a77b0",
        "agreementType": "MicrosoftCustomerAgreement",
        "agreementLink": "https://example.com/agreement",
        "versionRank": 0,
    }
    only("/v1/agreements", {"totalCount": 1, "items": [template]}, template_id="117a77b0", version_rank=Decimal(0))


def test_a_legacy_licence_line_of_the_api_carries_the_invoice_of_its_address() -> None:
    only(
        "/v1/invoices/D0300001/lineitems?provider=office&invoicelineitemtype=billinglineitems&size=2000&offset=0",
        {"totalCount": 1, "items": [LICENCE]},
        invoice_number="D0300001",
        reseller_mpn_id="-1",
        amount=Decimal("13.5"),
        total_for_customer=Decimal("12.15"),
        charge_end_date=date(2026, 6, 9),
    )


def test_the_portal_s_legacy_licence_file_has_28_columns_and_american_dates() -> None:
    values = (
        f'p,{CUSTOMER},"Contoso, Ltd.",4391507,-1,567735045559164136,4KIK,1F58ACD7,AAA5,2F70,EXCHANGE,5/12/2026 0:00,'
        "6/10/2027 0:00,5/12/2026 0:00,6/9/2026 23:59,Cycle fee,4.5,3,13.5,1.35,12.15,0,12.15,USD,contoso.example.com,"
        "EXCHANGE,EXCHANGE,MONTHLY"
    )
    assert len(LEGACY_COLUMNS.split(",")) == len(FORMATS["legacy_licence"].columns) - 1 == 28
    kind, (row,) = read(f"{LEGACY_COLUMNS}\n{values}\n")
    assert (kind, row["charge_end_date"], row["amount"]) == ("legacy_licence", date(2026, 6, 9), Decimal("13.5"))
    assert (row["invoice_number"], row["reseller_mpn_id"], row["currency"]) == (None, "-1", "USD")


def test_legacy_usage_has_lines_with_money_and_daily_lines_without() -> None:
    shared = {
        "customerId": "9E9B71BA",
        "customerCompanyName": "600 TEST",
        "mpnId": 4390934,
        "tier2MpnId": -1,
        "invoiceNumber": "D0300001",
        "subscriptionId": "F9BA6DA0",
        "resourceGuid": "9CC63CF8",
        "region": "",
        "billingProvider": "azure",
    }
    cycle = shared | {
        "invoiceLineItemType": "billing_line_items",
        "detailLineItemId": 1,
        "consumedQuantity": 745,
        "includedQuantity": 0,
        "overageQuantity": 745,
        "listPrice": 0.085,
        "pretaxCharges": 63.33,
        "taxAmount": 6.34,
        "postTaxTotal": 69.67,
        "pretaxEffectiveRate": 0.08500671,
        "currency": "USD",
        "chargeStartDate": "2026-08-02T00:00:00",
        "chargeEndDate": "2026-09-01T00:00:00",
    }
    daily = shared | {
        "invoiceLineItemType": "usage_line_items",
        "customerBillableAccount": "1439508127",
        "usageDate": "2026-08-05T00:00:00",
        "consumedQuantity": 2.9616,
    }
    billed, used = (
        f"/v1/invoices/D0300001/lineitems?provider=azure&invoicelineitemtype={kind}lineitems"
        for kind in ("billing", "usage")
    )
    only(billed, {"items": [cycle]}, line_item_type="billing_line_items", pretax_charges=Decimal("63.33"))
    only(used, {"items": [daily]}, line_item_type="usage_line_items", usage_date=date(2026, 8, 5))
    assert opened(json.dumps({"items": [cycle]})).wire_format.kind == "legacy_usage"
    assert opened(json.dumps({"items": [daily]})).wire_format.kind == "legacy_daily_usage"


def test_v1_line_items_are_lines_and_usage_under_other_spellings() -> None:
    line = {
        "customerId": CUSTOMER,
        "invoiceNumber": "G000773581",
        "resellerMpnId": "4649221",
        "orderDate": "2021-05-20T18:30:06.6045692Z",
        "productId": "CFQ7TTC0LH0R",
        "skuId": "0002",
        "productQualifiers": ["AddOn", "Trial"],
        "chargeType": "new",
        "effectiveUnitPrice": "0",
        "subtotal": "14.40",
        "totalForCustomer": "15.84",
        "currency": "USD",
        "discountDetails": "",
        "attributes": {"objectType": "OneTimeInvoiceLineItem"},
    }
    only(
        "/v1/invoices/G000773581/lineitems?provider=onetime&invoicelineitemtype=billinglineitems&size=2000",
        {"totalCount": 1, "items": [line]},
        total=Decimal("15.84"),
        order_date=date(2021, 5, 20),
        product_qualifiers='["AddOn","Trial"]',
        reseller_mpn_id="4649221",
    )
    usage = {
        "invoiceNumber": "G000773581",
        "usageDate": "2018-11-13T00:00:00Z",
        "subscriptionId": "s",
        "entitlementId": "e",
        "unitOfMeasure": "1 Hour",
        "quantity": 23.200004,
        "billingPreTaxTotal": 0.486031696515249,
        "billingCurrency": "USD",
        "rateOfPartnerEarnedCredit": 0.15,
        "hasPartnerEarnedCredit": True,
        "rateOfCredit": 0.15,
    }
    only(
        "/v1/invoices/G000773581/lineitems?provider=onetime&invoicelineitemtype=usagelineitems&size=2000",
        {"totalCount": 1, "items": [usage]},
        billing_pre_tax_total=Decimal("0.486031696515249"),
        partner_earned_credit_percentage=Decimal(15),
        unit="1 Hour",
    )


@pytest.mark.parametrize(
    ("header", "values", "expected"),
    [
        (
            "ProductTitle,ProductId,SkuId,SkuTitle,Publisher,SkuDescription,UnitOfMeasure,TermDuration,Market,Currency,"
            "UnitPrice,PricingTierRangeMin,PricingTierRangeMax,EffectiveStartDate,EffectiveEndDate,MeterIds,MeterType,Tags",
            '"Data Security","DZH318Z0C16V","001J","Standard","Microsoft","Standard","1 Node/Month","payG-1","US",'
            '"USD","15","","","3/1/2018 12:00:00 AM","11/30/9999 11:59:59 PM","cb0969aa","1 Node/Month","Azure"',
            {"unit_price": Decimal(15), "effective_end_date": date(9999, 11, 30), "meter_ids": "cb0969aa"},
        ),
        (
            "ProductTitle,ProductId,SkuId,SkuTitle,Publisher,SkuDescription,UnitOfMeasure,TermDuration,BillingPlan,Market,"
            "Currency,UnitPrice,PricingTierRangeMin,PricingTierRangeMax,EffectiveStartDate,EffectiveEndDate,Tags,"
            "ERP Price,Segment",
            "Office,CFQ7TTC0LF8R,0001,E3,Microsoft,E3,,P1Y,Annual,DE,EUR,230.40,1,300,2026-01-01T00:00:00.0000000Z,"
            "9999-12-30T23:59:59.0000000Z,,288,Commercial",
            {"erp_price": Decimal(288), "billing_plan": "Annual", "pricing_tier_range_max": Decimal(300)},
        ),
    ],
    ids=["consumption", "licences"],
)
def test_price_sheets_of_every_view_are_one_kind(header: str, values: str, expected: dict[str, object]) -> None:
    kind, (row,) = read(f"{header}\r\n{values}\r\n")
    assert kind == "price_sheet"
    assert row | expected == row


def test_exchange_rates_keep_17_digits() -> None:
    _, (row,) = read('"CurrencyCode","USDPerUnit","Month"\n"AED","0.27224589249009701","201909"\n')
    assert (row["usd_per_unit"], row["month"]) == (Decimal("0.27224589249009701"), "201909")


def test_a_date_with_blanks_in_its_time_is_read() -> None:
    # shape of the published sample of GET /customers/{id}/subscriptions, MicrosoftDocs/partner-center-sdk@de1e6854
    item = {"id": "s", "friendlyName": "x", "quantity": 1, "status": "active"}
    item |= {"effectiveStartDate": "2015-11-24T08: 00: 00Z", "commitmentEndDate": "9999-12-10T00:00:00Z"}
    only(
        f"/v1/customers/{CUSTOMER}/subscriptions",
        {"items": [item]},
        effective_start_date=date(2015, 11, 24),
        commitment_end_date=date(9999, 12, 10),
    )
