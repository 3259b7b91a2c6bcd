"""Rows of a CSV file as batches of text columns: header, delimiter, quoting, and rows with a wrong number of fields.

The delimiter must be a comma, as in every file the provider writes. Another one means that a program has rewritten the
file, and with it perhaps its numbers and dates: such a file is refused rather than guessed at.
"""

from __future__ import annotations

import csv
import io
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from csp_pipeline.errors import InputFileError
from csp_pipeline.formats.buffers import Buffers
from csp_pipeline.formats.casting import ROW, Reject, TypedBatch, cast, plain
from csp_pipeline.formats.chunks import chunks, last_newline
from csp_pipeline.formats.encoding import MARK, MarkedText, marked, shown
from csp_pipeline.formats.recognition import recognise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from csp_pipeline.formats.chunks import Chunk
    from csp_pipeline.formats.columns import HeaderMatch, WireFormat

BLOCK_BYTES = 4 << 20
BATCH_BYTES = 24 << 20
_LONGEST_HEADER = 1 << 20
_LONGEST_ROW = 64 << 20
_VALUE_SHOWN = 500
_OTHER_DELIMITERS = {";": "a semicolon", "\t": "a tab", "|": "a vertical bar"}
_TEXT = pa.dictionary(pa.int32(), pa.string())
"""Most texts repeat from row to row: each is typed once."""
_UNCLOSED = "a quotation mark is opened and never closed; export the file again"
_QUOTE = ord('"')
_BEFORE, _AFTER = (np.frombuffer(one, np.uint8) for one in (b',\n\r"', b',\n\r"'))
_BLOCK, _BLANK = 1 << 18, 1 << 12


@dataclass(slots=True)
class CsvRows:
    """An opened CSV file: its kind, how its header was matched, and its rows."""

    wire_format: WireFormat
    match: HeaderMatch
    width: int
    stream: BinaryIO
    buffers: Buffers

    is_numbered_by_batch: ClassVar[bool] = True
    may_be_empty: ClassVar[bool] = False

    @property
    def unknown(self) -> tuple[str, ...]:
        """Columns of the file that the format does not have."""
        return self.match.unknown

    def batches(self) -> Iterator[Callable[[], TypedBatch]]:
        """The rows in order, as pieces of work that read and type one chunk each; rows are numbered within the chunk.

        Where quotes stand inside of values, only reading tells where rows end: from there on one thread reads.

        Raises:
            InputFileError: when a quote is never closed.
        """
        for chunk in chunks(self.stream, b"", self.buffers, _end_of_rows):
            if chunk.is_cut:
                yield _Reading(self, chunk)
            else:
                yield from self._streamed(bytes(chunk.rows))

    def _streamed(self, start: bytes) -> Iterator[Callable[[], TypedBatch]]:
        quotes = _QuotesSeen()
        text = MarkedText(_Joined(io.BytesIO(start), self.stream, quotes))
        ragged: list[pa_csv.InvalidRow] = []
        position, given, told = 1, 0, 0
        with _in_a_sentence():
            reader = pa_csv.open_csv(
                pa.PythonFile(io.BufferedReader(text, buffer_size=BLOCK_BYTES), mode="r"),
                **_options(self, BLOCK_BYTES, ragged),
            )
            for table in _grouped(reader):
                numbers = sound_row_numbers(table.num_rows, position, ragged)
                position = int(numbers[-1]) + 1 if len(numbers) else position
                here, told = ragged[told:], len(ragged)
                yield _Typing(self, table, numbers - given, _ragged_rejects(here, given), has_marks=text.has_marks)
                given += table.num_rows + len(here)
            if ragged[told:]:
                none = np.empty(0, np.int64)
                yield _Typing(self, None, none, _ragged_rejects(ragged[told:], given), has_marks=False)
        if quotes.is_open:
            raise InputFileError(_UNCLOSED)


def open_csv(stream: BinaryIO, buffers: Buffers | None = None) -> CsvRows:
    """Read the header and recognise the kind.

    Args:
        stream: UTF-8 text at its start.
        buffers: memory that other files have used.

    Raises:
        InputFileError: when the header is of no known kind, or another delimiter was used.
    """
    header = _header(stream)
    for delimiter, name in _OTHER_DELIMITERS.items():
        if header.count(delimiter) > header.count(","):
            raise InputFileError(
                f"expected a comma between columns, found {name}; export the file again with commas, as the provider "
                "writes it, without opening it in a spreadsheet"
            )
    names = next(csv.reader([header]))
    wire_format = recognise(names)
    return CsvRows(wire_format, wire_format.match(names), len(names), stream, buffers or Buffers())


