"""Reading rows of commercial terms: text cells become typed ones, and what cannot be used is refused in a sentence.

What belongs here: everything that one table can tell by itself (headers, cells, allowed values, keys). What needs two
tables, such as an account that does not exist, is checked in `steps/commercial`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import TYPE_CHECKING, Literal

import polars as pl

from csp_pipeline.domain.proration import EXACT
from csp_pipeline.errors import InputFileError

if TYPE_CHECKING:
    from collections.abc import Callable

    from csp_pipeline.formats.commercial import CommercialColumn, CommercialTable

Severity = Literal["notice", "refused"]

_PLAIN_NUMBER = r"^[+-]?[0-9]{1,20}(\.[0-9]{1,18})?$"
_DECIMAL = pl.Decimal(38, 18)
_TOO_LARGE = Decimal(10) ** 20
_LAST_DIGIT = Decimal("1E-18")
TYPES: dict[str, pl.DataType] = {
    "text": pl.String(),
    "currency": pl.String(),
    "month": pl.String(),
    "decimal": _DECIMAL,
    "integer": pl.Int64(),
    "date": pl.Date(),
    "timestamp": pl.Datetime("us"),
    "boolean": pl.Boolean(),
}
_TRUTH = {"true": True, "1": True, "false": False, "0": False}
_EXPECTED = {
    "decimal": "a number with a decimal point and at most 18 decimals",
    "integer": "a whole number",
    "date": "a date as YYYY-MM-DD",
    "timestamp": "a date and time as YYYY-MM-DDTHH:MM:SSZ",
    "boolean": "true or false",
    "month": "a month as YYYY-MM",
    "currency": "an ISO 4217 currency code",
}


@dataclass(frozen=True, slots=True)
class Notice:
    """Something a person should know about their terms, with the place it concerns.

    Attributes:
        source_row: line of the file (the header is line 1) or number of the database row; None for the whole table.
        severity: refused rows are not used; a notice changes nothing.
    """

    table_name: str
    source_file: str
    source_row: int | None
    column_name: str | None
    severity: Severity
    message: str


@dataclass(frozen=True)
class RawRows:
    """A table as it was found: text cells under the names found, and where each row stands.

    Attributes:
        source_file: the file's name, or the database table.
        frame: one String column per header, and source_row: the line of the file on which the row begins.
        notices: what went wrong while rows were taken out of the file.
    """

    source_file: str
    frame: pl.DataFrame
    notices: tuple[Notice, ...] = ()


def empty_rows(table: CommercialTable) -> pl.DataFrame:
    """No rows, with the table's columns and types."""
    return pl.DataFrame(schema=_schema(table))


def read_rows(table: CommercialTable, raw: RawRows) -> tuple[pl.DataFrame, list[Notice]]:
    """Type the rows of a table.

    Args:
        table: its declaration.
        raw: what was found.

    Returns:
        The usable rows (declared columns typed, missing ones NULL, with source_file and source_row), and a notice for
        each header that is unknown or missing and each row that is refused (first cell at fault).

    Raises:
        InputFileError: when a column that every row needs is missing.
    """
    frame, notices = _with_declared_columns(table, raw)
    refused: dict[int, Notice] = {}

    def refuse(rows: pl.Series, column: str | None, sentence: Callable[[int], str]) -> None:
        for row in rows.to_list():
            if row not in refused:
                place = f"{raw.source_file}, line {row}" + (f", column {column}" if column else "")
                refused[row] = Notice(table.name, raw.source_file, row, column, "refused", f"{place}: {sentence(row)}")

    typed = frame.select(pl.lit(raw.source_file).alias("source_file"), "source_row")
    for column in table.columns:
        text = frame[column.name]
        values = _typed(text, column)
        typed = typed.with_columns(values)
        for faulty, why in _faults(text, values, column):
            shown = dict(zip(frame["source_row"].filter(faulty).to_list(), text.filter(faulty).to_list(), strict=True))
            refuse(frame["source_row"].filter(faulty), column.name, lambda row, w=why, s=shown: w(s[row]))  # type: ignore[misc]
    _refuse_by_row(table, typed, refuse)
    good = typed.filter(~pl.col("source_row").is_in(list(refused)))
    for duplicate, first in _duplicates(table, good):
        key = " and ".join(table.key)
        sentence = f"{key} already stands in line {first}; this row is not used."
        refuse(pl.Series([duplicate]), table.key[0], lambda _row, s=sentence: s)  # type: ignore[misc]
    kept = typed.filter(~pl.col("source_row").is_in(list(refused))).select(_schema(table).keys())
    return kept, notices + [refused[row] for row in sorted(refused)]


