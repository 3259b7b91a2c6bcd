"""Rows of a distributor's invoice, from delimited text or from a workbook, under the mapping whose columns it carries.

What belongs here: finding the mapping by the header, and bringing texts into the form that `casting` reads: a point
before the decimals, dates with the year in front. What a column means is said by the mapping (`distributor`).

A cell of a workbook that holds a number is taken with 15 significant digits: a spreadsheet calculates with no more, and
what a file carries beyond them is noise of the binary form.
"""

from __future__ import annotations

import csv
import re
import zipfile
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import TYPE_CHECKING, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from csp_pipeline.errors import InputFileError
from csp_pipeline.formats.casting import ARROW_TYPES, TypedBatch
from csp_pipeline.formats.columns import normalised
from csp_pipeline.formats.recognition import FORMATS, UnrecognisedFileError
from csp_pipeline.formats.text_rows import Layout, TextRows, read_cells

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from csp_pipeline.formats.distributor import InvoiceMapping
    from csp_pipeline.formats.text_rows import Cells

_HEADER_WITHIN = 25
_SHEET_DIGITS = Context(prec=15, rounding=ROUND_HALF_EVEN)
_WORKBOOK_PART = "xl/workbook.xml"
_ZIP_MAGIC = b"PK\x03\x04"
_WIDE = pa.decimal256(60, 18)
_DAY_FIRST = re.compile(r"(\d{1,2})[./-](\d{1,2})[./-](\d{4})(.*)", re.ASCII | re.DOTALL)
_MONTH_FIRST_DASHED = re.compile(r"(\d{1,2})-(\d{1,2})-(\d{4})(.*)", re.ASCII | re.DOTALL)
_SPACES = " \u00a0\u202f"
_BETWEEN_THOUSANDS = {".": f",'\u2019{_SPACES}", ",": f".'\u2019{_SPACES}"}
_UNIT = r"(?:[^\W\d_]{3}|kr\.?|Fr\.?|[^\W\d_]{0,2}[^\w\s.,()'+\u2212\u2019-]{1,2})"

_AFTER = r"-|\u2212|CR|DR"


def _amount(decimal: str) -> re.Pattern[str]:
    """A number with whole groups of thousands, a sign on a side or brackets, CR for a credit, a currency beside it."""
    between, point = f"[{_BETWEEN_THOUSANDS[decimal]}]", re.escape(decimal)
    whole = rf"\d{{1,3}}(?:{between}\d{{2,3}})*{between}\d{{3}}(?:{point}\d+)?"
    plain = rf"\d+(?:{point}\d*)?(?:[eE][+-]?\d+)?|{point}\d+"
    return re.compile(
        rf"(?P<opened>\()?\s*(?P<sign>[-\u2212+])?\s*{_UNIT}?\s*(?P<inner>[-\u2212])?\s*(?P<number>{whole}|{plain})"
        rf"\s*(?:{_UNIT}?\s*(?P<after>{_AFTER})?|(?P<before_unit>{_AFTER})\s*{_UNIT})\s*(?P<closed>\))?",
        re.IGNORECASE,
    )


_AMOUNT = {decimal: _amount(decimal) for decimal in _BETWEEN_THOUSANDS}
_NEGATIVE = ("-", "\u2212", "CR")


def is_workbook(path: Path) -> bool:
    """Whether a file is an Excel workbook, by what the archive holds."""
    with path.open("rb") as file:
        if file.read(4) != _ZIP_MAGIC:
            return False
    try:
        with zipfile.ZipFile(path) as opened:
            return _WORKBOOK_PART in opened.namelist()
    except zipfile.BadZipFile:
        return False


def open_delimited(stream: BinaryIO, start: bytes, mappings: Sequence[InvoiceMapping]) -> TextRows | None:
    """The rows of a delimited text that carries the columns of a mapping.

    Args:
        stream: UTF-8 text at its start.
        start: the beginning of that text, with its first line.
        mappings: the mappings to choose from.

    Returns:
        The rows; None when the first line is the header of no mapping, or of one of the provider's own kinds.
    """
    line = start.lstrip().split(b"\n", 1)[0].decode("utf-8", errors="replace")
    if _is_own(next(csv.reader([line]), [])):
        return None
    read = {mapping.delimiter: next(csv.reader([line], delimiter=mapping.delimiter), []) for mapping in mappings}
    mapping = _best((one, read[one.delimiter]) for one in mappings)
    if mapping is None:
        return None
    found = read_cells(stream, mapping.delimiter)
    return _rows(mapping, next(found), found, fills_short_rows=False)