@dataclass(slots=True)
class _Reading:
    """A chunk of whole rows waiting to be read and typed, once: its buffer is given back."""

    rows: CsvRows
    chunk: Chunk

    def __call__(self) -> TypedBatch:
        text, has_marks = marked(self.chunk.rows)
        if self.chunk.is_last:
            _refuse_open_quote(text)
        with _in_a_sentence():
            table, ragged = self._read(text)
        self.rows.buffers.give(self.chunk.buffer)
        numbers = sound_row_numbers(table.num_rows if table else 0, 1, ragged)
        return _Typing(self.rows, table, numbers, _ragged_rejects(ragged, 0), has_marks=has_marks)()

    def _read(self, text: memoryview) -> tuple[pa.Table | None, list[pa_csv.InvalidRow]]:
        """The columns wanted and the ragged rows: block by block, which is fastest, or at once if a row is longer."""
        ragged: list[pa_csv.InvalidRow] = []
        if not bytes(text[:_BLANK]).strip() and not bytes(text).strip():
            return None, ragged
        try:
            return pa_csv.read_csv(pa.BufferReader(text), **_options(self.rows, BLOCK_BYTES, ragged)), ragged
        except pa.ArrowInvalid:
            ragged = []
            return pa_csv.read_csv(pa.BufferReader(text), **_options(self.rows, len(text) + 1, ragged)), ragged


@dataclass(slots=True)
class _Typing:
    """Rows as text, waiting to be typed."""

    rows: CsvRows
    table: pa.Table | None
    numbers: np.ndarray[tuple[int], np.dtype[np.int64]]
    rejects: list[Reject]
    has_marks: bool

    def __call__(self) -> TypedBatch:
        wire_format, match = self.rows.wire_format, self.rows.match
        columns: dict[str, pa.Array | pa.ChunkedArray] = {}
        undecoded: list[Reject] = []
        for name, found in match.found.items():
            column = self.table[f"c{found.position}"] if self.table else pa.chunked_array([], pa.string())
            columns[name] = column
            if self.has_marks:
                undecoded += _marked_rejects(plain(column), wire_format.column[name].portal, self.numbers)
        columns[ROW] = pa.array(self.numbers)
        shifts = {name: found.shift for name, found in match.found.items() if found.shift}
        batch = cast(wire_format, pa.table(columns), shifts)
        unreadable = {(reject.row, reject.column) for reject in undecoded}
        typed = [reject for reject in batch.rejects if (reject.row, reject.column) not in unreadable]
        batch.rejects = [*self.rejects, *undecoded, *typed]
        batch.rows += len(self.rejects)
        return batch


@dataclass(slots=True)
class _Joined:
    """One stream after another, and the quotes in both."""

    first: BinaryIO
    then: BinaryIO
    quotes: _QuotesSeen

    def read(self, size: int) -> bytes:
        text = self.first.read(size) or self.then.read(size)
        characters = np.frombuffer(text, np.uint8)
        self.quotes.go_on(characters, _places_of(_QUOTE, characters))
        return text


@dataclass(slots=True)
class _QuotesSeen:
    """Whether a value is open after some text: one quote opens it where a value begins, one closes it, two are a quote.

    Attributes:
        closed_at: where the last one was closed, counted from the end of the text.
        last: the text's last character.
    """

    is_open: bool = False
    closed_at: int = -2
    last: int = ord("\n")

    def go_on(self, characters: NDArray[np.uint8], quotes: NDArray[np.int64]) -> None:
        """See more of the text."""
        if not len(characters):
            return
        before = np.where(quotes > 0, characters[quotes - 1], self.last)
        is_open, closed_at = self.is_open, self.closed_at
        is_told_before = self.last != _QUOTE or closed_at == -1
        if is_told_before and np.isin(before[int(is_open) :: 2], _BEFORE).all():  # every second one opens
            is_open ^= len(quotes) % 2 == 1
            closed_at = int(quotes[-1]) if len(quotes) else closed_at
        else:
            for place, opens in zip(quotes.tolist(), np.isin(before, _BEFORE[:-1]).tolist(), strict=True):
                if is_open:
                    is_open, closed_at = False, place
                elif opens or place == closed_at + 1:
                    is_open = True
        self.is_open, self.closed_at, self.last = is_open, closed_at - len(characters), int(characters[-1])


def _header(stream: BinaryIO) -> str:
    while line := stream.readline(_LONGEST_HEADER):
        try:
            text = line.decode("utf-8").strip("\r\n")
        except UnicodeDecodeError as reason:
            raise InputFileError("expected UTF-8 text, found another encoding; save the file as CSV UTF-8") from reason
        if len(line) >= _LONGEST_HEADER:
            raise InputFileError("expected a header line, found a million characters without a line end")
        if text.strip() and not text.lower().startswith("sep="):
            return text
    raise InputFileError("expected a header and rows, found an empty file; export it again")


def _end_of_rows(view: memoryview) -> int | None:
    """Where the last whole row ends; None when quotes stand where only reading all of it tells what they mean.

    A quote at the start of a value opens it, and one at its end closes it; two beside each other inside are a quote. If
    all quotes are like that, every second one opens, and a line end after an even number of them ends a row.
    """
    characters = np.frombuffer(view, np.uint8)
    quotes = _places_of(_QUOTE, characters)
    if not _are_regular(characters, quotes):
        return None
    end = len(view)
    while (newline := last_newline(view[:end])) >= 0:
        before = int(np.searchsorted(quotes, newline))
        if before % 2 == 0:
            return newline + 1
        end = int(quotes[before - 1])
    if len(view) > _LONGEST_ROW:
        raise InputFileError(_UNCLOSED)
    return 0


