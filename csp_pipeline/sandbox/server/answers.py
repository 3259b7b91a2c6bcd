"""Answers of Partner Center: JSON with every digit, the error envelope, the headers every answer carries.

What belongs here: the look of an answer. Which answer a request gets is decided by the routes.
"""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING
from uuid import uuid4

from starlette.responses import Response

from csp_pipeline.sandbox.json_text import written

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.requests import Request

    from csp_pipeline.sandbox.json_text import Json

REQUEST_ID, CORRELATION_ID = "MS-RequestId", "MS-CorrelationId"
SERVER_ID = "101112616"
SOURCE = "PartnerFD"


class RefusedError(Exception):
    """A request that Partner Center turns down: status, code and sentence of its error envelope.

    Attributes:
        body: The whole body where it has another shape than the common envelope.
    """

    def __init__(
        self, status: int, code: str, description: str, *, concerning: Sequence[str] = (), body: Json | None = None
    ) -> None:
        super().__init__(description)
        self.status = status
        self.body = body or {"code": code, "description": description, "data": list(concerning), "source": SOURCE}


def not_found(what: str, which: str) -> RefusedError:
    """Something that is asked for by a name nobody has."""
    codes = {"subscription": "20003", "order": "20000"}
    return RefusedError(404, codes.get(what, "1000"), f"The {what} was not found.", concerning=[which])


def invalid(description: str) -> RefusedError:
    """A request that makes no sense."""
    return RefusedError(400, "800002", description)


def unfiltered(request: Request) -> None:
    """Refuse a filter where the sandbox knows none, lest everything is taken for what was asked.

    Raises:
        RefusedError: The request has a filter.
    """
    if "filter" in request.query_params:
        raise invalid("This collection of the sandbox cannot be filtered.")


async def sent_object(request: Request) -> Json:
    """The JSON object that was sent.

    Raises:
        RefusedError: The body is none.
    """
    try:
        body = json.loads(await request.body())
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise invalid("The body must be a JSON object.")
    return body


def json_answer(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer."""
    return Response(written(body), status, headers, media_type="application/json; charset=utf-8")


def stamped(request: Request, response: Response) -> Response:
    """An answer with the identifiers of its request, and those the service gives."""
    for name in (REQUEST_ID, CORRELATION_ID):
        response.headers[name] = request.headers.get(name) or str(uuid4())
    response.headers["MS-CV"] = f"{secrets.token_urlsafe(12)}.0"
    response.headers["MS-ServerId"] = SERVER_ID
    return response
