"""Microsoft Graph's partner billing: exports asked for, operations to poll, manifests.

What belongs here: the wire of the four exports, in all its documented variants (the operation's manifest inline or by
link, an export that has no data). The rows are written by `exports`, the files handed out by `blobs`.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, get_args
from uuid import NAMESPACE_URL, uuid4, uuid5

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from csp_pipeline.sandbox.server.blobs import PREFIX
from csp_pipeline.sandbox.server.export_rows import Kind
from csp_pipeline.sandbox.server.exports import AttributeSet, ExportRequest, Period
from csp_pipeline.sandbox.server.login import GRAPH, graph_error

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from concurrent.futures import Future

    from starlette.requests import Request

    from csp_pipeline.sandbox.server.blobs import BlobStore
    from csp_pipeline.sandbox.server.exports import Export, Exports
    from csp_pipeline.sandbox.server.faults import Faults
    from csp_pipeline.sandbox.server.login import Login

    Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]

Json = dict[str, Any]
BILLING = "/v1.0/reports/partners/billing"
TYPES = "#microsoft.graph.partners.billing."
ACTION_NAMES = ("export", "microsoft.graph.partners.billing.export")
SCHEMA_VERSION, DATA_FORMAT = "1", "compressedJSON"
NO_DATA = "5000"
POLLS, SLOW_POLLS = (2, 0), (4, 1)  # how often an operation is not done yet, and the seconds to wait each time
OPTIONAL_ATTRIBUTE_SET = ("reconciliation", "billed")


@dataclass
class Operation:
    """An export that was asked for; `number` counts them all, so that the documented variants take turns."""

    id: str
    number: int
    request: ExportRequest
    written: Future[Export | None]
    created_at: datetime
    polls: int = 0


class GraphBilling:
    """The billing part of Microsoft Graph.

    Args:
        login: Checks tokens.
        exports: Writes the rows.
        blobs: Hands out the files.
        tenant_id: The partner's tenant.
        faults: `slow` makes operations run longer.
    """

    def __init__(self, login: Login, exports: Exports, blobs: BlobStore, tenant_id: str, faults: Faults) -> None:
        self._login, self._exports, self._blobs, self._tenant_id = login, exports, blobs, tenant_id
        self._polls, self._retry_after = SLOW_POLLS if faults.is_on("slow") else POLLS
        self._operations: dict[str, Operation] = {}
        self._manifests: dict[str, Export] = {}
        self._lock = threading.Lock()

    def routes(self) -> list[Route]:
        """The routes of Graph."""
        routes = [
            Route(f"{BILLING}/operations/{{operation_id}}", self._permitted(self._operation)),
            Route(f"{BILLING}/manifests/{{manifest_id}}", self._permitted(self._manifest)),
        ]
        for kind in get_args(Kind):
            for state in ("billed", "unbilled"):
                start = self._permitted(self._starting(kind, state))
                routes += [
                    Route(f"{BILLING}/{kind}/{state}/{action}", start, methods=["POST"]) for action in ACTION_NAMES
                ]
        return routes

    def _permitted(self, endpoint: Endpoint) -> Endpoint:
        async def permitted(request: Request) -> Response:
            return self._login.authorise(request, GRAPH) or await endpoint(request)

        return permitted

    def _starting(self, kind: Kind, state: str) -> Endpoint:
        async def start(request: Request) -> Response:
            try:
                body = json.loads(await request.body() or b"{}")
                asked = _export_request(kind, state, body if isinstance(body, dict) else {})
            except ValueError as error:
                return JSONResponse(graph_error(request, "badRequest", str(error)), 400)
            with self._lock:
                number = len(self._operations)
                operation = Operation(str(uuid4()), number, asked, self._exports.start(asked), datetime.now(UTC))
                self._operations[operation.id] = operation
            return Response(None, 202, {"Location": f"{_base(request)}{BILLING}/operations/{operation.id}"})

        return start

    async def _operation(self, request: Request) -> Response:
        operation = self._operations.get(request.path_params["operation_id"])
        if operation is None:
            return JSONResponse(graph_error(request, "NotFound", "The operation was not found."), 404)
        operation.polls += 1
        if operation.polls <= self._polls or not operation.written.done():
            is_first = operation.polls == 1 and operation.number % 2 == 0
            body = self._body(request, operation, "runningOperation", "notStarted" if is_first else "running")
            return JSONResponse(body, headers={"Retry-After": str(self._retry_after)})
        export = operation.written.result()
        if export is None:
            return JSONResponse(self._failed(request, operation))
        body = self._body(request, operation, "exportSuccessOperation", "succeeded")
        manifest_id = self._manifest_id(export)
        if operation.number % 2:
            body["resourceLocation"] = self._manifest_body(request, manifest_id)
        else:
            body["resourceLocation@odata.navigationLink"] = f"{_base(request)}{BILLING}/manifests/{manifest_id}"
        return JSONResponse(body)

    async def _manifest(self, request: Request) -> Response:
        manifest_id = request.path_params["manifest_id"]
        if manifest_id not in self._manifests:
            return JSONResponse(graph_error(request, "NotFound", "The manifest was not found."), 404)
        context = {"@odata.context": f"{_base(request)}/v1.0/$metadata#reports/partners/billing/manifests/$entity"}
        return JSONResponse(context | self._manifest_body(request, manifest_id))

    def _manifest_id(self, export: Export) -> str:
        manifest_id = str(uuid5(NAMESPACE_URL, f"{export.directory}/{export.e_tag}"))
        self._manifests[manifest_id] = export
        return manifest_id

    def _manifest_body(self, request: Request, manifest_id: str) -> Json:
        export = self._manifests[manifest_id]
        self._exports.note_delivered(export)
        return {
            "@odata.type": f"{TYPES}manifest",
            "id": manifest_id,
            "schemaVersion": SCHEMA_VERSION,
            "dataFormat": DATA_FORMAT,
            "createdDateTime": _time(export.created_at),
            "eTag": export.e_tag,
            "partnerTenantId": self._tenant_id,
            "rootDirectory": f"{_base(request)}/{PREFIX}/{export.directory}",
            "sasToken": self._blobs.sign(export.directory),
            "partitionType": export.partition_type,
            "blobCount": len(export.blob_names),
            "blobs": [
                {"name": name, "partitionValue": "default" if export.partition_type == "Default" else str(number)}
                for number, name in enumerate(export.blob_names, start=1)
            ],
        }

    def _failed(self, request: Request, operation: Operation) -> Json:
        number = operation.request.invoice_number
        subject = f"No {operation.request.kind} data available currently"
        message = f"{subject} for Invoice {number}. Please try again later." if number else "No data available"
        body = self._body(request, operation, "failedOperation", "failed")
        return body | {"error": {"code": NO_DATA, "message": message}}

    def _body(self, request: Request, operation: Operation, subtype: str, status: str) -> Json:
        return {
            "@odata.context": f"{_base(request)}/v1.0/$metadata#reports/partners/billing/operations/$entity",
            "@odata.type": f"{TYPES}{subtype}",
            "id": operation.id,
            "createdDateTime": _time(operation.created_at),
            "lastActionDateTime": _time(datetime.now(UTC)),
            "status": status,
        }


def _export_request(kind: Kind, state: str, body: Json) -> ExportRequest:
    """What a body asks for.

    Raises:
        ValueError: the body lacks something or holds something else.
    """
    optional = (kind, state) == OPTIONAL_ATTRIBUTE_SET
    attribute_set = _one_of(body, "attributeSet", get_args(AttributeSet), default="full" if optional else None)
    if state == "billed":
        return ExportRequest(kind, attribute_set, invoice_number=_text(body, "invoiceId"))
    period = _one_of(body, "billingPeriod", get_args(Period))
    return ExportRequest(kind, attribute_set, currency=_text(body, "currencyCode"), period=period)


def _text(body: Json, name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise ValueError(f"The parameter {name} is required.")
    return value


def _one_of(body: Json, name: str, values: tuple[str, ...], default: str | None = None) -> Any:  # noqa: ANN401  (a literal)
    value = body.get(name, default)
    if value not in values:
        raise ValueError(f"The parameter {name} must be one of {', '.join(values)}.")
    return value


def _base(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}"


def _time(at: datetime) -> str:
    return at.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"
