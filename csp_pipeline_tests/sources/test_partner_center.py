"""The resources of Partner Center over real HTTP: where they live, whose token they need, what comes back."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, NamedTuple, cast
from urllib.parse import unquote

import pytest
from starlette.responses import JSONResponse, Response

from csp_pipeline.errors import UsageError
from csp_pipeline.sources.calls import Calls
from csp_pipeline.sources.pace import Pace
from csp_pipeline.sources.paging import IncompleteAnswerError
from csp_pipeline.sources.partner_center import PartnerCenter, PrimaryContact
from csp_pipeline.sources.provider_errors import RefusedError
from csp_pipeline_tests.sources.answering import Service, TwoTokens, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from csp_pipeline.sources.login import Login
    from csp_pipeline.sources.partner_center import Page

EMPTY = {"totalCount": 0, "items": []}
MCA = "agreementType=MicrosoftCustomerAgreement"
TODAY = date(2026, 3, 31)


class CountedPace(Pace):
    """A pace that never waits and knows what it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.resources: list[str] = []

    def wait(self, resource: str) -> None:
        self.resources.append(resource)


@pytest.fixture(scope="module")
def _service() -> Iterator[Service]:
    with serving() as service:
        yield service


@pytest.fixture
def service(_service: Service) -> Service:
    _service.asked.clear()
    return _service


@pytest.fixture
def pace() -> CountedPace:
    return CountedPace()


@pytest.fixture
def center(service: Service, pace: CountedPace) -> Iterator[PartnerCenter]:
    login = cast("Login", TwoTokens())
    with Calls(service.url, login, "api", pace=pace) as calls, Calls(service.url, login, "api", pace=pace) as pricing:
        yield PartnerCenter(calls, pricing, today=lambda: TODAY)


class Resource(NamedTuple):
    """Where a resource lives, whose token it needs, its name for the pace, and how it is read."""

    uri: str
    token: str
    name: str
    read: Callable[[PartnerCenter], Iterator[Page] | Page]


COLLECTIONS = (
    Resource("/v1/customers?size=500", "app", "customers", lambda c: c.customers()),
    Resource("/v1/customers/c1/subscriptions", "app", "subscriptions", lambda c: c.subscriptions("c1")),
    Resource(
        "/v1/customers/c1/subscriptions/s1/azureEntitlements",
        "app",
        "subscriptions",
        lambda c: c.azure_entitlements("c1", "s1"),
    ),
    Resource("/v1/customers/c1/orders", "app", "orders", lambda c: c.orders("c1")),
    Resource("/v1/invoices?size=200&offset=0", "app", "invoices", lambda c: c.invoices()),
    Resource("/v1/invoices/summaries", "user", "invoices", lambda c: c.invoice_summaries()),
    Resource(
        "/v1/invoices/G1/lineitems?provider=onetime&invoicelineitemtype=billinglineitems&size=2000",
        "app",
        "invoices",
        lambda c: c.invoice_lines("G1", "onetime"),
    ),
    Resource(
        "/v1/invoices/D1/lineitems?provider=azure&invoicelineitemtype=usagelineitems&size=2000&offset=0",
        "app",
        "invoices",
        lambda c: c.invoice_lines("D1", "azure", "usagelineitems"),
    ),
    Resource(f"/v1/customers/c1/agreements?{MCA}", "user", "agreements", lambda c: c.agreements("c1")),
    Resource(f"/v1/agreements?{MCA}", "user", "agreements", lambda c: c.agreement_metadata()),
)

RECORDS = (
    Resource("/v1/customers/c1/subscriptions/s1", "app", "subscriptions", lambda c: c.subscription("c1", "s1")),
    Resource(
        "/v1/customers/c1/subscriptions/s1/provisioningstatus",
        "user",
        "subscriptions",
        lambda c: c.subscription_provisioning("c1", "s1"),
    ),
    Resource("/v1/customers/c1/orders/o1", "app", "orders", lambda c: c.order("c1", "o1")),
    Resource(
        "/v1/customers/c1/orders/o1/provisioningstatus", "user", "orders", lambda c: c.order_provisioning("c1", "o1")
    ),
    Resource("/v1/invoices/G1", "user", "invoices", lambda c: c.invoice("G1")),
    Resource(
        "/v1/customers/c1/directSignedMicrosoftCustomerAgreementStatus",
        "user",
        "agreements",
        lambda c: c.direct_signed("c1"),
    ),
)


