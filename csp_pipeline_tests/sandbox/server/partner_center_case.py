"""Partner Center's routes alone on a server, over a state of the test's own making; any login is good."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response

from csp_pipeline.sandbox.partner import Arguments, build_partner
from csp_pipeline.sandbox.server.faults import Faults
from csp_pipeline.sandbox.server.partner_center import routes
from csp_pipeline.sandbox.server.state import State

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from starlette.requests import Request

Json = dict[str, Any]
SMALL = Arguments(customers=12, usage_rows=600, months=("2026-08", "2026-09"), currencies=("EUR", "USD"))
NOW = datetime(2026, 10, 5, 12, tzinfo=UTC)
AS_USER = {"Authorization": "Bearer user"}


class Clock:
    """A clock that stands still until it is moved on."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: int) -> None:
        self.now += timedelta(**by)


def state_of(
    arguments: Arguments = SMALL, *faults: str, clock: Clock | None = None, folder: Path | None = None
) -> State:
    return State(build_partner(arguments), faults=Faults(faults), folder=folder, clock=clock or Clock())


def authorise(request: Request, audience: str, *, user_only: bool = False) -> Response | None:
    assert audience == "partner-center"
    caller = request.headers.get("Authorization", "")
    if not caller:
        return JSONResponse({"code": "800001"}, 401)
    return JSONResponse({"code": "900329"}, 403) if user_only and caller != "Bearer user" else None


class PartnerCenterCaller:
    """A plain client of the routes."""

    def __init__(self, http: httpx.Client, state: State) -> None:
        self.http, self.state = http, state

    def get(self, uri: str, status: int = 200, **headers: str) -> Json:
        answer = self.http.get(uri, headers=AS_USER | headers)
        assert answer.status_code == status, answer.text
        return read(answer)

    def pages(self, uri: str) -> Iterator[Json]:
        """The pages of a collection, by whichever link leads on."""
        headers: dict[str, str] = {}
        while True:
            page = self.get(uri, **headers)
            yield page
            following = page["links"].get("next")
            if not following:
                return
            uri = f"/v1{following['uri']}"
            headers = {header["key"]: header["value"] for header in following["headers"]}

    def items(self, uri: str) -> list[Json]:
        return [item for page in self.pages(uri) for item in page["items"]]


def read(answer: httpx.Response) -> Json:
    content: Json = json.loads(answer.content, parse_float=Decimal)
    return content


@contextmanager
def calling(state: State) -> Iterator[PartnerCenterCaller]:
    """A client of a server with this state."""
    app = Starlette(routes=list(routes(state, authorise)))
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, lifespan="off", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=10) as http:
            yield PartnerCenterCaller(http, state)
    finally:
        server.should_exit = True
        thread.join(10)
