"""The fast reader of JSON lines: Arrow's parser under a schema learnt from the first lines.

Arrow converts a JSON number to a decimal from its characters, exactly, or refuses; but a number of many digits wraps
around when its last decimals do not fit in the type's bits. So types are read that have room for both: at most 38
digits, scaled by at most 38 decimals, in 256 bits. Every refusal, and every key that appears later than the sample,
makes `read` answer None, and the caller reads that batch exactly instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pa_json

from csp_pipeline.errors import InputFileError
from csp_pipeline.formats.casting import ARROW_TYPES, ROW, single
from csp_pipeline.formats.columns import normalised
from csp_pipeline.formats.json_runs import cut, learn_runs, object_lines
from csp_pipeline.formats.records import NumberText

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from csp_pipeline.formats.columns import WireFormat
    from csp_pipeline.formats.json_runs import Lines

_BLOCK_BYTES = 2 << 20
_SEARCHED_BYTES = 1 << 16
_WHOLE = pa.decimal128(38, 0)
_DECIMAL = ARROW_TYPES["decimal"]
_NARROW = pa.decimal256(38, 18)
_WIDE = pa.decimal256(38, 38)
_WIDEST = pa.decimal256(76, 38)


class LineShape:
    """What the lines of a file look like: which key is which column, and which are sent as numbers."""

    def __init__(self, wire_format: WireFormat, sample: Sequence[Mapping[str, object]]) -> None:
        """Learn the shape.

        Args:
            wire_format: the format the lines were recognised as.
            sample: the first records, numbers as `NumberText`.
        """
        self._format = wire_format
        self._types: dict[str, pa.DataType] = {}
        self._column: dict[str, str] = {}
        self.shifts: dict[str, int] = {}
        self._is_fast = self._learn(sample)
        self._is_wide = False
        self._runs = learn_runs(sample) if self._is_fast else ()

    def _learn(self, sample: Iterable[Mapping[str, object]]) -> bool:
        kinds: dict[str, set[type]] = {}
        alike = dict.fromkeys((tuple(record), tuple(map(type, record.values()))) for record in sample)
        for keys, types in alike:
            for key, kind in zip(keys, types, strict=True):
                kinds.setdefault(key, set()).add(kind)
        try:
            match = self._format.match(list(kinds))
        except InputFileError:
            return False
        for name, found in match.found.items():
            sent = kinds[found.spelling] - {type(None)}
            if not sent <= {str, NumberText}:
                return False
            self._column[found.spelling] = name
            self._types[found.spelling] = self._arrow_type(name, sent)
            if found.shift:
                self.shifts[name] = found.shift
        return True

    def _arrow_type(self, name: str, sent: set[type]) -> pa.DataType:
        if str in sent or NumberText not in sent:
            return _NARROW if self._format.column[name].type == "decimal" and str not in sent else pa.string()
        return _NARROW if self._format.column[name].type == "decimal" else _WHOLE

    def read(self, chunk: memoryview) -> tuple[pa.Table, set[str], int] | None:
        """Read a chunk of lines.

        Args:
            chunk: whole lines.

        Returns:
            Columns by staging name with `source_row` from 1, the keys that belong to no column, and how many numbers
            were rounded to 18 decimals; None when the chunk must be read exactly instead. Values that repeat from
            line to line may come as a dictionary.
        """
        if not self._is_fast:
            return None
        for wide in (False, True) if not self._is_wide else (True,):
            try:
                lines = object_lines(chunk)
                if lines is None:
                    return None
                parts = self._in_runs(lines, wide=wide) or [_Part(self._parse(chunk, self._types, wide=wide))]
                if parts[0].num_rows != len(lines.starts):
                    return None
                read = self._named(parts)
            except pa.ArrowInvalid as reason:
                if "requires scale" not in str(reason):
                    return None
                continue
            self._is_wide = wide
            return read
        return None

    def _in_runs(self, lines: Lines, *, wide: bool) -> list[_Part] | None:
        """Parse each distinct text of a run once; None when the lines do not fit together from their runs."""
        pieces = cut(lines, self._runs) if self._runs else None
        if pieces is None:
            return None
        parts = []
        for piece in pieces:
            types = {key: self._types[key] for key in piece.run.keys if key in self._types}
            table = self._parse(memoryview(piece.lines), types, wide=wide)
            if table.num_rows != piece.count:
                return None
            parts.append(_Part(table, piece.places))
        names = [name for part in parts for name in part.table.column_names]
        return parts if len(names) == len(set(names)) else None

    def _parse(self, chunk: memoryview, wanted: Mapping[str, pa.DataType], *, wide: bool) -> pa.Table:
        types = {key: _WIDE if wide and kind == _NARROW else kind for key, kind in wanted.items()}
        return pa_json.read_json(
            pa.BufferReader(pa.py_buffer(chunk)),
            read_options=pa_json.ReadOptions(use_threads=False, block_size=max(_BLOCK_BYTES, _longest_line(chunk))),
            parse_options=pa_json.ParseOptions(
                explicit_schema=pa.schema(types.items()), unexpected_field_behavior="infer"
            ),
        )

    def _named(self, parts: list[_Part]) -> tuple[pa.Table, set[str], int] | None:
        found = {name: part for part in parts for name in part.table.column_names}
        strange = found.keys() - self._column.keys()
        if any(normalised(name) in self._format.spellings for name in strange):
            return None
        columns: dict[str, pa.ChunkedArray] = {}
        rounded = 0
        for key, name in self._column.items():
            column = found[key].column(key)
            if column.type == _WIDE:
                sent = column.cast(_WIDEST)
                kept = pc.round(sent, 18, "half_towards_infinity")
                rounded += pc.sum(pc.not_equal(kept, sent)).as_py() or 0
                column = kept.cast(_DECIMAL)
            columns[name] = column
        columns[ROW] = pa.array(np.arange(1, parts[0].num_rows + 1))
        return pa.table(columns), strange, rounded


@dataclass(frozen=True, slots=True)
class _Part:
    """Some columns of a chunk; with `places`, which row of them each line of the chunk has."""

    table: pa.Table
    places: pa.Array | None = None

    @property
    def num_rows(self) -> int:
        return self.table.num_rows if self.places is None else len(self.places)

    def column(self, key: str) -> pa.ChunkedArray:
        """A column by line, whole numbers as text; figures still to be rounded are counted by line, not by value.

        Raises:
            pa.ArrowInvalid: when a figure has more than 20 digits before the point.
        """
        column = self.table[key]
        if column.type == _WHOLE:
            column = column.cast(pa.string())
        elif column.type == _NARROW:
            column = column.cast(_DECIMAL)
        if self.places is None:
            return column
        if column.type == _WIDE:
            return column.take(self.places)
        return pa.chunked_array([pa.DictionaryArray.from_arrays(self.places, single(column), safe=False)])


def _longest_line(chunk: memoryview) -> int:
    """At least the length of the longest line when lines are long, else nothing: a block must hold one line."""
    pieces = (chunk[begin : begin + _SEARCHED_BYTES] for begin in range(0, _BLOCK_BYTES // 2, _SEARCHED_BYTES))
    return 0 if any(b"\n" in bytes(piece) for piece in pieces) else len(chunk) + 1
