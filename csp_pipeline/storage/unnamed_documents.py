"""Documents whose rows do not name them: which header they belong to, or what they are called until one is there.

What belongs here: the place holder that stands for the number in staged rows, and the rule that replaces it, applied
anew whenever the catalogue of files is made, so that a header may come before or after its lines.

A licence file of a D invoice has no column for the number. Its rows of a currency are one document: that of the legacy
header of the currency whose billing period holds the month in which most of them start. Of several the one with their
total is meant, then the one whose period begins in that month. Where none is left the rows are a document of their own,
by currency and month, which a later file of that currency and month replaces.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from csp_pipeline.domain.calendar import month_of
from csp_pipeline.formats.casting import plain
from csp_pipeline.formats.recognition import FORMATS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import date

    from csp_pipeline.formats.casting import TypedBatch
    from csp_pipeline.formats.columns import WireFormat
    from csp_pipeline.storage.versions import Sidecar

UNNAMED = {kind: wire_format.unnamed for kind, wire_format in FORMATS.items() if wire_format.unnamed}
"""The kinds whose rows need not name their document, and what such a document is called."""
_NEW_COMMERCE = "G"


@dataclass(frozen=True, slots=True)
class Header:
    """What a header says that lines without a number can be known by; `named_total` is what is known to be in it."""

    invoice_number: str
    currency: str
    starts_on: date | None
    ends_on: date | None
    total: Decimal
    named_total: Decimal = Decimal(0)

    def covers(self, month: str) -> bool:
        """Whether a day of the month is in the billing period."""
        if self.starts_on is None:
            return False
        return month_of(self.starts_on) <= month <= month_of(self.ends_on or self.starts_on)


def name_rows(wire_format: WireFormat, batch: TypedBatch) -> None:
    """Give rows without a document's number the place holder of their currency.

    Args:
        wire_format: nothing is done for one whose rows must name their document.
        batch: its column of numbers is replaced.
    """
    if not wire_format.unnamed or wire_format.invoice is None or wire_format.currency is None:
        return
    numbers = plain(batch.table[wire_format.invoice])
    if not numbers.null_count:
        return
    currencies = pc.utf8_upper(plain(batch.table[wire_format.currency]))
    holders = pc.binary_join_element_wise(wire_format.unnamed, currencies, " ")
    place = batch.table.column_names.index(wire_format.invoice)
    named = pc.coalesce(numbers, holders.cast(pa.string()))
    batch.table = batch.table.set_column(place, wire_format.invoice, named)


def name_documents(
    sidecars: Mapping[str, Sidecar], read_headers: Callable[[], Sequence[Header]]
) -> dict[str, dict[str, object]]:
    """The sidecars with a number for each document, and a sentence on how it was come by.

    Args:
        sidecars: by the hash of the file, as staged.
        read_headers: reads the headers; asked only when there is a document without a number.

    Returns:
        The sidecars; an entry whose number was found has the place holder in `number_in_rows`.
    """
    named = {sha256: dict(sidecar) for sha256, sidecar in sidecars.items()}
    concerned = [sidecar for sidecar in named.values() if any(map(_is_unnamed(sidecar), _entries(sidecar)))]
    if not concerned:
        return named
    headers = [one for one in read_headers() if not one.invoice_number.upper().startswith(_NEW_COMMERCE)]
    for sidecar in concerned:
        told = [str(sidecar["message"])] if sidecar["message"] else []
        entries = []
        for entry in _entries(sidecar):
            if _is_unnamed(sidecar)(entry):
                number, sentence = _number_of(entry, headers)
                entries.append({**entry, "invoice_number": number, "number_in_rows": entry["invoice_number"]})
                told.append(sentence)
            else:
                entries.append(dict(entry))
        sidecar["invoices"], sidecar["message"] = entries, "; ".join(told)
    return named


def _entries(sidecar: Sidecar) -> list[Mapping[str, object]]:
    held = sidecar.get("invoices")
    return held if isinstance(held, list) else []


def _is_unnamed(sidecar: Sidecar) -> Callable[[Mapping[str, object]], bool]:
    holder = UNNAMED.get(str(sidecar["kind"]))
    return lambda entry: holder is not None and str(entry["invoice_number"]).startswith(f"{holder} ")


def _number_of(entry: Mapping[str, object], headers: Iterable[Header]) -> tuple[str, str]:
    """The number of a document, and the sentence that tells of it."""
    month, currency = str(entry["lines_month"] or ""), str(entry["currency"] or "")
    header = _header_of(month, currency, Decimal(str(entry["total_staged"])), headers)
    if header is not None:
        return header.invoice_number, f"its {currency} rows name no invoice and are taken as {header.invoice_number}'s"
    number = "-".join(filter(None, (str(entry["invoice_number"]).replace(" ", "-"), month)))
    return number, (
        f"its {currency} rows name no invoice, and no header says whose they are: they are a document of their own, "
        f"{number}, until the header is there"
    )


def _header_of(month: str, currency: str, total: Decimal, headers: Iterable[Header]) -> Header | None:
    found = [one for one in headers if one.currency.upper() == currency.upper() and one.covers(month)]
    equal = [one for one in found if total in (one.total, one.total - one.named_total)]
    for few in (equal, [one for one in equal or found if one.starts_on and month_of(one.starts_on) == month], found):
        if len(few) == 1:
            return few[0]
    return None