def _schema(table: CommercialTable) -> dict[str, pl.DataType]:
    columns = {column.name: TYPES[column.kind] for column in table.columns}
    return columns | {"source_file": pl.String(), "source_row": pl.Int64()}


def _with_declared_columns(table: CommercialTable, raw: RawRows) -> tuple[pl.DataFrame, list[Notice]]:
    """Cut to the declared columns (header names compared without case and blanks); tell what is unknown or missing."""
    notices = list(raw.notices)

    def tell(column: str, message: str) -> None:
        notices.append(Notice(table.name, raw.source_file, None, column, "notice", f"{raw.source_file}: {message}"))

    found: dict[str, str] = {}
    for header in raw.frame.columns:
        name = header.strip().lower()
        if name in table.column_names:
            found[name] = header
        elif header != "source_row":
            tell(header, f"column {header} is not known and is ignored.")
    required = [column.name for column in table.columns if column.is_required and column.name not in found]
    if required:
        raise InputFileError(
            f"{raw.source_file} lacks the column {', '.join(required)}, which every row needs; the table is not used."
        )
    columns = [pl.col("source_row").cast(pl.Int64)]
    for column in table.columns:
        if column.name in found:
            cell = pl.col(found[column.name]).str.strip_chars().str.strip_prefix("'")
            columns.append(pl.when(cell != "").then(cell).alias(column.name))
        else:
            columns.append(pl.lit(None, dtype=pl.String).alias(column.name))
            if not column.is_refinement:
                tell(column.name, f"column {column.name} is missing and counts as empty.")
    return raw.frame.select(columns), notices


def _typed(text: pl.Series, column: CommercialColumn) -> pl.Series:
    """The cells of a column; NULL where a cell is blank or cannot be read."""
    cell = pl.lit(text)
    lower = cell.str.to_lowercase()
    readers: dict[str, Callable[[], pl.Expr]] = {
        "decimal": lambda: pl.lit(_decimals(text)),
        "integer": lambda: cell.cast(pl.Int64, strict=False),
        "date": lambda: cell.str.replace(r"[ T]00:00:00(\.0+)?$", "").str.to_date("%Y-%m-%d", strict=False),
        "timestamp": lambda: pl.lit(
            pl.Series([_timestamp(value) for value in text.to_list()], dtype=TYPES["timestamp"])
        ),
        "boolean": lambda: lower.replace_strict(_TRUTH, default=None, return_dtype=pl.Boolean),
        "currency": lambda: pl.when(cell.str.to_uppercase().is_in(currency_codes())).then(cell.str.to_uppercase()),
        "month": lambda: pl.when(cell.str.contains(r"^[0-9]{4}-(0[1-9]|1[0-2])$")).then(cell),
        "text": lambda: pl.when(lower.is_in(list(column.allowed))).then(lower) if column.allowed else cell,
    }
    return pl.select(readers[column.kind]().alias(text.name)).to_series()


def _decimals(text: pl.Series) -> pl.Series:
    """Exact decimals from text; plain notation in bulk, exponents one by one, never through a double."""
    is_plain = text.str.contains(_PLAIN_NUMBER)
    plain = pl.select(pl.when(is_plain).then(text).alias(text.name)).to_series().cast(_DECIMAL, strict=False)
    if not bool((is_plain.not_() & text.is_not_null()).any()):
        return plain
    others = [
        None if simple else _decimal(value) for value, simple in zip(text.to_list(), is_plain.to_list(), strict=True)
    ]
    return pl.select(pl.coalesce(plain, pl.Series(text.name, others, dtype=_DECIMAL)).alias(text.name)).to_series()


