"""What a staged file adds up to: per invoice, or for an open month per currency and month.

What belongs here: the sums that the identity "rows in = rows staged + rows quarantined" and its twin for amounts
rest on, and those that tell which month an open file is of. They are taken batch by batch, so that a file of any size
needs no more memory.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from csp_pipeline.domain.proration import EXACT
from csp_pipeline.formats import invoice_headers
from csp_pipeline.formats.casting import plain
from csp_pipeline.formats.open_month import BILLED_OF

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from csp_pipeline.formats.casting import Reject
    from csp_pipeline.formats.columns import WireFormat

_MONTHS = 12
_COUNTS = ("currencies", "months", "aside_currencies", "aside_months")
_AMOUNTS = ("amount_staged", "amount_quarantined", "tax_staged", "total_staged")


@dataclass(slots=True)
class InvoiceSums:
    """The sums of one invoice in one file; amounts in the invoice's currency."""

    rows_staged: int = 0
    rows_quarantined: int = 0
    amount_staged: Decimal = Decimal(0)
    amount_quarantined: Decimal = Decimal(0)
    tax_staged: Decimal = Decimal(0)
    total_staged: Decimal = Decimal(0)
    currencies: Counter[str] = field(default_factory=Counter)
    months: Counter[str] = field(default_factory=Counter)
    aside_currencies: Counter[str] = field(default_factory=Counter)
    aside_months: Counter[str] = field(default_factory=Counter)
    dated: dict[str, str] = field(default_factory=dict)

    def add_amount(self, name: str, amount: Decimal | None) -> None:
        """Add to one of the amounts with every digit: the usual 28 are fewer than a received amount may have."""
        if amount is not None:
            setattr(self, name, EXACT.add(getattr(self, name), amount))

    def stored(self, invoice: str) -> dict[str, object]:
        """As the sidecar keeps it: decimals as text, the most frequent currency and month, ties to the first.

        Rows put aside tell currency and month where no row could be read whole. Of a header its latest date is kept,
        and the type that stands with it.
        """
        dated_on = max(self.dated, default="")
        return {
            "invoice_number": invoice,
            "currency": _most(self.currencies) or _most(self.aside_currencies),
            "lines_month": _most(self.months) or _most(self.aside_months),
            "rows_staged": self.rows_staged,
            "rows_quarantined": self.rows_quarantined,
            "amount_file": _text(EXACT.add(self.amount_staged, self.amount_quarantined)),
            "amount_staged": _text(self.amount_staged),
            "amount_quarantined": _text(self.amount_quarantined),
            "tax_staged": _text(self.tax_staged),
            "total_staged": _text(self.total_staged),
            "currencies": dict(sorted(self.currencies.items())),
            "months": dict(sorted(self.months.items())),
            **({"dated_on": dated_on, "document_type": self.dated[dated_on]} if self.dated else {}),
        }


@dataclass(slots=True)
class MonthSums:
    """The staged rows of an open file in one currency and month, and their amount."""

    rows_staged: int = 0
    amount_staged: Decimal = Decimal(0)

    def add(self, rows: int, amount: Decimal | None) -> None:
        """Add rows and their amount, with every digit."""
        self.rows_staged += rows
        if amount is not None:
            self.amount_staged = EXACT.add(self.amount_staged, amount)


@dataclass(slots=True)
class Sums:
    """The sums of one batch, or of a file when batches are added up.

    Attributes:
        invoices: by invoice; empty for kinds without.
        open_months: by currency and month (`YYYY-MM`, or empty for rows without a date); of open files only.
    """

    invoices: dict[str, InvoiceSums] = field(default_factory=dict)
    open_months: dict[tuple[str, str], MonthSums] = field(default_factory=dict)

    def of(self, invoice: str) -> InvoiceSums:
        """The sums of an invoice, new when it was not met yet."""
        return self.invoices.setdefault(invoice, InvoiceSums())

    def add(self, other: Sums) -> None:
        """Add another batch."""
        for invoice, more in other.invoices.items():
            sums = self.of(invoice)
            sums.rows_staged += more.rows_staged
            for name in _AMOUNTS:
                sums.add_amount(name, getattr(more, name))
            for name in _COUNTS:
                getattr(sums, name).update(getattr(more, name))
            sums.dated.update(more.dated)
        for place, month in other.open_months.items():
            self.open_months.setdefault(place, MonthSums()).add(month.rows_staged, month.amount_staged)

    def stored_months(self) -> list[dict[str, object]]:
        """The sums of an open file as the sidecar keeps them: decimals as text."""
        return [
            {
                "currency": currency,
                "month": month,
                "rows_staged": sums.rows_staged,
                "amount_staged": _text(sums.amount_staged),
            }
            for (currency, month), sums in sorted(self.open_months.items())
        ]

    def count_rejected(self, rejects: Iterable[Reject]) -> int:
        """Count the rows put aside, each once, by invoice; returns those that name no invoice."""
        rows: dict[int, str | None] = {}
        for reject in rejects:
            rows[reject.row] = rows.get(reject.row) or reject.invoice
        for invoice in rows.values():
            if invoice is not None:
                self.of(invoice).rows_quarantined += 1
        return sum(invoice is None for invoice in rows.values())


