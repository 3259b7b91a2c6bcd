"""Quarantine: the rows of a batch that cannot be used are taken out, each with its reason; the others go on.

What belongs here: the split of a typed batch, and the CSV file that lists what was put aside. Counting is done here
once, so that rows in = rows staged + rows quarantined holds by construction.
"""

from __future__ import annotations

import csv
from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from csp_pipeline.formats.casting import ROW, Reject, TypedBatch, plain
from csp_pipeline.formats.open_month import BILLED_OF
from csp_pipeline.storage.durable import durable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from csp_pipeline.formats.columns import WireFormat

HEADER = ("source_file", "source_row", "invoice_number", "column_name", "value", "reason")
LINE_BYTES = 65_536
"""No line of a list is longer: no text on it has more than `_SHOWN` characters, and no file name is that long."""
_SHOWN = 500


def reject_other_currencies(wire_format: WireFormat, batch: TypedBatch, expected: Mapping[str, str]) -> None:
    """Put aside the rows that are not in the one currency of their invoice.

    Args:
        wire_format: names the columns that carry invoice and currency.
        batch: gets a reject for each such row.
        expected: the currency of an invoice by its number in capitals, for those that were found in more than one.
    """
    if not expected or wire_format.invoice is None or wire_format.currency is None:
        return
    wanted = pa.array(list(expected), pa.string())
    keys = pc.utf8_upper(plain(batch.table[wire_format.invoice]))
    concerned = pc.indices_nonzero(pc.is_in(keys, value_set=wanted)).to_pylist()
    portal = wire_format.column[wire_format.currency].portal
    some = batch.table.select([wire_format.invoice, wire_format.currency, ROW]).take(pa.array(concerned, pa.int64()))
    for invoice, currency, row in zip(*(column.to_pylist() for column in some.columns), strict=True):
        if currency is not None and currency != expected[invoice.upper()]:
            wanted_currency = expected[invoice.upper()]
            reason = f"invoice {invoice} is in {wanted_currency}, this row in {currency}; an invoice has one currency"
            batch.rejects.append(Reject(row, portal, currency, reason, invoice))


def reject_billed(wire_format: WireFormat, batch: TypedBatch) -> None:
    """Put aside the rows that name an invoice in a file that began as one of an open month.

    Args:
        wire_format: the format of the file; nothing is done to one that is not of an open month.
        batch: gets a reject for each such row.
    """
    billed = BILLED_OF.get(wire_format.kind)
    if billed is None or billed.invoice is None:
        return
    invoices = batch.table[billed.invoice]
    if invoices.null_count == batch.table.num_rows:
        return
    portal = wire_format.column[billed.invoice].portal
    reason = f"the file is of an open month, as its first rows name no {portal}; this row does: export the month again"
    named = pc.is_valid(invoices)
    for row, invoice in zip(
        batch.table[ROW].filter(named).to_pylist(), invoices.filter(named).to_pylist(), strict=True
    ):
        batch.rejects.append(Reject(row, portal, invoice, reason))


def split(wire_format: WireFormat, batch: TypedBatch) -> tuple[pa.Table, pa.Table, list[Reject]]:
    """Part the sound rows from the others.

    Args:
        wire_format: names the column that carries the invoice.
        batch: typed rows with their rejects.

    Returns:
        The sound rows, the rows put aside as far as they could be read, and the rejects with their invoice.
    """
    if not batch.rejects:
        return batch.table, batch.table.slice(0, 0), []
    bad = pa.array(sorted({reject.row for reject in batch.rejects}), pa.int64())
    is_bad = pc.is_in(batch.table[ROW], value_set=bad)
    aside = batch.table.filter(is_bad)
    invoices: dict[int, str | None] = {}
    if wire_format.invoice is not None:
        invoices = dict(zip(aside[ROW].to_pylist(), aside[wire_format.invoice].to_pylist(), strict=True))
    named = [replace(reject, invoice=reject.invoice or invoices.get(reject.row)) for reject in batch.rejects]
    return batch.table.filter(pc.invert(is_bad)), aside, named


def name_invoices(rejects: Sequence[Reject], invoices: Sequence[str]) -> list[Reject]:
    """Name the invoice of rows that could not be taken apart, where it stands in the row or the file has only one.

    Args:
        rejects: rows put aside.
        invoices: every invoice of the file.

    Returns:
        The rejects; what stays without invoice may belong to any of the file.
    """
    named = []
    for reject in rejects:
        if reject.invoice is None:
            mentioned = [invoice for invoice in invoices if invoice in (reject.value or "") and reject.column is None]
            sole = mentioned if len(mentioned) == 1 else invoices
            reject = replace(reject, invoice=sole[0] if len(sole) == 1 else None)  # noqa: PLW2901  (a frozen value)
        named.append(reject)
    return named


def write(path: Path, source_file: str, rejects: Sequence[Reject]) -> None:
    """List what was put aside, one line per unreadable value; without any, no file is left.

    Args:
        path: the file under `quarantine/`.
        source_file: name of the inbox file.
        rejects: rows put aside, in any order.
    """
    if not rejects:
        path.unlink(missing_ok=True)
        return
    with durable(path) as unfinished, unfinished.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADER)
        for reject in sorted(rejects, key=lambda one: (one.row, one.column or "")):
            told = (reject.invoice, reject.column, reject.value, reject.reason)
            cut = (None if text is None else text[:_SHOWN].replace("\0", "") for text in told)
            writer.writerow((source_file, reject.row, *cut))
