"""From text to typed columns, exactly: the fast path over whole columns, and the check of what it leaves in doubt.

What belongs here: one batch of text columns in, one typed table plus the list of unreadable values out. Nothing is
dropped here: a row that must be quarantined is still in the table, so that its readable amounts can be summed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable  # noqa: TC003  (a module constant is annotated with it)
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from csp_pipeline.domain.proration import EXACT
from csp_pipeline.formats.values import (
    UnreadableError,
    is_exponent_id,
    parse_date,
    parse_decimal,
    parse_instant,
    parse_truth,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from csp_pipeline.formats.columns import Column, WireFormat

ARROW_TYPES = {
    "text": pa.string(),
    "id": pa.string(),
    "decimal": pa.decimal128(38, 18),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
    "boolean": pa.bool_(),
}
ROW = "source_row"
_READERS: dict[str, Callable[[str], object]] = {"date": parse_date, "timestamp": parse_instant, "boolean": parse_truth}
_POLARS_DECIMAL = pl.Decimal(38, 18)
_SURE_LENGTH = 19
_MORE_DECIMALS = r"\.\d{19}"
_SKU_COLUMN = "SkuId"
_SHORT_SKU = re.compile(r"\d{1,3}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Reject:
    """Why a row is quarantined: its number in the file, the column and value, and the reason in words."""

    row: int
    column: str | None
    value: str | None
    reason: str
    invoice: str | None = None


@dataclass(slots=True)
class TypedBatch:
    """Rows of a file after reading.

    Attributes:
        table: the format's columns, typed, and `source_row`; rows to be quarantined are among them. Texts may come
            as a dictionary.
        rejects: what could not be read; rows that are not in the table at all are named here only.
        rows: rows of the file this batch stands for.
        noticed: how often something worth telling was seen, by what it is.
    """

    table: pa.Table
    rejects: list[Reject]
    rows: int
    noticed: Counter[str] = field(default_factory=Counter)


def schema_of(wire_format: WireFormat) -> pa.Schema:
    """The Arrow schema of a format's typed rows, `source_row` last."""
    fields = [pa.field(column.name, ARROW_TYPES[column.type]) for column in wire_format.columns]
    return pa.schema([*fields, pa.field(ROW, pa.int64())])


def cast(wire_format: WireFormat, raw: pa.Table, shifts: Mapping[str, int]) -> TypedBatch:
    """Type one batch of rows.

    Args:
        wire_format: the columns wanted; those missing in `raw` become NULL.
        raw: columns by staging name, as strings or already as DECIMAL(38,18), or as a dictionary of either, and
            `source_row`.
        shifts: powers of ten that the figures of a column still lack.

    Returns:
        The typed rows, and each value that could not be read.
    """
    rows = raw.num_rows
    numbers = raw[ROW].combine_chunks().cast(pa.int64())
    batch = TypedBatch(raw, [], rows)
    arrays = []
    constants = dict(wire_format.constants)
    for column in wire_format.columns:
        if column.name in constants and column.name not in raw.column_names:
            array = pa.array([constants[column.name]] * rows, pa.string())
            arrays.append(array)
        elif column.name not in raw.column_names:
            arrays.append(pa.nulls(rows, ARROW_TYPES[column.type]))
            array = None
        else:
            array = _cast_column(column, raw[column.name], shifts.get(column.name, 0), numbers, batch)
            arrays.append(array)
        if column.required and (array is None or array.null_count):
            _require(column, arrays[-1], numbers, batch)
    batch.table = pa.Table.from_arrays([*arrays, numbers], names=schema_of(wire_format).names)
    if wire_format.sums_total and wire_format.amount and wire_format.tax and wire_format.total:
        _sum_totals(wire_format.amount, wire_format.tax, wire_format.total, batch)
    _notice_damage(wire_format, batch)
    return batch