def _decimal(value: str | None) -> Decimal | None:
    if value is None or not value.isascii() or "_" in value:
        return None
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    if not number.is_finite() or number.copy_abs() >= _TOO_LARGE:
        return None
    exact = number.quantize(_LAST_DIGIT, context=EXACT)
    return exact if exact == number else None


def _timestamp(value: str | None) -> datetime | None:
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


@cache
def currency_codes() -> list[str]:
    """The currency codes that exist, in alphabetical order."""
    from babel.numbers import list_currencies  # noqa: PLC0415  (heavy, and only needed while terms are read)

    return sorted(list_currencies())


def _faults(
    text: pl.Series, values: pl.Series, column: CommercialColumn
) -> list[tuple[pl.Series, Callable[[str | None], str]]]:
    """Masks of the rows whose cell is at fault, each with the sentence for the cell."""
    expected = "one of " + ", ".join(column.allowed) if column.allowed else _EXPECTED.get(column.kind, "text")
    faults: list[tuple[pl.Series, Callable[[str | None], str]]] = [
        (
            text.is_not_null() & values.is_null(),
            lambda cell: f"{expected} was expected, {cell!r} was found; this row is not used.",
        )
    ]
    if column.is_required:
        faults.append(
            (
                text.is_null(),
                lambda _cell: f"a value is needed and the cell is empty ({expected}); this row is not used.",
            )
        )
    if column.lowest is not None:
        at_least = f"at least {column.lowest} was expected"
        faults.append(
            (_holds(values < column.lowest), lambda cell: f"{at_least}, {cell!r} was found; this row is not used.")
        )
    if column.highest is not None:
        at_most = f"at most {column.highest} was expected"
        faults.append(
            (_holds(values > column.highest), lambda cell: f"{at_most}, {cell!r} was found; this row is not used.")
        )
    return faults


def _holds(condition: pl.Series) -> pl.Series:
    return condition.fill_null(value=False)


def _refuse_by_row(table: CommercialTable, typed: pl.DataFrame, refuse: Callable[..., None]) -> None:
    """Refuse rows whose cells are readable but do not go together."""
    for first, last in table.intervals:
        wrong = typed.filter(pl.col(last) < pl.col(first))
        dates: dict[int, tuple[date, date]] = {
            row: (a, b) for row, a, b in wrong.select("source_row", first, last).iter_rows()
        }
        refuse(
            wrong["source_row"],
            last,
            lambda row, d=dates, f=first: f"it ends on {d[row][1]}, before {f} {d[row][0]}; this row is not used.",
        )
    for model, columns in table.required_by_model.items():
        for name in columns:
            lacking = (pl.col("pricing_model") == model) & pl.col(name).is_null()
            if table.required_unless is not None:
                lacking &= pl.col(table.required_unless).is_null()
            missing = typed.filter(lacking)
            refuse(
                missing["source_row"],
                name,
                lambda _row, m=model: (
                    f"pricing_model {m} needs a value here and the cell is empty; this row is not used."
                ),
            )


def _duplicates(table: CommercialTable, rows: pl.DataFrame) -> list[tuple[int, int]]:
    """The (row, first row) of rows whose key another row has already."""
    keys = [
        pl.col(name).str.to_lowercase().str.strip_prefix("org:")
        if name.endswith(("customer_id", "subscription_id"))
        else pl.col(name)
        for name in table.key
    ]
    first = rows.select(*keys, "source_row").with_columns(pl.col("source_row").min().over(table.key).alias("first_row"))
    repeated = first.filter(pl.col("source_row") > pl.col("first_row"))
    return list(repeated.select("source_row", "first_row").iter_rows())
