"""A Graph with one export and a blob storage, on loopback, that answers as a test's script says."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request

    from csp_pipeline.sources.login import Login

BILLING = "/v1.0/reports/partners/billing"
TOKEN = "token-of-graph"  # noqa: S105  (what the tests look for in logs)
SIGNATURE = "c2lnbmF0dXJl%2Bof%2Fblobs%3D"


class FixedLogin:
    """A login that always has the same token."""

    def token(self, _scope: str, *, as_user: bool) -> str:
        assert not as_user
        return TOKEN

    def renew(self, _scope: str, *, as_user: bool, refused: str = "") -> None:
        del as_user, refused


FIXED_LOGIN = cast("Login", FixedLogin())


@dataclass
class Script:
    """What the server answers; `polls` and each blob's answers are used up, the last one stays.

    Attributes:
        polls: bodies of the operation, or statuses.
        blobs: by name, the answers to a download: bytes, or a status.
        is_inline: whether the manifest stands in the operation.
        expired: signatures of this generation and below are refused.
        is_renewing: whether a manifest read again has a new signature.
        changes: fields of the manifest that are other than usual, by generation of the signature.
    """

    url: str = ""
    polls: deque[object] = field(default_factory=deque)
    pauses: deque[str] = field(default_factory=deque)
    blobs: dict[str, deque[bytes | int]] = field(default_factory=dict)
    is_inline: bool = False
    is_renewing: bool = True
    expired: int = 0
    generation: int = 0
    changes: dict[int, dict[str, object]] = field(default_factory=dict)
    requested: Counter[str] = field(default_factory=Counter)
    bodies: list[object] = field(default_factory=list)
    blob_headers: list[dict[str, str]] = field(default_factory=list)

    def offer(self, **blobs: bytes | int | tuple[bytes | int, ...]) -> None:
        """Offer blobs by name without `.json.gz`."""
        for name, answers in blobs.items():
            self.blobs[f"{name}.json.gz"] = deque(answers if isinstance(answers, tuple) else (answers,))

    def manifest(self) -> dict[str, object]:
        """The manifest as it is now."""
        return {
            "id": "m1",
            "schemaVersion": "1",
            "dataFormat": "compressedJSON",
            "createdDateTime": "2026-06-08T06:34:34.87Z",
            "eTag": "v1",
            "partnerTenantId": "t",
            "rootDirectory": f"{self.url}/storage/export/Fragment=full",
            "sasToken": f"sv=2021-10-04&generation={self.generation}&sig={SIGNATURE}",
            "partitionType": "ItemCount",
            "blobCount": len(self.blobs),
            "blobs": [{"name": name, "partitionValue": str(at)} for at, name in enumerate(self.blobs)],
        } | self.changes.get(self.generation, {})

    def _operation(self) -> object:
        if self.polls:
            return self.polls.popleft()
        kind = {"@odata.type": "#microsoft.graph.partners.billing.exportSuccessOperation", "status": "succeeded"}
        if self.is_inline:
            return kind | {"resourceLocation": self.manifest()}
        return kind | {"resourceLocation@odata.navigationLink": f"{self.url}{BILLING}/manifests/m1"}

    async def graph(self, request: Request) -> Response:
        path = request.url.path.removeprefix(BILLING)
        self.requested[f"{request.method} {path}"] += 1
        assert request.headers["Authorization"] == f"Bearer {TOKEN}"
        if request.method == "POST":
            self.bodies.append(await request.json())
            if self.is_renewing is False:
                self.generation += 1
            return Response(status_code=202, headers={"Location": f"{self.url}{BILLING}/operations/o1"})
        if path.startswith("/manifests/"):
            self.generation += self.is_renewing
            return JSONResponse(self.manifest())
        answer = self._operation()
        if isinstance(answer, int):
            return JSONResponse({"error": {"code": "x", "message": "expired"}}, answer)
        headers = {"Retry-After": self.pauses.popleft()} if self.pauses else {}
        return answer if isinstance(answer, Response) else JSONResponse(answer, headers=headers)

    async def storage(self, request: Request) -> Response:
        name = request.url.path.rpartition("/")[2]
        self.requested[name] += 1
        self.blob_headers.append(dict(request.headers))
        if f"sig={SIGNATURE}" not in str(request.url) or int(request.query_params["generation"]) <= self.expired:
            return Response("<Error/>", 403)
        answers = self.blobs[name]
        answer = answers.popleft() if len(answers) > 1 else answers[0]
        if isinstance(answer, int):
            return Response("", answer, {"Location": f"{self.url}/elsewhere"})
        return Response(answer, media_type="application/octet-stream")


class ExportServer:
    """The server; `script` is replaced by each test."""

    def __init__(self, url: str = "") -> None:
        self.url = url
        self.script = Script(url)

    async def _graph(self, request: Request) -> Response:
        return await self.script.graph(request)

    async def _storage(self, request: Request) -> Response:
        return await self.script.storage(request)

    def app(self) -> Starlette:
        graph = Route(f"{BILLING}/{{path:path}}", self._graph, methods=["GET", "POST"])
        return Starlette(routes=[graph, Route("/storage/{path:path}", self._storage)])


@contextmanager
def serving() -> Iterator[ExportServer]:
    """The server in a thread, on a free port."""
    exports = ExportServer()
    config = uvicorn.Config(exports.app(), port=0, log_level="critical", lifespan="off", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    exports.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        yield exports
    finally:
        server.should_exit = True
        thread.join(10)
