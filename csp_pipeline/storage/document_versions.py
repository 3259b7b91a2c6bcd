"""The history of each provider document: its versions in order, and the files each was made of.

What belongs here: pure rules over listings, so that a rebuild tells the same history. Which version counts is decided
in `versions`; what a version's rows sum to, in `models/cost/invoice_versions.sql`.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING

from csp_pipeline.storage.versions import entries, number_key, version_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from csp_pipeline.storage.versions import Listing, Version


def document_version_rows(listed: Iterable[Listing]) -> list[dict[str, object]]:
    """Every version of every document with its files; content that several versions list stands in each of them.

    A version that holds the very files of the one before it changes nothing and is none.

    Args:
        listed: every listing.

    Returns:
        One row per kind, document, version (numbered from 1) and file.
    """
    documents: dict[tuple[str, str], dict[Version, dict[str, _Part]]] = defaultdict(lambda: defaultdict(dict))
    for listing in listed:
        for invoice in entries(listing.sidecar, "invoices"):
            versions = documents[listing.kind, number_key(invoice)]
            versions[version_of(listing, invoice)][listing.sha256] = (listing, invoice)
    rows: list[dict[str, object]] = []
    for held in documents.values():
        told = _that_differ(held)
        ends = [later.effective_at for _, later in pairwise(told)]
        for number, version in enumerate(told, start=1):
            superseded_at = ends[number - 1] if number < len(told) else None
            rows += [_row(part, number, version, superseded_at) for part in held[version].values()]
    return rows


_Part = tuple["Listing", "Mapping[str, object]"]


def _that_differ(held: Mapping[Version, Mapping[str, _Part]]) -> list[Version]:
    """The versions in order, without those whose files are those of the version before."""
    ordered = sorted(held)
    return ordered[:1] + [later for earlier, later in pairwise(ordered) if set(held[earlier]) != set(held[later])]


def _row(part: _Part, number: int, version: Version, superseded_at: object) -> dict[str, object]:
    listing, invoice = part
    return {
        "kind": listing.kind,
        "invoice_number": invoice["invoice_number"],
        "number_in_rows": invoice.get("number_in_rows"),
        "version_number": number,
        "file_sha256": listing.sha256,
        "source_file": listing.sidecar["source_file"],
        "rows_staged": invoice["rows_staged"],
        "scan_number": version.scan_number,
        "known_at": listing.scan.scanned_at,
        "effective_at": version.effective_at,
        "superseded_at": superseded_at,
        "is_current": superseded_at is None,
    }
