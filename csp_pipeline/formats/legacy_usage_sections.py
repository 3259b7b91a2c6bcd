"""The portal's legacy usage file: charges of the cycle, then the consumption of each day, under a header of their own.

What belongs here: where a section begins, and which of the two kinds of row each row is. The columns are those of
`legacy_usage`. A row of a usage date is a day's consumption: it carries no money, and what stands in its money columns
is the charge of the cycle again, if anything.
"""

from __future__ import annotations

import csv
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO

from csp_pipeline.errors import InputFileError
from csp_pipeline.formats.columns import normalised
from csp_pipeline.formats.legacy_usage import CHARGE, DAY, DAYS, FORMAT, MONEY
from csp_pipeline.formats.text_rows import Layout, TextRows, read_cells

if TYPE_CHECKING:
    from collections.abc import Iterator

    from csp_pipeline.formats.columns import WireFormat
    from csp_pipeline.formats.text_rows import Cells

_CHARGES = replace(
    FORMAT,
    columns=tuple(
        replace(column, required=True) if column.name in ("pretax_charges", "currency") else column
        for column in FORMAT.columns
    ),
)
_USAGE_DATE, _PRETAX_CHARGES = "usage_date", "pretax_charges"


def begins_sections(start: bytes) -> bool:
    """Whether a text begins with a header of legacy usage.

    Args:
        start: the beginning of the text, with its first line.
    """
    line = start.lstrip().split(b"\n", 1)[0].decode("utf-8", errors="replace")
    return _format_of(next(csv.reader([line]), [])) is not None


def open_sections(stream: BinaryIO) -> TextRows:
    """Read the first header, and know the file as one of charges, or of days where it begins with days.

    Args:
        stream: UTF-8 text at its start, recognised as legacy usage.

    Raises:
        InputFileError: when it begins with no header, or a header names a column twice.
    """
    found = read_cells(stream)
    header = next(found)
    wire_format = _format_of(header)
    if wire_format is None:
        raise InputFileError("expected a header of legacy usage on the first line; export the file again")
    layout = _layout(wire_format, header)
    return TextRows(wire_format, _sectioned(wire_format, found, layout), layout.match.unknown, _tell_days)


def _sectioned(wire_format: WireFormat, found: Iterator[list[str]], layout: Layout) -> Iterator[tuple[Layout, Cells]]:
    """Each row with the layout of its section; headers, and a title that stands alone above one, are no rows."""
    title: list[str] | None = None
    for cells in found:
        if _format_of(cells) is not None:
            layout, title = _layout(wire_format, cells), None
            continue
        if title is not None:
            yield layout, title
            title = None
        if sum(bool(cell.strip()) for cell in cells) == 1:
            title = cells
        else:
            yield layout, cells
    if title is not None:
        yield layout, title


def _format_of(cells: Cells) -> WireFormat | None:
    """The kind whose header these cells are; None when they are none."""
    names = {normalised(cell) for cell in cells}
    return next((one for one in (FORMAT, DAYS) if one.is_signed_by(names)), None)


def _layout(wire_format: WireFormat, header: Cells) -> Layout:
    """How the rows below a header are read in a file of a kind; every charge must state its amount."""
    match = wire_format.match(header)
    is_of_charges = _PRETAX_CHARGES in match.found and _USAGE_DATE not in match.found
    return Layout(_CHARGES if is_of_charges else wire_format, match, len(header))


def _tell_days(columns: dict[str, list[str]], layout: Layout) -> None:
    """Say of each row what it is; a day's consumption has no money."""
    blank = [""] * len(columns["consumed_quantity"])
    has_charges = _PRETAX_CHARGES in layout.match.found
    is_day = [not has_charges or bool(day.strip()) for day in columns.get(_USAGE_DATE, blank)]
    told = columns.get("line_item_type", blank)
    columns["line_item_type"] = [one.strip() or (DAY if day else CHARGE) for one, day in zip(told, is_day, strict=True)]
    for name in MONEY:
        if name in columns:
            columns[name] = ["" if day else value for value, day in zip(columns[name], is_day, strict=True)]