def open_workbook(path: Path, mappings: Sequence[InvoiceMapping]) -> TextRows:
    """The rows of the first sheet of a workbook that carries the columns of a mapping.

    Args:
        path: the workbook.
        mappings: the mappings to choose from.

    Raises:
        UnrecognisedFileError: when no sheet carries the columns of a mapping.
        InputFileError: when the workbook is damaged or encrypted.
    """
    from python_calamine import CalamineError, CalamineWorkbook  # noqa: PLC0415  (only workbooks need it)

    try:
        with CalamineWorkbook.from_path(str(path)) as book:
            for name in book.sheet_names:
                sheet = [list(map(_text, row)) for row in book.get_sheet_by_name(name).to_python()]
                for place, cells in enumerate(sheet[:_HEADER_WITHIN]):
                    mapping = _best((one, cells) for one in mappings)
                    if mapping is not None:
                        below = (row for row in sheet[place + 1 :] if any(cell.strip() for cell in row))
                        return _rows(mapping, cells, below, fills_short_rows=True)
    except CalamineError as reason:
        raise InputFileError(f"the workbook is damaged or encrypted ({reason}); save it again") from reason
    raise UnrecognisedFileError(
        "expected a workbook with the columns of a mapping in the folder providers, found none of them in any sheet; "
        "declare a mapping there and run `csp-pipeline rebuild`, or save the sheet as CSV UTF-8"
    )


def _is_own(names: Sequence[str]) -> bool:
    present = {normalised(name) for name in names}
    return any(wire_format.is_signed_by(present) for wire_format in FORMATS.values())


def _best(candidates: Iterable[tuple[InvoiceMapping, Sequence[str]]]) -> InvoiceMapping | None:
    """The mapping whose columns the header carries; of several the one with the most, then the first by name."""
    best: tuple[int, InvoiceMapping] | None = None
    for mapping, names in candidates:
        present = {normalised(name) for name in names}
        if mapping.wire_format.is_signed_by(present):
            count = len(mapping.wire_format.signature)
            if best is None or count > best[0]:
                best = (count, mapping)
    return best[1] if best else None


def _rows(mapping: InvoiceMapping, header: Cells, below: Iterable[Cells], *, fills_short_rows: bool) -> TextRows:
    match = mapping.wire_format.match(header)
    layout = Layout(mapping.wire_format, match, len(header), fills_short_rows)
    decimal = "." if fills_short_rows else mapping.decimal
    return TextRows(
        mapping.wire_format,
        ((layout, cells) for cells in below),
        match.unknown,
        _respelling(mapping, decimal),
        _complete,
    )


def _text(cell: object) -> str:
    """The text of a cell of a workbook."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, (int, float)):
        return _number_text(Decimal(repr(cell)))
    if isinstance(cell, (datetime, date)):
        return cell.isoformat()
    return "" if cell is None else str(cell)


def _number_text(value: Decimal) -> str:
    rounded = _SHEET_DIGITS.plus(value) if value.is_finite() else value
    return format(rounded.to_integral_value() if rounded == rounded.to_integral_value() else rounded.normalize(), "f")


def _respelling(mapping: InvoiceMapping, decimal: str) -> Callable[[dict[str, list[str]], Layout], None]:
    """What brings the texts of a batch into the form that the casts read."""
    columns = mapping.wire_format.column
    read_date = _day_first if mapping.dates == "D/M/Y" else _month_first

    def respell(texts: dict[str, list[str]], _layout: Layout) -> None:
        for name, values in texts.items():
            if columns[name].type == "decimal":
                texts[name] = [_plain_number(value, decimal) for value in values]
            elif columns[name].type == "date":
                texts[name] = [read_date(value.strip()) for value in values]

    return respell


def _plain_number(sent: str, decimal: str) -> str:
    """A number without what people put around it; one that is written in another way stays as sent."""
    found = _AMOUNT[decimal].fullmatch(sent.strip())
    if found is None or bool(found["opened"]) != bool(found["closed"]):
        return sent.strip()
    signs = (found["sign"], found["inner"], (found["after"] or found["before_unit"] or "").upper())
    negatives = sum(sign in _NEGATIVE for sign in signs) + bool(found["opened"])
    plain = found["number"].translate(str.maketrans("", "", _BETWEEN_THOUSANDS[decimal])).replace(decimal, ".")
    if negatives > 1:
        return sent.strip()
    return f"-{plain}" if negatives else plain


def _day_first(sent: str) -> str:
    found = _DAY_FIRST.fullmatch(sent)
    return f"{found[3]}-{found[2]}-{found[1]}" if found else sent


def _month_first(sent: str) -> str:
    found = _MONTH_FIRST_DASHED.fullmatch(sent)
    return f"{found[3]}-{found[1]}-{found[2]}" if found else sent


def _complete(batch: TypedBatch) -> None:
    """A total that is not sent is the extended price with its tax."""
    names = batch.table.column_names
    price, tax, total = (batch.table[name].cast(_WIDE) for name in ("extended_price", "tax_amount", "total_amount"))
    added = pc.add(price, pc.fill_null(tax, Decimal(0))).cast(_WIDE)
    filled = pc.coalesce(total, added).cast(ARROW_TYPES["decimal"])
    batch.table = batch.table.set_column(names.index("total_amount"), "total_amount", filled)
