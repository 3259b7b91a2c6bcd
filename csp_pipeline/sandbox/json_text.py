"""JSON as Partner Center writes it: numbers of money with every digit, never through a float.

Only the text of JSON lives here; what is in it is decided in `resources` and by the server's routes.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

from csp_pipeline.sandbox.facts import plain

Json = dict[str, Any]
_MARKED = re.compile(r'"\\u0001([^"]*)"')


def written(value: object, *, indent: int | None = None) -> str:
    """A value as JSON text; decimals become JSON numbers, digit by digit."""
    separators = None if indent else (",", ":")
    text = json.dumps(value, indent=indent, separators=separators, ensure_ascii=False, default=_number_marker)
    return _MARKED.sub(r"\1", text)


def read(text: str | bytes) -> Any:  # noqa: ANN401  (JSON is whatever the text says)
    """A value from JSON text; numbers with a point become decimals."""
    return json.loads(text, parse_float=Decimal)


def _number_marker(value: object) -> str:
    if isinstance(value, Decimal):
        return f"\x01{plain(value)}"
    raise TypeError(f"cannot be written as JSON: {type(value).__name__}")


def collection(items: list[Json], uri: str = "") -> Json:
    """Items in the envelope of a REST collection; without an address it carries no links, as some of them do."""
    links = {"links": {"self": link(uri)}} if uri else {}
    return {"totalCount": len(items), "items": items, **links, "attributes": {"objectType": "Collection"}}


def link(uri: str, headers: list[Json] | None = None) -> Json:
    """A resource link."""
    return {"uri": uri, "method": "GET", "headers": headers or []}