@pytest.mark.parametrize("resource", COLLECTIONS)
def test_a_collection_is_read_where_it_lives_with_the_token_it_needs(
    center: PartnerCenter, service: Service, pace: CountedPace, resource: Resource
) -> None:
    service.answers(EMPTY)
    (page,) = cast("Iterator[Page]", resource.read(center))
    (asked,) = service.asked
    assert (page.uri, page.items, asked.uri) == (resource.uri, [], resource.uri)
    assert asked.headers["authorization"] == f"Bearer {resource.token} for api"
    assert pace.resources == [resource.name]


@pytest.mark.parametrize("resource", RECORDS)
def test_a_record_is_read_where_it_lives_with_the_token_it_needs(
    center: PartnerCenter, service: Service, pace: CountedPace, resource: Resource
) -> None:
    service.answers(Response(b'{"id": "x", "quantity": 5}', media_type="application/json"))
    page = cast("Page", resource.read(center))
    (asked,) = service.asked
    assert (page.uri, page.items, asked.uri) == (resource.uri, [{"id": "x", "quantity": "5"}], resource.uri)
    assert asked.headers["authorization"] == f"Bearer {resource.token} for api"
    assert pace.resources == [resource.name]


def test_an_identifier_cannot_lead_to_another_path(center: PartnerCenter, service: Service) -> None:
    service.answers({"id": "x"})
    center.order("c1", "../../invoices?x=1")
    assert service.asked[0].uri == "/v1/customers/c1/orders/..%2F..%2Finvoices%3Fx%3D1"


def test_the_lines_of_an_order_come_with_their_provisioning(center: PartnerCenter, service: Service) -> None:
    lines = [{"lineItemNumber": 0, "status": "Fulfilled"}, {"lineItemNumber": 1, "status": "PrefulfillmentPending"}]
    service.answers({"totalCount": 2, "items": lines})
    assert [item["status"] for item in center.order_provisioning("c1", "o1").items] == [
        "Fulfilled",
        "PrefulfillmentPending",
    ]


def test_audit_records_are_asked_for_in_windows_that_touch_and_do_not_overlap(
    center: PartnerCenter, service: Service
) -> None:
    service.answers(EMPTY)
    assert len(list(center.audit_records(date(2025, 12, 31), TODAY))) == 4
    days = [(asked.query["startDate"], asked.query["endDate"]) for asked in service.asked]
    assert days == [
        ("2025-12-31", "2026-01-29"),
        ("2026-01-30", "2026-02-28"),
        ("2026-03-01", "2026-03-30"),
        ("2026-03-31", "2026-03-31"),
    ]


def test_audit_records_of_one_customer_are_filtered_by_the_service(center: PartnerCenter, service: Service) -> None:
    service.answers(EMPTY)
    list(center.audit_records(TODAY, TODAY, customer_id="c1"))
    assert unquote(service.asked[0].query["filter"]) == '{"Field":"CustomerId","Value":"c1","Operator":"equals"}'


@pytest.mark.parametrize(
    ("start_on", "end_on", "sentence"),
    [
        (date(2025, 12, 30), TODAY, "keeps audit records for 90 days.*start on 2025-12-31 or later"),
        (TODAY, date(2026, 3, 30), "last day to be 2026-03-31 or later, found 2026-03-30"),
    ],
)
def test_days_that_no_audit_record_can_be_had_of_are_refused_before_asking(
    center: PartnerCenter, service: Service, start_on: date, end_on: date, sentence: str
) -> None:
    with pytest.raises(UsageError, match=sentence):
        center.audit_records(start_on, end_on)
    assert not service.asked


def test_a_statement_is_the_pdf_as_sent(center: PartnerCenter, service: Service) -> None:
    service.answers(Response(b"%PDF-1.4 ...", media_type="application/pdf"))
    assert center.statement("G1") == b"%PDF-1.4 ..."
    (asked,) = service.asked
    assert (asked.uri, asked.headers["accept"]) == ("/v1/invoices/G1/documents/statement", "application/pdf")
    assert asked.headers["authorization"] == "Bearer user for api"


