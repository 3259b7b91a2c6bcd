"""The fastest reader of JSON lines: a line written by a program is a line of CSV whose delimiter is the quotation mark.

Lines of a file nearly always have the same keys in the same order, with the same of them quoted. `LineLayouts` learns
that from a line, lets Arrow's CSV reader cut all lines at their quotation marks, and then proves that every key, and
what stands between it and its value, is byte for byte the expected one. Lines of another layout are cut again by their
own; what cannot be proven makes `read` answer None, and the caller reads the lines as JSON. Numbers stay text, with
every digit.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from csp_pipeline.errors import InputFileError
from csp_pipeline.formats.casting import ROW
from csp_pipeline.formats.records import NumberText, loads

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from csp_pipeline.formats.columns import WireFormat

    Places = NDArray[np.bool_]

_BLOCK_BYTES = 4 << 20
_CACHED_BYTES = 1 << 18
_LONGEST_LINE = 1 << 20
_BACKSLASH = 92
_PASSES = 6
_GIVEN_UP_AFTER = 3
_BARE = re.compile(rb"(\s*:\s*)(?:-?[0-9][0-9.eE+-]*|null)(\s*,\s*|\s*\})")
_ESCAPE = re.compile(rb"\\.", re.DOTALL)
_CODED_ESCAPE = re.compile(rb"(?<!\\)((?:\\\\)*)\\([bfnrtu])")
_MARK, _MARK_BYTE = "\x1f", b"\x1f"
_MARKED = re.compile("(?:\x1fu[0-9a-fA-F]{4})+|\x1f[bfnrt]")
_SIMPLE_ESCAPES = np.isin(np.arange(256), list(b'"\\/'))
_IN_NUMBERS = np.isin(np.arange(256), list(b"0123456789.eE+-nul"))


@dataclass(frozen=True, slots=True)
class _Layout:
    """The fields of a line: how many, what those outside the values are, and where the wanted values stand.

    Attributes:
        width: number of fields.
        fixed: keys, and what stands before quoted values and at both ends of the line, by place.
        bare: how a field with an unquoted value begins and ends, by place.
        values: the wanted values by staging name.
        shifts: powers of ten that the figures of a column lack.
        strange: keys that belong to no column.
    """

    width: int
    fixed: Mapping[int, bytes]
    bare: Mapping[int, tuple[bytes, bytes]]
    values: Mapping[str, int]
    shifts: Mapping[str, int]
    strange: frozenset[str]


class LineLayouts:
    """The layouts met in the lines of a file."""

    def __init__(self, wire_format: WireFormat) -> None:
        """Start without any layout; they are learnt as lines are read."""
        self._format = wire_format
        self._layouts: list[_Layout] = []
        self._failures = 0

    def read(self, chunk: memoryview) -> tuple[pa.Table, set[str], dict[str, int]] | None:
        """Read a chunk of lines.

        Args:
            chunk: whole lines.

        Returns:
            Columns by staging name as text with `source_row` from 1, the keys that belong to no column, and the powers
            of ten that columns lack; None when the chunk must be read as JSON.
        """
        if self._failures >= _GIVEN_UP_AFTER:
            return None
        try:
            found = self._read(chunk)
        except pa.ArrowInvalid:
            found = None
        self._failures = 0 if found is not None else self._failures + 1
        return found

    def _read(self, chunk: memoryview) -> tuple[pa.Table, set[str], dict[str, int]] | None:
        looked = _look_at(chunk)
        if looked is None:
            return None
        left: bytes | memoryview = _marked(bytes(chunk)) if looked.has_coded_escapes else chunk
        numbers = np.arange(1, looked.lines + 1)
        tables: list[pa.Table] = []
        used: list[_Layout] = []
        for turn in range(_PASSES):
            layout = self._layout(turn, left)
            read = _cut(layout, left, len(numbers), is_marked=looked.has_coded_escapes) if layout else None
            if layout is None or read is None:
                return None
            table, fits = read
            if fits.any():
                tables.append(table.append_column(ROW, pa.array(numbers[fits], pa.int64())))
                used.append(layout)
            numbers = numbers[~fits]
            if not len(numbers):
                return _together(tables, used)
            lines = bytes(left).split(b"\n")
            left = b"\n".join([lines[place] for place in np.flatnonzero(~fits)])
        return None

    def _layout(self, turn: int, left: bytes | memoryview) -> _Layout | None:
        if turn < len(self._layouts):
            return self._layouts[turn]
        layout = _learnt(self._format, bytes(left[:_LONGEST_LINE]).partition(b"\n")[0])
        if layout is not None:
            self._layouts.append(layout)
        return layout


def _learnt(wire_format: WireFormat, line: bytes) -> _Layout | None:
    """The layout of a line; None when it is not a flat object of keys that mean different columns."""
    try:
        record = loads(line.replace(_MARK_BYTE, b"\\").decode("utf-8"))
        match = wire_format.match(list(record)) if isinstance(record, dict) else None
    except (ValueError, InputFileError):
        return None
    if not isinstance(record, dict) or match is None:
        return None
    fields = _ESCAPE.sub(b"__", line.strip()).split(b'"')
    fixed, bare, places = {0: fields[0]}, {}, {}
    place = 1
    for key, value in record.items():
        is_quoted = isinstance(value, str) and not isinstance(value, NumberText)
        width = 4 if is_quoted else 2
        if place + width > len(fields) or fields[place] != key.encode():
            return None
        fixed[place] = fields[place]
        if is_quoted:
            fixed[place + 1] = fields[place + 1]
        else:
            around = _BARE.fullmatch(fields[place + 1])
            if around is None:
                return None
            bare[place + 1] = (around[1], around[2])
        places[key] = place + width // 2
        place += width
    if place != len(fields):
        return None
    fixed |= {} if place - 1 in bare else {place - 1: fields[place - 1]}
    values = {name: places[found.spelling] for name, found in match.found.items()}
    shifts = {name: found.shift for name, found in match.found.items() if found.shift}
    return _Layout(len(fields), fixed, bare, values, shifts, frozenset(match.unknown))


def _cut(layout: _Layout, lines: bytes | memoryview, count: int, *, is_marked: bool) -> tuple[pa.Table, Places] | None:
    """Cut lines at their quotation marks.

    Returns:
        The wanted values of the lines that have this layout, and which lines these are; None when a value that is not
        quoted is no number.
    """
    fits = np.ones(count, dtype=bool)
    widths = {place: pa.binary(len(text)) for place, text in layout.fixed.items()}
    try:
        table = _fields(layout, lines, widths, fits)
        is_proven = all(_is_everywhere(table[str(place)], text) for place, text in layout.fixed.items())
    except pa.ArrowInvalid:
        is_proven = False
    if not is_proven:
        fits[:] = True
        table = _fields(layout, lines, dict.fromkeys(layout.fixed, pa.binary()), fits)
    table, are_alike = _alike(layout, table, look_at_fixed=not is_proven)
    if are_alike is not None:
        fits[fits] = are_alike
    if not fits.any():
        return table.select([]), fits
    columns = {}
    for name, place in layout.values.items():
        column: pa.Array | None = _whole(table[str(place)])
        if place in layout.bare:
            column = _number(column, layout.bare[place])
        elif is_marked:
            column = _unmarked(column)
        if column is None:
            return None
        columns[name] = column
    return pa.table(columns), fits


def _fields(layout: _Layout, lines: bytes | memoryview, types: Mapping[int, pa.DataType], fits: Places) -> pa.Table:
    """The fields of every line of the right width; `fits` becomes false for the others."""

    def misfit(row: pa_csv.InvalidRow) -> str:
        fits[row.number - 1] = False
        return "skip"

    wanted = {str(place): kind for place, kind in types.items()}
    wanted |= {str(place): pa.string() for place in (*layout.bare, *layout.values.values())}
    return pa_csv.read_csv(
        pa.BufferReader(pa.py_buffer(lines)),
        read_options=pa_csv.ReadOptions(
            use_threads=False, block_size=_BLOCK_BYTES, column_names=[str(place) for place in range(layout.width)]
        ),
        parse_options=pa_csv.ParseOptions(
            delimiter='"', quote_char=False, escape_char="\\", newlines_in_values=False, invalid_row_handler=misfit
        ),
        convert_options=pa_csv.ConvertOptions(
            column_types=wanted, include_columns=list(wanted), strings_can_be_null=False
        ),
    )


def _alike(layout: _Layout, table: pa.Table, *, look_at_fixed: bool) -> tuple[pa.Table, Places | None]:
    """The lines whose fields outside the values are the expected ones, and which these are; None for all of them."""
    proofs = [pc.equal(table[str(place)], text) for place, text in layout.fixed.items()] if look_at_fixed else []
    for place, (before, after) in layout.bare.items():
        proofs += [
            pc.starts_with(table[str(place)], before.decode()),
            pc.ends_with(table[str(place)], after.decode()),
        ]
    failed = [proof for proof in proofs if not pc.all(proof, min_count=0).as_py()]
    if not failed:
        return table, None
    alike = np.logical_and.reduce([_whole(proof).to_numpy(zero_copy_only=False) for proof in failed])
    return table.filter(pa.array(alike)), alike


def _is_everywhere(column: pa.ChunkedArray, text: bytes) -> bool:
    """Whether every value of a column of fixed width is this text."""
    for chunk in column.chunks:
        size = len(chunk) * len(text)
        found = chunk.buffers()[1].slice(chunk.offset * len(text), size) if size else pa.py_buffer(b"")
        if not found.equals(pa.py_buffer(text * len(chunk))):
            return False
    return True


def _number(column: pa.Array, around: tuple[bytes, bytes]) -> pa.Array | None:
    """The text of numbers without what stands around them; null becomes NULL, anything else is no number."""
    bare = pc.ascii_trim(column, characters=b"".join(around).decode())
    letters = np.frombuffer(bare.buffers()[2] or b"", np.uint8)
    if not _IN_NUMBERS[letters].all():
        return None
    return pc.if_else(pc.equal(bare, "null"), pa.scalar(None, pa.string()), bare)


@dataclass(frozen=True, slots=True)
class _Look:
    """What matters about a chunk before it is cut."""

    lines: int
    has_coded_escapes: bool


def _look_at(chunk: memoryview) -> _Look | None:
    """Look at a chunk in pieces that stay in the processor's cache; None when it cannot be cut."""
    lines, has_coded_escapes, before = 1, False, b"\n"
    for start in range(0, len(chunk), _CACHED_BYTES):
        piece = bytes(chunk[start : start + _CACHED_BYTES + 1])
        if _MARK_BYTE in piece or b"\r" in piece or b"\n\n" in piece or (before + piece[:1]) == b"\n\n":
            return None
        letters = np.frombuffer(piece, np.uint8)
        after = letters[np.flatnonzero(letters[:-1] == _BACKSLASH) + 1]
        has_coded_escapes = has_coded_escapes or not _SIMPLE_ESCAPES[after].all()
        lines += piece.count(b"\n", 0, _CACHED_BYTES)
        before = b""
    return _Look(lines - (bytes(chunk[-1:]) == b"\n"), has_coded_escapes)