def single(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """A column in one piece."""
    combined = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return combined if isinstance(combined, pa.Array) else pa.concat_arrays(combined.chunks)


def _cast_column(
    column: Column, chunks: pa.ChunkedArray, shift: int, rows: pa.Array, batch: TypedBatch
) -> pa.Array | pa.ChunkedArray:
    if pa.types.is_dictionary(chunks.type):
        return _once(column, single(chunks), shift, rows, batch)
    if pa.types.is_null(chunks.type):
        return pa.nulls(len(chunks), ARROW_TYPES[column.type])
    if pa.types.is_decimal(chunks.type):
        return _shifted(single(chunks), shift) if shift else chunks
    if column.type in ("text", "id"):
        return _texts(column, chunks, rows, batch)
    array = single(chunks)
    if column.type == "decimal":
        return _decimals(column, array, shift, rows, batch)
    return _distinct(column, array, _READERS[column.type], rows, batch)


def _once(column: Column, array: pa.DictionaryArray, shift: int, rows: pa.Array, batch: TypedBatch) -> pa.Array:
    """Cast the values of a dictionary once each; where one is to be told of, cast row by row, which names the rows."""
    told = TypedBatch(batch.table, [], 0)
    distinct = pa.chunked_array([array.dictionary])
    values = _cast_column(column, distinct, shift, pa.nulls(len(distinct), pa.int64()), told)
    if told.rejects or told.noticed:
        return single(_cast_column(column, distinct.take(array.indices), shift, rows, batch))
    if column.type not in ("text", "id"):
        return single(values).take(array.indices)
    encoded = single(values).dictionary_encode()
    return pa.DictionaryArray.from_arrays(encoded.indices.take(array.indices), encoded.dictionary, safe=False)


def plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A text column as strings, also when it came as a dictionary."""
    return column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column


def _texts(column: Column, array: pa.ChunkedArray, rows: pa.Array, batch: TypedBatch) -> pa.ChunkedArray:
    """Blank becomes NULL; in ids a spreadsheet's apostrophe goes, and an exponent is refused.

    Blanks around ids and currencies go here, once for everybody, and currencies become capitals: what is compared with
    another file is compared as it stands.
    """
    if column.type == "id" or column.is_currency:
        array = pc.utf8_trim_whitespace(array)
    if column.is_currency:
        array = pc.utf8_upper(array)
    blank = pc.equal(array, "")
    if pc.any(blank).as_py():
        array = pc.if_else(blank, pa.scalar(None, pa.string()), array)
    if column.type != "id":
        return array
    if pc.any(pc.starts_with(array, "'")).as_py():
        array = pc.utf8_trim_whitespace(pc.replace_substring_regex(array, "^'", ""))
        array = pc.if_else(pc.equal(array, ""), pa.scalar(None, pa.string()), array)
    suspected = pc.match_substring(array, "E+", ignore_case=False)
    if pc.any(suspected).as_py():
        for place in _places(suspected):
            value = array[place].as_py()
            if is_exponent_id(value):
                reason = "a spreadsheet turned this identifier into a number and its last digits are lost; export again"
                batch.rejects.append(Reject(rows[place].as_py(), column.portal, value, reason))
    return array


def _decimals(column: Column, array: pa.Array, shift: int, rows: pa.Array, batch: TypedBatch) -> pa.Array:
    """Cast text to DECIMAL(38,18); what the fast cast may not hold exactly is read one by one."""
    texts = pl.from_arrow(array)
    if not isinstance(texts, pl.Series):
        raise TypeError("a column of text was expected")
    cast_array = texts.cast(_POLARS_DECIMAL, strict=False).to_arrow().cast(ARROW_TYPES["decimal"])
    exponent = pc.or_(pc.match_substring(array, "e"), pc.match_substring(array, "E"))
    unread = pc.and_(pc.is_null(cast_array), pc.not_equal(array, ""))
    unsure = pc.or_(exponent, unread)
    if (pc.max(pc.binary_length(array)).as_py() or 0) > _SURE_LENGTH:
        unsure = pc.or_(unsure, pc.match_substring_regex(array, _MORE_DECIMALS))
    unsure = pc.fill_null(unsure, fill_value=False)
    places = pc.indices_nonzero(unsure)
    if len(places):
        values = _exact_decimals(column, array.take(places), rows.take(places), batch)
        cast_array = pc.replace_with_mask(cast_array, unsure, values)
    return _shifted(cast_array, shift) if shift else cast_array


def _exact_decimals(column: Column, texts: pa.Array, rows: pa.Array, batch: TypedBatch) -> pa.Array:
    """Read texts one by one, each distinct text once: a column full of `0E-20` is common."""
    encoded = texts.dictionary_encode()
    values: list[Decimal | None] = []
    for position, text in enumerate(encoded.dictionary.to_pylist()):
        value = None
        if text.strip().strip("'"):
            try:
                value, rounded = parse_decimal(text)
                if rounded:
                    batch.noticed["rounded"] += len(_places(pc.equal(encoded.indices, position)))
            except UnreadableError as reason:
                where = _places(pc.equal(encoded.indices, position))
                batch.rejects.extend(Reject(rows[place].as_py(), column.portal, text, str(reason)) for place in where)
        values.append(value)
    return pa.array(values, ARROW_TYPES["decimal"]).take(encoded.indices)


def _shifted(array: pa.Array, shift: int) -> pa.Array:
    """Multiply by a power of ten, exactly, once per distinct value."""
    encoded = array.dictionary_encode()
    moved = [None if value is None else parse_decimal(str(value), shift)[0] for value in encoded.dictionary.to_pylist()]
    return pa.array(moved, ARROW_TYPES["decimal"]).take(encoded.indices)


def _distinct(
    column: Column, array: pa.Array, read: Callable[[str], object], rows: pa.Array, batch: TypedBatch
) -> pa.Array:
    """Read each distinct text once and spread the values over the rows."""
    encoded = array.dictionary_encode()
    values: list[object] = []
    unreadable: dict[int, str] = {}
    for position, text in enumerate(encoded.dictionary.to_pylist()):
        value = None
        if text and text.strip():
            try:
                value = read(text)
            except UnreadableError as reason:
                unreadable[position] = str(reason)
        values.append(value)
    for position, why in unreadable.items():
        text = encoded.dictionary[position].as_py()
        where = _places(pc.equal(encoded.indices, position))
        batch.rejects.extend(Reject(rows[place].as_py(), column.portal, text, why) for place in where)
    return pa.array(values, ARROW_TYPES[column.type]).take(encoded.indices)


def _sum_totals(amount_name: str, tax_name: str, total_name: str, batch: TypedBatch) -> None:
    """A row with money that states no total has amount and tax as its total; rows without money keep none."""
    amount, tax, total = (batch.table[name] for name in (amount_name, tax_name, total_name))
    lacking = pc.and_(pc.is_null(total), pc.or_(pc.is_valid(amount), pc.is_valid(tax)))
    if not pc.any(lacking).as_py():
        return
    sums = [
        None if not lacks else EXACT.add(one or Decimal(0), other or Decimal(0))
        for lacks, one, other in zip(lacking.to_pylist(), amount.to_pylist(), tax.to_pylist(), strict=True)
    ]
    place = batch.table.column_names.index(total_name)
    filled = pc.coalesce(single(total), pa.array(sums, ARROW_TYPES["decimal"]))
    batch.table = batch.table.set_column(place, batch.table.schema.field(place), filled)


def _require(column: Column, array: pa.Array | pa.ChunkedArray, rows: pa.Array, batch: TypedBatch) -> None:
    known = {(reject.row, reject.column) for reject in batch.rejects}
    for place in _places(pc.is_null(array)):
        row = rows[place].as_py()
        if (row, column.portal) not in known:
            batch.rejects.append(Reject(row, column.portal, None, f"expected a value in {column.portal}, found none"))


def _places(mask: pa.Array | pa.ChunkedArray) -> list[int]:
    places: list[int] = pc.indices_nonzero(pc.fill_null(mask, fill_value=False)).to_pylist()
    return places


def _notice_damage(wire_format: WireFormat, batch: TypedBatch) -> None:
    """Count what a spreadsheet leaves behind without making a row unreadable."""
    table = batch.table
    if "sku_id" in wire_format.column and wire_format.column["sku_id"].portal == _SKU_COLUMN:
        for counted in pc.value_counts(table["sku_id"]).to_pylist():
            if counted["values"] and _SHORT_SKU.fullmatch(counted["values"]):
                batch.noticed["short_sku"] += counted["counts"]
    if wire_format.prices and wire_format.amount:
        zero = pa.scalar(0, ARROW_TYPES["decimal"])
        damaged = pc.not_equal(table[wire_format.amount], zero)
        for price in wire_format.prices:
            damaged = pc.and_(damaged, pc.equal(table[price], zero))
        batch.noticed["zero_price"] += pc.sum(damaged).as_py() or 0
