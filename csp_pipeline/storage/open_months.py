"""Which files of an open month count: the latest of each month and currency, until the billed ones are there.

What belongs here: pure rules over listings, so that a rebuild decides the same. What versions are, and which of a
document counts, belongs to `versions`; what a row is, to `formats.open_month`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from csp_pipeline.domain.calendar import shift_month
from csp_pipeline.domain.proration import EXACT
from csp_pipeline.formats import reconciliation
from csp_pipeline.storage.versions import HEADERS, Listing, Version, entries, number_key, placed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from csp_pipeline.storage.versions import Sidecar

RECONCILIATION = reconciliation.FORMAT.kind
_LAST, _CURRENT = "last", "current"
_NEW_COMMERCE = "G"


@dataclass(frozen=True, slots=True)
class _OpenDocument:
    """What one version says of one open month and currency.

    Attributes:
        period: `current` or `last`, where it was fetched as that; else empty.
    """

    kind: str
    currency: str
    month: str
    version: Version
    period: str
    listed: tuple[Listing, ...]


def open_month_rows(
    listed: Iterable[Listing], billed_of: Mapping[str, str], invoices: Iterable[Mapping[str, object]]
) -> list[dict[str, object]]:
    """What each file holds of each open month, and whether it still counts.

    The latest version of a month and currency replaces the earlier ones whole, and none counts once an invoice of that
    month is there with rows of its kind. The invoice's lines end open usage too: they bill it, with or without its
    usage. The month is the latest in which a line starts: lines of earlier months in it are late ones, nothing is
    charged before it begins. The period `current` follows the period `last` known by then.

    Args:
        listed: every listing.
        billed_of: the billed kind by the kind of the open one.
        invoices: the rows of `invoice_rows`.

    Returns:
        One row per kind, month, currency and file.
    """
    documents = _in_turn(_open_documents(listing for listing in listed if listing.kind in billed_of))
    billed = _billed_months(invoices)
    ended_by = {kind: {other, RECONCILIATION} for kind, other in billed_of.items()}
    latest: dict[tuple[str, str, str], Version] = {}
    for one in documents:
        key = (one.kind, one.month, one.currency)
        latest[key] = max(latest.get(key, one.version), one.version)
    rows: dict[tuple[str, ...], dict[str, object]] = {}
    for one in sorted(documents, key=lambda one: one.version):
        is_latest = latest[one.kind, one.month, one.currency] == one.version
        is_billed = any((kind, one.month, one.currency) in billed for kind in ended_by[one.kind])
        for listing in one.listed:
            rows[one.kind, one.month, one.currency, listing.sha256] = {
                **placed(listing),
                "billing_month": one.month,
                "currency": one.currency,
                **_added(listing.sidecar, one.currency),
                "is_latest": is_latest,
                "is_current": is_latest and not is_billed,
            }
    return list(rows.values())


def _open_documents(listed: Iterable[Listing]) -> list[_OpenDocument]:
    """A delivery is one document per currency, whatever its files; each file of the inbox is one of its own."""
    parts: dict[tuple[str, Version, str], list[Listing]] = defaultdict(list)
    for listing in listed:
        parts[listing.kind, listing.version, "" if listing.origin else listing.sha256].append(listing)
    documents = []
    for (kind, version, _), members in parts.items():
        months: dict[str, list[str]] = defaultdict(list)
        for listing in members:
            for entry in entries(listing.sidecar, "open_months"):
                months[str(entry["currency"])].append(str(entry["month"]))
        origin = members[0].origin
        period = origin.scope.rpartition("|")[2] if origin else ""
        for currency, told in months.items():
            month = max(told) or f"{version.effective_at:%Y-%m}"
            holding = tuple(one for one in members if _added(one.sidecar, currency)["rows_staged"])
            documents.append(_OpenDocument(kind, currency, month, version, period, holding))
    return documents


def _in_turn(documents: list[_OpenDocument]) -> list[_OpenDocument]:
    """Put what is of the current period after the last one where only late lines are there yet to tell its month.

    A version made before the last period ended was of that period when it was the current one: it stays.
    """
    last: dict[tuple[str, str], str] = {}
    turned = []
    for one in sorted(documents, key=lambda one: (one.version.scan_number, one.period != _LAST)):
        before = last.get((one.kind, one.currency), "")
        if one.period == _LAST:
            last[one.kind, one.currency] = max(before, one.month)
        elif one.period == _CURRENT and before and one.month <= before < f"{one.version.effective_at:%Y-%m}":
            turned.append(replace(one, month=shift_month(before, 1)))
            continue
        turned.append(one)
    return turned


def _billed_months(invoices: Iterable[Mapping[str, object]]) -> set[tuple[str, str, str]]:
    """Kind, month and currency of what invoices bill; a void or credit note bills no month.

    A document's type and month are its header's. Without a header an ordinary number of new commerce is an invoice,
    and its month that of most lines.
    """
    current = [row for row in invoices if row["is_current"]]
    headers = {number_key(row): row for row in current if row["kind"] == HEADERS}
    billed = set()
    for row in current:
        header = headers.get(number_key(row))
        if row["rows_staged"] and row["kind"] != HEADERS and _is_invoice(number_key(row), header):
            month = (header and header["lines_month"]) or row["lines_month"]
            billed.add((str(row["kind"]), str(month), str(row["currency"])))
    return billed


def _is_invoice(number: str, header: Mapping[str, object] | None) -> bool:
    told = "" if header is None else re.sub("[^a-z]", "", str(header.get("document_type") or "").lower())
    return told == "invoice" if told else number.startswith(_NEW_COMMERCE)


def _added(sidecar: Sidecar, currency: str) -> dict[str, int | Decimal]:
    """The rows and the amount of a currency in an open file, every digit kept."""
    rows, amount = 0, Decimal(0)
    for entry in entries(sidecar, "open_months"):
        if entry["currency"] == currency:
            rows += int(str(entry["rows_staged"]))
            amount = EXACT.add(amount, Decimal(str(entry["amount_staged"])))
    return {"rows_staged": rows, "amount_staged": amount}