def _marked(lines: bytes) -> bytes:
    """Escapes of control characters and code points marked, as the cut would lose them."""
    return _CODED_ESCAPE.sub(rb"\1" + _MARK_BYTE + rb"\2", lines)


def _unmarked(column: pa.Array) -> pa.Array:
    """Marked escapes as the characters they stand for, each distinct text once."""
    encoded = column.dictionary_encode()
    texts = [_MARKED.sub(_character, text) for text in encoded.dictionary.to_pylist()]
    return pa.array(texts, pa.string()).take(encoded.indices)


def _character(found: re.Match[str]) -> str:
    return str(json.loads(f'"{found[0].replace(_MARK, chr(92))}"'))


def _whole(column: pa.ChunkedArray) -> pa.Array:
    combined = column.combine_chunks()
    return combined if isinstance(combined, pa.Array) else pa.concat_arrays(combined.chunks)


def _together(tables: list[pa.Table], used: list[_Layout]) -> tuple[pa.Table, set[str], dict[str, int]] | None:
    """The lines of all layouts; None when a column lacks powers of ten in some lines only."""
    shifts: dict[str, int] = {}
    for layout in used:
        shifts |= layout.shifts
    if any(
        layout.shifts.get(name, 0) != shift
        for layout in used
        for name, shift in shifts.items()
        if name in layout.values
    ):
        return None
    strange = {key for layout in used for key in layout.strange}
    return pa.concat_tables(tables, promote_options="default"), strange, shifts
