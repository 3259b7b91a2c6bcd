"""Microsoft's own Graph client, unchanged but for its base URL, exports, polls and reads manifest and blobs."""

from __future__ import annotations

import asyncio
import time
import warnings
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from csp_pipeline_tests.sandbox.server.caller import GRAPH_SCOPE, Caller

if TYPE_CHECKING:
    from csp_pipeline.sandbox.partner import Partner

pytestmark = pytest.mark.filterwarnings("ignore")  # the generated client warns of its own deprecations


class _Credential:
    """A credential as the client takes them, with a token of the server's login."""

    def __init__(self, token: str) -> None:
        self._token = token

    def get_token(self, *_scopes: str, **_options: Any) -> Any:  # noqa: ANN401  (the client's own types)
        from azure.core.credentials import AccessToken  # noqa: PLC0415

        return AccessToken(self._token, int(time.time()) + 600)


Ask = Callable[[Callable[[Any], Coroutine[Any, Any, Any]]], Any]


@pytest.fixture
def ask(caller: Caller) -> Ask:
    """Runs something with Microsoft's client, told the base URL and the hosts that may have the token."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        msgraph = pytest.importorskip("msgraph")
        from kiota_authentication_azure.azure_identity_authentication_provider import (  # noqa: PLC0415
            AzureIdentityAuthenticationProvider,
        )
        from msgraph_core import GraphClientFactory  # noqa: PLC0415

    async def asked(question: Callable[[Any], Coroutine[Any, Any, Any]]) -> Any:  # noqa: ANN401
        credential = _Credential(caller.token(GRAPH_SCOPE))
        authentication = AzureIdentityAuthenticationProvider(credential, allowed_hosts=["127.0.0.1"])
        async with httpx.AsyncHTTPTransport() as wire:  # the client's own layers do not close what they stand on
            http = GraphClientFactory.create_with_default_middleware(client=httpx.AsyncClient(transport=wire))
            adapter = msgraph.GraphRequestAdapter(authentication, http)
            adapter.base_url = f"{caller.connection.graph_url}/v1.0"
            return await question(msgraph.GraphServiceClient(request_adapter=adapter))

    return lambda question: asyncio.run(asked(question))


async def _ended(client: Any, start: Any, body: Any) -> Any:  # noqa: ANN401  (the client's own types)
    """Start an export, and poll the operation that its Location names until it has ended."""
    from kiota_abstractions.base_request_configuration import RequestConfiguration  # noqa: PLC0415
    from kiota_http.middleware.options import HeadersInspectionHandlerOption  # noqa: PLC0415

    inspection = HeadersInspectionHandlerOption(inspect_response_headers=True)
    assert await start.post(body, request_configuration=RequestConfiguration(options=[inspection])) is None
    (location,) = inspection.response_headers.get("Location")
    operations = client.reports.partners.billing.operations
    while True:
        operation = await operations.by_operation_id(location.rpartition("/")[2]).get()
        if operation.status.value in ("succeeded", "failed"):
            return operation
        await asyncio.sleep(0.02)


def _billed_body(number: str) -> Any:  # noqa: ANN401  (the client's own types)
    from msgraph.generated.models.partners.billing.attribute_set import AttributeSet  # noqa: PLC0415
    from msgraph.generated.reports.partners.billing.usage.billed.microsoft_graph_partners_billing_export import (  # noqa: PLC0415
        export_post_request_body,
    )

    return export_post_request_body.ExportPostRequestBody(invoice_id=number, attribute_set=AttributeSet.Full)


def test_the_client_exports_polls_and_reads_manifest_and_blobs(ask: Ask, caller: Caller, partner: Partner) -> None:
    async def manifests(client: Any) -> list[Any]:  # noqa: ANN401
        billing = client.reports.partners.billing
        start, found = billing.usage.billed.microsoft_graph_partners_billing_export, []
        for document in partner.documents[:2]:  # one manifest comes inline, one by link
            operation = await _ended(client, start, _billed_body(document.number))
            assert operation.odata_type == "#microsoft.graph.partners.billing.exportSuccessOperation"
            link = operation.additional_data.get("resourceLocation@odata.navigationLink")
            manifest = operation.resource_location
            if link:
                manifest = await billing.manifests.by_manifest_id(link.rpartition("/")[2]).get()
            found.append((bool(link), manifest))
        return found

    found = ask(manifests)
    assert sorted(is_link for is_link, _ in found) == [False, True]
    for (_, manifest), document in zip(found, partner.documents, strict=False):
        assert manifest.created_date_time.tzinfo is not None
        plain = {
            "rootDirectory": manifest.root_directory,
            "sasToken": manifest.sas_token,
            "blobs": [{"name": blob.name} for blob in manifest.blobs],
            "blobCount": manifest.blob_count,
        }
        assert {row["invoiceNumber"] for row in caller.rows(plain)} == {document.number}


def test_the_client_reads_a_failed_operation(ask: Ask) -> None:
    async def of_a_legacy_invoice(client: Any) -> Any:  # noqa: ANN401
        start = client.reports.partners.billing.usage.billed.microsoft_graph_partners_billing_export
        return await _ended(client, start, _billed_body("D000000001"))

    operation = ask(of_a_legacy_invoice)
    assert (operation.status.value, operation.error.code) == ("failed", "5000")


def test_the_client_reads_a_refusal(ask: Ask) -> None:
    from msgraph.generated.models.o_data_errors.o_data_error import ODataError  # noqa: PLC0415

    with pytest.raises(ODataError) as refused:
        ask(lambda client: client.reports.partners.billing.operations.by_operation_id("none").get())
    assert refused.value.response_status_code == 404
    assert refused.value.error.code == "NotFound"
