"""JSON that is not lines: arrays, collections with `items`, and documents one after another.

A collection is unfolded into its records, each with the collection around it (links, customer). Up to 16 MB are read at
once; beyond that the records are decoded one by one from a sliding buffer, as documents of a long sequence always are.
"""

from __future__ import annotations

import codecs
import json
import re
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, BinaryIO

from csp_pipeline.errors import InputFileError
from csp_pipeline.formats.columns import normalised
from csp_pipeline.formats.records import NumberText

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Placed = tuple[Mapping[str, object], Mapping[str, object]]

AT_ONCE = 16 << 20
_READ = 4 << 20
_LONGEST_RECORD = 64 << 20
_LISTS = ("items", "value")
_LIST_START = re.compile(r'\s*(?:\[|\{(?:[^\[\]{}]*,)?\s*"(?:items|value)"\s*:\s*\[)', re.IGNORECASE)
_DECODER = json.JSONDecoder(parse_float=NumberText, parse_int=NumberText, parse_constant=NumberText)
_BLANK = " \t\r\n"


def records(document: object) -> Iterator[Placed]:
    """The records of a document, each with the collection around it.

    Args:
        document: a record, a list, or a collection with `items` (or `value`, as Graph calls it).

    Yields:
        Pairs of record and collection; the collection of a bare record is empty.

    Raises:
        InputFileError: when something else than an object stands in a list.
    """
    if isinstance(document, list):
        for element in document:
            yield from records(element)
    elif isinstance(document, dict):
        held = next((key for key in document if normalised(key) in _LISTS and isinstance(document[key], list)), None)
        if held is None:
            yield document, {}
            return
        around = {key: value for key, value in document.items() if key != held}
        for element in document[held]:
            yield from ((record, inner or around) for record, inner in records(element))
    else:
        raise InputFileError(f"expected JSON objects, found {str(document)[:40]!r}; export the file again")


def documents(stream: BinaryIO, first: bytes) -> Iterator[Placed]:
    """The records of a stream of JSON.

    Args:
        stream: UTF-8 text.
        first: what was already read of it.

    Yields:
        Pairs of record and collection.

    Raises:
        InputFileError: when the JSON is malformed or breaks off.
    """
    start = first + stream.read(max(AT_ONCE - len(first), 0) + 1)
    if len(start) <= AT_ONCE:
        text = _decoded(start)
        place = 0
        while place < len(text):
            document, place = _decode(text, place)
            yield from records(document)
            place = _after_blank(text, place)
        return
    yield from _streamed(stream, start)


def sequence(stream: BinaryIO, first: bytes) -> Iterator[object]:
    """Documents that stand one after another in a stream of any length; little more than one is held at a time.

    Args:
        stream: UTF-8 text.
        first: what was already read of it.

    Yields:
        Parsed documents.

    Raises:
        InputFileError: when the JSON is malformed or breaks off.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    text, place = "", 0
    for chunk in chain([first], iter(lambda: stream.read(_READ), b""), [b""]):
        with _in_words():
            text, place = text[place:] + decoder.decode(chunk, final=not chunk), 0
        while (found := _whole(text, place)) is not None:
            document, place = found
            yield document
        if len(text) - place > _LONGEST_RECORD:
            break
    place = _after_blank(text, place)
    if place < len(text):
        _decode(text, place)


def _whole(text: str, place: int) -> tuple[object, int] | None:
    """The next document and its end; None when it is not all there, or is malformed."""
    try:
        return _DECODER.raw_decode(text, _after_blank(text, place))
    except json.JSONDecodeError:
        return None


def _streamed(stream: BinaryIO, start: bytes) -> Iterator[Placed]:
    whole = len(start) - _incomplete_tail(start)
    with _in_words():
        buffer, left = start[:whole].decode("utf-8"), start[whole:]
    found = _LIST_START.match(buffer)
    if not found:
        raise InputFileError("expected a JSON list or a collection with items, found a larger document of another form")
    place = _after_blank(buffer, found.end())
    while buffer[place : place + 1] != "]":
        try:
            document, end = _DECODER.raw_decode(buffer, place)
            is_whole = _after_blank(buffer, end) < len(buffer)
        except json.JSONDecodeError:
            is_whole = False
        if is_whole:
            yield from records(document)
            place = _after_blank(buffer, end)
            place = _after_blank(buffer, place + 1) if buffer[place] == "," else place
            if place < len(buffer):
                continue
        chunk = left + stream.read(_READ)
        if len(chunk) == len(left) or len(buffer) - place > _LONGEST_RECORD:
            raise InputFileError("the JSON breaks off in the middle of a record (a broken download?); fetch it again")
        whole = len(chunk) - _incomplete_tail(chunk)
        with _in_words():
            buffer, left, place = buffer[place:] + chunk[:whole].decode("utf-8"), chunk[whole:], 0
        place = _after_blank(buffer, 0)


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError as reason:
        raise InputFileError("expected UTF-8 text, found another encoding; fetch the file again") from reason


def _incomplete_tail(data: bytes) -> int:
    """How many bytes at the end begin a character that is not complete."""
    for size in range(1, min(4, len(data)) + 1):
        byte = data[-size]
        if byte & 0xC0 == 0x80:  # noqa: PLR2004  (a continuation byte of UTF-8)
            continue
        length = 1 if byte < 0x80 else 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4  # noqa: PLR2004  (UTF-8)
        return size if length > size else 0
    return 0


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8").strip(_BLANK)
    except UnicodeDecodeError as reason:
        raise InputFileError(f"expected UTF-8 text, found another encoding at byte {reason.start + 1}") from reason


def _decode(text: str, place: int) -> tuple[object, int]:
    try:
        return _DECODER.raw_decode(text, place)
    except json.JSONDecodeError as reason:
        where = f"line {reason.lineno}, character {reason.colno}"
        if reason.pos >= len(text) - 1 or reason.msg.startswith("Unterminated"):
            raise InputFileError(f"the JSON breaks off at {where} (a broken download?); fetch it again") from reason
        raise InputFileError(
            f"expected JSON, found a fault at {where} ({reason.msg}); fetch the file again"
        ) from reason


def _after_blank(text: str, place: int) -> int:
    while place < len(text) and text[place] in _BLANK:
        place += 1
    return place
