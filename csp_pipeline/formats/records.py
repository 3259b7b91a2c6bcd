"""JSON records as rows: finding a value under any of its spellings, and the exact text of a value.

JSON numbers reach this module as `NumberText`, the very characters that were sent, so that no digit passes through a
floating-point number.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from csp_pipeline.formats.columns import normalised

if TYPE_CHECKING:
    from collections.abc import Mapping

    from csp_pipeline.formats.columns import WireFormat

_CUSTOMER_IN_URI = re.compile(r"/customers/([^/?]+)/", re.IGNORECASE)


class NumberText(str):
    """A JSON number as the characters that were sent."""

    __slots__ = ()


_DECODER = json.JSONDecoder(parse_float=NumberText, parse_int=NumberText, parse_constant=NumberText)


def loads(text: str) -> object:
    """Parse JSON, keeping every number as its own text.

    Raises:
        json.JSONDecodeError: when the text is not JSON.
    """
    return _DECODER.decode(text)


def as_text(value: object) -> str | None:
    """The text of a JSON value: strings as they are, nested values as compact JSON, null and blank as None."""
    if value is None:
        return None
    if isinstance(value, str):
        return str(value) or None
    if isinstance(value, bool):
        return "true" if value else "false"
    return _compact(value)


def _compact(value: object) -> str:
    if isinstance(value, NumberText):
        return str(value)
    if isinstance(value, dict):
        inside = (f"{json.dumps(key, ensure_ascii=False)}:{_compact(item)}" for key, item in value.items())
        return "{" + ",".join(inside) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_compact, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def value_of(record: Mapping[str, object], *spellings: str) -> object:
    """The first value that is there under one of the spellings, compared as headers are; None without one."""
    wanted = [normalised(spelling) for spelling in spellings]
    values = {normalised(key): value for key, value in record.items()}
    return next((values[key] for key in wanted if values.get(key) not in (None, "")), None)


def nested(record: Mapping[str, object], *path: str) -> Mapping[str, object]:
    """The object at a path of keys, or an empty one."""
    here: object = record
    for key in path:
        here = value_of(here, key) if isinstance(here, dict) else None
    return here if isinstance(here, dict) else {}


def by_spelling(wire_format: WireFormat, record: Mapping[str, object]) -> dict[str, object]:
    """A flat record's values by staging name; keys that belong to no column are left out."""
    row: dict[str, object] = {}
    for key, value in record.items():
        known = wire_format.spellings.get(normalised(key))
        if known and row.get(known[0].name) in (None, ""):
            row[known[0].name] = value
    return row


def customer_of(record: Mapping[str, object], collection: Mapping[str, object]) -> object:
    """The customer a record belongs to: its own field, the collection's, or the one named in a link.

    The collections under `/customers/{id}/…` do not repeat the customer in each item.
    """
    stated = value_of(record, "customerId") or value_of(collection, "customerId")
    if stated:
        return stated
    for around in (record, collection):
        for link in nested(around, "links").values():
            found = _CUSTOMER_IN_URI.search(str(value_of(link, "uri") or "")) if isinstance(link, dict) else None
            if found:
                return found.group(1)
    return None


def named_in_address(collection: Mapping[str, object], segment: str) -> str | None:
    """The id that follows a segment in the address a collection, or a bare record, was asked at.

    Args:
        collection: the collection around a record; its self link is the address.
        segment: such as `subscriptions` in `/customers/{id}/subscriptions/{id}/azureEntitlements`.
    """
    address = str(value_of(nested(collection, "links", "self"), "uri") or "")
    found = re.search(rf"/{segment}/([^/?]+)", address, re.IGNORECASE)
    return found.group(1) if found else None
