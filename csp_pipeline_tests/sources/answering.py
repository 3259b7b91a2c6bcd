"""A small server on 127.0.0.1 for tests of clients: a test says what is answered and reads what was asked."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.requests import Request

METHODS = ["GET", "POST", "PATCH"]


@dataclass(frozen=True)
class Asked:
    """A request as it arrived."""

    method: str
    uri: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401  (whatever was sent)
        return json.loads(self.body)

    @property
    def query(self) -> dict[str, str]:
        return dict(part.partition("=")[::2] for part in self.uri.partition("?")[2].split("&"))


@dataclass
class Service:
    """The server: what it answers, and what it was asked."""

    url: str = ""
    answer: Callable[[Asked], object] = field(default=lambda _: Response(status_code=404))
    asked: list[Asked] = field(default_factory=list)

    def answers(self, *answers: object) -> None:
        """Answer the requests one after another; the last answer stays."""
        left = list(answers)
        self.answer = lambda _: left.pop(0) if len(left) > 1 else left[0]

    async def respond(self, request: Request) -> Response:
        query = f"?{request.url.query}" if request.url.query else ""
        path = request.scope["raw_path"].decode()
        asked = Asked(request.method, path + query, dict(request.headers), await request.body())
        self.asked.append(asked)
        answer = self.answer(asked)
        return answer if isinstance(answer, Response) else JSONResponse(answer)


class TwoTokens:
    """A login that is always good: one token for the app, one for app and user."""

    def token(self, scope: str, *, as_user: bool = False) -> str:
        return f"{'user' if as_user else 'app'} for {scope}"

    def renew(self, scope: str, *, as_user: bool = False, refused: str | None = None) -> None:
        """Give the same token again."""


@contextmanager
def serving() -> Iterator[Service]:
    """A running server, stopped at the end."""
    service = Service()
    app = Starlette(routes=[Route("/{path:path}", service.respond, methods=METHODS)])
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    service.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        yield service
    finally:
        server.should_exit = True
        thread.join()