def test_a_statement_that_is_no_pdf_is_refused(center: PartnerCenter, service: Service) -> None:
    service.answers(Response(b"<html>", media_type="text/html"))
    with pytest.raises(IncompleteAnswerError, match="/v1/invoices/G1/documents/statement failed: expected a PDF"):
        center.statement("G1")


def test_an_agreement_is_confirmed_with_the_fields_microsoft_wants(center: PartnerCenter, service: Service) -> None:
    service.answers(JSONResponse({"templateId": "t1", "userId": "u1"}, status_code=201))
    contact = PrimaryContact("Ana", "Sol", "ana@example.com")
    page = center.confirm_agreement("c1", "t1", datetime(2026, 3, 1, 12, 30, tzinfo=UTC), contact, "r1")
    (asked,) = service.asked
    assert (asked.method, asked.uri, asked.headers["ms-requestid"]) == ("POST", "/v1/customers/c1/agreements", "r1")
    assert asked.json == {
        "primaryContact": {"firstName": "Ana", "lastName": "Sol", "email": "ana@example.com", "phoneNumber": ""},
        "templateId": "t1",
        "dateAgreed": "2026-03-01T12:30:00Z",
        "type": "MicrosoftCustomerAgreement",
    }
    assert page.items[0]["userId"] == "u1"


def test_an_agreement_that_is_there_already_is_told_by_its_code(center: PartnerCenter, service: Service) -> None:
    service.answers(JSONResponse({"code": 600061, "description": "exists"}, status_code=409))
    contact = PrimaryContact("Ana", "Sol", "ana@example.com")
    with pytest.raises(RefusedError) as refused:
        center.confirm_agreement("c1", "t1", datetime(2026, 3, 1, tzinfo=UTC), contact, "r1")
    assert refused.value.code == "600061"


def test_a_price_sheet_comes_in_pieces_as_plain_csv(center: PartnerCenter, service: Service) -> None:
    content = b'"ProductTitle","UnitPrice"\r\n' + b'"x","1.5"\r\n' * 100_000
    service.answers(Response(content, media_type="application/octet-stream"))
    pieces = list(center.price_sheet("US", "azure_consumption", "history", "2026-02"))
    assert (b"".join(pieces), len(pieces) > 1) == (content, True)
    (asked,) = service.asked
    assert unquote(asked.uri) == (
        "/v1.0/sales/pricesheets(Market='US',PricesheetView='azure_consumption')/$value?timeline=history&month=202602"
    )
    assert (asked.headers["accept-encoding"], asked.headers["authorization"]) == ("identity", "Bearer user for api")


def test_exchange_rates_come_for_a_month(center: PartnerCenter, service: Service) -> None:
    service.answers(Response(b"CurrencyCode,USDPerUnit,Month\n", media_type="application/octet-stream"))
    assert b"".join(center.exchange_rates("2026-02")).startswith(b"CurrencyCode")
    assert unquote(service.asked[0].uri) == "/v1.0/sales/fxrates(Month='202602')/$value"


@pytest.mark.parametrize(
    ("read", "sentence"),
    [
        (lambda c: c.price_sheet("USA", "software"), "market of two letters"),
        (lambda c: c.price_sheet("US", "software", "history", "202602"), "month as YYYY-MM"),
        (lambda c: c.exchange_rates("2026-13"), "month as YYYY-MM"),
    ],
)
def test_a_market_or_month_of_another_form_is_refused_before_asking(
    center: PartnerCenter, service: Service, read: Callable[[PartnerCenter], Iterator[bytes]], sentence: str
) -> None:
    with pytest.raises(UsageError, match=sentence):
        read(center)
    assert not service.asked


def test_without_a_pricing_service_its_setting_is_named(service: Service) -> None:
    with (
        Calls(service.url, cast("Login", TwoTokens()), "api") as calls,
        pytest.raises(UsageError, match="CSP_PRICING_URL"),
    ):
        PartnerCenter(calls).exchange_rates("2026-02")
