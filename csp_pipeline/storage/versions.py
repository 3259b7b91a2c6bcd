"""Which version counts: of each provider document, and of each day's snapshot.

What belongs here: pure rules over manifests and sidecars, so that a rebuild decides the same. What is done with the
answer (tables, views) belongs to `file_catalogue` and `staged_views`; open months have `open_months`.

A version is what one delivery brought, or what one scan found in the inbox. The later one counts: by the time the
service gives for it, else by the scan's, then by the order of scans and deliveries. Content that a newer version lists
again belongs to the newer version.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeAlias

from csp_pipeline.formats import daily_usage, distributor, invoice_headers, legacy_usage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import date

    from csp_pipeline.storage.landing import LandedFile, Scan
    from csp_pipeline.storage.origin import Origin

Sidecar: TypeAlias = "Mapping[str, object]"
HEADERS = invoice_headers.FORMAT.kind
_USAGE = frozenset({daily_usage.FORMAT.kind, legacy_usage.DAYS.kind})


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """When something became known; ordered, the latest counts."""

    effective_at: datetime
    scan_number: int
    delivery: int


@dataclass(frozen=True, slots=True)
class Listing:
    """A staged file as one scan lists it.

    Attributes:
        scan: the scan.
        origin: where it was fetched from; None for a file of the inbox.
        sha256: the staged content; of a file packed in another way, that of the file that holds the same text.
        sidecar: what was staged of it.
        version: the version it is a part of.
    """

    scan: Scan
    origin: Origin | None
    sha256: str
    sidecar: Sidecar
    version: Version

    @property
    def kind(self) -> str:
        """The kind of the file."""
        return str(self.sidecar["kind"])

    @property
    def day(self) -> date:
        """The day a snapshot is of: the one it was fetched for, else that of the scan."""
        told = self.origin.snapshot_on if self.origin else None
        return told or self.scan.scanned_at.date()


def listings(scans: Iterable[Scan], sidecars: Mapping[str, Sidecar]) -> Iterator[Listing]:
    """Every staged file at every scan that lists it, in the order of the scans."""
    for scan in scans:
        for file in scan.files:
            sha256 = file.sha256 if file.sha256 in sidecars else file.same_as if file.origin else ""
            if sha256 in sidecars:
                yield Listing(scan, file.origin, sha256, sidecars[sha256], _version(scan, file))


def _version(scan: Scan, file: LandedFile) -> Version:
    told = file.origin.version_at if file.origin else None
    effective_at = told.astimezone(UTC).replace(tzinfo=None) if told else scan.scanned_at
    return Version(effective_at, scan.number, file.delivery)


def invoice_rows(listed: Iterable[Listing]) -> list[dict[str, object]]:
    """What each file holds of each provider document, and whether it is part of the version that counts.

    Returns:
        One row per file and invoice as the sidecar has it, with the scan that found the file, the time of the newest
        version that lists it, and `is_current`.
    """
    first: dict[tuple[str, str], Scan] = {}
    newest: dict[tuple[str, str], Listing] = {}
    for listing in listed:
        key = (listing.kind, listing.sha256)
        first.setdefault(key, listing.scan)
        if key not in newest or newest[key].version < listing.version:
            newest[key] = listing
    rows = [(listing, invoice) for listing in newest.values() for invoice in entries(listing.sidecar, "invoices")]
    latest: dict[tuple[str, str], Version] = {}
    for listing, invoice in rows:
        document = (listing.kind, number_key(invoice))
        version = version_of(listing, invoice)
        latest[document] = max(latest.get(document, version), version)
    placed_rows: list[dict[str, object]] = [
        {
            **placed(listing),
            "scan_number": first[listing.kind, listing.sha256].number,
            "scanned_at": first[listing.kind, listing.sha256].scanned_at,
            "effective_at": version_of(listing, invoice).effective_at,
            **invoice,
            "rows_without_invoice": listing.sidecar["rows_without_invoice"],
            "is_current": latest[listing.kind, number_key(invoice)] == version_of(listing, invoice),
        }
        for listing, invoice in rows
    ]
    _settle_months([row for row in placed_rows if row["is_current"]])
    return placed_rows


def number_key(invoice: Mapping[str, object]) -> str:
    """A document's number as it is compared: without case and blanks."""
    return str(invoice["invoice_number"]).strip().upper()


def version_of(listing: Listing, invoice: Mapping[str, object]) -> Version:
    """The version of a document that a listing is a part of; a header was made on the date that it bears."""
    dated_on = invoice.get("dated_on") if listing.kind == HEADERS else None
    if not dated_on:
        return listing.version
    return replace(listing.version, effective_at=datetime.fromisoformat(str(dated_on)))


def _settle_months(current: Sequence[dict[str, object]]) -> None:
    """Give all files of a document the month and currency of most rows of the document, however it is split."""
    documents: dict[tuple[str, str], list[dict[str, object]]] = defaultdict(list)
    for row in current:
        documents[_part_of(str(row["kind"])), number_key(row)].append(row)
    for rows in documents.values():
        for name, counts in (("lines_month", "months"), ("currency", "currencies")):
            counted: Counter[str] = Counter()
            for row in rows:
                told = row.get(counts)
                counted.update(told if isinstance(told, dict) else {})
            if counted:
                most = min(counted, key=lambda one: (-counted[one], one))
                for row in rows:
                    row[name] = most


def _part_of(kind: str) -> str:
    """What counts together towards a document's month: its lines of every kind, apart from its usage."""
    if kind == HEADERS or kind.startswith(distributor.PREFIX):
        return kind
    return "usage" if kind in _USAGE else "lines"


def snapshot_rows(listed: Iterable[Listing], kinds: Iterable[str]) -> list[dict[str, object]]:
    """On which days each snapshot file was seen, and whether it still counts.

    Of a day's deliveries of the same resource and scope the latest counts, kind by kind; files of the inbox add up.

    Args:
        listed: every listing.
        kinds: the kinds that are snapshots or logs of a day.

    Returns:
        One row per kind, day and file.
    """
    wanted = set(kinds)
    found = [listing for listing in listed if listing.kind in wanted]
    latest: dict[tuple[object, ...], tuple[int, int]] = {}
    for listing in found:
        order = (listing.version.scan_number, listing.version.delivery)
        latest[_asked(listing)] = max(latest.get(_asked(listing), order), order)
    rows: dict[tuple[str, date, str], dict[str, object]] = {}
    for listing in found:
        order = (listing.version.scan_number, listing.version.delivery)
        is_current = listing.origin is None or latest[_asked(listing)] == order
        key = (listing.kind, listing.day, listing.sha256)
        if is_current or not rows.get(key, {}).get("is_current"):
            rows[key] = {**placed(listing), "snapshot_on": listing.day, "is_current": is_current}
    return list(rows.values())


def _asked(listing: Listing) -> tuple[object, ...]:
    origin = listing.origin
    return (listing.kind, listing.day, *((origin.source, origin.resource, origin.scope) if origin else ()))


def placed(listing: Listing) -> dict[str, object]:
    """The columns that say which file, scan and version a row tells of."""
    return {
        "kind": listing.kind,
        "file_sha256": listing.sha256,
        "source_file": listing.sidecar["source_file"],
        "scan_number": listing.scan.number,
        "scanned_at": listing.scan.scanned_at,
        "effective_at": listing.version.effective_at,
    }


def entries(sidecar: Sidecar, name: str) -> list[Mapping[str, object]]:
    """A list that a sidecar keeps; empty where it has none."""
    held = sidecar.get(name)
    return held if isinstance(held, list) else []