def sums_of(wire_format: WireFormat, sound: pa.Table, aside: pa.Table) -> Sums:
    """The sums of one batch.

    Args:
        wire_format: names the columns that carry invoice, currency and money.
        sound: rows to be staged.
        aside: rows put aside, as far as they could be read.

    Returns:
        The sums by invoice, or by currency and month; empty for kinds with neither.
    """
    sums = Sums()
    if wire_format.kind in BILLED_OF:
        _add_open_months(sums, wire_format, sound)
        return sums
    if wire_format.invoice is None or wire_format.currency is None:
        return sums
    money = {"amount_staged": wire_format.amount, "tax_staged": wire_format.tax, "total_staged": wire_format.total}
    for row in _grouped(sound, wire_format.invoice, wire_format.currency, money):
        one = sums.of(row["invoice"])
        one.rows_staged += row["rows"]
        if row["key"] is not None:
            one.currencies[row["key"]] += row["rows"]
        for name in money:
            one.add_amount(name, row[name])
    _add_aside(sums, wire_format.invoice, wire_format.currency, wire_format.amount, aside)
    if wire_format.dates:
        for table, counts in ((sound, "months"), (aside, "aside_months")):
            for invoice, month, rows in _count_months(table, wire_format.invoice, wire_format.dates):
                getattr(sums.of(invoice), counts)[month] += rows
    if wire_format.kind == invoice_headers.FORMAT.kind:
        _date_headers(sums, sound)
    return sums


def _add_aside(sums: Sums, invoice: str, currency: str, amount: str | None, aside: pa.Table) -> None:
    """What rows put aside tell of the invoice that they name: amount and currency, as far as they could be read."""
    for row in _grouped(aside, invoice, currency, {"amount": amount}):
        if row["invoice"] is not None:
            sums.of(row["invoice"]).add_amount("amount_quarantined", row["amount"])
            if row["key"] is not None:
                sums.of(row["invoice"]).aside_currencies[row["key"]] += row["rows"]


def _grouped(table: pa.Table, invoice: str, key: str, money: dict[str, str | None]) -> list[dict[str, Any]]:
    columns = {"invoice": plain(table[invoice]), "key": plain(table[key])}
    columns |= {name: table[column] for name, column in money.items() if column is not None}
    wanted = [(name, "sum") for name, column in money.items() if column is not None]
    grouped = pa.table(columns).group_by(["invoice", "key"], use_threads=False).aggregate([*wanted, ([], "count_all")])
    names = {f"{name}_sum": name for name in money} | {"count_all": "rows"}
    rows = grouped.rename_columns([names.get(name, name) for name in grouped.column_names]).to_pylist()
    return [{**dict.fromkeys(money), **row} for row in rows]


def _count_months(table: pa.Table, invoice: str, dates: tuple[str, ...]) -> Iterator[tuple[str, str, int]]:
    """How many rows of each invoice start in each month; rows without invoice or date are of none."""
    columns = pa.table({"invoice": plain(table[invoice]), "month": _months(table, dates)})
    for row in columns.group_by(["invoice", "month"], use_threads=False).aggregate([([], "count_all")]).to_pylist():
        if row["month"] is not None and row["invoice"] is not None:
            yield row["invoice"], _month(row["month"]), row["count_all"]


def _date_headers(sums: Sums, sound: pa.Table) -> None:
    """Keep the date and type of each header: they say which one counts, and what its document is."""
    told = (plain(sound[name]).to_pylist() for name in ("invoice_number", "document_type"))
    for number, document_type, dated_on in zip(*told, sound["invoice_date"].to_pylist(), strict=True):
        sums.of(number).dated["" if dated_on is None else dated_on.isoformat()] = document_type or ""


def _add_open_months(sums: Sums, wire_format: WireFormat, sound: pa.Table) -> None:
    if wire_format.currency is None or wire_format.amount is None:
        return
    columns = {"currency": plain(sound[wire_format.currency]), "month": _months(sound, wire_format.dates)}
    table = pa.table({**columns, "amount": sound[wire_format.amount]})
    grouped = table.group_by(["currency", "month"], use_threads=False).aggregate([("amount", "sum"), ([], "count_all")])
    for row in grouped.to_pylist():
        place = (row["currency"], "" if row["month"] is None else _month(row["month"]))
        sums.open_months.setdefault(place, MonthSums()).add(row["count_all"], row["amount_sum"])


def _months(rows: pa.Table, dates: tuple[str, ...]) -> pa.ChunkedArray:
    """The month of each row as a running number, from the first of the dates that is there."""
    told = pc.coalesce(*(rows[name] for name in dates))
    return pc.add(pc.multiply(pc.year(told), _MONTHS), pc.subtract(pc.month(told), 1))


def _month(number: int) -> str:
    year, place = divmod(number, _MONTHS)
    return f"{year:04d}-{place + 1:02d}"


def _most(counted: Counter[str]) -> str | None:
    return min(counted, key=lambda key: (-counted[key], key)) if counted else None


def _text(amount: Decimal) -> str:
    return format(amount, "f")
