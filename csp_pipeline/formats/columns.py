"""What a wire format is: a table of columns, what each is called elsewhere, and how a header is matched to it.

What belongs here: the declaration types and the matching of headers. The columns themselves live in one module per
format; turning text into values belongs to `casting`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Literal

from csp_pipeline.errors import InputFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

ColumnType = Literal["text", "id", "decimal", "date", "timestamp", "boolean"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a wire format.

    Attributes:
        name: its name in staging.
        portal: its name in the portal's file, or in the API where there is no file.
        type: how its text is read; an `id` is text in which a spreadsheet's damage is looked for.
        aliases: other spellings, compared without case, blanks and underscores.
        fractions: spellings under which the same figure is sent as a fraction (0.15 for 15 percent).
        unit: what the figure counts, or the column that names its currency.
        required: a row without a value cannot be used and is quarantined.
        is_currency: it names a currency, which is the same one in any case.
    """

    name: str
    portal: str
    type: ColumnType = "text"
    aliases: tuple[str, ...] = ()
    fractions: tuple[str, ...] = ()
    unit: str = ""
    required: bool = False
    is_currency: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """Where a column of a format was found: its place, its spelling, and the power of ten its figures still lack."""

    position: int
    spelling: str
    shift: int


@dataclass(frozen=True, slots=True)
class HeaderMatch:
    """A header matched to a format: the columns found by staging name, and the spellings that belong to none."""

    found: Mapping[str, Found]
    unknown: tuple[str, ...]


@lru_cache(maxsize=4096)
def normalised(name: str) -> str:
    """A header's spelling without case, blanks, underscores, quotes and byte order mark."""
    return name.replace("\ufeff", "").replace(" ", "").replace("_", "").strip("'\"\t\r").lower()


@dataclass(frozen=True)
class WireFormat:
    """A kind of file: how it is recognised, its columns, and which of them carry the money.

    Attributes:
        kind: name of the folder in staging and of the kind in `meta.files`.
        title: what a person calls it.
        signature: each entry is a set of spellings of which at least one must be present.
        flatten: turns one JSON record and the collection around it into rows by staging name; None for flat records.
        invoice, currency, amount, tax, total: staging names of the columns that carry these, where there are.
        dates: staging names of the columns that tell the month of a row; the first with a value does.
        unnamed: what a document is called whose rows name none; empty where every row must name one.
        constants: columns that have one value in every row, which the file itself does not say.
        sums_total: a row that states no total has its amount and tax as that.
    """

    kind: str
    title: str
    columns: tuple[Column, ...]
    signature: tuple[tuple[str, ...], ...]
    flatten: Callable[[Mapping[str, object], Mapping[str, object]], Iterable[dict[str, object]]] | None = None
    invoice: str | None = None
    currency: str | None = None
    amount: str | None = None
    tax: str | None = None
    total: str | None = None
    dates: tuple[str, ...] = ()
    prices: tuple[str, ...] = field(default=())
    unnamed: str = ""
    constants: tuple[tuple[str, str], ...] = ()
    sums_total: bool = False

    @cached_property
    def spellings(self) -> dict[str, tuple[Column, int]]:
        """Every normalised spelling with its column and the power of ten its figures lack."""
        known: dict[str, tuple[Column, int]] = {}
        for column in self.columns:
            for spelling in (column.portal, column.name, *column.aliases):
                known[normalised(spelling)] = (column, 0)
            for spelling in column.fractions:
                known[normalised(spelling)] = (column, 2)
        return known

    @cached_property
    def column(self) -> dict[str, Column]:
        """The columns by staging name."""
        return {column.name: column for column in self.columns}

    @property
    def required(self) -> tuple[str, ...]:
        """Staging names of the columns without which a row cannot be used."""
        return tuple(column.name for column in self.columns if column.required)

    def is_signed_by(self, names: Iterable[str]) -> bool:
        """Whether a file with these (normalised) column names is of this kind."""
        present = set(names)
        return all(any(normalised(spelling) in present for spelling in choice) for choice in self.signature)

    def match(self, header: Sequence[str]) -> HeaderMatch:
        """Match a header to the columns; order and case do not matter.

        Raises:
            InputFileError: when two headers are the same, or mean the same column.
        """
        found: dict[str, Found] = {}
        unknown: list[str] = []
        for position, spelling in enumerate(header):
            known = self.spellings.get(normalised(spelling))
            if known is None:
                unknown.append(spelling)
                continue
            column, shift = known
            if column.name in found:
                raise InputFileError(
                    f"expected one column for {column.portal}, found two ({found[column.name].spelling!r} and "
                    f"{spelling!r}); remove one of them and put the file in the inbox again"
                )
            found[column.name] = Found(position, spelling, shift)
        twice = [name for name, count in Counter(map(normalised, unknown)).items() if count > 1 and name]
        if twice:
            raise InputFileError(f"the header names the column {twice[0]!r} twice; remove one of them")
        return HeaderMatch(found, tuple(name for name in unknown if normalised(name)))


def text(name: str, portal: str, *aliases: str, required: bool = False) -> Column:
    """A column of free text."""
    return Column(name, portal, "text", aliases, required=required)


def currency(name: str, portal: str, *aliases: str, required: bool = False) -> Column:
    """A column of currencies, read without blanks around them and in capitals."""
    return Column(name, portal, "text", aliases, required=required, is_currency=True)


def identifier(name: str, portal: str, *aliases: str, required: bool = False) -> Column:
    """A column of identifiers, kept as sent but for blanks around them."""
    return Column(name, portal, "id", aliases, required=required)


def number(name: str, portal: str, *aliases: str, unit: str = "", required: bool = False) -> Column:
    """A column of exact decimals."""
    return Column(name, portal, "decimal", aliases, unit=unit, required=required)


def percent(name: str, portal: str, fraction: str, *aliases: str) -> Column:
    """A column of percentages that the API sends as a fraction under another name."""
    return Column(name, portal, "decimal", aliases, (fraction,), unit="percent")


def day(name: str, portal: str, *aliases: str, required: bool = False) -> Column:
    """A column of UTC dates; a time of day is dropped."""
    return Column(name, portal, "date", aliases, unit="UTC date", required=required)


def instant(name: str, portal: str, *aliases: str, required: bool = False) -> Column:
    """A column of UTC instants."""
    return Column(name, portal, "timestamp", aliases, unit="UTC", required=required)


def flag(name: str, portal: str, *aliases: str) -> Column:
    """A column of true and false."""
    return Column(name, portal, "boolean", aliases)
