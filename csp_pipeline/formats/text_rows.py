"""Rows that are told apart in Python: small tables of several sections, of another delimiter, or of a workbook.

What belongs here: batches of text rows on their way to `casting`. The large files of the provider have readers of their
own (`csv_rows`, `json_rows`), which never hold a row as a Python object.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO, ClassVar

import pyarrow as pa

from csp_pipeline.errors import InputFileError
from csp_pipeline.formats.casting import ROW, Reject, TypedBatch, cast
from csp_pipeline.formats.encoding import MARK, MarkedText, shown

if TYPE_CHECKING:
    from csp_pipeline.formats.columns import HeaderMatch, WireFormat

BATCH_ROWS = 20_000
_LONGEST_FIELD = 16 << 20
_VALUE_SHOWN = 500

Cells = Sequence[str]
Respell = Callable[[dict[str, list[str]], "Layout"], None]
Complete = Callable[[TypedBatch], None]


@dataclass(frozen=True, slots=True)
class Layout:
    """How the rows below a header are read.

    Attributes:
        wire_format: the columns wanted; may ask for more than the format of the file as a whole does.
        match: where they stand.
        width: how many fields the header has.
        fills_short_rows: whether a row may end before its last, empty fields, as those of a sheet do.
    """

    wire_format: WireFormat
    match: HeaderMatch
    width: int
    fills_short_rows: bool = False


@dataclass(slots=True)
class TextRows:
    """An opened table: its kind, its rows under the layouts they stand in, and what is done to them before the casts.

    Attributes:
        respell: changes the texts of a batch, column by column, before they are cast.
        complete: fills what the file leaves to be worked out, once the texts are cast.
    """

    wire_format: WireFormat
    found: Iterable[tuple[Layout, Cells]]
    unknown: tuple[str, ...] = ()
    respell: Respell | None = None
    complete: Complete | None = None

    is_numbered_by_batch: ClassVar[bool] = True
    may_be_empty: ClassVar[bool] = False

    def batches(self) -> Iterator[Callable[[], TypedBatch]]:
        """The rows in order, as pieces of work that type one batch each; rows are numbered within the batch.

        Raises:
            InputFileError: when the rows cannot be told apart.
        """
        rows = iter(self.found)
        while batch := list(islice(rows, BATCH_ROWS)):
            yield _Typing(self, batch)


@dataclass(slots=True)
class _Typing:
    """One batch waiting to be typed; rows of several layouts are typed layout by layout."""

    rows: TextRows
    batch: list[tuple[Layout, Cells]]

    def __call__(self) -> TypedBatch:
        by_layout: dict[int, tuple[Layout, list[tuple[int, Cells]]]] = {}
        for number, (layout, cells) in enumerate(self.batch, 1):
            by_layout.setdefault(id(layout), (layout, []))[1].append((number, cells))
        typed = [_typed(layout, numbered, self.rows.respell) for layout, numbered in by_layout.values()]
        whole = TypedBatch(pa.concat_tables([one.table for one in typed]).sort_by(ROW), [], len(self.batch))
        for one in typed:
            whole.rejects += one.rejects
            whole.noticed += one.noticed
        if self.rows.complete is not None:
            self.rows.complete(whole)
        return whole


def _typed(layout: Layout, numbered: Sequence[tuple[int, Cells]], respell: Respell | None) -> TypedBatch:
    rejects: list[Reject] = []
    numbers: list[int] = []
    sound: list[Cells] = []
    for number, cells in numbered:
        reject = _ragged(layout, number, cells)
        if reject is None:
            numbers.append(number)
            sound.append([*cells, *[""] * (layout.width - len(cells))])
        else:
            rejects.append(reject)
    columns = {name: [cells[found.position] for cells in sound] for name, found in layout.match.found.items()}
    rejects += _undecoded(layout, columns, numbers)
    if respell is not None:
        respell(columns, layout)
    arrays = {name: pa.array(values, pa.string()) for name, values in columns.items()}
    shifts = {name: found.shift for name, found in layout.match.found.items() if found.shift}
    batch = cast(layout.wire_format, pa.table({**arrays, ROW: pa.array(numbers, pa.int64())}), shifts)
    known = {(reject.row, reject.column) for reject in rejects}
    batch.rejects = [*rejects, *(one for one in batch.rejects if (one.row, one.column) not in known)]
    return batch


def _ragged(layout: Layout, number: int, cells: Cells) -> Reject | None:
    is_sound = len(cells) <= layout.width if layout.fills_short_rows else len(cells) == layout.width
    if is_sound or (not any(cell.strip() for cell in cells[layout.width :]) and len(cells) > layout.width):
        return None
    reason = f"expected {layout.width} fields as in the header, found {len(cells)}"
    return Reject(number, None, shown(",".join(cells))[:_VALUE_SHOWN], reason)


def _undecoded(layout: Layout, columns: Mapping[str, Sequence[str]], numbers: Sequence[int]) -> list[Reject]:
    reason = "expected UTF-8 text, found another encoding"
    return [
        Reject(number, layout.wire_format.column[name].portal, shown(value)[:_VALUE_SHOWN], reason)
        for name, values in columns.items()
        for number, value in zip(numbers, values, strict=True)
        if MARK in value
    ]


def read_cells(stream: BinaryIO, delimiter: str = ",") -> Iterator[list[str]]:
    """The rows of a delimited text, blank ones left out.

    Args:
        stream: UTF-8 text.
        delimiter: what stands between two fields.

    Raises:
        InputFileError: when a field has no end.
    """
    before = csv.field_size_limit(_LONGEST_FIELD)
    try:
        text = io.TextIOWrapper(io.BufferedReader(MarkedText(stream)), encoding="utf-8", newline="")
        for cells in csv.reader(text, delimiter=delimiter, strict=True):
            if any(cell.strip() for cell in cells):
                yield cells
    except csv.Error as reason:
        raise InputFileError(f"the rows cannot be told apart ({reason}); export the file again") from reason
    finally:
        csv.field_size_limit(before)
