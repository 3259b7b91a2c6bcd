"""The whole server: login, Partner Center, Graph and blobs on one port of 127.0.0.1.

What belongs here: how the services are put together and what somebody needs to reach them. What they answer is in their
own modules, how an app gets its port and its thread in `listening`.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, uuid5

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Route

from csp_pipeline.sandbox.server import partner_center
from csp_pipeline.sandbox.server.blobs import SIGNATURE_SECONDS, BlobStore
from csp_pipeline.sandbox.server.exports import Exports
from csp_pipeline.sandbox.server.faults import Faults
from csp_pipeline.sandbox.server.graph import GraphBilling
from csp_pipeline.sandbox.server.listening import HOST, listen, serving
from csp_pipeline.sandbox.server.login import TOKEN_SECONDS, Login, register
from csp_pipeline.sandbox.server.state import open_state
from csp_pipeline.sandbox.server.traffic import REQUESTS_PATH, SLOW_SECONDS, RequestCounts, Traffic

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable, Iterator

    from starlette.requests import Request
    from starlette.responses import Response


@dataclass(frozen=True)
class Connection:
    """How to reach a running server; what must stay secret is not in its `repr`."""

    partner_center_url: str
    graph_url: str
    login_url: str
    tenant_id: str
    client_id: str
    client_secret: str = field(repr=False)
    refresh_token: str = field(repr=False)
    port: int


@dataclass(frozen=True)
class Conduct:
    """How the server behaves; the defaults are Microsoft's.

    Attributes:
        faults: Names of `faults.NAMES`.
        without_consent: What the application was not granted: `partner-center`, `graph`, or paths (`/v1/invoices`).
        token_seconds: How long access tokens live.
        signature_seconds: How long blobs can be downloaded.
        slow_seconds: How long the fault `slow` holds up each request.
        clock: Seconds that only go forward, for what expires.
    """

    faults: tuple[str, ...] = ()
    without_consent: tuple[str, ...] = ()
    token_seconds: float = TOKEN_SECONDS
    signature_seconds: float = SIGNATURE_SECONDS
    slow_seconds: float = SLOW_SECONDS
    clock: Callable[[], float] = time.monotonic


@contextmanager
def running(
    scenario: Path | None = None, faults: Iterable[str] = (), port: int = 0, *, conduct: Conduct | None = None
) -> Iterator[Connection]:
    """Run the server in a thread for as long as the block lasts.

    Args:
        scenario: A folder that `generate` wrote; None for the partner of its default arguments.
        faults: Names of `faults.NAMES`.
        port: The port on 127.0.0.1; 0 for a free one.
        conduct: Everything else about its behaviour; its faults are added to the others.

    Yields:
        Where it is and how to log in; it answers already.

    Raises:
        UsageError: the folder, a fault or the port cannot be used.
        CspError: the server does not come up.
    """
    conduct = conduct or Conduct()
    its_faults = Faults((*faults, *conduct.faults))
    with listen(port) as listening, tempfile.TemporaryDirectory(prefix="csp-sandbox-") as folder:
        state = open_state(scenario, its_faults)
        tenant_id, clock = state.scenario.partner_id, conduct.clock
        login = Login(
            register(tenant_id, str(uuid5(NAMESPACE_URL, f"client/{tenant_id}"))),
            its_faults,
            without_consent=conduct.without_consent,
            token_seconds=conduct.token_seconds,
            clock=clock,
        )
        blobs = BlobStore(tenant_id, its_faults, signature_seconds=conduct.signature_seconds, clock=clock)
        with closing(
            Exports(
                state.partner, blobs, Path(folder), its_faults, is_listed=state.is_listed, on_restated=state.restate
            )
        ) as exports:
            routes = [
                *partner_center.routes(state, login.authorise),
                *GraphBilling(login, exports, blobs, tenant_id, its_faults).routes(),
                *blobs.routes(),
                *login.routes(),
            ]
            with serving(_app(routes, its_faults, login, conduct.slow_seconds), listening):
                yield _connection(login, listening)


def _app(routes: list[Route], faults: Faults, login: Login, slow_seconds: float) -> Starlette:
    counts = RequestCounts()

    async def requests(_request: Request) -> Response:
        return JSONResponse(counts.as_json())

    return Starlette(
        routes=[*routes, Route(REQUESTS_PATH, requests)],
        middleware=[
            Middleware(Traffic, routes=routes, faults=faults, login=login, counts=counts, slow_seconds=slow_seconds)
        ],
    )


def _connection(login: Login, listening: socket.socket) -> Connection:
    port: int = listening.getsockname()[1]
    url = f"http://{HOST}:{port}"
    registration = login.registration
    return Connection(
        partner_center_url=url,
        graph_url=url,
        login_url=url,
        tenant_id=registration.tenant_id,
        client_id=registration.client_id,
        client_secret=registration.client_secret,
        refresh_token=registration.refresh_token,
        port=port,
    )
