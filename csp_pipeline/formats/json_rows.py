"""Rows of JSON: lines, arrays and collections, as batches of text columns with every digit as it was sent.

Two readers of lines give the same rows. The fast one lets Arrow read numbers into 128-bit decimals straight from their
characters; what it refuses, batch by batch, goes to the exact one, which reads each line as text. A double is never
used.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import TYPE_CHECKING, BinaryIO, ClassVar

import pyarrow as pa

from csp_pipeline.errors import InputFileError
from csp_pipeline.formats.answers import begins_answers, kind_of, read_answers, records_of
from csp_pipeline.formats.buffers import Buffers
from csp_pipeline.formats.casting import ROW, Reject, TypedBatch, cast
from csp_pipeline.formats.chunks import chunks, last_newline
from csp_pipeline.formats.columns import normalised
from csp_pipeline.formats.json_arrow import LineShape
from csp_pipeline.formats.json_documents import documents, records
from csp_pipeline.formats.recognition import FORMATS, recognise
from csp_pipeline.formats.records import NumberText, as_text, loads
from csp_pipeline.formats.values import UnreadableError, parse_decimal

if TYPE_CHECKING:
    import io
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from csp_pipeline.formats.chunks import Chunk
    from csp_pipeline.formats.columns import WireFormat
    from csp_pipeline.formats.json_documents import Placed

_LONGEST_LINE = 64 << 20
_SAMPLE_LINES = 500
_SAMPLE_BYTES = 2 << 20
_RECORDS = 5_000
_VALUE_SHOWN = 500
_KEYS_SHOWN = 6
_ON_EVERY_RESOURCE = ("attributes", "links")


@dataclass(slots=True)
class JsonRows:
    """An opened JSON file: its kind, its rows, whether it is sound without any, and keys that belong to no column."""

    wire_format: WireFormat
    source: Iterator[Callable[[], TypedBatch]]
    may_be_empty: bool = False
    strange: set[str] = field(default_factory=set)

    is_numbered_by_batch: ClassVar[bool] = True

    @property
    def unknown(self) -> tuple[str, ...]:
        """Keys that the format does not have, as far as the file has been read; what every resource carries is none."""
        return tuple(sorted(key for key in self.strange if normalised(key) not in _ON_EVERY_RESOURCE))

    def batches(self) -> Iterator[Callable[[], TypedBatch]]:
        """The rows in order, as pieces of work that type one batch each; rows are numbered within the batch.

        Raises:
            InputFileError: when the JSON breaks off or is malformed between records.
        """
        return self.source


def open_json(stream: BinaryIO, buffers: Buffers | None = None) -> JsonRows:
    """Recognise the kind from the first records.

    Args:
        stream: UTF-8 text at its start.
        buffers: memory that other files have used.

    Raises:
        InputFileError: when it is no JSON, holds no rows, or rows of no known kind.
    """
    start = _skip_blank(stream)
    if start != b"{":
        return _open_documents(stream, b"")
    first = stream.readline(_LONGEST_LINE)
    if begins_answers(first):
        return _open_answers(stream, first)
    try:
        record = loads(first.decode("utf-8"))
    except (ValueError, UnicodeDecodeError):
        return _open_documents(stream, first)
    if not isinstance(record, dict) or next(iter(records(record)), (None,))[0] is not record:
        return _open_documents(stream, first)
    return _open_lines(stream, first, Buffers() if buffers is None else buffers)


def _skip_blank(stream: BinaryIO) -> bytes:
    buffered: io.BufferedReader = stream  # type: ignore[assignment]
    while True:
        ahead = buffered.peek(1)
        if not ahead or not ahead[:1].isspace():
            return bytes(ahead[:1])
        stream.read(len(ahead) - len(ahead.lstrip()))


def _open_documents(stream: BinaryIO, first: bytes) -> JsonRows:
    found = documents(stream, first)
    sample = list(islice(found, _SAMPLE_LINES))
    if not sample:
        raise InputFileError("expected rows, found an empty collection; there is nothing to read in it")
    rows = JsonRows(_recognised(record for record, _ in sample), iter(()))
    rows.source = _batched(rows, sample, found)
    return rows


def _open_answers(stream: BinaryIO, first: bytes) -> JsonRows:
    """Answers are of the kind that their address gives; without a record they are sound: there was nothing to tell."""
    answers = read_answers(stream, first)
    earliest = next(answers)
    kind = kind_of(earliest.uri)
    found = records_of(chain([earliest], answers), kind)
    sample = list(islice(found, _SAMPLE_LINES))
    if kind is None and not sample:
        raise InputFileError(f"expected answers of a known resource, found only empty ones of {earliest.uri}")
    wire_format = FORMATS[kind] if kind else _recognised(record for record, _ in sample)
    if sample and not wire_format.is_signed_by(normalised(key) for record, _ in sample for key in record):
        shown = ", ".join(list(sample[0][0])[:_KEYS_SHOWN])
        raise InputFileError(
            f"expected the fields of a {wire_format.title}, found others ({shown}); see what the service answers"
        )
    rows = JsonRows(wire_format, iter(()), may_be_empty=True)
    rows.source = _batched(rows, sample, found)
    return rows


def _batched(rows: JsonRows, sample: Sequence[Placed], found: Iterator[Placed]) -> Iterator[Callable[[], TypedBatch]]:
    waiting = tuple(sample)
    while waiting:
        yield _Records(rows, waiting, ())
        waiting = tuple(islice(found, _RECORDS))


def _recognised(sample: Iterable[Mapping[str, object]]) -> WireFormat:
    keys: dict[str, None] = {}
    for record in sample:
        keys.update(dict.fromkeys(record))
    return recognise(keys)


def _open_lines(stream: BinaryIO, first: bytes, buffers: Buffers) -> JsonRows:
    whole = chunks(stream, first, buffers, _end_of_lines)
    start = next(whole)
    sample = [
        record
        for record in map(_tried, bytes(start.rows[:_SAMPLE_BYTES]).splitlines()[:_SAMPLE_LINES])
        if isinstance(record, dict)
    ]
    rows = JsonRows(_recognised(sample), iter(()))
    shape = None if rows.wire_format.flatten else LineShape(rows.wire_format, sample)

    def batches() -> Iterator[Callable[[], TypedBatch]]:
        yield _Lines(rows, shape, start, buffers)
        for chunk in whole:
            yield _Lines(rows, shape, chunk, buffers)

    rows.source = batches()
    return rows


def _tried(line: bytes) -> object:
    try:
        return loads(line.decode("utf-8"))
    except ValueError:
        return None


def _end_of_lines(view: memoryview) -> int:
    end = last_newline(view) + 1
    if len(view) - end > _LONGEST_LINE:
        raise InputFileError("expected one JSON object a line, found 64 MB without a line end")
    return end


@dataclass(slots=True)
class _Lines:
    """A chunk of JSON lines waiting to be typed, once: its buffer is given back."""

    rows: JsonRows
    shape: LineShape | None
    chunk: Chunk
    buffers: Buffers

    def __call__(self) -> TypedBatch:
        batch = self._typed()
        self.buffers.give(self.chunk.buffer)
        return batch

    def _typed(self) -> TypedBatch:
        read = self.shape.read(self.chunk.rows) if self.shape is not None else None
        if read is None or self.shape is None:
            return self._exactly()()
        table, strange, rounded = read
        self.rows.strange.update(strange)
        batch = cast(self.rows.wire_format, table, self.shape.shifts)
        batch.noticed["rounded"] += rounded
        return batch

    def _exactly(self) -> _Records:
        found: list[Placed] = []
        broken: list[Reject] = []
        for line in bytes(self.chunk.rows).split(b"\n"):
            if not line.strip():
                continue
            row = len(found) + len(broken) + 1
            try:
                record = loads(line.decode("utf-8"))
                reason = "expected a JSON object on the line"
            except UnicodeDecodeError:
                record, reason = None, "expected UTF-8 text, found another encoding"
            except json.JSONDecodeError as error:
                record, reason = None, f"the line is not JSON ({error.msg} at character {error.pos + 1})"
            if isinstance(record, dict):
                found.append((record, {}))
            else:
                broken.append(Reject(row, None, line[:_VALUE_SHOWN].decode("utf-8", errors="replace"), reason))
        return _Records(self.rows, tuple(found), tuple(broken))


@dataclass(slots=True)
class _Records:
    """Parsed records waiting to be typed; `broken` rows stand between them."""

    rows: JsonRows
    found: tuple[Placed, ...]
    broken: tuple[Reject, ...]

    def __call__(self) -> TypedBatch:
        wire_format = self.rows.wire_format
        if wire_format.flatten is None:
            flat = [_flat(wire_format, record, self.rows.strange) for record, _ in self.found]
        else:
            flat = [row for record, around in self.found for row in wire_format.flatten(record, around)]
        taken = {reject.row for reject in self.broken}
        numbers = [row for row in range(1, len(flat) + len(taken) + 1) if row not in taken]
        columns = {
            column.name: pa.array([as_text(row.get(column.name)) for row in flat], pa.string())
            for column in wire_format.columns
        }
        batch = cast(wire_format, pa.table({**columns, ROW: pa.array(numbers, pa.int64())}), {})
        batch.rejects = [*self.broken, *batch.rejects]
        batch.rows += len(self.broken)
        return batch


def _flat(wire_format: WireFormat, record: Mapping[str, object], strange: set[str]) -> dict[str, object]:
    """A flat record by staging name; a fraction becomes a percentage, by the name it was sent under."""
    row: dict[str, object] = {}
    for key, value in record.items():
        known = wire_format.spellings.get(normalised(key))
        if known is None:
            strange.add(key)
            continue
        column, shift = known
        if row.get(column.name) in (None, ""):
            row[column.name] = _moved(value, shift) if shift else value
    return row


def _moved(value: object, shift: int) -> object:
    text = as_text(value)
    if text is None:
        return None
    try:
        return NumberText(parse_decimal(text, shift)[0])
    except UnreadableError:
        return text
