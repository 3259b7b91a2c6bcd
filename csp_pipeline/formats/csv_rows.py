"""Rows of a CSV file as batches of text columns: header, delimiter, quoting, and rows with a wrong number of fields.

The delimiter must be a comma, as in every file the provider writes. Another one means that a program has rewritten the
file, and with it perhaps its numbers and dates: such a file is refused rather than guessed at.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from csp_pipeline.errors import InputFileError
from csp_pipeline.formats.casting import ROW, Reject, TypedBatch, cast
from csp_pipeline.formats.encoding import MARK, MarkedText, shown
from csp_pipeline.formats.recognition import recognise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from csp_pipeline.formats.columns import HeaderMatch, WireFormat

BLOCK_BYTES = 4 << 20
BATCH_BYTES = 24 << 20
_LONGEST_HEADER = 1 << 20
_VALUE_SHOWN = 500
_OTHER_DELIMITERS = {";": "a semicolon", "\t": "a tab", "|": "a vertical bar"}


@dataclass(slots=True)
class CsvRows:
    """An opened CSV file: its kind, how its header was matched, and its rows."""

    wire_format: WireFormat
    match: HeaderMatch
    width: int
    stream: MarkedText

    is_numbered_by_batch: ClassVar[bool] = False
    may_be_empty: ClassVar[bool] = False

    @property
    def unknown(self) -> tuple[str, ...]:
        """Columns of the file that the format does not have."""
        return self.match.unknown

    def batches(self) -> Iterator[Callable[[], TypedBatch]]:
        """The rows in order, as pieces of work that type one batch each.

        Raises:
            InputFileError: when there are no rows, or a quote is never closed.
        """
        ragged: list[pa_csv.InvalidRow] = []
        names = [f"c{position}" for position in range(self.width)]
        try:
            reader = _reader(self.stream, names, [names[found.position] for found in self.match.found.values()], ragged)
            position, taken = 1, 0
            for table in _grouped(reader):
                numbers = sound_row_numbers(table.num_rows, position, ragged)
                position = int(numbers[-1]) + 1 if len(numbers) else position
                here, taken = ragged[taken:], len(ragged)
                yield _Typing(self, table, numbers, [_ragged_reject(row) for row in here])
            if taken < len(ragged):
                yield _Typing(self, None, np.empty(0, np.int64), [_ragged_reject(row) for row in ragged[taken:]])
        except pa.ArrowInvalid as reason:
            raise InputFileError(_sentence(str(reason))) from reason


def open_csv(stream: BinaryIO) -> CsvRows:
    """Read the header and recognise the kind.

    Args:
        stream: UTF-8 text at its start.

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
    return CsvRows(wire_format, wire_format.match(names), len(names), MarkedText(stream))


@dataclass(slots=True)
class _Typing:
    """One batch waiting to be typed."""

    rows: CsvRows
    table: pa.Table | None
    numbers: np.ndarray[tuple[int], np.dtype[np.int64]]
    rejects: list[Reject]

    def __call__(self) -> TypedBatch:
        wire_format, match = self.rows.wire_format, self.rows.match
        columns: dict[str, pa.Array | pa.ChunkedArray] = {}
        undecoded: list[Reject] = []
        for name, found in match.found.items():
            column = self.table[f"c{found.position}"] if self.table else pa.chunked_array([], pa.string())
            columns[name] = column
            if self.rows.stream.has_marks:
                undecoded += _marked_rejects(column, wire_format.column[name].portal, self.numbers)
        columns[ROW] = pa.array(self.numbers)
        shifts = {name: found.shift for name, found in match.found.items() if found.shift}
        batch = cast(wire_format, pa.table(columns), shifts)
        unreadable = {(reject.row, reject.column) for reject in undecoded}
        typed = [reject for reject in batch.rejects if (reject.row, reject.column) not in unreadable]
        batch.rejects = [*self.rejects, *undecoded, *typed]
        batch.rows += len(self.rejects)
        return batch


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


def _reader(
    stream: MarkedText, names: list[str], wanted: list[str], ragged: list[pa_csv.InvalidRow]
) -> pa_csv.CSVStreamingReader:
    def keep_aside(row: pa_csv.InvalidRow) -> str:
        ragged.append(row)
        return "skip"

    return pa_csv.open_csv(
        pa.PythonFile(io.BufferedReader(stream, buffer_size=BLOCK_BYTES), mode="r"),
        read_options=pa_csv.ReadOptions(use_threads=False, column_names=names, block_size=BLOCK_BYTES),
        parse_options=pa_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=keep_aside),
        convert_options=pa_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), include_columns=wanted, strings_can_be_null=False
        ),
    )


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


def _ragged_reject(row: pa_csv.InvalidRow) -> Reject:
    reason = f"expected {row.expected_columns} fields as in the header, found {row.actual_columns}"
    return Reject(row.number, None, shown(row.text)[:_VALUE_SHOWN], reason)


def _marked_rejects(
    column: pa.ChunkedArray, portal: str, numbers: np.ndarray[tuple[int], np.dtype[np.int64]]
) -> list[Reject]:
    places = pc.indices_nonzero(pc.match_substring(column, MARK)).to_pylist()
    reason = "expected UTF-8 text, found another encoding"
    return [
        Reject(int(numbers[place]), portal, shown(column[place].as_py())[:_VALUE_SHOWN], reason) for place in places
    ]


def _sentence(reason: str) -> str:
    if "Empty CSV" in reason:
        return "expected rows below the header, found none; export the file again"
    if "straddl" in reason:
        return "a quotation mark is opened and never closed; export the file again"
    return f"the rows cannot be told apart ({reason.splitlines()[0]}); export the file again"