def _refuse_open_quote(view: memoryview) -> None:
    characters = np.frombuffer(view, np.uint8)
    quotes = _places_of(_QUOTE, characters)
    if len(quotes) % 2 if _are_regular(characters, quotes) else _is_left_open(characters, quotes):
        raise InputFileError(_UNCLOSED)


def _places_of(character: int, characters: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Where a character stands; looked for in pieces that fit into the processor's cache."""
    pieces = range(0, len(characters), _BLOCK)
    found = [np.flatnonzero(characters[at : at + _BLOCK] == character) + at for at in pieces]
    return np.concatenate(found) if found else np.empty(0, np.int64)


def _are_regular(characters: NDArray[np.uint8], quotes: NDArray[np.int64]) -> bool:
    opening, closing = quotes[0::2], quotes[1::2]
    before = characters[opening[opening > 0] - 1]
    after = characters[closing[closing < len(characters) - 1] + 1]
    return bool(np.isin(before, _BEFORE).all() and np.isin(after, _AFTER).all())


def _is_left_open(characters: NDArray[np.uint8], quotes: NDArray[np.int64]) -> bool:
    """Whether the last quote that opens a value is never closed, where others stand for themselves inside of values."""
    seen = _QuotesSeen()
    seen.go_on(characters, quotes)
    return seen.is_open


def _options(rows: CsvRows, block_bytes: int, ragged: list[pa_csv.InvalidRow]) -> dict[str, Any]:
    """How Arrow reads: every column as text, ragged rows kept aside."""

    def keep_aside(row: pa_csv.InvalidRow) -> str:
        ragged.append(row)
        return "skip"

    types = {
        f"c{found.position}": pa.string() if rows.wire_format.column[name].type == "decimal" else _TEXT
        for name, found in rows.match.found.items()
    }
    names = [f"c{position}" for position in range(rows.width)]
    return {
        "read_options": pa_csv.ReadOptions(use_threads=False, column_names=names, block_size=block_bytes),
        "parse_options": pa_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=keep_aside),
        "convert_options": pa_csv.ConvertOptions(
            column_types=types, include_columns=list(types), strings_can_be_null=False
        ),
    }


def _grouped(reader: pa_csv.CSVStreamingReader) -> Iterator[pa.Table]:
    blocks: list[pa.RecordBatch] = []
    size = 0
    for block in reader:
        blocks.append(block)
        size += block.nbytes
        if size >= BATCH_BYTES:
            yield pa.Table.from_batches(blocks)
            blocks, size = [], 0
    if blocks:
        yield pa.Table.from_batches(blocks)


def sound_row_numbers(
    count: int, first: int, ragged: list[pa_csv.InvalidRow]
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Numbers of the sound rows: the places in the file that no ragged row takes.

    Args:
        count: how many sound rows there are.
        first: the number of the first row, sound or ragged.
        ragged: rows with another number of fields; earlier ones are passed over.

    Returns:
        One number per sound row, ascending.
    """
    aside = np.array([row.number for row in ragged if row.number >= first], dtype=np.int64)
    numbers = np.arange(first, first + count + len(aside), dtype=np.int64)
    return np.setdiff1d(numbers, aside, assume_unique=True)[:count]


def _ragged_rejects(rows: Sequence[pa_csv.InvalidRow], before: int) -> list[Reject]:
    return [
        Reject(
            row.number - before,
            None,
            shown(row.text)[:_VALUE_SHOWN],
            f"expected {row.expected_columns} fields as in the header, found {row.actual_columns}",
        )
        for row in rows
    ]


def _marked_rejects(
    column: pa.ChunkedArray, portal: str, numbers: np.ndarray[tuple[int], np.dtype[np.int64]]
) -> list[Reject]:
    places = pc.indices_nonzero(pc.match_substring(column, MARK)).to_pylist()
    reason = "expected UTF-8 text, found another encoding"
    return [
        Reject(int(numbers[place]), portal, shown(column[place].as_py())[:_VALUE_SHOWN], reason) for place in places
    ]


@contextmanager
def _in_a_sentence() -> Iterator[None]:
    """Say what is wrong with the form of the rows.

    Raises:
        InputFileError: with that sentence.
    """
    try:
        yield
    except pa.ArrowInvalid as reason:
        raise InputFileError(_sentence(str(reason))) from reason


def _sentence(reason: str) -> str:
    if "Empty CSV" in reason:
        return "expected rows below the header, found none; export the file again"
    if "straddl" in reason:
        return _UNCLOSED
    return f"the rows cannot be told apart ({reason.splitlines()[0]}); export the file again"
