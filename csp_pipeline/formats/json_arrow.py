"""The fast reader of JSON lines: Arrow's parser under a schema learnt from the first lines.

Arrow converts a JSON number to a decimal from its characters, exactly, or refuses. Every refusal, and every key that
appears later than the sample, makes `read` answer None, and the caller reads that batch exactly instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pa_json

from csp_pipeline.errors import InputFileError
from csp_pipeline.formats.casting import ARROW_TYPES, ROW
from csp_pipeline.formats.columns import normalised
from csp_pipeline.formats.records import NumberText

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from csp_pipeline.formats.columns import WireFormat

_BLOCK_BYTES = 2 << 20
_WHOLE = pa.decimal128(38, 0)
_WIDE = pa.decimal256(76, 40)
_NARROW = ARROW_TYPES["decimal"]


class LineShape:
    """What the lines of a file look like: which key is which column, and which are sent as numbers."""

    def __init__(self, wire_format: WireFormat, sample: Iterable[Mapping[str, object]]) -> None:
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

    def _learn(self, sample: Iterable[Mapping[str, object]]) -> bool:
        kinds: dict[str, set[type]] = {}
        for record in sample:
            for key, value in record.items():
                kinds.setdefault(key, set()).add(type(value))
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
            were rounded to 18 decimals; None when the chunk must be read exactly instead.
        """
        if not self._is_fast:
            return None
        for wide in (False, True) if not self._is_wide else (True,):
            try:
                table = self._parse(chunk, wide=wide)
            except pa.ArrowInvalid as reason:
                if "requires scale" not in str(reason):
                    return None
                continue
            self._is_wide = wide
            return self._named(table)
        return None

    def _parse(self, chunk: memoryview, *, wide: bool) -> pa.Table:
        types = {key: _WIDE if wide and kind == _NARROW else kind for key, kind in self._types.items()}
        return pa_json.read_json(
            pa.BufferReader(pa.py_buffer(chunk)),
            read_options=pa_json.ReadOptions(use_threads=False, block_size=max(_BLOCK_BYTES, _longest_line(chunk))),
            parse_options=pa_json.ParseOptions(
                explicit_schema=pa.schema(types.items()), unexpected_field_behavior="infer"
            ),
        )

    def _named(self, table: pa.Table) -> tuple[pa.Table, set[str], int] | None:
        strange = {name for name in table.column_names if name not in self._column}
        if any(normalised(name) in self._format.spellings for name in strange):
            return None
        columns: dict[str, pa.ChunkedArray] = {}
        rounded = 0
        for key, name in self._column.items():
            column = table[key]
            if column.type == _WIDE:
                kept = pc.round(column, 18, "half_towards_infinity")
                rounded += pc.sum(pc.not_equal(kept, column)).as_py() or 0
                try:
                    column = kept.cast(_NARROW)
                except pa.ArrowInvalid:
                    return None
            elif column.type == _WHOLE:
                column = column.cast(pa.string())
            columns[name] = column
        columns[ROW] = pa.array(range(1, table.num_rows + 1), pa.int64())
        return pa.table(columns), strange, rounded


def _longest_line(chunk: memoryview) -> int:
    """At least the length of the longest line when lines are long, else nothing: a block must hold one line."""
    first = bytes(chunk[:_BLOCK_BYTES]).find(b"\n")
    return len(chunk) + 1 if first < 0 or first > _BLOCK_BYTES // 2 else 0
