"""A gateway between a desk and its server: it sees requests go by, loses answers, and kills whoever waits for one."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx
from starlette.responses import JSONResponse, Response

from csp_pipeline_tests.sources.answering import Asked, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from csp_pipeline_tests.end_to_end.provisioned import Desk

_HOP = {"host", "content-length", "connection", "transfer-encoding", "accept-encoding", "content-encoding"}


def forwarded(server: httpx.Client, asked: Asked) -> Response:
    """What a server answers to a request that came by a gateway."""
    headers = {name: value for name, value in asked.headers.items() if name.lower() not in _HOP}
    answer = server.request(asked.method, asked.uri, headers=headers, content=asked.body)
    kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP}
    return Response(answer.content, answer.status_code, kept)


def is_change(asked: Asked) -> bool:
    """Whether a request changes a subscription."""
    return asked.method == "PATCH"


def is_checkout(asked: Asked) -> bool:
    """Whether a request orders what is in a cart."""
    return asked.uri.endswith("/checkout")


def is_attestation(asked: Asked) -> bool:
    """Whether a request confirms that an agreement was accepted."""
    return asked.method == "POST" and asked.uri.endswith("/agreements")


@contextmanager
def gateway(
    opened: Desk, *, takes: Callable[[Asked], bool] = is_change, loses: Callable[[Asked], bool] = lambda _: False
) -> Iterator[list[Asked]]:
    """Lets the desk reach its server through a gateway; yields the requests of a kind that came by.

    It kills the desk's victim, where there is one, once such a request is carried out and before that hears of it.

    Args:
        opened: the desk.
        takes: what the gateway keeps, and kills at.
        loses: whose answers never arrive.
    """
    taken: list[Asked] = []
    with serving() as between, httpx.Client(base_url=opened.url, timeout=30) as server:

        def forward(asked: Asked) -> Response:
            answer = forwarded(server, asked)
            if takes(asked):
                taken.append(asked)
                victim, opened.victim = opened.victim, None
                if victim is not None:
                    victim.kill()
                    victim.wait()
            return JSONResponse({"message": "No answer in time."}, 504) if loses(asked) else answer

        between.answer = forward
        direct, opened.url = opened.url, between.url
        yield taken
        opened.url = direct
